//! Two photographs of a rendered face, measured by the real inference process and laid onto each other: looked at on the
//! station's comparison page and under the customer's link.

use super::{Browser, PHONE, TABLET, camera};
use crate::house::{House, Wanted, soon};
use serde_json::{Value, json};
use skinlink::{
    desk::{self, Press},
    domain::scan::Phase,
    web::reports::OfStore,
};
use std::time::Duration;
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

/// Uploads a rendered photograph as one of `view`.
async fn photograph(house: &House, visit: &str, phase: Phase, view: &str, file: &str) {
    let photos = crate::house::root().join("target/demo-photos");
    let planted =
        std::fs::read_to_string(photos.join("planted.json")).unwrap_or_else(|e| panic!("{e}; run `make setup`"));
    let planted: Value = serde_json::from_str(&planted).expect("JSON");
    let about = planted["photos"].as_array().expect("photos").iter().find(|photo| photo["file"] == file);
    let about = about.unwrap_or_else(|| panic!("{file} is not in planted.json"));
    let anchors: Vec<String> = [0, 1]
        .into_iter()
        .flat_map(|n| [0, 1].map(|axis| about["anchors"][n][axis].as_f64().expect("a number").to_string()))
        .collect();
    let path = format!("/visits/{visit}/captures?phase={phase}&view={view}&camera=room&anchors={}", anchors.join(","));
    let bytes = std::fs::read(photos.join(file)).expect("a photograph");
    house.upload(&path, house.version(visit).await, bytes).await.ok();
}

/// A visit with a front view photographed twice, and a left view of which the second photograph shows the other side.
pub async fn visit(house: &House) -> String {
    let visit = house.visit("林若溪").await;
    for (phase, left) in [(Phase::Before, "before/left.jpg"), (Phase::After, "after/right.jpg")] {
        house.building.analyser.set_phase(phase).await.expect("the analyser runs");
        let scan = house.begin(&visit, phase).await;
        photograph(house, &visit, phase, "front", &format!("{phase}/front.jpg")).await;
        photograph(house, &visit, phase, "left", left).await;
        while house.act(&visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
        house.act(&visit, &scan, "finish", json!({})).await.ok();
    }
    // Eight pictures are measured and laid onto each other while another program may be built beside.
    tokio::time::timeout(Duration::from_secs(240), async {
        while house.get(&format!("/visits/{visit}")).await.ok().body["pairs"].as_array().map(Vec::len) != Some(2) {
            sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("both pairs are looked at in time");
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    visit
}

/// Whether every picture that is shown has come, and how many those are.
const LOADED: &str =
    "const shown = [...document.querySelectorAll('main img')].filter((one) => one.getClientRects().length);
    return shown.every((one) => one.complete && one.naturalWidth) ? shown.length : -1";

async fn loaded(browser: &Browser, count: usize) {
    soon("the pictures", async {
        while browser.run(LOADED).await != count {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_is_looked_at_aligned_at_the_station_and_under_the_customers_link() {
    let house = House::new(Wanted { analysis: true, ..Wanted::default() }).await;
    let visit = visit(&house).await;
    let view = house.get(&format!("/visits/{visit}")).await.ok().body;
    let front = view["pairs"].as_array().expect("pairs").iter().find(|pair| pair["refusal"].is_null());
    let front = front.expect("the front view was laid onto each other");
    let metrics: Vec<&str> =
        front["pictures"].as_array().expect("pictures").iter().filter_map(|p| p["metric"].as_str()).collect();
    assert_eq!(metrics, ["pores", "pore-contrast"]);
    keep(&house, front).await;
    at_the_station(&house, &visit).await;
    under_the_link(&house, &visit).await;
    house.close().await;
}

/// The samples in `docs/report` show these very pictures (`SKINLINK_SCREENS=keep`).
async fn keep(house: &House, pair: &Value) {
    if std::env::var_os("SKINLINK_SCREENS").is_none() {
        return;
    }
    for picture in pair["pictures"].as_array().expect("pictures") {
        let path = picture["picture"].as_str().expect("an address");
        let answer = house.request(reqwest::Method::GET, &format!("/api/v1{path}")).send().await.expect("an answer");
        let name = picture["role"].as_str().expect("a role").replace("pair_", "pair-");
        let file = crate::house::root().join(format!("docs/report/front-{name}.jpg"));
        std::fs::write(file, answer.bytes().await.expect("a picture")).expect("writable");
    }
}

async fn at_the_station(house: &House, visit: &str) {
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    for (lang, words) in [
        ("zh", ["已对齐，曝光一致", "单个标记不等于变化", "没有对齐：两张照片无法对齐"]),
        ("hant", ["已對齊，曝光一致", "單個標記不等於變化", "沒有對齊：兩張照片無法對齊"]),
        (
            "en",
            [
                "Aligned, same exposure",
                "A mark alone is no change",
                "not aligned: the photographs could not be aligned",
            ],
        ),
    ] {
        browser.goto(&format!("/compare/{visit}?lang={lang}")).await;
        browser.see(".photos.laid .one img").await;
        browser.hear(words[0]).await;
        loaded(&browser, 2).await;
        let sizes = "return [...document.querySelectorAll('.photos.laid .frame img')].map((one) =>
            `${one.naturalWidth} ${one.naturalHeight} ${Math.round(one.getBoundingClientRect().width)}`)";
        let sizes = browser.run(sizes).await;
        assert_eq!(sizes[0], sizes[1], "one frame, shown at one size");
        looked_at(&browser, lang, "side").await;
        browser.touch("[data-mode='wipe']:not(figure)").await;
        let slider = browser.see(".photos.laid input.wipe").await;
        slider.send_keys("\u{e011}").await.expect("the home key");
        for _ in 0..30 {
            slider.send_keys("\u{e014}").await.expect("the right arrow");
        }
        let clip = "return getComputedStyle(document.querySelector('.photos.laid .two')).clipPath";
        assert_eq!(browser.run(clip).await, "inset(0px 0px 0px 30%)");
        let apart = "const [one, two] = document.querySelectorAll('.photos.laid .frame img');
            const [a, b] = [one, two].map((image) => image.getBoundingClientRect());
            return Math.abs(a.left - b.left) + Math.abs(a.top - b.top) + Math.abs(a.width - b.width) < 1";
        assert_eq!(browser.run(apart).await, true, "they lie over each other");
        looked_at(&browser, lang, "wipe").await;
        browser.touch("[data-mode='difference']:not(figure)").await;
        browser.hear(words[1]).await;
        browser.see(".change img").await;
        loaded(&browser, 2).await;
        let keys = browser
            .run("return [...document.querySelectorAll('.changes .legend li')].map((one) => one.innerText)")
            .await;
        assert_eq!(keys.as_array().map(Vec::len), Some(5), "three signs and two: {keys}");
        looked_at(&browser, lang, "difference").await;
        // The other view could not be laid onto each other: as taken, and why.
        browser.touch("[data-view='1']").await;
        browser.touch("[data-mode='side']:not(figure)").await;
        browser.see(".photos:not(.laid) .one img").await;
        browser.hear(words[2]).await;
        looked_at(&browser, lang, "refused").await;
    }
    browser.console_is_clean(&[]).await;
    browser.close().await;
}

async fn looked_at(browser: &Browser, lang: &str, mode: &str) {
    if lang == "zh" {
        browser.picture(&format!("tablet-{lang}-17-pair-{mode}")).await;
    }
    browser.is_accessible().await;
    browser.fits_fingers().await;
}

async fn under_the_link(house: &House, visit: &str) {
    let url = house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok().text("/url");
    let path = url.strip_prefix("https://reports.example").expect("the public address").to_owned();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let (stop, reports) = (CancellationToken::new(), OfStore(house.store.clone()));
    let (stopped, press) = (stop.clone(), Press::beside());
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving =
        tokio::spawn(async move { desk::serve(listener, reports, press, false, stopped).await.expect("it serves") });
    let browser = Browser::open(&base, PHONE, &camera(house.building.folder.path())).await;
    for (lang, aligned, alone) in [
        ("zh", "已对齐，曝光一致", "单个标记不等于变化"),
        ("hant", "已對齊，曝光一致", "單個標記不等於變化"),
        ("en", "Aligned, same exposure", "A mark alone is no change"),
    ] {
        browser.goto(&format!("{path}?lang={lang}")).await;
        browser.see("figure.over").await;
        browser.hear(aligned).await;
        let slider = browser.see(".over input").await;
        slider.send_keys("\u{e014}").await.expect("the right arrow");
        browser.gives("return document.querySelector('.over input').value", "51").await;
        // What is closed is not asked for; three aligned views and the page weigh what a slow line can carry.
        browser.run("window.scrollTo(0, document.body.scrollHeight)").await;
        let half =
            "return [...document.querySelectorAll('.half img')].every((one) => one.complete && one.naturalWidth)";
        soon("the photographs", async {
            while browser.run(half).await != true {
                browser.run("document.querySelectorAll('figure').forEach((one) => one.scrollIntoView())").await;
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let weighed =
            "const all = performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'));
            const pairs = all.filter((one) => one.name.includes('/pair_'));
            return [all[0].encodedBodySize, pairs.reduce((sum, one) => sum + one.encodedBodySize, 0),
                all.filter((one) => one.name.includes('/change')).length, pairs.length]";
        let found = browser.run(weighed).await;
        println!("{lang}: bytes of the page and of the pair, pictures of change, of pairs: {found}");
        assert!(found[0].as_u64().is_some_and(|bytes| bytes > 0 && bytes <= 30_000), "{found}");
        let [page, pair] = [0, 1].map(|at| found[at].as_u64().expect("bytes"));
        assert!(pair > 0 && page + 3 * pair <= 400_000, "three views and the page: {found}");
        assert_eq!((&found[2], &found[3]), (&json!(0), &json!(2)), "{found}");
        // Opened, it is there with its words.
        browser.touch("details.change summary").await;
        browser.see("details.change[open] img").await;
        browser.hear(alone).await;
        let opened = "const image = document.querySelector('details.change[open] img'); return image.complete && image.naturalWidth > 0";
        soon("the picture of change", async {
            while browser.run(opened).await != true {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        browser.run("document.querySelector('figure').scrollIntoView()").await;
        if lang != "hant" {
            browser.picture(&format!("report-phone-{lang}-pair")).await;
        }
        browser.is_accessible().await;
        browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
        let printed =
            "return [...document.querySelectorAll('.change')].filter((one) => one.getClientRects().length).length";
        assert_eq!(browser.run(printed).await, 0, "pictures that nobody opened are not printed");
        browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "screen" })).await;
    }
    // Photographs are not agreed to any more: none on the page.
    let body = json!({ "text_version": "2026-11", "channel": "station", "staff": "b-07", "signature": "",
        "purposes": { "photograph": false } });
    house.post(&format!("/visits/{visit}/consents"), Some(house.version(visit).await), body).await.ok();
    browser.goto(&format!("{path}?lang=zh")).await;
    browser.see("h1").await;
    assert_eq!(browser.run("return document.querySelectorAll('figure, details.change').length").await, 0);
    browser.console_is_clean(&[]).await;
    browser.close().await;
    stop.cancel();
    serving.await.expect("it ends well");
}
