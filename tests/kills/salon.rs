//! A salon whose processes are killed: daemon, inference process, broker, headquarters' receiver. A beautician goes on as
//! a person would; after each case headquarters must have caught up, and its tables are held against the ledger.

use crate::{
    blows::{Blow, Memory, Victim, When},
    climate::Climate,
    ledger::{Devices, Ledger},
    plays::{Pictures, Play},
};
use serde_json::Value;
use skinlink::{
    app::demo::{
        CUSTOMER, Process,
        analysers::Analysers,
        plant::Rendered,
        stage::{Places, STATION, Stage},
    },
    domain::scan::Phase,
    sim::beautician::{Beautician, Trouble, Turn},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};

/// Longest life of one visit, kills and restarts included; a healthy one takes 1 to 3 s.
const VISIT_LIMIT: Duration = Duration::from_secs(90);

/// Longest wait for headquarters afterwards: a broker that was down may be tried again only seconds later.
const CAUGHT_UP_LIMIT: Duration = Duration::from_secs(60);

/// When an inference process that is being started is looked for again.
const WORKER_SOON: Duration = Duration::from_millis(100);

/// How often a daemon may die while it starts before something else must be wrong.
const STARTS: u32 = 20;

pub struct Salon {
    stage: Stage,
    analysers: Analysers,
    climate: Climate,
    daemon: Option<Process>,
    pictures: Pictures,
    /// Files here order deaths at named points.
    orders: PathBuf,
    models: PathBuf,
    http: reqwest::Client,
    pub ledger: Ledger,
    pub visits: u32,
    /// How long an undisturbed visit of each kind took.
    spans: Vec<(Play, Duration)>,
    /// What is to be alive again, and when.
    fallen: Vec<(Instant, Victim)>,
    deaths: u32,
    /// The daemon has lost its broker since it was started.
    lost_broker: bool,
    folder: tempfile::TempDir,
}

impl Salon {
    pub async fn open() -> Self {
        let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let onnxruntime = project.join("target/onnxruntime").join(skinlink::app::runtime::FILE);
        assert!(onnxruntime.exists(), "{} is missing; run `make setup`", onnxruntime.display());
        let photos = project.join("target/demo-photos");
        let rendered = Rendered::read(&photos).expect("run `make setup`");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [orders, no_models] = ["orders", "no-models"].map(|name| folder.path().join(name));
        for folder in [&orders, &no_models] {
            fs::create_dir(folder).expect("room for a folder");
        }
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skinlink"));
        let places = Places { folder: folder.path().to_owned(), program, project, onnxruntime };
        let mut stage = Stage::set(places, 0).await.expect("the stage");
        stage.environment = vec![("SKINLINK_KILL_ORDERS", orders.display().to_string())];
        stage.kill_receiver().await.expect("the receiver was just started");
        stage.start_receiver().expect("the receiver");
        let models = std::mem::replace(&mut stage.models, no_models);
        let room = folder.path().join("tty-room");
        let climate = Climate::start(&stage.places().project.join("firmware-protocols"), &room);
        let few = "repeats = 2\nregions = [\"forehead\", \"left_cheek\"]\n";
        stage.scan = format!("{few}{}", Climate::configured(&room));
        let analysers = Analysers::start(&stage, 11).expect("the simulated analysers");
        let pictures = Pictures::make(&rendered, &photos, folder.path());
        Self {
            stage,
            analysers,
            climate,
            daemon: None,
            pictures,
            orders,
            models,
            http: reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client"),
            ledger: Ledger::default(),
            visits: 0,
            spans: Vec::new(),
            fallen: Vec::new(),
            deaths: 0,
            lost_broker: false,
            folder,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    pub fn orders(&self) -> &Path {
        &self.orders
    }

    /// Orders a death at the `count`-th passing of a point from now on.
    pub fn order(&self, point: &str, count: u32) {
        let path = self.orders.join(point);
        let beside = self.folder.path().join("order");
        fs::write(&beside, count.to_string()).expect("room for an order");
        fs::rename(beside, path).expect("room for an order");
    }

    /// Whether the ordered death has not come yet.
    pub fn outstanding(&self, point: &str) -> bool {
        self.orders.join(point).exists()
    }

    /// One visit under blows, to its end; then headquarters must have caught up.
    pub async fn case(&mut self, play: Play, blows: &[Blow]) {
        if std::mem::take(&mut self.lost_broker) {
            // A gateway that lost its broker often waits up to a minute before it tries again; a fresh one does not.
            self.stop_daemon().await;
        }
        let visit = self.play(play, blows).await;
        self.caught_up(visit.as_deref()).await;
    }

    /// How long a visit takes when nobody dies: played once, with a daemon that runs.
    pub async fn span(&mut self, play: Play) -> Duration {
        if let Some((_, span)) = self.spans.iter().find(|(known, _)| *known == play) {
            return *span;
        }
        self.ensure_daemon(play.needs_model()).await;
        let begun = Instant::now();
        let visit = self.play(play, &[]).await;
        let span = begun.elapsed();
        self.caught_up(visit.as_deref()).await;
        self.spans.push((play, span));
        span
    }

    /// Gives the visit.
    async fn play(&mut self, play: Play, blows: &[Blow]) -> Option<String> {
        self.visits += 1;
        self.ensure_daemon(play.needs_model()).await;
        self.analysers.skin(Phase::Before).await.expect("analysers");
        let plan = play.plan(&self.pictures);
        // A new one each time: her card and her consents are written too.
        let customer = format!("{CUSTOMER} {:05}", self.visits);
        let mut beautician = Beautician::new(&self.stage.address(), STATION, &customer, plan);
        let (begun, mut turns) = (Instant::now(), 0);
        let at = |blow: &Blow| match blow.when {
            When::After(span) => Some((begun + span, *blow)),
            When::Turns(_) => None,
        };
        let mut on_turns: Vec<Blow> = blows.iter().filter(|blow| at(blow).is_none()).copied().collect();
        let mut blows: Vec<(Instant, Blow)> = blows.iter().filter_map(at).collect();
        blows.sort_by_key(|(at, _)| *at);
        loop {
            assert!(begun.elapsed() < VISIT_LIMIT, "the visit hangs ({:?})\n{}", self.health().await, self.log());
            let next = self.strike(&mut blows).await;
            // A blow may come in the middle of a turn.
            let turned = match next {
                Some(at) => timeout_at(at, beautician.turn()).await,
                None => Ok(beautician.turn().await),
            };
            match turned {
                Err(_) => {}
                Ok(Ok(Turn::Done)) => break,
                Ok(Ok(Turn::Places(region))) => self.analysers.place(region).await.expect("analysers"),
                Ok(Ok(Turn::Presses(metric, region))) => {
                    self.analysers.press(metric, region).await.expect("analysers");
                }
                Ok(Ok(Turn::Treated(_))) => self.analysers.skin(Phase::After).await.expect("analysers"),
                Ok(Ok(Turn::Waits(_))) => sleep(Duration::from_millis(10)).await,
                Ok(Ok(Turn::Did(_))) => {
                    turns += 1;
                    self.climate.press().await;
                    self.remember(&beautician).await;
                    let due = on_turns.extract_if(.., |blow| blow.when == When::Turns(turns));
                    blows.splice(0..0, due.map(|blow| (Instant::now(), blow)));
                }
                Ok(Err(Trouble::Unreachable(error))) => self.mourn(&error).await,
                Ok(Err(trouble)) => panic!("{trouble}\n{}", self.log()),
            }
        }
        // A visit may end sooner than the one that was measured, in which the models were still being tried.
        while let Some(at) = self.strike(&mut blows).await {
            let idle = begun.elapsed() > VISIT_LIMIT;
            assert!(!idle, "no inference process ran in {play:?} when it was to be killed\n{}", self.log());
            tokio::time::sleep_until(at).await;
        }
        self.last_look(&beautician).await;
        beautician.visit().map(str::to_owned)
    }

    /// Everything the finished visit shows is confirmed, and whatever was answered on the way.
    async fn last_look(&mut self, beautician: &Beautician) {
        let view = loop {
            match beautician.view().await {
                Ok(view) => break view,
                Err(Trouble::Unreachable(error)) => self.mourn(&error).await,
                Err(trouble) => panic!("{trouble}\n{}", self.log()),
            }
        };
        self.ledger.note(&view);
        let visit = beautician.visit().expect("it has just been looked at");
        self.ledger.note_exchanges(visit, &beautician.exchanges());
    }

    /// Deals the blows that are due and raises who has been down long enough; when the next of either is due.
    async fn strike(&mut self, blows: &mut Vec<(Instant, Blow)>) -> Option<Instant> {
        while blows.first().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, blow) = blows.remove(0);
            let Blow { victim, down, .. } = blow;
            if victim == Victim::Worker && !self.kill_worker() {
                // It is being started: a moment later.
                let later = Instant::now() + WORKER_SOON;
                let place = blows.partition_point(|(at, _)| *at <= later);
                blows.insert(place, (later, blow));
                continue;
            }
            self.deaths += 1;
            match victim {
                Victim::Daemon => {
                    if let Some(daemon) = self.daemon.take() {
                        // It may have died at a point in the same moment.
                        let _ = daemon.kill().await;
                    }
                    self.start_daemon().await;
                }
                Victim::DaemonPolitely => {
                    if let Some(daemon) = self.daemon.take() {
                        // An error when it dies on its way out, as was ordered.
                        let _ = daemon.stop().await;
                    }
                    self.start_daemon().await;
                }
                Victim::Worker => {}
                Victim::Hq => {
                    let _ = self.stage.kill_receiver().await;
                    self.fallen.push((Instant::now() + down, victim));
                }
                Victim::Broker(memory) => {
                    self.stage.broker().kill().await;
                    self.lost_broker = true;
                    let broker = self.stage.broker();
                    broker.keep_on_disk(memory != Memory::None).expect("the broker's configuration");
                    if memory == Memory::Wiped {
                        broker.forget().expect("the broker's file");
                    }
                    self.fallen.push((Instant::now() + down, victim));
                }
            }
        }
        self.raise().await;
        let fallen = self.fallen.iter().map(|(at, _)| *at);
        fallen.chain(blows.first().map(|(at, _)| *at)).min()
    }

    /// Starts again who has been down long enough, and headquarters when it died as ordered.
    async fn raise(&mut self) {
        let now = Instant::now();
        let (due, rest) = std::mem::take(&mut self.fallen).into_iter().partition(|(at, _)| *at <= now);
        self.fallen = rest;
        for (_, victim) in due {
            match victim {
                Victim::Broker(_) => self.stage.broker().restart().await.expect("the broker"),
                _ if self.stage.receiver_runs() => {}
                _ => self.stage.start_receiver().expect("the receiver"),
            }
        }
        let down = self.fallen.iter().any(|(_, victim)| *victim == Victim::Hq);
        if !down && !self.stage.receiver_runs() {
            self.deaths += 1;
            self.stage.start_receiver().expect("the receiver");
        }
    }

    /// The daemon hung up: it must be dead, and is started again.
    async fn mourn(&mut self, error: &reqwest::Error) {
        if let Some(mut daemon) = self.daemon.take() {
            let died = daemon.ended_within(Duration::from_secs(10)).await;
            assert!(died, "the daemon hung up without dying: {error}\n{}", self.log());
        }
        self.deaths += 1;
        self.start_daemon().await;
    }

    /// `false`: none runs.
    fn kill_worker(&self) -> bool {
        use nix::{
            sys::signal::{Signal, kill},
            unistd::Pid,
        };
        let Some(daemon) = self.daemon.as_ref().and_then(Process::id) else { return false };
        let killed = |child: &i32| kill(Pid::from_raw(*child), Signal::SIGKILL).is_ok();
        children_of(daemon).iter().filter(|child| killed(child)).count() > 0
    }

    async fn remember(&mut self, beautician: &Beautician) {
        if let Ok(view) = beautician.view().await {
            self.ledger.note(&view);
        }
    }

    async fn ensure_daemon(&mut self, with_model: bool) {
        let no_models = self.folder.path().join("no-models");
        let wanted = if with_model { self.models.clone() } else { no_models };
        if self.stage.models != wanted {
            self.stop_daemon().await;
            self.stage.models = wanted;
        }
        if self.daemon.is_none() {
            self.start_daemon().await;
        }
    }

    /// Starts it until it answers: it may die on its way as often as was ordered.
    async fn start_daemon(&mut self) {
        for _ in 0..STARTS {
            let mut daemon = self.stage.start_daemon(&[]).expect("the daemon");
            match self.stage.until_ready(&mut daemon).await {
                Ok(()) => {
                    self.daemon = Some(daemon);
                    return;
                }
                Err(error) => {
                    let killed = error.to_string().contains("signal: 9");
                    let port_taken = error.to_string().contains("cannot serve the pages");
                    assert!(killed || port_taken, "{error:#}");
                    self.deaths += u32::from(killed);
                    // Another process's connection may hold the port for a moment.
                    sleep(Duration::from_millis(if port_taken { 200 } else { 0 })).await;
                }
            }
        }
        panic!("the daemon does not come up\n{}", self.log());
    }

    /// Asks it to end; the next case starts it again.
    pub async fn stop_daemon(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await.expect("a polite end");
        }
    }

    async fn status(&self, call: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}/api/v1/{call}", self.stage.address())).send().await.ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    async fn health(&self) -> Option<Value> {
        self.status("status").await
    }

    async fn devices(&self) -> Devices {
        let unconfirmed = self.analysers.unconfirmed().await.expect("analysers");
        let sent = self.analysers.sent().await.expect("analysers");
        let measured_confirmed = self.climate.confirmed().await.into_iter().map(|line| line.counter).collect();
        Devices { sent, unconfirmed, measured: self.climate.sent().await, measured_confirmed }
    }

    /// Waits until headquarters has all it is owed, of `visit` as it is shown now too, and holds its tables against the
    /// ledger.
    pub async fn caught_up(&mut self, visit: Option<&str>) {
        self.ensure_daemon(self.stage.models == self.models).await;
        let deadline = Instant::now() + CAUGHT_UP_LIMIT;
        let mut differs = vec!["the daemon did not answer".to_owned()];
        while Instant::now() < deadline {
            self.strike(&mut Vec::new()).await;
            let running = self.daemon.as_mut().is_some_and(|daemon| daemon.still_running().is_ok());
            if !running {
                self.daemon = None;
                self.deaths += 1;
                self.start_daemon().await;
            }
            if let (Some(status), Some(tray)) = (self.health().await, self.status("tray").await) {
                self.ledger.note_tray(&tray);
                // A photograph may have been measured since the last look.
                if let Some(visit) = visit
                    && let Some(view) = self.status(&format!("visits/{visit}")).await
                {
                    self.ledger.note(&view);
                }
                let backlog = &status["backlog"];
                if self.fallen.is_empty() && backlog["waiting"] == 0 && backlog["images"] == 0 {
                    let devices = self.devices().await;
                    differs = self.ledger.differs(&self.stage.hq_data(), &self.data(), &devices);
                    if differs.is_empty() {
                        return;
                    }
                } else {
                    differs = vec![format!("not all is acknowledged: {status}")];
                }
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("headquarters differs after {CAUGHT_UP_LIMIT:?}: {differs:#?}\n{}", self.log());
    }

    fn log(&self) -> String {
        self.stage.daemon_log()
    }

    /// Ends everything and says in one line what was done.
    pub async fn close(mut self) -> String {
        self.stop_daemon().await;
        self.analysers.stop().await;
        self.climate.stop().await;
        let (visits, (values, photographs)) = (self.visits, self.ledger.counts());
        // A single visit may be closed after its first reading.
        assert!(visits < 10 || values >= visits as usize * 4, "too little was confirmed to prove anything");
        format!("{visits} visits, {} deaths, {values} values and {photographs} photographs confirmed", self.deaths)
    }
}

/// Direct children of a process, from the process table.
fn children_of(parent: u32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").expect("a process table");
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        // `pid (name) state ppid …`; the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
        after_name.split_whitespace().nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    numbers.filter(is_child).collect()
}
