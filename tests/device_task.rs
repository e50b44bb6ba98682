//! A device's task on real pseudo-terminals in real time: pulled, replugged, busy, noisy, dead, and beside others.

#![expect(clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

#[path = "support/line_probe.rs"]
mod line_probe;
#[path = "support/pty.rs"]
mod pty;

use line_probe::{Probe, Wire, queue, request, serve, serve_as, soon, spec};
use skinlink::{
    adapters::serial::SerialLink,
    domain::metric::MetricId,
    protocol::{Event, Measurement, NoValue, Request, Spec},
    tasks::{
        device::DeviceError,
        observation::{Observation, QUEUE},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc::Receiver,
    time::{Instant, timeout},
};

/// The next measurement that arrives, with whoever gave it.
async fn measurement(inbox: &mut Receiver<Observation>) -> (String, Measurement) {
    soon("a measurement", async {
        loop {
            let Observation { device, event } = inbox.recv().await.expect("the tasks run");
            if let Event::Measured(measurement) = event {
                return (device.serial.clone(), measurement);
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_value_is_measured_and_acknowledged_only_once_it_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let mut probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    let served = serve(&name, station);
    let state = served.until("connected", |state| state.connected).await;
    let identity = state.identity.unwrap();
    assert_eq!((identity.protocol.as_str(), identity.serial.as_str()), ("line-probe", "LP-1"));
    assert_eq!((identity.protocol_version.as_str(), identity.firmware.as_str()), ("1", "1.0"));
    assert_eq!(state.metrics, [MetricId::new("moisture").unwrap()]);

    soon("ask", served.handle.measure(request(7))).await.unwrap();
    let (serial, measured) = measurement(&mut inbox).await;
    assert_eq!((serial.as_str(), measured.token, measured.counter), ("LP-1", Some(7), Some(1)));
    assert_eq!(measured.values[0].value.to_string(), "35.2");

    // Not yet confirmed: pulled and back, the probe still has it and sends it again.
    let heard: Vec<String> = std::iter::from_fn(|| probe.heard.try_recv().ok()).collect();
    assert!(!heard.iter().any(|line| line.starts_with('A')), "acknowledged before it was durable: {heard:?}");
    soon("confirm", served.handle.confirm(1)).await;
    probe.hears("A,1").await;
    served.end().await;
}

#[tokio::test]
async fn pulled_in_the_middle_of_a_measurement_it_is_answered_and_served_again_after_the_replug() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let mut probe = Probe::plug_in(&name, "LP-1", Wire::Thinking);
    let served = serve(&name, station);
    served.until("connected", |state| state.connected).await;
    soon("ask", served.handle.measure(request(7))).await.unwrap();
    probe.hears("G,1").await;

    let pulled = Instant::now();
    probe.pull().await;
    let state = served.until("disconnected", |state| !state.connected).await;
    let noticed = pulled.elapsed();
    assert!(noticed < Duration::from_secs(8), "noticed after {noticed:?}");
    assert!(state.last_fault.is_some(), "the pages say what to do");
    let refused = soon("the answer", async {
        loop {
            let Observation { device, event } = inbox.recv().await.unwrap();
            if let Event::Refused { token, reason, .. } = event {
                return (device.serial.clone(), token, reason);
            }
        }
    })
    .await;
    assert_eq!(refused, ("LP-1".to_owned(), Some(7), NoValue::NoReply));
    assert_eq!(soon("ask", served.handle.measure(request(8))).await, Err(DeviceError::NotConnected));

    // Away long enough for the pauses to have grown to their longest.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let back = Instant::now();
    let _probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    let state = served.until("connected again", |state| state.connected).await;
    assert_eq!(state.last_fault, None);
    soon("ask", served.handle.measure(request(9))).await.unwrap();
    assert_eq!(measurement(&mut inbox).await.1.token, Some(9));
    let measured = back.elapsed();
    assert!(measured < Duration::from_secs(15), "measured again only after {measured:?}");
    println!("pulled: noticed after {noticed:?}; replugged: measured after {measured:?}");
    served.end().await;
}

#[tokio::test]
async fn what_was_not_confirmed_before_the_pull_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let mut probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    let served = serve(&name, station);
    served.until("connected", |state| state.connected).await;
    soon("ask", served.handle.measure(request(7))).await.unwrap();
    assert_eq!(measurement(&mut inbox).await.1.counter, Some(1));
    served.end().await;
    probe.hears("G,1").await;

    let (station, mut inbox) = queue();
    let served = serve(&name, station);
    let (serial, again) = measurement(&mut inbox).await;
    assert_eq!((serial.as_str(), again.token, again.counter), ("LP-1", None, Some(1)));
    soon("confirm", served.handle.confirm(1)).await;
    probe.hears("A,1").await;
    served.end().await;
}

/// A device that spoke while nobody listened, or before it was asked its name: the value waits for the name.
#[tokio::test]
async fn a_value_that_comes_before_the_name_is_reported_under_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let mut plug = pty::Plug::insert(&name);
    soon("early words", plug.wire.write_all(b"M,0,5,41.0\r\nM,0,6,42.0\r\n")).await.unwrap();
    let served = serve(&name, station);
    let mut asked = [0; 3];
    soon("its name is asked", plug.wire.read_exact(&mut asked)).await.unwrap();
    assert_eq!(&asked, b"W\r\n");
    assert!(inbox.try_recv().is_err(), "reported before anyone knew whose it is");
    soon("answer", plug.wire.write_all(b"I,LP-9,1.0\r\n")).await.unwrap();
    for (counter, value) in [(5, "41.0"), (6, "42.0")] {
        let (serial, measured) = measurement(&mut inbox).await;
        assert_eq!((serial.as_str(), measured.counter), ("LP-9", Some(counter)));
        assert_eq!(measured.values[0].value.to_string(), value);
    }
    served.end().await;
}

#[tokio::test]
async fn a_device_without_a_name_of_its_own_is_named_by_its_port() {
    let pen = include_str!("../firmware-protocols/moist-line/protocol.toml");
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("pen");
    let mut plug = pty::Plug::insert(&name);
    let served = serve_as(Arc::new(Spec::parse("moist-line", pen).unwrap()), &name, station);
    served.until("connected", |state| state.connected).await;
    soon("its button", plug.wire.write_all(b"M,0042,35.2,%*58\r\n")).await.unwrap();
    let (serial, measured) = measurement(&mut inbox).await;
    assert_eq!((serial, measured.counter), (name.display().to_string(), Some(42)));
    served.end().await;
}

#[tokio::test]
async fn a_port_that_another_program_holds_is_named_and_taken_once_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let (station, _inbox) = queue();
    let name = folder.path().join("probe");
    let _probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    let line = spec().serial.clone().unwrap();
    let other = soon("open", SerialLink::open(&name, &line)).await.unwrap();
    let served = serve(&name, station);
    let state = served.until("a fault", |state| state.last_fault.is_some()).await;
    let fault = state.last_fault.unwrap();
    assert!(fault.en.contains("Another program") && fault.zh.contains("其他程序"), "{fault:?}");
    drop(other);
    served.until("connected", |state| state.connected && state.last_fault.is_none()).await;
    served.end().await;
}

#[tokio::test]
async fn noise_and_crumbs_disturb_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let _probe = Probe::plug_in(&name, "LP-1", Wire::Crumbs);
    let served = serve(&name, station);
    served.until("connected", |state| state.connected).await;
    for token in 1..=10 {
        soon("ask", served.handle.measure(request(token))).await.unwrap();
        let (_, measured) = measurement(&mut inbox).await;
        assert_eq!((measured.token, measured.counter), (Some(token), Some(token)));
        assert_eq!(measured.values[0].value.to_string(), "35.2");
    }
    let state = served.until("counted noise", |state| state.bad_frames >= 10).await;
    assert_eq!(state.last_fault, None, "noise between good values is no fault");
    served.end().await;
}

#[tokio::test]
async fn a_dead_and_a_babbling_device_do_not_disturb_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let [good, dead, babbling, absent] = ["good", "dead", "babbling", "absent"].map(|name| folder.path().join(name));
    let _good = Probe::plug_in(&good, "LP-1", Wire::Clean);
    // Dead: plugged in, never says anything.
    let _dead = pty::Plug::insert(&dead);
    let babbler = Probe::plug_in(&babbling, "LP-3", Wire::Clean);
    let babble = tokio::spawn(async move {
        loop {
            let noise: String = std::iter::repeat_with(|| fastrand::char('!'..='~')).take(100).collect();
            if babbler.say.send(noise).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let all = [&dead, &babbling, &absent, &good].map(|name| serve(name, station.clone()));
    let [dead, babbling, absent, good] = &all;
    good.until("the good one", |state| state.connected).await;
    dead.until("the dead one is reported", |state| state.last_fault.is_some()).await;
    babbling.until("the babbling one is counted", |state| state.bad_frames > 100).await;
    absent.until("the absent one is reported", |state| state.last_fault.is_some()).await;

    for token in 1..=20 {
        let asked = Instant::now();
        soon("ask", good.handle.measure(request(token))).await.unwrap();
        let (serial, measured) = measurement(&mut inbox).await;
        assert_eq!((serial.as_str(), measured.token), ("LP-1", Some(token)));
        assert!(asked.elapsed() < Duration::from_secs(8), "token {token} took {:?}", asked.elapsed());
    }
    assert_eq!(soon("ask", dead.handle.measure(request(1))).await, Err(DeviceError::NotConnected));
    babble.abort();
    for served in all {
        served.end().await;
    }
}

/// A station that waits for a device while the device waits for the station would stand still for ever.
#[tokio::test]
async fn a_full_station_is_still_answered_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    let served = serve(&name, station.clone());
    served.until("connected", |state| state.connected).await;
    let sent = QUEUE as u64 * 3;
    for counter in 1..=sent {
        probe.say.send(format!("M,0,{counter},41.0")).unwrap();
    }
    soon("a full queue", async {
        while station.capacity() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for token in 1..=20 {
        soon("ask a full device", served.handle.measure(request(token))).await.unwrap();
        soon("confirm", served.handle.confirm(token)).await;
    }
    let mut counters = Vec::new();
    while counters.len() < sent as usize {
        let (_, measured) = measurement(&mut inbox).await;
        if measured.values[0].value.to_string() == "41.0" {
            counters.extend(measured.counter);
        }
    }
    assert_eq!(counters, (1..=sent).collect::<Vec<_>>());
    served.end().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (station, _inbox) = queue();
    let name = folder.path().join("probe");
    let served = serve(&name, station);
    assert_eq!(soon("ask", served.handle.measure(request(1))).await, Err(DeviceError::NotConnected));
    let _probe = Probe::plug_in(&name, "LP-1", Wire::Clean);
    served.until("connected", |state| state.connected).await;
    let sebum = MetricId::new("sebum").unwrap();
    let unknown = Request { metric: sebum.clone(), ..request(2) };
    assert_eq!(soon("ask", served.handle.measure(unknown)).await, Err(DeviceError::CannotMeasure(sebum)));
    let handle = served.handle.clone();
    served.end().await;
    assert_eq!(soon("ask", handle.measure(request(3))).await, Err(DeviceError::Stopped));
    soon("confirm", handle.confirm(1)).await;
}

#[tokio::test]
async fn a_cancelled_request_is_answered_and_the_next_one_served() {
    let folder = tempfile::tempdir().unwrap();
    let (station, mut inbox) = queue();
    let name = folder.path().join("probe");
    let mut probe = Probe::plug_in(&name, "LP-1", Wire::Thinking);
    let served = serve(&name, station);
    served.until("connected", |state| state.connected).await;
    soon("ask", served.handle.measure(request(1))).await.unwrap();
    probe.hears("G,1").await;
    soon("cancel", served.handle.cancel()).await;
    let reason = soon("the answer", async {
        loop {
            if let Event::Refused { token: Some(1), reason, .. } = inbox.recv().await.unwrap().event {
                return reason;
            }
        }
    })
    .await;
    assert_eq!(reason, NoValue::Cancelled);
    soon("ask again", served.handle.measure(request(2))).await.unwrap();
    probe.hears("G,2").await;
    served.end().await;
}

#[tokio::test]
async fn it_stops_soon_whatever_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    for case in ["absent", "connected", "silent", "station full"] {
        let (station, _inbox) = queue();
        let name = folder.path().join(case);
        let mut kept = (None, None);
        match case {
            "absent" => {}
            "silent" => kept.1 = Some(pty::Plug::insert(&name)),
            _ => kept.0 = Some(Probe::plug_in(&name, "LP-1", Wire::Clean)),
        }
        let served = serve(&name, station.clone());
        match (&kept.0, case) {
            (Some(probe), "station full") => {
                served.until(case, |state| state.connected).await;
                for counter in 0..QUEUE + 10 {
                    probe.say.send(format!("M,0,{counter},41.0")).unwrap();
                }
                soon(case, async {
                    while station.capacity() > 0 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                })
                .await;
            }
            (Some(_), _) => drop(served.until(case, |state| state.connected).await),
            (None, _) => drop(served.until(case, |state| state.last_fault.is_some()).await),
        }
        let ended = timeout(Duration::from_secs(8), served.end()).await;
        assert!(ended.is_ok(), "{case}: still running after eight seconds");
    }
}
