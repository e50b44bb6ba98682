//! Links to reports and what customers say, over the HTTP interface.

use crate::house::{CHAIR, House, Wanted};
use serde_json::json;

async fn seated(house: &House, purposes: &serde_json::Value) -> (String, u64) {
    let customer = house.post("/customers", None, json!({"name": "Zhang"})).await.ok().text("/id");
    let opened = house.post("/visits", None, json!({"customer": customer, "station": CHAIR})).await.ok();
    let visit = opened.text("/id");
    let said = json!({"text_version": "1", "channel": "station", "purposes": purposes});
    let agreed = house.post(&format!("/visits/{visit}/consents"), Some(1), said).await.ok();
    (visit, agreed.version())
}

#[tokio::test]
async fn a_link_is_made_shown_once_as_a_code_and_taken_back() {
    let house = House::new(Wanted::default()).await;
    let (visit, _) = seated(&house, &json!({"measure": true})).await;
    let path = format!("/visits/{visit}/link");
    house.post(&path, None, json!({})).await.refused(403, "no_consent");
    let said = json!({"text_version": "1", "channel": "station", "purposes": {"deliver_report": true}});
    house.post(&format!("/visits/{visit}/consents"), Some(2), said).await.ok();
    let link = house.post(&path, None, json!({"staff": "b-07"})).await.ok();
    let (url, qr) = (link.text("/url"), link.text("/qr"));
    let token = url.strip_prefix("https://reports.example/r/").expect("the public address");
    assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{url}");
    assert!(qr.starts_with("<svg") && !qr.contains("style="), "{}", &qr[..60]);
    let again = house.post(&path, None, json!({})).await.ok().text("/url");
    assert_ne!(again, url, "each link has a token of its own");
    let ended = house.post(&format!("/visits/{visit}/unlink"), None, json!({})).await.ok();
    assert_eq!(ended.body["ended"], 2);
    house.post("/visits/01932f00-0000-7000-8000-000000000001/link", None, json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn whoever_waits_for_the_report_is_listed_until_there_is_a_link() {
    let house = House::new(Wanted::default()).await;
    let (visit, version) = seated(&house, &json!({"measure": true, "deliver_report": true})).await;
    let due = async || house.get("/reports/due").await.ok().body["reports"].clone();
    assert_eq!(due().await, json!([]), "the visit is still open");
    house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await.ok();
    let waiting = due().await;
    assert_eq!((waiting[0]["visit"].as_str(), waiting[0]["late"].as_bool()), (Some(visit.as_str()), Some(false)));
    house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok();
    assert_eq!(due().await, json!([]));
    assert_eq!(house.get("/feedback").await.ok().body, json!({"feedback": []}));
    let nobody = "/feedback/01932f00-0000-7000-8000-000000000001";
    house.post(&format!("{nobody}/solved"), None, json!({})).await.refused(404, "not_found");
    house.post(&format!("{nobody}/forgotten"), None, json!({})).await.refused(404, "not_found");
}
