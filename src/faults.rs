//! Named points at which a test can end the process as a power cut or SIGKILL would. Always compiled in, so that what is
//! tested is what is shipped; without the two variables below a point costs one relaxed load.
//!
//! `SKINLINK_KILL_AT=store.batch.committed:3` sends SIGKILL to the own process at the third passing of that point.
//! `SKINLINK_KILL_ORDERS=/folder` makes every passing look for a file of the point's name in that folder: it holds how many
//! passings are still to come and is removed by the last one, which ends the process. So a test can order deaths while the
//! processes run, of the gateway, its inference process and headquarters' receiver alike, and a process that is started
//! again is not killed again. A leaf that every impure module may use. [`POINTS`] lists them all; a name outside the list
//! is a programming error found by a test.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// Every point of gateway and inference process, for the kill tests to walk.
pub const POINTS: &[&str] = &[
    // store: the writer's group commit, its log, its end
    "store.batch.begun",
    "store.batch.before_commit",
    "store.batch.committed",
    "store.log.folded",
    "store.closing.drained",
    "store.closing.closed",
    // store: opening
    "store.key.written",
    "store.opening.locked",
    "store.opening.keyed",
    "store.opening.checked",
    "store.schema.backed_up",
    "store.schema.before_commit",
    "store.schema.upgraded",
    "store.opening.keys_opened",
    "store.opening.erasures_finished",
    "store.orphan.removed",
    "store.orphan.set_aside",
    "store.opening.orphans_settled",
    // store: photographs and their keys
    "store.customer_key.made",
    "store.image.temporary_written",
    "store.image.synced",
    "store.image.renamed",
    "store.capture.row_written",
    "store.image.row_written",
    "store.image.row_committed",
    "store.image.rewrapped",
    "store.pair.dropped",
    "store.pair.row_written",
    "store.pair.committed",
    // store: between the rows of one change
    "store.customer.row_written",
    "store.customer.joined",
    "store.visit.row_written",
    "store.consent.row_written",
    "store.consent.told",
    "store.sharing.redacted",
    "store.reading.row_written",
    "store.reading.repeats_adopted",
    "store.score.row_written",
    "store.comparison.row_written",
    "store.tray.bound",
    "store.tray.dismissed",
    "store.region.superseded",
    "store.strike.row_changed",
    "store.strike.told",
    "store.scan.moved",
    "store.visit.moved",
    "store.link.made",
    "store.link.withdrawn",
    "store.report.told",
    "store.feedback.row_written",
    // store: the outbox
    "store.event.numbered",
    "store.ack.prefix_moved",
    "store.dead_letter.written",
    "store.prune.prefix_moved",
    "store.epoch.begun",
    "store.epoch.renumbered",
    // store: erasure, backup, retention
    "store.erasure.one_noted",
    "store.erasure.key_destroyed",
    "store.erasure.rows_removed",
    "store.erasure.committed",
    "store.erasure.file_removed",
    "store.copy.removed",
    "store.backup.temporary_written",
    "store.backup.synced",
    "store.backup.renamed",
    "store.retention.released",
    "store.retention.file_removed",
    // station and scan
    "station.customer.saved",
    "station.visit.opened",
    "station.consents.recorded",
    "station.scan.begun",
    "station.repeat.received",
    "station.repeat.confirmed",
    "station.device.told",
    "station.tray.kept",
    "station.tray.bound",
    "station.reading.closed",
    "station.scan.paused",
    "station.scan.resumed",
    "station.region.skipped",
    "station.region.repeated",
    "station.scan.cancelled",
    "station.scan.finished",
    "station.scan.struck",
    "station.scan.moved",
    "station.steps.recorded",
    "station.comparison.drawn",
    "station.visit.finishing",
    "station.visit.closed",
    "station.visit.struck",
    "station.visit.moved",
    "station.parked",
    // what devices measure of the store itself
    "measurements.received",
    "store.measurements.written",
    "measurements.confirmed",
    // photographs at the door
    "door.capture.received",
    "door.capture.stripped",
    "door.capture.judged",
    "door.capture.kept",
    "door.capture.queued",
    // analysis, in the gateway
    "analysis.worker.started",
    "analysis.request.written",
    "analysis.answer.read",
    "analysis.capture.queued",
    "analysis.scores.received",
    "analysis.scores.confirmed",
    "analysis.derivative.made",
    "analysis.derivative.confirmed",
    "analysis.pair.measured",
    "analysis.pair.drawn",
    // the inference process itself
    "worker.set_up",
    "worker.model.loaded",
    "worker.request.read",
    "worker.region.measured",
    "worker.answer.written",
    // sync
    "sync.connected",
    "sync.hello.sent",
    "sync.hello.answered",
    "sync.batch.published",
    "sync.ack.received",
    "sync.ack.recorded",
    "sync.image.offered",
    "sync.image.wanted",
    "sync.image.slice_sent",
    "sync.image.verified",
    "sync.image.settled",
];

/// Points of headquarters' receiver, for its own kill tests.
pub const HQ_POINTS: &[&str] =
    &["hq.batch.before_commit", "hq.batch.committed", "hq.image.synced", "hq.image.renamed", "hq.image.committed"];

/// Points of what headquarters rolls out, for the kill tests of packages.
pub const PACKAGE_POINTS: &[&str] = &[
    "packages.wanted.kept",
    "packages.slice.came",
    "packages.slice.written",
    "packages.file.synced",
    "packages.file.renamed",
    "packages.unpacking",
    "packages.unpacked",
    "packages.model.exchanged",
    "packages.used.kept",
    "packages.anew.reading",
    "packages.anew.built",
    "packages.settled",
    "packages.removed",
];

enum Armed {
    At { point: String, countdown: AtomicU32 },
    Orders { folder: PathBuf, reading: Mutex<()> },
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Passes a named point; ends the process here if a test asked for it.
pub fn point(name: &str) {
    let Some(armed) = ARMED.get_or_init(armed_from_environment) else { return };
    let last = match armed {
        Armed::At { point, countdown } => point == name && countdown.fetch_sub(1, Ordering::Relaxed) == 1,
        Armed::Orders { folder, reading } => {
            let _one_thread = reading.lock().unwrap_or_else(PoisonError::into_inner);
            carried_out(&folder.join(name))
        }
    };
    if last {
        // No destructor, no flush: the same as SIGKILL from outside.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        std::process::abort();
    }
}

/// Counts one passing down in the order's file, if there is one; removed by the last.
fn carried_out(order: &std::path::Path) -> bool {
    let Ok(text) = fs::read_to_string(order) else { return false };
    let left: u32 = text.trim().parse().expect("an order of a kill test is a number of passings");
    let done = if left > 1 { fs::write(order, (left - 1).to_string()) } else { fs::remove_file(order) };
    done.expect("an order of a kill test can be written");
    left <= 1
}

fn armed_from_environment() -> Option<Armed> {
    if let Some(folder) = std::env::var_os("SKINLINK_KILL_ORDERS") {
        return Some(Armed::Orders { folder: folder.into(), reading: Mutex::new(()) });
    }
    let text = std::env::var("SKINLINK_KILL_AT").ok()?;
    let (point, count) = text.split_once(':').unwrap_or((&text, "1"));
    assert!(
        [POINTS, HQ_POINTS, PACKAGE_POINTS].concat().contains(&point),
        "SKINLINK_KILL_AT names {point:?}; known points: {}",
        [POINTS, HQ_POINTS, PACKAGE_POINTS].concat().join(", "),
    );
    let count = count.parse().expect("SKINLINK_KILL_AT counts passings: point:3");
    Some(Armed::At { point: point.to_owned(), countdown: AtomicU32::new(count) })
}
