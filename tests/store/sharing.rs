//! What leaves the store, and what does not: consent by consent.

use crate::salon::{Salon, new_capture, picture, say};
use skinlink::{
    domain::{Region, capture::Format, consent::Purpose, scan::ScanState},
    store::StoreError,
    sync::image_lane::Role,
};

#[tokio::test]
async fn numbers_measured_before_the_yes_are_told_once_and_only_then() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    assert_eq!(salon.count("reading.v1").await, 0);
    salon.say(Purpose::ShareNumbers, true).await;
    assert_eq!(salon.count("reading.v1").await, 1);
    salon.say(Purpose::ShareNumbers, true).await;
    salon.reading(scan, Region::Chin).await;
    assert_eq!(salon.count("reading.v1").await, 2, "each once");
}

#[tokio::test]
async fn a_yes_does_not_reach_back_into_closed_visits() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    salon.say(Purpose::ShareNumbers, true).await;
    assert_eq!(salon.count("reading.v1").await, 0);
}

#[tokio::test]
async fn a_no_takes_back_what_hq_has_not_got_and_a_later_yes_tells_it_anew() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let first = salon.reading(scan, Region::Forehead).await;
    let told = salon.store.last_seq().await.unwrap();
    let epoch = salon.store.epoch().await.unwrap();
    salon.store.acknowledge(epoch, told, Vec::new()).await.unwrap();
    let second = salon.reading(scan, Region::Chin).await;
    let ids: Vec<String> = salon.events().await.into_iter().map(|event| event.id).collect();

    salon.say(Purpose::ShareNumbers, false).await;
    let events = salon.events().await;
    assert_eq!(salon.count("reading.v1").await, 0);
    assert_eq!(salon.count("redacted.v1").await, 2);
    assert!(events.iter().zip(&ids).all(|(event, id)| event.id == *id), "same number, same id");
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(&first.id.to_string()) && !text.contains("\"35.2\""), "no number is left: {text}");

    salon.say(Purpose::ShareNumbers, true).await;
    let again: Vec<_> = salon.events().await.into_iter().filter(|event| event.kind.ends_with("reading.v1")).collect();
    assert_eq!(again.len(), 1, "HQ holds the first; the second it never got");
    assert!(again[0].data.get().contains(&second.id.to_string()));
    // HQ's word may have been under way: if HQ has it after all, it knows it again by its id.
    assert_eq!(again[0].id, ids[usize::try_from(told).unwrap()]);
}

#[tokio::test]
async fn photographs_need_their_own_yes_at_every_step() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let refused = salon.store.save_capture(new_capture(scan), picture()).await;
    assert!(matches!(refused, Err(StoreError::NoConsent { .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(salon.data().join("pictures")).unwrap().count(), 0);

    salon.say(Purpose::Photograph, true).await;
    salon.say(Purpose::ShareNumbers, true).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Webp, vec![7; 999]).await.unwrap();
    salon.score(capture.id).await;
    assert_eq!(salon.count("capture.v1").await, 0);
    assert_eq!(salon.count("score.v1").await, 1, "a score is a number");
    assert_eq!(salon.store.owed_images(10).await.unwrap(), []);
    let asked = salon.store.owe_original(capture.id).await;
    assert!(matches!(asked, Err(StoreError::NoConsent { .. })), "{asked:?}");

    salon.say(Purpose::SharePhotographs, true).await;
    assert_eq!(salon.count("capture.v1").await, 1);
    let owed = salon.store.owed_images(10).await.unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!((owed[0].role, owed[0].bytes, owed[0].visit), (Role::Derivative, 999, visit));

    salon.say(Purpose::SharePhotographs, false).await;
    assert_eq!(salon.store.owed_images(10).await.unwrap(), []);
    assert_eq!(salon.count("capture.v1").await, 0);
    assert_eq!(salon.count("score.v1").await, 1, "numbers follow their own consent");
}

#[tokio::test]
async fn pictures_are_owed_in_order_until_hq_says_it_has_them() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let (one, two) = (salon.capture(scan).await.id, salon.capture(scan).await.id);
    let save = |capture, role| salon.store.save_picture(capture, role, Format::Webp, vec![1; 10]);
    save(one, Role::Derivative).await.unwrap();
    save(two, Role::Derivative).await.unwrap();
    save(two, Role::Report).await.unwrap();
    salon.store.owe_original(one).await.unwrap();
    assert_eq!(salon.store.backlog().await.unwrap().images, 4);
    let next = || async {
        let owed = salon.store.owed_images(10).await.unwrap();
        owed.into_iter().map(|image| (image.capture, image.role)).collect::<Vec<_>>()
    };
    assert_eq!(next().await, [(two, Role::Report), (one, Role::Derivative)]);
    assert!(salon.store.image_verified(two, Role::Report).await.unwrap());
    assert!(!salon.store.image_verified(two, Role::Report).await.unwrap(), "a second word changes nothing");
    assert!(salon.store.image_refused(one, Role::Derivative, "too large".to_owned()).await.unwrap());
    assert_eq!(next().await, [(two, Role::Derivative), (one, Role::Original)]);
    // HQ lost an original that it had verified, and asks for it.
    assert!(salon.store.image_verified(one, Role::Original).await.unwrap());
    salon.store.owe_original(one).await.unwrap();
    assert_eq!(next().await, [(two, Role::Derivative), (one, Role::Original)]);
    let again = save(two, Role::Report).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
    assert_eq!(salon.store.picture_bytes(two, Role::Report).await.unwrap(), vec![1; 10], "the first stays");
}

/// A photograph of few pixels comes out the same for the report and for headquarters. Its word on one, said twice since the receiver
/// had been killed in between, settled the other, which then never arrived.
#[tokio::test]
async fn two_pictures_of_one_photograph_never_have_the_same_bytes() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let scan = salon.scan(salon.visit().await).await;
    let capture = salon.capture(scan).await.id;
    let mut digests = Vec::new();
    for role in [Role::Report, Role::Derivative] {
        salon.store.save_picture(capture, role, Format::Jpeg, vec![0xFF, 0xD8, 0xFF, 0xD9]).await.unwrap();
        digests.push(salon.store.owed_images(10).await.unwrap()[0].sha256);
        assert!(salon.store.image_verified(capture, role).await.unwrap());
    }
    assert_ne!(digests[0], digests[1]);
}

/// Two tasks make the same derivative at once: one is kept whole, the other is refused and takes nothing with it.
#[tokio::test]
async fn of_two_pictures_of_one_role_at_once_one_stays_whole() {
    let salon = Salon::new().await;
    salon.say(Purpose::Photograph, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    for _ in 0..20 {
        let capture = salon.capture(scan).await.id;
        let save = |byte: u8| salon.store.save_picture(capture, Role::Derivative, Format::Webp, vec![byte; 60_000]);
        let (one, two) = tokio::join!(save(1), save(2));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let kept = salon.store.picture_bytes(capture, Role::Derivative).await.unwrap();
        assert_eq!(kept, vec![if one.is_ok() { 1 } else { 2 }; 60_000]);
    }
}

/// A yes or no under one id of a person holds for the other.
#[tokio::test]
async fn a_no_reaches_all_ids_of_a_person() {
    use skinlink::{clock, domain::CustomerId};
    let salon = Salon::new().await;
    let twin = clock::mint(CustomerId::from_bits);
    salon.store.save_customer(crate::salon::person(twin), "staff-1".to_owned()).await.unwrap();
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    salon.store.join_customers(twin, salon.customer, None, "staff-1".to_owned()).await.unwrap();
    assert_eq!(salon.count("reading.v1").await, 1);
    say(&salon.store, twin, Purpose::ShareNumbers, false).await;
    assert_eq!(salon.count("reading.v1").await, 0);
}

#[tokio::test]
async fn photographs_leave_by_the_clock_but_never_what_hq_is_owed() {
    use skinlink::{clock, domain::Timestamp};
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs, Purpose::KeepPhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let (free, owed) = (salon.capture(scan).await.id, salon.capture(scan).await.id);
    for capture in [free, owed] {
        salon.store.save_picture(capture, Role::Report, Format::Jpeg, vec![1; 10]).await.unwrap();
    }
    salon.store.owe_original(owed).await.unwrap();
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    let later = |days: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
    assert_eq!(salon.store.retire_photographs(later(30), 365).await.unwrap(), 0, "kept as agreed");
    assert_eq!(salon.store.retire_photographs(later(400), 365).await.unwrap(), 1);
    let gone = salon.store.capture_bytes(free).await;
    assert!(matches!(gone, Err(StoreError::PictureGone(_))), "{gone:?}");
    salon.store.capture_bytes(owed).await.unwrap();
    salon.store.image_verified(owed, Role::Original).await.unwrap();
    salon.say(Purpose::KeepPhotographs, false).await;
    assert_eq!(salon.store.retire_photographs(later(1), 365).await.unwrap(), 0, "the report is still being made");
    assert_eq!(salon.store.retire_photographs(later(3), 365).await.unwrap(), 1);
    let salon = salon.reopened().await;
    assert_eq!(salon.store.visit_view(visit).await.unwrap().scans[0].captures.len(), 2, "rows and digests stay");
}

/// Photographs of a visit that was struck out while it was open stayed for good: it has no day on which it was closed.
#[tokio::test]
async fn photographs_of_a_visit_struck_out_while_open_are_released() {
    use skinlink::{clock, domain::Timestamp};
    let salon = Salon::new().await;
    salon.say(Purpose::Photograph, true).await;
    let visit = salon.visit().await;
    let capture = salon.capture(salon.scan(visit).await).await.id;
    salon.store.void(skinlink::store::Thing::Visit(visit), crate::salon::why()).await.unwrap();
    let later = |days: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
    assert_eq!(salon.store.retire_photographs(later(1), 365).await.unwrap(), 0, "it may be restored");
    assert_eq!(salon.store.retire_photographs(later(3), 365).await.unwrap(), 1);
    let gone = salon.store.capture_bytes(capture).await;
    assert!(matches!(gone, Err(StoreError::PictureGone(_))), "{gone:?}");
}

/// The story of a photograph whose report picture could not be made in time: HQ, which was told of it, was never sent one,
/// since the original it is made from had left by the clock.
#[tokio::test]
async fn an_original_stays_until_the_picture_that_hq_is_owed_is_made_from_it() {
    use skinlink::{clock, domain::Timestamp};
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let (late, never) = (salon.capture(scan).await.id, salon.capture(scan).await.id);
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    let later = |days: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
    assert_eq!(salon.store.retire_photographs(later(400), 30).await.unwrap(), 0, "neither picture is made");
    assert_eq!(salon.store.capture_bytes(late).await.unwrap(), picture());
    salon.store.save_picture(late, Role::Report, Format::Jpeg, vec![1; 10]).await.unwrap();
    assert_eq!(salon.store.retire_photographs(later(400), 30).await.unwrap(), 1, "the one that is made");
    salon.store.void(skinlink::store::Thing::Capture(never), crate::salon::why()).await.unwrap();
    assert_eq!(salon.store.retire_photographs(later(400), 30).await.unwrap(), 1, "struck out, it is owed to nobody");
    salon.say(Purpose::SharePhotographs, false).await;
    assert_eq!(salon.store.retire_photographs(later(400), 30).await.unwrap(), 1, "the report picture");
}
