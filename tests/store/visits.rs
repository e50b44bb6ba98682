//! A visit from opening to closing, and what two people at once or a restart do to it.

use crate::salon::{LIMIT, NAME, PHONE, Salon, device, metric, new_repeat, open, person};
use skinlink::{
    clock,
    domain::{
        ComparisonId, CustomerId, Region, VisitId,
        comparison::{Baseline, Compared, Comparison, Verdict},
        consent::Purpose,
        device::DeviceIdentity,
        scan::{Phase, ScanState},
        treatment::{Noted, Used},
        visit::VisitState,
    },
    store::{NewRepeat, Store, StoreError},
};
use std::time::Duration;

#[tokio::test]
async fn a_whole_visit_reads_back_as_it_was_recorded_also_after_a_restart() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::ShareNumbers] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let before = salon.scan(visit).await;
    let reading = salon.reading(before, Region::Forehead).await;
    let capture = salon.capture(before).await;
    let score = salon.score(capture.id).await;
    salon.store.set_scan_state(before, ScanState::Finished).await.unwrap();
    let after = salon.store.begin_scan(visit, None, Phase::After, Vec::new()).await.unwrap();
    let comparison = Comparison {
        id: clock::mint(ComparisonId::from_bits),
        visit,
        baseline: Baseline::SameVisit,
        before,
        after: after.id,
        tested: 1,
        items: vec![Compared {
            metric: metric("moisture"),
            region: Region::Forehead,
            unit: "%".to_owned(),
            before: Some(35.0),
            after: Some(58.0),
            change: Some(23.0),
            smallest_detectable_change: Some(4.2),
            verdict: Verdict::Improved,
            refusal: None,
            engine: None,
        }],
    };
    salon.store.save_comparison(comparison.clone()).await.unwrap();
    salon.store.set_steps(visit, None, vec!["deep cleansing".to_owned()], "staff-1".to_owned()).await.unwrap();

    let salon = salon.reopened().await;
    let view = salon.store.visit_view(visit).await.unwrap();
    assert_eq!(view.customer, person(salon.customer));
    assert!(view.agreed(Purpose::ShareNumbers) && !view.agreed(Purpose::SharePhotographs));
    assert_eq!(view.visit.steps, ["deep cleansing"]);
    assert_eq!(view.scans.len(), 2);
    assert_eq!(view.scans[0].readings[0].item, reading);
    assert_eq!(view.scans[0].captures[0].item, capture);
    assert_eq!(view.scans[0].scores, [score]);
    assert_eq!(view.comparisons, [comparison]);
    assert_eq!(salon.store.scan_in_progress("chair-1".to_owned()).await.unwrap().unwrap().scan.id, after.id);
    assert_eq!(salon.count("reading.v1").await, 1);
    assert_eq!(salon.count("score.v1").await, 1);
    assert_eq!(salon.count("comparison.v1").await, 1);
    assert_eq!(salon.count("capture.v1").await, 0, "photographs are not shared");
}

#[tokio::test]
async fn of_two_who_change_a_visit_at_once_the_second_sees_the_first() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let seen = salon.store.visit(visit).await.unwrap().version;
    salon.store.set_steps(visit, Some(seen), vec!["mask".to_owned()], "staff-1".to_owned()).await.unwrap();
    let refused = salon.store.set_steps(visit, Some(seen), vec!["peeling".to_owned()], "staff-1".to_owned()).await;
    let Err(StoreError::Conflict(current)) = refused else { panic!("expected a conflict, got {refused:?}") };
    assert_eq!(current.steps, ["mask"]);
    assert_eq!(current.version, seen + 1);
    let scan = salon.store.begin_scan(visit, Some(seen), Phase::Before, Vec::new()).await;
    assert!(matches!(scan, Err(StoreError::Conflict(_))), "{scan:?}");
    let closed = salon.store.close_visit(visit, Some(current.version), "staff-1".to_owned()).await.unwrap();
    assert_eq!(closed.state, VisitState::Closed);
    let late = salon.store.set_steps(visit, None, Vec::new(), "staff-1".to_owned()).await;
    assert!(matches!(late, Err(StoreError::WrongState { .. })), "{late:?}");
}

#[tokio::test]
async fn the_chair_seats_one_customer() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let second = salon.store.open_visit(salon.customer, "chair-1".to_owned(), "staff-2".to_owned()).await;
    assert!(matches!(second, Err(StoreError::StationBusy { visit: open, .. }) if open == visit), "{second:?}");
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    salon.visit().await;
    assert_eq!(salon.store.open_visits().await.unwrap().len(), 1);
    assert_eq!(salon.store.recent_visits(10).await.unwrap().len(), 2);
}

/// A device that missed our acknowledgement sends its measurement again, before or after a restart of the gateway.
#[tokio::test]
async fn a_measurement_sent_again_is_stored_once() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let first = salon.repeat(Some(scan), "35.0", Some(7)).await;
    let again = salon.repeat(Some(scan), "35.0", Some(7)).await;
    assert!(again.again && again.id == first.id && !first.again);
    let salon = salon.reopened().await;
    assert_eq!(salon.repeat(Some(scan), "35.0", Some(7)).await.id, first.id);
    // The same count with another value is another measurement, and so is the same value under the next count.
    assert_ne!(salon.repeat(Some(scan), "35.1", Some(7)).await.id, first.id);
    assert_ne!(salon.repeat(Some(scan), "35.0", Some(8)).await.id, first.id);
    assert_eq!(salon.store.scan_view(scan).await.unwrap().repeats.len(), 3);
}

/// A device restarts its counter: the same count and value an hour later, with others between, is a new measurement.
#[tokio::test]
async fn a_counter_that_starts_over_hides_no_measurement() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let mut early = new_repeat(Some(scan), "35.0", Some(1));
    let mut between = new_repeat(Some(scan), "36.0", Some(2));
    early.taken.monotonic_ns -= 120_000_000_000_u64.min(early.taken.monotonic_ns);
    between.taken.monotonic_ns -= 100_000_000_000_u64.min(between.taken.monotonic_ns);
    let first = salon.store.record_repeat(early.clone()).await.unwrap();
    let apart = new_repeat(Some(scan), "35.0", Some(1)).taken.monotonic_ns - early.taken.monotonic_ns;
    assert!(Duration::from_nanos(apart) > Duration::from_secs(60), "the machine has been up for a minute");
    // Nothing came between: the device still waits for our word.
    assert!(salon.repeat(Some(scan), "35.0", Some(1)).await.again);
    salon.store.record_repeat(between).await.unwrap();
    let anew = salon.repeat(Some(scan), "35.0", Some(1)).await;
    assert!(!anew.again && anew.id != first.id);
}

#[tokio::test]
async fn what_comes_unasked_lies_in_the_tray_until_someone_binds_it() {
    let salon = Salon::new().await;
    let unasked = salon.repeat(None, "41.0", Some(1)).await;
    assert!(unasked.in_tray);
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.store.set_scan_state(scan, ScanState::Paused).await.unwrap();
    let late = salon.repeat(Some(scan), "42.0", Some(2)).await;
    assert!(late.in_tray, "a paused scan takes no values by itself");
    assert_eq!(salon.store.tray("chair-1".to_owned()).await.unwrap().len(), 2);
    let bound = salon.store.bind(unasked.id, scan, Region::Chin, "staff-1".to_owned()).await.unwrap();
    assert_eq!((bound.scan, bound.region), (Some(scan), Some(Region::Chin)));
    let twice = salon.store.bind(unasked.id, scan, Region::Chin, "staff-1".to_owned()).await;
    assert!(matches!(twice, Err(StoreError::NotFound { .. })), "{twice:?}");
    salon.store.dismiss(late.id, "staff-1".to_owned()).await.unwrap();
    assert!(salon.store.tray("chair-1".to_owned()).await.unwrap().is_empty());
    assert_eq!(salon.store.scan_view(scan).await.unwrap().repeats.len(), 1);
}

/// Values of two probes were mixed in one reading when one of them came from the tray: their difference looked like skin.
#[tokio::test]
async fn a_value_from_the_tray_is_not_put_beside_another_device_s() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let other = DeviceIdentity { serial: "DR-0500".into(), ..device() };
    let unasked = NewRepeat { device: other, ..new_repeat(None, "41.0", Some(1)) };
    let unasked = salon.store.record_repeat(unasked).await.unwrap().id;
    salon.repeat(Some(scan), "35.0", Some(1)).await;
    let mixed = salon.store.bind(unasked, scan, Region::Forehead, "staff-1".to_owned()).await;
    assert!(matches!(mixed, Err(StoreError::Refused(_))), "{mixed:?}");
    assert_eq!(salon.store.tray("chair-1".to_owned()).await.unwrap().len(), 1, "it stays in the tray");
    salon.store.bind(unasked, scan, Region::Chin, "staff-1".to_owned()).await.unwrap();
}

/// The consent to be measured was taken back, and until the page had paused the scan in a second step it still ran.
#[tokio::test]
async fn a_scan_does_not_run_without_the_consent_to_be_measured() {
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.say(Purpose::Measure, false).await;
    assert_eq!(salon.store.scan(scan).await.unwrap().state, ScanState::Paused);
    assert!(salon.repeat(Some(scan), "35.0", Some(1)).await.in_tray);
    let on = salon.store.set_scan_state(scan, ScanState::Running).await;
    assert!(matches!(on, Err(StoreError::NoConsent { .. })), "{on:?}");
    salon.say(Purpose::Measure, true).await;
    assert_eq!(salon.store.scan(scan).await.unwrap().state, ScanState::Paused, "a person resumes it");
    salon.store.set_scan_state(scan, ScanState::Running).await.unwrap();
}

#[tokio::test]
async fn a_reading_takes_only_free_repeats_of_its_own_scan_and_closes_once() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let reading = salon.reading(scan, Region::Forehead).await;
    salon.store.close_reading(reading.clone()).await.unwrap();
    assert_eq!(salon.count("reading.v1").await, 1, "closing the same id again tells nothing");
    let mut other = reading.clone();
    other.id = clock::mint(skinlink::domain::ReadingId::from_bits);
    let refused = salon.store.close_reading(other.clone()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    other.region = Region::Chin;
    let taken = salon.store.close_reading(other.clone()).await;
    assert!(matches!(taken, Err(StoreError::Refused(_))), "its repeats belong to the first: {taken:?}");
    other.repeats.clear();
    assert!(matches!(salon.store.close_reading(other).await, Err(StoreError::Refused(_))));
    assert_eq!(salon.store.scan_view(scan).await.unwrap().readings.len(), 1);
}

#[tokio::test]
async fn customers_are_found_by_parts_and_never_printed() {
    let salon = Salon::new().await;
    for (text, hits) in [("Wei", 1), ("1390000", 1), ("", 1), ("%", 0), ("_", 0), ("Nobody", 0)] {
        let found = salon.store.find_customers(text.to_owned(), 10).await.unwrap();
        assert_eq!(found.len(), hits, "{text:?}");
    }
    let visit = salon.visit().await;
    let view = salon.store.visit_view(visit).await.unwrap();
    let printed = format!("{view:?} {:?}", salon.store);
    assert!(!printed.contains(NAME) && !printed.contains(PHONE));
    for event in salon.events().await {
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains(NAME) && !text.contains(PHONE), "HQ gets no names: {text}");
    }
}

#[tokio::test]
async fn two_ids_of_one_person_share_visits_and_the_last_word() {
    let salon = Salon::new().await;
    let twin = clock::mint(CustomerId::from_bits);
    salon.store.save_customer(person(twin), "staff-1".to_owned()).await.unwrap();
    salon.visit().await;
    salon.store.open_visit(twin, "chair-2".to_owned(), "staff-1".to_owned()).await.unwrap();
    salon.say(Purpose::ShareNumbers, true).await;
    salon.store.join_customers(salon.customer, twin, None, "staff-1".to_owned()).await.unwrap();
    assert_eq!(salon.store.visits_of(twin).await.unwrap().len(), 2);
    assert!(salon.store.consents(twin).await.unwrap()[&Purpose::ShareNumbers].given);
    assert_eq!(salon.store.find_customers("Wei".to_owned(), 10).await.unwrap().len(), 1);
    assert_eq!(salon.count("alias.v1").await, 1);
    let again = salon.store.join_customers(twin, salon.customer, None, "staff-1".to_owned()).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn closing_waits_for_the_last_handle_and_says_so() {
    let salon = Salon::new().await;
    let other: Store = salon.store.clone();
    let Salon { folder, store, .. } = salon;
    assert!(!store.close(Duration::from_millis(50)).await, "another handle keeps it open");
    assert!(other.open_visits().await.unwrap().is_empty());
    assert!(other.close(LIMIT).await);
    open(&folder);
}

/// Notes how one step was done, and of another one whose tick is taken back afterwards.
async fn noted(salon: &Salon, visit: VisitId) {
    let used = |product: &str, batch: &str| Used { product: product.to_owned(), batch: batch.to_owned() };
    let write = async |step: &str, noted: Noted| {
        salon.store.note_step(visit, None, step.to_owned(), noted, "b-02".to_owned()).await.unwrap();
    };
    let ticks = async |steps: &[&str]| {
        let steps = steps.iter().map(|step| (*step).to_owned()).collect();
        salon.store.set_steps(visit, None, steps, "b-02".to_owned()).await.unwrap();
    };
    let products = vec![used("玻尿酸精华", "H2609"), used("自带精油", "")];
    write("补水", Noted { level: Some(3), setting: "1 MHz".to_owned(), products, remark: "略有泛红".to_owned() }).await;
    ticks(&["深层清洁", "补水", "按摩"]).await;
    write("按摩", Noted { products: vec![used("按摩油", "H-taken-back")], ..Noted::default() }).await;
    ticks(&["深层清洁", "补水"]).await;
}

/// Headquarters knew that a visit was closed, and nothing of what was asked, done and said in it, nor how it was done.
#[tokio::test]
async fn the_service_sheet_goes_up_when_a_visit_is_closed_and_only_while_numbers_are_shared() {
    use skinlink::{domain::sheet::Sheet, sync::payload};
    let sheet = || Sheet {
        skin_state: "tight".to_owned(),
        wishes: "少用香味".to_owned(),
        washed_min: Some(60),
        stars: Some(5),
        next_day: "2026-12-04".to_owned(),
        ..Sheet::default()
    };
    for (agreed, written) in [(true, true), (false, true), (true, false)] {
        let salon = Salon::new().await;
        salon.say(Purpose::ShareNumbers, agreed).await;
        let visit = salon.visit().await;
        if written {
            salon.store.write_sheet(visit, None, move |_| sheet(), "b-07".to_owned()).await.unwrap();
            let steps = vec!["深层清洁".to_owned(), "补水".to_owned()];
            salon.store.set_steps(visit, None, steps, "b-02".to_owned()).await.unwrap();
            noted(&salon, visit).await;
        }
        assert_eq!(salon.count("sheet.v1").await, 0, "nothing while it is being written");
        salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
        let told: Vec<payload::ServiceSheet> = salon
            .events()
            .await
            .iter()
            .filter(|event| event.kind.ends_with("sheet.v1"))
            .map(|event| serde_json::from_str(event.data.get()).unwrap())
            .collect();
        assert_eq!(told.len(), usize::from(agreed && written), "agreed {agreed}, written {written}");
        if let [told] = &told[..] {
            assert_eq!(
                (told.visit.as_str(), told.stars, told.washed_min),
                (visit.to_string().as_str(), Some(5), Some(60))
            );
            let steps: Vec<(&str, &str)> = told.steps.iter().map(|s| (s.step.as_str(), s.staff.as_str())).collect();
            assert_eq!(steps.len(), 2);
            assert!(steps.contains(&("补水", "b-02")), "{steps:?}");
            let step = |name: &str| told.steps.iter().find(|step| step.step == name).unwrap().clone();
            let used =
                |product: &str, batch: &str| payload::UsedProduct { product: product.into(), batch: batch.into() };
            let payload::TickedStep { level, setting, products, remark, .. } = step("补水");
            assert_eq!((level, setting.as_str(), remark.as_str()), (Some(3), "1 MHz", "略有泛红"));
            assert_eq!(products, [used("玻尿酸精华", "H2609"), used("自带精油", "")]);
            let bare = step("深层清洁");
            assert_eq!((bare.level, bare.products, bare.remark), (None, vec![], String::new()));
            assert!(!salon.events().await.iter().any(|event| event.data.get().contains("H-taken-back")));
            assert_eq!((told.staff.as_str(), told.next_day.as_str()), ("b-07", "2026-12-04"));
            salon.say(Purpose::ShareNumbers, false).await;
            assert_eq!(salon.count("sheet.v1").await, 0, "a withdrawal takes it back");
            assert!(salon.count("redacted.v1").await > 0);
        }
    }
}
