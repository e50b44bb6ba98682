//! A salon for tests: the demo's stage with a daemon that can be killed, and a ledger of what was confirmed to people.

use skinlink::{
    app::demo::{
        CUSTOMER, Process,
        analysers::Analysers,
        plant::Rendered,
        stage::{GATEWAY, Places, STATION, Stage},
        summary::AtHq,
        today,
    },
    domain::scan::Phase,
    hq::ledger::Ledger,
    sim::beautician::{Beautician, Plan, Trouble, Turn},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Longest life of one visit, kill and restart included; a healthy one takes 1 to 3 s.
const VISIT_LIMIT: Duration = Duration::from_secs(90);

/// What a visit consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Both scans, no photographs.
    Readings,
    /// Both scans with one photograph each.
    Photographs,
}

/// Stage, daemon and what was confirmed so far.
pub struct Salon {
    stage: Stage,
    analysers: Analysers,
    daemon: Option<Process>,
    rendered: Rendered,
    photos: PathBuf,
    /// Ids of repeats and captures that an answer of the daemon showed.
    repeats: BTreeSet<String>,
    captures: BTreeSet<String>,
    visits: u32,
    _folder: tempfile::TempDir,
}

impl Salon {
    pub async fn open() -> Self {
        let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let onnxruntime = project.join("target/onnxruntime").join(skinlink::app::runtime::FILE);
        assert!(onnxruntime.exists(), "{} is missing; run `make setup`", onnxruntime.display());
        let photos = project.join("target/demo-photos");
        let rendered = Rendered::read(&photos).expect("run `make setup`");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skinlink"));
        let places = Places { folder: folder.path().to_owned(), program, project, onnxruntime };
        let mut stage = Stage::set(places, 0).await.expect("the stage");
        // Small visits, so that many of them can be killed.
        stage.scan = "repeats = 2\nregions = [\"forehead\", \"left_cheek\"]\n".to_owned();
        let analysers = Analysers::start(&stage, 11).expect("the simulated analysers");
        Self {
            stage,
            analysers,
            daemon: None,
            rendered,
            photos,
            repeats: BTreeSet::new(),
            captures: BTreeSet::new(),
            visits: 0,
            _folder: folder,
        }
    }

    /// One visit whose daemon dies at the `count`-th passing of `point`.
    pub async fn killed_at(&mut self, point: &str, count: u32, visit: Visit) {
        println!("point {point}:{count}; again by SKINLINK_KILLS=point:{point}:{count}");
        self.stop_daemon().await;
        self.start_daemon(&[("SKINLINK_KILL_AT", format!("{point}:{count}"))]).await;
        let deaths = self.play(visit, None).await;
        assert_eq!(deaths, 1, "the visit never passed {point} {count} times\n{}", self.stage.daemon_log());
    }

    /// One visit whose daemon is killed from outside after a random time.
    pub async fn killed_after(&mut self, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let after = Duration::from_millis(rng.u64(0..1500));
        let visit = if rng.u8(0..5) == 0 { Visit::Photographs } else { Visit::Readings };
        println!("moment {seed}: {visit:?} after {after:?}; again by SKINLINK_KILLS=moment:{seed}");
        self.play(visit, Some(after)).await;
    }

    /// Plays one visit to its end, through every death of the daemon; says how often it died.
    async fn play(&mut self, visit: Visit, kill_after: Option<Duration>) -> u32 {
        self.visits += 1;
        self.ensure_daemon().await;
        self.analysers.skin(Phase::Before).await.expect("analysers");
        let mut beautician =
            Beautician::new(&self.stage.address(), STATION, CUSTOMER, plan(visit, &self.rendered, &self.photos));
        let (begun, mut deaths, mut kill_at) = (Instant::now(), 0, kill_after.map(|after| Instant::now() + after));
        loop {
            assert!(begun.elapsed() < VISIT_LIMIT, "the visit hangs\n{}", self.stage.daemon_log());
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                kill_at = None;
                deaths += 1;
                self.daemon.take().expect("it runs").kill().await.expect("it was alive");
                self.start_daemon(&[]).await;
            }
            let turn = match kill_at {
                // The moment may come in the middle of a turn.
                Some(at) => match tokio::time::timeout_at(at, beautician.turn()).await {
                    Ok(turn) => turn,
                    Err(_) => continue,
                },
                None => beautician.turn().await,
            };
            match turn {
                Ok(Turn::Done) => break,
                Ok(Turn::Places(region)) => self.analysers.place(region).await.expect("analysers"),
                Ok(Turn::Treated(_)) => self.analysers.skin(Phase::After).await.expect("analysers"),
                Ok(Turn::Waits(_)) => sleep(Duration::from_millis(20)).await,
                Ok(Turn::Did(_)) => self.remember(&beautician).await,
                Err(Trouble::Unreachable(error)) => {
                    let mut daemon = self.daemon.take().expect("it was started");
                    let died = daemon.ended_within(Duration::from_secs(10)).await;
                    assert!(died, "the daemon hung up without dying: {error}\n{}", self.stage.daemon_log());
                    deaths += 1;
                    self.start_daemon(&[]).await;
                }
                Err(trouble) => panic!("{trouble}\n{}", self.stage.daemon_log()),
            }
        }
        deaths
    }

    /// Notes what the daemon shows as kept: from now on it must not be lost.
    async fn remember(&mut self, beautician: &Beautician) {
        let Ok(view) = beautician.view().await else { return };
        let scans = view["scans"].as_array().into_iter().flatten();
        for scan in scans {
            for reading in scan["readings"].as_array().into_iter().flatten() {
                let repeats = reading["repeats"].as_array().into_iter().flatten();
                self.repeats.extend(repeats.filter_map(|repeat| repeat["id"].as_str()).map(str::to_owned));
            }
            let captures = scan["captures"].as_array().into_iter().flatten();
            self.captures.extend(captures.filter_map(|capture| capture["id"].as_str()).map(str::to_owned));
        }
    }

    async fn ensure_daemon(&mut self) {
        if self.daemon.is_none() {
            self.start_daemon(&[]).await;
        }
    }

    async fn start_daemon(&mut self, environment: &[(&str, String)]) {
        let mut daemon = self.stage.start_daemon(environment).expect("the daemon");
        match self.stage.until_ready(&mut daemon).await {
            Ok(()) => self.daemon = Some(daemon),
            // A point that is passed while starting: dead already, as it was asked to be.
            Err(_) if !environment.is_empty() => self.daemon = Some(daemon),
            Err(error) => panic!("{error:#}"),
        }
    }

    async fn stop_daemon(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await.expect("a polite end");
        }
    }

    /// Waits until headquarters has what it is owed and counts.
    pub async fn close(mut self, limit: Duration) -> AtHq {
        self.ensure_daemon().await;
        let deadline = Instant::now() + limit;
        loop {
            let (missing, twice) = self.held_against_hq();
            let hq = AtHq::count(&self.stage.hq_data(), GATEWAY, &[]).expect("headquarters' tables");
            let whole = missing.is_empty() && hq.gaps == 0 && hq.images_verified >= self.captures.len() as u64;
            if whole || Instant::now() > deadline {
                assert!(
                    missing.is_empty(),
                    "confirmed, but not at headquarters: {missing:?}\n{}",
                    self.stage.daemon_log()
                );
                assert!(twice.is_empty(), "at headquarters more than once: {twice:?}");
                assert!(self.repeats.len() >= self.visits as usize * 12, "too little was confirmed to prove anything");
                println!(
                    "{} visits, {} values and {} photographs confirmed; headquarters: {hq:?}",
                    self.visits,
                    self.repeats.len(),
                    self.captures.len()
                );
                self.stop_daemon().await;
                self.analysers.stop().await;
                return hq;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Confirmed values and photographs that are not at headquarters, and values that stand there more than once: by
    /// their own id, and by the device's running number.
    fn held_against_hq(&self) -> (Vec<String>, Vec<String>) {
        let ledger = Ledger::open(&self.stage.hq_data()).expect("headquarters' database");
        let (mut ids, mut counters, mut twice) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for (_, reading) in ledger.readings().expect("readings") {
            for repeat in reading.repeats {
                if let Some(counter) = repeat.counter
                    && !counters.insert((reading.device.protocol.clone(), counter))
                {
                    twice.push(format!("{} {counter}", reading.device.protocol));
                }
                if !ids.insert(repeat.repeat.clone()) {
                    twice.push(repeat.repeat);
                }
            }
        }
        let verified: BTreeSet<String> = ledger
            .pictures()
            .expect("pictures")
            .into_iter()
            .filter(|picture| picture.state == "verified")
            .map(|picture| picture.capture)
            .collect();
        let missing = self.repeats.difference(&ids).chain(self.captures.difference(&verified)).cloned().collect();
        (missing, twice)
    }
}

/// Small enough to be killed often: one photograph a phase at most.
fn plan(visit: Visit, rendered: &Rendered, photos: &Path) -> Plan {
    let mut plan = today(rendered, photos);
    plan.baselines = vec!["same_visit".to_owned()];
    match visit {
        Visit::Readings => plan.photographs.clear(),
        Visit::Photographs => plan.photographs.retain(|photograph| photograph.view == "left"),
    }
    plan
}
