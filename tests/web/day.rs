//! The day and the sheet over the interface: who is booked, who waits, what is asked and said in a visit.

use crate::house::{CHAIR, House, Wanted};
use serde_json::{Value, json};
use skinlink::domain::sheet::Caution;

async fn customer(house: &House, name: &str) -> String {
    house.post("/customers", None, json!({ "name": name })).await.ok().text("/id")
}

async fn states(house: &House) -> Vec<String> {
    let day = house.get("/appointments").await.ok().body;
    let list = day["appointments"].as_array().expect("a list");
    list.iter().map(|one| one["state"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test]
async fn whoever_is_booked_comes_waits_and_is_seated_by_the_visit_that_opens() {
    let house = House::new(Wanted::default()).await;
    let lin = customer(&house, "林若溪").await;
    let soon = skinlink::clock::now().wall;
    let starts = skinlink::domain::Timestamp::from_unix_ms(soon.unix_ms() + 600_000).to_string();
    let booking = json!({ "customer": lin, "starts": starts, "service": "补水护理", "station": CHAIR });
    let id = house.post("/appointments", None, booking).await.ok().text("/id");
    assert_eq!(states(&house).await, ["booked"]);
    house.post(&format!("/appointments/{id}/miss"), None, json!({})).await.ok();
    house.post(&format!("/appointments/{id}/undo"), None, json!({})).await.ok();
    let waiting = house.post(&format!("/appointments/{id}/arrive"), None, json!({})).await.ok();
    assert!(waiting.body["arrived"].is_string());
    let visit = house.post("/visits", None, json!({ "customer": lin, "station": CHAIR })).await.ok().text("/id");
    let day = house.get("/appointments").await.ok().body;
    assert_eq!((&day["appointments"][0]["state"], &day["appointments"][0]["visit"]), (&json!("seated"), &json!(visit)));
    for verb in ["arrive", "miss", "undo"] {
        house.post(&format!("/appointments/{id}/{verb}"), None, json!({})).await.refused(409, "wrong_state");
    }
    // A walk-in waits from the moment it is written down; another customer's visit does not seat it.
    let zhao = customer(&house, "赵一").await;
    house.post("/appointments", None, json!({ "customer": zhao })).await.ok();
    assert_eq!(states(&house).await.iter().filter(|state| *state == "waiting").count(), 1);
    for wrong in [
        json!({ "customer": zhao, "minutes": 0 }),
        json!({ "customer": zhao, "minutes": 721 }),
        json!({ "customer": zhao, "starts": "tomorrow" }),
        json!({ "customer": zhao, "colour": "red" }),
    ] {
        house.post("/appointments", None, wrong).await.refused(400, "malformed");
    }
    house
        .post("/appointments", None, json!({ "customer": zhao, "station": "nowhere" }))
        .await
        .refused(404, "not_found");
    house.close().await;
}

/// A walk-in who went away used to wait on the first page for ever, and took the next visit of months later to an old place.
#[tokio::test]
async fn whoever_left_waits_no_more_and_comes_back_by_an_undo() {
    let house = House::new(Wanted::default()).await;
    let zhao = customer(&house, "赵一").await;
    let id = house.post("/appointments", None, json!({ "customer": zhao })).await.ok().text("/id");
    let page = async || {
        let page = house.send(house.request(reqwest::Method::GET, "/")).await.ok().body;
        page.as_str().expect("a page").to_owned()
    };
    assert!(page().await.contains(&format!("/api/v1/appointments/{id}/miss")), "there is a key for it");
    let arrived = house.get("/appointments").await.ok().body["appointments"][0]["arrived"].clone();
    house.post(&format!("/appointments/{id}/undo"), None, json!({})).await.refused(409, "wrong_state");
    house.post(&format!("/appointments/{id}/miss"), None, json!({})).await.ok();
    assert_eq!(states(&house).await, ["missed"]);
    assert!(page().await.contains(&format!("/api/v1/appointments/{id}/undo")), "and one to take it back");
    let back = house.post(&format!("/appointments/{id}/undo"), None, json!({})).await.ok();
    assert_eq!(
        (&back.body["state"], &back.body["arrived"]),
        (&json!("waiting"), &arrived),
        "with the time already waited"
    );
    house.post(&format!("/appointments/{id}/miss"), None, json!({})).await.ok();
    // Somebody who left is not in the chair when they come another time.
    house.post("/visits", None, json!({ "customer": zhao, "station": CHAIR })).await.ok();
    assert_eq!(states(&house).await, ["missed"]);
    house.close().await;
}

/// The sheet is changed piece by piece, by whoever saw the visit as it is; what is left out stays.
#[tokio::test]
async fn the_sheet_grows_piece_by_piece_and_refuses_what_cannot_be() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林若溪").await;
    let path = format!("/visits/{visit}/sheet");
    let write = async |wish: Value| house.post(&path, Some(house.version(&visit).await), wish).await;
    write(json!({ "skin_state": "tight", "wishes": "少用香味", "passed": "questions" })).await.ok();
    let now = write(json!({ "stars": 4, "next_day": "2026-12-12", "passed": "questions" })).await.ok();
    assert_eq!(now.body["sheet"]["passed"], json!(["questions"]));
    assert_eq!((&now.body["sheet"]["wishes"], &now.body["sheet"]["stars"]), (&json!("少用香味"), &json!(4)));
    house.post(&path, Some(1), json!({ "stars": 1 })).await.refused(409, "stale");
    house.post(&path, None, json!({ "stars": 1 })).await.refused(428, "no_version");
    for wrong in [
        json!({ "stars": 0 }),
        json!({ "stars": 6 }),
        json!({ "next_day": "2026-02-30" }),
        json!({ "washed_min": 10_081 }),
        json!({ "passed": "lunch" }),
        json!({ "wishes": "x".repeat(301) }),
    ] {
        write(wrong).await.refused(400, "malformed");
    }
    let kept = house.get(&format!("/visits/{visit}")).await.ok();
    assert_eq!(kept.body["sheet"], now.body["sheet"], "nothing refused left a trace");
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    write(json!({ "stars": 5 })).await.refused(409, "wrong_state");
    house.close().await;
}

/// What a measurement depends on is kept with it, digits and all; what no room can show is refused before anything is measured.
#[tokio::test]
async fn conditions_are_kept_with_the_scan_they_belong_to() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林若溪").await;
    let path = format!("/visits/{visit}/scans");
    for wrong in [
        json!({ "celsius": "61" }),
        json!({ "humidity": "101" }),
        json!({ "celsius": "warm" }),
        json!({ "rested_min": 20_000 }),
    ] {
        let body = json!({ "phase": "before", "conditions": wrong });
        house.post(&path, Some(house.version(&visit).await), body).await.refused(400, "malformed");
    }
    let conditions =
        json!({ "probe_wiped": true, "rested_min": 9, "washed_min": 60, "celsius": "22.0", "humidity": "48" });
    let body = json!({ "phase": "before", "conditions": conditions });
    let scan = house.post(&path, Some(house.version(&visit).await), body).await.ok().text("/scan/id");
    let kept =
        house.store.conditions(scan.parse().expect("an id")).await.expect("the store answers").expect("were stated");
    assert_eq!(kept.celsius.map(|value| value.to_string()).as_deref(), Some("22.0"));
    assert_eq!(kept.cautions(), [Caution::ShortRest]);
    let page = house.send(house.request(reqwest::Method::GET, "/station/chair-1")).await.ok().body;
    assert!(!page.as_str().expect("a page").contains("静坐不足十分钟"), "said once the scan is at rest");
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    let page = house.send(house.request(reqwest::Method::GET, "/station/chair-1")).await.ok().body;
    assert!(page.as_str().expect("a page").contains("静坐不足十分钟"));
    house.close().await;
}

/// The climate of the room was typed from memory; now the room's own sensor says it, and which one is kept with the scan. So is the
/// day of the oldest calibration.
#[tokio::test]
async fn the_rooms_sensor_and_the_calibration_are_kept_with_the_scan() {
    use skinlink::{
        clock,
        domain::{device::DeviceIdentity, reading::MeasuredValue},
        store::NewMeasurement,
    };
    use std::sync::Arc;
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林若溪").await;
    let device = DeviceIdentity {
        protocol: "environmental-sensing".to_owned(),
        protocol_version: "1".to_owned(),
        serial: "ES-1".to_owned(),
        probe: String::new(),
        firmware: String::new(),
    };
    let said = |metric: &str, value: &str, unit: &str, taken| NewMeasurement {
        station: CHAIR.into(),
        device: Arc::new(device.clone()),
        counter: None,
        sends_again: false,
        flags: Vec::new(),
        values: vec![MeasuredValue {
            metric: crate::house::metric(metric),
            region: None,
            value: value.parse().expect("a number"),
            unit: unit.to_owned(),
        }],
        taken,
    };
    let now = clock::now();
    let old = skinlink::domain::Stamp {
        wall: skinlink::domain::Timestamp::from_unix_ms(now.wall.unix_ms() - 3_600_000),
        ..now
    };
    let record = async |batch: Vec<NewMeasurement>| {
        house.store.record_measurements(batch.into()).await.expect("the store answers")
    };
    let page = async || {
        let page = house.send(house.request(reqwest::Method::GET, "/station/chair-1")).await.ok().body;
        page.as_str().expect("a page").to_owned()
    };
    record(vec![said("ambient-temperature", "31.00", "°C", old)]).await;
    assert!(!page().await.contains("\"31.00\""), "an hour ago says nothing of now");
    record(vec![
        said("ambient-temperature", "22.10", "°C", now),
        said("ambient-temperature", "22.15", "°C", now),
        said("ambient-humidity", "48.5", "%", now),
    ])
    .await;
    let shown = page().await;
    assert!(shown.contains("value=\"22.15\"") && shown.contains("value=\"48.5\""), "the newest is filled in");
    for wrong in [json!({ "day": "2026-02-30" }), json!({ "day": "" }), json!({ "day": "2026-10-01", "serial": "" })] {
        let mut body = json!({ "protocol": "derma-reference", "serial": crate::house::SERIAL });
        body.as_object_mut().expect("an object").extend(wrong.as_object().expect("an object").clone());
        house.post("/devices/calibration", None, body).await.refused(400, "malformed");
    }
    let body = json!({ "protocol": "derma-reference", "serial": crate::house::SERIAL, "day": "2026-10-01" });
    house.post("/devices/calibration", None, body).await.ok();
    let begin = async |phase: &str, conditions: Value| {
        let body = json!({ "phase": phase, "conditions": conditions });
        let scan = house.post(&format!("/visits/{visit}/scans"), Some(house.version(&visit).await), body).await.ok();
        let scan = scan.text("/scan/id");
        house.act(&visit, &scan, "finish", json!({})).await.ok();
        let kept = house.store.conditions(scan.parse().expect("an id")).await.expect("the store answers");
        kept.expect("were stated")
    };
    let sensed = begin("before", json!({ "probe_wiped": true })).await;
    let text = |value: Option<skinlink::domain::Quantity>| value.map(|value| value.to_string()).unwrap_or_default();
    assert_eq!((text(sensed.celsius), text(sensed.humidity)), ("22.15".to_owned(), "48.5".to_owned()));
    assert_eq!((sensed.climate_by.as_str(), sensed.calibrated.as_str()), ("environmental-sensing ES-1", "2026-10-01"));
    // Who knows better says so, and then it is not the sensor's.
    let typed = begin("after", json!({ "probe_wiped": true, "celsius": "24", "humidity": "48.5" })).await;
    assert_eq!((text(typed.celsius), typed.climate_by.as_str()), ("24".to_owned(), ""));
    house.close().await;
}
