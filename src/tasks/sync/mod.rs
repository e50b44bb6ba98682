//! Drains the outbox to HQ: one connection after another, a fresh one after every error, with jittered waits between. An
//! event leaves the outbox only on HQ's own word. Owns the order of sending and nothing durable: after a kill at any point
//! the next start asks HQ what it holds and goes on from there.

mod gather;
mod greeting;
mod heard;
mod pictures;
mod recall;
mod restored;
mod session;

use crate::{
    clock,
    config::{AcknowledgedBy, Sync},
    domain::Stamp,
    ports::{Connector, UplinkError, Uploader},
    store::{Store, StoreError},
    sync::{backoff::Backoff, topic::Address},
    tasks::{live::Live, orders::OrdersHandle, packages::PackagesHandle},
};
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// A connection that held this long was a good one: the waits start small again.
const HELD_WELL: Duration = Duration::from_secs(30);

/// What the task must know besides its store.
#[derive(Debug, Clone)]
pub struct SyncSettings {
    pub address: Address,
    pub sync: Sync,
    /// Self-description, JSON, published retained on every connect and whenever it changes; nothing personal.
    pub about: watch::Receiver<String>,
    /// Of the daemon.
    pub version: String,
    /// Without one every picture goes in slices. With one, `about` must say so (`uploads`), or HQ names no address.
    pub uploader: Option<Uploader>,
    /// Whom to tell that the day has changed.
    pub live: Option<Live>,
    /// Who takes packages; without one `about` must not name them.
    pub packages: Option<PackagesHandle>,
    /// Who does what HQ says beside; `None`: `about` must not name `staff` and `orders`.
    pub errands: Option<Errands>,
}

/// Where words of HQ go that concern others than the sync task.
#[derive(Debug, Clone)]
pub struct Errands {
    pub orders: OrdersHandle,
    /// Moves when somebody may have been let in or turned out.
    pub admissions: watch::Sender<u64>,
}

/// How things stand with HQ; for pages and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStatus {
    pub connection: Connection,
    /// Events not known to be at HQ; counted while connected, else as of the last connection.
    pub waiting: u64,
    /// When HQ last confirmed something.
    pub last_acknowledged: Option<Stamp>,
    /// The last thing a person should look at; stays until the next.
    pub alarm: Option<String>,
}

impl Default for SyncStatus {
    fn default() -> Self {
        Self { connection: Connection::Connecting, waiting: 0, last_acknowledged: None, alarm: None }
    }
}

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    /// HQ has answered on this connection.
    Connected,
    /// The broker is there, HQ does not answer.
    HqSilent,
    Down(UplinkError),
    /// The store cannot read or record (a full disk, mostly): nothing is sent until it can again.
    Stalled(String),
}

/// Sends until `stop`. Everything is kept while there is no connection. A store that cannot record HQ's word (a full disk)
/// is waited for: HQ repeats it.
///
/// # Errors
/// [`StoreError::Stopped`]: without a store there is nothing to send.
pub async fn run(
    store: Store,
    connector: Connector,
    settings: SyncSettings,
    status: watch::Sender<SyncStatus>,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut backoff = Backoff::for_chain(settings.sync.chain_stores);
    if settings.sync.acknowledged_by == AcknowledgedBy::Broker {
        warn!("events leave the outbox on the broker's word (sync.acknowledged_by); what it loses is lost");
    }
    loop {
        status.send_modify(|status| status.connection = Connection::Connecting);
        let connected = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            connected = connector() => connected,
        };
        let fault = match connected {
            Err(reason) => Fault::Line(reason),
            Ok(uplink) => {
                info!("connected to HQ's broker");
                crate::faults::point("sync.connected");
                let since = Instant::now();
                let end = session::run(&store, uplink, &settings, &status, &stop).await;
                if since.elapsed() >= HELD_WELL {
                    backoff.reset();
                }
                match end {
                    Ok(session::End::Stopped) => return Ok(()),
                    Ok(session::End::Lost(reason)) => Fault::Line(reason),
                    Err(StoreError::Stopped) => return Err(StoreError::Stopped),
                    Err(fault) => Fault::Store(fault),
                }
            }
        };
        let wait = backoff.next(fastrand::f64());
        match fault {
            Fault::Line(reason) => report(&reason, wait, &status),
            Fault::Store(fault) => stalled(&fault, wait, &status),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(wait) => {}
        }
    }
}

/// Why a connection ended.
enum Fault {
    Line(UplinkError),
    Store(StoreError),
}

fn stalled(fault: &StoreError, wait: Duration, status: &watch::Sender<SyncStatus>) {
    error!(%fault, wait_ms = wait.as_millis(), "HQ's word cannot be recorded; the connection is given up until it can");
    let alarm = format!("nothing is sent to HQ: {fault}");
    status.send_modify(|status| {
        status.connection = Connection::Stalled(fault.to_string());
        status.alarm = Some(alarm);
    });
}

fn report(reason: &UplinkError, wait: Duration, status: &watch::Sender<SyncStatus>) {
    let wait_ms = wait.as_millis();
    if reason.needs_a_person() {
        error!(%reason, wait_ms, "no connection to HQ; everything is kept");
    } else {
        warn!(%reason, wait_ms, "no connection to HQ; everything is kept");
    }
    status.send_modify(|status| {
        status.connection = Connection::Down(reason.clone());
        if reason.needs_a_person() {
            status.alarm = Some(reason.to_string());
        }
    });
}

/// Notes that HQ has confirmed something.
fn confirmed(status: &watch::Sender<SyncStatus>, waiting: u64) {
    status.send_modify(|status| {
        status.connection = Connection::Connected;
        status.waiting = waiting;
        status.last_acknowledged = Some(clock::now());
    });
}
