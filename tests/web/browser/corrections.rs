//! Mistakes mended where they are found: steps that were not done, a scan that begins again, a visit that has ended.

use super::{Browser, TABLET, camera, regular};
use crate::house::{CHAIR, House, Wanted, soon};
use serde_json::json;
use skinlink::domain::{Region, scan::Phase, scan::ScanState, visit::VisitState};
use std::time::Duration;

async fn in_the_chair(house: &House) -> String {
    let customer = regular(house).await.customer;
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok().text("/id")
}

async fn browser_at(house: &House, path: &str) -> Browser {
    let browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto(path).await;
    browser.see("main").await;
    browser
}

/// A step of one's own, or one noted in another language, had no key and could never be taken out again; and one that was refused
/// was gone from its field.
#[tokio::test(flavor = "multi_thread")]
async fn any_step_can_be_taken_out_and_a_refused_one_is_not_lost() {
    let house = House::new(Wanted::default()).await;
    let visit = in_the_chair(&house).await;
    let browser = browser_at(&house, "/station/chair-1#care").await;
    browser.see("#own-step [name=step]").await.send_keys("耳部按摩").await.expect("typing");
    browser.run("const real = fetch; window.fetch = (a, o) => (window.awake ? real(a, o) : Promise.reject(new Error('asleep')))").await;
    browser.touch("#own-step [type=submit]").await;
    browser.hear("网关没有回应").await;
    assert_eq!(browser.run("return document.querySelector('#own-step [name=step]').value").await, "耳部按摩");
    browser.run("window.awake = true").await;
    browser.touch("#own-step [type=submit]").await;
    browser.see("[data-done-step='耳部按摩']").await;
    browser.gives("return document.querySelector('#own-step [name=step]').value", "").await;
    browser.touch("[data-step='面膜']").await;
    browser.see("[data-done-step='面膜']").await;
    browser.goto("/station/chair-1?lang=en#care").await;
    browser.see("[data-done-step='面膜']").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    browser.touch("[data-done-step='耳部按摩'] [data-drop]").await;
    browser.see("[data-done-step='面膜']:only-child").await;
    browser.touch("[data-done-step='面膜'] [data-drop]").await;
    browser.gives("return String(document.querySelectorAll('[data-done-step]').length)", "0").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    assert_eq!(view.visit.steps, Vec::<String>::new());
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// The key that scans again sent that the probe was wiped, and dropped everything else the measurement depends on.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_begins_again_asks_for_its_conditions_too() {
    let house = House::new(Wanted { metrics: vec!["moisture"], ..Wanted::default() }).await;
    let visit = in_the_chair(&house).await;
    house.scan(&visit, Phase::Before).await;
    let browser = browser_at(&house, "/station/chair-1#before").await;
    browser.see(".panel.shown .values").await;
    // The foot switch begins nothing that is folded away.
    browser.see("body").await.send_keys("\u{E039}").await.expect("a key");
    browser.touch(".panel.shown #again-before summary").await;
    let climate = browser.see(".panel.shown #again-before [name=celsius]").await;
    climate.send_keys("23.5").await.expect("typing");
    browser.is_accessible().await;
    browser.touch(".panel.shown #again-before [type=submit]").await;
    browser.see(".panel.shown [data-scan][data-state='running']").await;
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    assert_eq!(view.scans.len(), 2, "one by the switch would be a third");
    let stated = house.store.conditions(view.scans[1].scan.id).await.expect("the store answers").expect("were stated");
    assert!(stated.probe_wiped && stated.rested_min.is_some(), "{stated:?}");
    assert_eq!(stated.celsius.map(|value| value.to_string()).as_deref(), Some("23.5"));
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

/// A mistake that was found after the visit had ended could be mended on no page.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_has_ended_is_mended_on_its_report() {
    let house = House::new(Wanted { metrics: vec!["moisture"], ..Wanted::default() }).await;
    let visit = in_the_chair(&house).await;
    let id = visit.parse().expect("an id");
    let view = async || house.store.visit_view(id).await.expect("the store answers");
    let other =
        house.post("/customers", None, json!({ "name": "赵一", "phone": "13711114321" })).await.ok().text("/id");
    house.scan(&visit, Phase::Before).await;
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    let values = async || {
        let view = view().await;
        let standing = view.scans[0].readings.iter().filter(|one| !one.voided);
        let mut values: Vec<_> = standing.map(|one| (one.item.region, one.item.value.to_string())).collect();
        values.sort_unstable_by_key(|(region, _)| region.as_str());
        values
    };
    let before = values().await;
    assert_eq!(before.iter().map(|(region, _)| *region).collect::<Vec<_>>(), [Region::Forehead, Region::Nose]);

    let browser = browser_at(&house, &format!("/report/{visit}")).await;
    browser.touch("#mend > summary").await;
    browser.see("#mend-search").await;
    browser.run("document.getElementById('mend').scrollIntoView()").await;
    browser.picture("tablet-zh-page-mend").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;

    // The probe was on the nose first: both values change places, and back.
    let forehead = "document.querySelector('[data-was=forehead]').closest('li').querySelector('select').value = 'nose'";
    browser.run(forehead).await;
    browser.touch("[data-was='forehead']").await;
    browser.hear("已更正").await;
    let swapped = values().await;
    assert_eq!((&swapped[0].1, &swapped[1].1), (&before[1].1, &before[0].1));
    let readings = view().await.scans[0].readings.clone();
    assert_eq!((readings.len(), readings.iter().filter(|one| one.voided).count()), (4, 2), "kept, with a trace");
    assert!(readings.iter().filter(|one| !one.voided).all(|one| one.item.repeats.len() == 2));

    // A scan of the wrong phase: moved and back by two taps; voided and back by two.
    let state = async || {
        let scan = view().await.scans[0].scan.clone();
        (scan.phase, scan.state)
    };
    let until = async |wanted: (Phase, ScanState)| {
        soon("the correction", async {
            while state().await != wanted {
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        })
        .await;
    };
    browser.touch("[data-mend$='/reassign']").await;
    until((Phase::After, ScanState::Finished)).await;
    browser.touch(".toast button").await;
    until((Phase::Before, ScanState::Finished)).await;
    browser.touch("#mend [data-mend^='/api/v1/scans/'][data-mend$='/void']").await;
    until((Phase::Before, ScanState::Voided)).await;
    browser.touch("#mend [data-mend^='/api/v1/scans/'][data-mend$='/restore']").await;
    until((Phase::Before, ScanState::Finished)).await;

    // Another customer's after all.
    browser.see("#mend-search").await.send_keys("4321").await.expect("typing");
    browser.touch("#mend-found button").await;
    browser.gives("return document.querySelector('.who b').textContent", "赵一").await;
    assert_eq!(view().await.customer.id.to_string(), other);
    browser.touch("#mend [data-mend^='/api/v1/visits/'][data-mend$='/void']").await;
    browser.page.accept_alert().await.expect("a question");
    browser.touch("header [data-mend$='/restore']").await;
    browser.gives("return String(document.querySelector('header [data-mend]') === null)", "true").await;
    assert_eq!(view().await.visit.state, VisitState::Closed);
    assert!(house.store.verify_audit().await.expect("the store answers").is_ok());
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
