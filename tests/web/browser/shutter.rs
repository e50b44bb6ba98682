//! The camera's dialog: what it says is seen above it, it films nobody once it is closed, and a contact scope photographs too.

use super::{Browser, TABLET, camera, regular};
use crate::house::{CHAIR, House, Wanted};
use serde_json::json;
use skinlink::{
    domain::{
        capture::{Format, View},
        scan::Phase,
    },
    store::PictureRole,
};

async fn at_the_camera(house: &House) -> (Browser, String) {
    let customer = regular(house).await.customer;
    let visit = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id");
    house.scan(&visit, Phase::Before).await;
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/station/chair-1#before").await;
    browser.see(".panel.shown [data-camera]").await;
    (browser, visit)
}

/// What was refused, or what the gates advise, was said under the open dialog, where nobody sees it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_the_camera_is_open_can_be_read() {
    let house = House::new(Wanted::default()).await;
    let (browser, visit) = at_the_camera(&house).await;
    browser.touch(".panel.shown [data-camera]").await;
    browser.see("#camera-which option").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    let no = json!({ "text_version": "2026-11", "channel": "station", "signature": "", "purposes": { "photograph": false } });
    house.post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), no).await.ok();
    // However slow the machine: what is said stays until it was looked for.
    browser.run("const real = setTimeout; window.setTimeout = (what, ms) => real(what, ms > 3000 ? 900000 : ms)").await;
    browser.touch("#camera-shoot:not([disabled])").await;
    browser.hear("顾客还没有同意拍照").await;
    let on_top = "const box = document.querySelector('.toast').getBoundingClientRect();
        const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        return String(Boolean(there?.closest('.toast')))";
    browser.gives(on_top, "true").await;
    browser.touch("#camera-close").await;
    // What was said stays when the dialog goes.
    browser.gives("return String(Boolean(document.querySelector('body > .toast')))", "true").await;
    browser.console_is_clean(&["403"]).await;
    browser.close().await;
    house.close().await;
}

/// Closed while the browser still asked for leave, the camera went on filming with nobody watching.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_opens_after_its_dialog_was_closed_films_nothing() {
    let house = House::new(Wanted::default()).await;
    let (browser, _) = at_the_camera(&house).await;
    let slow = "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); window.given = [];
        navigator.mediaDevices.getUserMedia = async (wanted) => { await new Promise((go) => { window.allow = go; });
        const stream = await real(wanted); window.given.push(...stream.getTracks()); return stream; }";
    browser.run(slow).await;
    browser.touch(".panel.shown [data-camera]").await;
    browser.gives("return typeof window.allow", "function").await;
    browser.touch("#camera-close").await;
    browser.run("window.allow()").await;
    browser.gives("return window.given.map((track) => track.readyState).join()", "ended").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// A contact scope's photograph was refused, in a Chinese page with an English reason: the browser knew nothing of its pixels.
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_scope_photographs_with_the_pixels_of_its_station() {
    let house = House::new(Wanted { views: vec![View::Close], scope: Some(12.5), ..Wanted::default() }).await;
    let (browser, visit) = at_the_camera(&house).await;
    browser.touch(".panel.shown [data-camera]").await;
    browser.see("#camera-which option").await;
    browser.touch("#camera-shoot:not([disabled])").await;
    browser.see(".panel.shown [data-taken]").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    let kept = &view.scans[0].captures[0].item;
    assert_eq!((kept.view, kept.anchors), (View::Close, [[0.0, 0.0], [80.0, 0.0]]), "a millimetre has 80 pixels");
    // Thumbnails were the originals: once the picture of reports is made, pages show that one.
    let kept = kept.id;
    let bytes = async |query: &str| {
        let path = format!("/api/v1/captures/{kept}/picture{query}");
        house
            .request(reqwest::Method::GET, &path)
            .send()
            .await
            .expect("an answer")
            .bytes()
            .await
            .expect("a picture")
            .len()
    };
    let original = bytes("").await;
    assert_eq!(bytes("?size=small").await, original, "not made yet");
    house.store.save_picture(kept, PictureRole::Report, Format::Jpeg, vec![0xff; 900]).await.expect("it is kept");
    assert_eq!((bytes("?size=small").await, bytes("").await), (900, original));
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;

    // Where nobody said it, the page says what is missing, in its own language.
    let house = House::new(Wanted { views: vec![View::Close], ..Wanted::default() }).await;
    let (browser, visit) = at_the_camera(&house).await;
    let path = format!("/visits/{visit}/captures?phase=before&view=close");
    let photo = std::fs::read(crate::house::root().join("docs/report/front-before.jpg")).expect("a photograph");
    let refused = house.upload(&path, house.version(&visit).await, photo).await.refused(400, "malformed");
    assert!(refused.text("/error/zh").contains("皮肤镜") && refused.text("/error/now").contains("micrometres"));
    let warm = json!({ "phase": "after", "conditions": { "probe_wiped": true, "celsius": "100" } });
    let path = format!("/visits/{visit}/scans");
    let refused = house.post(&path, Some(house.version(&visit).await), warm).await.refused(400, "malformed");
    assert_eq!(refused.text("/error/zh"), "室温请填零下 20 到 60 之间的数字。");
    browser.close().await;
    house.close().await;
}
