//! A device in the air on a fake BlueZ: the order of calls, every fault of the stack that was met, and each time the way back
//! without anyone touching the gateway.

#![expect(clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

mod broadcast;
mod ladder;
mod neighbours;
mod room;
mod standards;
mod story;
mod tools;
mod whole_scan;

use room::{ADDRESS, BACK_WITHIN, NOTIFY, Room, sensor};
use skinlink::{adapters::ble, tasks::device::DeviceState};
use skinlink_fake_bluez::Fault;
use std::time::Duration;
use story::alone;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

/// Two tries of the search, where a fault makes the first one fail.
const SEARCHES: Duration = Duration::from_secs(30);

/// Where each of `calls` first stands, in this order.
fn in_order(calls: &[String], wanted: &[&str]) {
    let mut rest = calls.iter();
    for call in wanted {
        assert!(rest.any(|found| found.starts_with(call)), "{call} is missing or too early in {calls:#?}");
    }
}

#[test]
fn a_value_is_measured_and_every_call_comes_in_its_order() {
    alone("a_value_is_measured_and_every_call_comes_in_its_order", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        let notify = format!("StartNotify {NOTIFY}");
        let calls = room.world.calls();
        in_order(&calls, &["StartDiscovery", &format!("Connect {ADDRESS}"), &notify, "WriteValue request 3"]);
        assert_eq!(calls.iter().filter(|call| call.starts_with("Connect ")).count(), 1, "{calls:#?}");
        // Nobody is looked for any more: the scan ends, the device stays.
        timeout(BACK_WITHIN, room.world.until(|world| !world.is_scanning())).await.expect("the scan ends");
        assert!(room.world.is_connected(ADDRESS));
        let state = room.until("named", BACK_WITHIN, |state| state.connected).await;
        let identity = state.identity.expect("it has said who it is");
        assert_eq!((identity.serial.as_str(), state.port.as_str()), ("AP-1", &*format!("hci0 {ADDRESS}")));
    });
}

#[test]
fn a_probe_that_was_switched_off_is_served_again() {
    alone("a_probe_that_was_switched_off_is_served_again", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        for _ in 0..3 {
            room.world.switch(ADDRESS, false);
            room.until("lost", BACK_WITHIN, |state| !state.connected).await;
            room.world.switch(ADDRESS, true);
            room.measure(BACK_WITHIN).await;
        }
    });
}

/// The kernel keeps the link while bluetoothd is dead, so that the probe does not advertise: it has to be let go of first.
#[test]
fn bluetoothd_is_killed_and_comes_back() {
    alone("bluetoothd_is_killed_and_comes_back", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        room.kill_bluetoothd().await;
        room.until("lost", BACK_WITHIN, |state| !state.connected).await;
        room.start_bluetoothd().await;
        room.measure(BACK_WITHIN).await;
        in_order(&room.world.calls(), &["Connect", "Disconnect", "StartDiscovery", "Connect", "StartNotify"]);
    });
}

#[test]
fn the_bus_itself_is_killed_and_comes_back() {
    alone("the_bus_itself_is_killed_and_comes_back", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        room.bus.lock().await.kill().await;
        room.until("lost", BACK_WITHIN, |state| !state.connected).await;
        *room.daemon.lock().await = None;
        room.bus.lock().await.start_again().await;
        room.start_bluetoothd().await;
        room.measure(BACK_WITHIN).await;
    });
}

#[test]
fn the_adapter_is_pulled_and_plugged_in_again() {
    alone("the_adapter_is_pulled_and_plugged_in_again", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        room.world.plug(false);
        room.until("lost", BACK_WITHIN, |state| !state.connected).await;
        let told = |state: &DeviceState| state.last_fault.as_ref().is_some_and(|fault| fault.en.contains("Bluetooth"));
        room.until("says why", SEARCHES, told).await;
        room.world.plug(true);
        room.measure(BACK_WITHIN).await;
    });
}

#[test]
fn without_bluetoothd_it_waits_and_says_so() {
    alone("without_bluetoothd_it_waits_and_says_so", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        room.until("says why", SEARCHES, |state| state.last_fault.is_some()).await;
        room.start_bluetoothd().await;
        room.measure(BACK_WITHIN).await;
    });
}

/// Each error that a real stack was seen to give, at each call it was seen at.
#[test]
fn no_error_of_the_stack_is_the_end() {
    alone("no_error_of_the_stack_is_the_end", async |folder| {
        let mut room = Room::open(folder).await;
        let met = [
            ("Connect", "Failed", "le-connection-abort-by-local"),
            ("Connect", "Failed", "Operation already in progress"),
            ("Connect", "InProgress", "Operation already in progress"),
            ("Connect", "Failed", "Input/output error"),
            ("Connect", "NotReady", "Resource Not Ready"),
            ("Connect", "org.freedesktop.DBus.Error.NoReply", "no reply"),
            ("Connect", "org.freedesktop.DBus.Error.UnknownObject", "no such object"),
            ("Connect", "org.freedesktop.DBus.Error.Timeout", "no answer"),
            ("Connect", "org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable"),
            ("Connect", "org.freedesktop.DBus.Error.Spawn.ExecFailed", "Failed to execute program"),
            ("StartNotify", "Failed", "Not connected"),
            ("StartNotify", "NotPermitted", "Read not permitted"),
            ("WriteValue", "Failed", "Operation failed with ATT error: 0x80"),
            ("WriteValue", "Failed", "Not connected"),
            ("WriteValue", "org.freedesktop.DBus.Error.UnknownObject", "no such object"),
            ("WriteValue", "org.freedesktop.DBus.Error.Timeout", "no answer"),
            ("StartDiscovery", "org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable"),
            ("StartDiscovery", "org.freedesktop.DBus.Error.Timeout", "no answer"),
            ("StartDiscovery", "InProgress", "Operation already in progress"),
            ("StartDiscovery", "NotReady", "Resource Not Ready"),
            ("StopDiscovery", "Failed", "No discovery started"),
            ("Disconnect", "NotConnected", "Not Connected"),
        ];
        for (method, name, text) in met {
            // A scan that still runs is not started again.
            let quiet = room.world.until(|world| method != "StartDiscovery" || !world.is_scanning());
            timeout(BACK_WITHIN, quiet).await.expect("the scan ends");
            if method == "Disconnect" {
                // What is to be let go of: an attempt that failed.
                room.world.fail("Connect", Some(Fault::new("InProgress", "Operation already in progress")));
            }
            room.world.fail(method, Some(Fault::new(name, text)));
            room.world.switch(ADDRESS, false);
            room.until("lost", BACK_WITHIN, |state| !state.connected).await;
            room.world.switch(ADDRESS, true);
            let took = room.measure(BACK_WITHIN).await;
            let met = room.world.until(|world| !world.has_faults_ahead());
            assert!(
                timeout(BACK_WITHIN, met).await.is_ok(),
                "{method} {name} was never met: {:#?}",
                room.world.calls()
            );
            println!("{method} {name} ({text}): measured again after {took:?}");
        }
    });
}

/// A stack that never answers: our own limit ends the wait, and nothing is left that blocks the next try.
#[test]
fn an_attempt_that_hangs_is_given_up_and_taken_back() {
    alone("an_attempt_that_hangs_is_given_up_and_taken_back", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        room.world.fail("Connect", None);
        room.world.switch(ADDRESS, false);
        room.until("lost", BACK_WITHIN, |state| !state.connected).await;
        room.world.switch(ADDRESS, true);
        room.measure(SEARCHES).await;
        in_order(&room.world.calls(), &["Connect", "Connect", "Disconnect", "Connect", "StartNotify"]);
    });
}

/// An attempt that was given up because the adapter went was left to BlueZ, and the next one refused as already in progress.
#[test]
fn an_attempt_whose_adapter_goes_is_taken_back_before_the_next() {
    alone("an_attempt_whose_adapter_goes_is_taken_back_before_the_next", async |folder| {
        let mut room = Room::open(folder).await;
        room.measure(BACK_WITHIN).await;
        room.world.fail("Connect", None);
        room.world.switch(ADDRESS, false);
        room.until("lost", BACK_WITHIN, |state| !state.connected).await;
        room.world.switch(ADDRESS, true);
        let hangs = room.world.until(|world| !world.has_faults_ahead());
        timeout(BACK_WITHIN, hangs).await.expect("it is tried");
        room.world.switch_off("hci0");
        room.measure(BACK_WITHIN).await;
        let calls = room.world.calls();
        let attempts = calls.iter().filter(|call| call.starts_with("Connect") || call.starts_with("Disconnect"));
        let attempts: Vec<&str> = attempts.map(|call| call.split(' ').next().unwrap_or_default()).collect();
        assert!(attempts.windows(2).all(|pair| pair != ["Connect", "Connect"]), "{calls:#?}");
    });
}

/// A bus that was left closed its socket before it took it off the runtime's list: whoever was given the same number in between
/// (another bus, a browser, headquarters) was taken off in its place and never woke again.
#[test]
fn a_bus_that_is_left_takes_no_other_connection_with_it() {
    alone("a_bus_that_is_left_takes_no_other_connection_with_it", async |folder| {
        let _bus = skinlink_fake_bluez::Bus::start(&folder).await;
        let others = (0..4).map(|_| {
            tokio::spawn(async {
                for _ in 0..4000 {
                    let (mut one, mut other) = UnixStream::pair().expect("a pair");
                    let said = async {
                        other.write_all(&[1]).await.expect("it takes a byte");
                        one.read_u8().await.expect("a byte")
                    };
                    timeout(BACK_WITHIN, said).await.expect("what was said is heard");
                    tokio::task::yield_now().await;
                }
            })
        });
        let others: Vec<_> = others.collect();
        for _ in 0..60 {
            // There is no bluetoothd: it opens the bus, asks and leaves it.
            ble::survey(Duration::from_millis(1)).await.expect_err("no bluetoothd");
        }
        for other in others {
            other.await.expect("each was heard");
        }
    });
}

/// The first rung of the ladder: an adapter that refuses to scan again and again is switched off and on.
#[test]
fn a_stack_that_keeps_failing_is_switched_off_and_on() {
    alone("a_stack_that_keeps_failing_is_switched_off_and_on", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        for _ in 0..4 {
            room.world.fail("StartDiscovery", Some(Fault::new("Failed", "Software caused connection abort")));
        }
        room.start_bluetoothd().await;
        room.measure(SEARCHES).await;
        in_order(&room.world.calls(), &["StartDiscovery", "Powered off", "Powered on", "StartDiscovery", "Connect"]);
    });
}

/// Names are no identity: of two probes alike only the configured one is touched.
#[test]
fn of_two_probes_with_one_name_only_the_configured_one_is_connected() {
    alone("of_two_probes_with_one_name_only_the_configured_one_is_connected", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        let other = "F0:F1:F2:F3:F4:F6";
        let _inbox = room.world.add(sensor(other));
        room.start_bluetoothd().await;
        room.measure(BACK_WITHIN).await;
        let calls = room.world.calls();
        assert!(!calls.iter().any(|call| call.contains(other)), "{calls:#?}");
    });
}

/// In the air the neighbour's probe looks the same: without an address both are named and neither is taken.
#[test]
fn without_an_address_the_candidates_are_named_and_none_is_taken() {
    alone("without_an_address_the_candidates_are_named_and_none_is_taken", async |folder| {
        let mut room = Room::without_bluetooth(folder, None).await;
        room.start_bluetoothd().await;
        let asks = |state: &DeviceState| {
            let told = state.last_fault.as_ref();
            told.is_some_and(|told| told.en.contains("writes its address") && told.zh.contains("填写设备地址"))
        };
        room.until("asks", SEARCHES, asks).await;
        let calls = room.world.calls();
        assert!(!calls.iter().any(|call| call.starts_with("Connect")), "{calls:#?}");
    });
}
