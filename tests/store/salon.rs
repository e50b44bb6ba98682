//! A store in a temporary folder with one customer, for the stories beside.

use openssl::sha::sha256;
use skinlink::{
    clock,
    domain::{
        CaptureId, CustomerId, Quantity, ReadingId, Region, ScanId, ScoreId, VisitId,
        capture::{Capture, Format, Light, View},
        consent::{Channel, Purpose},
        customer::Customer,
        device::DeviceIdentity,
        metric::MetricId,
        reading::Reading,
        scan::{Phase, Step},
        score::{Engine, Score},
    },
    store::{NewCapture, NewConsent, NewRepeat, Options, Recorded, Store, StoreKey, Why},
    sync::envelope::Event,
};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

pub const LIMIT: Duration = Duration::from_secs(30);
pub const NAME: &str = "Zhang Wei-Testperson";
pub const PHONE: &str = "13900001111";

pub struct Salon {
    pub folder: TempDir,
    pub store: Store,
    pub customer: CustomerId,
}

pub fn options(data: PathBuf) -> Options {
    Options {
        key: StoreKey::load_or_create(&data.join("store.key"), &data).unwrap(),
        data,
        source: "skinlink://sh-001/sh-001-g1".to_owned(),
        min_free: 1024 * 1024,
        readers: 2,
    }
}

pub fn open(folder: &TempDir) -> Store {
    Store::open(options(folder.path().join("data"))).unwrap()
}

impl Salon {
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder);
        let customer = clock::mint(CustomerId::from_bits);
        store.save_customer(person(customer), "staff-1".to_owned()).await.unwrap();
        Self { folder, store, customer }
    }

    /// Closes and opens the store again.
    pub async fn reopened(self) -> Self {
        let Self { folder, store, customer } = self;
        assert!(store.close(LIMIT).await, "the store closes in time");
        let store = open(&folder);
        Self { folder, store, customer }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub async fn say(&self, purpose: Purpose, given: bool) {
        say(&self.store, self.customer, purpose, given).await;
    }

    pub async fn visit(&self) -> VisitId {
        self.store.open_visit(self.customer, "chair-1".to_owned(), "staff-1".to_owned()).await.unwrap().id
    }

    pub async fn scan(&self, visit: VisitId) -> ScanId {
        let plan = vec![Step { metric: metric("moisture"), region: Region::Forehead, repeats: 3 }];
        self.store.begin_scan(visit, None, Phase::Before, plan).await.unwrap().id
    }

    pub async fn repeat(&self, scan: Option<ScanId>, value: &str, counter: Option<u64>) -> Recorded {
        self.store.record_repeat(new_repeat(scan, value, counter)).await.unwrap()
    }

    /// Measures and closes one reading.
    pub async fn reading(&self, scan: ScanId, region: Region) -> Reading {
        for value in ["35.0", "35.2", "34.8"] {
            self.repeat(Some(scan), value, None).await;
        }
        let open = self.store.scan_view(scan).await.unwrap().repeats;
        let reading = Reading {
            id: clock::mint(ReadingId::from_bits),
            scan,
            metric: metric("moisture"),
            region,
            unit: "%".to_owned(),
            value: "35.00".parse().unwrap(),
            spread: Some(0.2),
            repeats: open.into_iter().map(|one| one.repeat).collect(),
            device: device(),
            closed: clock::now(),
        };
        self.store.close_reading(reading.clone()).await.unwrap();
        reading
    }

    pub async fn capture(&self, scan: ScanId) -> Capture {
        self.store.save_capture(new_capture(scan), picture()).await.unwrap()
    }

    pub async fn score(&self, capture: CaptureId) -> Score {
        let score = Score {
            id: clock::mint(ScoreId::from_bits),
            capture,
            engine: Engine {
                model: "pores-dog".to_owned(),
                model_version: "1".to_owned(),
                model_digest: "00".repeat(32),
                provider: "cpu/1.28.0".to_owned(),
            },
            metric: metric("pores"),
            region: Region::Nose,
            value: "12.5".parse().unwrap(),
            unit: "1/cm²".to_owned(),
            computed: clock::now(),
        };
        self.store.save_scores(capture, vec![score.clone()]).await.unwrap();
        score
    }

    /// Every event of this epoch still kept, checked for gaps.
    pub async fn events(&self) -> Vec<Event> {
        events(&self.store).await
    }

    /// The kinds of all events, without the prefix.
    pub async fn kinds(&self) -> Vec<String> {
        self.events().await.iter().map(|event| event.kind.trim_start_matches("com.skinlink.").to_owned()).collect()
    }

    pub async fn count(&self, kind: &str) -> usize {
        self.kinds().await.iter().filter(|found| *found == kind).count()
    }
}

pub async fn events(store: &Store) -> Vec<Event> {
    let epoch = store.epoch().await.unwrap();
    let (first, last) = (store.oldest_kept().await.unwrap(), store.last_seq().await.unwrap());
    let rows = store.range(epoch, first, last, usize::MAX, usize::MAX).await.unwrap();
    let seqs: Vec<u64> = rows.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (first..=last).collect::<Vec<_>>(), "the sequence has no gap");
    let parsed = rows.into_iter().map(|(seq, body)| {
        let event: Event = serde_json::from_str(&body).unwrap();
        event.check().unwrap();
        assert_eq!(event.seq, seq);
        event
    });
    parsed.collect()
}

pub async fn say(store: &Store, customer: CustomerId, purpose: Purpose, given: bool) {
    let consent = NewConsent {
        customer,
        purpose,
        given,
        text_version: "2026-01".to_owned(),
        channel: Channel::Station,
        staff: "staff-1".to_owned(),
        signature: "M0 0L9 9".to_owned(),
    };
    store.record_consent(consent).await.unwrap();
}

pub fn person(id: CustomerId) -> Customer {
    Customer { id, name: NAME.into(), phone: PHONE.into(), skin_type: "oily".into(), notes: "nuts".into() }
}

pub fn metric(id: &str) -> MetricId {
    MetricId::new(id).unwrap()
}

pub fn device() -> DeviceIdentity {
    DeviceIdentity {
        protocol: "derma-reference".into(),
        protocol_version: "1".into(),
        serial: "DR-0417".into(),
        probe: String::new(),
        firmware: "2.3".into(),
    }
}

pub fn new_repeat(scan: Option<ScanId>, value: &str, device_counter: Option<u64>) -> NewRepeat {
    NewRepeat {
        station: "chair-1".to_owned(),
        scan,
        metric: metric("moisture"),
        region: scan.map(|_| Region::Forehead),
        value: value.parse::<Quantity>().unwrap(),
        unit: "%".to_owned(),
        flags: Vec::new(),
        device: device(),
        device_counter,
        nth: 0,
        taken: clock::now(),
    }
}

pub fn new_capture(scan: ScanId) -> NewCapture {
    NewCapture {
        scan,
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 3000,
        height: 4000,
        anchors: [[1000.0, 1500.0], [2000.0, 1500.0]],
        complaints: vec!["too_dark".to_owned()],
        camera: "room camera".to_owned(),
        taken: clock::now(),
    }
}

/// Bytes that look like nothing else, 50 kB.
pub fn picture() -> Vec<u8> {
    (0..1600_u32).flat_map(|n| sha256(&n.to_be_bytes())).collect()
}

pub fn why() -> Why {
    Why { staff: "staff-1".to_owned(), reason: "wrong chair".to_owned() }
}
