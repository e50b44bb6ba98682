//! A whole salon on loopback: a real store, simulated analysers on pseudo-terminals, their device tasks, one chair, the web
//! server, and a client that speaks to it as a page would.

// By their paths: an example includes this file too.
#[path = "answer.rs"]
mod answer;
#[path = "rolled_out.rs"]
mod rolled_out;

pub use answer::Answer;

use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    adapters::serial::SerialLink,
    analysis::regions::FaceRegions,
    clock, config,
    desk::Press,
    domain::{
        EventId, Region,
        capture::View,
        follow_up::Calendar,
        look::Look,
        metric::{Label, Metric, MetricId},
        plan,
        scan::Phase,
        suggestion::Rule,
        treatment::Treatment,
    },
    ports::{LinkError, Opened},
    protocol::Spec,
    sim::{self, Faults, Setup, SimDevice, SimHandle, Simulated, Truth, Wire},
    store::{Options, Store, StoreKey},
    tasks::{
        analysis,
        comparison::Judges,
        device::Device,
        live::{self, Live},
        observation,
        station::{self, Fitted, Settings},
    },
    web::{
        self, About, AppState, Guide, Headquarters, Links,
        folder::{self, Source},
        mirror,
        trust::Trust,
    },
};
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// Every wait of a test.
pub const LIMIT: Duration = Duration::from_secs(30);
pub const CHAIR: &str = "chair-1";
pub const SERIAL: &str = "DR-0417";

pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

/// What a test wants of its salon.
pub struct Wanted {
    pub metrics: Vec<&'static str>,
    pub regions: Vec<Region>,
    pub repeats: u8,
    pub truth: Truth,
    pub measuring: Duration,
    pub faults: Faults,
    /// 0: any free port.
    pub port: u16,
    /// What tablets are asked to trust; none where the LAN is not served.
    pub trust: Option<Trust>,
    /// Whether photographs are measured, by the inference process and the project's own model.
    pub analysis: bool,
    /// A folder of photographs at the chair: micrometres a pixel of a contact scope, 0 for a camera that sees the face.
    pub watched: Option<f64>,
    /// Where telephones in the store reach its own reports.
    pub reports_at: Option<&'static str>,
    /// What is photographed.
    pub views: Vec<View>,
    /// A contact scope at the chair: micrometres a pixel.
    pub scope: Option<f64>,
    /// How full the analyser's battery is, in percent.
    pub battery: u8,
    /// Free bytes below which no photograph is kept.
    pub min_free: u64,
    /// How long a chair may be silent before its mirror rests.
    pub quiet: Duration,
}

impl Wanted {
    fn folders(&self, building: &Path) -> Arc<[Source]> {
        let source = |um: f64| Source {
            station: CHAIR.to_owned(),
            folder: building.join("photos"),
            um_per_px: Some(um).filter(|um| *um > 0.0),
        };
        self.watched.map(source).into_iter().collect()
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            metrics: vec!["moisture", "sebum"],
            regions: vec![Region::Forehead, Region::Nose],
            repeats: 2,
            truth: Truth::plausible(),
            measuring: Duration::from_millis(20),
            faults: Faults::NONE,
            port: 0,
            trust: None,
            analysis: false,
            watched: None,
            reports_at: None,
            views: vec![View::Front, View::Left, View::Right],
            scope: None,
            battery: 87,
            min_free: 1 << 20,
            quiet: mirror::board::QUIET,
        }
    }
}

/// The part that outlives a restart of the gateway: the folder and the analyser.
pub struct Building {
    pub folder: TempDir,
    pub analyser: SimHandle,
    wanted: Wanted,
    spec: Arc<Spec>,
    stop: CancellationToken,
    _work: JoinSet<()>,
}

/// A running gateway.
pub struct House {
    pub building: Building,
    pub store: Store,
    pub live: Live,
    pub state: AppState,
    /// What the pages are told of headquarters.
    pub hq: watch::Sender<Headquarters>,
    pub address: String,
    client: reqwest::Client,
    stop: CancellationToken,
    work: JoinSet<()>,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Clocks by which it is about noon whenever a test runs: no day of the salon ends in the middle of a story.
pub fn calendar() -> Calendar {
    let hour = clock::now().wall.unix_ms().rem_euclid(86_400_000) / 3_600_000;
    let rule = format!("NOON{:+}", hour - 12);
    Calendar::new(rule.parse().expect("a rule of clocks"), Vec::new())
}

fn suggestions(metrics: &[Metric]) -> Arc<[Rule]> {
    let text = read("config/suggestions.toml");
    config::suggestions::parse(&text, "suggestions.toml", metrics).unwrap_or_else(|e| panic!("{e}")).into()
}

fn treatments() -> Arc<[Treatment]> {
    let text = read("config/treatments.toml");
    config::treatments::parse(&text, "treatments.toml").unwrap_or_else(|e| panic!("{e}")).into()
}

pub fn metrics() -> Arc<[Metric]> {
    config::metrics::parse(&read("config/metrics.toml"), "metrics.toml").unwrap_or_else(|e| panic!("{e}")).into()
}

pub fn metric(id: &str) -> MetricId {
    MetricId::new(id).expect("a metric's name")
}

/// The inference process as the gateway starts it.
fn measures(metrics: &[Metric]) -> analysis::Settings {
    let onnxruntime = std::env::var_os("SKINLINK_ONNXRUNTIME")
        .map_or_else(|| root().join("target/onnxruntime/libonnxruntime.so.1.28.0"), PathBuf::from);
    assert!(onnxruntime.exists(), "{}: run `make setup`", onnxruntime.display());
    let worker = analysis::Recipe {
        // Unknown to the example that shares this house; it measures no photographs.
        program: option_env!("CARGO_BIN_EXE_skinlink").unwrap_or("skinlink").into(),
        onnxruntime,
        memory_mib: 3072,
        regions: read("config/face-regions.toml"),
        gates: String::new(),
        cameras: String::new(),
        deadline: Duration::from_secs(120),
    };
    analysis::Settings { worker, models: vec![root().join("models/pores-dog")], metrics: metrics.to_vec() }
}

impl Building {
    pub fn new(wanted: Wanted) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let text = read("firmware-protocols/derma-reference/protocol.toml");
        let spec = Arc::new(Spec::parse("derma-reference", &text).unwrap_or_else(|faults| panic!("{faults}")));
        let setup = Setup {
            truth: wanted.truth.clone(),
            measuring: wanted.measuring,
            battery: wanted.battery,
            ..Setup::new(SERIAL, 7)
        };
        let device = SimDevice::new(Arc::clone(&spec), setup, tokio::time::Instant::now().into_std());
        let (analyser, simulated) = Simulated::new(device, Wire::new(wanted.faults, 11), Wire::new(wanted.faults, 12));
        let (stop, name) = (CancellationToken::new(), folder.path().join("analyser"));
        let mut work = JoinSet::new();
        let ended = stop.clone();
        work.spawn(async move { sim::serve(&name, simulated, ended).await.expect("the analyser runs") });
        Self { folder, analyser, wanted, spec, stop, _work: work }
    }

    /// Starts a gateway in it.
    pub async fn open(self) -> House {
        let data = self.folder.path().join("data");
        std::fs::create_dir_all(&data).expect("the data folder");
        let key = StoreKey::load_or_create(&data.join("store.key"), &data).expect("a store key");
        let source = "skinlink://sh-001/sh-001-g1".to_owned();
        let store = Store::open(Options { data, key, source, min_free: self.wanted.min_free, readers: 2 })
            .expect("the store opens");
        let (stop, mut work) = (CancellationToken::new(), JoinSet::new());
        let (live, ring) = live::live(clock::mint(EventId::from_bits).to_string());
        work.spawn(ring.run());

        let (sender, observations) = observation::queue();
        let (device, task) = Device::new(Arc::clone(&self.spec), sender);
        let serial = self.spec.serial.clone().expect("a serial line");
        let (name, ended) = (self.folder.path().join("analyser"), stop.clone());
        work.spawn(task.run(
            move || {
                let (name, serial) = (name.clone(), serial.clone());
                async move {
                    let link = SerialLink::open(&name, &serial).await?;
                    Ok::<_, LinkError>(Opened {
                        link,
                        serial: "usb".to_owned(),
                        port: "analyser".to_owned(),
                        wanted: None,
                        signal_dbm: None,
                    })
                }
            },
            ended,
        ));

        let metrics = metrics();
        let names: Vec<MetricId> = self.wanted.metrics.iter().map(|id| metric(id)).collect();
        let plan = plan::plan(&names, &self.wanted.regions, self.wanted.repeats);
        let settings = Settings {
            id: CHAIR.to_owned(),
            label: Label { zh: "一号护理位".to_owned(), en: "Chair 1".to_owned() },
            metrics: Arc::clone(&metrics),
            plan: plan.clone(),
            specs: vec![Arc::clone(&self.spec)],
        };
        let fitted = Fitted { handle: device, protocol: self.spec.id.clone(), title: self.spec.title.clone() };
        let (chair, task) = station::station(settings, store.clone(), live.clone(), vec![fitted], observations);
        work.spawn(async move { task.run().await.expect("the chair ends well") });

        // Where nobody analyses, photographs are kept and say so.
        let (measuring, inbox) = analysis::channel();
        if self.wanted.analysis {
            work.spawn(analysis::run(measures(&metrics), store.clone(), inbox, stop.clone()));
        }
        let (hq, told_of_hq) = watch::channel(Headquarters { connection: "disabled", alarm: None });
        let faces = FaceRegions::parse(&read("config/face-regions.toml")).unwrap_or_else(|e| panic!("{e}"));
        let state = AppState {
            stations: vec![chair].into(),
            store: store.clone(),
            live: live.clone(),
            about: Arc::new(About {
                version: "test".to_owned(),
                look: Look::default(),
                store_name: Label { zh: "清和肌研".to_owned(), en: "Qinghe Skin Studio".to_owned() },
                suggestions: suggestions(&metrics),
                treatments: treatments(),
                metrics: Arc::clone(&metrics),
                plan,
                views: Guide::of(&faces, &self.wanted.views),
                faces: Arc::new(faces),
                links: Some(Links {
                    public: Some("https://reports.example".to_owned()),
                    local: self.wanted.reports_at.map(str::to_owned),
                    valid_days: 90,
                }),
                scopes: self.wanted.scope.map(|um| (CHAIR.to_owned(), um)).into_iter().collect(),
                calendar: calendar(),
            }),
            judges: Arc::new(Judges {
                metrics,
                specs: vec![Arc::clone(&self.spec)],
                manifests: Vec::new(),
                colours: Arc::new([]),
            }),
            analysis: measuring,
            packages: Some(rolled_out::rolled_out()),
            taking_in: skinlink::tasks::packages::TakingIn::default(),
            press: Press::beside(),
            sync: told_of_hq,
            log_ins: Arc::new(tokio::sync::Semaphore::new(1)),
            enrolments: Arc::new(tokio::sync::Semaphore::new(1)),
            mirrors: mirror::Mirrors::new(self.wanted.quiet),
            admissions: watch::Sender::new(0),
            machine: None,
            folders: self.wanted.folders(self.folder.path()),
            trust: self.wanted.trust.clone().map(Arc::new),
            lan: None,
            stop: stop.clone(),
        };
        for source in state.folders.iter().cloned() {
            std::fs::create_dir_all(&source.folder).expect("the folder of photographs");
            work.spawn(folder::run(state.clone(), source, stop.clone()));
        }
        let served = state.clone();
        let listener = TcpListener::bind(("127.0.0.1", self.wanted.port)).await.expect("loopback");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let ended = stop.clone();
        work.spawn(async move { web::serve(listener, served, ended).await.expect("the server ends well") });
        House { building: self, store, live, state, hq, address, client: reqwest::Client::new(), stop, work }
    }
}

impl House {
    pub async fn new(wanted: Wanted) -> Self {
        let house = Building::new(wanted).open().await;
        house.until_ready().await;
        house
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = soon("an answer", request.send()).await.expect("the server answers");
        let status = response.status();
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()?.trim_matches('"').parse().ok());
        let text = soon("the body", response.text()).await.expect("a body");
        Answer { status, tag, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    /// A write as a page sends it.
    pub async fn post(&self, path: &str, version: Option<u64>, body: Value) -> Answer {
        let request = self.request(Method::POST, &format!("/api/v1{path}")).header("x-skinlink", "1").json(&body);
        self.send(match version {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        })
        .await
    }

    pub async fn upload(&self, path: &str, version: u64, bytes: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, &format!("/api/v1{path}")).header("x-skinlink", "1");
        self.send(request.header("if-match", format!("\"{version}\"")).header("content-type", "image/jpeg").body(bytes))
            .await
    }

    /// Waits until the analyser has said who it is.
    pub async fn until_ready(&self) {
        self.until_device("ready").await;
    }

    pub async fn until_device(&self, state: &str) {
        let mut news = self.live.subscribe(None).await.expect("the ring runs").coming;
        soon(&format!("a device that is {state}"), async {
            loop {
                let found = self.get("/stations").await.ok();
                if found.body["stations"][0]["devices"][0]["state"] == state {
                    return;
                }
                news.recv().await.expect("the ring runs");
            }
        })
        .await;
    }

    /// A change of a customer's record, by somebody who has just read it.
    pub async fn change_customer(&self, customer: &str, wish: Value) -> Answer {
        let seen = self.get(&format!("/customers/{customer}")).await.ok().version();
        self.post(&format!("/customers/{customer}/save"), Some(seen), wish).await
    }

    /// A customer's visit with consent to everything; its id.
    pub async fn visit(&self, name: &str) -> String {
        let customer = self.post("/customers", None, json!({ "name": name, "phone": "13800000000" })).await.ok();
        let opening = json!({ "customer": customer.text("/id"), "station": CHAIR, "beautician": "b-07" });
        let visit = self.post("/visits", None, opening).await.ok().text("/id");
        self.agree(&visit).await;
        visit
    }

    pub async fn agree(&self, visit: &str) {
        let purposes =
            ["measure", "photograph", "keep_photographs", "deliver_report", "share_numbers", "share_photographs"];
        let purposes: serde_json::Map<_, _> = purposes.iter().map(|p| ((*p).to_owned(), json!(true))).collect();
        let body = json!({ "text_version": "2026-11", "channel": "station", "staff": "b-07",
            "signature": "M10 10L20 20", "purposes": purposes });
        self.post(&format!("/visits/{visit}/consents"), Some(self.version(visit).await), body).await.ok();
    }

    pub async fn version(&self, visit: &str) -> u64 {
        self.get(&format!("/visits/{visit}")).await.ok().version()
    }

    pub async fn begin(&self, visit: &str, phase: Phase) -> String {
        let body = json!({ "phase": phase.as_str() });
        let begun = self.post(&format!("/visits/{visit}/scans"), Some(self.version(visit).await), body).await.ok();
        begun.text("/scan/id")
    }

    /// A verb on a scan, with the version as it is now.
    pub async fn act(&self, visit: &str, scan: &str, verb: &str, body: Value) -> Answer {
        self.post(&format!("/scans/{scan}/{verb}"), Some(self.version(visit).await), body).await
    }

    /// Measures everything and finishes.
    pub async fn scan(&self, visit: &str, phase: Phase) -> String {
        self.building.analyser.set_phase(phase).await.expect("the analyser runs");
        let scan = self.begin(visit, phase).await;
        loop {
            let told = self.act(visit, &scan, "measure", json!({})).await.ok();
            if told.body["scan"]["complete"] == true {
                break;
            }
        }
        self.act(visit, &scan, "finish", json!({})).await.ok();
        scan
    }

    /// Stops politely.
    pub async fn close(mut self) -> Building {
        self.stop.cancel();
        drop((self.client, self.live, self.state));
        soon("a polite end", async { while self.work.join_next().await.is_some() {} }).await;
        assert!(self.store.close(LIMIT).await, "the store closes in time");
        self.building
    }

    /// Ends at once, as far as one process can: every task is dropped where it stands.
    pub async fn drop_dead(mut self) -> Building {
        soon("the end", self.work.shutdown()).await;
        // Connections of ours that are open still hold the store.
        drop((self.live, self.client, self.state));
        assert!(self.store.close(LIMIT).await, "the store closes in time");
        self.building
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
