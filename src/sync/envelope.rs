//! An event as HQ gets it (CloudEvents 1.0, JSON), and the batch it travels in.
//!
//! A batch is readable even if one event is not: `events` holds raw JSON values that are looked at one by one. Payload
//! versions are frozen; `tests/vectors/wire/` holds their bytes.

use crate::domain::{ClockState, Epoch, EventId, Stamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `type` of every event starts with this.
pub const TYPE_PREFIX: &str = "com.skinlink.";

/// One event. Field order is the order on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// Consecutive events of one epoch: `events[i]` has `seq = first_seq + i`. At most [`super::MAX_PUBLISH`] bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub epoch: String,
    pub first_seq: u64,
    pub count: u32,
    pub events: Vec<Box<RawValue>>,
}
