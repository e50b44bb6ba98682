//! The manager's calls: what is due to whom after a visit, and who may see it.

use crate::house::{Building, CHAIR, House, Wanted};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use skinlink::store::DATABASE;

/// A new customer's visit, opened and closed at once; its id.
pub async fn closed(house: &House, name: &str, skin_type: &str) -> String {
    let new = json!({ "name": name, "phone": "13800006688", "skin_type": skin_type });
    let customer = house.post("/customers", None, new).await.ok().text("/id");
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    visit
}

/// While the house is closed: visits as if they had been so many hours earlier.
pub fn put_back(building: &Building, visits: &[(&str, i64)]) {
    let data = building.folder.path().join("data");
    let key = std::fs::read_to_string(data.join("store.key")).expect("the store's key");
    let conn = Connection::open(data.join(DATABASE)).expect("the database");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", key.trim())).expect("keyed");
    for (visit, hours) in visits {
        let ms = hours * 3_600_000;
        let sql = format!(
            "UPDATE visits SET ms = ms - {ms}, closed_ms = closed_ms - {ms} WHERE id = x'{}'",
            visit.replace('-', "")
        );
        assert_eq!(conn.execute(&sql, []).expect("a visit"), 1, "{visit}");
    }
}

async fn listed(house: &House) -> Vec<(String, bool, i64)> {
    let list = house.get("/follow-ups").await.ok().body["follow_ups"].clone();
    let line = |one: &Value| {
        let kind = one["kind"].as_str().expect("a word").to_owned();
        (kind, one["now"].as_bool().expect("yes or no"), one["days"].as_i64().expect("a number"))
    };
    list.as_array().expect("a list").iter().map(line).collect()
}

/// Of each visit what its skin type asks for, on its day; seen to, taken back, and nothing of what was struck out.
#[tokio::test]
async fn what_is_due_after_a_visit_is_listed_until_somebody_saw_to_it() {
    let house = House::new(Wanted::default()).await;
    let today = closed(&house, "林若溪", "干性").await;
    let oily = closed(&house, "陈雨", "油性").await;
    let other = closed(&house, "赵一", "").await;
    let away = closed(&house, "王琳", "dry").await;
    assert_eq!(listed(&house).await.len(), 5, "four words of care within two hours, and oily skin in a week");
    let building = house.close().await;
    let days = |days: i64| days * 24 + 3;
    put_back(&building, &[(&today, 3), (&oily, days(7)), (&other, days(4)), (&away, days(91))]);
    let house = building.open().await;
    let word = |kind: &str, now, days| (kind.to_owned(), now, days);
    let expected = [word("away", true, 90), word("skin", true, 7), word("care", true, 0), word("skin", false, 10)];
    assert_eq!(listed(&house).await, expected);

    house.post(&format!("/follow-ups/{oily}/skin/done"), None, json!({})).await.ok();
    assert_eq!(listed(&house).await.len(), 3);
    house.post(&format!("/follow-ups/{oily}/skin/undo"), None, json!({})).await.ok();
    assert_eq!(listed(&house).await, expected);
    house.post(&format!("/follow-ups/{oily}/skin/forget"), None, json!({})).await.refused(404, "not_found");
    // A birthday is of no visit, and its message is headquarters'.
    house.post(&format!("/follow-ups/{oily}/birthday/done"), None, json!({})).await.refused(404, "not_found");
    house.post(&format!("/follow-ups/{oily}/someday/done"), None, json!({})).await.refused(400, "malformed");
    let version = house.version(&today).await;
    house.post(&format!("/visits/{today}/void"), Some(version), json!({ "reason": "slip" })).await.ok();
    assert_eq!(listed(&house).await.len(), 3);
    house.post(&format!("/follow-ups/{today}/care/done"), None, json!({})).await.refused(409, "wrong_state");
    house.close().await;
}

/// Another day's visits stand under that day, by the salon's own midnight; a day that is none is today.
#[tokio::test]
async fn the_page_shows_the_visits_of_the_day_that_was_asked_for() {
    let house = House::new(Wanted::default()).await;
    let (today, before) = (closed(&house, "林若溪", "").await, closed(&house, "陈雨", "").await);
    let building = house.close().await;
    put_back(&building, &[(&today, 0), (&before, 24)]);
    let house = building.open().await;
    let page = async |query: &str| {
        let page = house.send(house.request(Method::GET, &format!("/manager{query}"))).await.ok().body;
        let text = page.as_str().expect("a page").to_owned();
        let ledger =
            text.split("id=\"visits\"").nth(1).expect("the visits").split("</section>").next().expect("they end");
        (ledger.contains("林若溪"), ledger.contains("陈雨"))
    };
    let calendar = &house.state.about.calendar;
    let day = calendar.zone.day(skinlink::clock::now().wall);
    assert_eq!(page("").await, (true, false));
    assert_eq!(page(&format!("?day={day}")).await, (true, false));
    assert_eq!(page(&format!("?day={}", day.plus(-1))).await, (false, true));
    assert_eq!(page(&format!("?day={}", day.plus(1))).await, (false, false));
    assert_eq!(page("?day=yesterday").await, (true, false));
    house.close().await;
}
