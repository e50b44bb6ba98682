//! A store in a folder of its own, and what is written into it.

use skinlink::{
    clock,
    domain::{
        CustomerId, Region, ScanId,
        capture::{Format, Light, View},
        consent::{Channel, Purpose},
        customer::Customer,
        device::DeviceIdentity,
        metric::MetricId,
        reading::MeasuredValue,
        scan::{Phase, Step},
    },
    store::{NewCapture, NewConsent, NewMeasurement, NewRepeat, Options, Store, StoreKey},
};
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;

const STATION: &str = "chair-1";

pub struct House {
    pub folder: TempDir,
    pub store: Store,
    device: Arc<DeviceIdentity>,
    scan: ScanId,
}

impl House {
    /// On the disk of the target folder, not in memory.
    pub async fn open() -> Self {
        let disk = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = TempDir::new_in(disk).unwrap();
        let data = folder.path().join("data");
        let key = StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
        let source = "skinlink://bench/bench-g1".to_owned();
        let store = Store::open(Options { data, key, source, min_free: 1 << 20, readers: 2 }).unwrap();
        let customer = clock::mint(CustomerId::from_bits);
        let person = Customer {
            id: customer,
            name: "Bench".into(),
            phone: String::new(),
            skin_type: "dry".into(),
            notes: String::new(),
        };
        store.save_customer(person, "staff-1".into()).await.unwrap();
        let consent = NewConsent {
            customer,
            purpose: Purpose::Photograph,
            given: true,
            text_version: "1".into(),
            channel: Channel::Station,
            staff: "staff-1".into(),
            signature: String::new(),
        };
        store.record_consent(consent).await.unwrap();
        let visit = store.open_visit(customer, STATION.into(), "staff-1".into()).await.unwrap().id;
        let plan = vec![Step { metric: moisture(), region: Region::Forehead, repeats: 3 }];
        let scan = store.begin_scan(visit, None, Phase::Before, plan).await.unwrap().id;
        let device = DeviceIdentity {
            protocol: "bench-analyser".into(),
            protocol_version: "1.0.0".into(),
            serial: "BA-0001".into(),
            probe: String::new(),
            firmware: String::new(),
        };
        Self { folder, store, device: Arc::new(device), scan }
    }

    pub fn measurements(&self, count: usize) -> Arc<[NewMeasurement]> {
        let taken = clock::now();
        let value = |metric: &str, text: &str, unit: &str| MeasuredValue {
            metric: MetricId::new(metric).unwrap(),
            region: None,
            value: text.parse().unwrap(),
            unit: unit.to_owned(),
        };
        let new = |counter| NewMeasurement {
            station: STATION.into(),
            device: Arc::clone(&self.device),
            counter: Some(counter),
            sends_again: false,
            flags: Vec::new(),
            values: vec![value("moisture", "41.5", "%"), value("sebum", "20.1", "AU"), value("pore-count", "300", "1")],
            taken,
        };
        (0..count as u64).map(new).collect()
    }

    /// The texts of `count` events as the store writes them.
    pub async fn bodies(&self, count: usize) -> Vec<String> {
        self.store.record_measurements(self.measurements(count)).await.unwrap();
        let (epoch, last) = (self.store.epoch().await.unwrap(), self.store.last_seq().await.unwrap());
        let rows = self.store.range(epoch, last + 1 - count as u64, last, count, usize::MAX).await.unwrap();
        rows.into_iter().map(|(_, body)| body).collect()
    }

    pub fn repeat(&self, counter: u64) -> NewRepeat {
        NewRepeat {
            station: STATION.into(),
            scan: Some(self.scan),
            metric: moisture(),
            region: Some(Region::Forehead),
            value: "35.0".parse().unwrap(),
            unit: "%".into(),
            flags: Vec::new(),
            device: (*self.device).clone(),
            device_counter: Some(counter),
            nth: 0,
            taken: clock::now(),
        }
    }

    pub fn capture(&self) -> NewCapture {
        NewCapture {
            scan: self.scan,
            view: View::Front,
            light: Light::White,
            format: Format::Jpeg,
            width: 3000,
            height: 4000,
            anchors: [[1000.0, 1500.0], [2000.0, 1500.0]],
            complaints: Vec::new(),
            camera: "bench".into(),
            taken: clock::now(),
        }
    }
}

fn moisture() -> MetricId {
    MetricId::new("moisture").unwrap()
}
