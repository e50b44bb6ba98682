//! One adapter: its events, its scan, its watchdog.
//!
//! Whatever is asked of an adapter is [`Work`] that is awaited beside everything else, one thing at a time for each adapter:
//! one that stands still keeps only itself.

use super::{
    bus::{CALL_LIMIT, Calls, Lifeline},
    trouble::Trouble,
    watchdog::Watchdog,
};
use btleplug::{
    api::{Central as _, CentralEvent, ScanFilter},
    platform::{Adapter, PeripheralId},
};
use futures_util::{FutureExt as _, Stream, future::BoxFuture};
use std::{fmt, pin::Pin, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use uuid::Uuid;

/// How long an adapter stays off when it is switched off and on: firmware of USB adapters starts anew within a second.
const OFF_FOR: Duration = Duration::from_secs(1);

/// What an adapter tells.
pub(super) type Events = Pin<Box<dyn Stream<Item = CentralEvent> + Send>>;

/// What can be asked of an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// Listen to these services (empty: everything); `anew`: a scan of ours runs and is ended first.
    Scan { wanted: Vec<Uuid>, anew: bool },
    /// End the scan.
    Rest,
    /// Look whether the scan still runs: whoever switches the adapter off ends it, and it is not told.
    Look,
    /// Off and on.
    PowerCycle,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Worked {
    Scans(Vec<Uuid>),
    ScanRefused(Trouble),
    Rests,
    /// `false`: the scan is over without our doing.
    StillScans(bool),
    Cycled,
}

/// One adapter that is in use.
pub(super) struct Seat {
    /// Tells it from an earlier one of the same name.
    pub number: u64,
    pub adapter: Adapter,
    /// `hci0`.
    pub name: String,
    pub events: Events,
    /// The services that are scanned for; empty: everything. `None`: no scan of ours runs.
    scanning: Option<Vec<Uuid>>,
    at_work: bool,
    /// Why its last scan did not begin.
    pub fault: Option<Trouble>,
    pub watchdog: Watchdog,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, adapter: _, name, events: _, scanning, at_work, fault, watchdog } = self;
        f.debug_struct("Seat")
            .field("number", number)
            .field("name", name)
            .field("scanning", scanning)
            .field("at_work", at_work)
            .field("fault", fault)
            .field("watchdog", watchdog)
            .finish_non_exhaustive()
    }
}

impl Seat {
    /// Takes an adapter into use.
    pub fn new(number: u64, (adapter, name, events): (Adapter, String, Events), watchdog: Watchdog) -> Self {
        Self { number, adapter, name, events, scanning: None, at_work: false, fault: None, watchdog }
    }

    /// Whether something may be asked of it now.
    pub const fn is_free(&self) -> bool {
        !self.at_work
    }

    /// Whether it listens, as far as is known, and is not held to be deaf.
    pub fn listens(&self) -> bool {
        self.scanning.is_some() && self.watchdog.complaint().is_none()
    }

    /// What brings it to listen to `wanted`. A silent one is made to listen to everything: of a scan for one service nothing
    /// comes while that one device is switched off.
    pub fn towards(&self, wanted: &[Uuid], now: Instant) -> Option<Work> {
        let wanted: &[Uuid] = if self.watchdog.doubts(now.into_std()) { &[] } else { wanted };
        let anew = self.scanning.is_some();
        (self.scanning.as_deref() != Some(wanted)).then(|| Work::Scan { wanted: wanted.to_vec(), anew })
    }

    /// What ends its scan, if one runs.
    pub fn towards_rest(&self) -> Option<Work> {
        self.scanning.is_some().then_some(Work::Rest)
    }

    /// What looks after its scan, if one runs.
    pub fn look(&self) -> Option<Work> {
        self.scanning.is_some().then_some(Work::Look)
    }

    /// Begins `work`; [`Self::worked`] wants to be told of its end.
    pub fn begin(&mut self, work: Work, calls: &Calls) -> BoxFuture<'static, (u64, Worked)> {
        self.at_work = true;
        if matches!(work, Work::Rest | Work::PowerCycle) {
            self.scan_ended();
        }
        let (number, adapter, name, calls) = (self.number, self.adapter.clone(), self.name.clone(), calls.clone());
        async move { (number, perform(work, &adapter, &name, &calls).await) }.boxed()
    }

    /// Takes note of work that is done; `true`: it should be looked at once what is next.
    pub fn worked(&mut self, worked: Worked) -> bool {
        self.at_work = false;
        match worked {
            Worked::Scans(wanted) => {
                self.scanning = Some(wanted);
                self.fault = None;
                self.watchdog.answered();
                self.watchdog.listens(Some(Instant::now().into_std()));
                false
            }
            // Tried again at its own pace.
            Worked::ScanRefused(trouble) => {
                self.scan_ended();
                self.fault = Some(trouble);
                self.watchdog.failed();
                false
            }
            // Silence goes on being counted.
            Worked::StillScans(false) => {
                self.scanning = None;
                true
            }
            Worked::StillScans(true) => false,
            Worked::Rests | Worked::Cycled => true,
        }
    }

    /// The scan is over: it was ended, the adapter was switched off, or bluetoothd began anew.
    pub fn scan_ended(&mut self) {
        self.scanning = None;
        self.watchdog.listens(None);
    }

    /// Ends what may run, for good.
    pub async fn part(&mut self, lifeline: &Lifeline) {
        if self.scanning.is_some() || self.at_work {
            let _ = lifeline.within(CALL_LIMIT, self.adapter.stop_scan()).await;
        }
    }
}

async fn perform(work: Work, adapter: &Adapter, name: &str, calls: &Calls) -> Worked {
    let lifeline = &calls.lifeline;
    let stop = || lifeline.within(CALL_LIMIT, adapter.stop_scan());
    match work {
        Work::Scan { wanted, anew } => {
            let filter = ScanFilter { services: wanted.clone() };
            if anew {
                // "No discovery started" is what was wanted.
                let _ = stop().await;
            }
            let mut started = lifeline.within(CALL_LIMIT, adapter.start_scan(filter.clone())).await;
            if started == Err(Trouble::Busy) {
                // Our own scan from before a fault still runs inside BlueZ.
                let _ = stop().await;
                started = lifeline.within(CALL_LIMIT, adapter.start_scan(filter)).await;
            }
            started.map_or_else(Worked::ScanRefused, |()| Worked::Scans(wanted))
        }
        Work::Rest => {
            let _ = stop().await;
            Worked::Rests
        }
        // Where that is not answered, nothing is known.
        Work::Look => Worked::StillScans(calls.discovering(name).await != Ok(false)),
        Work::PowerCycle => {
            info!(adapter = name, "the Bluetooth adapter gives no sign; it is switched off and on");
            let off = calls.set_powered(name, false).await;
            sleep(OFF_FOR).await;
            let on = calls.set_powered(name, true).await;
            if let Err(trouble) = off.and(on) {
                warn!(adapter = name, ?trouble, "the Bluetooth adapter could not be switched off and on");
            }
            Worked::Cycled
        }
    }
}

/// Its name: `hci0`.
pub(super) async fn name_of(adapter: &Adapter, lifeline: &Lifeline) -> Result<String, Trouble> {
    // "hci0 (usb:v1D6Bp0246d0542)"
    let info = lifeline.within(CALL_LIMIT, adapter.adapter_info()).await?;
    Ok(info.split(' ').next().unwrap_or_default().to_owned())
}

/// `F0:F1:F2:F3:F4:F5` of `hci0/dev_F0_F1_F2_F3_F4_F5`: BlueZ names its objects so, and no question is needed.
pub(super) fn address_of(id: &PeripheralId) -> Option<String> {
    let text = id.to_string();
    let (_, tail) = text.rsplit_once("/dev_")?;
    (tail.len() == 17).then(|| tail.replace('_', ":"))
}
