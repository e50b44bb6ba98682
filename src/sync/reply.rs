//! What both sides say about progress: the gateway's hello, HQ's replies.

use super::{
    agenda::{Entry, Held},
    downlink::{Colleague, Downlink, Order},
    package::{Wish, Withdrawn},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An inclusive range of sequence numbers, `[from, to]` on the wire.
pub type SeqRange = (u64, u64);

/// Up, on every connect: how far this database goes.
///
/// Fields after `version` are younger than the others: who does not say them is taken to have nothing to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub epoch: String,
    /// Highest sequence ever enqueued in this epoch; 0 when none.
    pub last_seq: u64,
    /// Lowest sequence still kept (acknowledged events stay 30 days); HQ can ask again from here.
    pub oldest_kept: u64,
    /// Version of the daemon, for HQ's eyes.
    pub version: String,
    /// Dead letters of this epoch that the gateway knows of, lowest first, at most [`MAX_REFUSED`] ranges: HQ repeats its
    /// nacks of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<SeqRange>,
    /// Earlier epochs of this database, newest first, at most [`MAX_PAST`]. Of an epoch that is neither this one nor among
    /// them nothing can be sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastEpoch>,
    /// How far it holds the agenda that HQ has for its store; absent as long as HQ has told of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agenda: Option<Held>,
    /// What else it holds of what HQ has told; absent as long as HQ has told of none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downlink: Option<Downlink>,
}

/// Most earlier epochs that a hello names.
pub const MAX_PAST: usize = 16;

/// Most ranges of dead letters that a hello names.
pub const MAX_REFUSED: usize = 64;

/// What a gateway keeps of an epoch that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PastEpoch {
    pub epoch: String,
    /// Highest sequence this database drew in it.
    pub last_seq: u64,
    pub oldest_kept: u64,
    /// What waited when the epoch ended: told under a later epoch, with the same event ids. Between `oldest_kept` and
    /// `last_seq` all but these can be asked for.
    pub moved: Vec<SeqRange>,
}

/// The newest event of an epoch that HQ can name. A gateway that has another event there was restored from a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub seq: u64,
    pub id: String,
}

/// Down, on the `ack` topic. Optional fields are absent where there is nothing to say, and with an older HQ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Answer to [`Hello`], and HQ's own first word when it comes back: the highest sequence it holds of this epoch, the
    /// contiguous prefix it has committed and the ranges beyond it. What is not named is to be sent (again).
    ///
    /// The gateway must begin a new epoch where its store turns out to be restored from a copy: `last_seq` or `upto` is
    /// higher than its own, its event `known.seq` has another id, or the epoch is `over` (HQ has heard of a later one).
    Hello {
        epoch: String,
        last_seq: u64,
        upto: u64,
        ranges: Vec<SeqRange>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known: Option<Known>,
        #[serde(default, skip_serializing_if = "is_false")]
        over: bool,
    },
    /// Committed at HQ: everything up to and with `upto`, and `ranges` beyond it. Never names a sequence at or beyond one
    /// for which it raised an alarm: there it may hold the events of another life of the store.
    Ack { epoch: String, upto: u64, ranges: Vec<SeqRange> },
    /// Refused for good; stored as refused, so that `upto` passes it. Goes to the gateway's dead letters. `id`: of the
    /// refused event, where it could be read.
    Nack {
        epoch: String,
        seq: u64,
        reason: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        id: String,
    },
    /// HQ misses these and asks for them again; also of earlier epochs.
    Ask { epoch: String, ranges: Vec<SeqRange> },
    /// State of one picture at HQ. `sha256` is the one of the offer it answers: a late word on one picture of a capture
    /// must not settle another of the same capture. Unasked, `wanted` with an empty `sha256` and nothing `missing`: HQ knows the
    /// photograph by its event and has no picture of it; what it had verified of it is offered again.
    Image { capture: String, sha256: String, state: ImageState, missing: Vec<(u32, u32)>, reason: String },
    /// Instead of slices: put the picture at `url` (HTTP PUT, before the address has run out), sealed with AES-256-GCM as
    /// `nonce (12) ‖ ciphertext ‖ tag (16)` under `key` (64 hex digits) and bound to `name`, then offer it again. `authority`:
    /// the only one (PEM) whose certificates are accepted there; empty for an address without TLS. Only to a gateway whose
    /// self-description names `put` among its `uploads`.
    Upload { capture: String, sha256: String, name: String, url: String, authority: String, key: String },
    /// What a customer said on the page of a report at headquarters, to be recorded by the store. Said again until the
    /// store's own `feedback.v1` with this id has come up; only to a gateway that has told of that report.
    Feedback {
        feedback: String,
        report: String,
        visit: String,
        /// When it was said, by headquarters' clock.
        given: String,
        topic: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stars: Option<u8>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        words: String,
    },
    /// What changed in the agenda of the gateway's store from change `since` to `upto` of `book`, each appointment as it is now.
    /// From 0 on it takes the place of whatever is held: what is not named from there on does not hold any more. Whoever
    /// holds less than `since` of that book, or another book, passes it over and says hello. Only to a gateway whose
    /// self-description names `agenda` among its `downlinks`.
    Agenda { book: String, since: u64, upto: u64, appointments: Vec<Entry> },
    /// Who works in the gateway's store, whole: whoever HQ told of before and does not name any more works there no more;
    /// whom the store itself has entered is not touched. Only to a gateway that names `staff` among its `downlinks`.
    Staff { book: String, version: u64, people: Vec<Colleague> },
    /// To be done once, before `until` (RFC 3339); said again until an `answer.v1` with this id has come up. Only to a gateway that
    /// names `orders` among its `downlinks`.
    Order { order: String, until: String, what: Order },
    /// Which packages this gateway shall use, and which it may not use any more, whole: of a slot that is not named nothing is
    /// said. The gateway fetches what it lacks, slice by slice, by its hello, and tells there what became of it. Only to a
    /// gateway that names `packages` among its `downlinks`.
    Wanted { book: String, version: u64, packages: Vec<Wish>, withdrawn: Vec<Withdrawn> },
    /// One slice of the package of this digest, [`super::package::SLICE`] bytes but for the last one, as base64.
    Slice { sha256: String, index: u32, data: String },
    /// Something a person must look at. `held`: HQ has the event of this id at that place, so what came there was not
    /// stored; the gateway begins a new epoch and tells again from there on.
    Alarm {
        epoch: String,
        seq: u64,
        reason: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        held: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Where a picture stands at HQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// Slices `missing` (inclusive index ranges) are awaited.
    Wanted,
    /// Whole, its SHA-256 verified, committed: the gateway owes it no longer.
    Verified,
    /// Not wanted or wrong for good, with `reason`.
    Refused,
}
