//! Everything of a chain beside its stores: authority, broker, database, two receivers, and the mishaps that befall them.

use crate::{postgres::Server, unruly::unruly};
use skinlink::{
    adapters::{
        mqtt,
        pki::{Authority, Use, Validity},
    },
    app::fleet::{self, Fleet, StoreLedger},
    clock,
    hq::{database::Place, ledger::Ledger},
    ports::Connector,
    sim::broker::{Broker, BrokerTls},
    sync::topic::Address,
};
use std::{
    collections::{BTreeMap, VecDeque},
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, sleep_until},
};

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    ReceiverKilled,
    BrokerRestarted,
    /// It comes back without what it held.
    BrokerForgot,
    DatabaseRestarted,
    DatabaseCrashed,
}

impl Mishap {
    pub const ALL: [Self; 5] = [
        Self::ReceiverKilled,
        Self::BrokerRestarted,
        Self::BrokerForgot,
        Self::DatabaseRestarted,
        Self::DatabaseCrashed,
    ];
}

/// What the tables say against the ledgers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub lost: u64,
    pub doubled: u64,
    pub gaps: u64,
    pub alarms: u64,
    pub redeliveries: u64,
    /// From the last acknowledgement until the last fact was made.
    pub facts_behind_ms: u128,
}

pub struct Chain {
    folder: TempDir,
    certificates: PathBuf,
    broker: Broker,
    server: Server,
    url: String,
    place: Place,
    receivers: Vec<(String, Child)>,
    happened: BTreeMap<Mishap, u32>,
    began: Instant,
}

impl Chain {
    pub async fn start(stores: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificates = folder.path().join("certificates");
        std::fs::create_dir_all(&certificates).expect("a folder for certificates");
        let validity = Validity::days(clock::now().wall, 2);
        let authority = Authority::new("fleet authority", validity).expect("an authority");
        let issue = |name: &str, what_for| authority.issue(&certificates, name, what_for, validity).expect("a leaf");
        let server = issue("broker", Use::Server(&["127.0.0.1", "localhost"]));
        let tls = BrokerTls { ca: server.ca, certificate: server.certificate, key: server.key };
        let names: Vec<String> = ["hq-1", "hq-2"].map(str::to_owned).into();
        for name in names.iter().cloned().chain((0..stores).map(|at| Fleet::address(at).gateway)) {
            issue(&name, Use::Client);
        }
        let mut broker =
            Broker::start(&folder.path().join("broker"), &tls, &["hq-1", "hq-2"]).await.expect("mosquitto starts");
        broker.keep_on_disk(true).expect("its configuration");
        broker.restart().await.expect("mosquitto starts");
        let server = Server::start();
        let url = server.fresh();
        let place = url.parse().expect("an address");
        let mut chain = Self {
            folder,
            certificates,
            broker,
            server,
            url,
            place,
            receivers: Vec::new(),
            happened: BTreeMap::new(),
            began: Instant::now(),
        };
        for name in names {
            let receiver = chain.receiver(&name);
            chain.receivers.push((name, receiver));
        }
        chain
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn happened(&self) -> &BTreeMap<Mishap, u32> {
        &self.happened
    }

    fn receiver(&self, name: &str) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.folder().join(format!("{name}.log")));
        let file = |ending: &str| self.certificates.join(format!("{name}.{ending}"));
        Command::new(env!("CARGO_BIN_EXE_skinlink-hq"))
            .args(["run", "--name", name, "--broker", &format!("127.0.0.1:{}", self.broker.port())])
            .args(["--database", &self.url, "--data"])
            .arg(self.folder().join("hq"))
            .arg("--ca")
            .arg(self.certificates.join("ca.pem"))
            .arg("--certificate")
            .arg(file("pem"))
            .arg("--key")
            .arg(file("key"))
            .stderr(log.expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the receiver starts")
    }

    /// How each store reaches the broker: over an unruly line.
    pub fn connectors(&self, seed: u64) -> impl Fn(&Address) -> Connector + use<> {
        let (port, certificates) = (self.broker.port(), self.certificates.clone());
        move |address| {
            let line = mqtt::connector(fleet::settings("127.0.0.1", port, &certificates, address));
            let gateway = &address.gateway;
            unruly(line, gateway.bytes().fold(seed, |seed, byte| seed.rotate_left(7) ^ u64::from(byte)))
        }
    }

    /// When what happens: the second receiver dies regularly, the others in turn.
    pub fn plan(&self, seed: u64, lasting: u64, mishaps: f64, deaths: f64) -> VecDeque<(Duration, Mishap)> {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut plan = Vec::new();
        let times = |every: f64, dice: &mut fastrand::Rng| {
            let count = (lasting as f64 / every) as u32;
            (1..=count).map(|at| every * (f64::from(at) - 0.5 * dice.f64())).collect::<Vec<_>>()
        };
        plan.extend(times(deaths, &mut dice).into_iter().map(|at| (at, Mishap::ReceiverKilled)));
        let kinds = [Mishap::DatabaseRestarted, Mishap::BrokerRestarted, Mishap::DatabaseCrashed, Mishap::BrokerForgot];
        plan.extend(times(mishaps, &mut dice).into_iter().zip(kinds.into_iter().cycle()));
        plan.sort_by(|one, other| one.0.total_cmp(&other.0));
        plan.into_iter().map(|(at, mishap)| (Duration::from_secs_f64(at), mishap)).collect()
    }

    /// Waits for its time, then lets it happen. Without one, waits for ever.
    pub async fn mishap(&mut self, next: Option<(Duration, Mishap)>) {
        let Some((at, mishap)) = next else { return std::future::pending().await };
        sleep_until(self.began + at).await;
        *self.happened.entry(mishap).or_default() += 1;
        match mishap {
            Mishap::ReceiverKilled => {
                let (name, child) = self.receivers.last_mut().expect("two receivers");
                child.kill().await.expect("it can be killed");
                let name = name.clone();
                self.receivers.last_mut().expect("two receivers").1 = self.receiver(&name);
            }
            Mishap::BrokerRestarted => {
                // What a broker saves every second is on disk by then.
                self.broker.restart().await.expect("mosquitto starts");
            }
            Mishap::BrokerForgot => {
                self.broker.kill().await;
                self.broker.forget().expect("its file can be removed");
                self.broker.restart().await.expect("mosquitto starts");
            }
            Mishap::DatabaseRestarted => self.database_away("stop").await,
            Mishap::DatabaseCrashed => self.database_away("kill").await,
        }
    }

    async fn database_away(&mut self, how: &str) {
        self.server.order(how);
        sleep(Duration::from_millis(700)).await;
        self.server.order("start");
    }

    /// Holds every ledger against the tables, once the facts are made.
    pub async fn compare(&mut self, ledgers: &[StoreLedger]) -> Found {
        let began = Instant::now();
        let recorded: u64 = ledgers.iter().map(|ledger| ledger.recorded).sum();
        let mut engine = self.place.read_only().expect("the database");
        let mut facts = || -> u64 {
            engine.query("SELECT count(*) FROM measurement_facts", &[]).expect("the facts")[0].get(0).expect("a count")
        };
        while facts() < recorded && began.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(50)).await;
        }
        let mut found = Found { facts_behind_ms: began.elapsed().as_millis(), ..Found::default() };
        let rows = engine
            .query(
                "SELECT gateway, count(*), count(DISTINCT counter), coalesce(min(counter), 0), coalesce(max(counter), 0)
                 FROM measurement_facts GROUP BY gateway",
                &[],
            )
            .expect("the facts");
        let mut here: BTreeMap<String, [u64; 4]> = rows
            .iter()
            .map(|row| (row.get(0).expect("a name"), [1, 2, 3, 4].map(|at| row.get(at).expect("a number"))))
            .collect();
        for ledger in ledgers {
            let [rows, numbers, first, last] = here.remove(&ledger.gateway).unwrap_or_default();
            found.lost += ledger.recorded.saturating_sub(numbers);
            found.doubled += rows - numbers;
            // Nothing but what the store told.
            assert!(rows == 0 || first >= 1 && last <= ledger.recorded, "{ledger:?}: {first} to {last}");
        }
        let ledger = Ledger::at(&self.place).expect("the ledger");
        for counts in ledger.counts().expect("the counts") {
            found.gaps += counts.gaps;
            found.alarms += counts.alarms;
            found.doubled += counts.duplicates;
            found.redeliveries += counts.redeliveries;
        }
        found
    }
}
