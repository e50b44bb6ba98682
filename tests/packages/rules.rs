//! Rules and settings: used from a beginning anew, inside the same process, when nobody is disturbed.

use crate::{
    house::House,
    skin::{ANCHORS, STILL, Skin},
};
use serde_json::{Value, json};
use skinlink::sync::package::{Slot, Stand};
use std::{fs, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How many values a new scan wants.
async fn steps(house: &House, customer: &str) -> usize {
    let (visit, scan) = house.scans(customer).await;
    let view: Value = house.visit(&visit).await;
    let steps = view["scans"][0]["steps"].as_array().expect("steps").len();
    house.scan(&visit, &scan, "cancel").await;
    let view = house.visit(&visit).await;
    house.post(&format!("visits/{visit}/close"), Some(&view), json!({"staff": "b-07"})).await;
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_wait_for_the_scan_and_then_hold_in_the_same_process() {
    let mut house = House::open().await;
    let process = house.daemon.as_ref().unwrap().id();
    let before = steps(&house, "设置").await;
    let (visit, scan) = house.scans("等候").await;
    let mut live = reqwest::get(format!("{}/api/v1/events", house.address())).await.unwrap();
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nregions = [\"chin\"]\n")]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Held).await;
    // As long as it runs, nothing happens; told anything else it would have begun within half a second.
    sleep(Duration::from_secs(2)).await;
    assert!(house.hq.of(&Slot::Settings, 1).is_some_and(|one| one.stand == Stand::Held));
    let view = house.visit(&visit).await;
    assert_eq!(view["scans"][0]["state"], "running", "{}", house.log());
    house.scan(&visit, &scan, "cancel").await;
    let begun = Instant::now();
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    println!("used {:?} after the scan ended", begun.elapsed());
    house.answers().await;
    assert_eq!(house.daemon.as_ref().unwrap().id(), process, "the process is the same");
    house.daemon.as_mut().unwrap().still_running().unwrap();
    // The stream of a page ended, so that it connects again; and it can.
    let ended = async { while let Ok(Some(_)) = live.chunk().await {} };
    timeout(Duration::from_secs(10), ended).await.expect("the stream of before ends");
    assert!(reqwest::get(format!("{}/api/v1/events", house.address())).await.unwrap().status().is_success());
    let view = house.visit(&visit).await;
    house.post(&format!("visits/{visit}/close"), Some(&view), json!({"staff": "b-07"})).await;
    let after = steps(&house, "之后").await;
    assert_eq!((before, after), (5, 1), "one metric at five regions before, at one now");

    // Withdrawn while a scan runs: it goes on to its end by what it began with, and then the installer's own holds.
    let (visit, scan) = house.scans("撤回").await;
    house.hq.withdraws(Slot::Settings, &[1], &[]).await;
    sleep(Duration::from_secs(2)).await;
    assert!(house.hq.of(&Slot::Settings, 1).is_some_and(|one| one.stand == Stand::Used), "it is still what it goes by");
    assert_eq!(house.visit(&visit).await["scans"][0]["state"], "running");
    house.scan(&visit, &scan, "cancel").await;
    house.hq.until(&Slot::Settings, 1, Stand::Left).await;
    house.answers().await;
    let view = house.visit(&visit).await;
    house.post(&format!("visits/{visit}/close"), Some(&view), json!({"staff": "b-07"})).await;
    assert_eq!(steps(&house, "最后").await, 5);
    assert_eq!(house.daemon.as_ref().unwrap().id(), process);
    house.stops().await;
    let notes = house.store().package_notes().await.unwrap();
    let notes: Vec<String> = notes.into_iter().map(|(what, which)| format!("{what}: {which}")).collect();
    assert_eq!(notes, ["package in use: settings 1", "package withdrawn: settings 1"]);
}

/// The bytes of a photograph come slowly over a bad wireless network: it must not be cut off for a rollout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photograph_on_its_way_in_is_waited_for() {
    let house = House::open().await;
    let (visit, scan) = house.scans("拍照").await;
    house.scan(&visit, &scan, "pause").await;
    let picture = Skin::new(3, 0).taken(STILL);
    let [[x1, y1], [x2, y2]] = ANCHORS;
    let version = house.visit(&visit).await["version"].as_u64().unwrap();
    let head = format!(
        "POST /api/v1/visits/{visit}/captures?phase=before&view=left&light=white&camera=test&anchors={x1},{y1},{x2},{y2} HTTP/1.1\r\n\
         host: {}\r\nx-skinlink: 1\r\nif-match: \"{version}\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        house.place(),
        picture.len()
    );
    let mut line = TcpStream::connect(house.place()).await.unwrap();
    line.write_all(head.as_bytes()).await.unwrap();
    line.write_all(&picture[..picture.len() / 2]).await.unwrap();
    line.flush().await.unwrap();
    sleep(Duration::from_millis(300)).await;
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[report]\nvalid_days = 10\n")]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Held).await;
    sleep(Duration::from_secs(2)).await;
    assert!(house.hq.of(&Slot::Settings, 1).is_some_and(|one| one.stand == Stand::Held), "{:?}", house.hq.told());
    line.write_all(&picture[picture.len() / 2..]).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(60), line.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suggestions_treatments_and_settings_come_into_use_one_after_another() {
    let mut house = House::open().await;
    let project = crate::house::project();
    let [suggestions, treatments] = ["suggestions.toml", "treatments.toml"]
        .map(|name| fs::read_to_string(project.join("config").join(name)).unwrap());
    let packages = [
        house.rules(Slot::Suggestions, 4, &suggestions),
        house.rules(Slot::Treatments, 5, &treatments.replacen("zh = \"", "zh = \"新", 1)),
        house.rules(Slot::Settings, 6, "[scan]\nregions = [\"chin\"]\n"),
    ];
    house.hq.wishes(&packages.iter().collect::<Vec<_>>()).await;
    for package in &packages {
        house.hq.until(&package.wish.slot, package.wish.version, Stand::Used).await;
    }
    house.answers().await;
    assert_eq!(steps(&house, "三样").await, 1);
    // After a kill it is all in use again.
    house.daemon.take().unwrap().kill().await.unwrap();
    house.starts(&[]).await;
    assert_eq!(steps(&house, "再起").await, 1);
    // The technician's page shows it in three languages.
    for (lang, words) in [("zh", "总部下发的内容"), ("hant", "總部下發的內容"), ("en", "From headquarters")]
    {
        let page = reqwest::Client::new().get(format!("{}/devices?lang={lang}", house.address())).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(page.contains(words), "{lang}: {page}");
    }
}

/// The database was put back without the folder beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_whose_files_are_gone_are_fetched_again() {
    let mut house = House::open().await;
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nregions = [\"chin\"]\n")]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    house.stops().await;
    fs::remove_dir_all(house.folder.join("data/packages")).unwrap();
    let hellos = house.hq.desk().hellos.len();
    house.starts(&[]).await;
    house
        .hq
        .until_told("it is used again", || {
            let used = house.hq.of(&Slot::Settings, 1).is_some_and(|one| one.stand == Stand::Used);
            (used && house.hq.desk().hellos.len() > hellos && house.hq.sent_twice() == 1).then_some(())
        })
        .await;
    house.answers().await;
    assert_eq!(steps(&house, "再取").await, 1);
}

/// What was sound when it was fetched does not fit any more when it is to be used: the house's own metrics were changed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_cannot_be_built_with_a_package_goes_on_with_what_it_had() {
    let mut house = House::open().await;
    let (visit, scan) = house.scans("换").await;
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nmetrics = [\"ph\"]\n")]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Held).await;
    let metrics = house.folder.join("metrics.toml");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.replace("id = \"ph\"", "id = \"ph-new\"")).unwrap();
    house.scan(&visit, &scan, "cancel").await;
    let told = house.hq.until(&Slot::Settings, 1, Stand::Refused).await;
    println!("{}", told.reason);
    assert!(told.reason.contains("scan.metrics names ph,"), "{}", told.reason);
    house.answers().await;
    house.daemon.as_mut().unwrap().still_running().unwrap();
    let view = house.visit(&visit).await;
    house.post(&format!("visits/{visit}/close"), Some(&view), json!({"staff": "b-07"})).await;
    assert_eq!(steps(&house, "照旧").await, 5);
}

/// Somebody edits a file of the gateway's own while it runs: it is not the package that is at fault, and nothing may go down for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_waits_while_the_gateways_own_files_are_not_sound_and_says_so() {
    let mut house = House::closed().await;
    let logo = house.folder.join("logo.svg");
    let drawn = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"></svg>";
    fs::write(&logo, drawn).unwrap();
    house.write_config(64, &format!("[report]\nlogo = \"logo.svg\"\n{}", crate::house::PACKAGES));
    house.starts(&[]).await;
    fs::remove_file(&logo).unwrap();
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nregions = [\"chin\"]\n")]).await;
    let told = house
        .hq
        .until_told("why it waits", || house.hq.of(&Slot::Settings, 1).filter(|one| !one.reason.is_empty()))
        .await;
    assert!(told.stand == Stand::Held && told.reason.contains("report.logo"), "{told:?}");
    house.daemon.as_mut().unwrap().still_running().unwrap();
    // Mended, and started by somebody: it comes into use.
    fs::write(&logo, drawn).unwrap();
    house.stops().await;
    house.starts(&[]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    // The same file is gone at a start within its trial: neither is the package refused for it.
    house.daemon.take().unwrap().kill().await.unwrap();
    fs::remove_file(&logo).unwrap();
    for _ in 0..4 {
        house.begins(&[]);
        house.dies().await;
    }
    fs::write(&logo, drawn).unwrap();
    house.starts(&[]).await;
    assert_eq!(steps(&house, "照旧").await, 1, "what was in use is in use: {}", house.log());
}

/// A typing error of the installer's at a start must cost no store what it has used for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_stood_is_laid_aside_at_a_start_where_it_does_not_fit_and_comes_back() {
    let mut house = House::open().await;
    house.hq.wishes(&[&house.rules(Slot::Settings, 1, "[scan]\nmetrics = [\"ph\"]\nregions = [\"chin\"]\n")]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    house.answers().await;
    // Its trial has ended.
    sleep(Duration::from_secs(8)).await;
    house.stops().await;
    let metrics = house.folder.join("metrics.toml");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.replace("id = \"ph\"", "id = \"ph-new\"")).unwrap();
    house.starts(&[]).await;
    let told = house
        .hq
        .until_told("why it is idle", || house.hq.of(&Slot::Settings, 1).filter(|one| !one.reason.is_empty()))
        .await;
    assert!(told.stand == Stand::Held && told.reason.contains("scan.metrics names ph,"), "{told:?}");
    assert_eq!(steps(&house, "安装").await, 5, "what it was installed with");
    house.stops().await;
    fs::write(&metrics, text).unwrap();
    house.starts(&[]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    assert_eq!(steps(&house, "回来").await, 1);
}
