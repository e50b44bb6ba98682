//! The pictures of a pair: kept whole or not at all, shown while both photographs stand, gone with either.

use crate::salon::{Salon, metric, new_capture, person, picture, say, why};
use skinlink::{
    clock,
    domain::{
        CaptureId, CustomerId, Region, ScanId, Timestamp, VisitId,
        capture::FacePoints,
        comparison::{Drawn, Refusal},
        consent::Purpose,
        scan::{Phase, ScanState, Step},
    },
    store::{NewChange, NewPair, NewPictures, StoreError, Thing},
    sync::image_lane::Role,
};
use std::{fs, future::Future, pin::pin, task::Poll};

const ALL: [Role; 4] = [Role::PairBefore, Role::PairAfter, Role::Change1, Role::Change2];

struct Photographed {
    salon: Salon,
    visit: VisitId,
    scans: [ScanId; 2],
    before: CaptureId,
    after: CaptureId,
}

async fn scan(salon: &Salon, visit: VisitId, phase: Phase) -> ScanId {
    let plan = vec![Step { metric: metric("moisture"), region: Region::Forehead, repeats: 3 }];
    salon.store.begin_scan(visit, None, phase, plan).await.unwrap().id
}

async fn photographed() -> Photographed {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let mut scans = Vec::new();
    let mut captures = Vec::new();
    for phase in [Phase::Before, Phase::After] {
        let scan = scan(&salon, visit, phase).await;
        let capture = salon.capture(scan).await.id;
        salon
            .store
            .save_picture(capture, Role::Report, skinlink::domain::capture::Format::Jpeg, picture())
            .await
            .unwrap();
        salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
        scans.push(scan);
        captures.push(capture);
    }
    Photographed { salon, visit, scans: [scans[0], scans[1]], before: captures[0], after: captures[1] }
}

impl Photographed {
    async fn new_pair(&self, byte: u8) -> NewPair {
        let change =
            |id: &str, drawn, at: usize| NewChange { metric: metric(id), drawn, bytes: vec![byte; 3_000 + at] };
        let changes = vec![change("pores", Drawn::Marks, 1), change("pore-contrast", Drawn::Tint, 2)];
        let made = Ok(NewPictures { before: vec![byte; 2_000], after: vec![byte; 2_500], changes });
        let (first, second) =
            (self.salon.store.capture(self.before).await.unwrap(), self.salon.store.capture(self.after).await.unwrap());
        let anchors = [first.anchors, second.anchors];
        NewPair { before: self.before, after: self.after, basis: [byte; 32], anchors, made }
    }

    async fn with_pictures() -> Self {
        let photographed = photographed().await;
        photographed.salon.store.save_pair(photographed.new_pair(1).await).await.unwrap();
        assert_eq!(photographed.shown().await, ALL.map(|role| role.as_str()));
        assert_eq!(photographed.files(), ALL.len());
        photographed
    }

    async fn reopened(self) -> Self {
        let Self { salon, visit, scans, before, after } = self;
        Self { salon: salon.reopened().await, visit, scans, before, after }
    }

    /// The roles that the visit names.
    async fn shown(&self) -> Vec<String> {
        let view = self.salon.store.visit_view(self.visit).await.unwrap();
        view.pairs.iter().flat_map(|pair| &pair.pair.pictures).map(|picture| picture.role.clone()).collect()
    }

    /// Files of pictures of pairs.
    fn files(&self) -> usize {
        let names = fs::read_dir(self.salon.data().join("pictures")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".pair_") || name.contains(".change")).count()
    }

    async fn is_gone(&self, what: &str) {
        assert_eq!(self.shown().await, [""; 0], "{what}");
        assert_eq!(self.files(), 0, "{what}");
        for role in ALL {
            assert!(!self.salon.store.has_picture(self.after, role).await.unwrap(), "{what}");
        }
        let owed = self.salon.store.owed_images(99).await.unwrap();
        assert!(owed.iter().all(|image| !image.role.is_of_a_pair()), "{what}: {owed:?}");
    }

    async fn to_be_made(&self) -> Vec<(CaptureId, CaptureId)> {
        self.salon.store.pairs_to_look_at(Timestamp::from_unix_ms(0)).await.unwrap()
    }
}

#[tokio::test]
async fn the_pictures_of_a_pair_are_kept_as_they_are_and_owed_in_their_order() {
    let one = photographed().await;
    let store = &one.salon.store;
    assert_eq!(one.to_be_made().await, [(one.before, one.after)]);
    assert_eq!(store.pair_basis(one.after).await.unwrap(), None);
    store.save_pair(one.new_pair(7).await).await.unwrap();
    assert_eq!(store.pair_basis(one.after).await.unwrap(), Some([7; 32]));
    for (role, length) in ALL.into_iter().zip([2_000, 2_500, 3_001, 3_002]) {
        assert_eq!(store.picture_bytes(one.after, role).await.unwrap(), vec![7; length]);
        assert!(store.shown_picture(one.after, role).await.unwrap().is_some());
    }
    let view = store.visit_view(one.visit).await.unwrap();
    let told: Vec<_> = view.pairs[0].pair.pictures.iter().map(|p| (p.metric.as_str(), p.how.as_str())).collect();
    assert_eq!(told, [("", ""), ("", ""), ("pores", "marks"), ("pore-contrast", "tint")]);
    let digest = hex::encode(openssl::sha::sha256(&vec![7; 2_000]));
    assert_eq!(view.pairs[0].pair.pictures[0].sha256, digest[..16]);
    // Of one capture one at a time: its report picture, then these in order.
    let mut sent = Vec::new();
    while let Some(next) = store.owed_images(9).await.unwrap().into_iter().find(|image| image.capture == one.after) {
        sent.push(next.role);
        assert!(store.image_verified(next.capture, next.role).await.unwrap());
    }
    assert_eq!(sent, [Role::Report, Role::PairBefore, Role::PairAfter, Role::Change1, Role::Change2]);
    // Made anew from other points, fewer than before: nothing of the old ones is left.
    let mut again = one.new_pair(9).await;
    again.made.as_mut().unwrap().changes.clear();
    store.save_pair(again).await.unwrap();
    assert_eq!(one.shown().await, ["pair_before", "pair_after"]);
    assert_eq!(one.files(), 2);
    assert_eq!(store.picture_bytes(one.after, Role::PairAfter).await.unwrap(), vec![9; 2_500]);
    assert_eq!(store.owed_images(9).await.unwrap().len(), 2, "one of each capture, and these are owed anew");
}

#[tokio::test]
async fn a_refused_pair_is_remembered_with_its_word() {
    let one = Photographed::with_pictures().await;
    let refused = NewPair { made: Err(Refusal::NotRegistered), ..one.new_pair(2).await };
    one.salon.store.save_pair(refused).await.unwrap();
    one.is_gone("refused").await;
    let view = one.salon.store.visit_view(one.visit).await.unwrap();
    assert_eq!(view.pairs[0].pair.refusal, "not_registered");
    assert_eq!(one.salon.store.pair_basis(one.after).await.unwrap(), Some([2; 32]), "nobody tries again for nothing");
}

#[tokio::test]
async fn they_go_with_either_photograph_and_can_be_made_again_when_it_is_back() {
    let one = Photographed::with_pictures().await;
    let store = &one.salon.store;
    let things = [
        Thing::Capture(one.before),
        Thing::Capture(one.after),
        Thing::Scan(one.scans[0]),
        Thing::Scan(one.scans[1]),
        Thing::Visit(one.visit),
    ];
    for thing in things {
        store.void(thing, why()).await.unwrap();
        one.is_gone(&format!("{thing:?} struck out")).await;
        assert_eq!(one.to_be_made().await, [], "{thing:?}");
        let late = store.save_pair(one.new_pair(3).await).await;
        assert!(matches!(late, Err(StoreError::Refused(_))), "{thing:?}: drawn while it was struck out: {late:?}");
        one.is_gone(&format!("{thing:?}: drawn while it was struck out")).await;
        store.restore(thing, why()).await.unwrap();
        assert_eq!(one.to_be_made().await, [(one.before, one.after)], "{thing:?}");
        store.save_pair(one.new_pair(1).await).await.unwrap();
        assert_eq!(one.shown().await.len(), ALL.len(), "{thing:?}");
    }
}

#[tokio::test]
async fn they_go_when_a_scan_is_moved_to_another_customer_and_stay_when_the_visit_is() {
    let one = Photographed::with_pictures().await;
    let store = &one.salon.store;
    let other = clock::mint(CustomerId::from_bits);
    store.save_customer(person(other), "staff-1".to_owned()).await.unwrap();
    for purpose in Purpose::ALL {
        say(store, other, *purpose, true).await;
    }
    store.reassign_visit(one.visit, None, other, why()).await.unwrap();
    assert_eq!(one.shown().await.len(), ALL.len());
    assert_eq!(
        store.picture_bytes(one.after, Role::PairBefore).await.unwrap(),
        vec![1; 2_000],
        "under the other's key"
    );
    store.close_visit(one.visit, None, "staff-1".to_owned()).await.unwrap();
    let elsewhere = one.salon.visit().await;
    store.reassign_scan(one.scans[0], elsewhere, Phase::Before, why()).await.unwrap();
    one.is_gone("its before photograph is another customer's").await;
}

#[tokio::test]
async fn they_go_when_points_are_set_again_and_not_when_they_stay_where_they_were() {
    let one = Photographed::with_pictures().await;
    let store = &one.salon.store;
    for capture in [one.before, one.after] {
        let anchors = store.capture(capture).await.unwrap().anchors;
        store.inherit_points(capture, FacePoints { anchors, nose: [1500.0, 2000.0] }).await.unwrap();
        assert_eq!(one.shown().await.len(), ALL.len(), "the same points");
        let drawn = one.new_pair(4).await;
        let moved = anchors.map(|[x, y]| [x + 40.0, y]);
        let version = store.visit(one.visit).await.unwrap().version;
        let points = FacePoints { anchors: moved, nose: [1500.0, 2000.0] };
        store.confirm_points(capture, version, points, "b-07".to_owned()).await.unwrap();
        one.is_gone("points set again").await;
        let late = store.save_pair(drawn).await;
        assert!(matches!(late, Err(StoreError::Refused(_))), "drawn by the old points: {late:?}");
        one.is_gone("drawn by the old points").await;
        store.save_pair(one.new_pair(1).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_later_photograph_takes_the_place_of_the_one_before() {
    let one = Photographed::with_pictures().await;
    let scan = scan(&one.salon, one.visit, Phase::After).await;
    let later = one.salon.store.save_capture(new_capture(scan), picture()).await.unwrap().id;
    assert_eq!(one.salon.store.pairs_of(one.before).await.unwrap(), [(one.before, later)]);
    assert_eq!(one.to_be_made().await, [(one.before, later)]);
    one.is_gone("its after photograph was taken again").await;
    let late = one.salon.store.save_pair(one.new_pair(3).await).await;
    assert!(matches!(late, Err(StoreError::Refused(_))), "{late:?}");
    one.is_gone("superseded").await;
}

#[tokio::test]
async fn without_consent_there_are_none_and_unshared_ones_are_not_sent() {
    let one = Photographed::with_pictures().await;
    let store = &one.salon.store;
    one.salon.say(Purpose::SharePhotographs, false).await;
    assert_eq!(store.owed_images(9).await.unwrap(), []);
    assert_eq!(one.shown().await.len(), ALL.len(), "the store may show what it may not send");
    one.salon.say(Purpose::SharePhotographs, true).await;
    let owed = store.owed_images(9).await.unwrap();
    assert_eq!(owed.len(), 2, "one of each capture: {owed:?}");
    one.salon.say(Purpose::Photograph, false).await;
    one.is_gone("photographs are not agreed to any more").await;
    assert_eq!(one.to_be_made().await, []);
    let late = store.save_pair(one.new_pair(3).await).await;
    assert!(matches!(late, Err(StoreError::NoConsent { .. })), "{late:?}");
    one.is_gone("drawn while they were not agreed to").await;
    one.salon.say(Purpose::Photograph, true).await;
    assert_eq!(one.to_be_made().await, [(one.before, one.after)]);
}

#[tokio::test]
async fn they_leave_by_the_clock_with_the_photographs_but_not_before_hq_has_them() {
    let one = Photographed::with_pictures().await;
    let store = &one.salon.store;
    store.close_visit(one.visit, None, "staff-1".to_owned()).await.unwrap();
    one.salon.say(Purpose::KeepPhotographs, false).await;
    let later = |days: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
    assert_eq!(store.retire_photographs(later(1), 365).await.unwrap(), 0);
    // Two originals go; the rest is owed.
    assert_eq!(store.retire_photographs(later(3), 365).await.unwrap(), 2);
    assert_eq!(one.shown().await.len(), ALL.len());
    while let Some(next) = store.owed_images(9).await.unwrap().pop() {
        assert!(store.image_verified(next.capture, next.role).await.unwrap());
    }
    assert_eq!(store.retire_photographs(later(3), 365).await.unwrap(), 2 + ALL.len() as u64);
    one.is_gone("past their time").await;
    assert_eq!(one.to_be_made().await, [], "nothing is left to make them from");
}

#[tokio::test]
async fn erasure_leaves_no_file_of_them() {
    let one = Photographed::with_pictures().await;
    one.salon.store.erase_customer(one.salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!(fs::read_dir(one.salon.data().join("pictures")).unwrap().count(), 0);
    assert_eq!(one.salon.store.backlog().await.unwrap().images, 0);
    assert!(one.salon.store.picture_bytes(one.after, Role::PairAfter).await.is_err());
}

/// Given up after every number of steps that the caller can be cut off at, and opened again: all four pictures or none.
#[tokio::test]
async fn whoever_is_cut_off_while_they_are_kept_leaves_no_half() {
    let mut one = photographed().await;
    let (mut none, mut all) = (0, 0);
    for steps in 1..=40_u32 {
        let new = one.new_pair(steps.try_into().unwrap()).await;
        {
            let mut saving = pin!(one.salon.store.save_pair(new));
            for _ in 0..steps {
                let polled = std::future::poll_fn(|context| Poll::Ready(saving.as_mut().poll(context))).await;
                if polled.is_ready() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_micros(300)).await;
            }
        }
        one = one.reopened().await;
        let after = one.after;
        let shown = one.shown().await;
        assert!(shown.is_empty() || shown.len() == ALL.len(), "{steps} steps: {shown:?}");
        // A thread that was writing outlives its caller here, as it does not outlive a killed process: what it leaves, goes at the
        // opening after that.
        let mut openings = 0;
        while one.files() != shown.len() {
            openings += 1;
            assert!(openings < 100, "{steps} steps: {} files, {shown:?}", one.files());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            one = one.reopened().await;
        }
        for role in ALL.into_iter().take(shown.len()) {
            let bytes = one.salon.store.picture_bytes(after, role).await.unwrap();
            let first = bytes[0];
            assert!(bytes.iter().all(|byte| *byte == first), "{steps} steps");
        }
        if shown.is_empty() { none += 1 } else { all += 1 }
    }
    println!("cut off: {none} times nothing stood, {all} times all");
    assert!(none > 0 && all > 0, "too few steps, or too many, to show anything: {none} and {all}");
}
