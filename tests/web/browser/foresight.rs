//! What a beautician should know before it hurts: a battery, a disk, who comes today, who was found, how far a course is.

use super::{Browser, DESKTOP, TABLET, camera, regular};
use crate::house::{CHAIR, House, Wanted};
use serde_json::json;
use skinlink::{clock, domain::Timestamp};

async fn browser_at(house: &House, path: &str) -> Browser {
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto(path).await;
    browser.see("main").await;
    browser
}

/// A probe that is nearly empty looked as ready as any other, and a full disk was told of by the photograph that it refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_low_battery_and_a_full_disk_are_said_before_they_matter() {
    let house = House::new(Wanted { battery: 8, min_free: u64::MAX / 2, ..Wanted::default() }).await;
    let customer = regular(&house).await.customer;
    let browser = browser_at(&house, "/").await;
    let looked_at = async |path: &str, words: [&str; 2], picture: &str| {
        browser.goto(path).await;
        for said in words {
            browser.hear(said).await;
        }
        browser.see(".chip.warn").await;
        browser.picture(picture).await;
        browser.is_accessible().await;
        browser.fits_fingers().await;
        // What may harm the customer stands above what runs out.
        let below = "const [red, hints] = ['.red.bar', '#hints'].map((css) => document.querySelector(css)?.getBoundingClientRect());
            return String(!red || !hints || red.bottom <= hints.top)";
        browser.gives(below, "true").await;
    };
    let zh = ["仪器电量只剩 8 %", "新照片存不下，测量可以继续"];
    looked_at("/?lang=zh", zh, "tablet-zh-page-runs-out").await;
    looked_at("/devices", zh, "tablet-zh-page-devices-run-out").await;
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok();
    looked_at("/station/chair-1#before", zh, "tablet-zh-page-station-runs-out").await;
    looked_at(
        "/station/chair-1?lang=hant",
        ["儀器電量只剩 8 %", "新照片存不下，測量可以繼續"],
        "tablet-hant-page-runs-out",
    )
    .await;
    looked_at("/station/chair-1?lang=en", ["8 % of its battery left", "readings go on"], "tablet-en-page-runs-out")
        .await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;

    // While there is enough of both, nothing is said.
    let house = House::new(Wanted::default()).await;
    let browser = browser_at(&house, "/station/chair-1").await;
    assert_eq!(browser.run("return document.querySelectorAll('#hints .notice').length").await, 0);
    browser.close().await;
    house.close().await;
}

/// Twelve hours before and after now were today: in the morning yesterday's evening stood there, and this evening was missing.
#[tokio::test(flavor = "multi_thread")]
async fn today_is_the_day_of_the_salon() {
    let house = House::new(Wanted::default()).await;
    let names = ["昨晚", "今晚", "明早"];
    let now = clock::now().wall.unix_ms();
    // A salon where it is now between eight and nine in the morning.
    let (minute, hour) = (60_000, now.div_euclid(3_600_000).rem_euclid(24));
    let ahead = (8 - hour).rem_euclid(24);
    let zone = if ahead > 14 { format!("Etc/GMT+{}", 24 - ahead) } else { format!("Etc/GMT-{ahead}") };
    let eight = now - now.rem_euclid(60 * minute);
    for (name, minutes) in names.into_iter().zip([-11 * 60, 12 * 60 + 30, 16 * 60 + 30]) {
        let customer = house.post("/customers", None, json!({ "name": name, "phone": "" })).await.ok().text("/id");
        let starts = Timestamp::from_unix_ms(eight + minutes * minute).to_string();
        house.post("/appointments", None, json!({ "customer": customer, "starts": starts })).await.ok();
    }
    let browser = browser_at(&house, "/login").await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    browser.goto("/").await;
    browser.hear("今晚").await;
    browser.gives("return [...document.querySelectorAll('.day > li')].filter((one) => one.offsetParent).map((one) => one.querySelector('.who a').textContent).join()", "今晚").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// The list showed whatever answer came last, also to a question that was not asked any more; and an unreachable gateway was
/// “nobody found”.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_not_shown_for_another_question() {
    let house = House::new(Wanted::default()).await;
    regular(&house).await;
    let browser = Browser::open(&house.address, DESKTOP, &camera(house.building.folder.path())).await;
    browser.goto("/").await;
    let slow = "const real = fetch; window.fetch = async (a, o) => {
        if (!String(a).includes('query=')) return real(a, o);
        if (window.gone) throw new Error('gone');
        const held = !window.let;
        if (held) await new Promise((go) => { window.let = go; });
        const answer = await real(a, o); const json = await answer.json(); if (held) window.late = 'yes';
        return new Response(JSON.stringify(json), { status: answer.status }); }";
    browser.run(slow).await;
    let field = browser.see("#search").await;
    field.send_keys("林若溪").await.expect("typing");
    browser.gives("return typeof window.let", "function").await;
    field.clear().await.expect("a field");
    field.send_keys("没有此人").await.expect("typing");
    browser.hear("没有找到").await;
    browser.run("window.let()").await;
    browser.gives("return window.late ?? ''", "yes").await;
    let later = "const done = arguments[arguments.length - 1]; setTimeout(() => done(document.querySelectorAll('#found a').length), 300)";
    assert_eq!(browser.page.execute_async(later, Vec::new()).await.expect("a count"), 0);
    browser.run("window.gone = true").await;
    field.clear().await.expect("a field");
    field.send_keys("林").await.expect("typing");
    browser.hear("网关没有回应").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// A new course of six began as “31 / 6”: every visit that ever ended counted for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_course_begins_at_nothing() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let done = "return document.querySelector('.course').previousElementSibling.textContent.trim()";
    let browser = browser_at(&house, &format!("/customer/{customer}")).await;
    assert_eq!(browser.run(done).await, "1 / 6");
    house.change_customer(&customer, json!({ "course": "舒缓疗程", "course_total": 1 })).await.ok();
    browser.goto(&format!("/customer/{customer}")).await;
    assert_eq!(browser.run(done).await, "0 / 1");
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    browser.goto(&format!("/customer/{customer}")).await;
    assert_eq!(browser.run(done).await, "1 / 1");
    // The same again: one tap, and it begins at nothing.
    browser.is_accessible().await;
    browser.fits_fingers().await;
    browser.touch("[data-body*='course_anew']").await;
    browser.page.accept_alert().await.expect("a question");
    browser.gives(done, "0 / 1").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
