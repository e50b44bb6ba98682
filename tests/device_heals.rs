//! A device that is pulled and comes back, also under another name, on real pseudo-terminals behind a drawn USB tree, through
//! the daemon's own opener: how soon the pull is noticed and how soon there are readings again, measured and printed.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

#[path = "support/line_probe.rs"]
#[expect(dead_code, reason = "other tests of devices use the rest")]
mod line_probe;
#[path = "support/machine.rs"]
#[expect(dead_code, reason = "other tests of devices use the rest")]
mod machine;
#[path = "support/pty.rs"]
mod pty;

use line_probe::{Probe, Wire, queue, request, soon, spec};
use machine::Machine;
use skinlink::{
    adapters::{discovery::By, hotplug::Plugged, hotplug::Watcher},
    app::recognise::{Opener, Recognise},
    protocol::{Event, spec::UsbId},
    tasks::{
        device::{Device, DeviceHandle, DeviceState},
        observation::Observation,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const PROBE: UsbId = UsbId { vendor: 0x1209, product: 0x0417 };
const OTHER: UsbId = UsbId { vendor: 0x0403, product: 0x6001 };

/// What is promised, on a machine that does other things beside.
const PROMISED: Duration = Duration::from_secs(1);

/// The gateway's side of one device.
struct Gateway {
    handle: DeviceHandle,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Gateway {
    fn start(machine: &Machine, wanted: By, plugged: Option<Plugged>, station: mpsc::Sender<Observation>) -> Self {
        let mut spec = (*spec()).clone();
        let mut line = spec.serial.take().expect("a serial line");
        line.usb = vec![PROBE];
        spec.serial = Some(line.clone());
        let spec = Arc::new(spec);
        let (handle, device) = Device::new(Arc::clone(&spec), station);
        let what = Recognise { discovery: machine.discovery(), wanted, others: Vec::new(), spec, line };
        let opener = Arc::new(Mutex::new(Opener::new(what, plugged)));
        let stop = CancellationToken::new();
        let open = move || {
            let opener = Arc::clone(&opener);
            async move { opener.lock().await.open().await }
        };
        Self { handle, task: tokio::spawn(device.run(open, stop.clone())), stop }
    }

    async fn until(&self, what: &str, wanted: impl Fn(&DeviceState) -> bool) -> DeviceState {
        let mut state = self.handle.state();
        soon(what, async { state.wait_for(|state| wanted(state)).await.expect("the task runs").clone() }).await
    }

    async fn end(self) {
        self.stop.cancel();
        soon("the end of the task", self.task).await.unwrap();
    }
}

fn watched(machine: &Machine, stop: &CancellationToken) -> Plugged {
    let (plugged, watcher) = Watcher::new(machine.discovery().folders()).unwrap();
    tokio::spawn(watcher.run(stop.clone()));
    plugged
}

/// Asks until there is a value: a probe that has just come back may not have said its name yet.
async fn a_reading(gateway: &Gateway, inbox: &mut mpsc::Receiver<Observation>, token: u64) {
    gateway.until("connected", |state| state.connected).await;
    soon("ask", gateway.handle.measure(request(token))).await.unwrap();
    soon("a reading", async {
        while let Some(Observation { event, .. }) = inbox.recv().await {
            if let Event::Measured(measured) = event
                && measured.token == Some(token)
            {
                return;
            }
        }
        panic!("the task ended");
    })
    .await;
}

fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

#[tokio::test]
async fn pulled_and_back_under_another_name_there_are_readings_again_within_a_second() {
    let (machine, stop) = (Machine::new(), CancellationToken::new());
    let (station, mut inbox) = queue();
    let gateway = Gateway::start(&machine, By::UsbIds(vec![PROBE]), Some(watched(&machine, &stop)), station);
    gateway.until("missed", |state| state.last_fault.is_some()).await;
    let (mut noticed, mut back) = (Vec::new(), Vec::new());
    for round in 0..12_u64 {
        let (tty, place) = (format!("ttyUSB{}", round % 4), format!("1-{}", 1 + round % 3));
        // Away long enough for every pause to have grown to its longest, and not in step with any.
        sleep(Duration::from_millis(900 + 137 * round)).await;
        machine.show(&tty, &place, PROBE, Some("0417"));
        let appeared = Instant::now();
        let probe = Probe::plug_in(&machine.dev(&tty), "LP-1", Wire::Clean);
        a_reading(&gateway, &mut inbox, round + 1).await;
        back.push(appeared.elapsed());

        let pulled = Instant::now();
        probe.pull().await;
        machine.hide(&tty, &place);
        gateway.until("the pull", |state| !state.connected).await;
        noticed.push(pulled.elapsed());
    }
    let (middle, worst) = spread(noticed);
    println!("pulled: noticed after {middle:?} (median), {worst:?} (longest of 12)");
    // Half of them in time, and none so late that something other than a busy machine held it up.
    assert!(middle < PROMISED && worst < PROMISED * 8, "a pull was noticed only after {middle:?}, {worst:?}");
    let (middle, worst) = spread(back);
    println!("back under another name: a reading after {middle:?} (median), {worst:?} (longest of 12)");
    assert!(middle < PROMISED && worst < PROMISED * 8, "a reading came only {middle:?}, {worst:?} after the node");
    gateway.end().await;
    stop.cancel();
}

/// Two adapters of one kind, without serial numbers of their own: the devices themselves know who they are.
#[tokio::test]
async fn of_two_twins_the_one_that_was_named_is_found_by_asking_whatever_its_port() {
    let (machine, stop) = (Machine::new(), CancellationToken::new());
    let (station, mut inbox) = queue();
    let gateway = Gateway::start(&machine, By::UsbSerial("LP-2".into()), Some(watched(&machine, &stop)), station);
    gateway.until("missed", |state| state.last_fault.is_some()).await;
    for (round, (first, second)) in [("LP-1", "LP-2"), ("LP-2", "LP-1")].into_iter().enumerate() {
        machine.show("ttyUSB0", "1-1", PROBE, None);
        machine.show("ttyUSB1", "1-2", PROBE, None);
        machine.show("ttyUSB2", "1-3", OTHER, None);
        let appeared = Instant::now();
        let probes = [("ttyUSB0", first), ("ttyUSB1", second)]
            .map(|(tty, serial)| Probe::plug_in(&machine.dev(tty), serial, Wire::Clean));
        let mut bystander = Probe::plug_in(&machine.dev("ttyUSB2"), "LP-2", Wire::Clean);
        a_reading(&gateway, &mut inbox, round as u64 + 1).await;
        println!("found among twins and read after {:?}", appeared.elapsed());
        let state = gateway.handle.state().borrow().clone();
        assert_eq!(state.identity.unwrap().serial, "LP-2");
        assert!(bystander.heard.try_recv().is_err(), "a device of another kind was spoken to");
        for (probe, (tty, place)) in probes.into_iter().zip([("ttyUSB0", "1-1"), ("ttyUSB1", "1-2")]) {
            probe.pull().await;
            machine.hide(tty, place);
        }
        bystander.pull().await;
        machine.hide("ttyUSB2", "1-3");
        gateway.until("the pull", |state| !state.connected).await;
    }
    gateway.end().await;
    stop.cancel();
}

#[tokio::test]
async fn twins_that_nobody_named_are_asked_about_and_not_guessed() {
    let machine = Machine::new();
    let (station, _inbox) = queue();
    machine.show("ttyUSB0", "1-1", PROBE, None);
    machine.show("ttyUSB1", "1-2", PROBE, None);
    let mut probes = ["ttyUSB0", "ttyUSB1"].map(|tty| Probe::plug_in(&machine.dev(tty), tty, Wire::Clean));
    let gateway = Gateway::start(&machine, By::UsbIds(vec![PROBE]), None, station);
    let state = gateway.until("asked about", |state| state.last_fault.is_some()).await;
    let fault = state.last_fault.unwrap();
    assert!(fault.en.contains("Several equal devices") && fault.zh.contains("多台相同"), "{fault:?}");
    assert!(probes.iter_mut().all(|probe| probe.heard.try_recv().is_err()), "neither was spoken to");
    gateway.end().await;
}

#[tokio::test]
async fn a_device_that_calls_itself_otherwise_is_not_served() {
    let (machine, stop) = (Machine::new(), CancellationToken::new());
    let (station, mut inbox) = queue();
    let gateway = Gateway::start(&machine, By::UsbSerial("LP-7".into()), Some(watched(&machine, &stop)), station);
    machine.show("ttyUSB0", "1-1", PROBE, None);
    let probe = Probe::plug_in(&machine.dev("ttyUSB0"), "LP-8", Wire::Clean);
    let state = gateway.until("missed", |state| state.last_fault.is_some()).await;
    assert!(state.last_fault.unwrap().zh.contains("未连接"), "the one that was named is not there");
    sleep(Duration::from_secs(1)).await;
    assert!(inbox.try_recv().is_err() && !gateway.handle.state().borrow().connected, "another was taken for it");
    probe.pull().await;
    gateway.end().await;
    stop.cancel();
}
