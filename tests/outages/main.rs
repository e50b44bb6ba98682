//! Restores and outages: a store or headquarters that comes back from an old copy, thirty days without a line, a full disk,
//! a clock that jumps, an event that nobody can read. What was confirmed is at headquarters once, whatever of this happens,
//! and people are told what they must know.
//!
//! A short form runs with all tests; `make outages` runs the long one (`SKINLINK_OUTAGES=long`).

#[path = "../support/gateway.rs"]
mod gateway;
#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "../support/headquarters.rs"]
mod headquarters;
#[path = "../support/line_probe.rs"]
#[expect(dead_code, reason = "shared with the stories of devices")]
#[expect(clippy::disallowed_methods, reason = "a test starts what it watches")]
mod line_probe;
#[path = "../support/pty.rs"]
mod pty;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

mod backlog;
mod clocks;
mod full_disk;
mod lost_words;
mod pictures;
mod restores;
