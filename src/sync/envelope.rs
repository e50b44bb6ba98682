//! An event as HQ gets it (CloudEvents 1.0, JSON), and the batch it travels in.
//!
//! A batch is readable even if one event is not: `events` holds raw JSON values that are looked at one by one. Payload
//! versions are frozen; `tests/vectors/wire/` holds their bytes.

use crate::domain::{BootId, ClockState, Epoch, EventId, Stamp, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// `type` of every event starts with this.
pub const TYPE_PREFIX: &str = "com.skinlink.";

/// One event. Field order is the order on the wire.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub specversion: String,
    /// UUIDv7. The same `(gateway, epoch, seq)` under another id is an alarm at HQ.
    pub id: String,
    /// `skinlink://{store}/{gateway}`
    pub source: String,
    /// `com.skinlink.{name}.v{n}`, see [`super::payload`].
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: a visit, customer or capture id.
    pub subject: String,
    /// Wall time of the record, RFC 3339 UTC with milliseconds.
    pub time: String,
    /// Which life of the gateway's database.
    pub epoch: String,
    /// Gapless within the epoch, from 1.
    pub seq: u64,
    /// `synced`, `holdover` or `unset`.
    pub clock: String,
    pub boot: String,
    /// Nanoseconds since boot, as text: it does not fit a JSON number everywhere.
    pub monotonicns: String,
    pub data: Box<RawValue>,
}

/// What is stamped on an event when it is enqueued.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub id: EventId,
    pub epoch: Epoch,
    pub seq: u64,
    pub stamp: Stamp,
}

impl Event {
    /// Puts payload and mark together.
    #[must_use]
    pub fn new(source: &str, kind: &str, subject: &str, mark: Mark, data: Box<RawValue>) -> Self {
        let Mark { id, epoch, seq, stamp } = mark;
        Self {
            specversion: "1.0".to_owned(),
            id: id.to_string(),
            source: source.to_owned(),
            kind: format!("{TYPE_PREFIX}{kind}"),
            subject: subject.to_owned(),
            time: stamp.wall.to_string(),
            epoch: epoch.to_string(),
            seq,
            clock: stamp.clock.as_str().to_owned(),
            boot: stamp.boot.to_string(),
            monotonicns: stamp.monotonic_ns.to_string(),
            data,
        }
    }

    /// The rules a reader holds an event to, beyond its shape.
    ///
    /// # Errors
    /// A sentence that goes back to the gateway as the reason of a nack.
    pub fn check(&self) -> Result<(), String> {
        if self.specversion != "1.0" {
            return Err(format!("specversion is {:?}, expected \"1.0\"", self.specversion));
        }
        self.id.parse::<EventId>().map_err(|e| format!("id: {e}"))?;
        self.epoch.parse::<Epoch>().map_err(|e| format!("epoch: {e}"))?;
        self.clock.parse::<ClockState>().map_err(|e| format!("clock: {e}"))?;
        if self.seq == 0 {
            return Err("seq is 0; sequences start at 1".to_owned());
        }
        if !self.kind.starts_with(TYPE_PREFIX) {
            return Err(format!("type {:?} does not start with {TYPE_PREFIX}", self.kind));
        }
        Ok(())
    }
}

/// The text of an event, written in one go: the same bytes as [`Event`] gives.
///
/// # Errors
/// A payload that is no JSON.
pub fn write(
    source: &str,
    kind: &str,
    subject: &str,
    mark: Mark,
    data: &impl Serialize,
) -> Result<String, serde_json::Error> {
    let Mark { id, epoch, seq, stamp } = mark;
    let mut text = Vec::with_capacity(USUAL);
    let written = Written {
        specversion: "1.0",
        id: Shown(id),
        source,
        kind: Shown(Prefixed(kind)),
        subject,
        time: Shown(stamp.wall),
        epoch: Shown(epoch),
        seq,
        clock: stamp.clock.as_str(),
        boot: Shown(stamp.boot),
        monotonicns: Shown(stamp.monotonic_ns),
        data,
    };
    serde_json::to_writer(&mut text, &written)?;
    Ok(String::from_utf8(text).expect("JSON is UTF-8"))
}

/// Room for a usual event without growing.
const USUAL: usize = 1024;

/// An [`Event`] on its way out; the same names in the same order.
#[derive(Serialize)]
struct Written<'a, T> {
    specversion: &'static str,
    id: Shown<EventId>,
    source: &'a str,
    #[serde(rename = "type")]
    kind: Shown<Prefixed<'a>>,
    subject: &'a str,
    time: Shown<Timestamp>,
    epoch: Shown<Epoch>,
    seq: u64,
    clock: &'static str,
    boot: Shown<BootId>,
    monotonicns: Shown<u64>,
    data: &'a T,
}

/// Serialized as it is displayed.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Prefixed<'a>(&'a str);

impl fmt::Display for Prefixed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TYPE_PREFIX}{}", self.0)
    }
}

/// Consecutive events of one epoch: `events[i]` has `seq = first_seq + i`. At most [`super::MAX_PUBLISH`] bytes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub epoch: String,
    pub first_seq: u64,
    pub count: u32,
    pub events: Vec<Box<RawValue>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_an_event_give_the_same_bytes() {
        let stamp = Stamp {
            boot: BootId::from_bits(7),
            monotonic_ns: u64::MAX,
            wall: Timestamp::from_unix_ms(1_795_000_000_123),
            clock: ClockState::Holdover,
        };
        let (id, epoch) = (EventId::from_bits(u128::MAX), Epoch::from_bits(1));
        let mark = Mark { id, epoch, seq: 42, stamp };
        let data = serde_json::json!({ "text": "a \"quoted\" 字\n", "number": 1.5 });
        let written = write("skinlink://s/g", "reading.v1", "subject", mark, &data).unwrap();
        let raw = serde_json::value::to_raw_value(&data).unwrap();
        let event = Event::new("skinlink://s/g", "reading.v1", "subject", mark, raw);
        assert_eq!(written, serde_json::to_string(&event).unwrap());
    }
}
