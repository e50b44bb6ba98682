//! Stores of a chain, as the receiver hears of them.

use skinlink::{
    clock,
    domain::{BootId, ClockState, Epoch, EventId, Stamp, Timestamp},
    hq::database::Arrived,
    sync::{
        envelope::{Batch, Event, Mark},
        payload::{self, kind},
        reply::Hello,
        topic::{Address, Lane},
    },
};

pub const MINUTE_MS: i64 = 60_000;

/// Whose visits these are, unless said otherwise.
pub const ANN: &str = "01a10000-0000-7000-8000-0000000000a1";

/// One store with one gateway.
pub struct Store {
    pub address: Address,
    epoch: Epoch,
    pub told: u64,
}

pub fn id<T: std::fmt::Display>(make: fn(u128) -> T) -> String {
    clock::mint(make).to_string()
}

pub fn ago(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() - ms)
}

impl Store {
    pub fn named(store: &str) -> Self {
        let address = Address { store: store.to_owned(), gateway: format!("{store}-g1") };
        Self { address, epoch: clock::mint(Epoch::from_bits), told: 0 }
    }

    fn arrived(&self, lane: Lane, payload: Vec<u8>) -> Arrived {
        Arrived { from: self.address.clone(), lane, payload }
    }

    pub fn says(&self, status: &str) -> Arrived {
        self.arrived(Lane::Status, status.as_bytes().to_vec())
    }

    /// How far it goes, and that it was told so much.
    pub fn hello(&self, last_seq: u64) -> Arrived {
        let hello = Hello {
            epoch: self.epoch.to_string(),
            last_seq,
            oldest_kept: 1,
            version: "0.1.0".into(),
            refused: Vec::new(),
            past: Vec::new(),
            ..Hello::default()
        };
        self.arrived(Lane::Hello, serde_json::to_vec(&hello).expect("plain data"))
    }

    pub fn about(&self, about: &serde_json::Value) -> Arrived {
        self.arrived(Lane::About, about.to_string().into_bytes())
    }

    /// The next event, recorded then.
    pub fn tell(&mut self, kind: &str, subject: &str, data: &impl serde::Serialize, at: Timestamp) -> Arrived {
        self.tell_by(kind, subject, data, (at, ClockState::Synced))
    }

    pub fn tell_by(
        &mut self,
        kind: &str,
        subject: &str,
        data: &impl serde::Serialize,
        (wall, clock): (Timestamp, ClockState),
    ) -> Arrived {
        self.told += 1;
        let stamp = Stamp { boot: BootId::from_bits(1), monotonic_ns: self.told * 1_000_000, wall, clock };
        let mark = Mark { id: clock::mint(EventId::from_bits), epoch: self.epoch, seq: self.told, stamp };
        let Address { store, gateway } = &self.address;
        let data = serde_json::value::to_raw_value(data).expect("plain data");
        let event = Event::new(&format!("skinlink://{store}/{gateway}"), kind, subject, mark, data);
        self.send(vec![serde_json::value::to_raw_value(&event).expect("plain data")])
    }

    /// A word of a customer on one purpose.
    pub fn hears(&mut self, customer: &str, purpose: &str, given: bool) -> Arrived {
        let said = payload::Consent {
            consent: id(skinlink::domain::ConsentId::from_bits),
            customer: customer.into(),
            purpose: purpose.into(),
            given,
            text_version: "2026-11-28".into(),
            channel: "station".into(),
            staff: "b-07".into(),
        };
        self.tell(kind::CONSENT, customer, &said, ago(0))
    }

    /// Something no receiver takes.
    pub fn babble(&mut self) -> Arrived {
        self.told += 1;
        self.send(vec![serde_json::value::RawValue::from_string("{\"no\":\"event\"}".into()).expect("JSON")])
    }

    fn send(&self, events: Vec<Box<serde_json::value::RawValue>>) -> Arrived {
        let batch = Batch { epoch: self.epoch.to_string(), first_seq: self.told, count: 1, events };
        self.arrived(Lane::Events, serde_json::to_vec(&batch).expect("plain data"))
    }

    /// The climate of its room.
    pub fn measures(&mut self, at: Timestamp) -> Arrived {
        let data = payload::Measurement {
            station: "chair-1".into(),
            counter: Some(self.told),
            flags: Vec::new(),
            values: vec![payload::Measured {
                metric: "ambient-temperature".into(),
                region: None,
                value: "21.5".into(),
                unit: "°C".into(),
            }],
            device: std::borrow::Cow::Owned(device()),
        };
        self.tell(kind::MEASUREMENT, "chair-1", &data, at)
    }
}

pub fn device() -> payload::Device {
    payload::Device {
        protocol: "derma-probe-2".into(),
        protocol_version: "1.0.0".into(),
        serial: "0417".into(),
        probe: "A".into(),
        firmware: "2.3".into(),
    }
}

pub fn visit(visit: &str, version: u64, state: &str) -> payload::Visit {
    payload::Visit {
        visit: visit.into(),
        customer: ANN.into(),
        station: "chair-1".into(),
        beautician: "b-07".into(),
        state: state.into(),
        version,
        steps: vec!["cleansing".into()],
    }
}

pub fn reading((visit, scan): (&str, &str), phase: &str, value: &str) -> payload::Reading {
    payload::Reading {
        reading: id(skinlink::domain::ReadingId::from_bits),
        visit: visit.into(),
        scan: scan.into(),
        phase: phase.into(),
        metric: "moisture".into(),
        region: "left_cheek".into(),
        value: value.into(),
        unit: "%".into(),
        spread: Some(0.5),
        repeats: Vec::new(),
        device: device(),
    }
}

/// What a gateway says of itself.
pub fn about(connected: bool, disk_free_mib: u64) -> serde_json::Value {
    serde_json::json!({
        "version": "0.1.0",
        "stations": ["chair-1"],
        "devices": [
            { "station": "chair-1", "protocol": "derma-probe-2", "serial": "0417", "firmware": "2.3", "connected": connected,
              "battery_percent": 64, "signal_dbm": -58 },
            { "station": "chair-1", "protocol": "room-climate", "serial": null, "firmware": null, "connected": true,
              "battery_percent": null, "signal_dbm": null },
        ],
        "health": { "disk_free_mib": disk_free_mib, "disk_mib": 30_720, "clock": "synced", "waiting": 0, "oldest_waiting": null },
    })
}
