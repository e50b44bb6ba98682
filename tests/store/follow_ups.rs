//! What is known of visits that ended, for the salon's list of follow-ups: of a person, whichever entry it stands under.

use crate::salon::{Salon, person, why};
use skinlink::{
    clock,
    domain::{
        CustomerId, Day, FeedbackId, Timestamp, VisitId, Zone,
        appointment::Origin,
        customer::{Customer, SkinType},
        feedback::Topic,
        follow_up::Kind,
    },
    store::{Booking, EndedVisit, NewFeedback, Store, StoreError, Thing},
};

fn near(hours: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + hours * 3_600_000)
}

fn today() -> Day {
    Zone::UTC.day(clock::now().wall)
}

async fn ended(store: &Store) -> Vec<EndedVisit> {
    store.ended_visits(near(-1), near(0), today()).await.unwrap()
}

async fn closed(salon: &Salon, customer: CustomerId) -> VisitId {
    let visit = salon.store.open_visit(customer, "chair-1".to_owned(), "staff-1".to_owned()).await.unwrap().id;
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    visit
}

async fn other_entry(salon: &Salon) -> CustomerId {
    let id = clock::mint(CustomerId::from_bits);
    let entry = Customer { skin_type: "dry".to_owned(), ..person(id) };
    salon.store.save_customer(entry, "staff-1".to_owned()).await.unwrap();
    id
}

#[tokio::test]
async fn a_visit_that_ended_is_known_with_what_matters_for_its_follow_ups() {
    let salon = Salon::new().await;
    let (store, who) = (&salon.store, || "staff-1".to_owned());
    let open = salon.visit().await;
    assert_eq!(ended(store).await, [], "one that is open has not ended");
    store.close_visit(open, None, who()).await.unwrap();
    let found = ended(store).await;
    let one = &found[0];
    assert_eq!((found.len(), one.visit, one.customer.id), (1, open, salon.customer));
    assert_eq!(
        (one.ended.skin, one.ended.came_again, one.ended.booked, one.ended.hushed),
        (Some(SkinType::Oily), false, false, false)
    );
    assert_eq!(one.ended.done, []);
    assert_eq!(store.ended_visits(near(1), near(0), today()).await.unwrap(), [], "nobody asks about what is older");

    // Seen to once, said twice, taken back.
    for _ in 0..2 {
        store.follow_up(open, Kind::Skin, true, who()).await.unwrap();
    }
    store.follow_up(open, Kind::Care, true, who()).await.unwrap();
    assert_eq!(ended(store).await[0].ended.done, [Kind::Care, Kind::Skin]);
    store.follow_up(open, Kind::Care, false, who()).await.unwrap();
    assert_eq!(ended(store).await[0].ended.done, [Kind::Skin]);
    let log = store.audit_of(salon.customer, 20).await.unwrap();
    assert!(log.iter().any(|(_, staff, what)| staff == "staff-1" && what == "follow_up.undone"), "{log:?}");

    // What was struck out leads to nothing.
    store.void(Thing::Visit(open), why()).await.unwrap();
    assert_eq!(ended(store).await, []);
    let refused = store.follow_up(open, Kind::Away, true, who()).await;
    assert!(matches!(refused, Err(StoreError::WrongState { .. })), "{refused:?}");
}

#[tokio::test]
async fn whoever_came_again_under_another_entry_came_again() {
    let salon = Salon::new().await;
    let other = other_entry(&salon).await;
    let first = closed(&salon, salon.customer).await;
    let second = closed(&salon, other).await;
    assert_eq!(ended(&salon.store).await.iter().filter(|one| one.ended.came_again).count(), 0, "two people so far");
    salon.store.join_customers(salon.customer, other, None, "staff-1".to_owned()).await.unwrap();
    let found = ended(&salon.store).await;
    let again: Vec<_> = found.iter().map(|one| (one.visit, one.customer.id, one.ended.came_again)).collect();
    assert_eq!(again, [(first, salon.customer, true), (second, salon.customer, false)]);
    // A visit that was struck out was none.
    salon.store.void(Thing::Visit(second), why()).await.unwrap();
    assert!(!ended(&salon.store).await[0].ended.came_again);
}

#[tokio::test]
async fn whoever_is_booked_or_asked_for_silence_is_known_under_every_entry() {
    let salon = Salon::new().await;
    let other = other_entry(&salon).await;
    let visit = closed(&salon, salon.customer).await;
    salon.store.join_customers(salon.customer, other, None, "staff-1".to_owned()).await.unwrap();
    let booking = |starts, origin| Booking {
        customer: other,
        starts,
        minutes: 60,
        station: String::new(),
        service: String::new(),
        origin,
    };
    let state =
        async || ended(&salon.store).await.iter().map(|one| (one.ended.booked, one.ended.hushed)).next().unwrap();
    salon.store.book(booking(near(-2), Origin::Store), "staff-1".to_owned()).await.unwrap();
    assert_eq!(state().await, (false, false), "a place that is past holds nobody");
    salon.store.book(booking(near(48), Origin::Store), "staff-1".to_owned()).await.unwrap();
    assert_eq!(state().await, (true, false));
    let said = |topic| NewFeedback {
        id: clock::mint(FeedbackId::from_bits),
        visit,
        topic,
        stars: None,
        words: String::new(),
        given: near(0),
        at_hq: false,
    };
    salon.store.record_feedback(vec![said(Topic::Call)]).await.unwrap();
    assert_eq!(state().await, (true, false));
    salon.store.record_feedback(vec![said(Topic::Unsubscribe)]).await.unwrap();
    assert_eq!(state().await, (true, true));
}

/// The day agreed at the goodbye holds until it is over.
#[tokio::test]
async fn an_agreed_day_counts_as_booked_until_it_is_over() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let day = today().plus(14).to_string();
    let agree = move |sheet| skinlink::domain::sheet::Sheet { next_day: day, ..sheet };
    salon.store.write_sheet(visit, None, agree, "staff-1".to_owned()).await.unwrap();
    salon.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
    let booked = async |ahead: i32| {
        let on = today().plus(ahead);
        salon.store.ended_visits(near(-1), near(0), on).await.unwrap()[0].ended.booked
    };
    assert_eq!([booked(0).await, booked(14).await, booked(15).await], [true, true, false]);
}

/// Visits of a span in their order, with how far their reports came; erased people leave nothing here either.
#[tokio::test]
async fn the_visits_of_a_day_and_the_unfinished_ones_are_found() {
    let salon = Salon::new().await;
    let store = &salon.store;
    salon.say(skinlink::domain::consent::Purpose::DeliverReport, true).await;
    let first = closed(&salon, salon.customer).await;
    let second = salon.visit().await;
    let day = async || store.visits_between(near(-1), near(1)).await.unwrap();
    let found = day().await;
    assert_eq!(found.iter().map(|one| one.visit.id).collect::<Vec<_>>(), [first, second]);
    assert!(found[0].wants_report && found[0].reported.is_none());
    assert_eq!(store.visits_between(near(1), near(2)).await.unwrap(), []);
    assert_eq!(store.unfinished_visits().await.unwrap().iter().map(|one| one.visit.id).collect::<Vec<_>>(), [second]);
    let letterhead = skinlink::store::Letterhead::default();
    store.make_report_link(first, near(24), letterhead, "staff-1".to_owned()).await.unwrap();
    assert!(day().await[0].reported.is_some());
    store.follow_up(first, Kind::Care, true, "staff-1".to_owned()).await.unwrap();
    store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!((day().await, ended(store).await), (Vec::new(), Vec::new()));
}
