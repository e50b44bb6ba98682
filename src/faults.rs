//! Named points at which a test can end the process as a power cut or SIGKILL would. Always compiled in, so that what is
//! tested is what is shipped; without `SKINLINK_KILL_AT` a point costs one relaxed load.
//!
//! `SKINLINK_KILL_AT=store.committed:3` sends SIGKILL to the own process at the third passing of that point. A leaf that
//! every impure module may use. [`POINTS`] lists them all; a name outside the list is a programming error found by a test.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Every point there is, for the kill tests to walk.
pub const POINTS: &[&str] = &[
    // store: the writer's group commit, photographs, keys
    "store.batch.begun",
    "store.batch.before_commit",
    "store.batch.committed",
    "store.image.temporary_written",
    "store.image.synced",
    "store.image.renamed",
    "store.image.row_committed",
    "store.schema.upgraded",
    // station and scan
    "station.visit.opened",
    "station.scan.begun",
    "station.repeat.received",
    "station.repeat.confirmed",
    "station.reading.closed",
    "station.scan.finished",
    "station.comparison.drawn",
    // analysis
    "analysis.capture.queued",
    "analysis.scores.received",
    "analysis.scores.confirmed",
    // sync
    "sync.connected",
    "sync.hello.answered",
    "sync.batch.published",
    "sync.ack.received",
    "sync.ack.recorded",
    "sync.image.offered",
    "sync.image.slice_sent",
    "sync.image.verified",
];

/// Points of headquarters' receiver, for its own kill tests.
pub const HQ_POINTS: &[&str] =
    &["hq.batch.before_commit", "hq.batch.committed", "hq.image.synced", "hq.image.renamed", "hq.image.committed"];

struct Armed {
    point: String,
    countdown: AtomicU32,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Passes a named point; ends the process here if a test asked for it.
pub fn point(name: &str) {
    let Some(armed) = ARMED.get_or_init(armed_from_environment) else { return };
    if armed.point == name && armed.countdown.fetch_sub(1, Ordering::Relaxed) == 1 {
        // No destructor, no flush: the same as SIGKILL from outside.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        std::process::abort();
    }
}

fn armed_from_environment() -> Option<Armed> {
    let text = std::env::var("SKINLINK_KILL_AT").ok()?;
    let (point, count) = text.split_once(':').unwrap_or((&text, "1"));
    assert!(
        POINTS.contains(&point) || HQ_POINTS.contains(&point),
        "SKINLINK_KILL_AT names {point:?}; known points: {}, {}",
        POINTS.join(", "),
        HQ_POINTS.join(", ")
    );
    let count = count.parse().expect("SKINLINK_KILL_AT counts passings: point:3");
    Some(Armed { point: point.to_owned(), countdown: AtomicU32::new(count) })
}
