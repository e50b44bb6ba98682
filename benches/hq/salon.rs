//! What a chain's stores tell in a day, in the proportions of docs/scale.md: a room sensor that speaks every minute, and
//! visits with their readings, scores, captures and a comparison of 30 rows. Made beforehand, so that making it costs the
//! measured time nothing.

use skinlink::{
    clock,
    domain::{BootId, CaptureId, ClockState, Epoch, EventId, Stamp, Timestamp, VisitId},
    sync::{
        MAX_PUBLISH,
        envelope::{Batch, Event, Mark},
        payload::{self, Compared, Device, Engine, Measured, Repeat, kind},
        topic::Address,
    },
};
use std::borrow::Cow;

/// One publish.
#[derive(Clone)]
pub struct Sent {
    pub first: u64,
    pub last: u64,
    pub payload: Vec<u8>,
}

/// All that one gateway sends.
#[derive(Clone)]
pub struct Stream {
    pub address: Address,
    pub epoch: Epoch,
    pub sent: Vec<Sent>,
}

impl Stream {
    pub fn many(gateways: u32, events: u64) -> Vec<Self> {
        (0..gateways).map(|at| Self::of(at, events / u64::from(gateways), usize::MAX)).collect()
    }

    /// `events` of gateway number `at`, at most `most` and as many as a publish holds in each.
    pub fn of(at: u32, events: u64, most: usize) -> Self {
        let gateway = format!("sim-{at:04}-g1");
        let address = Address { store: format!("sim-{at:04}"), gateway };
        let epoch = clock::mint(Epoch::from_bits);
        let mut stream = Self { address, epoch, sent: Vec::new() };
        let mut next = 1;
        while next <= events {
            let sent = stream.publish(next, events, most);
            next = sent.last + 1;
            stream.sent.push(sent);
        }
        stream
    }

    /// A batch that begins with `first`.
    pub fn publish(&self, first: u64, end: u64, most: usize) -> Sent {
        // The frame around the events, and a comma for each.
        let (mut size, mut events) = (200, Vec::new());
        for seq in first..=end {
            let event = self.event(seq);
            size += event.len() + 1;
            if size > MAX_PUBLISH || events.len() == most {
                break;
            }
            events.push(serde_json::value::RawValue::from_string(event).unwrap());
        }
        let last = first + events.len() as u64 - 1;
        let count = u32::try_from(events.len()).unwrap();
        let batch = Batch { epoch: self.epoch.to_string(), first_seq: first, count, events };
        Sent { first, last, payload: serde_json::to_vec(&batch).unwrap() }
    }

    pub fn first_part(&self, of: usize) -> Self {
        Self { sent: self.sent[..self.sent.len().div_ceil(of)].to_vec(), ..self.clone() }
    }

    /// Events and bytes of all.
    pub fn size(streams: &[Self]) -> (u64, u64) {
        let events = streams.iter().filter_map(|stream| stream.sent.last()).map(|sent| sent.last).sum();
        let bytes = streams.iter().flat_map(|stream| &stream.sent).map(|sent| sent.payload.len() as u64).sum();
        (events, bytes)
    }

    /// 124 events in turn: 48 of the room, and a visit of 76.
    fn event(&self, seq: u64) -> String {
        let id = |of: u64| VisitId::from_bits(u128::from(seq / 124) << 64 | u128::from(of)).to_string();
        let (visit, scan) = (id(1), id(2));
        let text = str::to_owned;
        match seq % 124 {
            0..48 => {
                let device = Cow::Owned(device("room-climate"));
                let measured = |metric: &'static str, value: String, unit: &'static str| Measured {
                    metric: metric.into(),
                    region: None,
                    value: value.into(),
                    unit: unit.into(),
                };
                let values = vec![
                    measured("room-temperature", format!("{}.{:02}", 18 + seq % 8, seq % 100), "°C"),
                    measured("room-humidity", format!("{}.{}", 40 + seq % 20, seq % 10), "%"),
                ];
                let station = "chair-1".into();
                let data = payload::Measurement { station, counter: Some(seq), flags: Vec::new(), values, device };
                self.say(seq, kind::MEASUREMENT, "chair-1", &data)
            }
            48..78 => {
                let repeat = |at: u64| Repeat {
                    repeat: id(100 + at),
                    value: format!("{}.{}", 30 + (seq + at) % 9, at),
                    flags: Vec::new(),
                    counter: None,
                    time: "2026-03-02T09:14:05.120Z".into(),
                    clock: "synced".into(),
                    monotonicns: (seq * 1_000_000 + at).to_string(),
                };
                let data = payload::Reading {
                    reading: id(seq),
                    visit: visit.clone(),
                    scan,
                    phase: text("before"),
                    metric: text("moisture"),
                    region: text("left_cheek"),
                    value: format!("{}.3", 30 + seq % 9),
                    unit: text("%"),
                    spread: Some(0.4),
                    repeats: (0..3).map(repeat).collect(),
                    device: device("derma-reference"),
                };
                self.say(seq, kind::READING, &visit, &data)
            }
            78..102 => {
                let engine = Engine {
                    model: text("pores"),
                    model_version: text("1.2.0"),
                    model_digest: "5".repeat(64),
                    provider: text("cpu"),
                };
                let data = payload::Score {
                    score: id(seq),
                    capture: id(9),
                    visit: visit.clone(),
                    scan,
                    phase: text("before"),
                    metric: text("pores"),
                    region: text("nose"),
                    value: format!("{}.5", seq % 60),
                    unit: text("1/cm²"),
                    engine,
                };
                self.say(seq, kind::SCORE, &visit, &data)
            }
            102..108 => {
                let data = payload::Capture {
                    capture: CaptureId::from_bits(u128::from(seq)).to_string(),
                    visit: visit.clone(),
                    scan,
                    phase: text("before"),
                    view: text("front"),
                    light: text("white"),
                    format: text("image/jpeg"),
                    width: 3264,
                    height: 2448,
                    bytes: 2_100_000,
                    sha256: "a".repeat(64),
                    complaints: Vec::new(),
                };
                self.say(seq, kind::CAPTURE, &visit, &data)
            }
            108 => {
                let item = |at: u32| Compared {
                    metric: format!("metric-{at}"),
                    region: text("left_cheek"),
                    unit: text("%"),
                    before: Some(35.0),
                    after: Some(58.0 + f64::from(at)),
                    change: Some(23.0),
                    smallest_detectable_change: Some(5.5),
                    verdict: text("improved"),
                    refusal: None,
                    model: None,
                };
                let items = (0..30).map(item).collect();
                let (comparison, baseline, after) = (id(seq), text("before"), scan.clone());
                let visit_id = visit.clone();
                let before = scan;
                let data =
                    payload::Comparison { comparison, visit: visit_id, baseline, before, after, tested: 30, items };
                self.say(seq, kind::COMPARISON, &visit, &data)
            }
            109..117 => {
                let (phase, state) = (text("after"), text("running"));
                self.say(seq, kind::SCAN, &visit, &payload::Scan { scan, visit: visit.clone(), phase, state })
            }
            _ => {
                let data = payload::Visit {
                    visit: visit.clone(),
                    customer: id(3),
                    station: text("chair-1"),
                    beautician: text("staff-7"),
                    state: text("open"),
                    version: seq,
                    steps: vec![text("cleansing"), text("mask")],
                };
                self.say(seq, kind::VISIT, &visit, &data)
            }
        }
    }

    fn say(&self, seq: u64, kind: &str, subject: &str, data: &impl serde::Serialize) -> String {
        let stamp = Stamp {
            boot: BootId::from_bits(1),
            monotonic_ns: seq * 1_000_000,
            wall: Timestamp::from_unix_ms(1_780_000_000_000 + i64::try_from(seq).unwrap()),
            clock: ClockState::Synced,
        };
        let data = serde_json::value::to_raw_value(data).unwrap();
        let source = format!("skinlink://{}/{}", self.address.store, self.address.gateway);
        let mark = Mark { id: clock::mint(EventId::from_bits), epoch: self.epoch, seq, stamp };
        serde_json::to_string(&Event::new(&source, kind, subject, mark, data)).unwrap()
    }
}

fn device(protocol: &str) -> Device {
    Device {
        protocol: protocol.into(),
        protocol_version: "1.0.0".into(),
        serial: "0417".into(),
        probe: "A".into(),
        firmware: "2.3".into(),
    }
}
