//! Customers' records over the interface: two tablets at one card, entries that were joined, and who looked.

use crate::house::{CHAIR, House, Wanted};
use serde_json::{Value, json};

async fn new(house: &House, name: &str) -> String {
    house.post("/customers", None, json!({ "name": name, "phone": "13800001234" })).await.ok().text("/id")
}

/// Reading, merging and writing a card were three transactions without a version: the later of two tablets wiped out the allergy
/// that the earlier one had just written.
#[tokio::test]
async fn two_tablets_at_one_card_never_overwrite_each_other() {
    let house = House::new(Wanted::default()).await;
    let id = new(&house, "林若溪").await;
    let (card, save) = (format!("/customers/{id}"), format!("/customers/{id}/save"));
    let seen = house.get(&card).await.ok();
    assert_eq!(seen.tag, Some(seen.version()));
    house.post(&save, Some(seen.version()), json!({ "allergies": "果酸" })).await.ok();
    let late = house.post(&save, Some(seen.version()), json!({ "allergies": "", "drink": "温水" })).await;
    let late = late.refused(409, "stale");
    assert_eq!(late.body["current"]["card"]["allergies"], json!("果酸"), "told what changed");
    assert_eq!(late.tag, late.body["current"]["version"].as_u64());
    let again = house.post(&save, late.tag, json!({ "drink": "温水" })).await.ok();
    assert_eq!((&again.body["card"]["allergies"], &again.body["card"]["drink"]), (&json!("果酸"), &json!("温水")));
    house.post(&save, None, json!({ "drink": "茶" })).await.refused(428, "no_version");
    // What changes nothing makes nobody late.
    let same = house.post(&save, Some(again.version()), json!({ "drink": "温水" })).await.ok();
    assert_eq!(same.version(), again.version());
    // Many at once, each with what it saw: one wins, everybody else is told, nothing is lost.
    let wishes = (0..12).map(|n| house.post(&save, Some(same.version()), json!({ "notes": format!("note {n}") })));
    let answers = futures_util::future::join_all(wishes).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 11);
    let kept = house.get(&card).await.ok().body;
    assert_eq!(kept["card"]["allergies"], json!("果酸"));
    assert!(answers.iter().any(|answer| answer.status == 200 && answer.body["notes"] == kept["notes"]));
    house.close().await;
}

/// What was written on the card of an entry that had been joined went to a row that nobody read any more.
#[tokio::test]
async fn what_is_written_under_an_alias_stands_on_the_persons_card() {
    let house = House::new(Wanted::default()).await;
    let (main, alias) = (new(&house, "林若溪").await, new(&house, "林若曦").await);
    house.change_customer(&main, json!({ "allergies": "果酸" })).await.ok();
    // A visit of the entry that will be the alias is open meanwhile.
    let visit = house.post("/visits", None, json!({ "customer": alias, "station": CHAIR })).await.ok().text("/id");
    let seen = house.get(&format!("/customers/{main}")).await.ok().version();
    house.post(&format!("/customers/{main}/join"), Some(seen), json!({ "alias": alias })).await.ok();
    let late = house.post(&format!("/customers/{main}/save"), Some(seen), json!({ "drink": "茶" })).await;
    late.refused(409, "stale");
    let saved =
        house.change_customer(&alias, json!({ "contraindications": "孕期", "phone": "13900000000" })).await.ok();
    assert_eq!(saved.text("/id"), main, "the alias is the person");
    for id in [&main, &alias] {
        let card = house.get(&format!("/customers/{id}")).await.ok().body;
        let expected = (json!("果酸"), json!("孕期"), json!("13900000000"));
        assert_eq!(
            (card["card"]["allergies"].clone(), card["card"]["contraindications"].clone(), card["phone"].clone()),
            expected
        );
    }
    let view = house.get(&format!("/visits/{visit}")).await.ok().body;
    assert_eq!(view["customer"]["phone"], json!("13900000000"), "also in the visit that was opened under it");
    house.close().await;
}

/// Who looked at whose data stood nowhere; sheets and steps did not say who wrote them.
#[tokio::test]
async fn whoever_looks_or_writes_stands_in_the_log_once() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林若溪").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    let customer = view.customer.id;
    house.post("/staff", None, json!({ "id": "b-01", "name": "周敏", "role": "manager", "pin": "2580" })).await.ok();
    let log_in = house.request(reqwest::Method::POST, "/api/v1/session").header("x-skinlink", "1");
    let answer = log_in.json(&json!({ "person": "b-01", "pin": "2580" })).send().await.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let count = async |what: &str| {
        let rows = house.store.audit_of(customer, 500).await.expect("the store answers");
        rows.iter().filter(|(_, who, did)| who == "b-01" && did == what).count()
    };
    let look = async |path: String| {
        let answer = house.send(house.request(reqwest::Method::GET, &path).header("cookie", &cookie)).await;
        assert!(
            answer.status == 200 || (answer.status == 503 && path.ends_with("/paper")),
            "{path}: {}",
            answer.status
        );
    };
    let pages = [
        ("/".to_owned(), "looked.list"),
        (format!("/customer/{customer}"), "looked.customer"),
        (format!("/station/{CHAIR}"), "looked.visit"),
        (format!("/report/{visit}"), "looked.report"),
        (format!("/compare/{visit}"), "looked.comparison"),
        // Noted whether or not there is a program that draws it.
        (format!("/report/{visit}/paper"), "looked.paper"),
        ("/api/v1/customers?query=1380000".to_owned(), "looked.search"),
    ];
    for (path, what) in &pages {
        assert_eq!(count(what).await, 0, "{what}");
        look(path.clone()).await;
        assert_eq!(count(what).await, 1, "{path} is noted as {what}");
        // A page that reads itself again after every value must not fill the disk.
        look(path.clone()).await;
        assert_eq!(count(what).await, 1, "{path} is noted once");
    }
    let write = async |path: &str, body: Value| {
        let version = house.store.visit(visit.parse().expect("an id")).await.expect("the store answers").version;
        let request = house.request(reqwest::Method::POST, &format!("/api/v1/visits/{visit}/{path}"));
        let request =
            request.header("x-skinlink", "1").header("cookie", &cookie).header("if-match", format!("\"{version}\""));
        house.send(request.json(&body)).await.ok();
    };
    write("sheet", json!({ "wishes": "少用香味", "passed": "questions" })).await;
    write("steps", json!({ "steps": ["清洁", "面膜"], "staff": "somebody else" })).await;
    assert_eq!((count("sheet.written").await, count("steps.written").await), (1, 1));
    let ticks = house.store.ticks(visit.parse().expect("an id")).await.expect("the store answers");
    assert!(ticks.len() == 2 && ticks.iter().all(|tick| tick.staff == "b-01"), "{ticks:?}");
    assert!(house.store.verify_audit().await.expect("the store answers").is_ok());
    house.close().await;
}
