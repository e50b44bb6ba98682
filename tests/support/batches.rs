//! Batches as a gateway sends them, written by hand.

use skinlink::{
    clock,
    domain::{BootId, ClockState, Epoch, EventId, Stamp, Timestamp, VisitId},
    hq::database::Arrived,
    sync::{
        envelope::{Batch, Event, Mark},
        payload::{self, kind},
        reply::{Hello, PastEpoch},
        topic::{Address, Lane},
    },
};

/// One life of one gateway.
#[derive(Clone)]
pub struct Gateway {
    pub address: Address,
    pub epoch: Epoch,
}

impl Gateway {
    pub fn named(gateway: &str) -> Self {
        let address = Address { store: format!("{gateway}-store"), gateway: gateway.to_owned() };
        Self { address, epoch: clock::mint(Epoch::from_bits) }
    }

    /// A scan that runs.
    pub fn event(&self, seq: u64) -> String {
        let visit = clock::mint(VisitId::from_bits).to_string();
        let (phase, state) = ("before".to_owned(), "running".to_owned());
        let data = payload::Scan { scan: visit.clone(), visit: visit.clone(), phase, state };
        self.say(seq, kind::SCAN, &visit, &data)
    }

    pub fn say(&self, seq: u64, kind: &str, subject: &str, data: &impl serde::Serialize) -> String {
        self.say_at(Timestamp::from_unix_ms(1_780_000_000_000), seq, kind, subject, data)
    }

    /// At that time by its own clock.
    pub fn say_at(&self, wall: Timestamp, seq: u64, kind: &str, subject: &str, data: &impl serde::Serialize) -> String {
        let boot = BootId::from_bits(1);
        let stamp = Stamp { boot, monotonic_ns: seq * 1_000_000, wall, clock: ClockState::Synced };
        let data = serde_json::value::to_raw_value(data).expect("plain data");
        let source = format!("skinlink://{}/{}", self.address.store, self.address.gateway);
        let mark = Mark { id: clock::mint(EventId::from_bits), epoch: self.epoch, seq, stamp };
        serde_json::to_string(&Event::new(&source, kind, subject, mark, data)).expect("plain data")
    }

    pub fn batch(&self, first_seq: u64, events: &[String]) -> Arrived {
        let raw =
            |event: &String| serde_json::value::RawValue::from_string(event.clone()).expect("the test writes JSON");
        let events: Vec<_> = events.iter().map(raw).collect();
        let count = u32::try_from(events.len()).expect("few");
        let batch = Batch { epoch: self.epoch.to_string(), first_seq, count, events };
        let payload = serde_json::to_vec(&batch).expect("plain data");
        Arrived { from: self.address.clone(), lane: Lane::Events, payload }
    }

    /// A word on how far this database goes.
    pub fn says(&self, last_seq: u64, oldest_kept: u64, past: Vec<PastEpoch>) -> Hello {
        let (epoch, refused) = (self.epoch.to_string(), Vec::new());
        Hello { epoch, last_seq, oldest_kept, version: "test".into(), refused, past, ..Hello::default() }
    }

    pub fn hello(&self, last_seq: u64, oldest_kept: u64, past: Vec<PastEpoch>) -> Arrived {
        let payload = serde_json::to_vec(&self.says(last_seq, oldest_kept, past)).expect("plain data");
        Arrived { from: self.address.clone(), lane: Lane::Hello, payload }
    }

    /// `first` to `last`, freshly made.
    pub fn scans(&self, first: u64, last: u64) -> Arrived {
        let events: Vec<String> = (first..=last).map(|seq| self.event(seq)).collect();
        self.batch(first, &events)
    }
}
