//! Pages beside the visit, and that a page speaks one language.

use super::{Browser, DESKTOP, MANAGER, PHONE, TABLET, Window, camera, regular, staffed};
use crate::house::{CHAIR, House, Wanted};
use serde_json::json;
use skinlink::{
    clock,
    domain::{
        CaptureId, VisitId,
        capture::{Format, Light, View},
        scan::{Phase, ScanState},
    },
    store::NewCapture,
    web::trust::Trust,
};

/// What people typed, and the names of the languages, stand in any language.
const TYPED: &[&str] = &[
    "林若溪",
    "周敏",
    "周\n",
    "清和肌研",
    "一号护理位",
    "果酸",
    "补水护理",
    "补水疗程",
    "温水",
    "钢琴",
    "轻",
    "少用香味",
    "干性",
    "简体",
    "繁體",
    "A10023",
    "陈雨",
    "赵一",
    "王琳",
    "何静",
    "周彤",
    "沈佳",
    "等了很久",
    "对羊毛脂过敏",
    "羊毛脂",
];

pub async fn speaks_one_language(browser: &Browser) {
    let lang = browser.run("return document.documentElement.lang").await;
    let mut said = browser.text().await;
    for typed in TYPED {
        said = said.replace(typed, "");
    }
    let is_chinese = |c: &char| ('\u{3400}'..='\u{9fff}').contains(c);
    match lang.as_str() {
        Some("en") => {
            let left: String = said.chars().filter(is_chinese).collect();
            assert_eq!(left, "", "an English page speaks Chinese on {}:\n{said}", browser.path().await);
        }
        Some("zh-Hant") => {
            let left: Vec<&str> =
                said.lines().filter(|line| skinlink::report::traditional::sentence(line) != **line).collect();
            assert_eq!(left, Vec::<&str>::new(), "simplified characters on {}", browser.path().await);
        }
        _ => assert!(said.chars().any(|c| is_chinese(&c)), "a Chinese page without Chinese: {said}"),
    }
}

/// Every page beside the visit: nothing wrong for a screen reader, nothing too small, one language, in light and dark.
async fn every_page(window: Window, lang: &str) {
    let trust = Trust {
        certificate: vec![0x30],
        fingerprint: ["3A7F", "90C4", "11DE", "58B2"].repeat(4).join(" "),
        addresses: ["skinlink.local", "192.168.1.10"].map(|name| format!("https://{name}:8443")).to_vec(),
    };
    let house = House::new(Wanted { trust: Some(trust), ..Wanted::default() }).await;
    let customer = regular(&house).await.customer;
    // The same phone number again: somebody did not find the first entry.
    house.post("/customers", None, json!({ "name": "林若曦", "phone": "13800006688" })).await.ok();
    let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    let look = async |path: &str, name: &str| {
        let (page, part) = path.split_once('#').map_or((path, ""), |(page, part)| (page, part));
        browser.goto(&format!("{page}?lang={lang}#{part}")).await;
        browser.see("main").await;
        browser.picture(&format!("{}-{lang}-{name}", window.name)).await;
        browser.is_accessible().await;
        browser.fits_fingers().await;
        let said = browser.text().await;
        assert!(!said.is_empty());
    };
    look("/staff", "page-first-manager").await;
    staffed(&house).await;
    browser.goto("/").await;
    browser.log_in(super::PIN).await;
    browser.see(".day").await;
    look(&format!("/customer/{customer}"), "page-customer").await;
    browser.see(".red").await;
    look("/customer/new", "page-new-customer").await;
    look("/station/chair-1", "page-welcome").await;
    look("/after", "page-after").await;
    look("/manager", "page-manager").await;
    look("/manager/log", "page-log").await;
    look("/trust", "page-trust").await;
    look("/devices", "page-devices").await;
    look("/staff", "page-staff").await;
    look("/report/nothing", "page-problem").await;
    look("/enrol", "page-enrol").await;
    look("/api/docs", "page-api").await;
    let (visit, capture) = seated(&house, &customer).await;
    look(&format!("/report/{visit}"), "page-station-report").await;
    browser.touch("#mend > summary").await;
    browser.see("#mend-search").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    look(&format!("/points/{capture}"), "page-points").await;
    browser.run("for (const step of document.querySelectorAll('.choices button')) step.click()").await;
    browser.is_accessible().await;
    look("/station/chair-1#arrive", "page-arrive").await;
    browser.touch(".panel.shown .mend summary").await;
    browser.see("#mend-search").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    look("/station/chair-1#consent", "page-consent").await;
    browser.sign().await;
    browser.is_accessible().await;
    browser.console_is_clean(&["404", "400"]).await;
    browser.close().await;
    house.close().await;
}

/// In the chair again, with a finished scan and a photograph; straight into the store, since the pages ask for a PIN by now.
async fn seated(house: &House, customer: &str) -> (VisitId, CaptureId) {
    let (store, customer) = (&house.store, customer.parse().expect("an id"));
    let visit = store.open_visit(customer, CHAIR.to_owned(), MANAGER.0.to_owned()).await.expect("a free chair");
    let plan = house.state.about.plan.clone();
    let scan = store.begin_scan(visit.id, Some(visit.version), Phase::Before, plan).await.expect("a scan").id;
    store.set_scan_state(scan, ScanState::Finished).await.expect("it ends");
    let file = crate::house::root().join("docs/report/front-before.jpg");
    let bytes = std::fs::read(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
    let new = NewCapture {
        scan,
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 480,
        height: 640,
        anchors: [[160.0, 256.0], [320.0, 256.0]],
        complaints: Vec::new(),
        camera: "room camera".to_owned(),
        taken: clock::now(),
    };
    (visit.id, store.save_capture(new, bytes).await.expect("a photograph").id)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page_on_a_tablet_in_the_dark() {
    every_page(Window { dark: true, name: "tablet-dark", ..TABLET }, "zh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page_on_a_phone_in_english() {
    every_page(PHONE, "en").await;
}

/// Two entries of one person become one by two taps; both visits stand under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_found_by_the_end_of_the_phone_number_and_doubles_are_merged() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let twin = json!({ "name": "林若曦", "phone": "13800006688", "notes": "耳后有小伤口" });
    let twin = house.post("/customers", None, twin).await.ok().text("/id");
    house.change_customer(&twin, json!({ "allergies": "坚果" })).await.ok();
    let browser = Browser::open(&house.address, DESKTOP, &camera(house.building.folder.path())).await;
    for words in ["6688", "A100", "若溪"] {
        browser.goto("/").await;
        browser.see("#search").await.send_keys(words).await.expect("typing");
        browser.see(&format!("#found a[href='/customer/{customer}']")).await;
    }
    browser.touch(&format!("#found a[href='/customer/{customer}']")).await;
    browser.touch("[data-post$='/join']").await;
    browser.page.accept_alert().await.expect("a question");
    // What may harm stood on one card each: both must be read from now on.
    browser.hear("果酸; 坚果").await;
    browser.hear("耳后有小伤口").await;
    let found = house.get("/customers?query=6688").await.ok();
    assert_eq!(found.body["customers"].as_array().map(Vec::len), Some(1));
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
