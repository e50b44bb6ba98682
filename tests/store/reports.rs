//! What headquarters is told of a report under its link, and when it is told again.

use crate::salon::{Salon, person, why};
use skinlink::{
    clock,
    domain::{
        CustomerId, FeedbackId, Region, Timestamp, VisitId,
        consent::{Channel, Purpose},
        feedback::Topic,
        scan::ScanState,
    },
    store::{Letterhead, NewConsent, NewFeedback, StoreError},
    sync::sheet::Report,
};

async fn linked() -> (Salon, VisitId, String) {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    let expires = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 90 * 86_400_000);
    let token =
        salon.store.make_report_link(visit, expires, Letterhead::default(), "staff-1".to_owned()).await.unwrap();
    (salon, visit, token)
}

async fn told(salon: &Salon) -> Vec<Report> {
    let events = salon.events().await;
    let reports = events.iter().filter(|event| event.kind == "com.skinlink.report.v1");
    reports.map(|event| serde_json::from_str(event.data.get()).unwrap()).collect()
}

async fn open(salon: &Salon, token: &str) -> bool {
    salon.store.report_behind(token, clock::now().wall).await.unwrap().is_some()
}

#[tokio::test]
async fn a_report_is_told_again_when_what_it_shows_changes_and_only_then() {
    let (salon, visit, _) = linked().await;
    let first = told(&salon).await;
    assert_eq!(first.len(), 1);
    let sheet = first[0].sheet.as_ref().unwrap();
    // One phase only: no comparison, so the values stand by themselves.
    assert_eq!((sheet.phases.as_slice(), sheet.tested, sheet.values.len()), (["before".to_owned()].as_slice(), 0, 1));
    assert_eq!(sheet.values[0].value, "35.00");
    // Agreed once more: nothing new.
    salon.say(Purpose::DeliverReport, true).await;
    salon.say(Purpose::Measure, true).await;
    assert_eq!(told(&salon).await.len(), 1);
    salon.store.set_steps(visit, None, vec!["cleansing".to_owned()]).await.unwrap();
    let second = told(&salon).await;
    assert_eq!((second.len(), second[1].sheet.as_ref().unwrap().steps.len()), (2, 1));
    let reading = salon.store.visit_view(visit).await.unwrap().scans[0].readings[0].item.id;
    salon.store.void(skinlink::store::Thing::Reading(reading), why()).await.unwrap();
    assert_eq!(told(&salon).await[2].sheet.as_ref().unwrap().values, []);
}

#[tokio::test]
async fn a_visit_given_to_another_customer_takes_no_link_along() {
    let (salon, visit, token) = linked().await;
    assert!(open(&salon, &token).await);
    let other = clock::mint(CustomerId::from_bits);
    salon.store.save_customer(person(other), "staff-1".to_owned()).await.unwrap();
    for purpose in Purpose::ALL {
        crate::salon::say(&salon.store, other, *purpose, true).await;
    }
    salon.store.reassign_visit(visit, None, other, why()).await.unwrap();
    assert!(!open(&salon, &token).await);
    let told = told(&salon).await;
    assert_eq!(told.last().map(|last| (last.state.as_str(), last.sheet.is_none())), Some(("closed", true)));
    assert_eq!(told.iter().filter(|one| one.sheet.is_some()).count(), 0, "what waited holds the other's values");
}

#[tokio::test]
async fn the_page_of_a_report_takes_a_no_and_never_a_yes() {
    let (salon, visit, token) = linked().await;
    let said = |topic| NewFeedback {
        id: clock::mint(FeedbackId::from_bits),
        visit,
        topic,
        stars: None,
        words: String::new(),
        given: clock::now().wall,
        at_hq: false,
    };
    let call = said(Topic::Call);
    assert_eq!(salon.store.record_feedback(vec![call.clone(), said(Topic::Withdraw)]).await.unwrap(), 2);
    assert_eq!(salon.store.record_feedback(vec![call]).await.unwrap(), 0, "the same word again");
    assert_eq!(salon.count("feedback.v1").await, 2);
    assert!(!open(&salon, &token).await);
    let view = salon.store.visit_view(visit).await.unwrap();
    assert!(!view.agreed(Purpose::ShareNumbers) && view.agreed(Purpose::Measure));
    let yes = NewConsent {
        customer: salon.customer,
        purpose: Purpose::DeliverReport,
        given: true,
        text_version: "1".to_owned(),
        channel: Channel::Report,
        staff: "customer".to_owned(),
        signature: String::new(),
    };
    assert!(matches!(salon.store.record_consent(yes).await, Err(StoreError::Refused(_))));
    let gone = NewFeedback { visit: clock::mint(VisitId::from_bits), ..said(Topic::Call) };
    assert!(matches!(salon.store.record_feedback(vec![gone]).await, Err(StoreError::NotFound { .. })));
}
