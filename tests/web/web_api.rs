//! The calls of `docs/contracts/api.md`, each held to its word.

use crate::house::{CHAIR, House, SERIAL, Wanted};
use serde_json::{Value, json};
use skinlink::domain::scan::Phase;

/// A small picture that is a real JPEG, with a metadata segment that must not be kept.
fn picture() -> Vec<u8> {
    let mut pixels = image::RgbImage::new(64, 80);
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        *pixel = image::Rgb([200, 150 + (x % 50) as u8, 120 + (y % 60) as u8]);
    }
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90)
        .encode_image(&pixels)
        .expect("room for a small picture");
    let comment = b"\xFF\xFE\x00\x10name of someone";
    [&jpeg[..2], &comment[..18], &jpeg[2..]].concat()
}

#[tokio::test]
async fn customers_are_made_and_found_by_name_and_phone() {
    let house = House::new(Wanted::default()).await;
    let body = json!({"name": "林女士", "phone": "13800000000", "skin_type": "油性", "notes": "对果酸敏感"});
    let made = house.post("/customers", None, body).await.ok();
    assert_eq!((made.status.as_u16(), made.version()), (201, 1));
    for query in ["林", "1380", "%E6%9E%97%E5%A5%B3"] {
        let found = house.get(&format!("/customers?query={query}")).await.ok();
        let mut found = found.body["customers"][0].clone();
        found["version"] = json!(1);
        assert_eq!(found, made.body, "{query}");
    }
    assert_eq!(house.get("/customers?query=100%25").await.ok().body, json!({ "customers": [] }));
    house.close().await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_the_field() {
    let house = House::new(Wanted::default()).await;
    for (body, place) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(81)}), "name"),
        (json!({"name": "a\u{1}"}), "name"),
        (json!({"name": "a", "nmae": "b"}), "body"),
        (json!({}), "body"),
        (json!([]), "body"),
        (json!({"name": 5}), "body"),
    ] {
        let told = house.post("/customers", None, body).await.refused(400, "malformed");
        assert_eq!(told.text("/error/where"), place);
    }
    house.get("/customers?qurey=a").await.refused(400, "malformed");
    house.get("/visits/not-an-id").await.refused(400, "malformed");
    house.get("/visits/01919d3e-7c00-7abc-8def-0123456789ab").await.refused(404, "not_found");
    house.get("/nothing").await.refused(404, "not_found");
    house.post("/stations", None, json!({})).await.refused(405, "wrong_method");
    let text = house.request(reqwest::Method::POST, "/api/v1/customers").header("x-skinlink", "1").body("{}");
    house.send(text).await.refused(415, "no_json");
    let long = json!({ "name": "a", "notes": "x".repeat(70_000) });
    house.post("/customers", None, long).await.refused(413, "too_large");
    assert_eq!(house.get("/customers?query=").await.ok().body, json!({ "customers": [] }), "nothing was changed");
    house.close().await;
}

#[tokio::test]
async fn every_prefix_of_a_body_is_refused_or_understood_but_never_a_fault() {
    let house = House::new(Wanted::default()).await;
    let whole = json!({"name": "林女士", "phone": "1"}).to_string();
    for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
        let request = house.request(reqwest::Method::POST, "/api/v1/customers").header("x-skinlink", "1");
        let request = request.header("content-type", "application/json").body(whole[..cut].to_owned());
        house.send(request).await.refused(400, "malformed");
    }
    house.close().await;
}

#[tokio::test]
async fn a_chair_seats_one_customer() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let other = house.post("/customers", None, json!({"name": "周女士"})).await.ok().text("/id");
    let opening = json!({"customer": other, "station": CHAIR, "beautician": "b-07"});
    house.post("/visits", None, opening.clone()).await.refused(409, "busy");
    let nowhere = json!({"customer": other, "station": "chair-9"});
    house.post("/visits", None, nowhere).await.refused(404, "not_found");
    let closed = house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    assert_eq!(closed.body["state"], "closed");
    let opened = house.post("/visits", None, opening).await.ok();
    assert_eq!((opened.status.as_u16(), opened.tag), (201, Some(opened.version())));
    let listed = house.get("/visits?limit=1").await.ok();
    assert_eq!(listed.body["visits"][0]["customer_name"], "周女士");
    house.close().await;
}

#[tokio::test]
async fn a_write_names_the_version_it_saw() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let steps = json!({"steps": ["清洁"]});
    let path = format!("/visits/{visit}/steps");
    house.post(&path, None, steps.clone()).await.refused(428, "no_version");
    let seen = house.version(&visit).await;
    let done = house.post(&path, Some(seen), steps.clone()).await.ok();
    assert_eq!((done.tag, done.body["steps"].clone()), (Some(seen + 1), json!(["清洁"])));
    let stale = house.post(&path, Some(seen), json!({"steps": []})).await.refused(409, "stale");
    assert_eq!((stale.tag, stale.body["current"]["version"].as_u64()), (Some(seen + 1), Some(seen + 1)));
    assert_eq!(stale.body["current"]["steps"], json!(["清洁"]), "nothing was lost");
    for verb in
        ["close", "comparison", "reassign", "void", "restore", "consents", "scans", "captures?phase=before&view=front"]
    {
        house.post(&format!("/visits/{visit}/{verb}"), None, json!({})).await.refused(428, "no_version");
    }
    house.close().await;
}

#[tokio::test]
async fn without_consent_nothing_is_measured_or_photographed() {
    let house = House::new(Wanted::default()).await;
    let customer = house.post("/customers", None, json!({"name": "林女士"})).await.ok().text("/id");
    let visit = house.post("/visits", None, json!({"customer": customer, "station": CHAIR})).await.ok().text("/id");
    let begin = format!("/visits/{visit}/scans");
    house.post(&begin, Some(house.version(&visit).await), json!({"phase": "before"})).await.refused(403, "no_consent");
    let measure_only =
        json!({"text_version": "1", "channel": "station", "purposes": {"measure": true, "photograph": false}});
    let agreed =
        house.post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), measure_only).await.ok();
    assert_eq!(agreed.body["consents"]["measure"], true);
    assert_eq!(agreed.body["consents"]["deliver_report"], Value::Null, "nobody asked");
    house.post(&begin, Some(house.version(&visit).await), json!({"phase": "before"})).await.ok();
    let upload = format!("/visits/{visit}/captures?phase=before&view=front");
    house.upload(&upload, house.version(&visit).await, picture()).await.refused(403, "no_consent");
    let wrong = json!({"text_version": "1", "channel": "station", "purposes": {"measure": false, "everything": true}});
    house
        .post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), wrong)
        .await
        .refused(400, "malformed");
    let view = house.get(&format!("/visits/{visit}")).await.ok();
    assert_eq!(view.body["consents"]["measure"], true, "all or nothing");
    let script = json!({"text_version": "1", "channel": "station", "signature": "M1 1\"/><script>", "purposes": {}});
    house
        .post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), script)
        .await
        .refused(400, "malformed");
    house.close().await;
}

#[tokio::test]
async fn who_takes_the_consent_back_is_not_measured_on() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    let no = json!({"text_version": "1", "channel": "station", "purposes": {"measure": false}});
    let path = format!("/visits/{visit}/consents");
    let told = house.post(&path, Some(house.version(&visit).await), no).await.ok();
    assert_eq!(told.version(), house.version(&visit).await);
    assert_eq!(house.get("/stations").await.ok().body["stations"][0]["scan"]["state"], "paused");
    house.act(&visit, &scan, "resume", json!({})).await.refused(403, "no_consent");
    house.agree(&visit).await;
    house.act(&visit, &scan, "resume", json!({})).await.ok();
    house.close().await;
}

#[tokio::test]
async fn a_photograph_is_kept_stripped_and_comes_back_bit_for_bit() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let upload = format!("/visits/{visit}/captures?phase=before&view=front&camera=test");
    house.upload(&upload, house.version(&visit).await, picture()).await.refused(409, "wrong_state");
    house.begin(&visit, Phase::Before).await;
    let kept = house.upload(&upload, house.version(&visit).await, picture()).await.ok();
    assert_eq!((kept.status.as_u16(), kept.body["width"].as_u64()), (201, Some(64)));
    assert_eq!(kept.body["complaints"], json!(["too_coarse"]));
    assert!(kept.text("/advice/0/zh").contains("靠近"));
    let path = format!("/api/v1/captures/{}/picture", kept.text("/capture"));
    let shown = house.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(shown.headers()["content-type"], "image/jpeg");
    let bytes = shown.bytes().await.unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"name"), "metadata is stripped");
    let again = house.request(reqwest::Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, again);
    house.upload(&upload, house.version(&visit).await, b"<svg/>".to_vec()).await.refused(415, "no_picture");
    let cut = picture()[..300].to_vec();
    house.upload(&upload, house.version(&visit).await, cut).await.refused(422, "refused");
    for anchors in ["1,2,3", "a,b,c,d", "0,0,0,0", "0,0,65,1", "-1,0,5,5", "nan,1,2,3"] {
        let path = format!("{upload}&anchors={anchors}");
        house.upload(&path, house.version(&visit).await, picture()).await.refused(400, "malformed");
    }
    let view = house.get(&format!("/visits/{visit}")).await.ok();
    assert_eq!(view.body["scans"][0]["captures"].as_array().unwrap().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn stations_and_status_tell_how_the_house_is() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    house.begin(&visit, Phase::Before).await;
    let stations = house.get("/stations").await.ok().body;
    assert_eq!(stations["stations"][0]["id"], CHAIR);
    assert_eq!(stations["stations"][0]["devices"][0]["serial"], SERIAL);
    assert_eq!(stations["stations"][0]["visit"]["id"], visit.as_str());
    assert_eq!(stations["stations"][0]["scan"]["state"], "running");
    let status = house.get("/status").await.ok().body;
    assert_eq!((status["version"].as_str(), status["sync"].as_str()), (Some("test"), Some("disabled")));
    assert!(status["backlog"]["waiting"].as_u64().unwrap() > 0, "visit, consents and scan wait for HQ");
    assert!(["synced", "holdover", "unset"].contains(&status["clock"].as_str().unwrap()));
    house.close().await;
}

#[tokio::test]
async fn closing_a_visit_finishes_its_scan_and_voiding_it_can_be_taken_back() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.act(&visit, &scan, "measure", json!({})).await.ok();
    let closed = house
        .post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({"staff": "b-07"}))
        .await
        .ok();
    assert_eq!(
        (closed.body["state"].as_str(), closed.body["scans"][0]["state"].as_str()),
        (Some("closed"), Some("finished"))
    );
    let path = format!("/visits/{visit}/void");
    let voided = house.post(&path, Some(closed.version()), json!({"reason": "test"})).await.ok();
    assert_eq!(voided.body["state"], "voided");
    house.post(&path, Some(voided.version()), json!({})).await.refused(409, "wrong_state");
    let restored = house.post(&format!("/visits/{visit}/restore"), Some(voided.version()), json!({})).await.ok();
    assert_eq!(restored.body["state"], "closed");

    // One that is struck out while it is open was closed first, and came back as one that had ended.
    let visit = house.visit("赵女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.act(&visit, &scan, "measure", json!({})).await.ok();
    let path = format!("/visits/{visit}/void");
    let voided = house.post(&path, Some(house.version(&visit).await), json!({})).await.ok();
    assert_eq!(
        (voided.body["state"].as_str(), voided.body["scans"][0]["state"].as_str()),
        (Some("voided"), Some("finished"))
    );
    let path = format!("/visits/{visit}/restore");
    // Its chair has another customer by now: that one is not turned out.
    let other = house.visit("钱女士").await;
    house.post(&path, Some(voided.version()), json!({})).await.refused(409, "busy");
    house.post(&format!("/visits/{other}/close"), Some(house.version(&other).await), json!({})).await.ok();
    let restored = house.post(&path, Some(voided.version()), json!({})).await.ok();
    assert_eq!(restored.body["state"], "open");
    house.post(&format!("/visits/{visit}/steps"), Some(restored.version()), json!({ "steps": ["面膜"] })).await.ok();
    house.close().await;
}
