//! The daemon is killed, at named points and at random moments of a visit, and started again. A beautician goes on as a
//! person would: she looks at what is there and does what is missing. Whatever had been confirmed to her, to a device or
//! to anyone must be at headquarters, once; nothing may stand there twice, no sequence number may be missing.
//!
//! A short form runs with all tests; `make kills` runs every point and more moments. Seeds are printed; one case is
//! repeated by `SKINLINK_KILLS=point:NAME:COUNT` or `SKINLINK_KILLS=moment:SEED`.

#[path = "support/salon.rs"]
mod salon;

use salon::{Salon, Visit};
use skinlink::app::demo::summary::AtHq;
use std::time::Duration;

/// Named points that a visit passes, with how many passings to let go before the kill.
const POINTS: &[(&str, u32, Visit)] = &[
    ("store.batch.begun", 5, Visit::Readings),
    ("store.batch.before_commit", 2, Visit::Readings),
    ("store.batch.before_commit", 20, Visit::Readings),
    ("store.batch.committed", 3, Visit::Readings),
    ("store.batch.committed", 30, Visit::Readings),
    ("station.visit.opened", 1, Visit::Readings),
    ("station.scan.begun", 1, Visit::Readings),
    ("station.repeat.received", 1, Visit::Readings),
    ("station.repeat.received", 7, Visit::Readings),
    ("station.repeat.confirmed", 1, Visit::Readings),
    ("station.repeat.confirmed", 8, Visit::Readings),
    ("station.reading.closed", 1, Visit::Readings),
    ("station.reading.closed", 4, Visit::Readings),
    ("station.scan.finished", 1, Visit::Readings),
    ("station.scan.finished", 2, Visit::Readings),
    ("station.comparison.drawn", 1, Visit::Readings),
    ("sync.connected", 1, Visit::Readings),
    ("sync.hello.answered", 1, Visit::Readings),
    ("sync.batch.published", 2, Visit::Readings),
    ("sync.ack.received", 2, Visit::Readings),
    ("sync.ack.recorded", 2, Visit::Readings),
    ("store.image.temporary_written", 1, Visit::Photographs),
    ("store.image.synced", 1, Visit::Photographs),
    ("store.image.renamed", 2, Visit::Photographs),
    ("store.image.row_committed", 1, Visit::Photographs),
    ("analysis.capture.queued", 1, Visit::Photographs),
    ("analysis.scores.received", 1, Visit::Photographs),
    ("analysis.scores.confirmed", 1, Visit::Photographs),
    ("sync.image.offered", 1, Visit::Photographs),
    ("sync.image.slice_sent", 5, Visit::Photographs),
    ("sync.image.verified", 1, Visit::Photographs),
];

/// Random moments in the short form and in the long one.
const MOMENTS: [u64; 2] = [30, 300];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_before_a_kill_is_at_headquarters_once() {
    let wish = std::env::var("SKINLINK_KILLS").unwrap_or_default();
    let mut salon = Salon::open().await;
    match wish.split(':').collect::<Vec<_>>().as_slice() {
        ["point", name, count] => {
            let count = count.parse().expect("SKINLINK_KILLS=point:NAME:COUNT");
            let known = POINTS.iter().find(|(point, ..)| point == name);
            let visit = known.map_or(Visit::Photographs, |(_, _, visit)| *visit);
            salon.killed_at(name, count, visit).await;
        }
        ["moment", seed] => salon.killed_after(seed.parse().expect("SKINLINK_KILLS=moment:SEED")).await,
        wish => {
            for (name, count, visit) in POINTS {
                salon.killed_at(name, *count, *visit).await;
            }
            let moments = if wish == ["long"] { MOMENTS[1] } else { MOMENTS[0] };
            for seed in 1..=moments {
                salon.killed_after(seed).await;
            }
        }
    }
    let AtHq { duplicates, gaps, images_received, images_verified, .. } = salon.close(Duration::from_secs(60)).await;
    assert_eq!((duplicates, gaps), (0, 0), "values that stand twice at headquarters, and values or numbers missing");
    assert_eq!(images_received, images_verified, "every picture that headquarters was owed is whole there");
}
