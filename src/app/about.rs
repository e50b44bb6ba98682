//! What the gateway tells headquarters of itself: its version, its chairs, and how each device is. Nothing personal.

use crate::{config::Config, tasks::device::DeviceState};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// A change is told within this, and no more often: batteries empty slowly, and a loose plug must not fill the line.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A device that is watched.
#[derive(Debug)]
pub struct Watched {
    pub station: String,
    pub protocol: String,
    pub state: watch::Receiver<DeviceState>,
}

/// The description as it is now.
#[must_use]
pub fn text(config: &Config, devices: &[Watched]) -> String {
    let about = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "stations": config.stations.iter().map(|station| &station.id).collect::<Vec<_>>(),
        "devices": devices.iter().map(device).collect::<Vec<_>>(),
        "uploads": [crate::sync::upload::PUT],
        "downlinks": [crate::sync::agenda::AGENDA],
    });
    about.to_string()
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
pub async fn run(config: Config, devices: Vec<Watched>, tell: watch::Sender<String>, stop: CancellationToken) {
    let mut turn = tokio::time::interval(TELL_EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turn.tick() => {}
        }
        let now = text(&config, &devices);
        tell.send_if_modified(|told| {
            let other = *told != now;
            if other {
                told.clone_from(&now);
            }
            other
        });
    }
}
