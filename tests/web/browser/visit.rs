//! A whole returning visit, tapped through as a beautician does it.

use super::{Browser, DESKTOP, PHONE, TABLET, Window, camera, press_all, regular, show, staffed};
use crate::house::{House, Wanted, metric};
use skinlink::{
    domain::{Region, capture::View, scan::Phase},
    sim::Truth,
};

/// Taps of a returning visit: log-in, shutter, signature strokes, typing and the analyser's own button not counted, five
/// treatment steps counted.
const MOST_TAPS: usize = 25;

/// Pairs of window and language whose pictures are kept: each window and each language once.
const KEPT: [(&str, &str); 3] = [("tablet", "zh"), ("phone", "hant"), ("desktop", "en")];

/// Whose visit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Somebody who has been here, agreed to everything, and waits.
    Regular,
    /// Somebody who walks in for the first time.
    New,
}

async fn whole_visit(window: Window, lang: &str, whose: Whose) {
    let mut truth = Truth::plausible();
    truth.plant(&metric("moisture"), Region::Forehead, Phase::After, 58.0);
    let house = House::new(Wanted { truth, ..Wanted::default() }).await;
    if whose == Whose::Regular {
        regular(&house).await;
    }
    staffed(&house).await;
    let mut browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    let shown = |step: &str| {
        let kept = KEPT.contains(&(window.name, lang)) && whose == Whose::Regular || step == "02-consent";
        if kept { format!("{}-{lang}-{step}", window.name) } else { String::new() }
    };
    browser.goto(&format!("/login?lang={lang}")).await;
    browser.see(".faces").await;
    looked_at(&browser, &shown("01-login")).await;
    browser.log_in(super::PIN).await;

    match whose {
        Whose::Regular => seat(&mut browser, &shown("02-today")).await,
        Whose::New => welcome(&mut browser, &shown("02-consent")).await,
    }
    looked_at(&browser, &shown("03-questions")).await;
    browser.tap("#questions [type=submit]").await;

    browser.see(".panel.shown[data-panel='before']").await;
    looked_at(&browser, &shown("04-before")).await;
    browser.tap(".panel.shown [data-begin] [type=submit]").await;
    browser.see(".panel.shown .say").await;
    looked_at(&browser, &shown("05-scan")).await;
    house.building.analyser.set_phase(Phase::Before).await.expect("the analyser runs");
    press_all(&house, &browser).await;
    browser.tap(".panel.shown [data-post$='/finish'].primary").await;
    photographs(&house, &mut browser, Phase::Before, &shown("06-camera")).await;
    browser.see(".panel.shown a[href^='/points/']").await;
    browser.run("document.querySelector('.toast')?.remove()").await;
    looked_at(&browser, &shown("07-measured")).await;
    browser.tap(".panel.shown a[href='#talk']").await;

    browser.see(".panel.shown[data-panel='talk']").await;
    looked_at(&browser, &shown("08-talk")).await;
    browser.tap(".panel.shown [data-on]").await;
    browser.see(".panel.shown[data-panel='care']").await;
    for nth in [1, 2, 3, 5, 6] {
        browser.tap(&format!(".presets button:nth-child({nth})[aria-pressed='false']")).await;
        browser.see(&format!(".presets button:nth-child({nth})[aria-pressed='true']")).await;
    }
    looked_at(&browser, &shown("09-care")).await;
    browser.tap(".panel.shown a[href='#after']").await;

    house.building.analyser.set_phase(Phase::After).await.expect("the analyser runs");
    browser.tap(".panel.shown[data-panel='after'] [data-begin] [type=submit]").await;
    press_all(&house, &browser).await;
    browser.tap(".panel.shown [data-post$='/finish'].primary").await;
    photographs(&house, &mut browser, Phase::After, &shown("10-ghost")).await;
    browser.tap(".panel.shown [data-post$='/comparison'].primary").await;

    browser.see(".panel.shown .compared").await;
    looked_at(&browser, &shown("11-result")).await;
    browser.tap(".panel.shown a[href='#report']").await;
    browser.see(".panel.shown[data-panel='report']").await;
    looked_at(&browser, &shown("12-report-step")).await;
    browser.tap(".panel.shown [data-on]").await;
    browser.see(".panel.shown[data-panel='rating']").await;
    looked_at(&browser, &shown("13-rating")).await;
    browser.tap("[data-stars='5']").await;
    browser.see(".panel.shown[data-panel='goodbye']").await;
    let days = if whose == Whose::Regular { 15 } else { 14 };
    browser.tap(&format!("[data-days='{days}']")).await;
    looked_at(&browser, &shown("14-goodbye")).await;
    browser.tap("#close-visit").await;
    browser.see(".today .chairs").await;
    assert!(whose == Whose::New || browser.taps.len() <= MOST_TAPS, "{} taps: {:#?}", browser.taps.len(), browser.taps);
    println!("{} {lang}: {} taps", window.name, browser.taps.len());

    let visit = house.store.recent_visits(1).await.expect("the store answers").remove(0);
    let view = house.store.visit_view(visit.id).await.expect("the store answers");
    assert_eq!(visit.beautician, "b-01", "whoever was logged in signs");
    assert_eq!((visit.steps.len(), view.scans.len(), view.comparisons.len()), (5, 2, 1));
    assert_eq!(view.scans.iter().map(|scan| scan.captures.len()).collect::<Vec<_>>(), [3, 3]);
    let sheet = house.store.sheet(visit.id).await.expect("the store answers");
    assert_eq!((sheet.stars, sheet.next_day.len()), (Some(5), 10));
    let conditions =
        house.store.conditions(view.scans[0].scan.id).await.expect("the store answers").expect("were asked");
    assert!(conditions.probe_wiped && conditions.rested_min.is_some());

    browser.goto(&format!("/compare/{}", visit.id)).await;
    browser.see(".photos img").await;
    for mode in ["side", "wipe", "difference"] {
        browser.touch(&format!("[data-mode='{mode}']:not(figure)")).await;
        looked_at(&browser, &shown(&format!("15-compare-{mode}"))).await;
    }
    browser.goto(&format!("/report/{}", visit.id)).await;
    browser.see("main.report").await;
    browser.picture(&shown("16-report")).await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// Today: who waits, with the warning; one tap seats her. Agreed long ago, so the questions come first, filled in from last time.
async fn seat(browser: &mut Browser, picture: &str) {
    browser.see(".day .waiting").await;
    browser.see(".day .alarm").await;
    looked_at(browser, picture).await;
    browser.tap("[data-seat]").await;
    browser.see(".red.bar").await;
    browser.see(".panel.shown[data-panel='questions']").await;
    let feels = browser.run("return document.querySelector('[name=skin_state]:checked').value").await;
    assert_eq!(feels, "tight", "filled in from last time");
}

/// Nobody knows her yet: a record, a chair, and what she agrees to, signed on the tablet.
async fn welcome(browser: &mut Browser, picture: &str) {
    browser.tap("a[href='/customer/new']").await;
    browser.see("#record [name='name']").await.send_keys("林若溪").await.expect("typing");
    browser.tap("#record [type=submit]").await;
    browser.tap("[data-seat]").await;
    browser.see(".panel.shown[data-panel='consent']").await;
    for purpose in ["measure", "photograph", "keep_photographs", "deliver_report", "share_numbers"] {
        browser.tap(&format!("[name='{purpose}']")).await;
    }
    browser.sign().await;
    looked_at(browser, picture).await;
    browser.tap("#agreement [type=submit]").await;
    browser.see(".panel.shown[data-panel='questions']").await;
}

/// The camera opens by one tap; the shutter takes one view after the other.
async fn photographs(house: &House, browser: &mut Browser, phase: Phase, picture: &str) {
    let folder = house.building.folder.path();
    show(folder, phase, View::Front);
    browser.tap(&format!(".panel.shown[data-panel='{phase}'] [data-camera]")).await;
    for (taken, view) in (1..).zip([View::Front, View::Left, View::Right]) {
        browser.see("#camera-which option").await;
        if taken > 1 {
            // The head turns.
            show(folder, phase, view);
            let again = "const was = document.getElementById('camera-video').srcObject?.id;
                document.getElementById('camera-which').dispatchEvent(new Event('change')); return was";
            let was = browser.run(again).await;
            browser.gives(&format!("const now = document.getElementById('camera-video'); return String(Boolean(now.srcObject) && now.srcObject.id !== {was} && now.currentTime > 0.2)"), "true").await;
        }
        if taken == 1 {
            // The bars move once the camera gives pictures.
            let moving = "return document.getElementById('camera-sharp').value > 0 && document.getElementById('camera-video').currentTime > 0.6";
            crate::house::soon("a live picture", async {
                while browser.run(moving).await != true {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            })
            .await;
            // The fake camera bears the name of its file.
            browser.run("for (const one of document.querySelectorAll('#camera-which option')) one.textContent = 'Skin Scope 4K'").await;
            browser.picture(picture).await;
        }
        browser.touch("#camera-shoot:not([disabled])").await;
        let kept =
            format!("return document.querySelectorAll(\"[data-panel='{phase}'] [data-taken]\").length >= {taken}");
        crate::house::soon("a photograph", async {
            while browser.run(&kept).await != true {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    crate::house::soon("the camera closes", async {
        while browser.run("return document.getElementById('camera').open").await == true {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Nothing wrong for a screen reader, nothing too small for a glove, nothing in another language; and a picture of it.
async fn looked_at(browser: &Browser, name: &str) {
    browser.picture(name).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    super::pages::speaks_one_language(browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_tablet_in_simplified_chinese() {
    whole_visit(TABLET, "zh", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_phone_in_traditional_chinese() {
    whole_visit(PHONE, "hant", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_desktop_in_english() {
    whole_visit(DESKTOP, "en", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_tablet_in_english() {
    whole_visit(TABLET, "en", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_phone_in_simplified_chinese() {
    whole_visit(PHONE, "zh", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_visit_on_a_desktop_in_traditional_chinese() {
    whole_visit(DESKTOP, "hant", Whose::Regular).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_on_a_tablet_in_traditional_chinese() {
    whole_visit(TABLET, "hant", Whose::New).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_on_a_phone_in_english() {
    whole_visit(PHONE, "en", Whose::New).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_on_a_desktop_in_simplified_chinese() {
    whole_visit(DESKTOP, "zh", Whose::New).await;
}
