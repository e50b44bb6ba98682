//! The service sheet as a beautician fills it in: another treatment, a level, a batch that is filled in the next time, a remark by
//! taps, and signatures that cost no tap of their own.

use super::{Browser, DESKTOP, MANAGER, PHONE, PIN, TABLET, Window, camera, regular, staffed};
use crate::house::{CHAIR, House, Wanted};
use serde_json::json;

async fn visit(house: &House, customer: &str) -> String {
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id")
}

/// Draws a line on a pad, as a finger does.
async fn sign(browser: &Browser, phase: &str) {
    let script = format!(
        "const pad = document.querySelector('[data-pad={phase}]');
        pad.scrollIntoView({{ block: 'center' }});
        const box = pad.getBoundingClientRect();
        const at = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {{ pointerId: 1, bubbles: true, clientX: box.left + x, clientY: box.top + y }}));
        pad.setPointerCapture = () => {{}};
        at('pointerdown', 20, 40); at('pointermove', 60, 70); at('pointermove', 120, 30); at('pointerup', 120, 30);
        return pad.querySelector('path').getAttribute('d')"
    );
    let drawn = browser.run(&script).await;
    assert!(drawn.as_str().is_some_and(|path| path.starts_with('M') && path.contains('L')), "{drawn}");
}

async fn filled_in(window: Window, lang: &str) {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let first = visit(&house, &customer).await;
    staffed(&house).await;
    let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    let shown = |part: &str| format!("{}-{lang}-{part}", window.name);
    browser.goto(&format!("/login?lang={lang}&next=/station/{CHAIR}%23care")).await;
    browser.log_in(PIN).await;
    browser.see(".panel.shown[data-panel='care'] .presets").await;
    // Booked was moisturising care: its steps stand here; another one is a tap away and there to stay.
    assert_eq!(browser.run("return document.querySelectorAll('.presets button').length").await, 7);
    browser.touch("#done-steps [data-body*='deep-cleansing']").await;
    browser.see("[data-body*='deep-cleansing'][aria-pressed='true']").await;
    browser.see(".presets button:nth-child(6)").await;
    assert_eq!(browser.run("return document.querySelectorAll('.presets button').length").await, 6);
    browser.touch("#done-steps [data-body*='\"moisture\"']").await;
    browser.see(".presets button:nth-child(7)").await;

    browser.touch(".presets button:nth-child(4)[aria-pressed='false']").await;
    browser.touch("details.note summary").await;
    browser.see("details.note[open] form").await;
    browser.touch("details.note .pick:has([name='level'][value='3'])").await;
    let batch = browser.see("details.note [name='batch-玻尿酸精华']").await;
    batch.send_keys("H2609").await.expect("typing");
    browser.gives("return String(document.querySelector('[name=product-玻尿酸精华]').checked)", "true").await;
    browser.touch("details.note [data-remark]:last-of-type").await;
    browser.picture(&shown("care-note")).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    super::pages::speaks_one_language(&browser).await;
    browser.touch("details.note [type=submit]").await;
    browser.see(".done-list .noted").await;
    browser.hear("H2609").await;
    browser.gives("return String(document.querySelector('details.note').open)", "false").await;
    browser.picture(&shown("care-noted")).await;
    let notes = house.store.step_notes(first.parse().expect("an id")).await.expect("the store answers");
    let noted = &notes[0].noted;
    assert_eq!((noted.level, noted.products.len(), noted.products[0].batch.as_str()), (Some(3), 1, "H2609"));
    assert_eq!(noted.products[0].product, "玻尿酸精华", "kept by one name whatever the page speaks");
    assert!(!noted.remark.is_empty());

    // Signed with the tap that goes on; signed after with the tap that closes.
    browser.goto(&format!("/station/{CHAIR}#talk")).await;
    browser.see(".panel.shown[data-panel='talk'] [data-pad]").await;
    sign(&browser, "before").await;
    browser.picture(&shown("care-signed")).await;
    browser.is_accessible().await;
    browser.touch(".panel.shown [data-signs='before']").await;
    browser.gives("return String(document.querySelector('#signed-before time') !== null)", "true").await;
    browser.goto(&format!("/station/{CHAIR}#goodbye")).await;
    browser.see(".panel.shown[data-panel='goodbye'] [data-pad]").await;
    sign(&browser, "after").await;
    browser.is_accessible().await;
    browser.touch("#close-visit").await;
    browser.see(".today .chairs").await;
    let signed = house.store.signed(first.parse().expect("an id")).await.expect("the store answers");
    assert_eq!(signed.iter().map(|one| one.phase.as_str()).collect::<Vec<_>>(), ["before", "after"]);

    // The next customer: the batch that is open on the shelf is filled in already.
    let customer = customer.parse().expect("an id");
    house.store.open_visit(customer, CHAIR.to_owned(), MANAGER.0.to_owned()).await.expect("the chair is free");
    browser.goto(&format!("/station/{CHAIR}#care")).await;
    browser.touch(".presets button:nth-child(4)[aria-pressed='false']").await;
    browser.touch("details.note summary").await;
    browser.see("details.note[open] form").await;
    browser.gives("return document.querySelector('[name=batch-玻尿酸精华]').value", "H2609").await;
    assert_eq!(browser.run("return document.querySelector('[name=product-玻尿酸精华]').checked").await, false);

    // The day in sum, and the file behind it.
    browser.goto("/manager/log").await;
    browser.hear("H2609").await;
    browser.picture(&shown("log")).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    super::pages::speaks_one_language(&browser).await;
    let file = "const answer = await fetch(document.querySelector('a[download]').href); return `${answer.status} ${(await answer.text()).includes('H2609')}`";
    assert_eq!(browser.run(file).await, "200 true");
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_sheet_on_a_tablet_in_simplified_chinese() {
    filled_in(TABLET, "zh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_sheet_on_a_phone_in_traditional_chinese() {
    filled_in(PHONE, "hant").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_sheet_on_a_desktop_in_english() {
    filled_in(DESKTOP, "en").await;
}
