//! The receiving loop: takes what arrives, commits it, and only then answers. While one commit is on its way to the disk,
//! everything that arrives makes up the next: batches grow with the load and cost nothing in idleness.
//!
//! Answers may be lost without harm (the gateway sends again), so their queue is bounded by dropping the oldest.

use super::database::{Addressed, Arrived, Database, Hole, HqError};
use crate::{
    clock,
    domain::Timestamp,
    ports::{Connector, FromBroker, Publish, Uplink, UplinkError},
    sync::{
        backoff::Backoff,
        reply::Reply,
        topic::{Address, Lane},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// First and longest ceiling of the wait between two connections: receivers are few, and thousands of gateways wait for them.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Publishes of one transaction: some 100,000 rows at most, about a second of disk.
const MAX_INBOX: usize = 512;

/// A commit of so many bytes tells of a fast stream: the next one waits for company, since each costs the disk a sync.
const FAST: usize = 16 * 1024;

/// From one commit of a fast stream to the next, unless [`ENOUGH`] is there before. A slow stream never waits.
const GATHER: Duration = Duration::from_millis(5);

/// Bytes worth a commit at any time.
const ENOUGH: usize = 256 * 1024;

/// Answers waiting to be sent; beyond this the oldest is dropped.
const MAX_REPLIES: usize = 10_000;

/// How often holes are looked for.
const LOOK_FOR_HOLES: Duration = Duration::from_secs(2);

/// A hole that has not moved this long is asked for: longer than a batch under way takes.
const HOLE_PATIENCE: Duration = Duration::from_secs(4);

/// Ranges that one question names.
const MAX_ASKED: usize = 32;

/// Gateways heard within this time are told where they stand when HQ comes back.
const STANDING_DAYS: i64 = 30;

/// What HQ subscribes to, shared between copies of the receiver.
#[must_use]
pub fn subscriptions() -> Vec<String> {
    ["events", "hello", "status", "about", "blobs/#"]
        .iter()
        .map(|lane| format!("$share/hq/{}/+/+/{lane}", crate::sync::topic::ROOT))
        .collect()
}

/// Receives until `stop`, reconnecting as often as needed.
///
/// # Errors
/// Only what ends the receiver: a database or disk that cannot be written. Nothing was acknowledged that is not stored.
pub async fn serve(connector: Connector, database: Database, stop: CancellationToken) -> Result<(), HqError> {
    let mut receiver = Receiver {
        database: Some(database),
        commit: None,
        inbox: Vec::new(),
        bytes: 0,
        gather: None,
        replies: Replies::default(),
    };
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let connected = tokio::select! {
            () = stop.cancelled() => return receiver.settle().await,
            connected = connector() => connected,
        };
        let reason = match connected {
            Ok(uplink) => {
                info!("connected to the broker");
                backoff.reset();
                match receiver.session(uplink, &stop).await? {
                    Some(reason) => reason,
                    None => return receiver.settle().await,
                }
            }
            Err(reason) => reason,
        };
        let wait = backoff.next(fastrand::f64());
        if reason.needs_a_person() {
            error!(%reason, wait_ms = wait.as_millis(), "no connection");
        } else {
            warn!(%reason, wait_ms = wait.as_millis(), "no connection");
        }
        tokio::select! {
            () = stop.cancelled() => return receiver.settle().await,
            () = sleep(wait) => {}
        }
    }
}

type Committed = (Database, Result<Vec<Addressed>, HqError>);

struct Receiver {
    /// Away while a commit runs.
    database: Option<Database>,
    commit: Option<JoinHandle<Committed>>,
    inbox: Vec<Arrived>,
    /// Payloads in the inbox, in bytes.
    bytes: usize,
    /// No commit begins before, unless there is enough.
    gather: Option<Instant>,
    replies: Replies,
}

impl Receiver {
    /// One connection; `None` when asked to stop.
    async fn session(&mut self, uplink: Uplink, stop: &CancellationToken) -> Result<Option<UplinkError>, HqError> {
        let Uplink { publish, mut arrived, mut driver } = uplink;
        let mut holes = Holes::default();
        let mut look = interval(LOOK_FOR_HOLES);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.finish_commit().await?;
        self.greet()?;
        loop {
            self.begin_commit();
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                reason = &mut driver => return Ok(Some(reason)),
                committed = running(&mut self.commit) => self.committed(committed)?,
                permit = publish.reserve(), if !self.replies.is_empty() => {
                    if let (Ok(permit), Some(reply)) = (permit, self.replies.pop()) {
                        permit.send(reply);
                    }
                }
                message = arrived.recv(), if self.inbox.len() < MAX_INBOX => match message {
                    Some(FromBroker::Message { topic, payload }) => self.received(&topic, payload),
                    Some(FromBroker::Word { .. }) => {}
                    None => return Ok(Some(UplinkError::Lost("the connection's other half has ended".to_owned()))),
                },
                _ = look.tick() => self.ask(&mut holes)?,
                () = until(self.gather), if self.commit.is_none() && !self.inbox.is_empty() => self.gather = None,
            }
        }
    }

    fn received(&mut self, topic: &str, payload: Vec<u8>) {
        match Address::parse(topic) {
            Some((from, lane)) => {
                self.bytes += payload.len();
                self.inbox.push(Arrived { from, lane, payload });
            }
            None => warn!(topic, "a topic no gateway of this version sends"),
        }
    }

    fn begin_commit(&mut self) {
        if self.commit.is_some() || self.inbox.is_empty() || (self.gather.is_some() && self.bytes < ENOUGH) {
            return;
        }
        self.gather = (self.bytes >= FAST).then(|| Instant::now() + GATHER);
        self.bytes = 0;
        let Some(mut database) = self.database.take() else { return };
        let batch = std::mem::take(&mut self.inbox);
        self.commit = Some(tokio::task::spawn_blocking(move || {
            let replies = database.take(&batch, clock::now().wall);
            (database, replies)
        }));
    }

    fn committed(&mut self, outcome: Result<Committed, tokio::task::JoinError>) -> Result<(), HqError> {
        self.commit = None;
        let (database, replies) = outcome.map_err(|_| HqError::Stopped)?;
        self.database = Some(database);
        for (to, reply) in replies? {
            self.replies.push(&to, reply);
        }
        Ok(())
    }

    /// Waits for a commit left over from the connection before; its answers still hold.
    async fn finish_commit(&mut self) -> Result<(), HqError> {
        if self.commit.is_some() {
            let outcome = running(&mut self.commit).await;
            self.committed(outcome)?;
        }
        Ok(())
    }

    /// What has arrived is committed before the end, though nobody can be told any more.
    async fn settle(mut self) -> Result<(), HqError> {
        self.finish_commit().await?;
        self.gather = None;
        self.begin_commit();
        self.finish_commit().await
    }

    fn greet(&mut self) -> Result<(), HqError> {
        let since = Timestamp::from_unix_ms(clock::now().wall.unix_ms() - STANDING_DAYS * 86_400_000);
        let standings = self.database.as_ref().map_or(Ok(Vec::new()), |database| database.standings(since))?;
        for (to, reply) in standings {
            self.replies.push(&to, reply);
        }
        Ok(())
    }

    fn ask(&mut self, holes: &mut Holes) -> Result<(), HqError> {
        // While a commit runs the database is away, and a batch on its way may be the missing one.
        let Some(database) = &self.database else { return Ok(()) };
        for Hole { from, epoch, missing, .. } in holes.stale(database.holes()?, Instant::now()) {
            info!(gateway = %from.gateway, epoch, ?missing, "asking for what is missing");
            self.replies.push(&from, Reply::Ask { epoch, ranges: missing });
        }
        Ok(())
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at).await;
    }
}

async fn running(commit: &mut Option<JoinHandle<Committed>>) -> Result<Committed, tokio::task::JoinError> {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

/// Since when each stream's prefix has stood still before a hole.
#[derive(Default)]
struct Holes(HashMap<(Address, String), (u64, Instant)>);

impl Holes {
    /// The holes that have stood still long enough; each is asked for once per patience.
    fn stale(&mut self, holes: Vec<Hole>, now: Instant) -> Vec<Hole> {
        let mut before = std::mem::take(&mut self.0);
        let mut stale = Vec::new();
        for mut hole in holes {
            let key = (hole.from.clone(), hole.epoch.clone());
            let since = match before.remove(&key) {
                Some((stood, since)) if stood == hole.upto => since,
                _ => now,
            };
            let due = now.duration_since(since) >= HOLE_PATIENCE && !hole.missing.is_empty();
            self.0.insert(key, (hole.upto, if due { now } else { since }));
            if due {
                hole.missing.truncate(MAX_ASKED);
                stale.push(hole);
            }
        }
        stale
    }
}

/// Answers waiting for the broker.
#[derive(Default)]
struct Replies {
    waiting: VecDeque<(String, Reply)>,
    sent: u64,
}

impl Replies {
    /// A newer acknowledgement of the same epoch says all that the older one did and takes its place, unless something else
    /// was said to that gateway since: an alarm or a refusal must not be overtaken by the acknowledgement that follows it.
    fn push(&mut self, to: &Address, reply: Reply) {
        let topic = to.topic(&Lane::Ack);
        if let Reply::Ack { epoch, .. } = &reply {
            let last = self.waiting.iter_mut().rev().find(|(waiting, _)| *waiting == topic);
            if let Some((_, older)) = last
                && matches!(older, Reply::Ack { epoch: older, .. } if older == epoch)
            {
                *older = reply;
                return;
            }
        }
        if self.waiting.len() >= MAX_REPLIES {
            warn!("too many answers are waiting; the oldest is dropped, its gateway will send again");
            self.waiting.pop_front();
        }
        self.waiting.push_back((topic, reply));
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn pop(&mut self) -> Option<Publish> {
        let (topic, reply) = self.waiting.pop_front()?;
        self.sent += 1;
        let payload = serde_json::to_vec(&reply).expect("a reply has only text and numbers");
        Some(Publish { token: self.sent, topic, payload, retain: false })
    }
}
