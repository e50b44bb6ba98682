//! Whom headquarters names, on the pages of the store: seen, given a PIN, logged in.

use super::{Browser, DESKTOP, MANAGER, PHONE, TABLET, Window, camera, staffed};
use crate::house::{House, Wanted};
use skinlink::sync::downlink::{Colleague, Duty};

async fn told(house: &House, version: u64, people: &[(&str, &str, Duty)]) {
    let one = |(id, name, role): &(&str, &str, Duty)| Colleague { id: (*id).into(), name: (*name).into(), role: *role };
    let people = people.iter().map(one).collect();
    house.store.take_staff("book-1".to_owned(), version, people).await.expect("taken");
}

async fn tries(browser: &Browser, person: &str, pin: &str) {
    browser.touch(&format!("[data-person='{person}']")).await;
    for digit in pin.chars() {
        browser.touch(&format!("[data-key='{digit}']")).await;
    }
    browser.touch("[data-key='ok']").await;
}

/// A name stands on the log-in page before anybody gave it a PIN: whoever taps it is told whom to ask. The manager sets the PIN and cannot
/// write into the name.
async fn named_by_headquarters(window: Window, lang: &str, [missing, asks]: [&str; 2]) {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let long = "Alexandra Konstantinopolskaja-Papadopoulos von und zu Hohen";
    told(&house, 1, &[("b-07", "林晓", Duty::Beautician), ("t-01", long, Duty::Technician)]).await;
    let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    browser.goto(&format!("/login?lang={lang}")).await;
    tries(&browser, "b-07", "4711").await;
    browser.hear(asks).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    browser.picture(&format!("{}-{lang}-page-login-named", window.name)).await;
    browser.goto("/login").await;
    tries(&browser, MANAGER.0, super::PIN).await;
    browser.see(".today .chairs").await;
    browser.goto("/staff").await;
    browser.hear(missing).await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    browser.picture(&format!("{}-{lang}-page-staff-named", window.name)).await;
    for id in ["b-07", "t-01"] {
        browser.touch(&format!("[data-edit='{id}']")).await;
        browser.gives("return String(document.querySelector('#staff-form [name=name]').readOnly)", "true").await;
        browser.gives("return String(document.querySelector('#staff-form [name=role]').disabled)", "true").await;
        browser.see("#staff-form [name=pin]").await.send_keys("4711").await.expect("keys");
        browser.run("window.before = true").await;
        browser.touch("#staff-form button[type=submit]").await;
        browser.gives("return String(window.before === undefined && document.readyState)", "complete").await;
    }
    let members = house.store.members().await.expect("a list");
    assert!(members.iter().all(|one| one.has_pin), "{members:?}");
    browser.goto("/login").await;
    tries(&browser, "b-07", "4711").await;
    browser.see(".today .chairs").await;
    // Headquarters takes her off its list: what she has open is over.
    told(&house, 2, &[("t-01", "Jo", Duty::Technician)]).await;
    browser.goto("/").await;
    browser.see(".faces").await;
    browser.gives("return String(document.querySelectorAll(\"[data-person='b-07']\").length)", "0").await;
    browser.console_is_clean(&["401"]).await;
    browser.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colleagues_of_headquarters_on_a_desktop_in_simplified_chinese() {
    named_by_headquarters(DESKTOP, "zh", ["总部名单", "还没有 PIN，请店长"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colleagues_of_headquarters_on_a_phone_in_traditional_chinese() {
    named_by_headquarters(PHONE, "hant", ["總部名單", "還沒有 PIN，請店長"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colleagues_of_headquarters_on_a_tablet_in_english() {
    named_by_headquarters(TABLET, "en", ["from headquarters", "the manager sets one"]).await;
}
