//! What customers say on the page of a report, here and there.

use crate::{
    Side,
    headquarters::LIMIT,
    house::{House, texts},
};
use reqwest::StatusCode;
use skinlink::{
    domain::{
        consent::Purpose,
        feedback::{Stage, Topic},
    },
    hq,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

async fn said_here(house: &House, count: usize) -> Vec<skinlink::store::Feedback> {
    let limit = Instant::now() + LIMIT;
    loop {
        let said = house.salon.store.feedback(100).await.expect("a store");
        if said.len() >= count {
            return said;
        }
        assert!(Instant::now() < limit, "{count} words: {said:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The store is away, two receivers share the work, the line is cut, the form is sent twice: each word is there once.
pub(crate) async fn what_was_said_while_the_store_was_away_comes_down_once(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let visit = house.visit(false).await;
    let token = house.link(visit, 90).await;
    let path = format!("/r/{token}");
    house.until(house.public, &path, StatusCode::OK).await;
    running.stop().await;
    let form = [("once", "a1"), ("stars", "4"), ("step-1", "5"), ("words", "很满意，\"谢谢\"\n下次见"), ("call", "on")];
    for _ in 0..3 {
        let thanks = house.post(house.public, &format!("{path}/feedback?lang=en"), &form).await;
        assert_eq!(thanks.status, 200, "{}", thanks.text());
        assert!(thanks.text().contains("24 hours to answer"), "{}", thanks.text());
    }
    let empty = house.post(house.public, &format!("{path}/feedback"), &[("once", "a2"), ("words", "  ")]).await;
    assert_eq!(empty.status, 422);
    assert_eq!(
        texts(&mut *house.engine(), "SELECT topic FROM feedback_inbox ORDER BY topic"),
        ["call", "step", "visit"]
    );
    // A second receiver on the same database.
    let second = hq::HqConfig {
        name: "hq-2".into(),
        tls: house.headquarters.certificate("hq-2"),
        reports: None,
        crm: None,
        office: None,
        ..house.headquarters.config()
    };
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let other = tokio::spawn(hq::run(second, stop.clone()));
    let mut running = house.connect();
    running.until("a connection", |status| status.waiting == 0).await;
    house.headquarters.line.cut();
    let said = said_here(&house, 3).await;
    house.headquarters.line.cut();
    let mut told: Vec<_> = said.iter().map(|one| (one.topic, one.stars, one.words.as_str())).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [(Topic::Visit, Some(4), "很满意，\"谢谢\"\n下次见"), (Topic::Step, Some(5), "补水"), (Topic::Call, None, "")]
    );
    // It stays with headquarters until the store's own event is there; then only the records have it.
    house
        .eventually("the inbox is empty", |engine| {
            texts(engine, "SELECT feedback FROM feedback_inbox").is_empty().then_some(())
        })
        .await;
    assert_eq!(said_here(&house, 3).await.len(), 3, "said again, recorded once");
    let rows = texts(&mut *house.engine(), "SELECT topic || ' ' || words FROM feedback ORDER BY topic");
    assert_eq!(rows, ["call ", "step 补水", "visit 很满意，\"谢谢\"\n下次见"]);
    house.settled().await;
    assert_eq!(house.salon.count("feedback.v1").await, 3);
    stop.cancel();
    other.await.expect("no panic").expect("it ends in peace");
    house.end(Some(running)).await;
}

pub(crate) async fn a_withdrawal_on_the_page_closes_the_report_everywhere(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let visit = house.visit(false).await;
    let token = house.link(visit, 90).await;
    let path = format!("/r/{token}");
    house.until(house.public, &path, StatusCode::OK).await;
    running.stop().await;
    // At headquarters, while the store does not even hear of it: dead there from the next moment on.
    let thanks = house.post(house.public, &format!("{path}/feedback"), &[("withdraw", "on")]).await;
    assert!(thanks.status == 200 && thanks.text().contains("您的报告已关闭"), "{}", thanks.text());
    assert_eq!(house.get(house.public, &path).await.status, 404);
    assert_eq!(house.get(house.local, &path).await.status, 200, "the store has not heard yet");
    let running = house.connect();
    house.until(house.local, &path, StatusCode::NOT_FOUND).await;
    let consents = house.salon.store.consents(house.salon.customer).await.expect("a store");
    for purpose in [Purpose::DeliverReport, Purpose::ShareNumbers, Purpose::SharePhotographs] {
        assert!(!consents[&purpose].given && consents[&purpose].channel.as_str() == "report", "{purpose}");
    }
    assert!(consents[&Purpose::Measure].given, "only what was asked for");
    house.settled().await;
    house
        .eventually("the withdrawals there", |engine| {
            (texts(engine, "SELECT purpose FROM consent_facts WHERE given = 0").len() == 3).then_some(())
        })
        .await;
    assert_eq!(house.get(house.public, &path).await.status, 404);
    house.end(Some(running)).await;
}

pub(crate) async fn what_was_said_in_the_store_comes_up_and_is_followed_until_it_is_solved(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    // Numbers are not shared: that something was said goes up, the words stay.
    house.agree(&[Purpose::Measure, Purpose::DeliverReport]).await;
    let visit = house.visit(false).await;
    let token = house.link(visit, 90).await;
    let form = [("once", "b1"), ("stars", "2"), ("words", "等了很久")];
    for _ in 0..2 {
        assert_eq!(house.post(house.local, &format!("/r/{token}/feedback"), &form).await.status, 200);
    }
    let said = said_here(&house, 1).await;
    assert_eq!((said.len(), said[0].words.as_str()), (1, "等了很久"));
    assert_eq!(said[0].due().map(|due| due.unix_ms() - said[0].given.unix_ms()), Some(24 * 3_600_000));
    let store = &house.salon.store;
    let answered = store.advance_feedback(said[0].id, Stage::Answered, "staff-7".into(), "已致歉".into()).await;
    let due = answered.expect("answered").due();
    assert_eq!(due.map(|due| due.unix_ms() - said[0].given.unix_ms()), Some(72 * 3_600_000));
    store.advance_feedback(said[0].id, Stage::Solved, "staff-7".into(), String::new()).await.expect("solved");
    assert!(store.advance_feedback(said[0].id, Stage::Solved, "staff-7".into(), String::new()).await.is_err());
    house.settled().await;
    let row = "SELECT state || ' ' || stars || '|' || words FROM feedback";
    let found = house
        .eventually("it is solved there", |engine| texts(engine, row).into_iter().find(|row| row.starts_with("solved")))
        .await;
    assert_eq!(found, "solved 2|");
    let told = texts(&mut *house.engine(), "SELECT body FROM events").concat();
    assert!(!told.contains("等了很久") && !told.contains("已致歉"), "words left the store without consent");
    house.end(Some(running)).await;
}

pub(crate) async fn an_erased_customer_leaves_neither_report_nor_words(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let visit = house.visit(true).await;
    let token = house.link(visit, 90).await;
    let path = format!("/r/{token}");
    house.until(house.public, &path, StatusCode::OK).await;
    running.stop().await;
    let form = [("once", "c1"), ("words", "请删除"), ("erasure", "on")];
    assert_eq!(house.post(house.public, &format!("{path}/feedback"), &form).await.status, 200);
    house.salon.store.erase_customer(house.salon.customer, "staff-1".into(), "asked for".into()).await.expect("erased");
    assert_eq!(house.get(house.local, &path).await.status, 404);
    let running = house.connect();
    house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    house.settled().await;
    house
        .eventually("nothing is left", |engine| {
            let left = ["feedback_inbox", "report_facts", "feedback_facts"];
            left.iter().all(|table| texts(engine, &format!("SELECT visit FROM {table}")).is_empty()).then_some(())
        })
        .await;
    // Facts and events are emptied one after the other, and somebody may ask in between.
    house
        .eventually("no word of hers is left", |engine| {
            let told = texts(engine, "SELECT body FROM events").concat();
            // As a value: a time of day may well end so.
            let value = ["\"58.5\"", ":58.5,", ":58.5}"].iter().any(|value| told.contains(value));
            (!told.contains("请删除") && !value).then_some(())
        })
        .await;
    assert!(house.salon.store.feedback(10).await.expect("a store").is_empty());
    house.end(Some(running)).await;
}
