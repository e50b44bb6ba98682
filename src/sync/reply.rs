//! What both sides say about progress: the gateway's hello, HQ's replies.

use serde::{Deserialize, Serialize};

/// An inclusive range of sequence numbers, `[from, to]` on the wire.
pub type SeqRange = (u64, u64);

/// Up, on every connect: how far this database goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub epoch: String,
    /// Highest sequence ever enqueued in this epoch; 0 when none.
    pub last_seq: u64,
    /// Lowest sequence still kept (acknowledged events stay 30 days); HQ can ask again from here.
    pub oldest_kept: u64,
    /// Version of the daemon, for HQ's eyes.
    pub version: String,
}

/// Down, on the `ack` topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Answer to [`Hello`], and HQ's own first word when it comes back: the highest sequence it holds of this epoch, the
    /// contiguous prefix it has committed and the ranges beyond it. What is not named is to be sent (again). If `last_seq`
    /// is higher than the gateway's own, the store was restored from a backup and must start a new epoch.
    Hello { epoch: String, last_seq: u64, upto: u64, ranges: Vec<SeqRange> },
    /// Committed at HQ: everything up to and with `upto`, and `ranges` beyond it.
    Ack { epoch: String, upto: u64, ranges: Vec<SeqRange> },
    /// Refused for good; stored as refused, so that `upto` passes it. Goes to the gateway's dead letters.
    Nack { epoch: String, seq: u64, reason: String },
    /// HQ misses these and asks for them again.
    Ask { epoch: String, ranges: Vec<SeqRange> },
    /// State of one picture at HQ. `sha256` is the one of the offer it answers: a late word on one picture of a capture
    /// must not settle another of the same capture.
    Image { capture: String, sha256: String, state: ImageState, missing: Vec<(u32, u32)>, reason: String },
    /// Something a person must look at, such as the same key under another id.
    Alarm { epoch: String, seq: u64, reason: String },
}

/// Where a picture stands at HQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// Slices `missing` (inclusive index ranges) are awaited.
    Wanted,
    /// Whole, its SHA-256 verified, committed: the gateway owes it no longer.
    Verified,
    /// Not wanted or wrong for good, with `reason`.
    Refused,
}
