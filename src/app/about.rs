//! What the gateway tells headquarters of itself: its version, its chairs, how each device is, and how the machine itself is.
//! Nothing personal.

use crate::{
    clock,
    config::Config,
    store::{Backlog, Store},
    sync::{agenda, downlink, package},
    tasks::device::DeviceState,
};
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// A change is told within this, and no more often: batteries empty slowly, and a loose plug must not fill the line.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A record that waits for less is on its way.
const WAITS_MS: i64 = 60_000;

/// Free space is told in steps of this, so that each photograph is no news.
const DISK_STEP_MIB: u64 = 64;

/// A device that is watched.
#[derive(Debug)]
pub struct Watched {
    pub station: String,
    pub protocol: String,
    pub state: watch::Receiver<DeviceState>,
}

/// The description as it is now; `takes`: whether packages are taken; `health` as [`health`] gives it, `null` where nobody has looked yet.
#[must_use]
pub fn text(config: &Config, devices: &[Watched], takes: bool, health: &Value) -> String {
    let always = [agenda::AGENDA, downlink::STAFF, downlink::ORDERS];
    let downlinks = always.into_iter().chain(takes.then_some(package::PACKAGES));
    let about = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "stations": config.stations.iter().map(|station| &station.id).collect::<Vec<_>>(),
        "devices": devices.iter().map(device).collect::<Vec<_>>(),
        "uploads": [crate::sync::upload::PUT],
        "downlinks": downlinks.collect::<Vec<_>>(),
        "health": health,
    });
    about.to_string()
}

/// How the machine is; what cannot be found out is `null`.
async fn health(data: &Path, store: &Store) -> Value {
    const MIB: u64 = 1024 * 1024;
    let disk = statvfs(data).ok();
    #[expect(clippy::useless_conversion, reason = "the width of these fields differs between targets")]
    let mib = |blocks: fn(&nix::sys::statvfs::Statvfs) -> u64| {
        disk.as_ref().map(|disk| blocks(disk).saturating_mul(u64::from(disk.fragment_size())) / MIB)
    };
    let free = mib(|disk| disk.blocks_available()).map(|free| free / DISK_STEP_MIB * DISK_STEP_MIB);
    let now = clock::now();
    let backlog = store.backlog().await.ok();
    let waits = |backlog: &Backlog| backlog.oldest.filter(|at| now.wall.unix_ms() - at.unix_ms() >= WAITS_MS);
    let oldest = backlog.as_ref().and_then(waits);
    json!({
        "disk_free_mib": free,
        "disk_mib": mib(|disk| disk.blocks()),
        "clock": now.clock.as_str(),
        "waiting": backlog.map(|backlog| if oldest.is_some() { backlog.events } else { 0 }),
        "oldest_waiting": oldest.map(|at| at.to_string()),
        // Numbers, as they stand in every record: who stays against the list of the staff; a list at any rate, as headquarters reads it.
        "staff_kept": store.staff_kept().await.unwrap_or_default(),
    })
}

fn device(watched: &Watched) -> Value {
    let state = watched.state.borrow();
    json!({
        "station": watched.station,
        "protocol": watched.protocol,
        "serial": state.identity.as_ref().map(|identity| &identity.serial),
        "firmware": state.identity.as_ref().map(|identity| &identity.firmware),
        "connected": state.connected,
        "battery_percent": state.battery_percent,
        "signal_dbm": state.signal_dbm,
    })
}

/// Keeps the description up to date until `stop`.
pub async fn run(
    config: Config,
    (devices, takes): (Vec<Watched>, bool),
    store: Store,
    tell: watch::Sender<String>,
    stop: CancellationToken,
) {
    let mut turn = tokio::time::interval(TELL_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turn.tick() => {}
        }
        let health = health(&config.store.data, &store).await;
        let now = text(&config, &devices, takes, &health);
        tell.send_if_modified(|told| {
            let other = *told != now;
            if other {
                told.clone_from(&now);
            }
            other
        });
    }
}
