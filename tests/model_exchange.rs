//! Models exchanged on the real daemon while a visit goes on: sound ones come into use between two photographs, others are
//! refused with their reason, and no scan, score or reading suffers from it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "support/hostile.rs"]
#[expect(dead_code, reason = "shared with the hostile files' own stories")]
mod hostile;
#[path = "support/onnx.rs"]
mod onnx;
#[expect(dead_code, reason = "shared with the stories of the inference process")]
#[path = "support/skin.rs"]
mod skin;

use serde_json::{Value, json};
use skin::{ANCHORS, STILL, Shot, Skin};
use skinlink::{
    app::demo::{
        CUSTOMER, Process,
        analysers::Analysers,
        stage::{Places, STATION, Stage},
    },
    domain::scan::Phase,
    sim::beautician::{Beautician, Photograph, Plan, Turn},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

/// Longest wait for anything here.
const LIMIT: Duration = Duration::from_secs(150);

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(fs::copy(entry.path(), to).is_ok()) }
    }
}

/// Our own model under another version.
fn another_version(folder: &Path, version: &str) -> PathBuf {
    let own = folder.join("pores-dog");
    let _ = fs::remove_dir_all(&own);
    copy(&project().join("models/pores-dog"), &own);
    let manifest = own.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let from = text.lines().find(|line| line.starts_with("version = ")).unwrap();
    fs::write(&manifest, text.replacen(from, &format!("version = \"{version}\""), 1)).unwrap();
    own
}

/// A hostile file in a folder of its own among the gateway's, which claims to be the model in use.
fn hostile_among(models: &Path, file: &[u8]) {
    let home = models.join("hostile");
    let _ = fs::remove_dir_all(&home);
    fs::rename(hostile::folder_with(&models.join(".made"), file), &home).unwrap();
}

struct Salon {
    stage: Stage,
    models: PathBuf,
}

impl Salon {
    async fn activate(&self, model: &Path) -> (i32, Value) {
        let config = self.stage.places().folder.join("gateway.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
        command.args(["model", "activate", "--json", "--config"]).arg(config).arg(model);
        let output = timeout(LIMIT, command.current_dir(project()).stdin(Stdio::null()).kill_on_drop(true).output());
        let Output { status, stdout, stderr } = output.await.expect("it ends").unwrap();
        let told = serde_json::from_slice(&stdout);
        (status.code().unwrap(), told.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr))))
    }

    /// A command of the program by this gateway's configuration; exit code and all it said.
    async fn command(&self, words: &[&str]) -> (i32, String) {
        let config = self.stage.places().folder.join("gateway.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
        command.args(words).arg("--config").arg(config);
        let output = timeout(LIMIT, command.current_dir(project()).stdin(Stdio::null()).kill_on_drop(true).output());
        let Output { status, stdout, stderr } = output.await.expect("it ends").unwrap();
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (status.code().unwrap(), said)
    }

    /// Once people log in, a command on the machine used to be told that no gateway answers, and a manager who forgot the PIN was
    /// out for good.
    async fn a_terminal_speaks_for_the_machine(&self, folder: &Path) {
        let http = reqwest::Client::new();
        let post = async |path: &str, body: Value| {
            let request = http.post(format!("{}/api/v1{path}", self.stage.address())).header("x-skinlink", "1");
            timeout(LIMIT, request.json(&body).send()).await.expect("an answer").unwrap().status().as_u16()
        };
        let manager = json!({ "id": "b-01", "name": "Zhou", "role": "manager", "pin": "2580" });
        assert_eq!(post("/staff", manager).await, 201);
        let (code, told) = self.activate(&another_version(folder, "7.0.5")).await;
        assert_eq!((code, &told["state"]), (0, &json!("in_use")), "{told}");
        // Refused by the gateway alone: the old one is back in place, and the gateway was told so, whatever it had met meanwhile.
        let other_rules = another_version(folder, "7.0.5");
        let manifest = other_rules.join("manifest.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("kept_threshold = 0.7"));
        fs::write(&manifest, text.replace("kept_threshold = 0.7", "kept_threshold = 0.6")).unwrap();
        let (code, told) = self.activate(&other_rules).await;
        assert_eq!((code, &told["state"]), (1, &json!("refused")), "{told}");
        let words = told["told"].as_str().unwrap();
        assert!(words.contains("the old one goes on") && words.contains("give the manifest a new version"), "{told}");
        let lies = fs::read_to_string(self.models.join("pores-dog/manifest.toml")).unwrap();
        assert!(lies.contains("kept_threshold = 0.7"), "{lies}");
        self.until_in_use("7.0.5").await;
        for _ in 0..5 {
            assert!(matches!(post("/session", json!({ "person": "b-01", "pin": "9999" })).await, 401 | 429));
        }
        let (code, said) = self.command(&["staff", "pin", "b-01"]).await;
        assert_eq!(code, 0, "{said}");
        let fresh: String =
            said.split("PIN ").nth(1).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(post("/session", json!({ "person": "b-01", "pin": "2580" })).await, 401, "the old PIN is over");
        assert_eq!(post("/session", json!({ "person": "b-01", "pin": fresh })).await, 200, "{said}");
        let (code, said) = self.command(&["staff", "pin", "b-99"]).await;
        assert!(code == 1 && said.contains("nobody with the number b-99"), "{said}");
        // Without the right to read the token it is said how it is.
        let token = self.stage.places().folder.join("data/machine.token");
        let kept = fs::read(&token).unwrap();
        fs::write(&token, "0".repeat(32)).unwrap();
        // The new folder used to stay in place under a gateway that measured by the old one's pin: its next inference process lost both.
        let (code, told) = self.activate(&another_version(folder, "7.0.6")).await;
        assert_eq!((code, &told["state"]), (1, &json!("refused")), "{told}");
        assert!(told["told"].as_str().unwrap().contains("does not know the token"), "{told}");
        let lies = fs::read_to_string(self.models.join("pores-dog/manifest.toml")).unwrap();
        assert!(lies.contains("version = \"7.0.5\""), "{lies}");
        fs::write(&token, kept).unwrap();
    }

    async fn ask_for(&self, id: &str) -> (u16, Value) {
        let address = format!("{}/api/v1/models/{id}/activate", self.stage.address());
        let answer = reqwest::Client::new().post(address).header("x-skinlink", "1").send();
        let answer = timeout(LIMIT, answer).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn in_use(&self) -> Vec<(String, String)> {
        // As the machine: people log in at some point of the story.
        let token = fs::read_to_string(self.stage.places().folder.join("data/machine.token")).unwrap_or_default();
        let asked = reqwest::Client::new().get(format!("{}/api/v1/models", self.stage.address()));
        let answer = asked.header(skinlink::web::MACHINE, token.trim()).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let models = answer["models"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        models.map(|model| (text(&model["id"]), text(&model["version"]))).collect()
    }

    async fn until_in_use(&self, version: &str) {
        let begun = Instant::now();
        while self.in_use().await != [("pores-dog".to_owned(), version.to_owned())] {
            assert!(begun.elapsed() < LIMIT, "in use: {:?}\n{}", self.in_use().await, self.stage.daemon_log());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

fn photograph(folder: &Path, phase: Phase, shot: Shot) -> Photograph {
    let path = folder.join(format!("{phase}.png"));
    fs::write(&path, Skin::new(3, 0).taken(shot)).unwrap();
    Photograph { phase, view: "left".into(), path, anchors: ANCHORS }
}

#[tokio::test]
async fn models_are_exchanged_while_a_visit_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        folder: folder.path().join("stage"),
        program: PathBuf::from(env!("CARGO_BIN_EXE_skinlink")),
        project: project(),
        onnxruntime: project().join("target/onnxruntime").join(skinlink::app::runtime::FILE),
    };
    fs::create_dir(&places.folder).unwrap();
    let mut stage = Stage::set(places, 0).await.expect("the stage");
    stage.scan = "repeats = 1\nregions = [\"chin\"]\n".to_owned();
    stage.models = folder.path().join("models");
    copy(&project().join("models/pores-dog"), &stage.models.join("pores-dog"));
    let analysers = Analysers::start(&stage, 5).expect("the simulated analysers");
    let mut daemon: Process = stage.start_daemon(&[]).expect("the daemon");
    stage.until_ready(&mut daemon).await.expect("an answer");
    let salon = Salon { models: stage.models.clone(), stage };
    let first = text_of_version();
    salon.until_in_use(&first).await;

    let over = AtomicBool::new(false);
    let visit = async {
        let mut seen = BTreeSet::new();
        // Visit after visit, until every exchange was made.
        for round in 0.. {
            let moved = Shot { degrees: 1.0, shift: [9.0, -5.0], seed: 2, ..STILL };
            let photographs =
                vec![photograph(folder.path(), Phase::Before, STILL), photograph(folder.path(), Phase::After, moved)];
            let plan = Plan { phases: vec![Phase::Before, Phase::After], photographs, ..Plan::default() };
            let customer = format!("{CUSTOMER} {round}");
            let mut beautician = Beautician::new(&salon.stage.address(), STATION, &customer, plan);
            let begun = Instant::now();
            loop {
                assert!(begun.elapsed() < LIMIT, "the visit hangs\n{}", salon.stage.daemon_log());
                match beautician.turn().await.expect("a turn") {
                    Turn::Done => break,
                    Turn::Places(region) => analysers.place(region).await.expect("analysers"),
                    Turn::Waits(_) => sleep(Duration::from_millis(20)).await,
                    Turn::Did(_) | Turn::Treated(_) | Turn::Presses(..) => {}
                }
            }
            let view = beautician.view().await.expect("the visit");
            for scan in view["scans"].as_array().unwrap() {
                for capture in scan["captures"].as_array().unwrap() {
                    let scores = capture["scores"].as_array().unwrap();
                    assert!(!scores.is_empty(), "every photograph was measured: {capture}");
                    seen.extend(scores.iter().filter(|s| s["model"] == "pores-dog").map(|s| text(&s["model_version"])));
                }
            }
            if over.load(Ordering::Relaxed) {
                return seen;
            }
        }
        unreachable!("the rounds are counted without end")
    };
    let sound = ["7.0.1", "7.0.2", "7.0.3"];
    let exchanges = async {
        let mut current = first.clone();
        let mut refused = hostile::all().into_iter().filter(|file| {
            [
                "cut in the middle",
                "a loop without end",
                "a constant of 2 GiB",
                "values of the system",
                "doubles go in",
                "numbers that are none",
            ]
            .contains(&file.what)
        });
        for version in sound {
            for file in refused.by_ref().take(2) {
                hostile_among(&salon.models, &file.file);
                let (status, answer) = salon.ask_for("hostile").await;
                let reason = answer["error"]["now"].as_str().unwrap_or_default().to_owned();
                assert_eq!(status, 422, "{}: {answer}", file.what);
                assert!(file.words.iter().any(|words| reason.contains(words)), "{}: {reason}", file.what);
                assert!(answer["error"]["en"].as_str().unwrap().contains(&reason), "{answer}");
                println!("{}: {reason}", file.what);
                assert_eq!(salon.in_use().await, [("pores-dog".to_owned(), current.clone())], "the old one goes on");
            }
            let (code, told) = salon.activate(&another_version(folder.path(), version)).await;
            assert_eq!((code, &told["state"]), (0, &json!("in_use")), "{told}");
            current = version.to_owned();
            assert_eq!(salon.in_use().await, [("pores-dog".to_owned(), current.clone())]);
        }
        // What the program refuses by itself is not even put in place.
        let bad = another_version(folder.path(), "6.6.6");
        fs::write(bad.join("model.onnx"), b"not a model").unwrap();
        let (code, told) = salon.activate(&bad).await;
        assert_eq!((code, &told["state"]), (1, &json!("refused")), "{told}");
        assert!(told["told"].as_str().unwrap().contains("is not the file its manifest describes"), "{told}");
        let kept = fs::read_to_string(salon.models.join("pores-dog/manifest.toml")).unwrap();
        assert!(kept.contains("7.0.3"), "the one in use lies where it lay");
        // And back to the one before.
        let (code, told) = salon.activate(&salon.models.join(".pores-dog.former")).await;
        assert_eq!((code, &told["version"]), (0, &json!("7.0.2")), "{told}");
        assert_eq!(salon.ask_for("nobody").await.0, 404);
        assert_eq!(salon.ask_for("%2E%2E%2Fmodels%2Fhostile").await.0, 404);
        over.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(visit, exchanges);
    println!("scores by {seen:?}");
    let known: BTreeSet<String> = sound.iter().map(ToString::to_string).chain([first]).collect();
    assert!(seen.len() >= 2 && seen.is_subset(&known), "scores by {seen:?}");
    assert_eq!(salon.in_use().await, [("pores-dog".to_owned(), "7.0.2".to_owned())]);
    salon.a_terminal_speaks_for_the_machine(folder.path()).await;
    daemon.still_running().expect("the same process as before");
    daemon.stop().await.expect("a polite end");
    let (code, told) = salon.activate(&another_version(folder.path(), "7.0.4")).await;
    assert_eq!((code, &told["state"]), (0, &json!("next_start")), "{told}");
    assert!(told["told"].as_str().unwrap().contains("no gateway answers"), "{told}");
    // Also while no gateway runs a forgotten PIN is no lost house.
    let (code, said) = salon.command(&["staff", "pin", "b-01"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = salon.command(&["staff", "list"]).await;
    assert!(code == 0 && said.contains("b-01  manager  Zhou"), "{said}");
    analysers.stop().await;
}

/// The version that lies in the project.
fn text_of_version() -> String {
    let manifest = fs::read_to_string(project().join("models/pores-dog/manifest.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("version = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}
