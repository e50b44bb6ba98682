//! The one owner of all scanning: finds devices for whoever asks, and tells when a connected one is gone.
//!
//! Nothing is opened before the first question. A scan runs while somebody looks for a device and a little longer; several
//! devices are looked for at once, on all adapters there are. Connecting is the askers' own work, so that one bad device
//! never delays another.

use super::{
    bus::Lifeline,
    service::{Ended, Service},
    trouble::Trouble,
};
use crate::{ports::LinkError, protocol::air::Advertises};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use std::{collections::HashMap, fmt, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use uuid::Uuid;

/// Questions under way: each device asks one at a time.
const QUESTIONS: usize = 32;

/// How long a device is looked for before the asker is told that it is not heard. Analysers advertise several times a second.
const LOOK: Duration = Duration::from_secs(10);

/// Without a configured address candidates are gathered so long.
const GATHER: Duration = Duration::from_secs(4);

/// Advertisements held for a listener that is slow.
const OVERHEARD: usize = 64;

/// Without D-Bus it is tried again after this; the asker waits meanwhile.
const BUS_AGAIN: Duration = Duration::from_secs(2);

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `F0:F1:F2:F3:F4:F5`; without it candidates are only named: in the air the neighbour's device looks the same.
    pub address: Option<String>,
    pub advertises: Advertises,
    /// It only advertises, and names its service nowhere but in its data: everything has to be listened to.
    pub broadcast: bool,
}

/// Service data of a device that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advertisement {
    pub data: Vec<u8>,
}

/// Somebody who listens to a device that is never connected.
pub(super) struct Listener {
    pub address: String,
    /// Whose data.
    pub service: Uuid,
    pub told: mpsc::Sender<Advertisement>,
}

/// A device that was heard this moment.
#[derive(Debug)]
pub struct Sighting {
    pub(super) peripheral: Peripheral,
    pub(super) lifeline: Lifeline,
    pub address: String,
    /// `hci0`.
    pub adapter: String,
    /// How strongly it was heard, in dBm.
    pub signal_dbm: Option<i16>,
}

pub(super) enum Question {
    Find { wanted: Wanted, answer: oneshot::Sender<Result<Sighting, LinkError>> },
    Listen { listener: Listener },
    Adapters { answer: oneshot::Sender<Vec<(Adapter, Lifeline)>> },
    Guard { device: PeripheralId, gone: CancellationToken },
}

/// The air as others hold it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Air(mpsc::Sender<Question>);

/// Makes the handle and the task behind it, which has to be run.
#[must_use]
pub fn air() -> (Air, AirTask) {
    let (sender, questions) = mpsc::channel(QUESTIONS);
    let task =
        AirTask { questions, seekers: Vec::new(), guards: HashMap::new(), listeners: Vec::new(), told: String::new() };
    (Air(sender), task)
}

/// Looks for one device without anything else running.
///
/// # Errors
/// As [`Air::find`].
pub async fn listen_for(wanted: Wanted) -> Result<Sighting, LinkError> {
    let (air, task) = air();
    let stop = CancellationToken::new();
    let ask = async {
        let found = air.find(wanted).await;
        stop.cancel();
        found
    };
    let (found, ()) = tokio::join!(ask, task.run(stop.clone()));
    found
}

impl Air {
    /// Waits until `wanted` is heard, 10 s at most.
    ///
    /// # Errors
    /// [`LinkError::Unheard`], [`LinkError::NoAddress`] where no address is configured, [`LinkError::NoRadio`].
    pub async fn find(&self, wanted: Wanted) -> Result<Sighting, LinkError> {
        let (answer, found) = oneshot::channel();
        let stopped = || LinkError::NoRadio("the gateway is stopping".to_owned());
        self.0.send(Question::Find { wanted, answer }).await.map_err(|_| stopped())?;
        found.await.map_err(|_| stopped())?
    }

    /// What the device with this address advertises from now on; the channel closes when the radio is lost. Who does not keep
    /// up misses some: they come again.
    pub(super) async fn listen(
        &self,
        address: String,
        service: Uuid,
    ) -> Result<mpsc::Receiver<Advertisement>, LinkError> {
        let (told, advertisements) = mpsc::channel(OVERHEARD);
        let listener = Listener { address, service, told };
        let asked = self.0.send(Question::Listen { listener }).await;
        asked.map_err(|_| LinkError::NoRadio("the gateway is stopping".to_owned()))?;
        Ok(advertisements)
    }

    /// The adapters in use now.
    pub(super) async fn adapters(&self) -> Vec<(Adapter, Lifeline)> {
        let (answer, adapters) = oneshot::channel();
        if self.0.send(Question::Adapters { answer }).await.is_err() {
            return Vec::new();
        }
        adapters.await.unwrap_or_default()
    }

    /// `gone` is cancelled when the device goes, its adapter goes, bluetoothd goes or the bus goes.
    pub(super) async fn guard(&self, device: PeripheralId, gone: CancellationToken) {
        if let Err(refused) = self.0.send(Question::Guard { device, gone }).await
            && let Question::Guard { gone, .. } = refused.0
        {
            gone.cancel();
        }
    }
}

/// Somebody who waits for a device.
pub(super) struct Seeker {
    pub wanted: Wanted,
    pub answer: oneshot::Sender<Result<Sighting, LinkError>>,
    pub until: Instant,
    /// Without a configured address: who fits.
    pub candidates: Vec<String>,
}

/// The owner. Run it once; it ends with `stop`.
pub struct AirTask {
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) seekers: Vec<Seeker>,
    pub(super) guards: HashMap<PeripheralId, CancellationToken>,
    pub(super) listeners: Vec<Listener>,
    /// What kept the radio from working when it was last looked at; empty while it works.
    pub(super) told: String,
}

impl fmt::Debug for AirTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AirTask")
            .field("seekers", &self.seekers.len())
            .field("guards", &self.guards.len())
            .finish_non_exhaustive()
    }
}

impl AirTask {
    /// Serves until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(question) = self.next(&stop).await {
            match Service::open().await {
                Ok(mut service) => {
                    service.take(question, &mut self).await;
                    let ended = service.serve(&mut self, &stop).await;
                    if matches!(ended, Ended::Stopped) {
                        service.part(&self).await;
                        self.all_gone();
                        break;
                    }
                    self.all_gone();
                    info!("the connection to D-Bus is gone; a new one is made");
                }
                Err(trouble) => {
                    debug!(?trouble, "no D-Bus");
                    self.refuse(question, &trouble, &stop).await;
                }
            }
        }
    }

    async fn next(&mut self, stop: &CancellationToken) -> Option<Question> {
        tokio::select! {
            () = stop.cancelled() => None,
            question = self.questions.recv() => question,
        }
    }

    /// Tells every seeker, after a pause, why nothing can be heard.
    async fn refuse(&mut self, question: Question, trouble: &Trouble, stop: &CancellationToken) {
        match question {
            Question::Find { wanted, answer } => self.seek(wanted, answer),
            Question::Guard { gone, .. } => gone.cancel(),
            // It looks for its device anew, and is told then.
            Question::Listen { listener } => drop(listener),
            // Nobody to let go of.
            Question::Adapters { answer } => return drop(answer.send(Vec::new())),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(BUS_AGAIN) => {}
        }
        for seeker in self.seekers.drain(..) {
            let what = seeker.wanted.address.as_deref().unwrap_or("the device");
            let _ = seeker.answer.send(Err(trouble.clone().link_error(what)));
        }
    }

    pub(super) fn seek(&mut self, wanted: Wanted, answer: oneshot::Sender<Result<Sighting, LinkError>>) {
        let until = Instant::now() + if wanted.address.is_some() { LOOK } else { GATHER };
        self.seekers.push(Seeker { wanted, answer, until, candidates: Vec::new() });
    }

    /// Nothing holds any more: links are over, and whoever looks for a device begins anew, by letting go of it first (the
    /// kernel may still hold its link, and then it would never be heard).
    pub(super) fn all_gone(&mut self) {
        self.listeners.clear();
        for (_, gone) in self.guards.drain() {
            gone.cancel();
        }
        for Seeker { wanted, answer, .. } in self.seekers.drain(..) {
            let what = wanted.address.unwrap_or_else(|| "the device".to_owned());
            let _ = answer.send(Err(LinkError::Unheard { what }));
        }
    }

    pub(super) fn gone(&mut self, device: &PeripheralId) {
        if let Some(gone) = self.guards.remove(device) {
            gone.cancel();
        }
    }

    pub(super) fn tell(&mut self, trouble: &Trouble) {
        debug!(?trouble, "the air cannot be listened to");
        self.told = trouble.clone().adapter_error().to_string();
    }

    /// The services to scan for; empty where anyone looks for something else than a service.
    pub(super) fn services(&self) -> Vec<Uuid> {
        let mut services = Vec::new();
        if !self.listeners.is_empty() || self.seekers.iter().any(|seeker| seeker.wanted.broadcast) {
            return services;
        }
        for seeker in &self.seekers {
            let Some(service) = seeker.wanted.advertises.service else { return Vec::new() };
            if !services.contains(&service) {
                services.push(service);
            }
        }
        services.sort_unstable();
        services
    }
}
