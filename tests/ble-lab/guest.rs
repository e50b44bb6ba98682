//! Inside the guest: the real D-Bus, the real bluetoothd and the real gateway over a kernel of their own, and what is done to
//! them.

use crate::{pen::Pen, radio::Radio};
use serde_json::Value;
use skinlink::{
    app::demo::Process,
    domain::scan::Phase,
    protocol::Spec,
    sim::beautician::{Beautician, Plan, Trouble, Turn},
    store::{Options, Store, StoreKey},
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload,
    },
};
use std::{collections::BTreeMap, ffi::OsString, fs, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

pub const STATIONS: [&str; 2] = ["chair-1", "chair-2"];
const BASE: &str = "http://127.0.0.1:8470";
const DATA: &str = "/tmp/data";
const BUS: &str = "/run/dbus/system_bus_socket";

/// For programs to start in an emulated processor.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Regions times repeats of the scan that is configured below, and its regions.
const VALUES_A_VISIT: usize = 4;
const READINGS_A_VISIT: usize = 2;

/// The whole guest.
pub struct Lab {
    pub radio: Radio,
    bus: Option<Process>,
    bluetoothd: Option<Process>,
    gateway: Process,
    visits: usize,
}

/// What the gateway's process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub resident_kib: u64,
    pub descriptors: usize,
}

fn start(name: &'static str, arguments: &[&str]) -> Process {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let log = format!("/tmp/{name}.log");
    let program = Path::new(if name == "skinlink" { "/lab" } else { "/bin" }).join(name);
    Process::start(name, &program, &arguments, &[("RUST_LOG", "info,skinlink=debug".to_owned())], Path::new(&log))
        .unwrap_or_else(|fault| panic!("{fault:#}"))
}

async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}\n{}", logs());
        sleep(Duration::from_millis(100)).await;
    }
}

/// The ends of what all programs said.
fn logs() -> String {
    let mut all = String::new();
    for name in ["skinlink", "bluetoothd", "dbus-daemon"] {
        let text = fs::read_to_string(format!("/tmp/{name}.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        all += &format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(60)..].join("\n"));
    }
    all
}

impl Lab {
    /// Everything is started; `pens` of them are configured, and all are switched on.
    pub async fn open(pens: usize) -> Self {
        let file = fs::read_to_string("/lab/protocols/nordic-uart-pen/protocol.toml").expect("the protocol is packed");
        let spec = Arc::new(Spec::parse("nordic-uart-pen", &file).expect("a sound file"));
        let made: Vec<Pen> = (0..pens).map(|at| Pen::new(&spec, &format!("PEN-{at}"), 0xF5 + at as u8, 7)).collect();
        fs::create_dir_all("/tmp/models").expect("a folder");
        fs::write("/tmp/gateway.toml", configuration(&made)).expect("a file");
        let bus = start_bus().await;
        let radio = Radio::start(made);
        let bluetoothd = start("bluetoothd", &["-n"]);
        let gateway = start("skinlink", &["run", "--config", "/tmp/gateway.toml"]);
        let mut lab = Self { radio, bus: Some(bus), bluetoothd: Some(bluetoothd), gateway, visits: 0 };
        until("the gateway answers", START_LIMIT, async || lab.stations().await).await;
        lab.gateway.still_running().expect("ours answers");
        lab
    }

    async fn stations(&self) -> Option<Value> {
        reqwest::get(format!("{BASE}/api/v1/stations")).await.ok()?.json().await.ok()
    }

    /// Whether the gateway holds the device of this station to be there.
    async fn connected(&self, station: usize) -> bool {
        let told = self.stations().await.unwrap_or_default();
        told["stations"][station]["devices"][0]["connected"] == true
    }

    pub async fn until_connected(&self, station: usize, wanted: bool, limit: Duration) {
        let what = if wanted { "connected" } else { "noticed as lost" };
        until(what, limit, async || (self.connected(station).await == wanted).then_some(())).await;
    }

    /// A customer comes, is scanned and goes: whatever went wrong before, it is done within `limit`.
    pub async fn visit(&mut self, station: usize, limit: Duration) -> Duration {
        let begun = Instant::now();
        let played = self.play(station, limit).await;
        self.visits += 1;
        let view = played.view().await.expect("the visit's page");
        let repeats = view.pointer("/scans/0/readings/0/repeats").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(repeats, VALUES_A_VISIT / READINGS_A_VISIT, "{view:#}");
        begun.elapsed()
    }

    async fn play(&self, station: usize, limit: Duration) -> Beautician {
        let plan = Plan { phases: vec![Phase::Before], ..Plan::default() };
        let mut beautician = Beautician::new(BASE, STATIONS[station], "林静", plan);
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < limit, "not measured within {limit:?}\n{}", logs());
            match beautician.turn().await {
                Ok(Turn::Done) => return beautician,
                Ok(Turn::Waits(_)) | Err(Trouble::Unreachable(_)) => sleep(Duration::from_millis(150)).await,
                Ok(_) => {}
                Err(trouble) => panic!("{trouble}\n{}", logs()),
            }
        }
    }

    pub async fn kill_bluetoothd(&mut self) {
        self.bluetoothd.take().expect("it runs").kill().await.expect("it can be killed");
    }

    pub fn start_bluetoothd(&mut self) {
        self.bluetoothd = Some(start("bluetoothd", &["-n"]));
    }

    /// bluetoothd ends with its bus, by itself.
    pub async fn kill_bus(&mut self) {
        self.bus.take().expect("it runs").kill().await.expect("it can be killed");
        let mut bluetoothd = self.bluetoothd.take().expect("it runs");
        assert!(bluetoothd.ended_within(START_LIMIT).await, "bluetoothd outlives its bus");
    }

    pub async fn start_bus(&mut self) {
        self.bus = Some(start_bus().await);
    }

    pub fn held(&self) -> Held {
        let pid = self.gateway.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its own page");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        let resident_kib = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
        Held { resident_kib, descriptors }
    }

    /// The gateway ends, and its outbox is held against the pens' own ledgers: everything once, nothing missing.
    pub async fn close(self, pens: usize) {
        self.gateway.stop().await.unwrap_or_else(|fault| panic!("{fault:#}\n{}", logs()));
        let data = Path::new(DATA);
        let key = StoreKey::load_or_create(&data.join("store.key"), data).expect("the store's key");
        let options =
            Options { data: data.to_owned(), key, source: "skinlink://lab/lab-g1".to_owned(), min_free: 0, readers: 1 };
        let store = Store::open(options).expect("the gateway has let go of its store");
        let (epoch, last) = (store.epoch().await.expect("a store"), store.last_seq().await.expect("a store"));
        let rows = store.range(epoch, 1, last, usize::MAX, usize::MAX).await.expect("a store");
        assert_eq!(rows.len() as u64, last, "no number of the outbox is missing");
        let mut kept: BTreeMap<(String, u64), u32> = BTreeMap::new();
        let mut readings = 0;
        for (_, body) in rows {
            let event: Event = serde_json::from_str(&body).expect("an event");
            if event.kind != format!("{TYPE_PREFIX}{}", payload::kind::READING) {
                continue;
            }
            readings += 1;
            let reading: payload::Reading = serde_json::from_str(event.data.get()).expect("a reading");
            for repeat in reading.repeats {
                let counter = repeat.counter.expect("the pen numbers what it measures");
                *kept.entry((reading.device.serial.trim().to_owned(), counter)).or_default() += 1;
            }
        }
        for station in STATIONS {
            for lying in store.tray(station.to_owned()).await.expect("a store") {
                let counter = lying.repeat.device_counter.expect("the pen numbers what it measures");
                *kept.entry((lying.device.serial.trim().to_owned(), counter)).or_default() += 1;
            }
        }
        assert_eq!(readings, self.visits * READINGS_A_VISIT, "each visit's readings are in the outbox");
        let doubled: Vec<_> = kept.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "kept twice: {doubled:?}");
        let mut measured = 0;
        for at in 0..pens {
            let (ledger, unconfirmed) = self.radio.pen(at, |pen| (pen.ledger.clone(), pen.unconfirmed()));
            for line in ledger {
                measured += 1;
                let there = kept.contains_key(&(line.serial.clone(), line.counter));
                // What the pen was not told is safe it still has, and would send again.
                assert!(there || unconfirmed.contains(&line.counter), "lost: {line:?}");
            }
        }
        println!("lab: {} visits, {measured} values measured, {} kept, none lost, none twice", self.visits, kept.len());
    }
}

async fn start_bus() -> Process {
    // What a killed one left would look like a bus.
    let _ = fs::remove_file(BUS);
    let bus = start("dbus-daemon", &["--system", "--nofork", "--nopidfile"]);
    until("D-Bus", START_LIMIT, async || UnixStream::connect(BUS).await.ok()).await;
    bus
}

fn configuration(pens: &[Pen]) -> String {
    let mut text = format!(
        "[store]\nid = \"lab\"\ngateway = \"lab-g1\"\ndata = \"{DATA}\"\nmin_free_mib = 16\n\
         [web]\nlisten = \"127.0.0.1:8470\"\n[mqtt]\nenabled = false\n\
         [scan]\nprotocols = \"/lab/protocols\"\nmodels = \"/tmp/models\"\nmetrics_file = \"/lab/config/metrics.toml\"\n\
         regions_file = \"/lab/config/face-regions.toml\"\n\
         metrics = [\"moisture\"]\nregions = [\"chin\", \"forehead\"]\nrepeats = 2\nviews = []\n"
    );
    for (station, pen) in STATIONS.into_iter().zip(pens) {
        text += &format!(
            "[[station]]\nid = \"{station}\"\nlabel = {{ zh = \"护理位\", en = \"{station}\" }}\n\
             [[device]]\nstation = \"{station}\"\nprotocol = \"nordic-uart-pen\"\naddress = \"{}\"\n",
            pen.shown_address()
        );
    }
    text
}
