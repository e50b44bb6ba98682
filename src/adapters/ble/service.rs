//! The air over one connection to the bus: adapters, their scans and events, who is looked for and who is connected.
//!
//! What is asked of an adapter or of the system is awaited beside everything else: an adapter that does not answer delays
//! neither the events of the others nor whoever asks.

use super::{
    air::{AirTask, Question, Seeker},
    bus::{Bus, CALL_LIMIT, Lifeline},
    roll::{Roll, call_roll},
    seat::{Seat, Work, Worked},
    trouble::Trouble,
    watchdog::{Complaint, Links, Rung, Watchdog},
};
use crate::ports::LinkError;
use btleplug::{
    api::{Central as _, CentralEvent, CentralState, Peripheral as _},
    platform::{Adapter, Manager, PeripheralId},
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, join_all},
    stream::{FuturesUnordered, SelectAll},
};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
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

/// What was begun beside everything else and is done.
enum Done {
    Seat(u64, Worked),
    Counted(Result<Roll, Trouble>),
    Restarted(Result<(), Trouble>),
}

/// One connection to the bus and what is used over it.
pub(super) struct Service {
    pub(super) bus: Bus,
    manager: Manager,
    pub(super) seats: Vec<Seat>,
    /// How many adapters were taken into use so far.
    numbers: u64,
    /// Watchdogs of adapters that are not in use now: bluetoothd starting anew is no sign that they are well.
    watchdogs: HashMap<String, Watchdog>,
    /// Whose bluetoothd the seats belong to.
    daemon: String,
    /// Of what no adapter is to blame for.
    stack: Watchdog,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    counting: bool,
    restarting: bool,
    counted: Option<Instant>,
    /// Who waits until the adapters are counted.
    curious: Vec<oneshot::Sender<Vec<(Adapter, Lifeline)>>>,
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
            numbers: 0,
            watchdogs: HashMap::new(),
            daemon,
            stack: Watchdog::default(),
            under_way: FuturesUnordered::new(),
            counting: false,
            restarting: false,
            counted: None,
            curious: Vec::new(),
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
                Some(done) = self.under_way.next(), if !self.under_way.is_empty() => if self.done(done, task) {
                    turn.reset_immediately();
                },
                // Before what is heard: a busy room never falls silent, and deadlines come all the same.
                _ = turn.tick(), if busy => self.turn(task),
                Some((at, event)) = heard => self.note(at, event, task).await,
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
                self.curious.push(answer);
                if self.seats.is_empty() {
                    self.count();
                } else {
                    self.show_adapters();
                }
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

    fn show_adapters(&mut self) {
        for answer in self.curious.drain(..) {
            let seats = self.seats.iter().map(|seat| (seat.adapter.clone(), self.bus.lifeline.clone()));
            // Whoever asked may have stopped waiting.
            let _ = answer.send(seats.collect());
        }
    }

    /// bluetoothd went, or another came: all it knew of connections and scans is gone with it, and it tells nobody.
    fn daemon_changed(&mut self, now: String, task: &mut AirTask) {
        if now != self.daemon {
            info!(running = !now.is_empty(), "bluetoothd changed; its devices are looked for anew");
            self.daemon = now;
            self.under_way.clear();
            (self.counting, self.restarting) = (false, false);
            self.leave_seats();
            self.counted = None;
            task.all_gone();
            if !self.curious.is_empty() {
                self.count();
            }
        }
    }

    fn leave_seats(&mut self) {
        for mut seat in self.seats.drain(..) {
            seat.scan_ended();
            self.watchdogs.insert(seat.name, seat.watchdog);
        }
    }

    /// Deadlines, scans, adapters, watchdogs.
    fn turn(&mut self, task: &mut AirTask) {
        let now = Instant::now();
        task.seekers.retain(|seeker| !seeker.answer.is_closed());
        task.guards.retain(|_, gone| !gone.is_cancelled());
        task.listeners.retain(|listener| !listener.told.is_closed());
        if task.seekers.is_empty() && task.listeners.is_empty() {
            if now > self.wanted_until + LINGER {
                for at in 0..self.seats.len() {
                    self.begin(at, Seat::towards_rest);
                }
                if task.guards.is_empty() && self.under_way.is_empty() {
                    self.leave_seats();
                }
            }
            return;
        }
        self.wanted_until = now;
        self.listen(task, now);
        expire(task, now);
    }

    /// Every adapter scans for what is wanted; those that give no sign are helped.
    fn listen(&mut self, task: &mut AirTask, now: Instant) {
        if self.counted.is_none_or(|at| now.duration_since(at) > COUNT_ADAPTERS) {
            self.count();
        }
        let services = task.services();
        for at in 0..self.seats.len() {
            let seat = &mut self.seats[at];
            if !seat.is_free() {
                continue;
            }
            let here = task.guards.keys().filter(|id| is_on(id, &seat.name)).count();
            let links = Links { here, all: task.guards.len() };
            match seat.watchdog.due(now.into_std(), links) {
                Some(Rung::PowerCycle) => {
                    self.begin(at, |_| Some(Work::PowerCycle));
                    continue;
                }
                Some(Rung::RestartDaemon) => self.restart_daemon(),
                Some(Rung::TellPeople) => {
                    let complaint = seat.watchdog.complaint().unwrap_or(Complaint::Fails);
                    warn!(adapter = seat.name, "{}", complaint.advice());
                }
                None => {}
            }
            self.begin(at, |seat| seat.towards(&services, now));
        }
        self.tell(task);
    }

    /// What keeps the radio from working, for whoever looks for a device in vain. One adapter that listens is enough.
    fn tell(&self, task: &mut AirTask) {
        let complaint = self.seats.iter().find_map(|seat| seat.watchdog.complaint());
        let fault = self.seats.iter().find_map(|seat| seat.fault.as_ref());
        match (complaint, fault) {
            _ if self.seats.iter().any(Seat::listens) => task.told.clear(),
            (Some(complaint), _) => complaint.advice().clone_into(&mut task.told),
            (None, Some(trouble)) => task.tell(trouble),
            (None, None) => {}
        }
    }

    /// Begins what `work` says of the adapter `at`, unless it is at something.
    fn begin(&mut self, at: usize, work: impl FnOnce(&Seat) -> Option<Work>) {
        let seat = &mut self.seats[at];
        if seat.is_free()
            && let Some(work) = work(seat)
        {
            let worked = seat.begin(work, &self.bus.calls);
            self.under_way.push(worked.map(|(number, worked)| Done::Seat(number, worked)).boxed());
        }
    }

    /// Begins to look which adapters there are.
    fn count(&mut self) {
        self.counted = Some(Instant::now());
        if !std::mem::replace(&mut self.counting, true) {
            let known = self.seats.iter().map(|seat| seat.name.clone()).collect();
            let roll = call_roll(self.manager.clone(), known, self.bus.lifeline.clone());
            self.under_way.push(roll.map(Done::Counted).boxed());
        }
    }

    /// Begins to ask the system to start bluetoothd anew.
    fn restart_daemon(&mut self) {
        if !std::mem::replace(&mut self.restarting, true) {
            info!("Bluetooth gives no sign; the system is asked to start it anew");
            let calls = self.bus.calls.clone();
            let asked = async move { calls.restart_daemon().await };
            self.under_way.push(asked.map(Done::Restarted).boxed());
        }
    }

    /// Takes note of what is done; `true`: it should be looked at once what is next.
    fn done(&mut self, done: Done, task: &mut AirTask) -> bool {
        match done {
            Done::Seat(number, worked) => {
                let seat = self.seats.iter_mut().find(|seat| seat.number == number);
                seat.is_some_and(|seat| seat.worked(worked))
            }
            Done::Restarted(asked) => {
                self.restarting = false;
                if let Err(trouble) = asked {
                    warn!(?trouble, "Bluetooth could not be started anew");
                }
                false
            }
            Done::Counted(roll) => {
                self.counting = false;
                self.counted(roll, task);
                self.show_adapters();
                true
            }
        }
    }

    /// Takes new adapters into use and lets go of those that were pulled. A stack that does not answer is started anew, where
    /// the system lets us.
    fn counted(&mut self, roll: Result<Roll, Trouble>, task: &mut AirTask) {
        let fault = match roll {
            Ok(roll) => self.seat_adapters(roll, task),
            Err(trouble) => Some(trouble),
        };
        match fault {
            // What is wrong with one adapter is no fault of the stack while it serves another.
            Some(trouble) if self.seats.is_empty() => {
                self.stack.failed();
                task.tell(&trouble);
            }
            Some(_) => self.stack.answered(),
            None => {
                self.stack.answered();
                if self.seats.is_empty() {
                    task.tell(&Trouble::NoAdapter);
                }
            }
        }
        let all = task.guards.len();
        match self.stack.due(Instant::now().into_std(), Links { here: all, all }) {
            None => {}
            Some(Rung::TellPeople) => {
                warn!("Bluetooth does not answer; restart this machine, or plug the adapter in again")
            }
            Some(Rung::PowerCycle | Rung::RestartDaemon) => self.restart_daemon(),
        }
    }

    fn seat_adapters(&mut self, roll: Roll, task: &mut AirTask) -> Option<Trouble> {
        let Roll { names, nameless, new, fault } = roll;
        let named = |name: &String| nameless || names.contains(name);
        self.seats.retain(|seat| named(&seat.name));
        // An adapter that was plugged in again begins anew.
        self.watchdogs.retain(|name, _| named(name));
        for at in 0..self.seats.len() {
            self.begin(at, Seat::look);
        }
        for (adapter, name, events) in new {
            info!(adapter = name, "listening to the air");
            self.numbers += 1;
            let watchdog = self.watchdogs.remove(&name).unwrap_or_default();
            self.seats.push(Seat::new(self.numbers, (adapter, name, events), watchdog));
        }
        let here = |id: &PeripheralId| nameless || names.iter().any(|name| is_on(id, name));
        let pulled: Vec<PeripheralId> = task.guards.keys().filter(|id| !here(id)).cloned().collect();
        pulled.iter().for_each(|id| task.gone(id));
        fault
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
            seat.watchdog.heard(Instant::now().into_std());
        }
        self.overheard(at, &id, fresh, task).await;
        self.sighted(at, &id, fresh, task).await;
    }

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
        self.under_way.clear();
        join_all(self.seats.iter_mut().map(|seat| seat.part(&self.bus.lifeline))).await;
        self.seats.clear();
        tokio::time::sleep(STREAMS_END).await;
    }
}

/// Answers those who have waited long enough.
fn expire(task: &mut AirTask, now: Instant) {
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
