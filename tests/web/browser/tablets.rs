//! Two tablets, two customers, two people: what one of them said, signed or began must never become another's.

use super::{Browser, TABLET, camera, regular, staffed};
use crate::house::{CHAIR, House, Wanted};
use serde_json::{Value, json};
use skinlink::domain::{consent::Purpose, scan::Phase};

async fn opened(house: &House, customer: &str) -> String {
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id")
}

/// A house with a regular customer in the chair; the id of the visit.
async fn seated() -> (House, String) {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = opened(&house, &customer).await;
    (house, visit)
}

/// As another tablet writes.
async fn elsewhere(house: &House, visit: &str, what: &str, body: Value) {
    house.post(&format!("/visits/{visit}/{what}"), Some(house.version(visit).await), body).await.ok();
}

/// Another tablet notes these steps as well: once they stand here, what it wrote before them has come too.
async fn steps_elsewhere(house: &House, visit: &str, browser: &Browser, steps: &[&str]) {
    elsewhere(house, visit, "steps", json!({ "steps": steps })).await;
    let shown = "return String(document.querySelectorAll('[data-done-step]').length)";
    browser.gives(shown, &steps.len().to_string()).await;
}

async fn browser_at(house: &House, path: &str) -> Browser {
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto(path).await;
    browser.see("main").await;
    browser
}

/// Somebody logs in, writes down what the customer remarks, and locks the tablet before it is saved.
async fn locked_while_typing(house: &House) -> Browser {
    staffed(house).await;
    let browser = browser_at(house, "/station/chair-1").await;
    browser.log_in(super::PIN).await;
    browser.see(".rail").await;
    browser.goto("/station/chair-1#rating").await;
    browser.see(".panel.shown #remark").await.send_keys("音乐有点响").await.expect("typing");
    browser.touch(".me").await;
    browser.see(".faces [data-person]").await;
    browser
}

/// Taps what ends a panel, and sees another one.
async fn leaves(browser: &Browser, panel: &str, css: &str) {
    browser.touch(css).await;
    browser.see(&format!(".panel.shown:not([data-panel='{panel}'])")).await;
}

async fn end(house: House, browser: Browser, allowed: &[&str]) {
    browser.console_is_clean(allowed).await;
    browser.close().await;
    house.close().await;
}

fn consent(purposes: &Value) -> Value {
    json!({ "text_version": "2026-11", "channel": "station", "signature": "M1 1L2 2", "purposes": purposes })
}

fn checked(name: &str) -> String {
    format!("return String(document.querySelector('[name={name}]').checked)")
}

/// The customer took back a consent on one tablet; the other one had the page open, kept its old ticks, and gave it again with its
/// next save, without a word.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_on_one_tablet_is_not_given_again_by_another() {
    let (house, visit) = seated().await;
    let browser = browser_at(&house, "/station/chair-1#consent").await;
    browser.see(".panel.shown #purposes").await;
    elsewhere(&house, &visit, "consents", consent(&json!({ "share_photographs": false }))).await;
    browser.gives(&checked("share_photographs"), "false").await;
    browser.touch("[name='keep_photographs']").await;
    // While a finger rests on a box the list is not drawn anew: what comes now is told at the save.
    elsewhere(&house, &visit, "consents", consent(&json!({ "share_numbers": false }))).await;
    steps_elsewhere(&house, &visit, &browser, &["面膜"]).await;
    browser.touch("#agreement [type=submit]").await;
    browser.hear("另一台平板刚改过").await;
    browser.gives(&checked("share_numbers"), "false").await;
    browser.gives(&checked("keep_photographs"), "false").await;
    leaves(&browser, "consent", "#agreement [type=submit]").await;
    let now = house.get(&format!("/visits/{visit}")).await.ok().body["consents"].clone();
    let given = |purpose: &str| now[purpose].as_bool();
    for purpose in ["share_photographs", "share_numbers", "keep_photographs"] {
        assert_eq!(given(purpose), Some(false), "{purpose}: {now}");
    }
    assert_eq!(given("measure"), Some(true), "{now}");
    end(house, browser, &["409"]).await;
}

/// A star sent the remark that this tablet had drawn, and with it wiped out what was said on another one; an answer did the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_star_or_an_answer_does_not_wipe_out_what_was_said_elsewhere() {
    let (house, visit) = seated().await;
    let id = visit.parse().expect("an id");
    let written = async || house.store.sheet(id).await.expect("the store answers");
    let browser = browser_at(&house, "/station/chair-1#rating").await;
    browser.see(".panel.shown #remark").await;
    elsewhere(&house, &visit, "sheet", json!({ "remark": "音乐有点响" })).await;
    browser.gives("return document.getElementById('remark').value", "音乐有点响").await;
    leaves(&browser, "rating", "[data-stars='4']").await;
    let sheet = written().await;
    assert_eq!((sheet.remark.as_str(), sheet.stars), ("音乐有点响", Some(4)));

    // Both write into the field: the later one is shown what stands there, and writes over it knowingly.
    browser.goto("/station/chair-1#rating").await;
    let field = browser.see(".panel.shown #remark").await;
    field.send_keys("，水很好喝").await.expect("typing");
    elsewhere(&house, &visit, "sheet", json!({ "remark": "房间有点冷" })).await;
    steps_elsewhere(&house, &visit, &browser, &["面膜"]).await;
    browser.touch("[data-stars='5']").await;
    browser.hear("另一台平板刚改过").await;
    browser.hear("另一台平板写的是：房间有点冷").await;
    browser.is_accessible().await;
    let sheet = written().await;
    assert_eq!((sheet.remark.as_str(), sheet.stars), ("房间有点冷", Some(4)), "not yet");
    leaves(&browser, "rating", "[data-stars='5']").await;
    let sheet = written().await;
    assert_eq!((sheet.remark.as_str(), sheet.stars), ("音乐有点响，水很好喝", Some(5)));

    // Of the answers too: what was not touched here stays as the other tablet has it.
    browser.goto("/station/chair-1#questions").await;
    browser.see(".panel.shown #questions").await;
    browser
        .run("const one = document.querySelector('[name=skin_state][value=sensitive]'); one.focus(); one.click()")
        .await;
    elsewhere(&house, &visit, "sheet", json!({ "skin_state": "oily", "make_up": "full" })).await;
    steps_elsewhere(&house, &visit, &browser, &["面膜", "清洁"]).await;
    browser.touch("#questions [type=submit]").await;
    browser.hear("另一台平板写的是：出油明显").await;
    leaves(&browser, "questions", "#questions [type=submit]").await;
    let sheet = written().await;
    assert_eq!((sheet.skin_state.as_str(), sheet.make_up.as_str()), ("sensitive", "full"));
    end(house, browser, &["409"]).await;
}

/// What was typed for one customer when the screen locked came up again for the next one at the same chair.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_for_one_customer_is_not_put_down_to_the_next() {
    let (house, visit) = seated().await;
    let visit = visit.parse().expect("an id");
    let next = house.post("/customers", None, json!({ "name": "赵一", "phone": "" })).await.ok().text("/id");
    let browser = locked_while_typing(&house).await;
    // Meanwhile another tablet ends the visit and seats the next customer.
    let who = super::MANAGER.0.to_owned();
    house.store.close_visit(visit, None, who.clone()).await.expect("it ends");
    let next = next.parse().expect("an id");
    house.store.open_visit(next, CHAIR.to_owned(), who).await.expect("a free chair");
    browser.log_in(super::PIN).await;
    browser.hear("赵一").await;
    browser.run("location.hash = 'rating'").await;
    browser.see(".panel.shown #remark").await;
    assert_eq!(browser.run("return document.getElementById('remark').value").await, "", "of another customer");
    end(house, browser, &["401"]).await;
}

/// The key with the name locked nothing: the next person at the tablet worked under the name of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_with_the_name_locks_the_tablet_and_keeps_what_was_typed() {
    let (house, _) = seated().await;
    let browser = locked_while_typing(&house).await;
    browser.gives("return document.querySelector('[data-next]').dataset.next", "/station/chair-1#rating").await;
    // Whoever goes back finds the pad, not the customer.
    browser.goto("/").await;
    assert_eq!(browser.path().await, "/login");
    browser.goto("/station/chair-1").await;
    browser.log_in(super::PIN).await;
    browser.see(".rail").await;
    browser.gives("return document.getElementById('remark').value", "音乐有点响").await;
    end(house, browser, &["401"]).await;
}

/// A first visit: agreed to and signed on the tablet. The strokes of one agreement used to be kept under the next, and an agreement
/// without any was taken.
#[tokio::test(flavor = "multi_thread")]
async fn each_agreement_is_signed_by_strokes_of_its_own() {
    let house = House::new(Wanted::default()).await;
    let customer = house.post("/customers", None, json!({ "name": "赵一", "phone": "" })).await.ok().text("/id");
    let visit = opened(&house, &customer).await;
    let browser = browser_at(&house, "/station/chair-1").await;
    browser.see(".panel.shown[data-panel='consent']").await;
    browser.touch("[name='measure']").await;
    browser.touch("#agreement [type=submit]").await;
    browser.hear("请顾客先在下面签名").await;
    assert_eq!(house.get(&format!("/visits/{visit}")).await.ok().body["consents"]["measure"], Value::Null);
    browser.sign().await;
    let first = browser.run("return document.querySelector('#pad path').getAttribute('d')").await;
    assert!(first.as_str().is_some_and(|d| d.len() > 10), "{first}");
    leaves(&browser, "consent", "#agreement [type=submit]").await;
    browser.goto("/station/chair-1#consent").await;
    browser.see(".panel.shown[data-panel='consent']").await;
    assert_eq!(browser.run("return document.querySelector('#pad path').getAttribute('d')").await, "");
    // A second one without leaving the page: signed anew.
    browser.touch("[name='photograph']").await;
    browser.sign().await;
    leaves(&browser, "consent", "#agreement [type=submit]").await;
    browser.run("location.hash = 'consent'").await;
    browser.see(".panel.shown[data-panel='consent']").await;
    assert_eq!(browser.run("return document.querySelector('#pad path').getAttribute('d')").await, "", "used once");
    browser.touch("[name='deliver_report']").await;
    browser.touch("#agreement [type=submit]").await;
    browser.hear("请顾客先在下面签名").await;
    // Taking back needs no signature.
    browser.touch("[name='deliver_report']").await;
    browser.touch("[name='photograph']").await;
    leaves(&browser, "consent", "#agreement [type=submit]").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    let agreed = |purpose| view.agreed(purpose);
    assert!(agreed(Purpose::Measure) && !agreed(Purpose::Photograph) && !agreed(Purpose::DeliverReport));
    end(house, browser, &[]).await;
}

/// One tap, no question, and the way back died with the page: a visit voided by mistake was lost, and restored by the technician
/// it came back as one that had ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_voided_by_mistake_goes_on_where_it_was() {
    let (house, visit) = seated().await;
    house.begin(&visit, Phase::Before).await;
    let browser = browser_at(&house, "/station/chair-1#arrive").await;
    browser.touch(".panel.shown .mend summary").await;
    browser.touch(".panel.shown [data-post$='/void'].danger").await;
    browser.page.dismiss_alert().await.expect("a question");
    browser.see(".panel.shown [data-post$='/void'].danger").await;
    assert_eq!(house.get(&format!("/visits/{visit}")).await.ok().body["state"], "open");
    browser.touch(".panel.shown [data-post$='/void'].danger").await;
    browser.page.accept_alert().await.expect("a question");
    browser.see("main.report [data-mend$='/restore']").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    let now = house.get(&format!("/visits/{visit}")).await.ok().body;
    assert_eq!((now["state"].as_str(), now["scans"][0]["state"].as_str()), (Some("voided"), Some("finished")));
    browser.touch("main.report [data-mend$='/restore']").await;
    browser.see(".rail").await;
    browser.see(".panel.shown").await;
    assert_eq!(browser.path().await, "/station/chair-1");
    assert_eq!(house.get(&format!("/visits/{visit}")).await.ok().body["state"], "open", "not closed");
    assert!(house.store.verify_audit().await.expect("the store answers").is_ok());
    end(house, browser, &[]).await;
}
