//! The words of version 1, as they were first published. Never changed: an older peer is out there and knows no others. It
//! refuses fields that it does not know.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub specversion: String,
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub subject: String,
    pub time: String,
    pub epoch: String,
    pub seq: u64,
    pub clock: String,
    pub boot: String,
    pub monotonicns: String,
    pub data: Box<RawValue>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub epoch: String,
    pub first_seq: u64,
    pub count: u32,
    pub events: Vec<Box<RawValue>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub epoch: String,
    pub last_seq: u64,
    pub oldest_kept: u64,
    pub version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastEpoch>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastEpoch {
    pub epoch: String,
    pub last_seq: u64,
    pub oldest_kept: u64,
    pub moved: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub capture: String,
    pub visit: String,
    pub role: String,
    pub format: String,
    pub bytes: u64,
    pub slice_bytes: u32,
    pub slices: u32,
    pub sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub seq: u64,
    pub id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    Hello {
        epoch: String,
        last_seq: u64,
        upto: u64,
        ranges: Vec<(u64, u64)>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known: Option<Known>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        over: bool,
    },
    Ack {
        epoch: String,
        upto: u64,
        ranges: Vec<(u64, u64)>,
    },
    Nack {
        epoch: String,
        seq: u64,
        reason: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        id: String,
    },
    Ask {
        epoch: String,
        ranges: Vec<(u64, u64)>,
    },
    Image {
        capture: String,
        sha256: String,
        state: String,
        missing: Vec<(u32, u32)>,
        reason: String,
    },
    Alarm {
        epoch: String,
        seq: u64,
        reason: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        held: String,
    },
}
