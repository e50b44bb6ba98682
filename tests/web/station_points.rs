//! Confirming the points of a face: by page and call, under the visit's version, durable and audited, refused where no face can have
//! them so.

use crate::house::{House, Wanted};
use serde_json::{Value, json};
use skinlink::domain::scan::Phase;

fn picture() -> Vec<u8> {
    let pixels = image::RgbImage::from_pixel(600, 800, image::Rgb([200, 160, 130]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&pixels).expect("a small picture");
    jpeg
}

/// A visit with a front photograph of its before scan: visit, capture.
async fn photographed(house: &House) -> (String, String) {
    let visit = house.visit("林女士").await;
    house.begin(&visit, Phase::Before).await;
    let path = format!("/visits/{visit}/captures?phase=before&view=front");
    let taken = house.upload(&path, house.version(&visit).await, picture()).await.ok();
    let capture = taken.text("/capture");
    assert_eq!(taken.text("/points"), format!("/points/{capture}"));
    (visit, capture)
}

#[tokio::test]
async fn three_points_are_confirmed_once_seen_and_stay() {
    let house = House::new(Wanted::default()).await;
    let (visit, capture) = photographed(&house).await;
    let path = format!("/captures/{capture}/points");
    let guided = house.get(&path).await.ok();
    assert_eq!((guided.text("/source"), guided.version()), ("guide".to_owned(), house.version(&visit).await));
    assert_eq!(guided.body["names"][2], "tip of the nose");
    // Where the guide has the pupils, and a nose below them.
    assert_eq!(guided.body["points"][0], json!([0.3325 * 600.0, 0.42 * 800.0]));

    let points = json!({"points": [[210.0, 330.0], [390.0, 334.0], [301.0, 455.0]], "staff": "b-07"});
    house.post(&path, None, points.clone()).await.refused(428, "no_version");
    let seen = house.version(&visit).await;
    let done = house.post(&path, Some(seen), points.clone()).await.ok();
    assert_eq!(done.tag, Some(seen + 1));
    let shown = &done.body["scans"][0]["captures"][0];
    assert_eq!((&shown["points"], &shown["points_page"]), (&json!("confirmed"), &json!(format!("/points/{capture}"))));
    let stale = house.post(&path, Some(seen), points.clone()).await.refused(409, "stale");
    assert_eq!(stale.body["current"]["version"].as_u64(), Some(seen + 1));

    // The gateway dies where it stands; the word stays, and so does who said it.
    let house = house.drop_dead().await.open().await;
    let kept = house.get(&path).await.ok();
    assert_eq!((kept.text("/source"), &kept.body["points"]), ("confirmed".to_owned(), &points["points"]));
    let capture = capture.parse().expect("an id");
    let kept = house.store.capture(capture).await.expect("kept");
    assert_eq!(kept.anchors, [[210.0, 330.0], [390.0, 334.0]], "from now on these count");
    assert_eq!(kept.points.map(|set| set.staff), Some("b-07".to_owned()));
    let rows = house.store.verify_audit().await.expect("a check").expect("an unbroken chain");
    assert!(rows > 0);

    let closed = loop {
        // The chair parks the scan that was under way, which is a version of its own.
        let version = house.version(&visit).await;
        let answer = house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await;
        if answer.status != 409 {
            break answer.ok();
        }
    };
    house.post(&path, Some(closed.version()), points).await.refused(409, "wrong_state");
    house.close().await;
}

#[tokio::test]
async fn points_that_no_face_has_are_refused_with_what_to_do() {
    let house = House::new(Wanted::default()).await;
    let (visit, capture) = photographed(&house).await;
    let path = format!("/captures/{capture}/points");
    let version = house.version(&visit).await;
    for (points, status, what) in [
        (json!([[210, 330], [215, 331], [300, 455]]), 422, "implausible"),
        (json!([[390, 334], [210, 330], [301, 455]]), 422, "implausible"),
        (json!([[210, 330], [390, 334], [300, 200]]), 422, "implausible"),
        (json!([[210, 330], [390, 334], [500, 455]]), 422, "implausible"),
        (json!([[210, 330], [900, 334], [300, 455]]), 422, "implausible"),
        (json!([[210, 330], [390, 334], [300, -455]]), 400, "malformed"),
        (json!([[210, 330], [390, 334]]), 400, "malformed"),
        (json!([[210, 330], [390, 334], [300, "x"]]), 400, "malformed"),
    ] {
        house.post(&path, Some(version), json!({ "points": points })).await.refused(status, what);
    }
    assert_eq!(house.version(&visit).await, version, "nothing was changed");
    house.get("/captures/01919d3e-7c00-7abc-8def-0123456789ab/points").await.refused(404, "not_found");
    house.close().await;
}

#[tokio::test]
async fn the_page_shows_three_marks_and_brings_its_script_along() {
    let house = House::new(Wanted::default()).await;
    let (_, capture) = photographed(&house).await;
    for (query, words) in [("", "确认三个点"), ("?lang=en", "Confirm the three points")] {
        let page = house.send(house.request(reqwest::Method::GET, &format!("/points/{capture}{query}"))).await.ok();
        let Value::String(html) = page.body else { panic!("a page") };
        assert!(html.contains(words), "{html}");
        assert_eq!(html.matches(r#"<g class="mark""#).count(), 3);
        assert!(html.contains(&format!("/api/v1/captures/{capture}/picture")) && html.contains("points.js"));
        assert!(!html.contains("style=") && !html.contains("onclick"), "nothing that the page's policy forbids");
    }
    let nowhere = house.request(reqwest::Method::GET, "/points/01919d3e-7c00-7abc-8def-0123456789ab");
    assert_eq!(house.send(nowhere).await.status, 404);
    house.close().await;
}

/// A scope has no face: it says how fine its pixels are instead, and its photographs have no points.
#[tokio::test]
async fn a_contact_scope_states_its_micrometres_and_has_no_points() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    house.begin(&visit, Phase::Before).await;
    let path = format!("/visits/{visit}/captures?phase=before&view=close");
    house.upload(&path, house.version(&visit).await, picture()).await.refused(400, "malformed");
    for wrong in ["0", "-3", "1000", "NaN"] {
        let path = format!("{path}&um_per_px={wrong}");
        house.upload(&path, house.version(&visit).await, picture()).await.refused(400, "malformed");
    }
    let taken = house.upload(&format!("{path}&um_per_px=8"), house.version(&visit).await, picture()).await.ok();
    let capture = taken.text("/capture");
    let kept = house.store.capture(capture.parse().expect("an id")).await.expect("kept");
    assert_eq!(kept.anchors, [[0.0, 0.0], [125.0, 0.0]], "a millimetre");
    house.get(&format!("/captures/{capture}/points")).await.refused(422, "no_points");
    house.close().await;
}
