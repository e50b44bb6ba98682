//! What comes later than it was said, in two parts, or after a correction.

use crate::{
    Side,
    house::{Delivered, House, texts},
    salon::{events, person, why},
};
use reqwest::StatusCode;
use skinlink::{
    clock, desk,
    domain::{
        CustomerId, VisitId,
        consent::Purpose,
        customer::Customer,
        feedback::{Stage, Topic},
        scan::Phase,
    },
    hq::{
        database::{
            Database,
            engine::{Engine, Value},
        },
        reports, unheard,
    },
    store::Thing,
    sync::sheet::{Report, Sheet},
};
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

async fn closed_visit(house: &House) -> VisitId {
    let visit = house.visit(false).await;
    house.salon.store.close_visit(visit, None, "staff-1".to_owned()).await.expect("closed");
    visit
}

/// What headquarters was told last of the report of `visit`.
async fn told(house: &House, visit: VisitId) -> Sheet {
    let reports = events(&house.salon.store).await;
    let reports = reports.iter().filter(|event| event.kind == "com.skinlink.report.v1");
    let mut reports = reports.map(|event| serde_json::from_str::<Report>(event.data.get()).expect("a report"));
    reports.rfind(|report| report.visit == visit.to_string()).expect("it was told").sheet.expect("it is open")
}

/// A visit that was struck out, or went to another customer, stayed in the course of the reports that came after it.
#[tokio::test]
async fn what_leaves_a_visit_leaves_the_course_of_the_later_ones() {
    let house = House::new(Side::Sqlite).await;
    let store = &house.salon.store;
    house.agree(Purpose::ALL).await;
    let first = closed_visit(&house).await;
    let second = closed_visit(&house).await;
    house.link(second, 90).await;
    let points = async || told(&house, second).await.course.first().map_or(0, |course| course.points.len());
    assert_eq!(points().await, 2);
    store.void(Thing::Visit(first), why()).await.expect("struck out");
    assert_eq!(points().await, 0, "the first visit was struck out");
    store.restore(Thing::Visit(first), why()).await.expect("restored");
    assert_eq!(points().await, 2);
    // The scan from before goes to the other phase.
    let view = store.visit_view(first).await.expect("a visit");
    let scan = view.scans.iter().find(|scan| scan.scan.phase == Phase::Before).expect("one from before").scan.id;
    let third = closed_visit(&house).await;
    store.reassign_scan(scan, third, Phase::After, why()).await.expect("moved");
    assert_eq!(points().await, 0, "its scan was moved away");
    store.reassign_scan(scan, first, Phase::Before, why()).await.expect("moved back");
    assert_eq!(points().await, 2);
    let other = clock::mint(CustomerId::from_bits);
    store.save_customer(person(other), "staff-1".to_owned()).await.expect("a customer");
    store.reassign_visit(first, None, other, why()).await.expect("moved");
    assert_eq!(points().await, 0, "the first visit is another customer's");
    store.reassign_visit(first, None, house.salon.customer, why()).await.expect("moved back");
    assert_eq!(points().await, 2);
    house.end(None).await;
}

/// Earlier visits stand behind a report as data. They can be opened at headquarters as in the store, and go with their visit.
pub(crate) async fn earlier_visits_are_opened_at_headquarters_as_in_the_store(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let first = closed_visit(&house).await;
    let second = closed_visit(&house).await;
    let path = format!("/r/{}", house.link(second, 90).await);
    for at in [house.local, house.public] {
        house.until(at, &path, StatusCode::OK).await;
        let page = house.get(at, &path).await.text();
        assert_eq!(page.matches("<details class=\"earlier\">").count(), 1, "{page}");
    }
    house.salon.store.void(Thing::Visit(first), why()).await.expect("struck out");
    for at in [house.local, house.public] {
        let gone = async || {
            while house.get(at, &path).await.text().contains("<details class=\"earlier\">") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::headquarters::LIMIT, gone()).await.expect("it goes with its visit");
    }
    house.end(Some(running)).await;
}

/// A beautician may have noted anything beside the skin type.
#[tokio::test]
async fn of_the_note_on_the_skin_only_the_type_leaves_the_store() {
    let house = House::new(Side::Sqlite).await;
    let noted = "敏感偏干，林女士介绍来的";
    let customer = Customer { skin_type: noted.to_owned(), ..person(house.salon.customer) };
    house.salon.store.save_customer(customer, "staff-1".to_owned()).await.expect("saved");
    house.agree(Purpose::ALL).await;
    let visit = house.visit(false).await;
    let token = house.link(visit, 90).await;
    assert_eq!(told(&house, visit).await.skin_type, "sensitive");
    for form in ["", "/report.json", "/fhir.json"] {
        let answer = house.get(house.local, &format!("/r/{token}{form}")).await;
        assert!(answer.status == 200 && !answer.text().contains("林女士"), "{form}: {}", answer.text());
    }
    house.end(None).await;
}

fn open(engine: &mut dyn Engine, token: &str) -> Option<Sheet> {
    let found = reports::open(engine, &desk::digest(token), clock::now().wall, WEEK).expect("an answer");
    found.map(|found| found.sheet)
}

/// The customer withdraws on the page of one report at headquarters, while the store is away: the other ones stayed open.
pub(crate) async fn a_withdrawal_closes_all_reports_of_the_customer_and_stays_when_the_line_breaks_in_its_middle(
    side: Side,
) {
    let mut house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let (first, second) = (closed_visit(&house).await, closed_visit(&house).await);
    let tokens = [house.link(first, 90).await, house.link(second, 90).await];
    for token in &tokens {
        house.until(house.public, &format!("/r/{token}"), StatusCode::OK).await;
    }
    running.stop().await;
    let path = format!("/r/{}/feedback", tokens[0]);
    assert_eq!(house.post(house.public, &path, &[("withdraw", "on")]).await.status, 200);
    for token in &tokens {
        assert_eq!(house.get(house.public, &format!("/r/{token}")).await.status, 404, "one of two");
    }
    let running = house.connect();
    house
        .eventually("the store's own word", |engine| {
            (texts(engine, "SELECT purpose FROM consent_facts WHERE given = 0").len() == 3).then_some(())
        })
        .await;
    house.settled().await;
    house
        .eventually("the inbox is empty", |engine| {
            texts(engine, "SELECT feedback FROM feedback_inbox").is_empty().then_some(())
        })
        .await;
    running.stop().await;
    house.headquarters.stop_receiver().await;
    // As it stood when the line broke behind the store's word that there was a withdrawal: nothing after it has come.
    let mut engine = house.engine();
    for sql in [
        "DELETE FROM consent_facts WHERE given = 0",
        "DELETE FROM report_facts WHERE state = 'closed'",
        "DELETE FROM report_closings",
    ] {
        engine.execute(sql, &[]).expect("deleted");
    }
    for token in &tokens {
        assert!(open(&mut *engine, token).is_none(), "it opens again until the rest of the withdrawal comes");
    }
    drop(engine);
    house.end(None).await;
}

/// A no that waited at headquarters came after a yes that was said later, and undid it.
pub(crate) async fn a_late_no_does_not_undo_a_yes_that_was_said_after_it(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let visit = closed_visit(&house).await;
    let token = house.link(visit, 90).await;
    let path = format!("/r/{token}");
    house.until(house.public, &path, StatusCode::OK).await;
    running.stop().await;
    assert_eq!(house.post(house.public, &format!("{path}/feedback"), &[("withdraw", "on")]).await.status, 200);
    assert_eq!(house.get(house.public, &path).await.status, 404);
    // The customer comes in and agrees again to some of it, before the store has a line.
    house.agree(&[Purpose::DeliverReport, Purpose::ShareNumbers]).await;
    let running = house.connect();
    house
        .eventually("the store has heard", |engine| {
            texts(engine, "SELECT feedback FROM feedback_facts WHERE topic = 'withdraw'").first().map(drop)
        })
        .await;
    house.settled().await;
    let consents = house.salon.store.consents(house.salon.customer).await.expect("a store");
    let given =
        [Purpose::DeliverReport, Purpose::ShareNumbers, Purpose::SharePhotographs].map(|one| consents[&one].given);
    assert_eq!(given, [true, true, false], "what was agreed to later stands, the rest is withdrawn");
    assert_eq!(house.get(house.local, &path).await.status, 200);
    house.until(house.public, &path, StatusCode::OK).await;
    // And no again, from the same page.
    assert_eq!(house.post(house.public, &format!("{path}/feedback"), &[("withdraw", "on")]).await.status, 200);
    assert_eq!(house.get(house.public, &path).await.status, 404);
    house.until(house.local, &path, StatusCode::NOT_FOUND).await;
    house.end(Some(running)).await;
}

/// Headquarters showed photographs until the store had told the report anew.
pub(crate) async fn photographs_are_shown_only_while_they_may_be_shared(side: Side) {
    let Delivered { mut house, running, token, path, .. } = Delivered::new(side, true).await;
    house.until(house.public, &format!("{path}/0/before"), StatusCode::OK).await;
    house.salon.say(Purpose::SharePhotographs, false).await;
    house
        .eventually("the consent's end", |engine| {
            texts(engine, "SELECT consent FROM consent_facts WHERE given = 0").first().map(drop)
        })
        .await;
    house.settled().await;
    running.stop().await;
    house.headquarters.stop_receiver().await;
    let mut engine = house.engine();
    // As it stood before the report was told again.
    engine.execute("DELETE FROM report_facts WHERE seq > (SELECT min(seq) FROM report_facts)", &[]).expect("deleted");
    let sheet = open(&mut *engine, &token).expect("the numbers are shared");
    assert_eq!(sheet.photographs, []);
    drop(engine);
    house.end(None).await;
}

/// The time of the store's own word was when the store heard, be it weeks later: the customer's 24 and 72 hours began then.
pub(crate) async fn hours_count_from_when_the_customer_said_it(side: Side) {
    let Delivered { house, running, path, .. } = Delivered::new(side, false).await;
    running.stop().await;
    assert_eq!(house.post(house.public, &format!("{path}/feedback"), &[("call", "on")]).await.status, 200);
    // It was said a day ago.
    let mut engine = house.engine();
    engine.execute("UPDATE feedback_inbox SET given_ms = given_ms - 86400000", &[]).expect("moved");
    let said: i64 = engine.query("SELECT given_ms FROM feedback_inbox", &[]).expect("a row")[0].get(0).expect("a time");
    drop(engine);
    let running = house.connect();
    let at_ms = "SELECT CAST(at_ms AS TEXT) FROM feedback_facts WHERE state = 'given'";
    let told = house.eventually("the store's own word", |engine| texts(engine, at_ms).into_iter().next()).await;
    assert_eq!(told, said.to_string());
    let here = house.salon.store.feedback(10).await.expect("a store");
    assert_eq!(here[0].given.unix_ms(), said, "both count from the same moment");
    house.end(Some(running)).await;
}

/// Staff's answers went up whenever the customer's words were there already, and words in the outbox stayed when consent went.
pub(crate) async fn words_of_staff_and_words_that_wait_go_up_only_while_numbers_are_shared(side: Side) {
    let Delivered { house, running, path, .. } = Delivered::new(side, false).await;
    let form = [("once", "w1"), ("words", "请早点回电")];
    assert_eq!(house.post(house.public, &format!("{path}/feedback"), &form).await.status, 200);
    let here = house
        .eventually("the store's own word", |engine| {
            texts(engine, "SELECT feedback FROM feedback_facts").into_iter().next()
        })
        .await;
    house.settled().await;
    running.stop().await;
    // Said in the store while the line is down, then the consent goes.
    let form = [("once", "w2"), ("words", "等太久了"), ("stars", "2")];
    assert_eq!(house.post(house.local, &format!("{path}/feedback"), &form).await.status, 200);
    let before = house.salon.store.feedback(10).await.expect("a store");
    let waiting = before.iter().find(|one| one.words == "等太久了").expect("it is here");
    house
        .salon
        .store
        .advance_feedback(waiting.id, Stage::Answered, "staff-7".into(), "已道歉".into())
        .await
        .expect("done");
    let held = events(&house.salon.store).await;
    let words = held.iter().map(|event| event.data.get()).collect::<String>();
    assert!(words.contains("等太久了") && words.contains("已道歉"), "shared until now");
    house.salon.say(Purpose::ShareNumbers, false).await;
    let id = here.parse().expect("an id");
    house.salon.store.advance_feedback(id, Stage::Answered, "staff-7".into(), "明天打给她".into()).await.expect("done");
    let held = events(&house.salon.store).await;
    let words = held.iter().map(|event| event.data.get()).collect::<String>();
    for said in ["等太久了", "已道歉", "明天打给她"] {
        assert!(!words.contains(said), "{said} waits to go up without consent");
    }
    let running = house.connect();
    house.settled().await;
    let row = "SELECT state || ' ' || coalesce(stars, 0) || '|' || words FROM feedback ORDER BY given_at";
    house
        .eventually("both are answered, with no word of staff", |engine| {
            (texts(engine, row) == ["answered 0|请早点回电", "answered 2|"]).then_some(())
        })
        .await;
    let told = texts(&mut *house.engine(), "SELECT body FROM events").concat();
    for said in ["等太久了", "已道歉", "明天打给她"] {
        assert!(!told.contains(said), "{said} left the store without consent");
    }
    house.end(Some(running)).await;
}

/// What no store can take was said again for ever, and nobody was told.
pub(crate) async fn what_no_store_can_take_is_shown_to_a_person_and_does_not_stay_for_ever(side: Side) {
    let Delivered { mut house, running, .. } = Delivered::new(side, false).await;
    let place = house.headquarters.database.clone();
    let listed = || {
        let mut out = Vec::new();
        unheard::print(&place, &mut out).expect("a list");
        String::from_utf8(out).expect("text")
    };
    assert!(listed().contains("nothing waits"), "{}", listed());
    // Of a visit that the store does not have any longer.
    let gone = clock::mint(VisitId::from_bits).to_string();
    let now = clock::now().wall.unix_ms();
    let mut engine = house.engine();
    for (id, topic) in [
        ("01a1f0c2-4b00-7000-8000-0000000000f1", Topic::Call),
        ("01a1f0c2-4b00-7000-8000-0000000000f2", Topic::Withdraw),
    ] {
        engine
            .execute(
                "INSERT INTO feedback_inbox(feedback, store, gateway, report, visit, customer, topic, words, given_ms, due_ms)
                 SELECT ?1, store, gateway, 'r', ?2, 'c', ?3, '', CAST(?4 AS BIGINT), CAST(?4 AS BIGINT) FROM gateways",
                &[Value::Text(id), Value::Text(&gone), Value::Text(topic.as_str()), Value::Int(now - 3_600_000)],
            )
            .expect("a row");
    }
    assert!(listed().contains("on its way"), "{}", listed());
    engine.execute("UPDATE feedback_inbox SET tries = 7", &[]).expect("said often");
    let text = listed();
    assert!(text.contains("said 7 times and not taken") && text.contains("skinlink-hq words --done"), "{text}");
    drop(engine);
    running.stop().await;
    house.headquarters.stop_receiver().await;
    // A quarter later the call is given up; the withdrawal stays until someone says that it is done.
    let then = skinlink::domain::Timestamp::from_unix_ms(now + 91 * 86_400_000);
    let mut database = Database::with(
        &place,
        std::sync::Arc::new(house.headquarters.config().shelves.open().expect("the shelves")),
        skinlink::hq::images::Rules::default(),
    )
    .expect("the database");
    database.downlink_due(then).expect("said");
    drop(database);
    assert!(!listed().contains("0000000000f1") && listed().contains("0000000000f2"), "{}", listed());
    unheard::done(&place, "01a1f0c2-4b00-7000-8000-0000000000f2", &mut Vec::new()).expect("taken out");
    assert!(listed().contains("nothing waits"), "{}", listed());
    house.end(None).await;
}
