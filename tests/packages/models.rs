//! Models: exchanged at once, and back.

use crate::{
    house::{House, model},
    skin::{ANCHORS, STILL, Skin},
};
use serde_json::{Value, json};
use skinlink::sync::package::{Slot, Stand};
use std::time::Duration;
use tokio::time::Instant;

fn same(_: &str, bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// The golden values of a model, each moved away from what it says.
fn golden_missed(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    if !(name.starts_with("golden/") && name.ends_with(".toml")) {
        return bytes;
    }
    let text = String::from_utf8(bytes).unwrap();
    let moved = |line: &str| match line.split_once("value = ") {
        Some((before, after)) => {
            let end = after.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(after.len());
            let value: f64 = after[..end].parse().unwrap();
            format!("{before}value = {:.6}{}", value * 3.0 + 1.0, &after[end..])
        }
        None => line.to_owned(),
    };
    text.lines().map(moved).collect::<Vec<_>>().join("\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_arrives_is_tried_and_scores_the_next_photograph() {
    let mut house = House::open().await;
    let own = house.model_in_use().await;
    let told = house.hq.until_told("the first hello", || house.hq.desk().hellos.last().cloned()).await;
    assert_eq!(told.downlink, None, "an older headquarters never meets the field");
    let about =
        house.hq.until_told("what it says of itself", || house.hq.desk().about["downlinks"].as_array().cloned());
    assert_eq!(about.await, ["agenda", "staff", "orders", "packages"]);

    let (visit, scan) = house.scans("模型").await;
    let picture = Skin::new(3, 0).taken(STILL);
    assert_eq!(house.photographs(&visit, picture.clone(), ANCHORS).await, std::slice::from_ref(&own));
    let package = house.model(1, "9.0.1", same);
    house.hq.wishes(&[&package]).await;
    // A model waits for no scan to end.
    house.hq.until(&model(), 1, Stand::Used).await;
    assert_eq!(house.model_in_use().await, "9.0.1");
    house.scan(&visit, &scan, "cancel").await;
    let (visit, _) = {
        let view = house.visit(&visit).await;
        house.post(&format!("visits/{visit}/scans"), Some(&view), json!({"phase": "before"})).await;
        (visit, ())
    };
    assert_eq!(house.photographs(&visit, picture, ANCHORS).await, ["9.0.1"], "the next photograph is scored by it");
    assert_eq!(house.hq.sent_twice(), 0, "every slice came once");
    assert_eq!(house.hq.desk().sent.len(), package.bytes.len().div_ceil(45_000));

    // People see it: at a terminal, and by the interface.
    let printed = house.command(&["packages", "--json"]).await;
    let printed: Value = serde_json::from_str(&printed).unwrap_or_else(|fault| panic!("{fault}: {printed}"));
    assert_eq!(
        (&printed["packages"][0]["slot"], &printed["packages"][0]["stand"]),
        (&json!("model/pores-dog"), &json!("used"))
    );
    let listed = house.command(&["packages"]).await;
    assert!(listed.contains("model/pores-dog") && listed.contains("in use"), "{listed}");

    // Its photographs are counted, and told within a minute or so.
    let told = house.hq.until_told("the counters", || house.hq.of(&model(), 1).filter(|one| one.measured > Some(0)));
    assert_eq!(told.await.failed, Some(0));

    // Used from the next start on too, without being fetched again; the audit log says since when.
    house.stops().await;
    let notes = {
        let store = house.store();
        store.verify_audit().await.unwrap().unwrap();
        store.package_notes().await.unwrap()
    };
    assert_eq!(notes, [("package in use".to_owned(), "model/pores-dog 1".to_owned())]);
    house.starts(&[]).await;
    assert_eq!(house.model_in_use().await, "9.0.1");
    let measured = house.hq.until(&model(), 1, Stand::Used).await.measured;
    assert!(measured > Some(0), "the count goes on: {measured:?}");
    assert_eq!(house.hq.sent_twice(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_misses_its_golden_set_or_is_another_one_is_refused_and_the_old_one_goes_on() {
    let mut house = House::open().await;
    let own = house.model_in_use().await;
    let missed = house.model(1, "9.0.1", golden_missed);
    house.hq.wishes(&[&missed]).await;
    let told = house.hq.until(&model(), 1, Stand::Refused).await;
    println!("{}", told.reason);
    assert!(told.reason.contains("golden"), "{}", told.reason);
    // A model of another id under this slot.
    let other = house.model(2, "9.0.2", |name, bytes| match name {
        "manifest.toml" => {
            String::from_utf8(bytes).unwrap().replacen("id = \"pores-dog\"", "id = \"other\"", 1).into_bytes()
        }
        _ => bytes,
    });
    house.hq.wishes(&[&other]).await;
    let told = house.hq.until(&model(), 2, Stand::Refused).await;
    assert!(
        told.reason.contains("its manifest is of the model other; sign it for the slot model/other"),
        "{}",
        told.reason
    );
    // A file that is no model.
    let broken =
        house.model(3, "9.0.3", |name, bytes| if name == "model.onnx" { b"not a model".to_vec() } else { bytes });
    house.hq.wishes(&[&broken]).await;
    let told = house.hq.until(&model(), 3, Stand::Refused).await;
    assert!(told.reason.contains("is not the file its manifest describes"), "{}", told.reason);
    assert_eq!(house.model_in_use().await, own, "the old one goes on");
    // What was refused is not fetched again, whoever says it and however often.
    let sent = house.hq.desk().sent.len();
    house.hq.wishes(&[&missed]).await;
    let version = house.hq.desk().version;
    house.hq.until_told("the wish was heard", || house.hq.told().wanted.filter(|held| held.version == version)).await;
    house.stops().await;
    house.starts(&[]).await;
    let in_use = house.model_in_use().await;
    assert_eq!((house.hq.desk().sent.len(), in_use), (sent, own));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_model_gives_way_at_once_to_the_one_before_and_that_to_the_installed_one() {
    let mut house = House::open().await;
    let own = house.model_in_use().await;
    let [first, second] = [house.model(1, "9.0.1", same), house.model(2, "9.0.2", same)];
    house.hq.wishes(&[&first]).await;
    house.hq.until(&model(), 1, Stand::Used).await;
    house.hq.wishes(&[&second]).await;
    house.hq.until(&model(), 2, Stand::Used).await;
    // While a scan runs: a photograph is no reason to wait.
    let (visit, _scan) = house.scans("撤回").await;
    house.hq.withdraws(model(), &[2], &[&first]).await;
    house.hq.until(&model(), 2, Stand::Left).await;
    house.hq.until(&model(), 1, Stand::Used).await;
    assert_eq!(house.model_in_use().await, "9.0.1");
    assert_eq!(house.photographs(&visit, Skin::new(3, 0).taken(STILL), ANCHORS).await, ["9.0.1"]);
    // Whoever says it again: what was withdrawn never comes back.
    house.hq.wishes(&[&second]).await;
    let told = house.hq.until(&model(), 2, Stand::Refused).await;
    assert!(told.reason.contains("was withdrawn"), "{}", told.reason);
    house.hq.withdraws(model(), &[1], &[]).await;
    house.hq.until(&model(), 1, Stand::Left).await;
    assert_eq!(house.model_in_use().await, own, "what it was installed with");
    house.stops().await;
    assert!(house.shelf().is_empty(), "nothing of it stays: {:?}", house.shelf());
    house.starts(&[]).await;
    assert_eq!(house.model_in_use().await, own);
    // One that the store was not installed with leaves nothing behind.
    let second = Slot::Model("second".into());
    let package = house.model_of(second.clone(), 1, "1.0.0", |name, bytes| match name {
        "manifest.toml" => {
            String::from_utf8(bytes).unwrap().replacen("id = \"pores-dog\"", "id = \"second\"", 1).into_bytes()
        }
        _ => bytes,
    });
    house.hq.wishes(&[&package]).await;
    house.hq.until(&second, 1, Stand::Used).await;
    assert_eq!(house.get("models").await.unwrap()["models"].as_array().unwrap().len(), 2);
    house.hq.withdraws(second.clone(), &[1], &[]).await;
    house.hq.until(&second, 1, Stand::Left).await;
    assert_eq!(house.get("models").await.unwrap()["models"].as_array().unwrap().len(), 1);
    assert_eq!(
        house.photographs(&visit, Skin::new(3, 0).taken(STILL), ANCHORS).await,
        [own],
        "the other one measures on"
    );
}

/// The inference process dies whenever it measures, as a model that asks for too much makes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_over_a_photograph_is_told_of_at_once() {
    let mut house = House::closed().await;
    let orders = house.folder.join("orders");
    std::fs::create_dir_all(&orders).unwrap();
    house.starts(&[("SKINLINK_KILL_ORDERS", orders.display().to_string())]).await;
    house.hq.wishes(&[&house.model(1, "9.0.1", same)]).await;
    house.hq.until(&model(), 1, Stand::Used).await;
    let (visit, _scan) = house.scans("失败").await;
    let order = orders.join("worker.region.measured");
    let told = tokio::select! {
        _ = house.photographs(&visit, Skin::new(3, 0).taken(STILL), ANCHORS) => {
            let begun = Instant::now();
            let told = house.hq.until_told("the failure", || house.hq.of(&model(), 1).filter(|one| one.failed > Some(0))).await;
            assert!(begun.elapsed() < Duration::from_secs(20), "told at once, not with the counters of a minute: {:?}", begun.elapsed());
            told
        }
        () = async {
            loop {
                if !order.exists() {
                    std::fs::write(&order, "1").unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => unreachable!("the orders have no end"),
    };
    assert_eq!((told.measured, told.failed), (Some(0), Some(1)), "{told:?}");
}

/// Photograph after photograph: it is not left to be told as used while nothing measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_was_put_out_of_use_for_its_failures_gives_way_to_the_installed_one() {
    let mut house = House::closed().await;
    let orders = house.folder.join("orders");
    std::fs::create_dir_all(&orders).unwrap();
    house.starts(&[("SKINLINK_KILL_ORDERS", orders.display().to_string())]).await;
    let own = house.model_in_use().await;
    house.hq.wishes(&[&house.model(1, "9.0.1", same)]).await;
    house.hq.until(&model(), 1, Stand::Used).await;
    let slot = model();
    let (visit, _scan) = house.scans("三次").await;
    let order = orders.join("worker.region.measured");
    let told = tokio::select! {
        told = house.hq.until(&slot, 1, Stand::Refused) => told,
        () = async {
            for _ in 0..9 {
                house.photographs(&visit, Skin::new(3, 0).taken(STILL), ANCHORS).await;
            }
            std::future::pending().await
        } => unreachable!(),
        () = async {
            loop {
                if !order.exists() {
                    std::fs::write(&order, "1").unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => unreachable!("the orders have no end"),
    };
    assert!(told.reason.contains("the inference process died of it"), "{told:?}");
    let _ = std::fs::remove_file(&order);
    let begun = Instant::now();
    while house.get("models").await.is_none_or(|models| models["models"][0]["version"] != own.as_str()) {
        assert!(begun.elapsed() < crate::LIMIT, "the installed model does not come back:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(house.hq.told().packages.iter().all(|one| one.stand != Stand::Used), "{:?}", house.hq.told());
}
