//! `skinlink simulate fleet`: many stores in one process, each with its own encrypted store and the real sync task over a
//! connection of its own. Each keeps a ledger of what it made durable, so that headquarters can be held against it.
//!
//! A store records in bursts, goes offline and comes back, and is closed and opened again, at moments drawn from the seed.

use crate::{
    adapters::{mqtt::MqttSettings, pki::TlsFiles},
    clock,
    config::{AcknowledgedBy, Sync},
    domain::{device::DeviceIdentity, metric::MetricId, reading::MeasuredValue},
    ports::Connector,
    store::{NewMeasurement, Options, Store, StoreKey},
    sync::topic::{Address, Lane},
    tasks::sync::{self, SyncSettings, SyncStatus},
};
use anyhow::{Context as _, bail};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// From one burst of a store to the next.
const BURST: Duration = Duration::from_millis(500);

/// Until a store that closes must have closed.
const CLOSING: Duration = Duration::from_secs(20);

/// What the fleet does.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub stores: u32,
    /// Events per second of all stores together.
    pub rate: f64,
    pub lasting: Duration,
    /// How long the stores may take to catch up at the end.
    pub catching_up: Duration,
    /// Mean time between two disturbances of one store; `None` for a quiet fleet.
    pub disturbed_every: Option<Duration>,
    pub seed: u64,
    /// The stores' data folders are made in it.
    pub folder: PathBuf,
}

/// What one store made durable: the independent side of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreLedger {
    pub store: String,
    pub gateway: String,
    /// Its events carry the numbers 1 to this, each once.
    pub recorded: u64,
    /// Times it was offline.
    pub outages: u32,
    /// Times it was closed and opened again.
    pub restarts: u32,
}

impl Fleet {
    /// The gateway of store number `at`, from 0.
    #[must_use]
    pub fn address(at: u32) -> Address {
        Address { store: format!("sim-{at:04}"), gateway: format!("sim-{at:04}-g1") }
    }

    /// Plays the fleet; returns when every store's last event is acknowledged.
    ///
    /// # Errors
    /// A store that failed, or did not catch up in time.
    pub async fn play(&self, connect: impl Fn(&Address) -> Connector) -> anyhow::Result<Vec<StoreLedger>> {
        let mut stores = JoinSet::new();
        let end = Instant::now() + self.lasting;
        for at in 0..self.stores {
            let address = Self::address(at);
            let connector = connect(&address);
            let seed = self.seed.wrapping_add(u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            stores.spawn(SimStore::play(self.clone(), address, connector, fastrand::Rng::with_seed(seed), end));
        }
        let mut ledgers = Vec::new();
        while let Some(ended) = stores.join_next().await {
            ledgers.push(ended.context("a store's task ended unasked")??);
        }
        ledgers.sort_by(|one, other| one.gateway.cmp(&other.gateway));
        Ok(ledgers)
    }
}

/// One store while it plays.
struct SimStore {
    fleet: Fleet,
    connector: Connector,
    dice: fastrand::Rng,
    device: Arc<DeviceIdentity>,
    ledger: StoreLedger,
    /// Gone only while it is opened again.
    store: Option<Store>,
    line: Option<Line>,
}

/// The sync task of an online store.
struct Line {
    status: watch::Receiver<SyncStatus>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), crate::store::StoreError>>,
}

impl SimStore {
    async fn play(
        fleet: Fleet,
        address: Address,
        connector: Connector,
        mut dice: fastrand::Rng,
        end: Instant,
    ) -> anyhow::Result<StoreLedger> {
        let Address { store, gateway } = address;
        let opened = open(&fleet, &store, &gateway).await?;
        let first = BURST.mul_f64(dice.f64());
        let ledger = StoreLedger { store, gateway, recorded: 0, outages: 0, restarts: 0 };
        let mut played = Self { fleet, connector, dice, device: device(), ledger, store: Some(opened), line: None };
        played.go_online();
        played.record_until(end, first).await?;
        played.catch_up().await
    }

    /// Bursts and disturbances until `end`.
    async fn record_until(&mut self, end: Instant, first: Duration) -> anyhow::Result<()> {
        let each = self.fleet.rate / f64::from(self.fleet.stores) * BURST.as_secs_f64();
        let (mut burst, mut owed) = (Instant::now() + first, 0.0);
        let (mut disturbed, mut back) = (self.next_disturbance(), None);
        while burst < end {
            sleep_until(burst).await;
            burst += BURST;
            owed += each;
            self.record(owed as u64).await?;
            owed -= owed.floor();
            let now = Instant::now();
            if back.is_some_and(|back| now >= back) {
                (back, disturbed) = (None, self.next_disturbance());
                self.go_online();
            }
            if back.is_none() && disturbed.is_some_and(|at| now >= at) {
                self.go_offline().await?;
                self.ledger.outages += 1;
                if self.dice.bool() {
                    self.restart().await?;
                }
                back = Some(now + Duration::from_secs(5).mul_f64(self.dice.f64()));
            }
        }
        if self.line.is_none() {
            self.go_online();
        }
        Ok(())
    }

    fn next_disturbance(&mut self) -> Option<Instant> {
        let every = self.fleet.disturbed_every?;
        Some(Instant::now() + every.mul_f64(0.2 + 1.6 * self.dice.f64()))
    }

    async fn record(&mut self, count: u64) -> anyhow::Result<()> {
        let from = self.ledger.recorded;
        let batch: Vec<NewMeasurement> = (from + 1..=from + count).map(|counter| self.measurement(counter)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.open_store().record_measurements(batch.into()).await?;
        self.ledger.recorded += count;
        Ok(())
    }

    fn measurement(&self, counter: u64) -> NewMeasurement {
        let value = MeasuredValue {
            metric: MetricId::new("room-temperature").expect("a plain name"),
            region: None,
            value: format!("{}.{:02}", 18 + counter % 8, counter % 100).parse().expect("a number"),
            unit: "°C".to_owned(),
        };
        NewMeasurement {
            station: "chair-1".into(),
            device: Arc::clone(&self.device),
            counter: Some(counter),
            sends_again: false,
            flags: Vec::new(),
            values: vec![value],
            taken: clock::now(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the store watches this task itself")]
    fn go_online(&mut self) {
        let StoreLedger { store, gateway, .. } = &self.ledger;
        let settings = SyncSettings {
            address: Address { store: store.clone(), gateway: gateway.clone() },
            sync: Sync {
                acknowledged_by: AcknowledgedBy::Hq,
                window: 16,
                batch_events: 100,
                resend_after: Duration::from_secs(5),
                image_rate: None,
                chain_stores: 40,
            },
            about: watch::channel("{\"simulated\":true}".to_owned()).1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uploader: None,
            live: None,
            errands: None,
            packages: None,
        };
        let (sender, status) = watch::channel(SyncStatus::default());
        let stop = CancellationToken::new();
        let running = sync::run(self.open_store().clone(), Arc::clone(&self.connector), settings, sender, stop.clone());
        self.line = Some(Line { status, stop, task: tokio::spawn(running) });
    }

    async fn go_offline(&mut self) -> anyhow::Result<()> {
        if let Some(Line { stop, task, .. }) = self.line.take() {
            stop.cancel();
            timeout(CLOSING, task).await.context("the sync task does not stop")???;
        }
        Ok(())
    }

    /// Closed and opened again, offline.
    async fn restart(&mut self) -> anyhow::Result<()> {
        if let Some(store) = self.store.take()
            && !store.close(CLOSING).await
        {
            bail!("the store of {} does not close within {CLOSING:?}", self.ledger.store);
        }
        self.store = Some(open(&self.fleet, &self.ledger.store, &self.ledger.gateway).await?);
        self.ledger.restarts += 1;
        Ok(())
    }

    fn open_store(&self) -> &Store {
        self.store.as_ref().expect("a store is only away while it is opened again")
    }

    /// Waits until nothing is owed any more.
    async fn catch_up(mut self) -> anyhow::Result<StoreLedger> {
        let limit = Instant::now() + self.fleet.catching_up;
        loop {
            let backlog = self.open_store().backlog().await?;
            if backlog.events == 0 && backlog.dead_letters == 0 {
                break;
            }
            if Instant::now() >= limit {
                let status = self.line.as_ref().map(|line| line.status.borrow().clone());
                bail!("store {} has not caught up: {backlog:?}, {status:?}", self.ledger.store);
            }
            sleep_until(Instant::now() + BURST).await;
        }
        self.go_offline().await?;
        Ok(self.ledger)
    }
}

/// How a simulated gateway reaches the broker: as a real one does.
#[must_use]
pub fn settings(host: &str, port: u16, certificates: &Path, address: &Address) -> MqttSettings {
    let gateway = &address.gateway;
    let file = |ending: &str| certificates.join(format!("{gateway}.{ending}"));
    MqttSettings {
        host: host.to_owned(),
        port,
        client_id: gateway.clone(),
        tls: TlsFiles { ca: certificates.join("ca.pem"), certificate: file("pem"), key: file("key") },
        keep_alive: Duration::from_secs(15),
        subscriptions: vec![address.topic(&Lane::Ack)],
        last_will: Some((address.topic(&Lane::Status), b"offline".to_vec())),
        receive_maximum: 64,
        arrived_capacity: 64,
    }
}

async fn open(fleet: &Fleet, store: &str, gateway: &str) -> anyhow::Result<Store> {
    let data = fleet.folder.join(gateway);
    let source = format!("skinlink://{store}/{gateway}");
    let opened = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&data)?;
        let key = StoreKey::load_or_create(&data.join("store.key"), &data)?;
        anyhow::Ok(Store::open(Options { data, key, source, min_free: 0, readers: 1 })?)
    });
    opened.await.context("opening a store panicked")?
}

fn device() -> Arc<DeviceIdentity> {
    Arc::new(DeviceIdentity {
        protocol: "room-climate".to_owned(),
        protocol_version: "1.0.0".to_owned(),
        serial: "SIM".to_owned(),
        probe: String::new(),
        firmware: "1.0".to_owned(),
    })
}
