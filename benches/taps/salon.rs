//! A salon with three chairs: a store that holds many visits, analysers on pseudo-terminals, and the real program.

use futures_util::{StreamExt as _, stream};
use skinlink::{
    clock,
    domain::{CustomerId, customer::Customer},
    protocol::Spec,
    sim::{Setup, SimDevice, SimHandle, Simulated, Truth, Wire, serve},
    store::{Options, Store, StoreKey},
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub const CHAIRS: usize = 3;

/// People of a salon that has been there for years.
const CUSTOMERS: usize = 8_000;
/// Visits written at once while the store is filled.
const TOGETHER: usize = 256;
/// Every so many visits one has a scan with readings.
const MEASURED: usize = 10;

/// Where one beautician works.
#[derive(Debug, Clone)]
pub struct Door {
    pub address: String,
    pub chair: String,
    pub seed: u64,
}

pub struct Salon {
    // Before its folder goes.
    _program: Program,
    _folder: TempDir,
    address: String,
    _analysers: Vec<SimHandle>,
    _work: JoinSet<()>,
    stop: CancellationToken,
}

impl Salon {
    /// Opens a salon whose store holds so many visits.
    pub async fn open(held: usize) -> Self {
        let folder = TempDir::new().unwrap();
        fill(folder.path(), held).await;
        let (stop, mut work) = (CancellationToken::new(), JoinSet::new());
        let text = fs::read_to_string(project().join("firmware-protocols/derma-reference/protocol.toml")).unwrap();
        let spec = Arc::new(Spec::parse("derma-reference", &text).unwrap_or_else(|faults| panic!("{faults}")));
        let mut analysers = Vec::new();
        for chair in 0..CHAIRS {
            let setup = Setup {
                truth: Truth::plausible(),
                measuring: Duration::from_millis(15),
                ..Setup::new(&format!("DR-{chair}"), chair as u64)
            };
            let device = SimDevice::new(Arc::clone(&spec), setup, tokio::time::Instant::now().into_std());
            let (handle, simulated) = Simulated::new(device, Wire::sound(), Wire::sound());
            let (port, ended) = (port_of(folder.path(), chair), stop.clone());
            work.spawn(async move { serve(&port, simulated, ended).await.unwrap() });
            analysers.push(handle);
        }
        let (program, address) = start(folder.path()).await;
        Self { _program: program, _folder: folder, address, _analysers: analysers, _work: work, stop }
    }

    pub fn door(&self, chair: usize) -> Door {
        Door { address: self.address.clone(), chair: format!("chair-{chair}"), seed: 7 + chair as u64 }
    }

    pub fn close(&self) {
        self.stop.cancel();
    }
}

/// Ends with the bench, however that ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn port_of(folder: &Path, chair: usize) -> PathBuf {
    folder.join(format!("tty-{chair}"))
}

/// Writes the visits of years through the store itself.
async fn fill(folder: &Path, visits: usize) {
    let data = folder.join("data");
    fs::create_dir_all(&data).unwrap();
    let key = StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
    let source = "skinlink://sh-001/sh-001-g1".to_owned();
    let store = Store::open(Options { data, key, source, min_free: 1 << 20, readers: 2 }).unwrap();
    let begun = Instant::now();
    let people = if visits == 0 { 50 } else { CUSTOMERS };
    let names = stream::iter(0..people).map(|n| {
        let store = store.clone();
        async move {
            let id = clock::mint(CustomerId::from_bits);
            let customer = Customer {
                id,
                name: format!("顾客{n:05}"),
                phone: format!("139{n:08}"),
                skin_type: "干性".to_owned(),
                notes: String::new(),
            };
            store.save_customer(customer, "b-07".to_owned()).await.unwrap();
            id
        }
    });
    let people: Vec<CustomerId> = names.buffer_unordered(TOGETHER).collect().await;
    let written = stream::iter(0..visits).map(|n| visit(store.clone(), people[n % people.len()], n));
    written.buffer_unordered(TOGETHER).collect::<Vec<()>>().await;
    println!("{visits} visits of {} customers written in {:.0} s", people.len(), begun.elapsed().as_secs_f32());
    assert!(store.close(Duration::from_secs(60)).await, "the store closes");
}

/// One visit of the past, at a chair of its own.
async fn visit(store: Store, customer: CustomerId, n: usize) {
    use skinlink::domain::{
        Region,
        metric::MetricId,
        scan::{Phase, ScanState, Step},
    };
    let who = || "b-07".to_owned();
    let open = store.open_visit(customer, format!("past-{}", n % (4 * TOGETHER)), who()).await.unwrap();
    if n.is_multiple_of(MEASURED) {
        let step = Step { metric: MetricId::new("moisture").unwrap(), region: Region::Forehead, repeats: 3 };
        let scan = store.begin_scan(open.id, None, Phase::Before, vec![step]).await.unwrap();
        store.set_scan_state(scan.id, ScanState::Finished).await.unwrap();
    }
    let steps = vec!["深层清洁".to_owned(), "补水面膜".to_owned()];
    store.set_steps(open.id, None, steps, who()).await.unwrap();
    store.close_visit(open.id, None, who()).await.unwrap();
}

/// Starts the program and waits until it answers.
async fn start(folder: &Path) -> (Program, String) {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let shown = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let mut text = format!(
        "[store]\nid = \"sh-001\"\ngateway = \"sh-001-g1\"\ndata = {}\nmin_free_mib = 64\n[web]\nlisten = \"127.0.0.1:{port}\"\n",
        shown(&folder.join("data"))
    );
    for chair in 0..CHAIRS {
        write!(
            text,
            "[[station]]\nid = \"chair-{chair}\"\n[[device]]\nstation = \"chair-{chair}\"\nprotocol = \"derma-reference\"\npath = {}\n",
            shown(&port_of(folder, chair))
        )
        .unwrap();
    }
    let (project, folder) = (project(), folder);
    write!(
        text,
        "[scan]\nprotocols = {}\nmodels = {}\nmetrics_file = {}\nregions_file = {}\nmetrics = [\"moisture\", \"sebum\"]\n\
         regions = [\"forehead\", \"nose\"]\nrepeats = 2\n",
        shown(&project.join("firmware-protocols")),
        shown(&project.join("models")),
        shown(&project.join("config/metrics.toml")),
        shown(&project.join("config/face-regions.toml")),
    )
    .unwrap();
    let config = folder.join("gateway.toml");
    fs::write(&config, text).unwrap();
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
    command.args(["run", "--config"]).arg(&config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut program = Program(command.spawn().unwrap());
    let address = format!("http://127.0.0.1:{port}");
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok(answer) = reqwest::get(format!("{address}/api/v1/stations")).await
            && let Ok(told) = answer.json::<serde_json::Value>().await
        {
            let stations = told["stations"].as_array().unwrap();
            let ready = |one: &serde_json::Value| one["devices"][0]["state"] == "ready";
            if stations.len() == CHAIRS && stations.iter().all(ready) {
                return (program, address);
            }
        }
        let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(program.0.try_wait().unwrap().is_none(), "the program ended: {}", said());
        assert!(Instant::now() < limit, "not ready: {}", said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
