//! The main job from end to end: the demo's own claims, and mistakes that are put right through to headquarters.

use serde_json::{Value, json};
use skinlink::{
    app::demo::{
        CUSTOMER, Process,
        analysers::Analysers,
        stage::{Places, STATION, Stage},
    },
    domain::scan::Phase,
    hq::ledger::Ledger,
    sim::beautician::{Beautician, Plan, Turn},
    sync::payload::{Reassigned, Voided, kind},
};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

/// Longest wait for anything here; a healthy machine needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(150);

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `skinlink demo --once --json` ends by itself with exit code 0 only if every step happened; what it prints is held
/// against what was planted.
#[tokio::test]
async fn the_demo_finds_what_was_planted_and_nothing_else() {
    let demo = Command::new(env!("CARGO_BIN_EXE_skinlink"))
        .args(["demo", "--once", "--json", "--port", "0", "--log", "warn"])
        .current_dir(project())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, demo).await.expect("the demo ends").expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    for key in ["visit", "before", "after", "comparison", "scores", "planted", "report", "hq", "elapsed_s"] {
        assert!(!summary[key].is_null(), "{key} is missing");
    }
    let planted = summary["planted"].as_array().expect("a list");
    assert_eq!(planted.len(), 20, "three metrics at five regions, and pores at five");
    for item in planted {
        assert_eq!(item["found"], json!(item["change"].as_f64() != Some(0.0)), "{item}");
    }
    let hq = &summary["hq"];
    assert_eq!(
        (&hq["duplicates"], &hq["gaps"], &hq["images_verified"]),
        (&json!(0), &json!(0), &json!(2 * 6 + 3 * 4)),
        "{hq}"
    );
    println!("elapsed_s {} (this machine, this build)", summary["elapsed_s"]);
}

/// A beautician notices that she measured under the wrong phase, struck out the wrong scan, and chose the wrong customer.
#[tokio::test]
async fn a_mistake_is_moved_voided_and_taken_back_through_to_headquarters() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let places = Places {
        folder: folder.path().to_owned(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_skinlink")),
        project: project(),
        onnxruntime: project().join("target/onnxruntime").join(skinlink::app::runtime::FILE),
    };
    let mut stage = Stage::set(places, 0).await.expect("the stage");
    stage.scan = "repeats = 1\nregions = [\"chin\"]\n".to_owned();
    let analysers = Analysers::start(&stage, 5).expect("the simulated analysers");
    let mut daemon: Process = stage.start_daemon(&[]).expect("the daemon");
    stage.until_ready(&mut daemon).await.expect("an answer");
    let plan = Plan { phases: vec![Phase::Before], ..Plan::default() };
    let mut beautician = Beautician::new(&stage.address(), STATION, CUSTOMER, plan);
    loop {
        match beautician.turn().await.expect("a turn") {
            Turn::Done => break,
            Turn::Places(region) => analysers.place(region).await.expect("analysers"),
            Turn::Waits(_) => sleep(Duration::from_millis(20)).await,
            Turn::Did(_) | Turn::Treated(_) | Turn::Presses(..) => {}
        }
    }
    let visit = beautician.view().await.expect("the visit");
    let (visit, scan) = (text(&visit["id"]), text(&visit["scans"][0]["id"]));
    let other = post(&stage, "customers", None, json!({"name": "陈予安"})).await;

    let why = json!({"staff": "b-07", "reason": "wrong one"});
    act(&stage, &visit, &format!("scans/{scan}/void"), why.clone()).await;
    act(&stage, &visit, &format!("scans/{scan}/restore"), why.clone()).await;
    act(&stage, &visit, &format!("scans/{scan}/reassign"), json!({"phase": "after"})).await;
    act(&stage, &visit, &format!("visits/{visit}/reassign"), json!({"customer": other["id"]})).await;
    let now = beautician.view().await.expect("the visit");
    assert_eq!((&now["scans"][0]["phase"], &now["customer"]["id"]), (&json!("after"), &other["id"]));

    let begun = Instant::now();
    let (voided, moved) = loop {
        let ledger = Ledger::open(&stage.hq_data()).expect("headquarters' database");
        let voided = ledger.events_of(kind::VOIDED).expect("events");
        let moved = ledger.events_of(kind::REASSIGNED).expect("events");
        if voided.len() >= 2 && moved.len() >= 2 {
            break (voided, moved);
        }
        assert!(begun.elapsed() < LIMIT, "headquarters has {} and {}", voided.len(), moved.len());
        sleep(Duration::from_millis(50)).await;
    };
    let voided: Vec<Voided> = voided.iter().map(|event| event.data().expect("voided.v1")).collect();
    assert_eq!(voided.iter().map(|v| v.restored).collect::<Vec<_>>(), [false, true]);
    assert!(voided.iter().all(|v| v.what == "scan" && v.id == scan));
    let moved: Vec<Reassigned> = moved.iter().map(|event| event.data().expect("reassigned.v1")).collect();
    assert_eq!(moved[0].phase.as_deref(), Some("after"));
    assert_eq!(moved[1].customer.as_deref(), other["id"].as_str());
    daemon.stop().await.expect("a polite end");
    analysers.stop().await;
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// A write that builds on the visit's present version.
async fn act(stage: &Stage, visit: &str, call: &str, body: Value) {
    let view = reqwest::get(format!("{}/api/v1/visits/{visit}", stage.address())).await.expect("an answer");
    let view: Value = view.json().await.expect("JSON");
    post(stage, call, view["version"].as_u64(), body).await;
}

async fn post(stage: &Stage, call: &str, version: Option<u64>, body: Value) -> Value {
    let request = reqwest::Client::new().post(format!("{}/api/v1/{call}", stage.address()));
    let request = request.header("x-skinlink", "1").json(&body);
    let request = match version {
        Some(version) => request.header("if-match", format!("\"{version}\"")),
        None => request,
    };
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("text");
    assert!(status.is_success(), "{call}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}
