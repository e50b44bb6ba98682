//! Waiting costs nothing: alone in its program, so that the processor time measured is its own.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

#[path = "support/line_probe.rs"]
#[expect(dead_code, reason = "the other test of devices uses the rest")]
mod line_probe;
#[path = "support/pty.rs"]
mod pty;

use line_probe::{Probe, Wire, queue, soon, spec};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use skinlink::{
    adapters::{
        discovery::{By, Discovery},
        hotplug::{Plugged, Watcher},
    },
    app::recognise::{Opener, Recognise},
    tasks::{
        device::{Device, DeviceHandle, DeviceState},
        observation::Observation,
    },
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

const WATCHED: Duration = Duration::from_secs(10);

/// Half a percent of one processor.
const ALLOWED_MS: i64 = 50;

fn processor_ms() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
}

/// A device's task with the daemon's own opener.
fn serve(name: &Path, plugged: &Plugged, station: mpsc::Sender<Observation>, stop: &CancellationToken) -> DeviceHandle {
    let (spec, discovery, wanted) = (spec(), Discovery::system(), By::Path(name.to_owned()));
    let (handle, device) = Device::new(Arc::clone(&spec), station);
    let line = spec.serial.clone().expect("a serial line");
    let what = Recognise { discovery, wanted, others: Vec::new(), line, spec };
    let opener = Arc::new(Mutex::new(Opener::new(what, Some(plugged.clone()))));
    let open = move || {
        let opener = Arc::clone(&opener);
        async move { opener.lock().await.open().await }
    };
    tokio::spawn(device.run(open, stop.clone()));
    handle
}

async fn until(device: &DeviceHandle, what: &str, wanted: impl Fn(&DeviceState) -> bool) {
    let mut state = device.state();
    soon(what, async { drop(state.wait_for(|state| wanted(state)).await.expect("the task runs")) }).await;
}

/// A hung-up terminal reads as "zero bytes, at once, for ever": a loop that believes it takes a whole processor.
#[tokio::test]
async fn pulled_connected_missing_and_silent_devices_burn_no_processor_time() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (station, _inbox) = queue();
    let folders = Discovery::system().folders().into_iter().chain([folder.path().to_owned()]);
    let (plugged, watcher) = Watcher::new(folders).unwrap();
    tokio::spawn(watcher.run(stop.clone()));
    let [pulled, connected, missing, silent] =
        ["pulled", "connected", "missing", "silent"].map(|name| folder.path().join(name));
    let probe = Probe::plug_in(&pulled, "LP-1", Wire::Clean);
    let _connected = Probe::plug_in(&connected, "LP-2", Wire::Clean);
    let all = [&pulled, &connected, &missing, &silent].map(|name| serve(name, &plugged, station.clone(), &stop));
    until(&all[0], "connected", |state| state.connected).await;
    until(&all[1], "connected", |state| state.connected).await;
    // Plugged in, and never says anything: it is asked again and again.
    let _silent = pty::Plug::insert(&silent);
    let switched_off =
        |state: &DeviceState| state.last_fault.as_ref().is_some_and(|fault| fault.en.contains("switched on"));
    until(&all[3], "silent", switched_off).await;
    probe.pull().await;
    until(&all[0], "pulled", |state| !state.connected).await;

    let before = processor_ms();
    tokio::time::sleep(WATCHED).await;
    let spent = processor_ms() - before;
    let percent = spent as f64 / WATCHED.as_secs_f64() / 10.0;
    println!("{spent} ms of processor time in {WATCHED:?} of waiting for four devices: {percent:.2} %");
    assert!(spent <= ALLOWED_MS, "{spent} ms of processor time, {ALLOWED_MS} ms are allowed");
    stop.cancel();
}
