//! Nothing measured stays open behind the end of its visit: whatever ends first, the values become readings and are told.
#![expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]

use crate::house::{CHAIR, House, Wanted, metric, soon};
use serde_json::json;
use skinlink::{
    domain::{
        CustomerId, Region, ScanId, VisitId,
        device::DeviceIdentity,
        scan::{Phase, Step},
    },
    store::NewRepeat,
};

/// The readings that HQ is told of, and how many values each holds.
async fn told(house: &House) -> Vec<usize> {
    let rows = house.store.unacknowledged(0, 1_000, usize::MAX).await.unwrap();
    let events = rows.iter().map(|(_, body)| serde_json::from_str::<serde_json::Value>(body).unwrap());
    let readings = events.filter(|event| event["type"] == "com.skinlink.reading.v1");
    readings.map(|event| event["data"]["repeats"].as_array().unwrap().len()).collect()
}

/// One value of the first step, which wants two.
async fn one_value(house: &House, visit: &str) -> String {
    let scan = house.begin(visit, Phase::Before).await;
    let mut news = house.live.subscribe(None).await.unwrap().coming;
    house.building.analyser.press(metric("moisture"), Region::Forehead).await.unwrap();
    soon("the value", async {
        while !matches!(*news.recv().await.expect("the ring runs").news, skinlink::tasks::live::News::Repeat { .. }) {}
    })
    .await;
    scan
}

async fn close(house: &House, visit: &str) {
    let version = house.version(visit).await;
    let closed = house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await.ok();
    assert_eq!(closed.body["state"], "closed");
}

/// The story of a scan that was paused, struck out by mistake, and restored after the visit had ended: its value stayed open
/// for ever, and nobody could finish it any more.
#[tokio::test]
async fn a_scan_struck_out_under_way_is_whole_when_it_is_restored() {
    for pause in [false, true] {
        let house = House::new(Wanted::default()).await;
        let visit = house.visit("林女士").await;
        let scan = one_value(&house, &visit).await;
        if pause {
            house.act(&visit, &scan, "pause", json!({})).await.ok();
        }
        let voided = house.act(&visit, &scan, "void", json!({ "reason": "slip" })).await.ok();
        assert_eq!(voided.body["scans"][0]["state"], "voided");
        assert_eq!(house.get("/stations").await.ok().body["stations"][0]["scan"], serde_json::Value::Null);
        close(&house, &visit).await;
        let restored = house.act(&visit, &scan, "restore", json!({})).await.ok();
        assert_eq!(restored.body["scans"][0]["state"], "finished", "{}", restored.body);
        assert_eq!(told(&house).await, [1], "the value is a reading, told once");
        house.close().await;
    }
}

/// The story of a chair that was taken out of the configuration while its visit was open: no task drives its scan, and the
/// visit was closed over it.
#[tokio::test]
async fn a_visit_whose_chair_is_gone_closes_with_its_readings() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let id: VisitId = visit.parse().unwrap();
    let customer: CustomerId = house.store.visit(id).await.unwrap().customer;
    close(&house, &visit).await;
    let visit = house.store.open_visit(customer, "chair-9".to_owned(), "b-07".to_owned()).await.unwrap().id;
    let step = Step { metric: metric("moisture"), region: Region::Nose, repeats: 3 };
    let scan = house.store.begin_scan(visit, None, Phase::Before, vec![step]).await.unwrap().id;
    for counter in [1, 2] {
        house.store.record_repeat(value(scan, counter)).await.unwrap();
    }
    close(&house, &visit.to_string()).await;
    assert_eq!(told(&house).await, [2]);
    let stored = house.store.scan_view(scan).await.unwrap();
    assert!(stored.repeats.is_empty(), "nothing is left open");
    assert_eq!(stored.scan.state.as_str(), "finished");
    house.close().await;
}

/// The chair was away for a moment when the visit was closed: then it is not closed over its scan.
#[tokio::test]
async fn a_visit_in_the_middle_of_its_scan_closes_with_what_was_measured() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    one_value(&house, &visit).await;
    close(&house, &visit).await;
    assert_eq!(told(&house).await, [1]);
    let next = house.visit("王女士").await;
    assert_eq!(house.store.visit_at(CHAIR.to_owned()).await.unwrap().unwrap().id.to_string(), next);
    house.close().await;
}

fn value(scan: ScanId, counter: u64) -> NewRepeat {
    NewRepeat {
        station: "chair-9".to_owned(),
        scan: Some(scan),
        metric: metric("moisture"),
        region: Some(Region::Nose),
        value: "41.5".parse().unwrap(),
        unit: "%".to_owned(),
        flags: Vec::new(),
        device: DeviceIdentity {
            protocol: "derma-reference".into(),
            protocol_version: "1".into(),
            serial: "DR-0099".into(),
            probe: String::new(),
            firmware: String::new(),
        },
        device_counter: Some(counter),
        nth: 0,
        taken: skinlink::clock::now(),
    }
}

/// A sensor whose metric nobody has named sends every minute: a probe's value of before was pushed off the chair's page.
#[tokio::test]
async fn values_of_a_known_metric_stand_first_in_the_tray() {
    let house = House::new(Wanted::default()).await;
    house.visit("林女士").await;
    let own = |name: &str, number: u64| NewRepeat {
        station: CHAIR.to_owned(),
        scan: None,
        region: None,
        metric: metric(name),
        device_counter: Some(number),
        ..value(ScanId::from_bits(1), number)
    };
    let first = house.store.record_repeat(own("moisture", 1)).await.unwrap().id;
    for number in 2..40 {
        house.store.record_repeat(own("salinity-of-the-pool", number)).await.unwrap();
    }
    let html = crate::web_pages::page(&house, "/station/chair-1").await;
    let lines: Vec<&str> = html.split("data-tray=\"").skip(1).map(|rest| &rest[..36]).collect();
    assert_eq!(lines[0], first.to_string());
    house.close().await;
}
