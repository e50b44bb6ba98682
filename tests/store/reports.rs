//! What headquarters is told of a report under its link, and when it is told again.

use crate::salon::{Salon, metric, person, why};
use skinlink::{
    clock, desk,
    domain::{
        ComparisonId, CustomerId, FeedbackId, Region, Timestamp, VisitId,
        card::Card,
        comparison::{Baseline, Compared, Comparison, Verdict},
        consent::{Channel, Purpose},
        customer::Customer,
        feedback::Topic,
        metric::Label,
        scan::{Phase, ScanState},
        sheet::Sheet,
        suggestion::{Condition, Kind, Rule},
    },
    store::{Letterhead, NewConsent, NewFeedback, StoreError},
    sync::sheet::Report,
};

async fn linked() -> (Salon, VisitId, String) {
    under(Letterhead::default()).await
}

async fn under(letterhead: Letterhead) -> (Salon, VisitId, String) {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    salon.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    let expires = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 90 * 86_400_000);
    let token = salon.store.make_report_link(visit, expires, letterhead, "staff-1".to_owned()).await.unwrap();
    (salon, visit, token)
}

/// A visit in which both scans were finished and one metric was compared.
async fn compared(salon: &Salon) -> VisitId {
    let (visit, store) = (salon.visit().await, &salon.store);
    let before = salon.scan(visit).await;
    store.set_scan_state(before, ScanState::Finished).await.unwrap();
    let after = store.begin_scan(visit, None, Phase::After, Vec::new()).await.unwrap().id;
    store.set_scan_state(after, ScanState::Finished).await.unwrap();
    let item = Compared {
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
    };
    let (id, baseline, items) = (clock::mint(ComparisonId::from_bits), Baseline::SameVisit, vec![item]);
    store.save_comparison(Comparison { id, visit, baseline, before, after, tested: 1, items }).await.unwrap();
    visit
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
    salon.store.set_steps(visit, None, vec!["cleansing".to_owned()], "staff-1".to_owned()).await.unwrap();
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

/// Mrs. Lin agreed to come on 5 December. Her report said "in about seven days", at home and at headquarters.
#[tokio::test]
async fn the_day_that_was_agreed_is_on_the_report_and_told_again_when_it_changes() {
    let (salon, visit, token) = linked().await;
    assert_eq!(told(&salon).await[0].sheet.as_ref().unwrap().next_day, None);
    for day in ["2026-12-05", "2026-12-12", ""] {
        let agree = move |sheet| Sheet { next_day: day.to_owned(), ..sheet };
        salon.store.write_sheet(visit, None, agree, "staff-1".to_owned()).await.unwrap();
        let expected = Some(day.to_owned()).filter(|day| !day.is_empty());
        assert_eq!(told(&salon).await.pop().unwrap().sheet.unwrap().next_day, expected);
        let digest = desk::digest(&token);
        let open = salon.store.open_report(digest, clock::now().wall).await.unwrap().expect("it is open");
        assert_eq!(open.sheet.next_day, expected);
    }
}

/// What the salon's rules suggest stood on the beautician's tablet alone. On the report it follows the readings and the card as they are
/// now: an allergy that is noted after the link was made takes the cream off it, here and at headquarters.
#[tokio::test]
async fn a_suggestion_names_its_reading_and_goes_with_the_reading_or_an_allergy() {
    let label = |zh: &str, en: &str| Label { zh: zh.into(), en: en.into() };
    let cream = Rule {
        id: "day-cream".into(),
        kind: Kind::Product,
        offer: label("保湿日霜", "Moisturising day cream"),
        reason: label("水分偏低。", "There is little moisture."),
        when: vec![Condition { metric: metric("moisture"), regions: vec![], above: None, below: Some(40.0) }],
        skin_types: vec![],
        contains: vec!["羊毛脂".into()],
        instead_of: vec![],
    };
    let (salon, visit, _) = under(Letterhead::default().with_rules(&[cream])).await;
    let suggested = async || told(&salon).await.pop().unwrap().sheet.unwrap().suggestions;
    let found = suggested().await;
    assert_eq!((found.len(), found[0].offer.en.as_str()), (1, "Moisturising day cream"));
    let because = &found[0].because[0];
    assert_eq!((because.region.as_str(), because.value.as_str(), because.below), ("forehead", "35.00", Some(40.0)));
    let seen = salon.store.record(salon.customer).await.unwrap().version;
    let note = |allergies: &'static str| move |_: &mut Customer, card: &mut Card| card.allergies = allergies.to_owned();
    let record = salon.store.change_record(salon.customer, seen, note("羊毛脂"), "staff-1".to_owned()).await.unwrap();
    assert_eq!(suggested().await, [], "what the card forbids is on no report");
    salon.store.change_record(salon.customer, record.version, note(""), "staff-1".to_owned()).await.unwrap();
    assert_eq!(suggested().await.len(), 1);
    let reading = salon.store.visit_view(visit).await.unwrap().scans[0].readings[0].item.id;
    salon.store.void(skinlink::store::Thing::Reading(reading), why()).await.unwrap();
    assert_eq!(suggested().await, [], "a reading that was struck out suggests nothing");
}

/// At half past seven in the morning in Shanghai it is still yesterday in Greenwich, and so it was on the report. The time zone is the
/// process's own: the story is told in another one.
#[tokio::test]
async fn a_report_has_the_day_of_the_place_where_the_visit_was() {
    const HOURS: i64 = 14;
    if std::env::var("TZ").as_deref() != Ok("HERE-14") {
        let name = "reports::a_report_has_the_day_of_the_place_where_the_visit_was";
        let mut there = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = there.args(["--exact", name, "--nocapture"]).env("TZ", "HERE-14").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        return;
    }
    let (salon, visit, _) = linked().await;
    let opened = salon.store.visit_view(visit).await.unwrap().visit.opened.wall;
    let sheet = told(&salon).await.pop().unwrap().sheet.unwrap();
    let as_if = Timestamp::from_unix_ms(opened.unix_ms() + HOURS * 3_600_000).to_string();
    assert_eq!(sheet.opened, format!("{}+14:00", as_if.trim_end_matches('Z')));
}

/// A customer saw a line over her visits and could open none of the earlier ones. Now they stand behind the report; one that was struck
/// out goes from it, here and at headquarters.
#[tokio::test]
async fn earlier_visits_stand_behind_the_report_until_they_are_struck_out() {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let first = compared(&salon).await;
    salon.store.close_visit(first, None, "staff-1".to_owned()).await.unwrap();
    let second = salon.visit().await;
    let expires = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 90 * 86_400_000);
    salon.store.make_report_link(second, expires, Letterhead::default(), "staff-1".to_owned()).await.unwrap();
    let earlier = async || told(&salon).await.pop().unwrap().sheet.unwrap().earlier;
    let found = earlier().await;
    assert_eq!((found.len(), found[0].tested), (1, 1));
    assert_eq!(found[0].items[0].metric, "moisture");
    salon.store.void(skinlink::store::Thing::Visit(first), why()).await.unwrap();
    assert_eq!(earlier().await, []);
}
