//! What people lost on these pages before: a card that two tablets wrote, a session that another page ended, typing that a redraw
//! took away, words without a star, values that nobody could claim.

use super::{Browser, DESKTOP, TABLET, camera, regular, staffed};
use crate::house::{CHAIR, House, Wanted, metric, soon};
use serde_json::json;
use skinlink::domain::Region;
use std::time::Duration;

/// The later of two tablets at one card sees what the earlier one wrote, keeps what it typed itself, and saves both by one more tap.
#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_tablets_at_one_card_is_told_what_changed() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto(&format!("/customer/{customer}")).await;
    browser.see("#record").await;
    house.change_customer(&customer, json!({ "allergies": "果酸; 坚果", "music": "古琴" })).await.ok();
    browser.run("const form = document.getElementById('record').elements; form.drink.value = '菊花茶'; form.music.value = '不要音乐'").await;
    browser.touch("#record [type=submit]").await;
    browser.hear("另一台平板刚改过：过敏、音乐").await;
    browser.hear("另一台平板写的是：古琴").await;
    browser.run("document.getElementById('record').scrollIntoView({ block: 'center' })").await;
    browser.picture("tablet-zh-page-card-told").await;
    browser.is_accessible().await;
    assert_eq!(browser.run("return document.getElementById('record').elements.allergies.value").await, "果酸; 坚果");
    browser.touch("#record [type=submit]").await;
    browser.see(".likes").await;
    browser.hear("菊花茶").await;
    let kept = house.get(&format!("/customers/{customer}")).await.ok().body["card"].clone();
    let expected = ("果酸; 坚果", "不要音乐", "菊花茶");
    assert_eq!(
        (kept["allergies"].as_str(), kept["music"].as_str(), kept["drink"].as_str()),
        (Some(expected.0), Some(expected.1), Some(expected.2))
    );
    browser.console_is_clean(&["409"]).await;
    browser.close().await;
    house.close().await;
}

/// A second page that nobody touches does not end the session that is worked with; and whoever only types keeps theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_nobody_touches_ends_no_session_in_use_and_typing_counts_as_use() {
    let house = House::new(Wanted::default()).await;
    regular(&house).await;
    staffed(&house).await;
    let browser = Browser::open(&house.address, DESKTOP, &camera(house.building.folder.path())).await;
    browser.goto("/").await;
    browser.log_in(super::PIN).await;
    browser.see(".today .chairs").await;
    // To this page every moment seems to be the end of the ten minutes.
    let watched = "window.said = []; const real = fetch; window.fetch = async (a, o) => { const answer = await real(a, o);
        window.said.push(`${o?.method ?? 'GET'} ${a} ${answer.status}`); return answer; }; document.body.dataset.idle = '0.0001'";
    browser.run(watched).await;
    let said = async |what: &str| {
        soon(what, async {
            while browser.run(&format!("return window.said.includes('{what}')")).await != true {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    said("POST /api/v1/session/end 200").await;
    assert_eq!(browser.path().await, "/", "the gateway knows that the session is in use");
    browser.run("document.body.dataset.idle = '10'; window.said = []; const real = Date.now; Date.now = () => real() + 61000").await;
    browser.see("#search").await.send_keys("林").await.expect("typing");
    said("GET /api/v1/session 200").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// What was typed before a scan used to be gone when the page drew itself anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_stays_when_the_page_draws_itself_anew() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    let climate = browser.see(".panel.shown [name=celsius]").await;
    climate.clear().await.expect("a field");
    climate.send_keys("23.5").await.expect("typing");
    browser.run("document.activeElement.blur(); document.querySelector('#scan-before').dataset.old = 'yes'").await;
    // Another tablet takes the consent back and gives it again: the form is drawn anew, twice.
    for given in [false, true] {
        let body = json!({ "text_version": "2026-11", "channel": "station", "signature": "", "purposes": { "measure": given } });
        house.post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), body).await.ok();
        let button = if given { ":not([disabled])" } else { "[disabled]" };
        browser.see(&format!(".panel.shown [data-begin] [type=submit]{button}")).await;
    }
    assert_eq!(
        browser.run("return document.querySelector('#scan-before').dataset.old ?? 'new'").await,
        "new",
        "drawn anew"
    );
    assert_eq!(browser.run("return document.querySelector('#scan-before [name=celsius]').value").await, "23.5");
    browser.touch(".panel.shown [data-begin] [type=submit]").await;
    browser.see(".panel.shown [data-scan][data-state='running']").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    let stated = house.store.conditions(view.scans[0].scan.id).await.expect("the store answers").expect("were stated");
    assert_eq!(stated.celsius.map(|value| value.to_string()).as_deref(), Some("23.5"));
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// Words without a star are words; they used to be dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_remark_is_kept_without_a_star() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#rating").await;
    browser.see("#remark").await.send_keys("音乐有点响").await.expect("typing");
    browser.touch("[data-stars='']").await;
    browser.see(".panel.shown:not([data-panel='rating'])").await;
    let sheet = house.store.sheet(visit.parse().expect("an id")).await.expect("the store answers");
    assert_eq!((sheet.remark.as_str(), sheet.stars), ("音乐有点响", None));
    assert!(sheet.passed.iter().any(|step| step == "rating"));
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// A session that ends in the middle of a sentence takes the sentence with it no longer: it is there again for the same person, and
/// for nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_when_the_screen_locked_is_there_again_for_the_same_person() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok();
    staffed(&house).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1").await;
    browser.log_in(super::PIN).await;
    browser.see(".rail").await;
    browser.goto("/station/chair-1#rating").await;
    let lose_the_session = async || {
        let digest = skinlink::web::pin::hash(super::PIN.to_owned()).await.expect("a digest");
        house.store.set_pin("b-01".to_owned(), digest, "test".to_owned()).await.expect("the store answers");
    };
    browser.see("#remark").await.send_keys("音乐有点响").await.expect("typing");
    lose_the_session().await;
    // The page may have gone by itself: its news end with the session.
    browser.run("document.querySelector(\"[data-stars='']\")?.click()").await;
    browser.see(".faces [data-person]").await;
    browser.log_in(super::PIN).await;
    browser.hear("锁屏前输入的内容还在").await;
    browser.gives("return document.getElementById('remark').value", "音乐有点响").await;
    browser.see(".panel.shown[data-panel='rating']").await;
    // Somebody else at the same page finds nothing of it.
    lose_the_session().await;
    // Nobody taps: the page's news end with the session, and it goes by itself.
    browser.see(".faces [data-person]").await;
    browser.run("const kept = JSON.parse(sessionStorage['skinlink-draft']); kept.who = 'b-02'; sessionStorage['skinlink-draft'] = JSON.stringify(kept)").await;
    browser.log_in(super::PIN).await;
    browser.see("#remark").await;
    browser.gives("return sessionStorage['skinlink-draft'] ?? ''", "").await;
    assert_eq!(browser.run("return document.getElementById('remark').value").await, "");
    browser.console_is_clean(&["401"]).await;
    browser.close().await;
    house.close().await;
}

/// A value that the analyser gave while nothing waited is given to its region by one tap; there was no key for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_came_unasked_is_given_to_a_region() {
    let house = House::new(Wanted { metrics: vec!["moisture"], ..Wanted::default() }).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    let visit = visit.parse().expect("an id");
    let tray = async || house.store.tray(CHAIR.to_owned()).await.expect("the store answers").len();
    for wanted in 1..=2 {
        house.building.analyser.press(metric("moisture"), Region::Nose).await.expect("the analyser runs");
        soon("the tray", async {
            while tray().await < wanted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    browser.touch(".panel.shown [data-begin] [type=submit]").await;
    browser.see(".panel.shown [data-tray] select").await;
    browser.run("document.querySelector('.panel.shown [data-trays]').scrollIntoView({ block: 'center' })").await;
    browser.picture("tablet-zh-page-tray").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    browser.run("document.querySelector('.panel.shown [data-tray] select').value = 'nose'").await;
    browser.touch(".panel.shown [data-bind]").await;
    soon("one value less in the tray", async {
        while tray().await > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // The other one is nobody's.
    browser.see(".panel.shown [data-tray]:only-child").await;
    browser.touch(".panel.shown [data-tray] [data-post$='/dismiss']").await;
    browser.page.accept_alert().await.expect("a question");
    soon("an empty tray", async {
        while tray().await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let view = house.store.visit_view(visit).await.expect("the store answers");
    assert_eq!(view.scans[0].repeats.iter().filter(|repeat| repeat.region == Some(Region::Nose)).count(), 1);
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// The page of the devices shows by itself what was unplugged and plugged in; it used to show how it was when it was opened.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_devices_follows_them() {
    let house = House::new(Wanted::default()).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/devices").await;
    browser.see(".chip.good").await;
    house.building.analyser.unplug().await.expect("the analyser runs");
    browser.see("main .chip.bad, main .chip.warn").await;
    house.building.analyser.plug_in().await.expect("the analyser runs");
    browser.see("main .chip.good").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
