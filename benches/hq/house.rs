//! Everything around one measurement: authority, broker, an empty database, and what stands at headquarters' place.

use skinlink::{
    adapters::{
        mqtt,
        pki::{Authority, Use, Validity},
    },
    app::fleet,
    clock,
    hq::{database::Place, ledger::Ledger},
    ports::Connector,
    sim::broker::{Broker, BrokerTls},
    sync::topic::Address,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Disk work is real: nothing here lies in memory, and the server syncs.
const POSTGRES: &[&str] = &["-c", "fsync=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=2GB"];

pub struct House {
    folder: TempDir,
    certificates: PathBuf,
    broker: Broker,
    url: String,
    place: Place,
}

/// What takes the events; ended when dropped.
pub struct Receiver(Child);

/// Processor seconds by part.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub receiver: f64,
    pub broker: f64,
    pub database: f64,
}

impl Cpu {
    pub fn since(self, before: &Self) -> Self {
        Self {
            receiver: self.receiver - before.receiver,
            broker: self.broker - before.broker,
            database: self.database - before.database,
        }
    }
}

impl House {
    pub async fn open(side: &str, gateways: impl IntoIterator<Item = &Address>, server: &mut crate::Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = folder.path().join("certificates");
        fs::create_dir_all(&certificates).unwrap();
        let validity = Validity::days(clock::now().wall, 2);
        let authority = Authority::new("bench authority", validity).unwrap();
        let issue = |name: &str, what_for| authority.issue(&certificates, name, what_for, validity).unwrap();
        let leaf = issue("broker", Use::Server(&["127.0.0.1", "localhost"]));
        issue("hq-1", Use::Client);
        gateways.into_iter().for_each(|address| drop(issue(&address.gateway, Use::Client)));
        let tls = BrokerTls { ca: leaf.ca, certificate: leaf.certificate, key: leaf.key };
        let broker = Broker::start(&folder.path().join("broker"), &tls, &["hq-1"]).await.unwrap();
        let url = url(side, folder.path(), server);
        let place = url.parse().unwrap();
        Self { folder, certificates, broker, url, place }
    }

    pub async fn product(&self) -> Receiver {
        let file = |name: &str| self.certificates.join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"))
            .args(["--log", "warn", "run", "--name", "hq-1"])
            .args(["--broker", &format!("127.0.0.1:{}", self.broker.port()), "--database", &self.url, "--data"])
            .arg(self.folder.path().join("hq"))
            .arg("--ca")
            .arg(file("ca.pem"))
            .arg("--certificate")
            .arg(file("hq-1.pem"))
            .arg("--key")
            .arg(file("hq-1.key"))
            .spawn()
            .unwrap();
        Receiver(child)
    }

    pub async fn script(&self) -> Receiver {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/hq/consumer.py");
        // The distribution's own, which its packages are for.
        let child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([&self.broker.port().to_string(), &self.url])
            .arg(&self.certificates)
            .spawn()
            .expect("python3 runs");
        Receiver(child)
    }

    pub fn connector(&self, address: &Address) -> Connector {
        mqtt::connector(fleet::settings("127.0.0.1", self.broker.port(), &self.certificates, address))
    }

    pub fn used(&self, receiver: &Receiver) -> Cpu {
        let of = |name: &str| processes(name).into_iter().map(cpu_of).sum();
        let (broker, database) = (of("mosquitto"), if self.is_sqlite() { 0.0 } else { of("postgres") });
        Cpu { receiver: cpu_of(receiver.0.id()), broker, database }
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Everything is there, once.
    pub fn check(&self, events: u64) {
        let counts = Ledger::at(&self.place).and_then(|ledger| ledger.counts()).unwrap();
        let stored: u64 = counts.iter().map(|one| one.events).sum();
        let wrong: u64 = counts.iter().map(|one| one.gaps + one.duplicates + one.refused + one.alarms).sum();
        assert_eq!((stored, wrong), (events, 0), "stored, and what is wrong with it");
    }

    /// How long until no fact is missing.
    pub async fn facts_caught_up(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        while behind(&self.place).is_some() {
            assert!(began.elapsed() < limit, "facts are missing after {limit:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        began.elapsed()
    }

    pub fn watch_facts(&self) -> Watch {
        let (stop, place) = (Arc::new(AtomicBool::new(false)), self.place.clone());
        let ended = Arc::clone(&stop);
        let watching = thread::spawn(move || {
            let mut most = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(500));
                most = most.max(behind(&place).unwrap_or_default());
            }
            most
        });
        Watch { stop, watching }
    }
}

/// Looks every half second how far the facts are behind.
pub struct Watch {
    stop: Arc<AtomicBool>,
    watching: thread::JoinHandle<Duration>,
}

impl Watch {
    pub async fn most_behind(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(|| self.watching.join().unwrap()).await.unwrap()
    }
}

/// Age of the oldest event that has no facts yet, since headquarters has it.
fn behind(place: &Place) -> Option<Duration> {
    let mut engine = place.read_only().ok()?;
    let oldest = engine
        .query(
            "SELECT min(e.received_ms) FROM streams s
             LEFT JOIN projected p ON p.gateway = s.gateway AND p.epoch = s.epoch
             JOIN events e ON e.gateway = s.gateway AND e.epoch = s.epoch AND e.seq = coalesce(p.upto, 0) + 1
             WHERE s.upto > coalesce(p.upto, 0)",
            &[],
        )
        .ok()?;
    let oldest: Option<i64> = oldest.first()?.get(0).ok()?;
    let now = clock::now().wall.unix_ms();
    oldest.map(|oldest| Duration::from_millis(u64::try_from(now - oldest).unwrap_or(0)))
}

/// An empty database; tables are made by whoever comes first.
pub fn url(side: &str, folder: &Path, server: &mut crate::Server) -> String {
    if side == "sqlite" {
        return format!("sqlite:{}", folder.join("hq/hq.sqlite").display());
    }
    let options = || POSTGRES.iter().copied().map(str::to_owned).collect();
    server.get_or_insert_with(|| crate::postgres::Server::start_with(5432, |_| options())).fresh()
}

impl Receiver {
    /// The most it ever had in memory.
    pub fn memory_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn own_cpu() -> f64 {
    cpu_of(std::process::id())
}

fn cpu_of(process: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return 0.0 };
    // Behind the name, which may hold blanks: fields 14 and 15 are user and system time in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Processes of that name which this one started, directly or not.
fn processes(name: &str) -> Vec<u32> {
    let all: Vec<(u32, u32, String)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            Some((process, rest.split_whitespace().nth(1)?.parse().ok()?, name.to_owned()))
        })
        .collect();
    let mut ours = vec![std::process::id()];
    let mut at = 0;
    while at < ours.len() {
        let children: Vec<u32> = all.iter().filter(|(_, parent, _)| *parent == ours[at]).map(|one| one.0).collect();
        ours.extend(children);
        at += 1;
    }
    all.into_iter().filter(|(process, _, found)| ours.contains(process) && found == name).map(|one| one.0).collect()
}
