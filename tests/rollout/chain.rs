//! A headquarters of two receivers on either database, which can be killed and put back to an earlier day, and its stores.

use crate::{
    Side, postgres,
    store::{self, Handle, Ways},
};
use skinlink::{
    adapters::{
        mqtt,
        pki::{Authority, Use, Validity},
    },
    app::fleet::{self, Fleet},
    clock,
    hq::database::{Place, engine::Engine},
    sim::broker::{Broker, BrokerTls},
    sync::{
        package::{PublicKey, Slot},
        topic::Address,
    },
};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{Instant, sleep},
};

/// Longest wait for anything that a rollout leads to.
pub const LIMIT: Duration = Duration::from_secs(120);

const CHAIN: &str = "qinghe";
const PASSPHRASE: &str = "a passphrase for the drill";

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub stores: u32,
    pub pilot: u32,
    pub rings: &'static str,
    pub soak_s: f64,
    pub photographs: u32,
    /// From one event of a store to the next.
    pub tick: Duration,
}

pub struct Chain {
    pub folder: TempDir,
    pub scale: Scale,
    pub stores: Vec<Handle>,
    pub slot: String,
    certificates: PathBuf,
    broker: Broker,
    server: Option<postgres::Server>,
    database: String,
    backup: String,
    receivers: Vec<(String, Child)>,
    began: Instant,
    told: Vec<(Duration, String)>,
}

impl Chain {
    /// Broker, receivers and stores are up; the stores have said hello.
    pub async fn start(side: Side, scale: Scale, bad: BTreeSet<u64>, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificates = folder.path().join("certificates");
        fs::create_dir_all(&certificates).expect("a folder for certificates");
        let validity = Validity::days(clock::now().wall, 2);
        let authority = Authority::new("rollout authority", validity).expect("an authority");
        let issue = |name: &str, what_for| authority.issue(&certificates, name, what_for, validity).expect("a leaf");
        let leaf = issue("broker", Use::Server(&["127.0.0.1", "localhost"]));
        let tls = BrokerTls { ca: leaf.ca, certificate: leaf.certificate, key: leaf.key };
        let names = ["hq-1", "hq-2"];
        for name in
            names.iter().map(|name| (*name).to_owned()).chain((0..scale.stores).map(|at| Fleet::address(at).gateway))
        {
            issue(&name, Use::Client);
        }
        let broker = Broker::start(&folder.path().join("broker"), &tls, &names).await.expect("mosquitto starts");
        let server = matches!(side, Side::Postgres).then(postgres::Server::start);
        let (database, backup) = match &server {
            None => {
                let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
                (file("hq.sqlite"), file("backup.sqlite"))
            }
            Some(server) => (server.fresh(), String::new()),
        };
        let mut chain = Self {
            scale,
            stores: Vec::new(),
            slot: "model/pores-dog".to_owned(),
            certificates,
            broker,
            server,
            database,
            backup,
            receivers: Vec::new(),
            began: Instant::now(),
            told: Vec::new(),
            folder,
        };
        chain.command(&["package", "key", &chain.path("packages"), "--passphrase-file", &chain.passphrase()]);
        chain.write_configuration();
        names.iter().for_each(|name| chain.start_receiver(name));
        let pem = fs::read(chain.folder.path().join("packages.pub")).expect("the public key");
        let ways = Arc::new(Ways {
            keys: vec![PublicKey::from_pem(&pem).expect("a key")],
            chain: CHAIN,
            slot: Slot::Model("pores-dog".into()),
            bad,
        });
        for at in 0..scale.stores {
            let address = Fleet::address(at);
            let settings = fleet::settings("127.0.0.1", chain.broker.port(), &chain.certificates, &address);
            chain.stores.push(store::open(
                address,
                mqtt::connector(settings),
                Arc::clone(&ways),
                (seed ^ u64::from(at), scale.tick),
            ));
        }
        chain
            .until("every store was heard", |chain| {
                chain.number("SELECT count(*) FROM gateways WHERE epoch IS NOT NULL AND about IS NOT NULL")
                    == i64::from(scale.stores)
            })
            .await;
        chain.note(format!("{} stores and two receivers are up", scale.stores));
        chain
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn passphrase(&self) -> String {
        let file = self.path("passphrase");
        fs::write(&file, PASSPHRASE).expect("a file");
        file
    }

    fn write_configuration(&self) {
        let Scale { pilot, rings, soak_s, photographs, .. } = self.scale;
        for name in ["hq-1", "hq-2"] {
            let file = |ending: &str| self.certificates.join(format!("{name}.{ending}")).display().to_string();
            let text = format!(
                "broker = \"127.0.0.1:{}\"\nname = \"{name}\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
                 data = \"{}\"\ndatabase = \"{}\"\n[rollouts]\nchain = \"{CHAIN}\"\nkeys = [\"packages.pub\"]\n\
                 pilot = {pilot}\nrings = {rings}\nsoak_hours = {}\nphotographs = {photographs}\n",
                self.broker.port(),
                self.certificates.join("ca.pem").display(),
                file("pem"),
                file("key"),
                self.path("data"),
                self.database,
                soak_s / 3_600.0,
            );
            fs::write(self.path(&format!("{name}.toml")), text).expect("a file");
        }
    }

    pub fn start_receiver(&mut self, name: &str) {
        let log = OpenOptions::new().create(true).append(true).open(self.path(&format!("{name}.log")));
        let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_skinlink-hq"))
            .args(["run", "--config", &self.path(&format!("{name}.toml"))])
            .stderr(log.expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the receiver starts");
        self.receivers.push((name.to_owned(), child));
    }

    /// Kills a receiver as a power cut would, and starts it again.
    pub async fn kill_receiver(&mut self, name: &str) {
        let at = self.receivers.iter().position(|(known, _)| known == name).expect("one of ours");
        let (_, mut child) = self.receivers.remove(at);
        child.kill().await.expect("it can be killed");
        self.start_receiver(name);
        self.note(format!("{name} was killed and started again"));
    }

    async fn stop_receivers(&mut self) {
        for (_, mut child) in std::mem::take(&mut self.receivers) {
            child.kill().await.expect("it can be killed");
        }
    }

    /// Takes a backup of the database while no receiver runs.
    pub async fn back_up(&mut self) {
        self.stop_receivers().await;
        match &self.server {
            None => {
                let from = self.database.trim_start_matches("sqlite:");
                for ending in ["", "-wal"] {
                    let to = format!("{}{ending}", self.backup.trim_start_matches("sqlite:"));
                    let copied = fs::copy(format!("{from}{ending}"), to);
                    assert!(copied.is_ok() || ending == "-wal", "{copied:?}");
                }
            }
            Some(server) => self.backup = server.copy_of(&self.database),
        }
        ["hq-1", "hq-2"].iter().for_each(|name| self.start_receiver(name));
        self.note("a backup was taken".to_owned());
    }

    /// Headquarters goes on from its backup.
    pub async fn restore(&mut self) {
        self.stop_receivers().await;
        std::mem::swap(&mut self.database, &mut self.backup);
        self.write_configuration();
        ["hq-1", "hq-2"].iter().for_each(|name| self.start_receiver(name));
        self.note("headquarters was restored from the backup".to_owned());
    }

    pub fn place(&self) -> Place {
        self.database.parse().expect("an address")
    }

    pub fn engine(&self) -> Box<dyn Engine> {
        self.place().open().expect("the database")
    }

    pub fn number(&self, sql: &str) -> i64 {
        let Ok(mut engine) = self.place().read_only() else { return -1 };
        engine.query(sql, &[]).ok().and_then(|rows| rows.first()?.get(0).ok()).unwrap_or(-1)
    }

    pub fn text(&self, sql: &str) -> String {
        let Ok(mut engine) = self.place().read_only() else { return String::new() };
        engine.query(sql, &[]).ok().and_then(|rows| rows.first()?.get(0).ok()).unwrap_or_default()
    }

    /// Runs the program; what it printed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let (done, said) = self.tried(arguments);
        assert!(done, "skinlink-hq {arguments:?}: {said}");
        said
    }

    pub fn tried(&self, arguments: &[&str]) -> (bool, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_skinlink-hq")).args(arguments).output().expect("it runs");
        let said = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Signs the model under a version, and takes it in.
    pub fn add(&self, version: u64) {
        let (package, config) = (self.path(&format!("pores-{version}.package")), self.path("hq-1.toml"));
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pores-dog").display().to_string();
        self.command(&[
            "package",
            "sign",
            &model,
            "--into",
            &package,
            "--key",
            &self.path("packages.key"),
            "--passphrase-file",
            &self.passphrase(),
            "--chain",
            CHAIN,
            "--version",
            &version.to_string(),
            "--note",
            "drill",
        ]);
        let shown = self.command(&["package", "show", &package, "--key", &self.path("packages.pub")]);
        assert!(shown.contains(&format!("{} {version}, for the chain {CHAIN}\nsigned by ", self.slot)), "{shown}");
        self.command(&["package", "add", "--config", &config, &package]);
    }

    /// Starts the rollout of a version that is here; its number.
    pub fn roll_out(&mut self, version: u64) -> u64 {
        let config = self.path("hq-1.toml");
        let begun = self.command(&["rollout", "start", "--config", &config, &self.slot, &version.to_string()]);
        self.note(begun.trim().to_owned());
        begun.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    pub fn state(&self, n: u64) -> String {
        self.text(&format!("SELECT state FROM rollouts WHERE n = {n}"))
    }

    /// Stores of a ring of a rollout.
    pub fn ring(&self, n: u64, ring: u32) -> Vec<Handle> {
        let mut engine = self.place().read_only().expect("the database");
        let sql = format!("SELECT store FROM rollout_stores WHERE rollout = {n} AND ring = {ring}");
        let rows = engine.query(&sql, &[]).expect("the rings");
        let names: BTreeSet<String> = rows.iter().map(|row| row.get(0).expect("a name")).collect();
        self.stores.iter().filter(|store| names.contains(&store.address.store)).cloned().collect()
    }

    pub async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}\n{}", self.all_known());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn all_known(&self) -> String {
        let shown: Vec<String> = (1..=6)
            .map(|n| self.tried(&["rollout", "show", "--config", &self.path("hq-1.toml"), &n.to_string()]).1)
            .collect();
        let log = fs::read_to_string(self.path("hq-1.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        let stores: Vec<String> =
            self.stores.iter().map(|one| format!("{} {:?}", one.address.store, one.used())).take(20).collect();
        format!("{}\n{}\n{}", shown.join("\n"), stores.join(", "), tail.join("\n"))
    }

    pub fn note(&mut self, what: String) {
        self.told.push((self.began.elapsed(), what));
    }

    /// What happened, as a table.
    pub fn table(&self) -> String {
        let line = |(at, what): &(Duration, String)| format!("{:8.1} s  {what}\n", at.as_secs_f64());
        self.told.iter().map(line).collect()
    }

    /// Every event of every store is at headquarters once.
    pub async fn everything_is_here_once(&mut self) -> u64 {
        let mut all = 0;
        for store in self.stores.clone() {
            let Address { gateway, store: name } = &store.address;
            let diary = store.diary();
            all += diary.recorded;
            let held = format!(
                "SELECT count(*) FROM events WHERE gateway = '{gateway}' AND refused IS NULL AND seq <= {}",
                diary.recorded
            );
            self.until(&format!("all of {name}"), |chain| chain.number(&held) == diary.recorded as i64).await;
            let mut engine = self.place().read_only().expect("the database");
            let sql =
                format!("SELECT id FROM events WHERE gateway = '{gateway}' AND seq <= {} ORDER BY seq", diary.recorded);
            let rows = engine.query(&sql, &[]).expect("events");
            let ids: Vec<String> = rows.iter().map(|row| row.get(0).expect("an id")).collect();
            assert!(ids == diary.events[..diary.recorded as usize], "{name}: another event than it recorded");
        }
        assert_eq!(self.number("SELECT count(*) FROM events WHERE refused IS NOT NULL OR same_as IS NOT NULL"), 0);
        all
    }
}
