//! The daemon on the bus: shows the world, and may be killed while the world goes on.

use crate::{
    Bus, World,
    objects::{
        Adapter, Characteristic, Device, NOT_HEARD, adapter_path, characteristic_path, device_path, show_services,
    },
};
use std::{sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::{task::JoinHandle, time::interval};
use zbus::{Connection, connection, fdo::ObjectManager};

/// A device in a test advertises so often.
const ADVERTISES_EVERY: Duration = Duration::from_millis(50);

/// A running daemon.
#[derive(Debug)]
pub struct Bluetoothd {
    connection: Connection,
    world: World,
    radio: JoinHandle<()>,
}

impl Bluetoothd {
    /// Starts it on `bus`. What the kernel still holds connected is shown so.
    ///
    /// # Panics
    /// Where the bus does not take it.
    pub async fn start(bus: &Bus, world: &World) -> Self {
        let built = connection::Builder::address(bus.address().as_str())
            .and_then(|builder| builder.serve_at("/", ObjectManager))
            .expect("the address and the paths are sound")
            .build();
        let connection = built.await.expect("the bus takes us");
        world.change(|state| state.radios.values_mut().for_each(|radio| radio.scanning = false));
        show(&connection, world).await;
        connection.request_name("org.bluez").await.expect("the name is free");
        let radio = tokio::spawn(radio(connection.clone(), world.clone()));
        Self { connection, world: world.clone(), radio }
    }

    /// Kills it: nothing is told to anyone, the connections stay.
    pub async fn kill(self) {
        self.radio.abort();
        // Dead is dead, however the socket ends.
        let _ = self.connection.close().await;
    }

    /// A device sends a value; it is lost where nobody has subscribed.
    pub async fn notify(&self, address: &str, uuid: &str, bytes: &[u8]) {
        let listens = self
            .world
            .state()
            .bodies
            .get(address)
            .is_some_and(|body| body.connected && body.notifying.iter().any(|subscribed| subscribed == uuid));
        let Some(path) = characteristic_path(&self.world, address, uuid).filter(|_| listens) else { return };
        let Ok(found) = self.connection.object_server().interface::<_, Characteristic>(path).await else { return };
        found.get_mut().await.value = bytes.to_vec();
        // Nobody on the bus any more: lost, as in the air.
        let _ = found.get().await.value_changed(found.signal_emitter()).await;
    }
}

/// Shows the world after a change that came from inside a call on one of its objects.
pub(crate) fn settle(connection: Connection, world: World) {
    tokio::spawn(async move { show(&connection, &world).await });
}

/// Advertisements while a scan runs, and whatever changes in the world.
async fn radio(connection: Connection, world: World) {
    let mut changes = world.changes();
    let mut advertise = interval(ADVERTISES_EVERY);
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            _ = advertise.tick() => world.state().pulse += 1,
        }
        show(&connection, &world).await;
    }
}

/// Brings the objects on the bus in line with the world.
async fn show(connection: &Connection, world: &World) {
    let server = connection.object_server();
    let (names, pulse) = {
        let state = world.state();
        (state.radios.keys().copied().collect::<Vec<_>>(), state.pulse)
    };
    for name in names {
        let (path, plugged) = (adapter_path(name), world.radio(name).plugged);
        let shown = server.interface::<_, Adapter>(path.as_str()).await;
        match (plugged, &shown) {
            (true, Err(_)) => {
                let _ = server.at(path.as_str(), Adapter::new(world.clone(), name)).await;
            }
            (_, Ok(adapter)) => {
                let object = adapter.get().await;
                let powered = world.radio(name).powered;
                if object.shown.swap(powered, SeqCst) != powered {
                    let _ = object.powered_changed(adapter.signal_emitter()).await;
                }
            }
            (false, Err(_)) => {}
        }
        let by_it = |state: &crate::world::State| {
            let bodies = state.bodies.iter().filter(|(_, body)| body.sensor.adapter == name);
            bodies.map(|(address, _)| address.clone()).collect::<Vec<_>>()
        };
        let addresses = by_it(&world.state());
        for address in addresses {
            show_device(connection, world, &address, pulse).await;
            if !plugged {
                let _ = server.remove::<Device, _>(device_path(world, &address)).await;
            }
        }
        if !plugged && shown.is_ok() {
            let _ = server.remove::<Adapter, _>(path.as_str()).await;
        }
    }
}

async fn show_device(connection: &Connection, world: &World, address: &str, pulse: u64) {
    let server = connection.object_server();
    let (heard, connected) = {
        let state = world.state();
        let Some(body) = state.bodies.get(address) else { return };
        let hears = state.radios.get(body.sensor.adapter).is_some_and(|radio| radio.scanning && radio.powered);
        (hears && body.on && !body.connected, body.connected)
    };
    let path = device_path(world, address);
    let Ok(found) = server.interface::<_, Device>(path.as_str()).await else {
        if heard || connected {
            let device = Device::new(world.clone(), address, if heard { -50 } else { NOT_HEARD }, connected);
            let _ = server.at(path, device).await;
            if connected {
                let _ = show_services(connection, world, address).await;
            }
        }
        return;
    };
    let device = found.get().await;
    if !connected && device.shown.swap(false, SeqCst) {
        device.resolved.store(false, SeqCst);
        let _ = device.services_resolved_changed(found.signal_emitter()).await;
        let _ = device.connected_changed(found.signal_emitter()).await;
    }
    if heard {
        device.rssi.store(if pulse.is_multiple_of(2) { -50 } else { -51 }, SeqCst);
        let _ = device.r_s_s_i_changed(found.signal_emitter()).await;
        // As BlueZ: only what is not as it was before.
        if world.take_new(address) {
            let _ = device.service_data_changed(found.signal_emitter()).await;
        }
    } else if !world.radio(world.adapter_of(address)).scanning {
        device.rssi.store(NOT_HEARD, SeqCst);
    }
}
