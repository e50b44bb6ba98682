//! A scan on the real chair task, store and web server, with a simulated analyser on a pseudo-terminal.

use crate::house::{Building, House, LIMIT, SERIAL, Wanted, metric, soon};
use serde_json::{Value, json};
use skinlink::{
    domain::{Region, VisitId, scan::Phase},
    sim::{Faults, Truth},
    tasks::live::News,
};

async fn view(house: &House, visit: &str) -> Value {
    house.get(&format!("/visits/{visit}")).await.ok().body
}

/// Waits for news that `wanted` likes, from now on.
async fn until<T>(house: &House, what: &str, act: impl Future<Output = ()>, wanted: impl Fn(&News) -> Option<T>) -> T {
    let mut coming = house.live.subscribe(None).await.expect("the ring runs").coming;
    act.await;
    soon(what, async {
        loop {
            let item = coming.recv().await.expect("the ring runs");
            if let Some(found) = wanted(&item.news) {
                return found;
            }
        }
    })
    .await
}

fn tray(news: &News) -> Option<u64> {
    if let News::Tray { waiting, .. } = news { Some(*waiting) } else { None }
}

#[tokio::test]
async fn a_scan_goes_region_by_region_and_every_value_is_durable_before_anyone_is_told() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let mut coming = house.live.subscribe(None).await.unwrap().coming;
    let (store, id) = (house.store.clone(), visit.parse::<VisitId>().unwrap());
    let listener = async {
        let mut order = Vec::new();
        while order.len() < 8 {
            let item = coming.recv().await.expect("the ring runs");
            if let News::Repeat { repeat, metric, region, have, .. } = &*item.news {
                let view = store.visit_view(id).await.unwrap();
                let open = view.scans.iter().flat_map(|s| &s.repeats).map(|r| r.repeat.id.to_string());
                let closed = view.scans.iter().flat_map(|s| &s.readings).flat_map(|r| &r.item.repeats);
                let kept: Vec<String> = open.chain(closed.map(|r| r.id.to_string())).collect();
                assert!(kept.contains(repeat), "{repeat} was told before it was durable");
                order.push(format!("{region} {metric} {have}"));
            }
        }
        order
    };
    let (scan, order) =
        soon("the whole scan", async { tokio::join!(house.scan(&visit, Phase::Before), listener) }).await;
    let wanted = ["forehead moisture", "forehead sebum", "nose moisture", "nose sebum"];
    let wanted: Vec<String> = wanted.iter().flat_map(|step| [format!("{step} 1"), format!("{step} 2")]).collect();
    assert_eq!(order, wanted);

    let view = view(&house, &visit).await;
    let stored = &view["scans"][0];
    assert_eq!((stored["id"].as_str(), stored["state"].as_str()), (Some(scan.as_str()), Some("finished")));
    assert_eq!(stored["readings"].as_array().unwrap().len(), 4);
    for reading in stored["readings"].as_array().unwrap() {
        assert_eq!(reading["repeats"].as_array().unwrap().len(), 2);
        assert_eq!(reading["device"]["serial"], SERIAL);
        let decimals = |text: &Value| text.as_str().unwrap().split('.').nth(1).map_or(0, str::len);
        assert_eq!(decimals(&reading["value"]), decimals(&reading["repeats"][0]["value"]) + 1, "one more decimal");
    }
    drop(store);
    house.close().await;
}

#[tokio::test]
async fn what_the_probe_measures_unasked_belongs_to_the_step_that_waits_for_it_or_to_the_tray() {
    let house = House::new(Wanted::default()).await;
    let probe = house.building.analyser.clone();
    let press = |id: &'static str, region: Region| {
        let probe = probe.clone();
        async move { probe.press(metric(id), region).await.unwrap() }
    };
    let visit = house.visit("林女士").await;
    let alone = until(&house, "a value nobody waits for", press("moisture", Region::Forehead), tray).await;
    assert_eq!(alone, 1, "no scan runs");

    let scan = house.begin(&visit, Phase::Before).await;
    let bound = until(&house, "the waiting step", press("moisture", Region::Forehead), |news| match news {
        News::Repeat { metric, region, have, need, flags, .. } => {
            Some((metric.clone(), region.clone(), *have, *need, flags.contains(&"device_started".to_owned())))
        }
        _ => None,
    });
    assert_eq!(bound.await, ("moisture".to_owned(), "forehead".to_owned(), 1, 2, true));

    // Another metric than the plan has, and the right metric at a place that is not under the probe now.
    assert_eq!(until(&house, "no such step", press("elasticity", Region::Forehead), tray).await, 2);
    assert_eq!(until(&house, "not this region", press("moisture", Region::Chin), tray).await, 3);
    house.act(&visit, &scan, "pause", json!({})).await.ok();
    assert_eq!(until(&house, "paused", press("moisture", Region::Forehead), tray).await, 4);

    // A person gives the last one to the scan, which closes the step.
    let listed = house.get("/tray?station=chair-1").await.ok();
    let items = listed.body["tray"].as_array().unwrap().clone();
    assert_eq!(items.len(), 4);
    let repeat = items[3]["repeat"].as_str().unwrap();
    let body = json!({ "scan": scan, "region": "forehead" });
    let version = house.version(&visit).await;
    let told = house.post(&format!("/tray/{repeat}/bind"), Some(version), body.clone()).await.ok();
    assert_eq!(told.body["scan"]["steps"][0]["state"], "done");
    house
        .post(&format!("/tray/{repeat}/bind"), Some(house.version(&visit).await), body)
        .await
        .refused(404, "not_found");
    assert_eq!(view(&house, &visit).await["scans"][0]["readings"].as_array().unwrap().len(), 1);
    house.close().await;
}

/// After a restart a probe sends its last value again while the beautician already measures anew, so a step may get one
/// value more than it needs. That value once held up every later one: the step could not be closed twice.
#[tokio::test]
async fn a_value_too_many_goes_to_the_tray_and_holds_nobody_up() {
    let house = House::new(Wanted::default()).await;
    let probe = house.building.analyser.clone();
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.act(&visit, &scan, "pause", json!({})).await.ok();
    for waiting in 1..=3 {
        let press = async { probe.press(metric("moisture"), Region::Forehead).await.unwrap() };
        assert_eq!(until(&house, "paused", press, tray).await, waiting);
    }
    let listed = house.get("/tray?station=chair-1").await.ok();
    let bind = async |nth: usize| {
        let repeat = listed.body["tray"][nth]["repeat"].as_str().unwrap();
        let body = json!({ "scan": scan, "region": "forehead" });
        house.post(&format!("/tray/{repeat}/bind"), Some(house.version(&visit).await), body).await
    };
    bind(0).await.ok();
    bind(1).await.ok();
    bind(2).await.refused(409, "wrong_state");
    house.act(&visit, &scan, "resume", json!({})).await.ok();

    // One more by its button, and one asked for at the same time: whichever comes second is too many.
    let press = async { probe.press(metric("sebum"), Region::Forehead).await.unwrap() };
    until(&house, "the step", press, |news| matches!(news, News::Repeat { .. }).then_some(())).await;
    probe.press(metric("sebum"), Region::Forehead).await.unwrap();
    while house.act(&visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    let readings = view(&house, &visit).await["scans"][0]["readings"].as_array().unwrap().clone();
    assert_eq!(readings.len(), 4);
    assert!(readings.iter().all(|reading| reading["repeats"].as_array().unwrap().len() == 2));
    house.close().await;
}

#[tokio::test]
async fn a_gateway_that_dies_in_the_middle_comes_back_paused_where_the_durable_values_left_off() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.act(&visit, &scan, "measure", json!({})).await.ok();
    let before = house.act(&visit, &scan, "measure", json!({})).await.ok();
    assert_eq!(before.body["scan"]["current"]["region"], "nose");

    let house = house.drop_dead().await.open().await;
    house.until_ready().await;
    let back = view(&house, &visit).await;
    assert_eq!(back["scans"][0]["state"], "paused");
    assert_eq!(back["scans"][0]["current"], before.body["scan"]["current"]);
    house.act(&visit, &scan, "measure", json!({})).await.refused(409, "wrong_state");
    house.act(&visit, &scan, "resume", json!({})).await.ok();
    while house.act(&visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    assert_held_against_the_ledger(&house, &visit).await;
    house.close().await;
}

/// Every measurement of the analyser's own account is in the visit or the tray exactly once.
async fn assert_held_against_the_ledger(house: &House, visit: &str) {
    let mut sent: Vec<String> = house
        .building
        .analyser
        .ledger()
        .await
        .expect("the analyser runs")
        .iter()
        .map(|l| l.counter.to_string())
        .collect();
    let view = view(house, visit).await;
    let mut kept = Vec::new();
    for scan in view["scans"].as_array().expect("a list") {
        let readings =
            scan["readings"].as_array().expect("a list").iter().flat_map(|r| r["repeats"].as_array().expect("a list"));
        kept.extend(readings.chain(scan["open_repeats"].as_array().expect("a list")).map(|r| r["counter"].to_string()));
    }
    let tray = house.store.tray("chair-1".to_owned()).await.expect("the tray");
    kept.extend(tray.iter().filter_map(|r| r.repeat.device_counter).map(|counter| counter.to_string()));
    sent.sort();
    kept.sort();
    assert_eq!(kept, sent, "ledger and store disagree");
}

#[tokio::test]
async fn a_bad_cable_loses_and_doubles_nothing() {
    let (seed, faults) = (11, Faults { split: 0.5, garbage: 0.1, loss: 0.05, repeat: 0.1, lie: 0.05, ..Faults::NONE });
    println!("wire seeds {seed} and {}", seed + 1);
    let house = House::new(Wanted { faults, ..Wanted::default() }).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    soon("the scan over a bad cable", async {
        loop {
            let told = house.act(&visit, &scan, "measure", json!({})).await;
            match told.status.as_u16() {
                200 if told.body["scan"]["complete"] == true => break,
                // The device gave up on one value, or is being looked for: the beautician presses again.
                200 | 409 | 422 => {}
                503 => house.until_ready().await,
                _ => panic!("{told:?}"),
            }
        }
    })
    .await;
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    let view = view(&house, &visit).await;
    let readings = view["scans"][0]["readings"].as_array().unwrap().clone();
    assert_eq!(readings.len(), 4);
    let counters: Vec<String> =
        readings.iter().flat_map(|r| r["repeats"].as_array().unwrap()).map(|r| r["counter"].to_string()).collect();
    let mut once = counters.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), counters.len(), "a value counts twice: {counters:?}");
    let sent = house.building.analyser.ledger().await.unwrap();
    assert!(once.iter().all(|counter| sent.iter().any(|line| line.counter.to_string() == *counter)));
    house.close().await;
}

#[tokio::test]
async fn a_region_measured_again_keeps_the_old_values_struck_out() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    for _ in 0..3 {
        house.act(&visit, &scan, "measure", json!({})).await.ok();
    }
    let told = house.act(&visit, &scan, "repeat", json!({ "region": "forehead" })).await.ok();
    assert_eq!(
        told.body["scan"]["current"],
        json!({"metric": "moisture", "region": "forehead", "have": 0, "need": 2, "state": "waiting"})
    );
    while house.act(&visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    let view = view(&house, &visit).await;
    let readings = view["scans"][0]["readings"].as_array().unwrap().clone();
    let struck = readings.iter().filter(|r| r["voided"] == true).count();
    assert_eq!((readings.len(), struck), (6, 2));
    assert_held_against_the_ledger(&house, &visit).await;
    house.close().await;
}

#[tokio::test]
async fn a_skipped_region_stays_skipped_over_a_restart_and_what_it_has_is_closed() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    let press = async { house.building.analyser.press(metric("moisture"), Region::Forehead).await.unwrap() };
    until(&house, "one value", press, |news| matches!(news, News::Repeat { .. }).then_some(())).await;
    let told = house.act(&visit, &scan, "skip", json!({ "region": "forehead" })).await.ok();
    assert_eq!(told.body["scan"]["current"]["region"], "nose");
    house.act(&visit, &scan, "skip", json!({ "region": "neck" })).await.refused(400, "malformed");

    let house = house.drop_dead().await.open().await;
    house.until_ready().await;
    let view = view(&house, &visit).await;
    assert_eq!(view["scans"][0]["regions"][0]["state"], "skipped");
    let readings = view["scans"][0]["readings"].as_array().unwrap();
    assert_eq!((readings.len(), readings[0]["repeats"].as_array().unwrap().len()), (1, 1));
    assert_eq!(readings[0]["spread"], Value::Null, "one value has no spread");
    house.close().await;
}

#[tokio::test]
async fn pulled_and_replugged_the_scan_waits_and_goes_on() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.act(&visit, &scan, "measure", json!({})).await.ok();
    house.building.analyser.unplug().await.unwrap();
    house.until_device("away").await;
    let told = house.act(&visit, &scan, "measure", json!({})).await.refused(503, "device_away");
    assert!(told.body["error"]["zh"].as_str().unwrap().contains("连接"), "says what to do: {}", told.body);
    let stations = house.get("/stations").await.ok();
    assert_eq!(stations.body["stations"][0]["scan"]["state"], "running");
    assert_eq!(stations.body["stations"][0]["scan"]["device"], "away");
    house.building.analyser.plug_in().await.unwrap();
    house.until_ready().await;
    while house.act(&visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
    house.close().await;
}

#[tokio::test]
async fn a_lifted_probe_gives_no_value_and_the_devices_own_advice() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    house.building.analyser.control(skinlink::sim::Control::Lift).await.unwrap();
    let told = house.act(&visit, &scan, "measure", json!({})).await.refused(422, "no_value");
    assert!(told.body["error"]["zh"].as_str().unwrap().contains("探头"), "{}", told.body);
    house.building.analyser.control(skinlink::sim::Control::Touch).await.unwrap();
    house.act(&visit, &scan, "measure", json!({})).await.ok();
    house.close().await;
}

#[tokio::test]
async fn before_and_after_are_compared_and_only_the_planted_change_is_found() {
    let mut truth = Truth::plausible();
    truth.plant(&metric("moisture"), Region::Forehead, Phase::After, 58.0);
    let house = House::new(Wanted { truth, ..Wanted::default() }).await;
    let visit = house.visit("林女士").await;
    house.scan(&visit, Phase::Before).await;
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(version), json!({})).await.refused(409, "wrong_state");
    house.scan(&visit, Phase::After).await;
    let version = house.version(&visit).await;
    let drawn = house.post(&format!("/visits/{visit}/comparison"), Some(version), json!({})).await.ok();
    let items = drawn.body["comparisons"][0]["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 4);
    for item in items {
        let planted = item["metric"] == "moisture" && item["region"] == "forehead";
        assert_eq!(item["verdict"], if planted { "improved" } else { "none" }, "{item}");
        assert!(item["smallest_detectable_change"].as_f64().unwrap() > 0.0);
    }
    house.close().await;
}

#[tokio::test]
async fn a_scan_of_the_wrong_phase_is_moved_voided_and_restored() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.scan(&visit, Phase::Before).await;
    let moved =
        house.act(&visit, &scan, "reassign", json!({ "phase": "after", "staff": "b-07", "reason": "slip" })).await.ok();
    assert_eq!(moved.body["scans"][0]["phase"], "after");
    house.act(&visit, &scan, "reassign", json!({ "phase": "after" })).await.refused(409, "wrong_state");
    let voided = house.act(&visit, &scan, "void", json!({})).await.ok();
    assert_eq!(voided.body["scans"][0]["state"], "voided");
    let restored = house.act(&visit, &scan, "restore", json!({})).await.ok();
    assert_eq!(restored.body["scans"][0]["state"], "finished");
    house.close().await;
}

#[tokio::test]
async fn a_visit_of_the_wrong_customer_is_given_to_the_right_one() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    house.scan(&visit, Phase::Before).await;
    let right = house.post("/customers", None, json!({ "name": "王喆玥" })).await.ok().text("/id");
    let body = json!({ "customer": right, "reason": "wrong customer" });
    let moved = house.post(&format!("/visits/{visit}/reassign"), Some(house.version(&visit).await), body).await.ok();
    assert_eq!(moved.text("/customer/name"), "王喆玥");
    assert_eq!(moved.body["scans"].as_array().unwrap().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_polite_end_parks_the_scan() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    house.begin(&visit, Phase::Before).await;
    let building: Building = house.close().await;
    let store = {
        let data = building.folder.path().join("data");
        let key = skinlink::store::StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
        let options = skinlink::store::Options { data, key, source: String::new(), min_free: 1, readers: 1 };
        skinlink::store::Store::open(options).unwrap()
    };
    let parked = store.scan_in_progress("chair-1".to_owned()).await.unwrap().unwrap();
    assert_eq!(parked.scan.state.as_str(), "paused");
    assert!(store.close(LIMIT).await);
}
