//! Twenty devices in the air, each with fifty notifications a second: how long from a notification to its value on disk.
//!
//! The fake BlueZ, a real `dbus-daemon`, the gateway's own air, device tasks and store. What is measured includes the fake's
//! signal and the bus, and ends where the commit is told. Every value must be stored, once. Prints the percentiles beside the
//! bar; a machine that does other things measures those.

#![expect(clippy::disallowed_methods, reason = "a bench looks at the time and starts what it watches")]

use skinlink::{
    adapters::ble::{self, Pinned},
    protocol::Spec,
    store::{Options, Store, StoreKey},
    sync::{envelope::Event, payload},
    tasks::{
        device::Device,
        live::live,
        measurements::{Measurements, QUEUE},
    },
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, Sensor, World};
use std::{
    collections::HashMap,
    env,
    path::Path,
    process::{Command, ExitCode},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

const STREAMS: u8 = 20;
const A_SECOND: u32 = 50;
const LASTING: Duration = Duration::from_secs(10);

/// From notification to durable, for 99 of 100.
const BAR: Duration = Duration::from_millis(20);

/// For all to be connected; for the last to arrive.
const LIMIT: Duration = Duration::from_secs(60);

const SERVICE: &str = "6e400001-b5a3-f393-e0a9-e50e24dcca9e";
const NOTIFY: &str = "6e400003-b5a3-f393-e0a9-e50e24dcca9e";

const FILE: &str = r#"
schema = 1
id = "stream"
version = "1"
title = { zh = "x", en = "x" }
source = "the bench"
[transport.ble]
advertises = { service = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E" }
characteristic = [{ uuid = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E", role = "notify" }]
[framing]
kind = "delimited"
end = "\r\n"
separator = ","
[[message]]
name = "value"
match = "V"
field = [{ role = "counter", width = "digits" }, { metric = "ambient-humidity", width = "decimal", unit = "%" }]
[[metric]]
id = "ambient-humidity"
"#;

type Sent = Arc<Mutex<HashMap<(String, u64), Instant>>>;

/// Set for the process that measures: the D-Bus library reads the system bus's address once.
const INSIDE: &str = "SKINLINK_STREAMS";

fn main() -> ExitCode {
    if let Ok(folder) = env::var(INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(measure(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new(env::current_exe().expect("this very program"))
        .env(INSIDE, folder.path())
        .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}/bus", folder.path().display()))
        .status()
        .expect("it starts");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(folder: &Path) -> ExitCode {
    let bus = Bus::start(folder).await;
    let world = World::default();
    let spec = Arc::new(Spec::parse("stream", FILE).unwrap_or_else(|faults| panic!("{faults}")));
    let data = folder.join("data");
    let key = StoreKey::load_or_create(&data.join("store.key"), &data).expect("a key");
    let options = Options { data, key, source: "skinlink://bench/bench-g1".to_owned(), min_free: 0, readers: 1 };
    let store = Store::open(options).expect("a store");
    let (live, ring) = live("bench".to_owned());
    tokio::spawn(ring.run());
    let (air, owner) = ble::air();
    let stop = CancellationToken::new();
    tokio::spawn(owner.run(stop.clone()));
    let addresses: Vec<String> = (0..STREAMS).map(|at| format!("F0:F1:F2:F3:F4:{at:02X}")).collect();
    let mut inboxes = Vec::new();
    for address in &addresses {
        let characteristics = vec![Gatt::new(NOTIFY, &["notify"])];
        let (address, name) = (address.clone(), "Stream".to_owned());
        inboxes.push(world.add(Sensor {
            address: address.clone(),
            name,
            service: SERVICE.into(),
            characteristics,
            mtu: 65,
            adapter: "hci0",
        }));
        let (sender, observations) = mpsc::channel(QUEUE);
        let (device, task) = Device::new(Arc::clone(&spec), sender);
        let pinned = Pinned { address: Some(address), ble: spec.ble.clone().expect("the air") };
        tokio::spawn(task.run(ble::opener(air.clone(), pinned), stop.clone()));
        let (store, live) = (store.clone(), live.clone());
        let kept = Measurements { station: "room".into(), device, sends_again: false, store, live, observations };
        tokio::spawn(kept.run());
    }
    let daemon = Arc::new(Bluetoothd::start(&bus, &world).await);
    let begun = Instant::now();
    while !addresses.iter().all(|address| world.is_subscribed(address, NOTIFY)) {
        assert!(begun.elapsed() < LIMIT, "not all are connected within {LIMIT:?}");
        sleep(Duration::from_millis(20)).await;
    }
    println!("{STREAMS} devices connected and subscribed after {:.1} s", begun.elapsed().as_secs_f64());

    let sent = Sent::default();
    let reader = tokio::spawn(read(store, Arc::clone(&sent)));
    let senders =
        addresses.into_iter().map(|address| tokio::spawn(send(address, Arc::clone(&daemon), Arc::clone(&sent))));
    let mut missed = Duration::ZERO;
    for sender in senders.collect::<Vec<_>>() {
        missed = missed.max(sender.await.expect("it sends"));
    }
    let mut took = reader.await.expect("it reads");
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 1000).min(took.len() - 1)];
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    println!(
        "{} values stored, none lost, none twice; from notification to durable p50 {}, p99 {}, longest {} (bar of p99: {}); \
         the senders were late by {} at most",
        took.len(),
        shown(at(500)),
        shown(at(990)),
        shown(at(999)),
        shown(BAR),
        shown(missed),
    );
    if at(990) <= BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sends at its pace; gives the longest it was behind.
async fn send(address: String, daemon: Arc<Bluetoothd>, sent: Sent) -> Duration {
    let step = Duration::from_secs(1) / A_SECOND;
    let count = LASTING.as_millis() / step.as_millis();
    // Each at its own moment, as radios are.
    let begun = tokio::time::Instant::now() + Duration::from_micros(fastrand_of(&address));
    let mut late = Duration::ZERO;
    for counter in 0..u32::try_from(count).expect("some hundreds") {
        let due = begun + step * counter;
        tokio::time::sleep_until(due).await;
        late = late.max(due.elapsed());
        sent.lock().expect("no panic").insert((address.clone(), u64::from(counter)), Instant::now());
        daemon.notify(&address, NOTIFY, format!("V,{counter},45.2\r\n").as_bytes()).await;
    }
    late
}

/// A moment within the first 20 ms, by the address.
fn fastrand_of(address: &str) -> u64 {
    address.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 20_000)
}

/// Reads what has become durable until all that was sent is there.
async fn read(store: Store, sent: Sent) -> Vec<Duration> {
    let mut changed = store.outbox_changed();
    let epoch = store.epoch().await.expect("a store");
    let (mut took, mut next) = (Vec::new(), 1);
    let all = usize::from(STREAMS) * (LASTING.as_millis() / (1000 / u128::from(A_SECOND))) as usize;
    while took.len() < all {
        let told = tokio::time::timeout(LIMIT, changed.changed()).await;
        told.unwrap_or_else(|_| panic!("{} of {all} values after {LIMIT:?}", took.len())).expect("a store");
        let last = *changed.borrow_and_update();
        let now = Instant::now();
        for (seq, body) in store.range(epoch, next, last, usize::MAX, usize::MAX).await.expect("a store") {
            next = seq + 1;
            let event: Event = serde_json::from_str(&body).expect("an event");
            let Ok(measured) = serde_json::from_str::<payload::Measurement<'_>>(event.data.get()) else { continue };
            let key = (measured.device.serial.clone(), measured.counter.expect("numbered"));
            let begun = sent.lock().expect("no panic").remove(&key);
            took.push(now - begun.unwrap_or_else(|| panic!("{key:?} is stored twice, or was never sent")));
        }
    }
    took
}
