//! A gateway's end of the line, driven by hand.

use crate::headquarters::{Headquarters, LIMIT, address};
use skinlink::{
    clock,
    domain::{BootId, ClockState, Epoch, EventId, Stamp, Timestamp, VisitId},
    ports::{BrokerWord, FromBroker, Publish, Uplink},
    sync::{
        envelope::{Batch, Event, Mark},
        payload::{self, kind},
        reply::{Hello, Reply},
        topic::{Address, Lane},
    },
};
use std::{collections::VecDeque, time::Duration};
use tokio::time::timeout;

/// A gateway's end of the line, one word at a time.
pub struct Hand {
    pub address: Address,
    pub epoch: Epoch,
    uplink: Uplink,
    token: u64,
    pub heard: VecDeque<FromBroker>,
}

impl Hand {
    pub async fn connect(headquarters: &Headquarters, address: Address) -> Self {
        let uplink = timeout(LIMIT, headquarters.connector(&address)()).await.expect("in time").expect("a connection");
        let epoch = clock::mint(Epoch::from_bits);
        Self { address, epoch, uplink, token: 0, heard: VecDeque::new() }
    }

    /// Publishes and waits for the broker's word.
    pub async fn publish(&mut self, lane: &Lane, payload: Vec<u8>) -> BrokerWord {
        self.publish_and(lane, payload, false).await
    }

    /// The same; the broker may keep it for those who come later.
    pub async fn publish_and(&mut self, lane: &Lane, payload: Vec<u8>, retain: bool) -> BrokerWord {
        self.token += 1;
        let (token, topic) = (self.token, self.address.topic(lane));
        self.uplink.publish.try_send(Publish { token, topic, payload, retain }).expect("one at a time");
        self.hear("the broker's word", |heard| match heard {
            FromBroker::Word { token: about, word } if *about == token => Some(word.clone()),
            _ => None,
        })
        .await
    }

    async fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&FromBroker) -> Option<T>) -> T {
        if let Some(at) = self.heard.iter().position(|heard| wanted(heard).is_some()) {
            let heard = self.heard.remove(at).expect("just found");
            return wanted(&heard).expect("just found");
        }
        let search = async {
            loop {
                let heard = tokio::select! {
                    reason = &mut self.uplink.driver => panic!("waiting for {what}: {reason}"),
                    heard = self.uplink.arrived.recv() => heard.expect("the driver lives"),
                };
                match wanted(&heard) {
                    Some(found) => return found,
                    None => self.heard.push_back(heard),
                }
            }
        };
        timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
    }

    pub async fn reply(&mut self, what: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
        self.hear(what, |heard| match heard {
            FromBroker::Message { payload, .. } => {
                let reply: Reply = serde_json::from_slice(payload).expect("HQ speaks by the contract");
                wanted(&reply).then_some(reply)
            }
            FromBroker::Word { .. } => None,
        })
        .await
    }

    pub fn event(&self, seq: u64) -> String {
        self.event_with(seq, clock::mint(EventId::from_bits))
    }

    fn event_with(&self, seq: u64, id: EventId) -> String {
        let stamp = Stamp {
            boot: BootId::from_bits(1),
            monotonic_ns: seq,
            wall: Timestamp::from_unix_ms(1_780_000_000_000),
            clock: ClockState::Synced,
        };
        let visit = clock::mint(VisitId::from_bits).to_string();
        let data = payload::Scan {
            scan: visit.clone(),
            visit: visit.clone(),
            phase: "before".into(),
            state: "running".into(),
        };
        let data = serde_json::value::to_raw_value(&data).expect("plain data");
        let source = format!("skinlink://{}/{}", self.address.store, self.address.gateway);
        let event = Event::new(&source, kind::SCAN, &visit, Mark { id, epoch: self.epoch, seq, stamp }, data);
        serde_json::to_string(&event).expect("plain data")
    }

    pub fn batch(&self, first_seq: u64, events: &[String]) -> Vec<u8> {
        let events: Vec<_> = events
            .iter()
            .map(|event| serde_json::value::RawValue::from_string(event.clone()).expect("the test writes JSON"))
            .collect();
        let count = u32::try_from(events.len()).expect("few");
        serde_json::to_vec(&Batch { epoch: self.epoch.to_string(), first_seq, count, events }).expect("plain data")
    }

    pub async fn send(&mut self, first: u64, last: u64) {
        let events: Vec<String> = (first..=last).map(|seq| self.event(seq)).collect();
        let batch = self.batch(first, &events);
        assert_eq!(self.publish(&Lane::Events, batch).await, BrokerWord::Taken);
    }

    pub async fn acknowledged(&mut self, wanted: u64) -> Vec<(u64, u64)> {
        let reply =
            self.reply("an acknowledgement", |reply| matches!(reply, Reply::Ack { upto, .. } if *upto == wanted)).await;
        let Reply::Ack { ranges, .. } = reply else { unreachable!("just matched") };
        ranges
    }
}

pub fn hello(epoch: &Epoch, last_seq: u64, oldest_kept: u64) -> Hello {
    let (refused, past) = (Vec::new(), Vec::new());
    Hello { epoch: epoch.to_string(), last_seq, oldest_kept, version: "test".into(), refused, past, ..Hello::default() }
}

/// Publishes to HQ only once it listens.
pub async fn connected(headquarters: &Headquarters) -> Hand {
    let mut hand = Hand::connect(headquarters, address()).await;
    let hello = hello(&hand.epoch, 0, 1);
    loop {
        let hello = serde_json::to_vec(&hello).expect("plain data");
        match hand.publish(&Lane::Hello, hello).await {
            BrokerWord::Taken => break,
            BrokerWord::NobodyListens => tokio::time::sleep(Duration::from_millis(20)).await,
            BrokerWord::Refused(reason) => panic!("{reason}"),
        }
    }
    hand.reply("an answer to hello", |reply| matches!(reply, Reply::Hello { .. })).await;
    hand
}
