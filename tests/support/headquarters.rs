//! A whole headquarters for a test: an authority, a real mosquitto, a receiver in this process, and a line to the broker
//! that can be cut.

use skinlink::{
    adapters::{
        mqtt::{self, MqttSettings},
        pki::{Authority, TlsFiles, Use, Validity},
    },
    clock,
    hq::{
        self, CrmSettings, HqConfig, OfficeSettings, ReportSettings, RolloutSettings, config::ShelfSettings,
        database::Place, images::Rules, ledger::Ledger, shelf::BucketSettings, uploads::Uploads,
    },
    ports::Connector,
    sim::broker::{Broker, BrokerTls},
    sync::topic::{Address, Lane},
};
use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything: far above what a loaded machine needs, far below what a person would wait.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Headquarters {
    pub folder: TempDir,
    pub authority: Authority,
    pub broker: Broker,
    pub hq_tls: TlsFiles,
    pub line: Line,
    pub database: Place,
    /// Where customers' reports are served, if they are.
    pub reports: Option<ReportSettings>,
    /// Where programs of the CRM are served, if they are.
    pub crm: Option<CrmSettings>,
    /// Where headquarters' own people are served, if they are.
    pub office: Option<OfficeSettings>,
    /// Whose packages are taken in and how they are rolled out, if they are.
    pub rollouts: Option<RolloutSettings>,
    /// A bucket instead of the folder, and who puts pictures there.
    pub objects: Option<(BucketSettings, Uploads)>,
    receiver: Option<(CancellationToken, JoinHandle<Result<(), hq::HqError>>)>,
}

impl Headquarters {
    /// Broker and receiver are up.
    pub async fn start() -> Self {
        let mut headquarters = Self::without_receiver().await;
        headquarters.start_receiver();
        headquarters
    }

    pub async fn without_receiver() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let validity = Validity::days(clock::now().wall, 2);
        let authority = Authority::new("test authority", validity).expect("an authority");
        let pki = folder.path().join("pki");
        std::fs::create_dir_all(&pki).expect("a folder for certificates");
        let server =
            authority.issue(&pki, "broker", Use::Server(&["127.0.0.1", "localhost"]), validity).expect("a leaf");
        let hq_tls = authority.issue(&pki, "hq-1", Use::Client, validity).expect("a leaf");
        let tls = BrokerTls { ca: server.ca, certificate: server.certificate, key: server.key };
        let broker = match Broker::start(&folder.path().join("broker"), &tls, &["hq-1", "hq-2"]).await {
            Ok(broker) => broker,
            Err(fault) => panic!("{fault}"),
        };
        let line = Line::to(broker.port()).await;
        let database = Place::in_folder(&folder.path().join("hq"));
        Self {
            folder,
            authority,
            broker,
            hq_tls,
            line,
            database,
            reports: None,
            crm: None,
            office: None,
            rollouts: None,
            objects: None,
            receiver: None,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("hq")
    }

    pub fn config(&self) -> HqConfig {
        HqConfig {
            host: "127.0.0.1".into(),
            port: self.broker.port(),
            name: "hq-1".into(),
            tls: self.hq_tls.clone(),
            database: self.database.clone(),
            shelves: ShelfSettings::new(self.data(), None, None)
                .map(|settings| ShelfSettings { bucket: self.objects.as_ref().map(|one| one.0.clone()), ..settings })
                .expect("settings"),
            rules: Rules {
                max_bytes: 8 * 1024 * 1024,
                uploads: self.objects.as_ref().map(|one| one.1.clone()).unwrap_or_default(),
            },
            listen: None,
            reports: self.reports,
            crm: self.crm.clone(),
            care: None,
            office: self.office.clone(),
            rollouts: self.rollouts.clone(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    pub fn start_receiver(&mut self) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(hq::run(self.config(), stop.clone()));
        self.receiver = Some((stop, task));
    }

    /// A verified picture, opened.
    pub fn picture(&self, capture: &str, role: &str) -> Vec<u8> {
        let ledger = Ledger::at(&self.database).expect("the ledger");
        let shelves = self.config().shelves.open().expect("the shelves");
        let found = ledger.picture_bytes(&shelves, (&address().gateway, capture, role));
        found.expect("the shelf").expect("the picture's object")
    }

    /// Stops the receiver politely and waits for it.
    pub async fn stop_receiver(&mut self) {
        if let Some((stop, task)) = self.receiver.take() {
            stop.cancel();
            task.await.expect("the receiver does not panic").expect("the receiver ends in peace");
        }
    }

    pub fn certificate(&self, name: &str) -> TlsFiles {
        let folder = self.folder.path().join("pki");
        let validity = Validity::days(clock::now().wall, 2);
        self.authority.issue(&folder, name, Use::Client, validity).expect("a leaf")
    }

    /// How a gateway of that name reaches the broker, over the line that can be cut.
    pub fn settings(&self, address: &Address) -> MqttSettings {
        MqttSettings {
            host: "127.0.0.1".into(),
            port: self.line.port(),
            client_id: address.gateway.clone(),
            tls: self.certificate(&address.gateway),
            keep_alive: Duration::from_secs(5),
            subscriptions: vec![address.topic(&Lane::Ack)],
            last_will: Some((address.topic(&Lane::Status), b"offline".to_vec())),
            receive_maximum: 64,
            arrived_capacity: 64,
        }
    }

    pub fn connector(&self, address: &Address) -> Connector {
        mqtt::connector(self.settings(address))
    }

    /// Looks into HQ's database until `found` gives something.
    pub async fn eventually<T>(&self, what: &str, mut found: impl FnMut(&Ledger) -> Option<T>) -> T {
        let limit = Instant::now() + LIMIT;
        let mut ledger = None;
        loop {
            ledger = ledger.or_else(|| Ledger::at(&self.database).ok());
            if let Some(value) = ledger.as_ref().and_then(&mut found) {
                return value;
            }
            if Instant::now() >= limit {
                self.give_up(what);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fails the test with all that is known.
    pub fn give_up(&self, what: &str) -> ! {
        let state = Ledger::at(&self.database).map(|l| (l.counts(), l.gaps(), l.pictures(), l.alarms()));
        panic!("{what}: not within {LIMIT:?}; HQ holds {state:?}; broker: {}", self.broker.log());
    }
}

pub fn address() -> Address {
    Address { store: "sh-001".into(), gateway: "sh-001-g1".into() }
}

/// A TCP line to the broker that can be cut in mid-word.
pub struct Line {
    port: u16,
    cut: Arc<tokio::sync::Notify>,
    made: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Line {
    #[expect(clippy::disallowed_methods, reason = "the line lives as long as the test")]
    async fn to(broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let (cut, made) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicU64::new(0)));
        let (cutting, making) = (Arc::clone(&cut), Arc::clone(&made));
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let cut = Arc::clone(&cutting);
                making.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)).await {
                        tokio::select! {
                            () = cut.notified() => {}
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                        }
                    }
                });
            }
        });
        Self { port, cut, made, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection over this line now.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// How many connections were ever made.
    pub fn connections(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}
