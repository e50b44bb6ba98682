//! Orders of headquarters' people: a customer is erased by whoever looks after data protection, a gateway checked by whoever keeps it
//! running; nobody else can, and each order stands in the audit.

use crate::{
    Side,
    driver::{Browser, DESKTOP, PHONE, TABLET, Window},
    house::{House, PASSWORD, plain},
    stores::{Store, ago, id, visit},
};
use reqwest::StatusCode;
use serde_json::json;
use skinlink::{
    clock,
    domain::VisitId,
    hq::{
        office::{audit, people::Role},
        orders::{self, Kept, State, Which},
        retirement, staff,
    },
    sync::{
        downlink::{Colleague, Duty, Order, Outcome},
        payload::{self, kind},
    },
};
use std::path::Path;

fn about(kept: &[&str]) -> serde_json::Value {
    let mut about = crate::stores::about(true, 20_480);
    about["downlinks"] = json!(["staff", "orders"]);
    about["health"]["staff_kept"] = json!(kept);
    about
}

/// A store with one visit: its id and whose it is.
fn chain(house: &mut House) -> (Store, String, String) {
    let mut store = house.opens("sh-001");
    let seen = visit(&id(VisitId::from_bits), 1, "closed");
    let told = [
        store.about(&about(&[])),
        store.hears(&seen.customer, "share_numbers", true),
        store.tell(kind::VISIT, &seen.visit, &seen, ago(60_000)),
    ];
    house.take(&told);
    house.keep();
    (store, seen.visit, seen.customer)
}

/// Between a mark and the next quotation mark.
fn field(page: &str, before: &str) -> String {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}")).1;
    rest.split_once('"').expect("its end").0.to_owned()
}

fn listed(house: &House, what: &str) -> Vec<Kept> {
    let which = Which { what: Some(what), ..Which::default() };
    orders::list(&mut *house.engine(), which, 100).expect("listed").0
}

fn answers(house: &mut House, store: &mut Store, order: &str, outcome: Outcome, words: &str) {
    let said = payload::Answer { order: order.to_owned(), outcome, words: words.to_owned() };
    let told = store.tell(kind::ANSWER, order, &said, ago(0));
    house.take(&[told]);
    house.keep();
}

/// She opens the visit, ticks that the customer asked for it, and presses twice: one order, in the audit, answered later. Others see
/// neither the form nor the page, and a form that they send is answered as if there were no such page.
pub async fn a_customer_is_erased_by_whoever_looks_after_data_protection(side: Side) {
    let mut house = House::new(side).await;
    for (name, role) in
        [("li-na", Role::Analyst), ("fleet", Role::Operator), ("dpo", Role::Protection), ("wang", Role::Administrator)]
    {
        house.add(name, role, "all");
    }
    let (mut store, seen, customer) = chain(&mut house);
    let (page, form) = (format!("/stores/sh-001/visits/{seen}"), format!("/stores/sh-001/visits/{seen}/erase"));
    for name in ["li-na", "fleet", "wang"] {
        let cookie = house.log_in(name).await;
        assert!(!house.get(&page, &cookie).await.text.contains("/erase"), "{name}");
        assert_eq!(house.get("/erasures", &cookie).await.status, StatusCode::NOT_FOUND, "{name}");
        let tried = house.post(&form, &cookie, &[("key", "1"), ("sure", "yes"), ("customer", &customer)]).await;
        assert_eq!(tried.status, StatusCode::NOT_FOUND, "{name}");
    }
    assert!(listed(&house, "erase").is_empty());
    let cookie = house.log_in("dpo").await;
    let shown = house.get(&page, &cookie).await.text;
    assert!(shown.contains(&customer) && shown.contains(&form), "{shown}");
    let key = field(&shown, "name=\"key\" value=\"");
    // A page of somebody else's cannot send it; not ticked, it leads back.
    let foreign = house
        .post_from("https://evil.example", &form, &cookie, &[("key", &key), ("sure", "yes"), ("customer", &customer)])
        .await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let unsure = house.post(&form, &cookie, &[("key", &key)]).await;
    assert_eq!((unsure.status, unsure.header("location")), (StatusCode::SEE_OTHER, page.as_str()));
    assert!(listed(&house, "erase").is_empty());
    // Somebody else's by now, as it seems to whoever was shown another customer: nobody is erased.
    let other = id(skinlink::domain::CustomerId::from_bits);
    let moved = house.post(&form, &cookie, &[("key", &key), ("sure", "yes"), ("customer", &other)]).await;
    assert_eq!(moved.status, StatusCode::NOT_FOUND);
    assert!(listed(&house, "erase").is_empty());
    for _ in 0..2 {
        let sent = house.post(&form, &cookie, &[("key", &key), ("sure", "yes"), ("customer", &customer)]).await;
        assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, "/erasures"), "{}", sent.text);
    }
    let orders = listed(&house, "erase");
    assert_eq!(orders.len(), 1);
    assert_eq!((&orders[0].what, orders[0].giver.as_str()), (&Order::Erase { customer: customer.clone() }, "dpo"));
    let waits = plain(&house.get("/erasures", &cookie).await.text);
    assert!(waits.contains(&customer) && waits.contains("等门店答复"), "{waits}");
    answers(&mut house, &mut store, &orders[0].order, Outcome::Refused, "there is no such customer in this store");
    let told = plain(&house.get("/erasures", &cookie).await.text);
    assert!(
        told.contains("门店没有这位顾客；总部已删除") && told.contains("there is no such customer in this store"),
        "{told}"
    );
    // Here everything of hers is gone all the same.
    assert_eq!(house.get(&page, &cookie).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        house.post(&form, &cookie, &[("key", "9"), ("sure", "yes"), ("customer", &customer)]).await.status,
        StatusCode::NOT_FOUND
    );
    let audit = plain(&house.get("/audit", &cookie).await.text);
    let line = format!("dpo 下令删除顾客 sh-001 {} {customer}", orders[0].order);
    assert_eq!(audit.matches(&line).count(), 1, "{audit}");
    assert!(audit.contains("校验链完整"), "{audit}");
    house.end().await;
}

/// She never agreed to share anything, so no page of headquarters shows her visits; she asks to be forgotten like anybody else, with the
/// id on her card. What is wrong with the form is said, and nothing is ordered. Typed in capital letters it is the same id: such an order was done in
/// the store, and at headquarters erased nobody.
pub async fn whoever_never_agreed_to_share_is_erased_by_her_id(side: Side) {
    let mut house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    house.add("dpo", Role::Protection, "all");
    let mut store = house.opens("sh-001");
    let seen = visit(&id(VisitId::from_bits), 1, "closed");
    let told = [store.about(&about(&[])), store.tell(kind::VISIT, &seen.visit, &seen, ago(60_000))];
    house.take(&told);
    house.keep();
    let customer = seen.customer.as_str();
    let cookie = house.log_in("dpo").await;
    let page = format!("/stores/sh-001/visits/{}", seen.visit);
    assert_eq!(house.get(&page, &cookie).await.status, StatusCode::NOT_FOUND, "nobody sees her visit");
    let key = field(&house.get("/erasures", &cookie).await.text, "name=\"key\" value=\"");
    let form = |store: &str, customer: &str, sure: &str| {
        [("key", &*key), ("store", store), ("customer", customer), ("sure", sure)].map(|(k, v)| (k, v.to_owned()))
    };
    for (sent, says) in [
        (form("sh-001", customer, ""), "请确认顾客已要求删除"),
        (form("sh-001", "13800001111", "yes"), "这不是顾客编号"),
        (form("sh-999", customer, "yes"), "没有这家门店"),
        (form("sh\u{0}", customer, "yes"), "没有这家门店"),
    ] {
        let fields: Vec<(&str, &str)> = sent.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let answer = house.post("/erasures", &cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        let text = plain(&answer.text);
        assert!(text.contains(says), "{fields:?}: {text}");
        assert!(listed(&house, "erase").is_empty(), "{fields:?}");
    }
    // An analyst has no such page; the officer's form, sent twice, with blanks around what she pasted, is one order.
    let analyst = house.log_in("li-na").await;
    let capitals = customer.to_uppercase();
    let fields = |customer| [("key", &*key), ("store", " sh-001 "), ("customer", customer), ("sure", "yes")];
    assert_eq!(house.post("/erasures", &analyst, &fields(customer)).await.status, StatusCode::NOT_FOUND);
    for typed in [&*capitals, customer] {
        let fields = fields(typed);
        let sent = house.post("/erasures", &cookie, &fields).await;
        assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, "/erasures"), "{}", sent.text);
    }
    let orders = listed(&house, "erase");
    assert_eq!(orders.len(), 1);
    assert_eq!((&orders[0].what, orders[0].giver.as_str()), (&Order::Erase { customer: customer.to_owned() }, "dpo"));
    // The same form for somebody else: nothing is ordered, and the page says so.
    let other = id(skinlink::domain::CustomerId::from_bits);
    let of_another = [("key", &*key), ("store", "sh-001"), ("customer", &*other), ("sure", "yes")];
    let again = house.post("/erasures", &cookie, &of_another);
    assert_eq!(again.await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(listed(&house, "erase").len(), 1);
    answers(&mut house, &mut store, &orders[0].order, Outcome::Done, "");
    let waits = plain(&house.get("/erasures", &cookie).await.text);
    assert!(waits.contains(customer) && waits.contains("已完成"), "{waits}");
    let facts = "SELECT count(*) FROM visit_facts";
    assert_eq!(house.engine().query(facts, &[]).expect("rows")[0].get::<i64>(0).expect("a count"), 0, "here too");
    house.end().await;
}

/// The store closed, and its only machine is retired. An erasure that nobody there could ever do was taken, waited for thirty days, and nothing
/// said so while somebody had asked to be forgotten.
pub async fn no_erasure_is_ordered_of_a_store_that_closed(side: Side) {
    let mut house = House::new(side).await;
    house.add("dpo", Role::Protection, "all");
    let (store, seen, customer) = chain(&mut house);
    let cookie = house.log_in("dpo").await;
    let key = field(&house.get("/erasures", &cookie).await.text, "name=\"key\" value=\"");
    house.take(&[store.says("offline")]);
    retirement::retire(&mut *house.engine(), "sh-001-g1", (audit::COMMAND, clock::now().wall)).expect("it is retired");
    let fields = [("key", &*key), ("store", "sh-001"), ("customer", &*customer), ("sure", "yes")];
    for (lang, says) in [
        ("zh", "这家门店没有在用的网关，无法执行；请在总部机器上用 skinlink-hq erase 删除。"),
        ("hant", "這家門店沒有在用的閘道器，無法執行；請在總部機器上用 skinlink-hq erase 刪除。"),
        ("en", "No gateway of this store is in use that could do it; skinlink-hq erase"),
    ] {
        for path in ["/erasures".to_owned(), format!("/stores/sh-001/visits/{seen}/erase")] {
            let answer = house.post(&format!("{path}?lang={lang}"), &cookie, &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            let text = plain(&answer.text);
            assert!(text.contains(says), "{path} in {lang}: {text}");
        }
    }
    assert!(listed(&house, "erase").is_empty());
    // It is used again: the same form orders it.
    house.take(&[store.hello(0)]);
    let sent = house.post("/erasures", &cookie, &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    assert_eq!(listed(&house, "erase").len(), 1);
    house.end().await;
}

/// The fleet's operator has a gateway checked and reads what it found; what is wrong stands first.
pub async fn a_gateway_is_checked_by_whoever_keeps_it_running(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "sh-001");
    house.add("dpo", Role::Protection, "all");
    let (mut store, ..) = chain(&mut house);
    let officer = house.log_in("dpo").await;
    assert!(!house.get("/stores/sh-001", &officer).await.text.contains("/check"));
    assert_eq!(house.post("/stores/sh-001/check", &officer, &[("key", "1")]).await.status, StatusCode::NOT_FOUND);
    let cookie = house.log_in("fleet").await;
    assert_eq!(house.post("/stores/sh-002/check", &cookie, &[("key", "1")]).await.status, StatusCode::NOT_FOUND);
    let page = house.get("/stores/sh-001", &cookie).await.text;
    assert!(plain(&page).contains("还没有检查过"), "{page}");
    let key = field(&page, "name=\"key\" value=\"");
    let sent = house.post("/stores/sh-001/check", &cookie, &[("key", &key)]).await;
    assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, "/stores/sh-001#checks"));
    let order = listed(&house, "check").remove(0);
    assert_eq!((order.state, order.giver.as_str()), (State::Waiting, "fleet"));
    answers(&mut house, &mut store, &order.order, Outcome::Done, FOUND);
    let says = |page: &str| page.contains("已完成");
    let page = plain(&house.until("/stores/sh-001", &cookie, "the answer is shown", says).await);
    assert!(
        page.contains(
            "有问题 disk 12 MiB free → free some space 请留意 certificate valid for 20 days → renew it 全部项目 (3)"
        ),
        "{page}"
    );
    let list = [Colleague { id: "b-07".into(), name: "林晓".into(), role: Duty::Beautician }];
    staff::put(&mut *house.engine(), ("sh-001", "key crm"), &list, clock::now().wall).expect("written");
    let page = plain(&house.get("/stores/sh-001", &cookie).await.text);
    assert!(page.contains("员工名单 版本 1 · 1 人 sh-001-g1 还没有收到") && !page.contains("林晓"), "{page}");
    house.end().await;
}

const FOUND: &str = r#"[{"what":"clock","state":"good","found":"synchronised","remedy":""},
    {"what":"disk","state":"fault","found":"12 MiB free","remedy":"free some space"},
    {"what":"certificate","state":"notice","found":"valid for 20 days","remedy":"renew it"}]"#;

async fn browser(house: &House, window: Window, name: &str) -> Browser {
    let browser = Browser::open_alone(&house.base(), window, Path::new("/dev/null")).await;
    browser.goto("/").await;
    browser.see("input[name=name]").await.send_keys(name).await.expect("keys");
    browser.see("input[name=password]").await.send_keys(PASSWORD).await.expect("keys");
    browser.touch("main button").await;
    browser.see(".numbers").await;
    browser
}

/// Both pages on any window, in three languages, by hand: nothing is complained of, and the answer is seen without asking for it.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_given_and_read_on_any_window() {
    let mut house = House::new(Side::Sqlite).await;
    house.add("fleet", Role::Operator, "all");
    house.add("dpo", Role::Protection, "all");
    let (mut store, seen, customer) = chain(&mut house);
    let list = [Colleague { id: "b-07".into(), name: "林晓".into(), role: Duty::Beautician }];
    staff::put(&mut *house.engine(), ("sh-001", "key crm"), &list, clock::now().wall).expect("written");
    for (window, lang) in [(DESKTOP, "zh"), (TABLET, "hant"), (PHONE, "en")] {
        let name = |page: &str| format!("office-{page}-{}-{lang}", window.name);
        let operator = browser(&house, window, "fleet").await;
        operator.goto(&format!("/stores/sh-001?lang={lang}")).await;
        let before = listed(&house, "check").len();
        operator.touch("#checks button").await;
        operator.see("#checks .chip.warn").await;
        let order = listed(&house, "check").remove(0);
        assert_eq!((listed(&house, "check").len(), order.state), (before + 1, State::Waiting));
        answers(&mut house, &mut store, &order.order, Outcome::Done, FOUND);
        operator.see("#checks li:first-child details summary").await;
        operator.touch("#checks li:first-child details summary").await;
        operator.is_accessible().await;
        operator.fits_fingers().await;
        operator.picture(&name("checks")).await;
        operator.console_is_clean(&[]).await;
        operator.close().await;
        let officer = browser(&house, window, "dpo").await;
        officer.goto(&format!("/stores/sh-001/visits/{seen}?lang={lang}")).await;
        officer.see("form .danger").await;
        officer.is_accessible().await;
        officer.fits_fingers().await;
        officer.picture(&name("erase")).await;
        officer.touch("input[name=sure]").await;
        officer.touch("form .danger").await;
        officer.see(".orders li").await;
        officer.is_accessible().await;
        officer.fits_fingers().await;
        officer.picture(&name("erasures")).await;
        officer.console_is_clean(&[]).await;
        officer.close().await;
    }
    assert!(listed(&house, "erase").iter().all(|one| one.what == Order::Erase { customer: customer.clone() }));
    assert_eq!(listed(&house, "erase").len(), 3);
    house.end().await;
}
