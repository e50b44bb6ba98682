//! What a page weighs and when it is first painted. Weight is held here; times are printed, since a busy machine says nothing of a
//! page (`make taps`).

use super::{Browser, TABLET, camera, regular, staffed};
use crate::house::{House, Wanted};
use serde_json::json;
use skinlink::domain::scan::Phase;

/// Bytes of a page with its styles, scripts and drawings, without photographs, as they travel.
const HEAVIEST: u64 = 150_000;

/// Every page a beautician meets, fetched as by a tablet that was never here, photographs apart.
#[tokio::test(flavor = "multi_thread")]
async fn no_page_weighs_more_than_a_photograph_on_a_telephone() {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let visit =
        house.post("/visits", None, json!({ "customer": customer, "station": "chair-1" })).await.ok().text("/id");
    house.scan(&visit, Phase::Before).await;
    house.scan(&visit, Phase::After).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    staffed(&house).await;
    let browser = Browser::open_alone(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/login").await;
    browser.log_in(super::PIN).await;
    browser.see(".today .chairs").await;
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
    let pages = [
        "/".to_owned(),
        "/login".to_owned(),
        format!("/customer/{customer}"),
        "/station/chair-1".to_owned(),
        format!("/compare/{visit}"),
        format!("/report/{visit}"),
        "/after".to_owned(),
        "/devices".to_owned(),
        "/staff".to_owned(),
        "/manager".to_owned(),
        "/manager/log".to_owned(),
    ];
    let mut heaviest = 0;
    for path in pages {
        browser.goto(&path).await;
        browser.see("main").await;
        // The browser notes a paint once its frame is through.
        browser.gives("return String(performance.getEntriesByType('paint').length > 0)", "true").await;
        let found = browser.run(MEASURED).await;
        let bytes = found["bytes"].as_u64().expect("a number");
        let name = path.trim_start_matches('/');
        println!("/{name}: {bytes} bytes, first paint {} ms", found["paint"]);
        assert!((1_000..=HEAVIEST).contains(&bytes), "/{name} weighs {bytes} bytes: {}", found["parts"]);
        assert!(found["paint"].as_f64().is_some_and(|ms| ms > 0.0), "/{name} was never painted: {found}");
        heaviest = heaviest.max(bytes);
    }
    println!("the heaviest page weighs {heaviest} bytes");
    browser.close().await;
    house.close().await;
}

/// The page itself and what it fetched, with headers; photographs and the stream of news apart.
const MEASURED: &str = "
    const [page] = performance.getEntriesByType('navigation');
    const parts = performance.getEntriesByType('resource').filter((one) => !/\\/picture$|\\/api\\/v1\\/events/.test(new URL(one.name).pathname));
    const paint = performance.getEntriesByName('first-contentful-paint')[0] ?? performance.getEntriesByType('paint')[0];
    return {
        bytes: page.transferSize + parts.reduce((sum, one) => sum + one.transferSize, 0),
        paint: paint ? Math.round(paint.startTime) : null,
        parts: parts.map((one) => `${new URL(one.name).pathname} ${one.transferSize}`).join(', '),
    };";
