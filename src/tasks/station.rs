//! The visit in progress at one chair: the scan. One task per station owns it; pages and programs hold a [`StationHandle`].
//!
//! - A value is durable in the store before anyone learns of it: the page, the caller, the device.
//! - Where a scan stands is worked out from the store, so a killed gateway comes back where its durable values left off,
//!   paused, because nobody knows how long the probe was away.
//! - A value that came unasked belongs to the step that waits for exactly that metric, else to the tray. The station binds
//!   it, never the device.
//! - A device that is away holds nothing up: the scan waits, and goes on when it is back.
//!
//! Not done here: treatment steps, consents, photographs, corrections (the store keeps them, the web calls it) and the
//! comparison ([`super::comparison`]). After such a change the web says [`StationHandle::changed`].

mod chair;
mod devices;
mod ending;
mod intake;
mod scan;

pub use chair::Station;
pub use devices::{DeviceView, Fitted};
pub use ending::finish;
pub use scan::progress_of;

use super::{live::Live, observation::Observation, scan_view::ScanView};
use crate::{
    domain::{
        Region, RepeatId, ScanId, VisitId,
        metric::{Label, Metric, MetricId},
        scan::{Phase, ScanState, Step},
    },
    protocol::Spec,
    store::{Store, StoreError},
};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Commands to one station: taps of a few people. When it is full, the tap waits.
const INBOX: usize = 32;

/// What a station needs to know of its house.
#[derive(Debug, Clone)]
pub struct Settings {
    pub id: String,
    pub label: Label,
    pub metrics: Arc<[Metric]>,
    /// What a scan measures, region by region ([`crate::domain::plan::plan`]).
    pub plan: Vec<Step>,
    /// For how far each device repeats itself.
    pub specs: Vec<Arc<Spec>>,
}

/// Why a tap changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    #[error("scan {0} is not under way at this station; read the visit again")]
    NotUnderWay(ScanId),
    #[error("the visit is now at version {0}; look again, then repeat")]
    Stale(u64),
    #[error("the scan is {0}; resume it first")]
    NotRunning(ScanState),
    #[error("nothing is left to measure; finish the scan or repeat a region")]
    NothingWaits,
    #[error("a measurement is under way; wait for it")]
    Measuring,
    #[error("the plan has no region {0}")]
    NoSuchRegion(Region),
    #[error("no device of this station measures {0}; connect one, or skip the region")]
    NoDevice(MetricId),
    #[error("the device for {metric} is away: {}", advice.en)]
    Away { metric: MetricId, advice: Label },
    #[error("no value of {metric}: {}", advice.en)]
    NoValue { metric: MetricId, advice: Label },
    #[error("the customer has not agreed to be measured; record the consent, then repeat")]
    NoConsent,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the gateway is stopping; what was confirmed is safe")]
    Stopped,
}

/// A scan with its visit's version, as answers and live news tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub visit: String,
    pub version: u64,
    pub scan: ScanView,
}

/// A station at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationView {
    pub devices: Vec<DeviceView>,
    /// The scan that runs or pauses.
    pub scan: Option<Told>,
}

/// What a tap wants of the scan under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Pause,
    Resume,
    /// Leave out what is missing at this region.
    Skip(Region),
    /// Measure this region again; what it has stays, superseded.
    Repeat(Region),
    Cancel,
    Finish,
}

type Reply = oneshot::Sender<Result<Told, StationError>>;

#[derive(Debug)]
enum Command {
    Begin { visit: VisitId, seen: u64, phase: Phase, reply: Reply },
    Measure { scan: ScanId, seen: u64, reply: Reply },
    Do { scan: ScanId, seen: u64, verb: Verb, reply: Reply },
    Bind { repeat: RepeatId, scan: ScanId, region: Region, seen: u64, staff: String, reply: Reply },
    View { reply: oneshot::Sender<StationView> },
    Changed { done: oneshot::Sender<()> },
}

/// A chair as others see it. Cheap to clone; the station's task ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct StationHandle {
    id: Arc<str>,
    label: Arc<Label>,
    commands: mpsc::Sender<Command>,
}

/// A station and its handle. `devices` are the ones whose observations arrive at `observations`.
#[must_use]
pub fn station(
    settings: Settings,
    store: Store,
    live: Live,
    devices: Vec<Fitted>,
    observations: mpsc::Receiver<Observation>,
) -> (StationHandle, Station) {
    let (commands, inbox) = mpsc::channel(INBOX);
    let (id, label) = (Arc::from(settings.id.as_str()), Arc::new(settings.label.clone()));
    (StationHandle { id, label, commands }, Station::new(settings, store, live, devices, inbox, observations))
}

impl StationHandle {
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Begins the scan of one phase; `seen` is the visit's version the caller saw.
    ///
    /// # Errors
    /// [`StationError::NoConsent`] without consent to measure; the store's refusals.
    pub async fn begin(&self, visit: VisitId, seen: u64, phase: Phase) -> Result<Told, StationError> {
        self.ask(|reply| Command::Begin { visit, seen, phase, reply }).await
    }

    /// Measures what the current step still lacks, value by value; answers when the last one is durable. A cancelled call
    /// goes on measuring.
    ///
    /// # Errors
    /// [`StationError::NoValue`] with the device's advice; values before it are kept.
    pub async fn measure(&self, scan: ScanId, seen: u64) -> Result<Told, StationError> {
        self.ask(|reply| Command::Measure { scan, seen, reply }).await
    }

    /// # Errors
    /// See [`StationError`]; then nothing has changed.
    pub async fn act(&self, scan: ScanId, seen: u64, verb: Verb) -> Result<Told, StationError> {
        self.ask(|reply| Command::Do { scan, seen, verb, reply }).await
    }

    /// Gives a value from the tray to the scan under way.
    ///
    /// # Errors
    /// When the scan is another one, or the value is not in the tray (any more).
    pub async fn bind(
        &self,
        repeat: RepeatId,
        scan: ScanId,
        region: Region,
        seen: u64,
        staff: String,
    ) -> Result<Told, StationError> {
        self.ask(|reply| Command::Bind { repeat, scan, region, seen, staff, reply }).await
    }

    /// # Errors
    /// [`StationError::Stopped`].
    pub async fn view(&self) -> Result<StationView, StationError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::View { reply }).await.map_err(|_| StationError::Stopped)?;
        answer.await.map_err(|_| StationError::Stopped)
    }

    /// Something of this station's visits was changed in the store by someone else; returns when the station has seen it.
    pub async fn changed(&self) {
        let (done, seen) = oneshot::channel();
        if self.commands.send(Command::Changed { done }).await.is_ok() {
            // A station that is stopping has nothing to see any more.
            let _ = seen.await;
        }
    }

    async fn ask(&self, command: impl FnOnce(Reply) -> Command) -> Result<Told, StationError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| StationError::Stopped)?;
        answer.await.map_err(|_| StationError::Stopped)?
    }
}
