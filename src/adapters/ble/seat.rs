//! One adapter: its events, its scan, its watchdog.

use super::{
    bus::{Bus, CALL_LIMIT},
    trouble::Trouble,
    watchdog::{Rung, Watchdog},
};
use btleplug::{
    api::{Central as _, CentralEvent, ScanFilter},
    platform::{Adapter, PeripheralId},
};
use futures_util::Stream;
use std::{fmt, pin::Pin, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use uuid::Uuid;

/// How long an adapter stays off when it is switched off and on: firmware of USB adapters starts anew within a second.
const OFF_FOR: Duration = Duration::from_secs(1);

/// What an adapter tells.
pub(super) type Events = Pin<Box<dyn Stream<Item = CentralEvent> + Send>>;

/// One adapter that is in use.
pub(super) struct Seat {
    pub adapter: Adapter,
    /// `hci0`.
    pub name: String,
    pub events: Events,
    /// The services that are scanned for; empty: everything. `None`: no scan of ours runs.
    scanning: Option<Vec<Uuid>>,
    pub watchdog: Watchdog,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter: _, name, events: _, scanning, watchdog } = self;
        f.debug_struct("Seat")
            .field("name", name)
            .field("scanning", scanning)
            .field("watchdog", watchdog)
            .finish_non_exhaustive()
    }
}

impl Seat {
    /// Takes an adapter into use: its events from now on.
    pub async fn take(adapter: Adapter, name: String, bus: &Bus) -> Result<Self, Trouble> {
        let events = bus.lifeline.within(CALL_LIMIT, adapter.events()).await?;
        Ok(Self { adapter, name, events, scanning: None, watchdog: Watchdog::default() })
    }

    /// Scans for `wanted` (empty: everything), or goes on doing so.
    pub async fn scan(&mut self, wanted: &[Uuid], bus: &Bus) -> Result<(), Trouble> {
        if self.scanning.as_deref() == Some(wanted) {
            return Ok(());
        }
        self.rest(bus).await;
        let filter = ScanFilter { services: wanted.to_vec() };
        let mut started = bus.lifeline.within(CALL_LIMIT, self.adapter.start_scan(filter.clone())).await;
        if started == Err(Trouble::Busy) {
            // Our own scan from before a fault still runs inside BlueZ.
            let _ = bus.lifeline.within(CALL_LIMIT, self.adapter.stop_scan()).await;
            started = bus.lifeline.within(CALL_LIMIT, self.adapter.start_scan(filter)).await;
        }
        match started {
            Ok(()) => {
                self.scanning = Some(wanted.to_vec());
                self.watchdog.answered();
                self.watchdog.listens(Some(Instant::now().into_std()));
                Ok(())
            }
            Err(trouble) => {
                self.watchdog.failed();
                Err(trouble)
            }
        }
    }

    /// Ends the scan, if one runs.
    pub async fn rest(&mut self, bus: &Bus) {
        self.watchdog.listens(None);
        if self.scanning.take().is_some() {
            // "No discovery started" is what was wanted.
            let _ = bus.lifeline.within(CALL_LIMIT, self.adapter.stop_scan()).await;
        }
    }

    /// Looks whether our scan still runs: whoever switches the adapter off ends it, and it is not told.
    pub async fn check_scan(&mut self, bus: &Bus) {
        if self.scanning.is_some() && bus.discovering(&self.name).await == Ok(false) {
            self.scanning = None;
        }
    }

    /// The scan is over without our doing: the adapter was switched off, or bluetoothd began anew.
    pub fn scan_ended(&mut self) {
        self.scanning = None;
    }

    /// Does what the watchdog asks for. What does not help shows where the device does: it is not heard.
    pub async fn help(&mut self, rung: Rung, bus: &Bus) {
        let name = &self.name;
        match rung {
            Rung::PowerCycle => {
                info!(adapter = name, "the Bluetooth adapter gives no sign; it is switched off and on");
                self.scanning = None;
                let off = bus.set_powered(name, false).await;
                sleep(OFF_FOR).await;
                let on = bus.set_powered(name, true).await;
                if let Err(trouble) = off.and(on) {
                    warn!(adapter = name, ?trouble, "the Bluetooth adapter could not be switched off and on");
                }
            }
            Rung::RestartDaemon => {
                info!("Bluetooth gives no sign; the system is asked to start it anew");
                if let Err(trouble) = bus.restart_daemon().await {
                    warn!(?trouble, "Bluetooth could not be started anew");
                }
            }
            Rung::TellPeople => {
                warn!(adapter = name, "Bluetooth gives no sign; plug its adapter in again, or restart this machine");
            }
        }
    }
}

/// Its name: `hci0`.
pub(super) async fn name_of(adapter: &Adapter, bus: &Bus) -> Result<String, Trouble> {
    // "hci0 (usb:v1D6Bp0246d0542)"
    let info = bus.lifeline.within(CALL_LIMIT, adapter.adapter_info()).await?;
    Ok(info.split(' ').next().unwrap_or_default().to_owned())
}

/// `F0:F1:F2:F3:F4:F5` of `hci0/dev_F0_F1_F2_F3_F4_F5`: BlueZ names its objects so, and no question is needed.
pub(super) fn address_of(id: &PeripheralId) -> Option<String> {
    let text = id.to_string();
    let (_, tail) = text.rsplit_once("/dev_")?;
    (tail.len() == 17).then(|| tail.replace('_', ":"))
}
