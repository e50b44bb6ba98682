//! Our own eye on the D-Bus, beside the library's: it tells what the library does not.
//!
//! The library drops the handle that would say that its connection broke, and then every call takes 30 s; and when bluetoothd
//! dies, it says nothing at all. Here a second connection watches both: its end is the bus's end, and the bus tells who owns
//! the name `org.bluez`. Over the same connection go the few calls the library has no words for.

use super::trouble::Trouble;
use dbus::{
    message::MatchRule,
    nonblock::{MsgMatch, Proxy, SyncConnection, stdintf::org_freedesktop_dbus::Properties},
};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const BLUEZ: &str = "org.bluez";
const BUS: &str = "org.freedesktop.DBus";

/// BlueZ answers from memory; only connecting and disconnecting wait for the radio.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// systemd waits for the unit; bluetoothd needs a second, its stop two.
const RESTART_LIMIT: Duration = Duration::from_secs(15);

/// The lifeline of one connection to the bus: calls end at once when it breaks.
#[derive(Debug, Clone, Default)]
pub struct Lifeline(CancellationToken);

impl Lifeline {
    /// Resolves when the bus is gone. Cancel-safe.
    pub async fn gone(&self) {
        self.0.cancelled().await;
    }

    /// Awaits a call for `limit` at most, and no longer than there is a bus.
    ///
    /// # Errors
    /// The call's own fault, [`Trouble::TimedOut`], [`Trouble::NoBus`].
    pub async fn within<T, E: Into<Trouble>>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Trouble> {
        tokio::select! {
            () = self.0.cancelled() => Err(Trouble::NoBus),
            answered = timeout(limit, call) => match answered {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Trouble::TimedOut),
            },
        }
    }
}

/// The calls that the library has no words for. Cheap to clone: a call may be awaited beside everything else.
#[derive(Clone)]
pub(super) struct Calls {
    connection: Arc<SyncConnection>,
    pub lifeline: Lifeline,
}

/// The watching connection.
pub(super) struct Bus {
    pub calls: Calls,
    driver: JoinHandle<()>,
    pub lifeline: Lifeline,
    /// Unique bus name of bluetoothd; empty while it does not run. A restart is another name.
    pub daemon: watch::Receiver<String>,
    _names: MsgMatch,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("daemon", &*self.daemon.borrow()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Connects to the system bus.
    ///
    /// # Errors
    /// [`Trouble::NoBus`] and what else the bus may answer.
    pub async fn open() -> Result<Self, Trouble> {
        let (resource, connection) = dbus_tokio::connection::new_system_sync()?;
        let lifeline = Lifeline::default();
        let gone = lifeline.0.clone();
        let held = Arc::clone(&connection);
        #[expect(clippy::disallowed_methods, reason = "moves the connection; ends with it and is ended by its owner")]
        let driver = tokio::spawn(async move {
            // The resource closes its socket before it takes it off the runtime's list, where it is the last to hold it; whoever
            // is given the same number in between is taken off in its place, and never wakes again.
            let open = held;
            // However it ends, there is no bus any more.
            let _ = resource.await;
            gone.cancel();
            drop(open);
        });
        let (tell, daemon) = watch::channel(String::new());
        let rule = MatchRule::new_signal(BUS, "NameOwnerChanged").with_sender(BUS);
        let tell_change = tell.clone();
        let names = lifeline.within(CALL_LIMIT, connection.add_match(rule)).await?.cb(
            move |_, (name, _, now): (String, String, String)| {
                if name == BLUEZ {
                    tell_change.send_replace(now);
                }
                true
            },
        );
        let calls = Calls { connection, lifeline: lifeline.clone() };
        let bus = Self { calls, driver, lifeline, daemon, _names: names };
        if let Ok(owner) = bus.owner().await {
            tell.send_replace(owner);
        }
        Ok(bus)
    }

    /// Who owns `org.bluez`; asking does not start it.
    async fn owner(&self) -> Result<String, Trouble> {
        let bus = Proxy::new(BUS, "/org/freedesktop/DBus", CALL_LIMIT, Arc::clone(&self.calls.connection));
        let asked = bus.method_call(BUS, "GetNameOwner", (BLUEZ,));
        let (owner,): (String,) = self.lifeline.within(CALL_LIMIT, asked).await?;
        Ok(owner)
    }
}

impl Calls {
    /// Switches an adapter (`hci0`) on or off.
    pub async fn set_powered(&self, adapter: &str, on: bool) -> Result<(), Trouble> {
        let path = format!("/org/bluez/{adapter}");
        let proxy = Proxy::new(BLUEZ, path, CALL_LIMIT, Arc::clone(&self.connection));
        self.lifeline.within(CALL_LIMIT, proxy.set("org.bluez.Adapter1", "Powered", on)).await
    }

    /// Whether an adapter scans, for us or for anyone.
    pub async fn discovering(&self, adapter: &str) -> Result<bool, Trouble> {
        let path = format!("/org/bluez/{adapter}");
        let proxy = Proxy::new(BLUEZ, path, CALL_LIMIT, Arc::clone(&self.connection));
        self.lifeline.within(CALL_LIMIT, proxy.get("org.bluez.Adapter1", "Discovering")).await
    }

    /// Asks systemd to start bluetoothd anew. Refused where the gateway's user has no right to do so.
    pub async fn restart_daemon(&self) -> Result<(), Trouble> {
        let systemd = "org.freedesktop.systemd1";
        let proxy = Proxy::new(systemd, "/org/freedesktop/systemd1", RESTART_LIMIT, Arc::clone(&self.connection));
        let asked =
            proxy.method_call("org.freedesktop.systemd1.Manager", "RestartUnit", ("bluetooth.service", "replace"));
        let (_job,): (dbus::Path<'static>,) = self.lifeline.within(RESTART_LIMIT, asked).await?;
        Ok(())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // The driver holds the connection: without this each bus that was given up would keep its socket.
        self.driver.abort();
    }
}
