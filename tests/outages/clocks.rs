//! A wall clock that was never set, that jumps, and jumps back. The stamps are handed in, as the store takes them.

use crate::{
    gateway::{Running, all_is_there},
    headquarters::{Headquarters, address},
    salon::{Salon, new_repeat},
};
use skinlink::{
    clock,
    domain::{
        BootId, ClockState, Stamp, Timestamp, capture::Format, consent::Purpose, reading::MeasuredValue,
        scan::ScanState,
    },
    store::{NewMeasurement, Store},
    sync::image_lane::Role,
};

const DAY: i64 = 86_400_000;
const HOUR_NS: u64 = 3_600_000_000_000;

/// `hours` of running after the first stamp, the wall clock `days` off.
fn stamp(hours: u64, days: i64) -> Stamp {
    let start = clock::now();
    let wall =
        Timestamp::from_unix_ms(start.wall.unix_ms() + i64::try_from(hours).expect("few") * 3_600_000 + days * DAY);
    Stamp { boot: BootId::from_bits(7), monotonic_ns: HOUR_NS * (1_000 + hours), wall, clock: ClockState::Synced }
}

/// Every few hours, as housekeeping does; what is released in all.
async fn keeps_house(store: &Store, hours: std::ops::Range<u64>, days: i64) -> u64 {
    let mut released = 0;
    for hour in hours.step_by(6) {
        if let Some(now) = store.retention_time(stamp(hour, days)).await.expect("a store") {
            released += store.prune(now, 30).await.expect("pruned");
            released += store.retire_photographs(now, 30).await.expect("retired");
        }
    }
    released
}

/// Acknowledged events and a photograph, neither a day old.
async fn kept() -> Salon {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Webp, vec![1; 10]).await.expect("stored");
    salon.store.set_scan_state(scan, ScanState::Finished).await.expect("finished");
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.expect("closed");
    salon.store.retention_time(stamp(0, 0)).await.expect("a store");
    let (epoch, last) = (salon.store.epoch().await.expect("a store"), salon.store.last_seq().await.expect("a store"));
    salon.store.acknowledge(epoch, last, Vec::new()).await.expect("acknowledged");
    salon
}

/// The story of a time server that is two months ahead, noticed after half a day: nothing is released by it, and what is
/// acknowledged under the wrong time is kept as long as everything else.
#[tokio::test]
async fn a_clock_that_jumps_ahead_and_back_releases_nothing() {
    for days in [60, 4_000, -60, -200] {
        let salon = kept().await;
        let here = salon.store.last_seq().await.expect("a store");
        assert_eq!(keeps_house(&salon.store, 1..12, days).await, 0, "{days} days off");
        salon.say(Purpose::DeliverReport, true).await;
        let epoch = salon.store.epoch().await.expect("a store");
        salon.store.acknowledge(epoch, here + 1, Vec::new()).await.expect("acknowledged");
        assert_eq!(keeps_house(&salon.store, 12..24 * 28, 0).await, 0, "and right again for four weeks");
        assert_eq!(salon.store.oldest_kept().await.expect("a store"), 1);
        let released = keeps_house(&salon.store, 24 * 28..24 * 33, 0).await;
        assert_eq!(released, here + 1 + 1, "after the thirty days it goes: events and the original");
    }
}

/// Closed for three weeks, then open again: nothing goes in one leap, and within the same time the clock has caught up.
#[tokio::test]
async fn after_a_long_closure_the_clock_of_retention_catches_up() {
    let salon = kept().await;
    let reopened = Stamp { boot: BootId::from_bits(8), ..stamp(0, 21) };
    let reached = salon.store.retention_time(reopened).await.expect("a store").expect("a set clock");
    assert!(reached.unix_ms() <= stamp(0, 1).wall.unix_ms());
    for hours in 1..=20 * 24 {
        let now = Stamp { boot: BootId::from_bits(8), ..stamp(hours, 21) };
        salon.store.retention_time(now).await.expect("a store");
    }
    let now = Stamp { boot: BootId::from_bits(8), ..stamp(20 * 24 + 1, 21) };
    let reached = salon.store.retention_time(now).await.expect("a store").expect("a set clock");
    assert!((reached.unix_ms() - now.wall.unix_ms()).abs() < 60_000, "caught up");
}

/// The story of a machine whose clock was eleven years ahead when it was first started, and was set right an hour later: the clock of
/// retention had begun there, and nothing would have been released for eleven years.
#[tokio::test]
async fn a_first_clock_that_was_years_ahead_keeps_nothing_for_years() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph] {
        salon.say(purpose, true).await;
    }
    let ahead = stamp(0, 4_000);
    salon.store.record_measurements(vec![measurement(1, ahead)].into()).await.expect("recorded");
    assert_eq!(
        salon.store.retention_time(ahead).await.expect("a store"),
        Some(ahead.wall),
        "nothing shows that it is wrong"
    );

    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Webp, vec![1; 10]).await.expect("stored");
    salon.store.set_scan_state(scan, ScanState::Finished).await.expect("finished");
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.expect("closed");
    let (epoch, last) = (salon.store.epoch().await.expect("a store"), salon.store.last_seq().await.expect("a store"));
    salon.store.acknowledge(epoch, last, Vec::new()).await.expect("acknowledged");

    assert_eq!(keeps_house(&salon.store, 1..42, 0).await, 0, "right again: the two days are not over");
    assert_eq!(keeps_house(&salon.store, 42..60, 0).await, 2, "photographs that nobody agreed to keep go");
    assert_eq!(keeps_house(&salon.store, 60..24 * 28, 0).await, 0, "for four weeks");
    assert_eq!(keeps_house(&salon.store, 24 * 28..24 * 33, 0).await, last, "events after thirty days");
}

fn measurement(counter: u64, taken: Stamp) -> NewMeasurement {
    let one = new_repeat(None, "35.0", None);
    let (metric, value, unit) = (one.metric, one.value, one.unit);
    NewMeasurement {
        station: "chair-1".into(),
        device: one.device.into(),
        counter: Some(counter),
        sends_again: false,
        flags: Vec::new(),
        values: vec![MeasuredValue { metric, region: None, value, unit }],
        taken,
    }
}

/// The story of a machine with an empty battery: it starts in 1970, measures, is set right, jumps a day ahead and back.
/// Headquarters gets every value once, in the order of recording, whatever the wall clock said; and it is told how the times of
/// this start map.
#[tokio::test]
async fn values_taken_in_1970_arrive_in_order_and_their_times_can_be_mapped() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let boot = BootId::from_bits(99);
    let at = |second: u64, wall_ms: i64| {
        let clock = if wall_ms < 1_000_000_000_000 { ClockState::Unset } else { ClockState::Synced };
        Stamp { boot, monotonic_ns: second * 1_000_000_000, wall: Timestamp::from_unix_ms(wall_ms), clock }
    };
    let now = clock::now().wall.unix_ms();
    let walls = [5_000, 6_000, now, now + DAY, now + DAY + 1_000, now + 3_000, now - 90 * DAY];
    for (second, wall) in (10..).zip(walls) {
        let stamp = at(second, wall);
        let measurement = measurement(second, stamp);
        salon.store.record_measurements(vec![measurement].into()).await.expect("recorded");
        assert_eq!(
            salon.store.retention_time(stamp).await.expect("a store").is_some(),
            stamp.clock != ClockState::Unset
        );
        salon.store.tell_clock(stamp).await.expect("a store");
    }
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    let mut rows = headquarters.eventually("all rows", |ledger| ledger.events_after(0, 100).ok()).await;
    rows.sort_by_key(|row| row.seq);
    let event = |row: &skinlink::hq::ledger::Stored| -> skinlink::sync::envelope::Event {
        serde_json::from_str(&row.body).expect("an event")
    };
    let clocks: Vec<_> = rows.iter().filter(|row| row.kind.ends_with("clock.v1")).collect();
    assert_eq!(clocks.len(), 1, "once per start");
    let mapped: skinlink::sync::payload::Clock = serde_json::from_str(event(clocks[0]).data.get()).expect("a clock");
    let measured: Vec<_> = rows.iter().filter(|row| row.kind.contains("measurement")).map(event).collect();
    let seconds: Vec<u64> =
        measured.iter().map(|event| event.monotonicns.parse::<u64>().expect("a number") / 1_000_000_000).collect();
    assert_eq!(seconds, (10..17).collect::<Vec<_>>(), "in the order of recording, none missing");
    assert_eq!((measured[0].clock.as_str(), &measured[0].time[..4]), ("unset", "1970"));
    let age_ns = mapped.monotonicns.parse::<i64>().expect("a number")
        - measured[0].monotonicns.parse::<i64>().expect("a number");
    assert_eq!((mapped.boot, mapped.wall_ms - age_ns / 1_000_000), (measured[0].boot.clone(), now - 2_000));
}
