//! Several devices and several adapters of one gateway: one that is bad delays none of the others.

use crate::{
    room::{ADDRESS, BACK_WITHIN, Room, probe, sensor, spec},
    story::alone,
};
use skinlink_fake_bluez::{Sensor, World};
use std::{path::PathBuf, sync::Arc, time::Duration};

const OTHER: &str = "F0:F1:F2:F3:F4:F6";

/// Two probes, each heard by one adapter only.
async fn two(folder: PathBuf, second: &'static str) -> (Room, Room) {
    let world = World::with_adapters(&["hci0", "hci1"]);
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
        one.measure(Duration::from_secs(2)).await;
        assert!(one.world.is_connected(ADDRESS));
        one.world.plug_in("hci1", true);
        other.measure(BACK_WITHIN).await;
        one.measure(Duration::from_secs(2)).await;
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
        tokio::time::timeout(BACK_WITHIN, hangs).await.expect("it is tried");
        for _ in 0..20 {
            good.measure(Duration::from_secs(2)).await;
        }
        assert!(!good.world.is_connected(OTHER), "it hung meanwhile");
        // And comes back by itself once the attempt is given up.
        bad.measure(Duration::from_secs(30)).await;
    });
}
