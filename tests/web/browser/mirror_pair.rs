//! Two real photographs, measured and laid onto each other by the inference process, on the customer's mirror: there by the beautician's
//! tap and not before, in one frame, without a name or a number that was held back, and gone by the next tap and with the visit.

use super::{
    Browser, TABLET, Window, camera,
    mirror::{LYING, UPRIGHT, code, looked_at, pictures},
    pairs,
};
use crate::{
    house::{CHAIR, House, Wanted, soon},
    mirror::forehead,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// The values of one metric as the devices gave them.
fn values(visit: &Value, metric: &str) -> BTreeSet<String> {
    let scans = visit["scans"].as_array().expect("scans").iter();
    let readings = scans.flat_map(|scan| scan["readings"].as_array().expect("readings"));
    let ours = readings.filter(|reading| reading["metric"] == metric);
    ours.map(|reading| reading["value"].as_str().expect("a value").to_owned()).collect()
}

/// Everything that stands on the screen, read out and seen: words, texts beside pictures, titles.
async fn told(browser: &Browser) -> String {
    let script = "return document.documentElement.outerHTML.replace(/<svg[^]*?<\\/svg>/g, '') + document.title + document.body.innerText";
    browser.run(script).await.as_str().expect("text").to_owned()
}

/// Nothing of anybody, whatever is shown; and no picture where none was given.
async fn tells_nobody(browser: &Browser, held_back: &BTreeSet<String>, photographs: u64) {
    let told = told(browser).await;
    for secret in ["林若溪", "若溪", "13800000000", "b-07"].into_iter().chain(held_back.iter().map(String::as_str))
    {
        assert!(!told.contains(secret), "{secret} on the mirror: {told}");
    }
    let shown = browser.run("return document.querySelectorAll('main img').length").await;
    assert_eq!(shown.as_u64(), Some(photographs), "{told}");
}

/// What the gateway answers to an address of a picture, from the mirror's own page.
async fn answers(browser: &Browser, path: &str) -> u64 {
    let script = format!("return fetch('{path}', {{ cache: 'no-store' }}).then((answer) => answer.status)");
    browser.run(&script).await.as_u64().expect("a status")
}

async fn shows(browser: &Browser, scene: &str) {
    soon(&format!("{scene} on the mirror"), async {
        let now = "return document.body.dataset.scene";
        while !browser.run(now).await.as_str().is_some_and(|now| now.starts_with(scene)) {
            sleep(Duration::from_millis(40)).await;
        }
    })
    .await;
}

/// One screen after the other is paired; the last one stays until the customer leaves.
#[tokio::test(flavor = "multi_thread")]
async fn photographs_that_were_laid_onto_each_other_are_on_the_mirror_only_while_they_are_given() {
    let house = House::new(Wanted { analysis: true, ..Wanted::default() }).await;
    let visit = pairs::visit(&house).await;
    let full = house.get(&format!("/visits/{visit}")).await.ok().body;
    let aligned = full["pairs"].as_array().expect("pairs").iter().find(|pair| pair["refusal"].is_null());
    assert!(aligned.is_some(), "the front view was laid onto each other: {}", full["pairs"]);
    let (moisture, sebum) = (values(&full, "moisture"), values(&full, "sebum"));
    let all: BTreeSet<String> = moisture.union(&sebum).cloned().collect();
    assert!(moisture.len() > 1 && sebum.len() > 1, "{all:?}");
    let screens: [(Window, &str); 3] = [(TABLET, "zh"), (LYING, "en"), (UPRIGHT, "hant")];
    for (nth, (window, lang)) in screens.into_iter().enumerate() {
        let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
        browser.goto(&format!("/mirror/{CHAIR}?lang={lang}")).await;
        let code = code(&browser).await;
        house.post("/mirrors/chair-1/pair", None, json!({ "code": code, "lang": lang })).await.ok();
        // Measured, photographed, compared: and nothing of it is on the mirror.
        shows(&browser, "done-after").await;
        tells_nobody(&browser, &all, 0).await;
        give(&house, &visit).await;
        browser.see("main.result .pair.laid img").await;
        pictures(&browser).await;
        browser.hear(&forehead(&full)).await;
        in_one_frame(&browser).await;
        looked_at(&browser, lang, "09-laid").await;
        tells_nobody(&browser, &sebum, 2).await;
        let sources = browser
            .run("return [...document.querySelectorAll('.pair img')].map((one) => one.getAttribute('src'))")
            .await;
        let sources: Vec<String> = serde_json::from_value(sources).expect("addresses");
        for source in &sources {
            assert_eq!(answers(&browser, source).await, 200, "{source}");
        }
        if nth < 2 {
            house.post("/mirrors/chair-1/hide", None, json!({})).await.ok();
            shows(&browser, "done-after").await;
        } else {
            house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
            shows(&browser, "rest").await;
            looked_at(&browser, lang, "10-left").await;
        }
        tells_nobody(&browser, &all, 0).await;
        for source in &sources {
            assert_eq!(answers(&browser, source).await, 404, "{source} is still there");
        }
        // Opened anew, it shows no more than before.
        browser.goto(&format!("/mirror/{CHAIR}")).await;
        browser.see("main").await;
        tells_nobody(&browser, &all, 0).await;
        browser.console_is_clean(&["404"]).await;
        browser.close().await;
    }
    house.close().await;
}

async fn give(house: &House, visit: &str) {
    let body = json!({ "visit": visit, "metrics": ["moisture"], "photographs": true });
    house.post("/mirrors/chair-1/show", None, body).await.ok();
}

/// Both pictures are of one size and are cut alike: the same place of the face lies at the same place of each.
async fn in_one_frame(browser: &Browser) {
    let sizes = "return [...document.querySelectorAll('.pair.laid img')].map((one) => { const box = one.getBoundingClientRect();
        return [one.naturalWidth, one.naturalHeight, Math.round(box.width), Math.round(box.height), Math.round(box.top)].join(' '); })";
    let sizes = browser.run(sizes).await;
    assert_eq!(sizes[0], sizes[1], "one frame, shown alike");
    assert!(sizes[0].as_str().is_some_and(|size| !size.starts_with('0')), "{sizes}");
}
