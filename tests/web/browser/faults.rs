//! What goes wrong in a visit: two tablets at once, a daemon that starts again in the middle, a wrong PIN, a slip of the
//! finger, headquarters away.

use super::{Browser, PHONE, TABLET, camera, press_all, regular, staffed};
use crate::house::{CHAIR, House, Wanted};
use serde_json::json;
use skinlink::domain::{scan::Phase, scan::ScanState};

/// The later of two tablets does not overwrite the earlier one and is told what it changed.
#[tokio::test(flavor = "multi_thread")]
async fn two_tablets_on_one_visit_never_overwrite_each_other() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#care").await;
    browser.see(".presets button").await;
    // This tablet has fallen asleep: what it asks does not get through, and it shows the visit as it was.
    browser.run("const real = fetch; window.fetch = (a, o) => (window.awake ? real(a, o) : Promise.reject(new Error('asleep')))").await;
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/steps"), Some(version), json!({ "steps": ["面膜"] })).await.ok();
    browser.run("window.awake = true; document.querySelector('[data-step=\"清洁\"]').click()").await;
    browser.hear("另一台平板刚改过").await;
    browser.hear("护理步骤：面膜").await;
    let now = house.get(&format!("/visits/{visit}")).await.ok();
    assert_eq!(now.body["steps"], json!(["面膜"]), "the earlier one stands");
    // The tap again, now knowing of the other: both stand.
    browser.touch("[data-step='清洁'][aria-pressed='false']").await;
    browser.see("[data-step='清洁'][aria-pressed='true']").await;
    let now = house.get(&format!("/visits/{visit}")).await.ok();
    assert_eq!(now.body["steps"], json!(["面膜", "清洁"]));
    browser.console_is_clean(&["409"]).await;
    browser.close().await;
    house.close().await;
}

/// The gateway starts again while a scan is under way: the tablet says so, comes back by itself, nothing measured is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_starts_again_in_the_middle_and_the_tablet_goes_on() {
    // The same address again, as a daemon has it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound").port();
    let house = House::new(Wanted { port, ..Wanted::default() }).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    staffed(&house).await;
    let browser = Browser::open(&house.address, PHONE, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1").await;
    browser.log_in(super::PIN).await;
    browser.see(".rail").await;
    browser.goto("/station/chair-1#before").await;
    browser.touch(".panel.shown [data-begin] [type=submit]").await;
    browser.see(".panel.shown [data-scan][data-state='running']").await;
    let building = house.close().await;
    browser.see(".offline:not([hidden])").await;
    browser.picture("phone-zh-page-offline").await;
    let house = building.open().await;
    // Still logged in; the scan has come back paused and says so.
    browser.see(".panel.shown [data-scan][data-state='paused']").await;
    browser.see(".devices .chip.good").await;
    browser.touch(".panel.shown [data-post$='/resume']").await;
    press_all(&house, &browser).await;
    browser.touch(".panel.shown [data-post$='/finish'].primary").await;
    browser.see(".panel.shown .values").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    assert_eq!(view.scans.len(), 1);
    assert_eq!(view.scans[0].readings.len(), 4);
    browser
        .console_is_clean(&[
            "ERR_CONNECTION_REFUSED",
            "ERR_INCOMPLETE_CHUNKED",
            "ERR_EMPTY_RESPONSE",
            "ERR_CONNECTION_RESET",
        ])
        .await;
    browser.close().await;
    house.close().await;
}

/// A slip of the finger is mended in two taps, with a trace; and undone in two.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_the_wrong_phase_is_moved_voided_and_brought_back() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.scan(&visit, Phase::Before).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    browser.touch(".panel.shown [data-post$='/reassign']").await;
    browser.touch(".toast button").await;
    browser.see(".panel.shown[data-panel='before'] [data-post$='/void']").await;
    browser.touch(".panel.shown [data-post$='/void']").await;
    browser.see(".panel.shown[data-panel='before'] [data-post$='/restore']").await;
    browser.see(".toast button").await;
    browser.picture("tablet-zh-page-undo").await;
    browser.touch(".toast button").await;
    browser.see(".panel.shown[data-panel='before'] [data-post$='/void']").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    assert_eq!(
        view.scans.iter().map(|s| (s.scan.phase, s.scan.state)).collect::<Vec<_>>(),
        [(Phase::Before, ScanState::Finished)]
    );
    assert!(house.store.verify_audit().await.expect("the store answers").is_ok());
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// What is missing is said in words where it is missed: the camera that was not allowed, the camera that this address may not
/// open, the analyser that was unplugged in the middle; and it goes on by itself once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_refused_and_an_analyser_unplugged_are_said_in_words() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.begin(&visit, Phase::Before).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    browser.see(".panel.shown [data-scan][data-state='running']").await;
    house.building.analyser.unplug().await.expect("the analyser runs");
    browser.hear("仪器未连接，接好后自动继续").await;
    // The large sentence used to say to put the probe on the skin, and the key promised a value.
    browser.hear("请接好仪器").await;
    browser.see(".panel.shown [data-key][disabled]").await;
    browser.picture("tablet-zh-page-unplugged").await;
    house.building.analyser.plug_in().await.expect("the analyser runs");
    browser.hear("按仪器上的按钮也可以").await;
    browser.see(".panel.shown [data-key]:not([disabled])").await;
    browser
        .run("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))")
        .await;
    browser.touch(".panel.shown [data-camera]").await;
    browser.hear("相机没有得到允许").await;
    browser.touch("#camera-close").await;
    browser.run("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })").await;
    browser.touch(".panel.shown [data-camera]").await;
    browser.hear("可信的 HTTPS").await;
    browser.touch(".toast button").await;
    browser.hear("让这台平板信任门店的网关").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// A foot switch is a key: it takes the values of the step that waits, with both hands at the face. One region is measured
/// again by one tap, and what it had before counts no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_foot_switch_measures_and_one_region_is_measured_again() {
    let house = House::new(Wanted { metrics: vec!["moisture"], ..Wanted::default() }).await;
    let customer = regular(&house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    let step = async |until: &str| {
        // F9, as the switch sends it.
        browser.see("body").await.send_keys("\u{E039}").await.expect("a key");
        browser.see(until).await;
    };
    step(".panel.shown [data-scan][data-state='running']").await;
    step("[data-region='forehead'][data-state='done']").await;
    browser.touch("[data-region='forehead'] .again").await;
    browser.see("[data-region='forehead'][data-state='current']").await;
    step("[data-region='forehead'][data-state='done']").await;
    step("[data-region='nose'][data-state='done']").await;
    step(".panel.shown .values").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    let readings = &view.scans[0].readings;
    assert_eq!(
        (readings.len(), readings.iter().filter(|reading| reading.voided).count()),
        (3, 1),
        "kept, and counts no more"
    );
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// Wrong PINs lock the person out, the right one does not help then, and the page says so in words.
#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_pins_lock_the_person_out() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/").await;
    for _ in 0..4 {
        browser.log_in("9999").await;
        browser.hear("PIN 不对").await;
        browser.run("document.getElementById('pin-says').textContent = ''").await;
    }
    browser.log_in("9999").await;
    browser.hear("1 分钟后再试").await;
    browser.picture("tablet-zh-page-locked").await;
    browser.run("document.getElementById('pin-says').textContent = ''").await;
    browser.log_in(super::PIN).await;
    browser.hear("1 分钟后再试").await;
    assert_eq!(browser.path().await, "/login");
    browser.console_is_clean(&["401", "429"]).await;
    browser.close().await;
    house.close().await;
}

/// Headquarters away: said in words on the first page, with what is waiting.
#[tokio::test(flavor = "multi_thread")]
async fn headquarters_away_is_said_in_words() {
    let house = House::new(Wanted::default()).await;
    regular(&house).await;
    house.hq.send_modify(|hq| hq.connection = "offline");
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/").await;
    browser.hear("什么都不会丢").await;
    browser.goto("/?lang=en").await;
    browser.hear("nothing is lost").await;
    browser.picture("tablet-en-page-hq-away").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
