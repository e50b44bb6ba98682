//! A chain's database with stores that tell of visits, and the door for programs before it.

use crate::{Side, batches::Gateway, postgres};
use reqwest::{Client, Method};
use serde::Serialize;
use serde_json::Value;
use skinlink::{
    clock,
    domain::{ComparisonId, CustomerId, ReadingId, ReportId, ScanId, Timestamp, VisitId},
    hq::{
        CareSettings, CrmSettings,
        config::RawCare,
        crm::{
            self,
            keys::{self, Key, Scope, Stores},
        },
        database::{Arrived, Database, Place},
    },
    sync::{
        payload::{self, kind},
        sheet::{Report, Sheet},
        topic::{Address, Lane},
    },
};
use std::{net::SocketAddr, process::Command, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub struct Chain {
    pub place: Place,
    pub folder: TempDir,
    pub database: Database,
    pub door: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// What a backup holds.
pub struct Backup {
    place: Place,
    folder: TempDir,
}

impl Backup {
    /// Headquarters goes on from it.
    pub async fn go_on(self) -> Chain {
        Chain::at(self.place, self.folder, None).await
    }
}

/// An answer: its status, its kind, its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

impl Answer {
    /// Of a call that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Status and word of a refusal, which must say what to do.
    #[track_caller]
    pub fn refusal(&self) -> (u16, &str) {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let detail = self.body["detail"].as_str().expect("a sentence");
        assert!(detail.len() > 20, "{detail}");
        (self.status, self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:skinlink:")).expect("a word"))
    }
}

impl Chain {
    pub async fn new(side: Side) -> Self {
        Self::with_care(side, None).await
    }

    pub async fn with_care(side: Side, care: Option<CareSettings>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = match side {
            Side::Sqlite => Place::in_folder(folder.path()),
            Side::Postgres => postgres::database(),
        };
        Self::at(place, folder, care).await
    }

    /// The whole database as it is at this moment.
    pub fn backup(&self) -> Backup {
        let folder = tempfile::tempdir().expect("a folder");
        // By the chain's key the other one opens what the first has sealed.
        std::fs::copy(self.folder.path().join("chain.key"), folder.path().join("chain.key")).expect("it is copied");
        let place = match &self.place {
            Place::Sqlite(_) => {
                let copy = Place::in_folder(folder.path());
                let Place::Sqlite(file) = &copy else { unreachable!("a file in a folder") };
                let sql = format!("VACUUM INTO '{}'", file.display());
                self.place.open().expect("opens").execute(&sql, &[]).expect("it is copied");
                copy
            }
            postgres @ Place::Postgres(_) => {
                let fresh = postgres::database();
                let bin = postgres::programs().display();
                let copy = format!("{bin}/pg_dump '{postgres}' | {bin}/psql -q -v ON_ERROR_STOP=1 '{fresh}'");
                let copied = Command::new("sh").args(["-c", &copy]).output().expect("a shell runs");
                assert!(copied.status.success() && copied.stderr.is_empty(), "{copied:?}");
                fresh
            }
        };
        Backup { place, folder }
    }

    async fn at(place: Place, folder: TempDir, care: Option<CareSettings>) -> Self {
        let database = Database::at(&place, folder.path(), 1 << 20).expect("the database opens");
        let door = free();
        let settings = CrmSettings { listen: door, tls: None, behind_proxy: false };
        let stop = CancellationToken::new();
        let (there, stopped) = (place.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
        let serving =
            tokio::spawn(
                async move { crm::serve(there, &settings, care, stopped).await.expect("it serves to the end") },
            );
        until_served(door).await;
        Self { place, folder, database, door, stop, serving }
    }

    /// A key for this, of a name of its own.
    pub fn key(&self, scopes: &[Scope], stores: &[&str]) -> String {
        let stores: Vec<String> = stores.iter().map(|&store| store.to_owned()).collect();
        let name = format!("program-{}", clock::mint(VisitId::from_bits));
        let key = Key { name, scopes: scopes.to_vec(), stores: Stores::of(&stores).expect("stores") };
        keys::add(&mut *self.place.open().expect("the database opens"), &key, clock::now().wall).expect("a key")
    }

    pub async fn call(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Answer {
        call(&client(), method, &format!("http://{}/crm/v1{path}", self.door), key, body).await
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.call(Method::GET, path, key, None).await
    }

    pub fn take(&mut self, arrived: &[Arrived]) {
        self.database.take(arrived, clock::now().wall).expect("it is taken");
    }

    /// Makes facts of all that was told.
    pub fn keep(&mut self) {
        while self.database.keep_records(clock::now().wall, 500).expect("a turn").more {}
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.serving.await.expect("it ends well");
    }
}

pub async fn call(client: &Client, method: Method, url: &str, key: &str, body: Option<&Value>) -> Answer {
    let mut request = client.request(method, url).bearer_auth(key);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.expect("an answer");
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    Answer { status: answer.status().as_u16(), kind, body: answer.json().await.expect("JSON") }
}

pub fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client")
}

pub async fn until_served(door: SocketAddr) {
    for _ in 0..3_000 {
        if TcpStream::connect(door).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody serves at {door}");
}

pub fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound")
}

pub fn id<T: std::fmt::Display>(make: fn(u128) -> T) -> String {
    clock::mint(make).to_string()
}

pub fn customer() -> String {
    id(CustomerId::from_bits)
}

/// A store with its own gateway that tells one thing after another.
#[derive(Clone)]
pub struct Store {
    pub gateway: Gateway,
    pub told: u64,
    /// What its clock says.
    pub clock: Timestamp,
}

impl Store {
    pub fn named(store: &str) -> Self {
        let gateway = Gateway::named(&format!("{store}-g1"));
        let address = Address { store: store.to_owned(), ..gateway.address };
        let clock = Timestamp::from_unix_ms(1_780_000_000_000);
        Self { gateway: Gateway { address, ..gateway }, told: 0, clock }
    }

    /// The next word.
    pub fn says(&mut self, kind: &str, subject: &str, said: &impl Serialize) -> Arrived {
        self.told += 1;
        let event = self.gateway.say_at(self.clock, self.told, kind, subject, said);
        self.gateway.batch(self.told, &[event])
    }

    /// Its gateway is there and understands appointments.
    pub fn comes(&self) -> [Arrived; 2] {
        let payload = br#"{"version":"test","downlinks":["agenda"]}"#.to_vec();
        let about = Arrived { from: self.gateway.address.clone(), lane: Lane::About, payload };
        [about, self.gateway.hello(self.told, 1, Vec::new())]
    }

    pub fn visit(&mut self, visit: &str, customer: &str, version: u64, state: &str) -> Arrived {
        let said = payload::Visit {
            visit: visit.into(),
            customer: customer.into(),
            station: "chair-1".into(),
            beautician: "b-07".into(),
            state: state.into(),
            version,
            steps: vec!["深层清洁".into()],
        };
        self.says(kind::VISIT, visit, &said)
    }

    pub fn reading(&mut self, visit: &str, scan: &str, phase: &str, value: &str) -> Arrived {
        let reading = id(ReadingId::from_bits);
        let said = payload::Reading {
            reading: reading.clone(),
            visit: visit.into(),
            scan: scan.into(),
            phase: phase.into(),
            metric: "moisture".into(),
            region: "left_cheek".into(),
            value: value.into(),
            unit: "%".into(),
            spread: Some(0.5),
            repeats: Vec::new(),
            device: payload::Device {
                protocol: "derma-probe-2".into(),
                protocol_version: "1.0.0".into(),
                serial: "0417".into(),
                probe: "A".into(),
                firmware: "2.3".into(),
            },
        };
        self.says(kind::READING, visit, &said)
    }

    /// A report of the visit, with the skin type that the beautician noted.
    pub fn report(&mut self, visit: &str, customer: &str, skin_type: &str) -> Arrived {
        let said = Report {
            report: id(ReportId::from_bits),
            visit: visit.into(),
            customer: customer.into(),
            state: "open".into(),
            token_sha256: "0".repeat(64),
            expires: "2099-01-01T00:00:00.000Z".into(),
            sheet: Some(Sheet { skin_type: skin_type.into(), ..Sheet::default() }),
        };
        self.says(kind::REPORT, visit, &said)
    }

    /// What the customer said about the visit.
    pub fn feedback(&mut self, visit: &str, customer: &str, topic: &str) -> Arrived {
        let said = payload::Feedback {
            feedback: id(VisitId::from_bits),
            visit: visit.into(),
            customer: customer.into(),
            state: "given".into(),
            stars: None,
            topic: topic.into(),
            words: String::new(),
            staff: String::new(),
        };
        self.says(kind::FEEDBACK, visit, &said)
    }

    /// Before against after, 35 to 58 with a limit of 4.1; one region that cannot be compared.
    pub fn comparison(&mut self, visit: &str, before: &str, after: &str) -> Arrived {
        let item = |region: &str| payload::Compared {
            metric: "moisture".into(),
            region: region.into(),
            unit: "%".into(),
            before: Some(35.0),
            after: Some(58.0),
            change: Some(23.0),
            smallest_detectable_change: Some(4.5),
            verdict: "improved".into(),
            refusal: None,
            model: None,
        };
        let refused = payload::Compared {
            change: None,
            smallest_detectable_change: None,
            verdict: "not_comparable".into(),
            refusal: Some("probe_differs".into()),
            ..item("right_cheek")
        };
        let said = payload::Comparison {
            comparison: id(ComparisonId::from_bits),
            visit: visit.into(),
            baseline: "same_visit".into(),
            before: before.into(),
            after: after.into(),
            tested: 2,
            items: vec![item("left_cheek"), refused],
        };
        self.says(kind::COMPARISON, visit, &said)
    }

    pub fn consent(&mut self, customer: &str, purpose: &str, given: bool) -> Arrived {
        self.consent_to("2026-11", customer, purpose, given)
    }

    /// A customer shares the numbers with headquarters.
    pub fn agrees(&mut self, customer: &str) -> Arrived {
        self.consent(customer, "share_numbers", true)
    }

    /// To a text of this version.
    pub fn consent_to(&mut self, text_version: &str, customer: &str, purpose: &str, given: bool) -> Arrived {
        let said = payload::Consent {
            consent: id(VisitId::from_bits),
            customer: customer.to_owned(),
            purpose: purpose.to_owned(),
            given,
            text_version: text_version.into(),
            channel: "station".into(),
            staff: "b-07".into(),
        };
        self.says(kind::CONSENT, customer, &said)
    }
}

pub fn scan() -> String {
    id(ScanId::from_bits)
}

pub fn visit() -> String {
    id(VisitId::from_bits)
}

pub fn later(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + ms)
}

/// A zone in which it is noon or a little later by now: nobody is written to at night.
pub fn noon_zone() -> String {
    let hour = clock::now().wall.unix_ms().div_euclid(3_600_000).rem_euclid(24);
    // Their signs are the other way about.
    let west = hour - 12;
    if west > 0 { format!("Etc/GMT+{west}") } else { format!("Etc/GMT-{}", -west) }
}

/// Messages of care in Shanghai by two texts: `wechat-1` speaks of all kinds, `sms-1` of two. `both-1` says what both of them say.
pub fn care() -> CareSettings {
    care_in("Asia/Shanghai")
}

/// The same by day.
pub fn care_by_day() -> CareSettings {
    care_in(&noon_zone())
}

fn care_in(zone: &str) -> CareSettings {
    let text = format!(
        "time_zone = \"{zone}\"\n[[consent]]\ntext_versions = [\"wechat-1\", \"both-1\"]\n\
         kinds = [\"care\", \"skin\", \"away\", \"birthday\"]\nchannels = [\"wechat\"]\n\
         [[consent]]\ntext_versions = [\"sms-1\", \"both-1\"]\nkinds = [\"care\", \"birthday\"]\nchannels = [\"sms\"]\n"
    );
    toml::from_str::<RawCare>(&text).expect("sound").resolve().expect("settings")
}
