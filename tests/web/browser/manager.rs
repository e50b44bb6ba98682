//! The manager's page as a manager meets it in the middle of a day: what is late is seen at once and seen to by a tap.

use super::{Browser, DESKTOP, MANAGER, PHONE, PIN, TABLET, Window, camera, regular, staffed};
use crate::{
    house::{CHAIR, House, Wanted},
    manager::{closed, put_back},
};
use serde_json::json;
use skinlink::{
    clock,
    domain::{
        FeedbackId, Timestamp,
        feedback::Topic,
        staff::{Person, Role},
    },
    store::NewFeedback,
};

/// A salon at noon: one visit this morning whose report is late, one in the chair since yesterday, people to write to, words
/// that wait for an answer.
async fn busy() -> House {
    let house = House::new(Wanted::default()).await;
    regular(&house).await;
    let report = house.store.recent_visits(1).await.expect("the store answers").remove(0).id;
    let mut visits = vec![(report.to_string(), 3)];
    for (name, skin, hours) in
        [("陈雨", "油性", 7 * 24 + 3), ("赵一", "干性", 12 * 24), ("王琳", "", 91 * 24), ("何静", "敏感", 1)]
    {
        visits.push((closed(&house, name, skin).await, hours));
    }
    let struck = closed(&house, "周彤", "").await;
    let version = house.version(&struck).await;
    house.post(&format!("/visits/{struck}/void"), Some(version), json!({ "reason": "slip" })).await.ok();
    let open = house.post("/customers", None, json!({ "name": "沈佳" })).await.ok().text("/id");
    let open = house.post("/visits", None, json!({ "customer": open, "station": CHAIR })).await.ok().text("/id");
    visits.push((open, 25));
    let said = |topic, hours: i64, words: &str| NewFeedback {
        id: clock::mint(FeedbackId::from_bits),
        visit: report,
        topic,
        stars: Some(2).filter(|_| topic == Topic::Visit),
        words: words.to_owned(),
        given: Timestamp::from_unix_ms(clock::now().wall.unix_ms() - hours * 3_600_000),
        at_hq: false,
    };
    let said = vec![said(Topic::Visit, 30, "等了很久"), said(Topic::Call, 2, "")];
    house.store.record_feedback(said).await.expect("the store takes it");
    let building = house.close().await;
    let visits: Vec<(&str, i64)> = visits.iter().map(|(visit, hours)| (visit.as_str(), *hours)).collect();
    put_back(&building, &visits);
    let house = building.open().await;
    house.until_ready().await;
    staffed(&house).await;
    house
}

/// What the manager's page says in each number at its head.
async fn figures(browser: &Browser) -> Vec<String> {
    let script = "return [...document.querySelectorAll('.figures a')].map((one) => `${one.hash} ${one.querySelector('b').textContent} ${one.className}`)";
    let found = browser.run(script).await;
    found.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned()).collect()
}

async fn at_the_desk(window: Window, lang: &str) {
    let house = busy().await;
    let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    browser.goto(&format!("/login?lang={lang}")).await;
    browser.log_in(PIN).await;
    browser.touch(".lead a[href='/manager']").await;
    browser.see(".figures").await;
    let shown = |part: &str| format!("{}-{lang}-manager{part}", window.name);
    browser.picture(&shown("")).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    super::pages::speaks_one_language(&browser).await;
    let expected = ["#visits 2 plain", "#unfinished 1 bad", "#reports 1 bad", "#feedback 2 bad", "#follow-ups 3 warn"];
    assert_eq!(figures(&browser).await, expected);
    for part in ["follow-ups", "feedback", "house"] {
        browser.run(&format!("document.getElementById('{part}').scrollIntoView()")).await;
        browser.picture(&shown(&format!("-{part}"))).await;
    }

    // A tap sees to one of them, another takes that back; the word of care to the customer of this morning stays done.
    let care = "[data-post$='/care/done']";
    browser.touch(care).await;
    browser.see(".toast button").await;
    browser.gives("return document.querySelector('.figures [href=\"#follow-ups\"] b').textContent", "2").await;
    browser.touch(".toast button").await;
    browser.gives("return document.querySelector('.figures [href=\"#follow-ups\"] b').textContent", "3").await;
    browser.touch(care).await;
    browser.gives("return document.querySelector('.figures [href=\"#follow-ups\"] b').textContent", "2").await;
    // The customer who waits since yesterday is answered: two clocks become one that runs to 72 hours.
    browser.touch("#feedback li:first-child [data-post$='/answered']").await;
    browser.see("#feedback [data-post$='/solved']").await;
    browser.gives("return String(document.querySelectorAll('#feedback .chip.bad').length)", "0").await;
    // Yesterday's page shows the visit that was left open.
    browser.touch(".turn a:first-child").await;
    browser.see("#visits .ledger a[href='/station/chair-1']").await;
    assert_eq!(browser.run("return document.querySelectorAll('#visits .ledger li').length").await, 1);
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_desk_on_a_desktop_in_simplified_chinese() {
    at_the_desk(DESKTOP, "zh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_desk_on_a_tablet_in_english() {
    at_the_desk(TABLET, "en").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_desk_on_a_phone_in_traditional_chinese() {
    at_the_desk(Window { dark: true, ..PHONE }, "hant").await;
}

/// Whoever has another role finds no way there, and none by its address.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sits_at_the_managers_desk() {
    let house = House::new(Wanted::default()).await;
    let manager = json!({ "id": MANAGER.0, "name": MANAGER.1, "role": "manager", "pin": PIN });
    house.post("/staff", None, manager).await.ok();
    let beautician = Person { id: "b-02".to_owned(), name: "苏晴".to_owned(), role: Role::Beautician };
    let pin = skinlink::web::pin::hash("4711".to_owned()).await.expect("a digest");
    house.store.add_person(beautician, pin, MANAGER.0.to_owned()).await.expect("added");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/login?lang=zh").await;
    browser.touch("[data-person='b-02']").await;
    for digit in ["4", "7", "1", "1", "ok"] {
        browser.touch(&format!("[data-key='{digit}']")).await;
    }
    browser.see(".today .chairs").await;
    assert_eq!(browser.run("return document.querySelectorAll(\"a[href='/manager']\").length").await, 0);
    browser.goto("/manager").await;
    browser.hear("您的岗位不能做这个操作").await;
    browser.console_is_clean(&["403"]).await;
    browser.close().await;
    house.close().await;
}
