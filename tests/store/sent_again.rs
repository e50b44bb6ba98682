//! What a device sends again, because our word did not reach it, is kept once; what it measured anew with an equal value is
//! kept too. Neither may depend on what the wall clock says.

use crate::{measurements::climate, salon::Salon, salon::new_repeat};
use skinlink::{
    clock,
    domain::{BootId, ClockState, Stamp, Timestamp},
    store::{NewMeasurement, NewRepeat},
};

const HOUR_MS: i64 = 3_600_000;

/// `seconds` after the machine was started for the `start`th time.
fn at(start: u128, seconds: u64, wall_ms: i64) -> Stamp {
    let clock = if wall_ms < 1_000_000_000_000 { ClockState::Unset } else { ClockState::Synced };
    let wall = Timestamp::from_unix_ms(wall_ms);
    Stamp { boot: BootId::from_bits(start), monotonic_ns: seconds * 1_000_000_000, wall, clock }
}

fn now_ms() -> i64 {
    clock::now().wall.unix_ms()
}

/// Moments at which a device that still waits may reach us again: the clock was set by two hours meanwhile; the machine lost
/// its power and starts in 1970; or it was off for half a day; or only the cable was, for five hours.
fn later(now: i64) -> [Stamp; 4] {
    [
        at(1, 130, now + 2 * HOUR_MS),
        at(2, 20, 5_000),
        at(2, 20, now + 12 * HOUR_MS),
        at(1, 100 + 5 * 3600, now + 5 * HOUR_MS),
    ]
}

async fn measured(salon: &Salon, counters: impl IntoIterator<Item = u64>, taken: Stamp) -> usize {
    let climates = counters.into_iter().map(|counter| climate(counter, "22.40", true));
    let batch: Vec<_> = climates.map(|one| NewMeasurement { taken, ..one }).collect();
    salon.store.record_measurements(batch.into()).await.unwrap()
}

async fn repeat(salon: &Salon, value: &str, counter: u64, taken: Stamp) -> bool {
    let new = NewRepeat { taken, ..new_repeat(None, value, Some(counter)) };
    salon.store.record_repeat(new).await.unwrap().again
}

/// The story of a climate sensor in a steady room that lost its power after three values: it begins at 1 again and measures
/// the same. That value was taken for the first one sent again, confirmed, and never stored.
#[tokio::test]
async fn a_sensor_that_began_anew_in_a_steady_room_loses_no_measurement() {
    let (salon, now) = (Salon::new().await, now_ms());
    for (counter, seconds) in [(1, 0), (2, 60), (3, 120), (1, 720)] {
        let wall = now + i64::try_from(seconds).unwrap() * 1000;
        assert_eq!(measured(&salon, [counter], at(1, 100 + seconds, wall)).await, 0, "{counter} at {seconds} s");
    }
    assert_eq!(salon.count("measurement.v1").await, 4);
}

/// The story of four values that were kept in one commit, and no word of it reached the device.
#[tokio::test]
async fn what_a_sensor_of_the_store_still_waits_for_is_kept_once_whatever_the_clocks_did() {
    let now = now_ms();
    for later in later(now) {
        let salon = Salon::new().await;
        assert_eq!(measured(&salon, 5..=8, at(1, 100, now)).await, 0);
        assert_eq!(measured(&salon, [5, 6], later).await, 2, "{later:?}");
        assert_eq!(measured(&salon, [7, 8, 9], later).await, 2, "{later:?}");
        assert_eq!(salon.count("measurement.v1").await, 5);
    }
}

#[tokio::test]
async fn what_a_probe_still_waits_for_is_kept_once_whatever_the_clocks_did() {
    let now = now_ms();
    for later in later(now) {
        let salon = Salon::new().await;
        assert!(!repeat(&salon, "35.0", 5, at(1, 100, now)).await);
        assert!(repeat(&salon, "35.0", 5, later).await, "{later:?}");
        assert!(!repeat(&salon, "35.0", 6, later).await);
        assert_eq!(salon.store.tray("chair-1".to_owned()).await.unwrap().len(), 2);
    }
}

/// The machine and the probe were both switched off and on within seconds: equal or not, what had others after it is new.
#[tokio::test]
async fn a_probe_that_began_anew_with_the_machine_loses_nothing() {
    let (salon, now) = (Salon::new().await, now_ms());
    for (value, counter) in [("35.0", 1), ("36.0", 2)] {
        assert!(!repeat(&salon, value, counter, at(1, 100, now)).await);
    }
    assert!(!repeat(&salon, "35.0", 1, at(2, 8, now + 9_000)).await);
    assert_eq!(salon.store.tray("chair-1".to_owned()).await.unwrap().len(), 3);
}

/// The story of a probe that measures both cheeks at once and finds the same on both: the second was taken for the first one
/// sent again.
#[tokio::test]
async fn two_equal_values_of_one_measurement_are_two_and_known_again() {
    let salon = Salon::new().await;
    let [left, right] = [0, 1].map(|nth| NewRepeat { nth, ..new_repeat(None, "45.0", Some(7)) });
    let mut ids = Vec::new();
    for new in [&left, &right] {
        let recorded = salon.store.record_repeat(new.clone()).await.unwrap();
        assert!(!recorded.again, "value {}", new.nth);
        ids.push(recorded.id);
    }
    let salon = salon.reopened().await;
    for (new, id) in [&left, &right].into_iter().zip(ids) {
        let recorded = salon.store.record_repeat(new.clone()).await.unwrap();
        assert_eq!((recorded.again, recorded.id), (true, id), "value {}", new.nth);
    }
}
