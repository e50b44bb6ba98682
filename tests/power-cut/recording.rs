//! A whole visit, recorded: the real daemon on the demo's stage with the recorder loaded before it, killed once in the middle
//! and started again, then the back office ([`crate::office`]) on the same folder.

use crate::{facts::Facts, notebook::Notebook};
use image::imageops::FilterType;
use serde_json::{Value, json};
use skinlink::{
    app::demo::{
        CUSTOMER, Process,
        analysers::Analysers,
        plant::Rendered,
        stage::{Places, STATION, Stage},
        today,
    },
    domain::scan::Phase,
    hq::ledger::Ledger,
    sim::beautician::{Beautician, Photograph, Turn},
};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Longest recording; a healthy one takes some 10 s.
const LIMIT: Duration = Duration::from_secs(120);

/// How many times smaller the photographs are.
const SMALLER: u32 = 10;

/// What the daemon's process is started with.
const FOLDER: &str = "SKINLINK_RECORD_FOLDER";
const LOG: &str = "SKINLINK_RECORD_LOG";

/// A recorded folder and its log, as they lie after the last polite end.
pub struct Recording {
    pub log: PathBuf,
    stage: TempDir,
    _beside: TempDir,
}

impl Recording {
    pub fn folder(&self) -> &Path {
        self.stage.path()
    }

    /// Plays and records it.
    pub async fn of_a_visit() -> Self {
        let (stage, beside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let log = beside.path().join("recording.log");
        let recorder = build_recorder();
        let mut house = House::open(stage.path(), &log, &recorder).await;
        house.visit().await;
        house.corrections().await;
        house.until_told_all().await;
        house.close().await;
        the_back_office(stage.path(), &log, &recorder);
        Self { log, stage, _beside: beside }
    }
}

/// Built by the cargo that runs this test, into the same folder; a second when it is there already.
fn build_recorder() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "skinlink-recorder", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the recorder does not build");
    let messages = String::from_utf8(built.stdout).unwrap();
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut files = artifacts.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let library =
        files.find_map(|file| file.as_str().filter(|file| file.contains("skinlink_recorder")).map(PathBuf::from));
    library.expect("cargo names the library it has built")
}

/// A tenth as wide: every cut decrypts every photograph, and an unoptimised build wipes them byte by byte.
fn make_small(photograph: &mut Photograph, folder: &Path) {
    let whole = image::open(&photograph.path).unwrap();
    let small = whole.resize(whole.width() / SMALLER, whole.height() / SMALLER, FilterType::Triangle);
    let path = folder.join(format!("{}-{}.jpg", photograph.phase, photograph.view));
    small.save(&path).unwrap();
    photograph.path = path;
    photograph.anchors = photograph.anchors.map(|anchor| anchor.map(|pixels| pixels / f64::from(SMALLER)));
}

fn preloaded(folder: &Path, log: &Path, recorder: &Path) -> [(&'static str, String); 3] {
    [("LD_PRELOAD", recorder), (FOLDER, folder), (LOG, log)].map(|(name, path)| (name, path.display().to_string()))
}

/// The test program itself, as a child: see [`crate::office::child`].
fn the_back_office(folder: &Path, log: &Path, recorder: &Path) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "office::child", "--ignored", "--nocapture"])
        .envs(preloaded(folder, log, recorder))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "the back office: {}", String::from_utf8_lossy(&said));
}

/// The stage with a recorded daemon, and what was confirmed by it.
struct House {
    stage: Stage,
    analysers: Analysers,
    daemon: Option<Process>,
    beautician: Beautician,
    notebook: Notebook,
    heard: u64,
    environment: [(&'static str, String); 3],
    begun: Instant,
}

impl House {
    async fn open(folder: &Path, log: &Path, recorder: &Path) -> Self {
        let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let photos = project.join("target/demo-photos");
        let rendered = Rendered::read(&photos).expect("run `make setup`");
        let onnxruntime = project.join("target/onnxruntime").join(skinlink::app::runtime::FILE);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skinlink"));
        let places = Places { folder: folder.to_owned(), program, project, onnxruntime };
        let mut stage = Stage::set(places, 0).await.unwrap();
        // Small, so that every operation of it is cut at many times: each further reading is like the others.
        stage.scan = "repeats = 2\nregions = [\"forehead\"]\n".to_owned();
        let mut plan = today(&rendered, &photos);
        plan.baselines = vec!["same_visit".to_owned()];
        plan.photographs.retain(|photograph| photograph.view == "left");
        plan.photographs.iter_mut().for_each(|photograph| make_small(photograph, folder));
        let analysers = Analysers::start(&stage, 23).unwrap();
        let beautician = Beautician::new(&stage.address(), STATION, CUSTOMER, plan);
        let environment = preloaded(folder, log, recorder);
        let (notebook, begun) = (Notebook::open(log), Instant::now());
        let mut house = Self { stage, analysers, daemon: None, beautician, notebook, heard: 0, environment, begun };
        house.start().await;
        house
    }

    async fn start(&mut self) {
        let mut daemon = self.stage.start_daemon(&self.environment).unwrap();
        self.stage.until_ready(&mut daemon).await.unwrap_or_else(|error| panic!("{error:#}"));
        self.daemon = Some(daemon);
        self.listen();
    }

    /// A page that shows the live events: what they tell must be durable when they leave. Ends with the daemon.
    #[expect(clippy::disallowed_methods, reason = "ends with the daemon it listens to")]
    fn listen(&self) {
        let address = format!("{}/api/v1/events", self.stage.address());
        tokio::spawn(async move {
            let mut events = reqwest::get(address).await.unwrap();
            while let Ok(Some(_)) = events.chunk().await {}
        });
    }

    fn in_time(&self) {
        assert!(self.begun.elapsed() < LIMIT, "the recording hangs\n{}", self.stage.daemon_log());
    }

    /// Both scans with a photograph each and a treatment between; the daemon is killed when the second photograph was just
    /// confirmed, so that its recovery is recorded too.
    async fn visit(&mut self) {
        self.analysers.skin(Phase::Before).await.unwrap();
        let mut killed = false;
        loop {
            self.in_time();
            match self.beautician.turn().await.unwrap_or_else(|e| panic!("{e}\n{}", self.stage.daemon_log())) {
                Turn::Done => break,
                Turn::Places(region) => self.analysers.place(region).await.unwrap(),
                Turn::Presses(metric, region) => self.analysers.press(metric, region).await.unwrap(),
                Turn::Treated(_) => self.analysers.skin(Phase::After).await.unwrap(),
                Turn::Waits(_) => sleep(Duration::from_millis(20)).await,
                Turn::Did(what) => {
                    self.note().await;
                    if what.starts_with("after: photograph") && !std::mem::replace(&mut killed, true) {
                        self.daemon.take().unwrap().kill().await.unwrap();
                        self.start().await;
                    }
                }
            }
        }
        self.note().await;
        assert!(killed, "the daemon was to be killed in the middle");
    }

    /// Asks what the daemon shows as kept, which the recorder hears, and notes which events headquarters holds.
    async fn note(&mut self) {
        let mut facts = Facts::new();
        if self.beautician.visit().is_some() {
            self.beautician.view().await.unwrap();
        }
        if let Ok(ledger) = Ledger::open(&self.stage.hq_data()) {
            for event in ledger.events_after(self.heard, 10_000).unwrap_or_default() {
                self.heard = event.n;
                facts.insert(format!("heard/{}/{}", event.epoch, event.seq), event.id);
            }
        }
        self.notebook.keep(facts);
    }

    /// The first scan is struck out and taken back.
    async fn corrections(&mut self) {
        let view = self.beautician.view().await.unwrap();
        let scan = view["scans"][0]["id"].as_str().unwrap();
        for verb in ["void", "restore"] {
            let version = self.beautician.view().await.unwrap()["version"].to_string();
            // Nothing is asked between this and the correction: an answer would promise the old state again.
            self.notebook.release([format!("ended/{scan}")]);
            self.post(&format!("scans/{scan}/{verb}"), &version, json!({"staff": "b-07", "reason": "wrong one"})).await;
            self.note().await;
        }
    }

    async fn post(&self, call: &str, version: &str, body: Value) {
        let request = reqwest::Client::new().post(format!("{}/api/v1/{call}", self.stage.address()));
        let request = request.header("x-skinlink", "1").header("if-match", format!("\"{version}\""));
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{call}: {status} {}", answer.text().await.unwrap());
    }

    /// Until headquarters has acknowledged every event and every photograph.
    async fn until_told_all(&mut self) {
        loop {
            self.in_time();
            let answer = reqwest::get(format!("{}/api/v1/status", self.stage.address())).await.unwrap();
            let status: Value = answer.json().await.unwrap();
            if status["backlog"]["waiting"] == 0 && status["backlog"]["images"] == 0 {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.note().await;
        assert!(self.heard > 10, "headquarters has heard of {} events", self.heard);
    }

    async fn close(mut self) {
        self.daemon.take().unwrap().stop().await.unwrap();
        self.analysers.stop().await;
    }
}
