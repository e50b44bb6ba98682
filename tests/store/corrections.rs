//! Mistakes put right: struck out, restored, moved, through to HQ; nothing measured is deleted.

use crate::salon::{NAME, Salon, metric, person, say, why};
use skinlink::{
    clock,
    domain::{
        CustomerId, ReadingId, Region,
        capture::Format,
        consent::Purpose,
        reading::Reading,
        scan::{Phase, ScanState, Step},
        visit::VisitState,
    },
    store::{StoreError, Thing},
    sync::image_lane::Role,
};

async fn second_customer(salon: &Salon) -> CustomerId {
    let other = clock::mint(CustomerId::from_bits);
    salon.store.save_customer(person(other), "staff-1".to_owned()).await.unwrap();
    other
}

#[tokio::test]
async fn everything_can_be_struck_out_and_restored_and_hq_hears_of_both() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs, Purpose::ShareNumbers] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let reading = salon.reading(scan, Region::Forehead).await.id;
    let capture = salon.capture(scan).await.id;
    salon.store.save_picture(capture, Role::Derivative, Format::Webp, vec![1; 10]).await.unwrap();
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    let things = [Thing::Reading(reading), Thing::Capture(capture), Thing::Scan(scan), Thing::Visit(visit)];
    for (n, thing) in (1..).zip(things) {
        salon.store.void(thing, why()).await.unwrap();
        let twice = salon.store.void(thing, why()).await;
        assert!(matches!(twice, Err(StoreError::WrongState { .. })), "{thing:?}: {twice:?}");
        if !matches!(thing, Thing::Reading(_)) {
            assert_eq!(salon.store.owed_images(9).await.unwrap(), [], "{thing:?}: struck out is not sent");
        }
        salon.store.restore(thing, why()).await.unwrap();
        let twice = salon.store.restore(thing, why()).await;
        assert!(matches!(twice, Err(StoreError::WrongState { .. })), "{thing:?}: {twice:?}");
        assert_eq!(salon.store.owed_images(9).await.unwrap().len(), 1, "{thing:?}: restored is owed again");
        assert_eq!(salon.count("voided.v1").await, 2 * n);
    }
    let view = salon.store.visit_view(visit).await.unwrap();
    assert_eq!(view.visit.state, VisitState::Open);
    assert_eq!(view.scans[0].scan.state, ScanState::Finished);
    assert!(!view.scans[0].readings[0].voided && !view.scans[0].captures[0].voided);
    assert!(salon.store.verify_audit().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_reading_measured_anew_keeps_its_place() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let first = salon.reading(scan, Region::Forehead).await.id;
    salon.store.void(Thing::Reading(first), why()).await.unwrap();
    salon.reading(scan, Region::Forehead).await;
    let both = salon.store.restore(Thing::Reading(first), why()).await;
    assert!(matches!(both, Err(StoreError::Refused(_))), "{both:?}");
    let readings = salon.store.scan_view(scan).await.unwrap().readings;
    assert_eq!(readings.iter().map(|entry| entry.voided).collect::<Vec<_>>(), [true, false]);
}

/// The probe was on the nose while the plan said forehead: once the scan had ended, nothing could set that right.
#[tokio::test]
async fn readings_of_two_regions_change_places_and_hq_hears_of_it() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let step = |region| Step { metric: metric("moisture"), region, repeats: 3 };
    let plan = [Region::Forehead, Region::Nose, Region::Chin].map(step).to_vec();
    let scan = salon.store.begin_scan(visit, None, Phase::Before, plan).await.unwrap().id;
    let forehead = salon.reading(scan, Region::Forehead).await.id;
    salon.reading(scan, Region::Nose).await;
    let running = salon.store.move_reading(forehead, Region::Nose, why()).await;
    assert!(matches!(running, Err(StoreError::WrongState { .. })), "its chair measures again instead: {running:?}");
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    for elsewhere in [Region::Forehead, Region::Lips] {
        let refused = salon.store.move_reading(forehead, elsewhere, why()).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{elsewhere}: {refused:?}");
    }
    let version = salon.store.visit(visit).await.unwrap().version;
    salon.store.move_reading(forehead, Region::Nose, why()).await.unwrap();
    assert!(salon.store.visit(visit).await.unwrap().version > version);
    assert_eq!((salon.count("voided.v1").await, salon.count("reading.v1").await), (2, 4));
    let standing = async || {
        let readings = salon.store.scan_view(scan).await.unwrap().readings;
        readings.into_iter().filter(|one| !one.voided).map(|one| one.item).collect::<Vec<_>>()
    };
    let regions = |readings: &[Reading]| readings.iter().map(|one| one.region).collect::<Vec<_>>();
    let swapped = standing().await;
    assert_eq!(regions(&swapped), [Region::Nose, Region::Forehead]);
    assert!(swapped.iter().all(|reading| reading.repeats.len() == 3), "with all their values");
    // To a place where nothing stands; and what was struck out is moved no more.
    salon.store.move_reading(swapped[0].id, Region::Chin, why()).await.unwrap();
    assert_eq!(regions(&standing().await), [Region::Forehead, Region::Chin]);
    let twice = salon.store.move_reading(forehead, Region::Nose, why()).await;
    assert!(matches!(twice, Err(StoreError::WrongState { .. })), "{twice:?}");
    assert!(salon.store.verify_audit().await.unwrap().is_ok());
}

/// The before scan was measured with the previous customer's visit still open.
#[tokio::test]
async fn a_scan_of_the_wrong_customer_moves_with_its_numbers_pictures_and_keys() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs, Purpose::ShareNumbers] {
        salon.say(purpose, true).await;
    }
    let right = second_customer(&salon).await;
    let (wrong_visit, right_visit) = (
        salon.visit().await,
        salon.store.open_visit(right, "chair-2".to_owned(), "staff-1".to_owned()).await.unwrap().id,
    );
    let scan = salon.scan(wrong_visit).await;
    salon.reading(scan, Region::Forehead).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Webp, vec![1; 10]).await.unwrap();
    let running = salon.store.reassign_scan(scan, right_visit, Phase::After, why()).await;
    assert!(matches!(running, Err(StoreError::WrongState { .. })), "{running:?}");
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.reassign_scan(scan, right_visit, Phase::After, why()).await.unwrap();

    // The right customer has agreed to nothing: what HQ has not got stays here.
    assert_eq!(salon.count("reading.v1").await + salon.count("capture.v1").await, 0);
    assert_eq!(salon.store.owed_images(9).await.unwrap(), []);
    assert_eq!(salon.count("reassigned.v1").await, 1);
    let view = salon.store.visit_view(right_visit).await.unwrap();
    assert_eq!((view.scans[0].scan.phase, view.scans[0].readings.len()), (Phase::After, 1));
    assert!(salon.store.visit_view(wrong_visit).await.unwrap().scans.is_empty());

    // Erasing the wrong customer leaves the picture; erasing the right one takes it.
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!(salon.store.capture_bytes(capture.id).await.unwrap(), crate::salon::picture());
    salon.store.erase_customer(right, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert!(salon.store.capture_bytes(capture.id).await.is_err());
}

#[tokio::test]
async fn a_visit_given_to_another_customer_follows_that_customers_consents() {
    let salon = Salon::new().await;
    let right = second_customer(&salon).await;
    say(&salon.store, right, Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    assert_eq!(salon.count("reading.v1").await, 0);
    let stale = salon.store.reassign_visit(visit, Some(1), right, why()).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let moved = salon.store.reassign_visit(visit, None, right, why()).await.unwrap();
    assert_eq!(moved.customer, right);
    assert_eq!((salon.count("reading.v1").await, salon.count("reassigned.v1").await), (1, 1));
    salon.store.reassign_visit(visit, None, salon.customer, why()).await.unwrap();
    assert_eq!(salon.count("reading.v1").await, 0, "moved back before HQ got it");
}

#[tokio::test]
async fn what_does_not_exist_is_named_and_nothing_changes() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let last = salon.store.last_seq().await.unwrap();
    let nobody = clock::mint(CustomerId::from_bits);
    let answers = [
        salon.store.void(Thing::Reading(clock::mint(ReadingId::from_bits)), why()).await.unwrap_err(),
        salon.store.reassign_visit(visit, None, nobody, why()).await.unwrap_err(),
        salon.store.open_visit(nobody, "chair-9".to_owned(), "staff-1".to_owned()).await.unwrap_err(),
        salon.store.erase_customer(nobody, "staff-1".to_owned(), "asked".to_owned()).await.unwrap_err(),
        salon.store.join_customers(salon.customer, nobody, None, "staff-1".to_owned()).await.unwrap_err(),
    ];
    for answer in answers {
        assert!(matches!(answer, StoreError::NotFound { .. }), "{answer:?}");
        assert!(!answer.to_string().contains(NAME));
    }
    assert_eq!(salon.store.last_seq().await.unwrap(), last);
}

/// The story of a scan that was struck out, and the customer agreed to share meanwhile: restored, it was never told.
#[tokio::test]
async fn a_scan_struck_out_before_the_yes_is_told_when_it_is_restored() {
    let salon = Salon::new().await;
    salon.say(Purpose::Photograph, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    let capture = salon.capture(scan).await.id;
    salon.score(capture).await;
    salon.store.save_picture(capture, Role::Report, Format::Jpeg, vec![1; 10]).await.unwrap();
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.void(Thing::Scan(scan), why()).await.unwrap();
    for purpose in [Purpose::ShareNumbers, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let told =
        || async { (salon.count("reading.v1").await, salon.count("score.v1").await, salon.count("capture.v1").await) };
    assert_eq!(told().await, (0, 0, 0), "struck out is not told");
    for _ in 0..2 {
        salon.store.restore(Thing::Scan(scan), why()).await.unwrap();
        assert_eq!(told().await, (1, 1, 1), "each once");
        assert_eq!(salon.store.owed_images(9).await.unwrap().len(), 1);
        salon.store.void(Thing::Scan(scan), why()).await.unwrap();
    }
}

/// A visit was opened twice for one customer; the empty one stays, the other is struck out and its scan moved.
#[tokio::test]
async fn a_scan_moved_out_of_a_voided_visit_takes_its_pictures_along() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs, Purpose::ShareNumbers] {
        salon.say(purpose, true).await;
    }
    let twice = salon.visit().await;
    let scan = salon.scan(twice).await;
    let capture = salon.capture(scan).await.id;
    salon.store.save_picture(capture, Role::Report, Format::Jpeg, vec![1; 10]).await.unwrap();
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.void(Thing::Visit(twice), why()).await.unwrap();
    let visit = salon.store.open_visit(salon.customer, "chair-2".to_owned(), "staff-1".to_owned()).await.unwrap().id;
    assert_eq!(salon.store.owed_images(9).await.unwrap(), []);
    salon.store.reassign_scan(scan, visit, Phase::Before, why()).await.unwrap();
    assert_eq!(salon.store.owed_images(9).await.unwrap()[0].visit, visit);
    salon.store.reassign_scan(scan, twice, Phase::Before, why()).await.unwrap();
    assert_eq!(salon.store.owed_images(9).await.unwrap(), [], "struck out is not sent");
}

/// Nobody may strike out, move away or close over what is being measured: its values would stay open for ever.
#[tokio::test]
async fn what_is_under_way_is_ended_before_it_is_struck_out_moved_or_closed_over() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let closed = salon.store.open_visit(salon.customer, "chair-2".to_owned(), "staff-1".to_owned()).await.unwrap().id;
    salon.store.close_visit(closed, None, "staff-1".to_owned()).await.unwrap();
    for state in [ScanState::Running, ScanState::Paused] {
        salon.store.set_scan_state(scan, state).await.unwrap();
        let answers = [
            salon.store.void(Thing::Scan(scan), why()).await.unwrap_err(),
            salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap_err(),
            salon.store.reassign_scan(scan, closed, Phase::Before, why()).await.unwrap_err(),
        ];
        for answer in answers {
            assert!(matches!(answer, StoreError::WrongState { what: "scan", .. }), "{state}: {answer:?}");
        }
    }
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.void(Thing::Scan(scan), why()).await.unwrap();
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
}
