//! Gateways that do nothing but send: hello, then batches within a window, each done when headquarters says so.

use crate::salon::{Sent, Stream};
use skinlink::{
    ports::{Connector, FromBroker, Publish, Uplink},
    sync::{
        reply::{Hello, Reply},
        topic::{Address, Lane},
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

/// What one gateway does.
pub struct Drive {
    stream: Stream,
    waiting: VecDeque<Sent>,
    window: usize,
    /// From one batch to the next; `None`: as fast as the window lets it.
    pace: Option<(Duration, Instant)>,
    /// From one live event to the next, and the number of the next.
    live: Option<(Duration, Instant, u64)>,
    /// By their last sequence: first one, when it was due, whether it was live.
    flying: BTreeMap<u64, (u64, Instant, bool)>,
    times: Times,
}

/// When what was acknowledged.
#[derive(Default)]
pub struct Times {
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    pub latencies: Vec<Duration>,
    pub live: Vec<Duration>,
}

impl Times {
    pub fn add(&mut self, other: Self) {
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        self.latencies.extend(other.latencies);
        self.live.extend(other.live);
    }
}

impl Drive {
    pub fn flood(stream: Stream, window: usize) -> Self {
        let waiting = stream.sent.iter().cloned().collect();
        let (flying, times) = (BTreeMap::new(), Times::default());
        Self { stream, waiting, window, pace: None, live: None, flying, times }
    }

    /// One batch `every` so often, the first after `offset`; counted from when it is due.
    pub fn paced(stream: Stream, every: Duration, offset: Duration) -> Self {
        Self { pace: Some((every, Instant::now() + Duration::from_secs(2) + offset)), ..Self::flood(stream, 1_000) }
    }

    /// A flood, and one new event `every` so often that need not wait for it.
    pub fn with_live(stream: Stream, window: usize, every: Duration) -> Self {
        let next = stream.sent.last().map_or(1, |sent| sent.last + 1);
        Self { live: Some((every, Instant::now() + every, next)), ..Self::flood(stream, window) }
    }

    pub fn address(&self) -> &Address {
        &self.stream.address
    }

    pub async fn run(mut self, connector: Connector) -> Times {
        let mut uplink = connector().await.unwrap();
        self.greet(&mut uplink).await;
        let mut token = 0;
        while !self.waiting.is_empty() || !self.flying.is_empty() {
            let now = Instant::now();
            let (ready, wake) = self.ready(now);
            tokio::select! {
                heard = uplink.arrived.recv() => self.heard(heard.unwrap()),
                reason = &mut uplink.driver => panic!("{}: {reason}", self.stream.address.gateway),
                permit = uplink.publish.reserve(), if ready => {
                    token += 1;
                    if let Some(payload) = self.next(now) {
                        let topic = self.stream.address.topic(&Lane::Events);
                        permit.unwrap().send(Publish { token, topic, payload, retain: false });
                    }
                }
                () = sleep_until(wake), if !ready => {}
            }
        }
        self.times
    }

    async fn greet(&self, uplink: &mut Uplink) {
        let (refused, past) = (Vec::new(), Vec::new());
        let last_seq = self.stream.sent.last().map_or(0, |sent| sent.last);
        let epoch = self.stream.epoch.to_string();
        let hello =
            Hello { epoch, last_seq, oldest_kept: 1, version: "bench".into(), refused, past, ..Hello::default() };
        let topic = self.stream.address.topic(&Lane::Hello);
        let payload = serde_json::to_vec(&hello).unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < limit, "nobody has answered a hello for a minute; look above for why");
            uplink
                .publish
                .try_send(Publish { token: 0, topic: topic.clone(), payload: payload.clone(), retain: false })
                .unwrap();
            let again = sleep(Duration::from_millis(500));
            tokio::pin!(again);
            loop {
                tokio::select! {
                    reason = &mut uplink.driver => panic!("{reason}"),
                    heard = uplink.arrived.recv() => if let FromBroker::Message { payload, .. } = heard.unwrap()
                        && matches!(serde_json::from_slice(&payload), Ok(Reply::Hello { .. })) { return },
                    () = &mut again => break,
                }
            }
        }
    }

    /// Whether something may be sent now, and when to look again if not.
    fn ready(&self, now: Instant) -> (bool, Instant) {
        let live = self.live.filter(|_| !self.waiting.is_empty()).map(|(_, due, _)| due);
        let next = match self.pace {
            _ if self.waiting.is_empty() || self.flying.len() >= self.window => None,
            Some((_, due)) => Some(due),
            None => Some(now),
        };
        let wake = [live, next].into_iter().flatten().min();
        (wake.is_some_and(|wake| wake <= now), wake.unwrap_or(now + Duration::from_secs(1)))
    }

    fn next(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.times.first.get_or_insert(now);
        if let Some((every, due, seq)) = &mut self.live
            && *due <= now
        {
            let sent = self.stream.publish(*seq, *seq, 1);
            self.flying.insert(*seq, (*seq, *due, true));
            (*due, *seq) = (*due + *every, *seq + 1);
            return Some(sent.payload);
        }
        let due = match &mut self.pace {
            Some((every, due)) => {
                let this = *due;
                *due += *every;
                this
            }
            None => now,
        };
        let sent = self.waiting.pop_front()?;
        self.flying.insert(sent.last, (sent.first, due, false));
        Some(sent.payload)
    }

    fn heard(&mut self, heard: FromBroker) {
        let FromBroker::Message { payload, .. } = heard else { return };
        match serde_json::from_slice(&payload).unwrap() {
            Reply::Ack { upto, ranges, .. } => {
                let now = Instant::now();
                let Self { flying, times, .. } = self;
                flying.retain(|last, (first, due, live)| {
                    let done = *last <= upto || ranges.iter().any(|(from, to)| from <= first && last <= to);
                    if done {
                        let list = if *live { &mut times.live } else { &mut times.latencies };
                        list.push(now.duration_since(*due));
                        times.last = Some(now);
                    }
                    !done
                });
            }
            Reply::Nack { seq, reason, .. } | Reply::Alarm { seq, reason, .. } => panic!("seq {seq}: {reason}"),
            Reply::Hello { .. }
            | Reply::Ask { .. }
            | Reply::Image { .. }
            | Reply::Upload { .. }
            | Reply::Agenda { .. }
            | Reply::Staff { .. }
            | Reply::Order { .. }
            | Reply::Wanted { .. }
            | Reply::Slice { .. }
            | Reply::Feedback { .. } => {}
        }
    }
}
