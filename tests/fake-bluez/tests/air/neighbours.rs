//! Several devices and several adapters of one gateway: one that is bad delays none of the others.

use crate::{
    room::{ADDRESS, BACK_WITHIN, Room, probe, sensor, spec},
    story::alone,
};
use skinlink_fake_bluez::{Sensor, World};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

pub const OTHER: &str = "F0:F1:F2:F3:F4:F6";

/// A probe that nothing keeps waits for nobody, on a busy machine either; well under the 10 s that an attempt to connect has.
const AT_ITS_PACE: Duration = Duration::from_secs(8);

/// Two probes, each heard by one adapter only.
pub async fn two(folder: PathBuf, second: &'static str) -> (Room, Room) {
    of(World::with_adapters(&["hci0", "hci1"]), folder, second).await
}

/// The same in a world that is given.
pub async fn of(world: World, folder: PathBuf, second: &'static str) -> (Room, Room) {
    let (mut one, written) = Room::of(world, folder, spec(), sensor(ADDRESS), Some(ADDRESS)).await;
    tokio::spawn(probe(ADDRESS.to_owned(), written, Arc::clone(&one.daemon)));
    let there = Sensor { adapter: second, ..sensor(OTHER) };
    let (other, written) = one.beside(&spec(), there, Some(OTHER));
    tokio::spawn(probe(OTHER.to_owned(), written, Arc::clone(&other.daemon)));
    one.start_bluetoothd().await;
    (one, other)
}

#[test]
fn each_probe_is_measured_by_the_adapter_that_hears_it() {
    alone("neighbours::each_probe_is_measured_by_the_adapter_that_hears_it", async |folder| {
        let (mut one, mut other) = two(folder, "hci1").await;
        one.measure(BACK_WITHIN).await;
        other.measure(BACK_WITHIN).await;
        let ports = [&one, &other].map(|room| room.device.state().borrow().port.clone());
        assert_eq!(ports, [format!("hci0 {ADDRESS}"), format!("hci1 {OTHER}")]);
        // The second adapter is pulled: the first probe does not notice, the second is back with it.
        one.world.plug_in("hci1", false);
        other.until("lost", BACK_WITHIN, |state| !state.connected).await;
        one.measure(AT_ITS_PACE).await;
        assert!(one.world.is_connected(ADDRESS));
        one.world.plug_in("hci1", true);
        other.measure(BACK_WITHIN).await;
        one.measure(AT_ITS_PACE).await;
    });
}

/// BlueZ answers the attempt to connect to the bad one never. Meanwhile the good one, at the same adapter, is measured at its
/// usual pace.
#[test]
fn a_probe_whose_connection_hangs_delays_nobody() {
    alone("neighbours::a_probe_whose_connection_hangs_delays_nobody", async |folder| {
        let (mut good, mut bad) = two(folder, "hci0").await;
        good.measure(BACK_WITHIN).await;
        bad.measure(BACK_WITHIN).await;
        good.world.switch(OTHER, false);
        bad.until("lost", BACK_WITHIN, |state| !state.connected).await;
        good.world.fail("Connect", None);
        good.world.switch(OTHER, true);
        let hangs = good.world.until(|world| !world.has_faults_ahead());
        timeout(BACK_WITHIN, hangs).await.expect("it is tried");
        for _ in 0..20 {
            good.measure(AT_ITS_PACE).await;
        }
        assert!(!good.world.is_connected(OTHER), "it hung meanwhile");
        // And comes back by itself once the attempt is given up.
        bad.measure(Duration::from_secs(30)).await;
    });
}

/// One adapter that does not say who it is kept those behind it from being taken into use.
#[test]
fn an_adapter_that_does_not_say_who_it_is_hides_no_other() {
    alone("neighbours::an_adapter_that_does_not_say_who_it_is_hides_no_other", async |folder| {
        let world = World::with_adapters(&["hci0", "hci1", "hci2", "hci3"]);
        for nameless in ["hci1", "hci2"] {
            world.make_nameless(nameless);
        }
        let (mut one, mut other) = of(world, folder, "hci3").await;
        one.measure(BACK_WITHIN).await;
        other.measure(BACK_WITHIN).await;
        // And who was taken into use stays so, however often they are counted.
        for _ in 0..3 {
            other.world.switch(OTHER, false);
            other.until("lost", BACK_WITHIN, |state| !state.connected).await;
            other.world.switch(OTHER, true);
            other.measure(BACK_WITHIN).await;
        }
        assert!(one.world.is_connected(ADDRESS));
    });
}

/// An adapter at which every start of a scan hangs stopped the events of all: that a probe at another adapter had gone was
/// told seconds later.
#[test]
fn an_adapter_that_hangs_delays_no_probe_at_another() {
    alone("neighbours::an_adapter_that_hangs_delays_no_probe_at_another", async |folder| {
        let world = World::with_adapters(&["hci0", "hci1"]);
        world.jam("hci0", None);
        let (mut bad, mut good) = of(world, folder, "hci1").await;
        good.measure(BACK_WITHIN).await;
        for _ in 0..3 {
            // It has just begun to hang, and would for the 5 s that a call has.
            let begun = good.world.count("StartDiscovery hci0");
            let again = good.world.until(|world| world.count("StartDiscovery hci0") > begun);
            timeout(BACK_WITHIN, again).await.expect("it is tried again and again");
            good.world.switch(OTHER, false);
            good.until("lost", Duration::from_secs(3), |state| !state.connected).await;
            good.world.switch(OTHER, true);
            good.measure(BACK_WITHIN).await;
        }
        good.world.unjam("hci0");
        bad.measure(Duration::from_secs(30)).await;
        good.measure(AT_ITS_PACE).await;
    });
}
