//! The ladder of the watchdog on the stack: what is done to an adapter that fails or is deaf, and what is left alone.

use crate::{
    neighbours::{OTHER, of},
    room::{ADDRESS, BACK_WITHIN, Room, sensor},
    story::alone,
};
use skinlink_fake_bluez::{Fault, Systemd, World};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Three failures, a rung, and a busy machine.
const FIRST_RUNG: Duration = Duration::from_secs(30);

fn abort() -> Option<Fault> {
    Some(Fault::new("Failed", "Software caused connection abort"))
}

/// An attempt to connect that had failed was held to be a link from then on, and an adapter with a link is left alone: the
/// watchdog was off.
#[test]
fn an_attempt_that_failed_is_no_link_that_keeps_the_watchdog_off() {
    alone("ladder::an_attempt_that_failed_is_no_link_that_keeps_the_watchdog_off", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        (0..100).for_each(|_| room.world.fail("Connect", Some(Fault::new("Failed", "le-connection-abort-by-local"))));
        room.start_bluetoothd().await;
        let tried = room.world.until(|world| world.count("Connect") > 0);
        timeout(BACK_WITHIN, tried).await.expect("it is tried");
        room.world.switch(ADDRESS, false);
        room.world.jam("hci0", abort());
        room.world.end_scan("hci0");
        let helped = room.world.until(|world| world.count("Powered off hci0") > 0);
        let helped = timeout(FIRST_RUNG, helped).await;
        assert!(helped.is_ok(), "it is not switched off and on: {:#?}", room.world.calls());
        room.world.unjam("hci0");
        room.world.heal("Connect");
        room.world.switch(ADDRESS, true);
        room.measure(FIRST_RUNG).await;
    });
}

/// For one bad adapter bluetoothd was started anew, and with it every working link at the others was cut.
#[test]
fn for_one_bad_adapter_no_link_at_another_is_cut() {
    alone("ladder::for_one_bad_adapter_no_link_at_another_is_cut", async |folder| {
        let world = World::with_adapters(&["hci0", "hci1"]);
        world.jam("hci0", abort());
        let (mut bad, mut good) = of(world, folder, "hci1").await;
        let _systemd = Systemd::start(&*bad.bus.lock().await, &bad.world).await;
        good.measure(BACK_WITHIN).await;
        let helped = bad.world.until(|world| world.count("Powered off hci0") > 0);
        timeout(FIRST_RUNG, helped).await.expect("it is switched off and on");
        // The next rung is due 20 s after the first.
        sleep(Duration::from_secs(23)).await;
        good.measure(BACK_WITHIN).await;
        let (links, calls) = (good.world.count(&format!("Connect {OTHER}")), good.world.calls());
        assert_eq!(
            (links, good.world.count("RestartUnit"), good.world.count("Powered off hci1")),
            (1, 0, 0),
            "{calls:#?}"
        );
        good.world.unjam("hci0");
        bad.measure(FIRST_RUNG).await;
    });
}

/// Where there is no link, the system is asked to start bluetoothd anew. What was held against the adapter is not forgotten by
/// that: it was restarted again and again, and nobody was told.
#[test]
#[ignore = "a minute; `make ble-lab` tells it"]
fn a_restart_of_bluetoothd_that_does_not_help_is_not_tried_again_at_once() {
    alone("ladder::a_restart_of_bluetoothd_that_does_not_help_is_not_tried_again_at_once", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        let _systemd = Systemd::start(&*room.bus.lock().await, &room.world).await;
        room.world.jam("hci0", abort());
        room.start_bluetoothd().await;
        let asked = room.world.until(|world| world.count("RestartUnit bluetooth.service") > 0);
        timeout(2 * FIRST_RUNG, asked).await.expect("it is asked for");
        room.kill_bluetoothd().await;
        room.start_bluetoothd().await;
        // The people are told after 20 s, the adapter is switched off and on after 40 s.
        let again = room.world.until(|world| world.count("Powered off hci0") > 1);
        timeout(2 * FIRST_RUNG, again).await.expect("from the first rung again");
        assert_eq!(room.world.count("RestartUnit"), 1, "{:#?}", room.world.calls());
        room.world.unjam("hci0");
        room.measure(FIRST_RUNG).await;
    });
}

/// An adapter that had heard something once was never held to be deaf, and what did not help was told nobody.
#[test]
#[ignore = "three minutes of silence; `make ble-lab` tells it"]
fn an_adapter_that_falls_silent_is_helped_and_then_the_people_are_told() {
    alone("ladder::an_adapter_that_falls_silent_is_helped_and_then_the_people_are_told", async |folder| {
        let mut room = Room::without_bluetooth(folder, Some(ADDRESS)).await;
        room.world.switch(ADDRESS, false);
        let _neighbour = room.world.add(sensor(OTHER));
        room.start_bluetoothd().await;
        let listens = room.world.until(World::is_scanning);
        timeout(BACK_WITHIN, listens).await.expect("it listens");
        sleep(Duration::from_secs(3)).await;
        room.world.switch(OTHER, false);
        let helped = room.world.until(|world| world.count("Powered off hci0") > 0);
        timeout(Duration::from_secs(90), helped).await.expect("it is switched off and on");
        assert!(room.world.count("StartDiscovery") > 1, "it listened to everything before: {:#?}", room.world.calls());
        let told = |state: &skinlink::tasks::device::DeviceState| {
            state.last_fault.as_ref().is_some_and(|fault| fault.en.contains("Bluetooth does not work"))
        };
        room.until("the people are told", Duration::from_secs(120), told).await;
        assert_eq!(room.world.count("Powered off"), 1, "{:#?}", room.world.calls());
        room.world.switch(ADDRESS, true);
        room.measure(FIRST_RUNG).await;
    });
}
