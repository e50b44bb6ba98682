//! From a device that was just heard to one that sends: connect, look at what it has, subscribe. Each step has its limit,
//! and whatever fails leaves no attempt behind inside BlueZ.

use super::{air::Sighting, bus::Lifeline, trouble::Trouble};
use crate::{
    ports::LinkError,
    protocol::air::{Ble, Write, number, shown},
};
use btleplug::{
    api::{Characteristic, Peripheral as _, ValueNotification, WriteType},
    platform::Peripheral,
};
use futures_util::Stream;
use std::{io, pin::Pin, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// A device that was heard a moment ago answers within a second; one at the edge of reach needs some tries of the radio.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// BlueZ keeps a link for 2 s after it was told to let go.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Services and characteristics of a large device over a weak link.
const DISCOVER_LIMIT: Duration = Duration::from_secs(10);
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(5);
const READ_LIMIT: Duration = Duration::from_secs(5);

/// BlueZ may say that services are known before it shows them: looked at again so often, at this pace.
const DISCOVER_TRIES: u32 = 10;
const DISCOVER_PAUSE: Duration = Duration::from_millis(200);

/// Without an answer about it, 20 bytes fit into every write (ATT_MTU 23 less 3).
const LEAST_WRITE: usize = 20;

/// The longest value of a characteristic (Core 5.4, Vol 3 Part F, 3.2.9).
const LONGEST_WRITE: usize = 512;

/// What comes from the device.
pub(super) type Notifications = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// A device that is connected and subscribed.
pub(super) struct Connected {
    pub peripheral: Peripheral,
    pub notifications: Notifications,
    /// What was read, as if it had been notified.
    pub read: Vec<Vec<u8>>,
    /// What is heard begins with the number of its characteristic.
    pub numbered: bool,
    /// Where commands go, how, and how many bytes at once.
    pub command: Option<(Characteristic, WriteType)>,
    pub write_size: usize,
}

/// Connects to what was sighted and subscribes to all that sends; gives up when it is `gone`.
pub(super) async fn connect(sighting: &Sighting, ble: &Ble, gone: &CancellationToken) -> Result<Connected, LinkError> {
    let Sighting { peripheral, lifeline, address, .. } = sighting;
    let connected = tokio::select! {
        () = gone.cancelled() => Err(Trouble::NotConnected.into()),
        connected = attempt(peripheral, lifeline, ble) => connected,
    };
    if connected.is_err() {
        // BlueZ goes on trying otherwise, and every later attempt is refused as already in progress.
        let _ = lifeline.within(DISCONNECT_LIMIT, peripheral.disconnect()).await;
    }
    connected.map_err(|fault| match fault {
        Fault::Stack(trouble) => trouble.link_error(address),
        Fault::Lacks(what) => LinkError::Io(io::Error::other(format!(
            "{address} has no characteristic {what}; it is another device than its protocol file means"
        ))),
    })
}

enum Fault {
    Stack(Trouble),
    Lacks(String),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Stack(trouble)
    }
}

async fn attempt(peripheral: &Peripheral, lifeline: &Lifeline, ble: &Ble) -> Result<Connected, Fault> {
    lifeline.within(CONNECT_LIMIT, peripheral.connect()).await?;
    let found = discover(peripheral, lifeline).await?;
    let find = |uuid| found.iter().find(|one| one.uuid == uuid).cloned().ok_or_else(|| Fault::Lacks(shown(uuid)));
    // The stream first: a device may send the moment it is subscribed to, or even before (sessions outlive a reconnect).
    let notifications = lifeline.within(SUBSCRIBE_LIMIT, peripheral.notifications()).await?;
    let command = match ble.command() {
        None => None,
        Some(command) => {
            let how = match command.write {
                Some(Write::WithoutResponse) => WriteType::WithoutResponse,
                Some(Write::WithResponse) | None => WriteType::WithResponse,
            };
            Some((find(command.uuid)?, how))
        }
    };
    for sending in ble.sending() {
        lifeline.within(SUBSCRIBE_LIMIT, peripheral.subscribe(&find(sending.uuid)?)).await?;
    }
    let readable: Vec<&Characteristic> =
        ble.readable().filter_map(|wanted| found.iter().find(|one| one.uuid == wanted.uuid)).collect();
    let mut read = Vec::new();
    for characteristic in readable {
        match lifeline.within(READ_LIMIT, peripheral.read(characteristic)).await {
            Ok(value) => read.push([number(characteristic.uuid), value].concat()),
            Err(Trouble::NoBus) => return Err(Trouble::NoBus.into()),
            // What a device does not let be read it is without: its values do not wait for that.
            Err(trouble) => debug!(characteristic = shown(characteristic.uuid), ?trouble, "not read"),
        }
    }
    // A longer write would be refused, or sent by a procedure that small devices do not have.
    let write_size = usize::from(peripheral.mtu()).saturating_sub(3).clamp(LEAST_WRITE, LONGEST_WRITE);
    let (peripheral, numbered) = (peripheral.clone(), ble.numbered);
    Ok(Connected { peripheral, notifications, read, numbered, command, write_size })
}

async fn discover(peripheral: &Peripheral, lifeline: &Lifeline) -> Result<Vec<Characteristic>, Trouble> {
    for _ in 0..DISCOVER_TRIES {
        lifeline.within(DISCOVER_LIMIT, peripheral.discover_services()).await?;
        let found: Vec<Characteristic> = peripheral.characteristics().into_iter().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        sleep(DISCOVER_PAUSE).await;
    }
    Err(Trouble::Other("shows no services".to_owned()))
}

/// Ends what may be left of an earlier connection: while the kernel holds one, the device does not advertise and would never
/// be heard again. An attempt that is still under way inside BlueZ is not told from none at all: so it is always done.
pub(super) async fn let_go(peripheral: &Peripheral, lifeline: &Lifeline) {
    // Not connected, forgotten: both are what was wanted.
    let _ = lifeline.within(DISCONNECT_LIMIT, peripheral.disconnect()).await;
}
