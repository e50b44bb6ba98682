//! Opens one configured device again and again: let go, hear, connect.

use super::{
    air::{Air, Sighting, Wanted},
    connect::{connect, let_go},
    link::BleLink,
    seat::address_of,
};
use crate::{
    ports::{LinkError, Opened},
    protocol::air::Ble,
    sync::backoff::Backoff,
};
use btleplug::api::{Central as _, Peripheral as _};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

/// Between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long BlueZ may take to list what it knows.
const LIST_LIMIT: Duration = Duration::from_secs(5);

/// One configured device.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// `F0:F1:F2:F3:F4:F5`; without it the candidates are named and none is opened.
    pub address: Option<String>,
    pub ble: Ble,
}

/// A device on its way to being open.
pub type Opening = Pin<Box<dyn Future<Output = Result<Opened<BleLink>, LinkError>> + Send>>;

struct State {
    backoff: Backoff,
    failed: bool,
}

/// What the device's task calls whenever it needs a connection.
pub fn opener(air: Air, device: Pinned) -> impl FnMut() -> Opening + Send + 'static {
    let device = Arc::new(device);
    // One task calls it, one call at a time; the lock only says so to the compiler.
    let state = Arc::new(Mutex::new(State { backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), failed: false }));
    move || {
        let (air, device, state) = (air.clone(), Arc::clone(&device), Arc::clone(&state));
        Box::pin(async move {
            let mut state = state.lock().await;
            if std::mem::take(&mut state.failed) {
                sleep(state.backoff.next(fastrand::f64())).await;
            }
            // The search waits for the device by itself; a pause is for those that are heard and cannot be connected.
            let sighting = find(&air, &device).await?;
            let opened = open(&air, &device, sighting).await;
            match &opened {
                Ok(_) => state.backoff.reset(),
                Err(_) => state.failed = true,
            }
            opened
        })
    }
}

async fn find(air: &Air, device: &Pinned) -> Result<Sighting, LinkError> {
    if let Some(address) = &device.address {
        release(air, address).await;
    }
    let (address, advertises) = (device.address.clone(), device.ble.advertises.clone());
    air.find(Wanted { address, advertises, broadcast: device.ble.broadcast.is_some() }).await
}

async fn open(air: &Air, device: &Pinned, sighting: Sighting) -> Result<Opened<BleLink>, LinkError> {
    let gone = CancellationToken::new();
    // However this ends, the air guards no link that is not there: it would be held to be one that must not be cut.
    let guarded = gone.clone().drop_guard();
    // Before connecting, so that no loss falls between.
    air.guard(sighting.peripheral.id(), gone.clone()).await;
    let connected = connect(&sighting, &device.ble, &gone).await?;
    let Sighting { peripheral: _, lifeline, address, adapter, signal_dbm } = sighting;
    let port = format!("{adapter} {address}");
    guarded.disarm();
    let link = BleLink::new(connected, address.clone(), lifeline, gone);
    Ok(Opened { link, serial: address, port, wanted: None, signal_dbm })
}

/// Ends what is left of an earlier connection, on every adapter.
async fn release(air: &Air, address: &str) {
    for (adapter, lifeline) in air.adapters().await {
        let Ok(known) = lifeline.within(LIST_LIMIT, adapter.peripherals()).await else { continue };
        for peripheral in known.into_iter().filter(|one| address_of(&one.id()).as_deref() == Some(address)) {
            let_go(&peripheral, &lifeline).await;
        }
    }
}
