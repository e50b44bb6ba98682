//! Which visit passes which named point, and how many passings are let go before the kill.

use crate::{
    blows::{Blow, Victim},
    plays::{self, Play},
    room::Work,
    salon::Salon,
};
use skinlink::faults;
use std::{collections::BTreeSet, fs, path::Path};

/// How a point is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Play(Play),
    /// The daemon is killed in mid-visit and dies again on its way up.
    Opening,
    /// Asked to end in mid-visit, it dies on its way down.
    Closing,
    /// What has no page yet: done by a process of its own on the salon's store.
    Room(Work),
}

use How::{Closing, Opening, Room};

const fn short(point: &'static str, count: u32) -> (&'static str, u32, How) {
    (point, count, How::Play(Play::Short))
}
const fn whole(point: &'static str, count: u32) -> (&'static str, u32, How) {
    (point, count, How::Play(Play::Whole))
}
const fn photo(point: &'static str, count: u32) -> (&'static str, u32, How) {
    (point, count, How::Play(Play::Photograph))
}
const fn pair(point: &'static str, count: u32) -> (&'static str, u32, How) {
    (point, count, How::Play(Play::Pair))
}
const fn model(point: &'static str, count: u32) -> (&'static str, u32, How) {
    (point, count, How::Play(Play::Measured))
}
const fn with(point: &'static str, count: u32, play: Play) -> (&'static str, u32, How) {
    (point, count, How::Play(play))
}

/// Every point once at least.
pub const SETTINGS: &[(&str, u32, How)] = &[
    short("store.batch.begun", 5),
    short("store.batch.before_commit", 2),
    whole("store.batch.before_commit", 20),
    short("store.batch.committed", 3),
    whole("store.batch.committed", 30),
    ("store.closing.drained", 1, Closing),
    ("store.closing.closed", 1, Closing),
    ("station.parked", 1, Closing),
    ("store.opening.locked", 1, Opening),
    ("store.opening.keyed", 1, Opening),
    ("store.opening.checked", 1, Opening),
    ("store.opening.keys_opened", 1, Opening),
    ("store.opening.erasures_finished", 1, Opening),
    ("store.orphan.removed", 1, Opening),
    ("store.orphan.set_aside", 1, Opening),
    ("store.opening.orphans_settled", 1, Opening),
    ("station.parked", 1, Opening),
    short("store.consent.row_written", 3),
    short("store.consent.told", 4),
    short("store.reading.row_written", 2),
    short("store.reading.repeats_adopted", 3),
    short("store.event.numbered", 9),
    short("store.ack.prefix_moved", 1),
    whole("store.comparison.row_written", 1),
    with("store.sharing.redacted", 1, plays::NUMBERS_WITHDRAWN),
    with("store.sharing.redacted", 3, plays::AGREED_AGAIN),
    with("station.consents.recorded", 2, plays::AGREED_AGAIN),
    with("station.consents.recorded", 3, plays::AGREED_AGAIN),
    with("store.tray.bound", 1, plays::TRAY),
    with("store.region.superseded", 1, plays::REPEATED),
    with("store.strike.row_changed", 1, plays::STRUCK_SCAN),
    with("store.strike.told", 2, plays::STRUCK_SCAN),
    with("store.scan.moved", 1, plays::MOVED_SCAN),
    with("store.visit.moved", 1, plays::MOVED_VISIT),
    with("store.image.rewrapped", 1, plays::MOVED_VISIT),
    with("store.visit.row_written", 1, plays::STRUCK_VISIT),
    short("station.visit.opened", 1),
    short("station.consents.recorded", 1),
    with("station.consents.recorded", 2, plays::MEASURING_WITHDRAWN),
    with("station.consents.recorded", 2, plays::PHOTOGRAPHS_WITHDRAWN),
    short("station.scan.begun", 1),
    short("station.repeat.received", 1),
    whole("station.repeat.received", 17),
    short("station.repeat.confirmed", 1),
    short("station.repeat.confirmed", 8),
    short("station.device.told", 3),
    short("measurements.received", 3),
    short("measurements.confirmed", 2),
    short("store.measurements.written", 4),
    with("station.tray.kept", 1, plays::TRAY),
    with("station.tray.bound", 1, plays::TRAY),
    short("station.reading.closed", 1),
    short("station.reading.closed", 6),
    with("station.scan.paused", 1, plays::PAUSED),
    with("station.scan.resumed", 1, plays::PAUSED),
    with("station.region.skipped", 1, plays::SKIPPED),
    with("station.region.repeated", 1, plays::REPEATED),
    with("station.scan.cancelled", 1, plays::CANCELLED),
    short("station.scan.finished", 1),
    whole("station.scan.finished", 2),
    with("station.scan.struck", 1, plays::STRUCK_SCAN),
    with("station.scan.struck", 2, plays::STRUCK_SCAN),
    with("station.scan.moved", 1, plays::MOVED_SCAN),
    whole("station.steps.recorded", 1),
    whole("station.comparison.drawn", 1),
    short("station.visit.closed", 1),
    with("station.visit.finishing", 1, plays::CLOSED_EARLY),
    with("station.customer.saved", 1, plays::MOVED_VISIT),
    with("station.visit.struck", 1, plays::STRUCK_VISIT),
    with("station.visit.moved", 1, plays::MOVED_VISIT),
    short("sync.connected", 1),
    short("sync.hello.sent", 1),
    short("sync.hello.answered", 1),
    short("sync.batch.published", 2),
    short("sync.ack.received", 2),
    short("sync.ack.recorded", 1),
    short("hq.batch.before_commit", 2),
    short("hq.batch.committed", 2),
    whole("hq.batch.committed", 5),
    photo("hq.image.synced", 1),
    photo("hq.image.renamed", 1),
    photo("hq.image.committed", 1),
    photo("store.image.temporary_written", 1),
    photo("store.image.synced", 2),
    photo("store.image.renamed", 1),
    photo("store.capture.row_written", 1),
    photo("store.image.row_written", 2),
    photo("store.image.row_committed", 1),
    photo("door.capture.received", 1),
    photo("door.capture.stripped", 1),
    photo("door.capture.judged", 1),
    photo("door.capture.kept", 1),
    photo("door.capture.queued", 1),
    photo("analysis.worker.started", 1),
    photo("analysis.request.written", 1),
    photo("analysis.answer.read", 2),
    photo("analysis.capture.queued", 1),
    photo("analysis.scores.received", 1),
    photo("analysis.scores.confirmed", 1),
    photo("analysis.derivative.made", 1),
    photo("analysis.derivative.confirmed", 1),
    pair("analysis.pair.measured", 1),
    pair("analysis.pair.drawn", 1),
    pair("store.pair.dropped", 1),
    pair("store.pair.row_written", 1),
    pair("store.pair.committed", 1),
    photo("sync.image.offered", 1),
    photo("sync.image.wanted", 1),
    pair("sync.image.slice_sent", 2),
    photo("sync.image.verified", 1),
    pair("sync.image.settled", 1),
    photo("worker.set_up", 1),
    photo("worker.request.read", 2),
    photo("worker.answer.written", 2),
    // First the process that tries the model, then the one that keeps it.
    model("worker.model.loaded", 1),
    model("worker.model.loaded", 2),
    model("worker.region.measured", 1),
    model("store.score.row_written", 1),
    ("store.key.written", 1, Room(Work::Fresh)),
    ("store.schema.before_commit", 1, Room(Work::Fresh)),
    ("store.schema.upgraded", 1, Room(Work::Fresh)),
    ("store.schema.backed_up", 1, Room(Work::Upgrade)),
    ("store.schema.before_commit", 1, Room(Work::Upgrade)),
    ("store.schema.upgraded", 1, Room(Work::Upgrade)),
    ("store.customer_key.made", 1, Room(Work::Erase)),
    ("store.sharing.redacted", 2, Room(Work::Erase)),
    ("store.erasure.one_noted", 1, Room(Work::Erase)),
    ("store.erasure.key_destroyed", 1, Room(Work::Erase)),
    ("store.erasure.rows_removed", 1, Room(Work::Erase)),
    ("store.erasure.committed", 1, Room(Work::Erase)),
    ("store.erasure.file_removed", 2, Room(Work::Erase)),
    ("store.copy.removed", 1, Room(Work::Erase)),
    ("store.log.folded", 1, Room(Work::Erase)),
    ("store.customer.row_written", 1, Room(Work::Join)),
    ("store.customer.joined", 1, Room(Work::Join)),
    ("store.tray.dismissed", 1, Room(Work::Dismiss)),
    ("store.link.made", 1, Room(Work::Link)),
    ("store.link.withdrawn", 1, Room(Work::Link)),
    ("store.report.told", 1, Room(Work::Link)),
    ("store.report.told", 2, Room(Work::Link)),
    ("store.feedback.row_written", 1, Room(Work::Link)),
    ("store.backup.temporary_written", 1, Room(Work::BackUp)),
    ("store.backup.synced", 2, Room(Work::BackUp)),
    ("store.backup.renamed", 1, Room(Work::BackUp)),
    ("store.retention.released", 1, Room(Work::Retire)),
    ("store.retention.file_removed", 1, Room(Work::Retire)),
    ("store.prune.prefix_moved", 1, Room(Work::Prune)),
    ("store.dead_letter.written", 1, Room(Work::DeadLetter)),
    ("store.epoch.begun", 1, Room(Work::Epoch)),
    ("store.epoch.renumbered", 1, Room(Work::Epoch)),
    // A customer, her six consents and her visit are eight commits; the ninth begins the epoch.
    ("store.batch.committed", 9, Room(Work::Epoch)),
];

impl Salon {
    /// One case: someone dies at the `count`-th passing of `point`.
    pub async fn killed_at(&mut self, point: &str, count: u32, how: How) {
        println!("point {point}:{count}; again by SKINLINK_KILLS=point:{point}:{count}");
        match how {
            How::Play(play) => {
                self.armed(play, point).await;
                self.order(point, count);
                self.case(play, &[]).await;
            }
            Opening => {
                if let Some(ending) = [("store.orphan.removed", ".tmp"), ("store.orphan.set_aside", "")]
                    .into_iter()
                    .find_map(|(orphan, ending)| (orphan == point).then_some(ending))
                {
                    let stray = self.data().join("pictures").join(format!("left-behind{ending}"));
                    fs::create_dir_all(self.data().join("pictures")).expect("room for a folder");
                    fs::write(stray, b"half a picture").expect("room for a file");
                }
                self.order(point, count);
                self.case(Play::Short, &[Blow::after_turns(5, Victim::Daemon)]).await;
            }
            Closing => {
                self.order(point, count);
                self.case(Play::Short, &[Blow::after_turns(5, Victim::DaemonPolitely)]).await;
            }
            Room(work) => self.killed_in_room(work, point, count).await,
        }
        assert!(!self.outstanding(point), "no process ever passed {point} {count} times");
    }

    /// A point that is passed once in a process's life needs a young process.
    async fn armed(&mut self, play: Play, point: &str) {
        let at_start = ["sync.connected", "sync.hello.", "analysis.worker.", "worker.set_up", "worker.model."];
        if play == Play::Measured || at_start.iter().any(|part| point.starts_with(part)) {
            self.stop_daemon().await;
        }
    }
}

/// A point that no setting reaches would be named for nothing; one outside the list could never be ordered.
#[test]
fn every_point_of_the_source_is_listed_and_every_listed_one_is_killed_at() {
    let listed: BTreeSet<&str> = faults::POINTS.iter().chain(faults::HQ_POINTS).copied().collect();
    assert_eq!(listed.len(), faults::POINTS.len() + faults::HQ_POINTS.len(), "a point is listed twice");
    assert!(faults::POINTS.len() >= 60, "{} points", faults::POINTS.len());
    let killed_at: BTreeSet<&str> = SETTINGS.iter().map(|(point, ..)| *point).collect();
    assert_eq!(listed, killed_at, "points listed, and points with a setting");
    let mut in_source = BTreeSet::new();
    points_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut in_source);
    // Those of packages have their own stories: `tests/packages`.
    let in_source: BTreeSet<&str> =
        in_source.iter().map(String::as_str).filter(|point| !faults::PACKAGE_POINTS.contains(point)).collect();
    assert_eq!(in_source, listed, "points passed in the source, and points listed");
}

fn points_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the source") {
        let path = entry.expect("the source").path();
        if path.is_dir() {
            points_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("the source");
        for after in text.split("faults::point(").skip(1) {
            let call = after.split(");").next().unwrap_or_default();
            found.extend(call.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
}
