//! From the desk of whoever signs to a scored photograph: nothing is played here, neither headquarters nor the gateway.

use crate::{
    LIMIT,
    headquarters::address,
    house::{House, copy, project},
    skin::{ANCHORS, STILL, Skin},
};
use serde_json::{Value, json};
use skinlink::{
    app::demo::Process,
    clock,
    domain::Timestamp,
    hq::{
        database::engine::Engine,
        orders::{self, Given, New, State},
        staff,
    },
    sync::downlink::{Colleague, Duty, Order, Outcome},
};
use std::{ffi::OsString, fs, path::PathBuf};
use tokio::time::{Duration, Instant, sleep};

/// The real receiver, its configuration and the commands of people who run it.
struct Office {
    receiver: Process,
    folder: PathBuf,
}

impl Office {
    /// The player of other stories leaves; the chain's key is made where it would be, and the gateway trusts it.
    async fn opens(house: &mut House) -> Self {
        house.hq.leaves().await;
        let folder = house.headquarters.folder.path().to_owned();
        fs::write(folder.join("passphrase"), "twelve letters or more\n").unwrap();
        let tls = &house.headquarters.hq_tls;
        let text = format!(
            "broker = \"127.0.0.1:{}\"\nname = \"hq-1\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\ndata = \"{}\"\n\
             [rollouts]\nchain = \"qinghe\"\nkeys = [\"packages.pub\"]\npilot = 1\nrings = [100]\n",
            house.headquarters.broker.port(),
            tls.ca.display(),
            tls.certificate.display(),
            tls.key.display(),
            house.headquarters.data().display(),
        );
        fs::write(folder.join("hq.toml"), text).unwrap();
        run(&folder, &["package", "key", "packages", "--passphrase-file", "passphrase"]).unwrap();
        fs::copy(folder.join("packages.pub"), house.folder.join("chain.pem")).unwrap();
        let arguments: Vec<OsString> = vec!["run".into(), "--config".into(), folder.join("hq.toml").into()];
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skinlink-hq"));
        let receiver = Process::start("skinlink-hq run", &program, &arguments, &[], &folder.join("hq.log")).unwrap();
        Self { receiver, folder }
    }

    fn run(&self, words: &[&str]) -> String {
        run(&self.folder, words).unwrap_or_else(|said| panic!("{words:?}: {said}"))
    }

    /// Signs what lies at `from`, takes it in and begins its rollout; its number.
    fn rolls_out(&self, slot: &str, version: &str, from: &str) {
        let file = format!("{version}.package");
        let key =
            ["--key", "packages.key", "--passphrase-file", "passphrase", "--chain", "qinghe", "--version", version];
        self.run(&[&["package", "sign", from, "--into", &file][..], &key].concat());
        self.run(&["package", "add", "--config", "hq.toml", &file]);
        self.run(&["rollout", "start", "--config", "hq.toml", slot, version, "--pilot", "sh-001"]);
    }
}

fn run(folder: &PathBuf, words: &[&str]) -> Result<String, String> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    let out = command.args(words).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    if out.status.success() { Ok(said) } else { Err(said) }
}

async fn until(house: &House, what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !seen().await {
        assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}\n{}", house.log());
        sleep(Duration::from_millis(50)).await;
    }
}

fn number(engine: &mut dyn Engine, sql: &str) -> i64 {
    engine.query(sql, &[]).unwrap()[0].get(0).unwrap()
}

/// A finer model is made ready at a desk, signed there, rolled out to the pilot and used for the next photograph. Then everything comes
/// at once, while a customer is measured: settings, a new colleague, and somebody who wants the machine looked at. Each arrives, and
/// each is told back once. At the end the model is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_at_a_desk_scores_a_photograph_and_everything_may_come_at_once() {
    let mut house = House::closed().await;
    let office = Office::opens(&mut house).await;
    house.starts(&[]).await;
    let own = house.model_in_use().await;
    let mut engine = house.headquarters.database.open().unwrap();
    let known = "SELECT count(*) FROM gateways WHERE epoch IS NOT NULL AND about IS NOT NULL";
    until(&house, "the store is heard", async || number(&mut *engine, known) == 1).await;

    let finer = office.folder.join("finer");
    copy(&project().join("models/pores-dog"), &finer);
    let manifest = fs::read_to_string(finer.join("manifest.toml")).unwrap();
    let version = manifest.lines().find(|line| line.starts_with("version = ")).unwrap();
    fs::write(finer.join("manifest.toml"), manifest.replacen(version, "version = \"9.0.1\"", 1)).unwrap();
    office.rolls_out("model/pores-dog", "1", "finer");
    until(&house, "the model is used", async || house.model_in_use().await == "9.0.1").await;
    let (visit, scan) = house.scans("林晓").await;
    let picture = Skin::new(3, 0).taken(STILL);
    assert_eq!(house.photographs(&visit, picture.clone(), ANCHORS).await, ["9.0.1"]);
    let used = "SELECT count(*) FROM package_told WHERE slot = 'model/pores-dog' AND stand = 'used'";
    until(&house, "headquarters knows it", async || number(&mut *engine, used) == 1).await;

    // All at once.
    fs::write(office.folder.join("settings.toml"), "[scan]\nregions = [\"chin\"]\n").unwrap();
    office.rolls_out("settings", "2", "settings.toml");
    let now = clock::now().wall;
    let people = [Colleague { id: "m-09".into(), name: "周宁".into(), role: Duty::Manager }];
    staff::put(&mut *engine, ("sh-001", "key crm"), &people, now).unwrap();
    let until_then = Timestamp::from_unix_ms(now.unix_ms() + 3_600_000);
    let check = New {
        store: address().store,
        giver: "key crm".into(),
        key: "1".into(),
        what: Order::Check {},
        until: until_then,
    };
    let Given::Stands(order) = orders::give(&mut *engine, &check, now).unwrap() else { panic!("it is given") };
    let held = "SELECT count(*) FROM package_told WHERE slot = 'settings' AND stand = 'held'";
    until(&house, "the settings wait for the scan", async || number(&mut *engine, held) == 1).await;
    assert_eq!(house.visit(&visit).await["scans"][0]["state"], "running");
    house.scan(&visit, &scan, "cancel").await;
    let used = "SELECT count(*) FROM package_told WHERE slot = 'settings' AND stand = 'used'";
    until(&house, "the settings are used", async || number(&mut *engine, used) == 1).await;
    house.answers().await;
    until(&house, "the list is held", async || {
        let desired = staff::desired(&mut *engine, "sh-001").unwrap().unwrap();
        desired.gateways.iter().all(|gateway| gateway.held == Some(1))
    })
    .await;
    until(&house, "the look is answered", async || {
        orders::find(&mut *engine, &order.order).unwrap().unwrap().state == State::Answered
    })
    .await;
    let answered = orders::find(&mut *engine, &order.order).unwrap().unwrap();
    assert_eq!((answered.outcome, answered.answers.len()), (Some(Outcome::Done), 1));
    let rows: Vec<Value> = serde_json::from_str(&answered.answers[0].words).unwrap();
    let row = |what: &str| rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("{what}: {rows:#?}"));
    assert_eq!(row("model/pores-dog 1")["found"], "rolled out and in use", "what is rolled out is told, too");
    assert_eq!(number(&mut *engine, "SELECT count(*) FROM events WHERE kind LIKE '%answer.v1'"), 1, "told once");

    // The next scan goes by the settings and by the model of the chain; then the model is taken back.
    let view = house.visit(&visit).await;
    house.post(&format!("visits/{visit}/scans"), Some(&view), json!({"phase": "before"})).await;
    let view = house.visit(&visit).await;
    assert_eq!(view["scans"][1]["steps"].as_array().unwrap().len(), 1, "one region is left: {view}");
    assert_eq!(house.photographs(&visit, picture, ANCHORS).await, ["9.0.1"]);
    office.run(&["rollout", "back", "--config", "hq.toml", "1"]);
    until(&house, "its own is used again", async || house.model_in_use().await == own).await;

    house.stops().await;
    let people = house.store().people().await.unwrap();
    assert!(people.iter().any(|one| one.id == "m-09"), "{people:?}");
    office.receiver.stop().await.unwrap();
}
