//! The air over one connection to the bus: adapters, their scans and events, who is looked for and who is connected.

use super::{
    air::{Advertisement, AirTask, Question, Seeker, Sighting},
    bus::{Bus, CALL_LIMIT},
    seat::{Seat, address_of, name_of},
    trouble::Trouble,
    watchdog::{Rung, Watchdog},
};
use crate::ports::LinkError;
use btleplug::{
    api::{Central as _, CentralEvent, CentralState, Manager as _, Peripheral as _},
    platform::{Manager, PeripheralId},
};
use futures_util::{FutureExt as _, StreamExt as _, future::join_all, stream::SelectAll};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A scan goes on for so long after the last question: whoever looks for a missing device asks again at once.
const LINGER: Duration = Duration::from_secs(3);

/// Deadlines, watchdogs, adapters that came: looked at so often while anything is wanted.
const TURN: Duration = Duration::from_millis(500);

/// Adapters are counted so often while a device is looked for.
const COUNT_ADAPTERS: Duration = Duration::from_secs(2);

/// BlueZ keeps a link for 2 s after it was told to let go; a shutdown waits for it no longer than this.
const PARTING: Duration = Duration::from_secs(3);

/// A stream's end is one question to the bus.
const STREAMS_END: Duration = Duration::from_millis(100);

/// How the service over one bus ended.
pub(super) enum Ended {
    Stopped,
    BusGone,
}

/// One connection to the bus and what is used over it.
pub(super) struct Service {
    bus: Bus,
    manager: Manager,
    seats: Vec<Seat>,
    /// Whose bluetoothd the seats belong to.
    daemon: String,
    /// Of what no adapter is to blame for.
    stack: Watchdog,
    counted: Option<Instant>,
    wanted_until: Instant,
}

impl Service {
    pub async fn open() -> Result<Self, Trouble> {
        let bus = Bus::open().await?;
        let manager = bus.lifeline.within(CALL_LIMIT, Manager::new()).await?;
        let daemon = bus.daemon.borrow().clone();
        Ok(Self {
            bus,
            manager,
            seats: Vec::new(),
            daemon,
            stack: Watchdog::default(),
            counted: None,
            wanted_until: Instant::now(),
        })
    }

    pub async fn serve(&mut self, task: &mut AirTask, stop: &CancellationToken) -> Ended {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut daemon = self.bus.daemon.clone();
        loop {
            let busy = !task.listeners.is_empty()
                || !task.seekers.is_empty()
                || !task.guards.is_empty()
                || !self.seats.is_empty();
            let heard = heard(&mut self.seats);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Stopped,
                () = self.bus.lifeline.gone() => return Ended::BusGone,
                Ok(()) = daemon.changed() => self.daemon_changed(daemon.borrow_and_update().clone(), task),
                question = task.questions.recv() => match question {
                    Some(question) => {
                        self.take(question, task).await;
                        turn.reset_immediately();
                    }
                    None => return Ended::Stopped,
                },
                Some((at, event)) = heard => self.note(at, event, task).await,
                _ = turn.tick(), if busy => self.turn(task).await,
            }
        }
    }

    pub async fn take(&mut self, question: Question, task: &mut AirTask) {
        match question {
            Question::Find { wanted, answer } => task.seek(wanted, answer),
            Question::Listen { listener } => {
                task.listeners.push(listener);
                // What was heard before it listened counts too: many sensors speak once a minute.
                self.recall(task).await;
            }
            Question::Adapters { answer } => {
                if self.seats.is_empty() {
                    self.count(task).await;
                }
                let seats = self.seats.iter().map(|seat| (seat.adapter.clone(), self.bus.lifeline.clone()));
                // Whoever asked may have stopped waiting.
                let _ = answer.send(seats.collect());
            }
            Question::Guard { device, gone } => {
                if self.seats.is_empty() {
                    gone.cancel();
                } else if let Some(before) = task.guards.insert(device, gone) {
                    before.cancel();
                }
            }
        }
    }

    /// bluetoothd went, or another came: all it knew of connections and scans is gone with it, and it tells nobody.
    fn daemon_changed(&mut self, now: String, task: &mut AirTask) {
        if now != self.daemon {
            info!(running = !now.is_empty(), "bluetoothd changed; its devices are looked for anew");
            self.daemon = now;
            self.seats.clear();
            self.counted = None;
            task.all_gone();
        }
    }

    /// Deadlines, scans, adapters, watchdogs.
    async fn turn(&mut self, task: &mut AirTask) {
        let now = Instant::now();
        task.seekers.retain(|seeker| !seeker.answer.is_closed());
        task.guards.retain(|_, gone| !gone.is_cancelled());
        task.listeners.retain(|listener| !listener.told.is_closed());
        if task.seekers.is_empty() && task.listeners.is_empty() {
            if now > self.wanted_until + LINGER {
                for seat in &mut self.seats {
                    seat.rest(&self.bus).await;
                }
                if task.guards.is_empty() {
                    self.seats.clear();
                }
            }
            return;
        }
        self.wanted_until = now;
        self.listen(task).await;
        self.expire(task, now);
    }

    /// Every adapter scans for what is wanted; those that give no sign are helped.
    async fn listen(&mut self, task: &mut AirTask) {
        if self.counted.is_none_or(|at| at.elapsed() > COUNT_ADAPTERS) {
            self.count(task).await;
        }
        let services = task.services();
        let (mut listens, mut fault) = (false, None);
        for seat in &mut self.seats {
            let links = task.guards.keys().filter(|id| is_on(id, &seat.name)).count();
            if let Some(rung) = seat.watchdog.due(Instant::now().into_std(), links) {
                seat.help(rung, &self.bus).await;
            }
            match seat.scan(&services, &self.bus).await {
                Ok(()) => listens = true,
                Err(trouble) => fault = Some(trouble),
            }
        }
        // One adapter that listens is enough.
        match fault {
            _ if listens => task.told.clear(),
            Some(trouble) => task.tell(&trouble),
            None => {}
        }
    }

    /// Looks which adapters there are. A stack that does not answer is started anew, where the system lets us.
    async fn count(&mut self, task: &mut AirTask) {
        self.counted = Some(Instant::now());
        match self.seat_adapters(task).await {
            Ok(()) => {
                self.stack.answered();
                if self.seats.is_empty() {
                    task.tell(&Trouble::NoAdapter);
                }
            }
            Err(trouble) => {
                self.stack.failed();
                task.tell(&trouble);
            }
        }
        match self.stack.due(Instant::now().into_std(), task.guards.len()) {
            None => {}
            Some(Rung::TellPeople) => {
                warn!("Bluetooth does not answer; restart this machine, or plug the adapter in again")
            }
            Some(Rung::PowerCycle | Rung::RestartDaemon) => {
                let asked = self.bus.restart_daemon().await;
                info!(?asked, "Bluetooth does not answer; the system was asked to start it anew");
            }
        }
    }

    /// Takes new adapters into use and lets go of those that were pulled.
    async fn seat_adapters(&mut self, task: &mut AirTask) -> Result<(), Trouble> {
        let there = self.bus.lifeline.within(CALL_LIMIT, self.manager.adapters()).await?;
        let mut names = Vec::new();
        for adapter in there {
            let name = name_of(&adapter, &self.bus).await?;
            if !self.seats.iter().any(|known| known.name == name) {
                info!(adapter = name, "listening to the air");
                self.seats.push(Seat::take(adapter, name.clone(), &self.bus).await?);
            }
            names.push(name);
        }
        self.seats.retain(|seat| names.contains(&seat.name));
        for seat in &mut self.seats {
            seat.check_scan(&self.bus).await;
        }
        let here = |id: &PeripheralId| names.iter().any(|name| is_on(id, name));
        let pulled: Vec<PeripheralId> = task.guards.keys().filter(|id| !here(id)).cloned().collect();
        pulled.iter().for_each(|id| task.gone(id));
        Ok(())
    }

    /// Answers those who have waited long enough.
    fn expire(&self, task: &mut AirTask, now: Instant) {
        let told = task.told.clone();
        for seeker in task.seekers.extract_if(.., |seeker| seeker.until <= now) {
            let Seeker { wanted, answer, until: _, candidates } = seeker;
            let what = wanted.address.unwrap_or_else(|| "a device that advertises so".to_owned());
            let error = match (told.is_empty(), candidates.is_empty()) {
                (false, _) => LinkError::NoRadio(told.clone()),
                (true, false) => LinkError::NoAddress { candidates },
                (true, true) => LinkError::Unheard { what },
            };
            let _ = answer.send(Err(error));
        }
    }

    async fn note(&mut self, at: usize, event: CentralEvent, task: &mut AirTask) {
        let seat = &mut self.seats[at];
        let (id, fresh) = match event {
            CentralEvent::DeviceDisconnected(id) => return task.gone(&id),
            CentralEvent::StateUpdate(CentralState::PoweredOff) => {
                seat.scan_ended();
                let over: Vec<PeripheralId> = task.guards.keys().filter(|id| is_on(id, &seat.name)).cloned().collect();
                return over.iter().for_each(|id| task.gone(id));
            }
            CentralEvent::RssiUpdate { id, .. }
            | CentralEvent::ManufacturerDataAdvertisement { id, .. }
            | CentralEvent::ServiceDataAdvertisement { id, .. } => (id, true),
            // The first of these come from BlueZ's memory.
            CentralEvent::DeviceDiscovered(id) | CentralEvent::ServicesAdvertisement { id, .. } => (id, false),
            _ => return,
        };
        if fresh {
            seat.watchdog.heard();
        }
        self.overheard(at, &id, fresh, task).await;
        self.sighted(at, &id, fresh, task).await;
    }

    /// What devices that are listened to have last said.
    async fn recall(&mut self, task: &mut AirTask) {
        for at in 0..self.seats.len() {
            let (adapter, lifeline) = (self.seats[at].adapter.clone(), self.bus.lifeline.clone());
            let Ok(known) = lifeline.within(CALL_LIMIT, adapter.peripherals()).await else { continue };
            for peripheral in known {
                self.overheard(at, &peripheral.id(), false, task).await;
            }
        }
    }

    /// Hands what a device says without being connected to whoever listens to it.
    async fn overheard(&mut self, at: usize, id: &PeripheralId, fresh: bool, task: &mut AirTask) {
        let Some(address) = address_of(id) else { return };
        let Some(listener) = task.listeners.iter().find(|listener| listener.address == address) else { return };
        let (adapter, lifeline) = (self.seats[at].adapter.clone(), &self.bus.lifeline);
        let Ok(peripheral) = lifeline.within(CALL_LIMIT, adapter.peripheral(id)).await else { return };
        let Ok(Some(properties)) = lifeline.within(CALL_LIMIT, peripheral.properties()).await else { return };
        if !fresh && properties.rssi.is_none() {
            return;
        }
        if let Some(data) = properties.service_data.get(&listener.service) {
            // One that is missed comes again.
            let _ = listener.told.try_send(Advertisement { data: data.clone() });
        }
    }

    /// Hands a device that was heard to whoever looks for it.
    async fn sighted(&mut self, at: usize, id: &PeripheralId, fresh: bool, task: &mut AirTask) {
        let Some(address) = address_of(id) else { return };
        let wanted = |seeker: &Seeker| seeker.wanted.address.as_ref().is_none_or(|wanted| *wanted == address);
        if !task.seekers.iter().any(wanted) {
            return;
        }
        let Seat { adapter, name, .. } = &self.seats[at];
        let (adapter, name, lifeline) = (adapter.clone(), name.clone(), &self.bus.lifeline);
        let Ok(peripheral) = lifeline.within(CALL_LIMIT, adapter.peripheral(id)).await else { return };
        let Ok(Some(properties)) = lifeline.within(CALL_LIMIT, peripheral.properties()).await else { return };
        if !fresh && properties.rssi.is_none() {
            return;
        }
        // Those that only advertise name their service nowhere but in its data.
        let services: Vec<_> = properties.services.iter().chain(properties.service_data.keys()).copied().collect();
        let companies = || properties.manufacturer_data.keys().copied();
        let fits = |seeker: &mut Seeker| {
            wanted(seeker) && seeker.wanted.advertises.fits(&services, properties.local_name.as_deref(), companies())
        };
        let mut waiting = Vec::new();
        for mut seeker in std::mem::take(&mut task.seekers) {
            if !fits(&mut seeker) {
                waiting.push(seeker);
            } else if seeker.wanted.address.is_some() {
                let (peripheral, lifeline) = (peripheral.clone(), lifeline.clone());
                let (address, adapter, signal_dbm) = (address.clone(), name.clone(), properties.rssi);
                let sighting = Sighting { peripheral, lifeline, address, adapter, signal_dbm };
                let _ = seeker.answer.send(Ok(sighting));
            } else {
                let name = properties.local_name.as_deref().unwrap_or("no name");
                let candidate = format!("address {address} ({name})");
                if !seeker.candidates.contains(&candidate) {
                    seeker.candidates.push(candidate);
                }
                waiting.push(seeker);
            }
        }
        task.seekers = waiting;
    }
}

impl Service {
    /// Lets go of every device, so that it is free for others, and gives the library's streams the time to end: what they
    /// leave to the runtime fails with a panic where that ends first.
    pub async fn part(mut self, task: &AirTask) {
        let let_go = task.guards.keys().filter_map(|id| {
            let adapter = self.seats.iter().find(|seat| is_on(id, &seat.name))?.adapter.clone();
            Some(async move {
                if let Ok(peripheral) = adapter.peripheral(id).await {
                    // At the end nobody can be told.
                    let _ = peripheral.disconnect().await;
                }
            })
        });
        let all = self.bus.lifeline.within(PARTING, join_all(let_go).map(Ok::<_, Trouble>));
        let _ = all.await;
        for seat in &mut self.seats {
            seat.rest(&self.bus).await;
        }
        self.seats.clear();
        tokio::time::sleep(STREAMS_END).await;
    }
}

/// Whether a device is seen by the adapter of this name.
fn is_on(id: &PeripheralId, adapter: &str) -> bool {
    id.to_string().split('/').next() == Some(adapter)
}

/// The next thing any adapter tells, with its place among the seats; waits for ever where there is none.
async fn heard(seats: &mut [Seat]) -> Option<(usize, CentralEvent)> {
    let streams = seats.iter_mut().enumerate().map(|(at, seat)| (&mut seat.events).map(move |event| (at, event)));
    let mut all: SelectAll<_> = streams.collect();
    match all.next().await {
        Some(told) => Some(told),
        None => std::future::pending().await,
    }
}
