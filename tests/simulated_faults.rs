//! Every folder of `firmware-protocols/` as a simulated device on a real pseudo-terminal, through every fault, served by the
//! real device task: values still come, each of them is one the device has measured, and none comes under another's name.
//!
//! `SKINLINK_SEED=7 cargo test --test simulated_faults -- --nocapture` plays another day; the seed of every case is printed.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

use skinlink::{
    adapters::{
        discovery::{By, Discovery},
        serial::SerialLink,
    },
    app::recognise::{Opener, Recognise},
    domain::{Region, metric::MetricId},
    ports::{LinkError, Opened},
    protocol::{
        Event, Request, Role, Spec,
        field::{Field, Shape},
        framing::Kind,
        spec::{FlowControl, Parity, Serial},
    },
    sim::{Fault, Faults, Setup, SimDevice, SimHandle, Simulated, serve},
    tasks::{
        device::{Device, DeviceHandle, DeviceState},
        observation::{self, Observation},
    },
};
use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Values that must come through in each case.
const VALUES: usize = 5;

/// For all of them, on a machine that does other things beside.
const LIMIT: Duration = Duration::from_secs(120);

const SERIAL: &str = "SIM-0417";

fn protocols() -> Vec<Arc<Spec>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols");
    let mut ids: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    ids.sort();
    ids.retain(|id| folder.join(id).join("protocol.toml").is_file());
    let spec = |id: &String| {
        let text = fs::read_to_string(folder.join(id).join("protocol.toml")).unwrap();
        Arc::new(Spec::parse(id, &text).unwrap_or_else(|faults| panic!("{faults}")))
    };
    // What sends notifications has no cable that could spoil them: tests/fake-bluez plays those.
    ids.iter().map(spec).filter(|spec| spec.framing.kind != Kind::Notification).collect()
}

/// Often enough that a case of five values meets it.
fn how_often(fault: Fault) -> f64 {
    if fault == Fault::LyingIdentify { 0.8 } else { fault.usual().max(0.2) }
}

/// Whether a frame that was changed on the way can be told from a sound one.
fn is_guarded(spec: &Spec) -> bool {
    spec.framing.checksum.is_some()
}

/// Without a request number in its frames, a part of an array that comes late may belong to the measurement before: nothing
/// in its bytes says so.
fn mixes_what_comes_late(spec: &Spec) -> bool {
    !spec.arrays.is_empty() && !spec.messages.iter().any(|shape| shape.has(Role::Request))
}

/// No question of any protocol here is asked again sooner, so what was answered within it was not late. A loaded machine can
/// be late where no fault was planned.
const IN_TIME: Duration = Duration::from_millis(300);

/// A pseudo-terminal in the place of the air, for a device that has no line of its own.
fn plain() -> Serial {
    Serial { baud: 115_200, data_bits: 8, parity: Parity::None, stop_bits: 1, flow: FlowControl::None, usb: Vec::new() }
}

fn tells_its_serial(spec: &Spec) -> bool {
    let replies = spec.flow.identify.iter().flat_map(|step| &step.reply).filter_map(|reply| spec.message(reply));
    replies.into_iter().any(|shape| shape.has(Role::Serial))
}

/// As the device tells it: in a field for a number stand the digits alone.
fn serial_of(spec: &Spec) -> &'static str {
    let fields = spec.messages.iter().flat_map(Shape::all_fields);
    let is_number = |field: &Field| match field {
        Field::Text { role: Role::Serial, form } => form.limits().is_some(),
        _ => false,
    };
    if fields.into_iter().any(is_number) { "417" } else { SERIAL }
}

/// What one case came to.
#[derive(Debug, Default)]
struct Outcome {
    values: usize,
    refused: usize,
    bad_frames: u64,
    lost: usize,
    strangers: usize,
    /// Values that the device's ledger cannot judge, because some answer before them was late.
    unjudged: usize,
}

struct Case {
    spec: Arc<Spec>,
    fault: Fault,
    seed: u64,
}

impl Case {
    async fn play(self) -> (String, Result<Outcome, String>) {
        let Self { spec, fault, seed } = self;
        let name = format!("{} under {fault} (seed {seed})", spec.id);
        let folder = tempfile::tempdir().unwrap();
        let port = folder.path().join("port");
        let device = SimDevice::new(Arc::clone(&spec), Setup::new(SERIAL, seed), Instant::now().into_std());
        let (handle, simulated) = Simulated::with_faults(device, Faults::NONE.with(fault, how_often(fault)), seed);
        let stop = CancellationToken::new();
        let checked = is_guarded(&spec);
        let gateway = gateway(Arc::clone(&spec), &port, handle, checked, stop.clone());
        let served = serve(&port, simulated, stop.clone());
        let (outcome, served) = tokio::join!(
            async {
                let outcome =
                    timeout(LIMIT, gateway).await.unwrap_or_else(|_| Err(format!("not done within {LIMIT:?}")));
                stop.cancel();
                outcome
            },
            served
        );
        served.unwrap();
        (name, outcome)
    }
}

/// The gateway's side: the device task on the opener of the daemon, and a station that confirms what it is given.
async fn gateway(
    spec: Arc<Spec>,
    port: &Path,
    sim: SimHandle,
    checked: bool,
    stop: CancellationToken,
) -> Result<Outcome, String> {
    let (sender, inbox) = observation::queue();
    let (handle, task) = Device::new(Arc::clone(&spec), sender);
    let what = Recognise {
        discovery: Discovery::system(),
        wanted: By::Path(port.to_owned()),
        others: Vec::new(),
        line: spec.serial.clone().unwrap_or_else(plain),
        spec: Arc::clone(&spec),
    };
    let wanted = tells_its_serial(&spec).then(|| serial_of(&spec).to_owned());
    let opener = Arc::new(Mutex::new(Opener::new(what, None)));
    let open = move || {
        let (opener, wanted) = (Arc::clone(&opener), wanted.clone());
        async move {
            let opened: Result<Opened<SerialLink>, LinkError> = opener.lock().await.open().await;
            opened.map(|opened| Opened { wanted, ..opened })
        }
    };
    let running = tokio::spawn(task.run(open, stop.clone()));
    let strangers = tokio::spawn(count_strangers(handle.state()));
    let outcome = station(&spec, &handle, inbox, &sim, checked).await;
    stop.cancel();
    running.await.unwrap();
    drop(handle);
    let strangers = strangers.await.unwrap();
    outcome.map(|outcome| Outcome { strangers, ..outcome })
}

/// How often it was met under another name, until its task ends.
async fn count_strangers(mut state: watch::Receiver<DeviceState>) -> usize {
    let mut count = 0;
    while state.changed().await.is_ok() {
        let fault = state.borrow_and_update().last_fault.clone();
        count += usize::from(fault.is_some_and(|fault| fault.en.contains("not the device that was configured")));
    }
    count
}

async fn station(
    spec: &Spec,
    handle: &DeviceHandle,
    mut inbox: mpsc::Receiver<Observation>,
    sim: &SimHandle,
    checked: bool,
) -> Result<Outcome, String> {
    let (mut outcome, mut token, mut state) = (Outcome::default(), 0, handle.state());
    let metrics: Vec<MetricId> = spec.metrics.iter().map(|metric| metric.id.clone()).collect();
    let (mixes, mut was_late) = (mixes_what_comes_late(spec), false);
    while outcome.values < VALUES {
        let metric = &metrics[token as usize % metrics.len()];
        token += 1;
        let asked = Instant::now();
        ask(spec, handle, sim, metric, token).await;
        // Until it is answered, or for as long as a button needs; a device that is away is asked again.
        let until = Instant::now() + Duration::from_secs(2);
        while let Ok(Some(Observation { device, event })) = tokio::time::timeout_at(until, inbox.recv()).await {
            if tells_its_serial(spec) && device.serial != serial_of(spec) {
                return Err(format!("a value under the name {:?}", device.serial));
            }
            match event {
                Event::Measured(measured) => {
                    was_late |= asked.elapsed() > IN_TIME;
                    if checked && !(mixes && was_late) {
                        check(sim, &measured).await?;
                    }
                    outcome.unjudged += usize::from(checked && mixes && was_late);
                    outcome.values += 1;
                    if let Some(counter) = measured.counter {
                        handle.confirm(counter).await;
                    }
                    break;
                }
                Event::Refused { .. } => {
                    outcome.refused += 1;
                    break;
                }
                _ => {}
            }
        }
        was_late |= asked.elapsed() > IN_TIME;
        let now = state.borrow_and_update().clone();
        outcome.bad_frames = now.bad_frames;
        outcome.lost += usize::from(!now.connected);
    }
    Ok(outcome)
}

async fn ask(spec: &Spec, handle: &DeviceHandle, sim: &SimHandle, metric: &MetricId, token: u64) {
    if spec.measure(metric).is_some() {
        let request = Request { token, metric: metric.clone(), region: Region::LeftCheek };
        if handle.measure(request).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    } else {
        sim.press(metric.clone(), Region::LeftCheek).await.unwrap();
    }
}

/// What is not in the device's own ledger was never measured.
async fn check(sim: &SimHandle, measured: &skinlink::protocol::Measurement) -> Result<(), String> {
    let ledger = sim.ledger().await.unwrap();
    for value in &measured.values {
        let known = ledger.iter().any(|line| {
            let same = line.metric == value.metric.as_str() && line.value == value.value.to_string();
            same && measured.counter.is_none_or(|counter| line.counter == counter)
        });
        if !known {
            return Err(format!("{} {} was never measured: {measured:?}", value.metric, value.value));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocol_gives_only_true_values_through_every_fault() {
    let seed = std::env::var("SKINLINK_SEED").ok().map_or(2_026, |text| text.parse().expect("a number"));
    let (mut cases, mut count) = (JoinSet::new(), 0);
    let protocols = protocols();
    for spec in &protocols {
        for (at, fault) in Fault::ALL.iter().enumerate() {
            count += 1;
            let case = Case { spec: Arc::clone(spec), fault: *fault, seed: seed + at as u64 };
            cases.spawn(case.play());
        }
    }
    let (mut wrong, mut lines, mut strangers) = (Vec::new(), BTreeSet::new(), 0);
    while let Some(played) = cases.join_next().await {
        let (name, outcome) = played.unwrap();
        match outcome {
            Ok(outcome) => {
                strangers += outcome.strangers;
                lines.insert(format!("{name}: {outcome:?}"));
            }
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
    println!(
        "{count} cases of {} protocols, seed {seed}; {strangers} looks met a device under a false name",
        protocols.len()
    );
    assert!(strangers > 0, "no device that lies about its name was met");
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}
