//! Whom the gateway asks for a restart of bluetoothd. It writes that down and does nothing: a test starts bluetoothd itself.

use crate::{Bus, World};
use zbus::{Connection, connection, interface, zvariant::OwnedObjectPath};

/// The system's own manager on the bus, as far as it is asked.
#[derive(Debug)]
pub struct Systemd {
    _connection: Connection,
}

impl Systemd {
    /// Starts it on `bus`. What it is asked stands among the calls of `world`.
    ///
    /// # Panics
    /// Where the bus does not take it.
    pub async fn start(bus: &Bus, world: &World) -> Self {
        let built = connection::Builder::address(bus.address().as_str())
            .and_then(|builder| builder.name("org.freedesktop.systemd1"))
            .and_then(|builder| builder.serve_at("/org/freedesktop/systemd1", Manager { world: world.clone() }))
            .expect("the address, the name and the path are sound")
            .build();
        Self { _connection: built.await.expect("the bus takes us") }
    }
}

struct Manager {
    world: World,
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn restart_unit(&self, name: &str, _mode: &str) -> OwnedObjectPath {
        self.world.called("RestartUnit", name);
        OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/1").expect("a sound path")
    }
}
