//! The gateway's side of measuring: the task that owns the inference process, with a real store and a photograph.

use super::{
    inference::{LIMIT, library, regions, root},
    skin::{ANCHORS, STILL, Skin},
};
use skinlink::{
    clock,
    config::metrics,
    domain::{
        CaptureId, CustomerId, Region, VisitId,
        capture::{Format, Light, View},
        consent::{Channel, Purpose},
        customer::Customer,
        metric::{Metric, MetricId},
        scan::{Phase, Step},
    },
    store::{NewCapture, NewConsent, Options, Store, StoreKey},
    tasks::analysis::{AnalysisHandle, Recipe, Settings, channel, run},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Our own model.
pub fn pores() -> PathBuf {
    root().join("models/pores-dog")
}

/// The task that owns the inference process, on a real store with one photograph.
pub struct Gateway {
    folder: TempDir,
    pub store: Store,
    pub capture: CaptureId,
    pub handle: AnalysisHandle,
    pub task: JoinHandle<()>,
    pub stop: CancellationToken,
}

/// As the house has them: a score of a metric that it does not know refuses the whole model.
pub fn house_metrics() -> Vec<Metric> {
    metrics::parse(include_str!("../../config/metrics.toml"), "metrics.toml").unwrap()
}

pub fn recipe(program: &str, deadline: Duration) -> Recipe {
    let (gates, cameras) = (String::new(), String::new());
    Recipe {
        program: program.into(),
        onnxruntime: library(),
        memory_mib: 3072,
        regions: regions(),
        gates,
        cameras,
        deadline,
    }
}

pub fn good_recipe() -> Recipe {
    recipe(env!("CARGO_BIN_EXE_skinlink"), LIMIT)
}

async fn photographed(store: &Store) -> (VisitId, CaptureId) {
    let customer = clock::mint(CustomerId::from_bits);
    let person = Customer {
        id: customer,
        name: "Testperson".into(),
        phone: String::new(),
        skin_type: String::new(),
        notes: String::new(),
    };
    store.save_customer(person, "staff-1".into()).await.unwrap();
    for purpose in [Purpose::Measure, Purpose::Photograph] {
        let consent = NewConsent {
            customer,
            purpose,
            given: true,
            text_version: "1".into(),
            channel: Channel::Station,
            staff: "staff-1".into(),
            signature: String::new(),
        };
        store.record_consent(consent).await.unwrap();
    }
    let visit = store.open_visit(customer, "chair-1".into(), "staff-1".into()).await.unwrap().id;
    let plan = vec![Step { metric: MetricId::new("moisture").unwrap(), region: Region::Nose, repeats: 1 }];
    let scan = store.begin_scan(visit, None, Phase::Before, plan).await.unwrap().id;
    let new = NewCapture {
        scan,
        view: View::Left,
        light: Light::White,
        format: Format::Png,
        width: 1100,
        height: 1350,
        anchors: ANCHORS,
        complaints: Vec::new(),
        camera: "room 1".into(),
        taken: clock::now(),
    };
    let capture = store.save_capture(new, Skin::new(3, 0).taken(STILL)).await.unwrap();
    (visit, capture.id)
}

impl Gateway {
    #[expect(clippy::disallowed_methods, reason = "this test is the supervisor")]
    pub async fn start(worker: Recipe) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let options = Options {
            key: StoreKey::load_or_create(&data.join("store.key"), &data).unwrap(),
            data,
            source: "skinlink://s/g".into(),
            min_free: 1 << 20,
            readers: 2,
        };
        let store = Store::open(options).unwrap();
        let (_, capture) = photographed(&store).await;
        let (handle, inbox) = channel();
        let stop = CancellationToken::new();
        let settings = Settings { worker, models: vec![pores()], metrics: house_metrics() };
        let task = tokio::spawn(run(settings, store.clone(), inbox, stop.clone()));
        Self { folder, store, capture, handle, task, stop }
    }

    /// The store's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub async fn scores(&self) -> usize {
        let scan = self.store.capture(self.capture).await.unwrap().scan;
        self.store.scan_view(scan).await.unwrap().scores.len()
    }

    pub async fn end(self) {
        drop(self.handle);
        timeout(LIMIT, self.task).await.expect("the task ends when its last handle is gone").unwrap();
    }
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("an answer within the limit")
}

/// Ids of our children that run this very file.
pub fn children_running(program: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path().join("children");
        let text = fs::read_to_string(path).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    let runs = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(program.to_str().unwrap())
    };
    found.retain(runs);
    found
}
