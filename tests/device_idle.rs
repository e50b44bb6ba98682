//! Waiting costs nothing: alone in its program, so that the processor time measured is its own.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

#[path = "support/line_probe.rs"]
#[expect(dead_code, reason = "the other test of devices uses the rest")]
mod line_probe;
#[path = "support/pty.rs"]
mod pty;

use line_probe::{Probe, Wire, queue, serve};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use std::time::Duration;

fn processor_ms() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
}

/// A hung-up terminal reads as "zero bytes, at once, for ever": a loop that believes it takes a whole processor.
#[tokio::test]
async fn pulled_connected_and_missing_devices_burn_no_processor_time() {
    let folder = tempfile::tempdir().unwrap();
    let (station, _inbox) = queue();
    let [pulled, connected, missing, silent] =
        ["pulled", "connected", "missing", "silent"].map(|name| folder.path().join(name));
    let probe = Probe::plug_in(&pulled, "LP-1", Wire::Clean);
    let _connected = Probe::plug_in(&connected, "LP-2", Wire::Clean);
    let all = [&pulled, &connected, &missing, &silent].map(|name| serve(name, station.clone()));
    all[0].until("connected", |state| state.connected).await;
    all[1].until("connected", |state| state.connected).await;
    // Plugged in, and never says anything: it is asked again and again.
    let _silent = pty::Plug::insert(&silent);
    all[3]
        .until("silent", |state| state.last_fault.as_ref().is_some_and(|fault| fault.en.contains("switched on")))
        .await;
    probe.pull().await;
    all[0].until("pulled", |state| !state.connected).await;

    let before = processor_ms();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = processor_ms() - before;
    assert!(spent < 100, "{spent} ms of processor time in 2 s of waiting, 100 ms are allowed");
    println!("{spent} ms of processor time in 2 s of waiting for four devices");
    for served in all {
        served.end().await;
    }
}
