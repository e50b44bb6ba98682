//! The owner itself: what headquarters says goes into the state, the state says what is to be done next, one thing at a time.

mod counting;
mod fetch;
mod using;

use super::{
    Aside, Command, Inbox, Reader, Running, Settings, State, StillBuilds, TakingIn,
    exchange::{self, Missing, Why},
    fetching::Fetching,
    state::{Counts, holding, short},
    taking::Taken,
};
use crate::{
    store::{Store, StoreError},
    sync::{
        agenda::Held,
        downlink::Downlink,
        package::{Fetch, Holding, InUse, Slot, Stand, Wish},
    },
    tasks::{
        analysis::{ActiveModel, AnalysisHandle, Health},
        station::StationHandle,
    },
};
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// What changes within this is told by one hello.
const GATHER: Duration = Duration::from_millis(300);

/// How a model does is told this often; its first failure at once.
const COUNTERS: Duration = Duration::from_secs(60);

/// A gateway that has run so long with what was put in use last stands with it.
const TRIAL: Duration = Duration::from_secs(5);

/// What could not be done for want of space or of an inference process is tried again.
const LATER: Duration = Duration::from_secs(60);

/// Work beside the conversation, one at a time.
type Job = Pin<Box<dyn Future<Output = Done> + Send>>;

enum Done {
    Took(Wish, Taken),
    /// A model gave way to this one, or to the installed one.
    Went(Slot, Option<InUse>, Result<(), Why>),
    /// The models of the start are in use, but those of these slots.
    Started(Vec<Missing>),
}

/// See the module.
pub(super) struct Owner {
    reader: Arc<Reader>,
    store: Store,
    analysis: AnalysisHandle,
    stations: Arc<[StationHandle]>,
    taking_in: TakingIn,
    commands: mpsc::Receiver<Command>,
    tell: watch::Sender<Downlink>,
    anew: CancellationToken,
    still_builds: StillBuilds,
    stop: CancellationToken,
    state: State,
    running: Running,
    /// Of the start.
    aside: Aside,
    fetching: Option<Fetching>,
    job: Option<Job>,
    /// Not now, and why, by digest; by slot where what was installed is to come back.
    later: BTreeMap<String, (Instant, String)>,
    /// How the models did when that was last looked at.
    seen: BTreeMap<String, Health>,
    health: watch::Receiver<BTreeMap<String, Health>>,
    /// What the counters are and the database does not know yet.
    counted: BTreeMap<Slot, Counts>,
    /// What measures, whoever put it in use or out of it.
    published: watch::Receiver<Vec<Arc<ActiveModel>>>,
    /// Whether the models of the start had their trial.
    models_begun: bool,
    /// Why the gateway could not begin anew: its own files are not sound.
    unsound: Option<String>,
    begun: Instant,
    /// How the packages stood in the last hello that was said for them.
    said: Vec<Holding>,
    tell_at: Option<Instant>,
    counters_at: Option<Instant>,
    look_at: Option<Instant>,
    rest_until: Option<Instant>,
    untidy: bool,
}

impl Owner {
    pub fn new(settings: Settings, store: Store, inbox: Inbox, stop: CancellationToken) -> Self {
        let Settings { reader, state, running, aside, analysis, stations, taking_in, anew, still_builds } = settings;
        let models = aside.iter().filter(|(slot, ..)| matches!(slot, Slot::Model(_)));
        let soon = Instant::now() + LATER;
        let later = models.map(|(_, package, reason)| (package.sha256.clone(), (soon, reason.clone()))).collect();
        let job = Box::pin({
            let (analysis, running) = (analysis.clone(), running.clone());
            async move { Done::Started(exchange::started(&analysis, &running).await) }
        });
        Self {
            health: analysis.health(),
            counted: state.health.clone(),
            published: analysis.published(),
            models_begun: false,
            unsound: None,
            reader,
            store,
            analysis,
            stations,
            taking_in,
            commands: inbox.commands,
            tell: inbox.tell,
            anew,
            still_builds,
            stop,
            state,
            running,
            aside,
            fetching: None,
            job: Some(job),
            later,
            seen: BTreeMap::new(),
            begun: Instant::now(),
            said: Vec::new(),
            tell_at: None,
            counters_at: None,
            look_at: None,
            rest_until: None,
            untidy: true,
        }
    }

    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        loop {
            self.step().await?;
            let wake_at = self.wake_at();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                command = self.commands.recv() => match command {
                    Some(command) => self.hear(command).await?,
                    None => return Ok(()),
                },
                done = done(&mut self.job) => {
                    self.job = None;
                    self.finished(done).await?;
                }
                Ok(()) = self.health.changed() => self.count().await?,
                // The next step looks what became of it.
                Ok(()) = self.published.changed() => self.refresh(),
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Does what is due now.
    async fn step(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        self.later.retain(|_, (until, _)| *until > now);
        if self.rest_until.is_some_and(|until| until > now) {
            return Ok(());
        }
        self.rest_until = None;
        if self.counters_at.is_some_and(|at| at <= now) {
            self.keep_counters().await?;
        }
        if self.state.trying.is_some() && now >= self.begun + TRIAL {
            self.stands().await?;
        }
        if self.job.is_none() {
            self.struck_out().await?;
            self.tidy().await;
            self.wishes().await?;
        }
        if self.job.is_none() {
            self.models_back();
        }
        if self.job.is_none() && self.state.trying.is_none() {
            self.rules().await?;
        }
        self.announce();
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let trial = self.state.trying.as_ref().map(|_| self.begun + TRIAL);
        let ask_at = self.fetching.as_ref().and_then(|fetching| fetching.ask_at);
        let later = self.later.values().map(|(until, _)| *until);
        // It is looked again when the job has ended.
        let look_at = self.look_at.filter(|_| self.job.is_none());
        let due = [trial, ask_at, self.tell_at, self.counters_at, look_at].into_iter().flatten().chain(later);
        let soonest = due.min().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        // After a fault of the store nothing is due before it was left alone for a while.
        self.rest_until.unwrap_or(soonest)
    }

    async fn hear(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Wanted { book, version, packages, withdrawn } => {
                self.wanted(Held { book, version }, packages, &withdrawn).await
            }
            Command::Slice { sha256, index, data } => self.slice(&sha256, index, &data).await,
        }
    }

    fn postpone(&mut self, sha256: &str, reason: String) {
        self.later.insert(sha256.to_owned(), (Instant::now() + LATER, reason));
        self.tell_soon();
    }

    /// Writes down what is to be acted on; `false`, with everything as it was, where the store cannot write now.
    async fn keep(&mut self, next: State, notes: Vec<(&'static str, String)>) -> Result<bool, StoreError> {
        if next == self.state && notes.is_empty() {
            return Ok(true);
        }
        match self.store.keep_packages(next.text(), notes).await {
            Ok(()) => {
                self.untidy |= next.stays() != self.state.stays();
                for (slot, counts) in &next.health {
                    if self.state.health.get(slot) != Some(counts) {
                        self.counted.insert(slot.clone(), *counts);
                    }
                }
                self.state = next;
                self.refresh();
                Ok(true)
            }
            Err(StoreError::Stopped) => Err(StoreError::Stopped),
            Err(fault) => {
                warn!(%fault, "what headquarters rolls out waits: it cannot be written down");
                self.rest_until = Some(Instant::now() + LATER / 2);
                Ok(false)
            }
        }
    }

    /// Removes the files of packages that nobody needs any more.
    async fn tidy(&mut self) {
        if !std::mem::take(&mut self.untidy) {
            return;
        }
        let mut stays = self.state.stays();
        stays.extend(self.running.values().map(|at| at.sha256.clone()));
        let shelf = self.reader.shelf.clone();
        if let Ok(Err(fault)) = tokio::task::spawn_blocking(move || shelf.clear(&stays)).await {
            warn!(%fault, "files of packages that are needed no more could not be removed");
        }
    }

    fn tell_soon(&mut self) {
        self.tell_at = self.tell_at.or(Some(Instant::now() + GATHER));
        self.refresh();
    }

    /// What whatever hello is said next tells; one is said soon where something else stands with a package than was said last.
    fn refresh(&mut self) {
        let now = self.downlink();
        if stands(&now) != self.said {
            self.tell_at = self.tell_at.or(Some(Instant::now() + GATHER));
        }
        self.tell.send_if_modified(|told| {
            *told = now;
            false
        });
    }

    fn downlink(&self) -> Downlink {
        let mut told = self.state.downlink(&self.measuring());
        self.say_why_idle(&mut told);
        for wish in &self.state.wishes {
            let Some((_, reason)) = self.later.get(&wish.sha256) else { continue };
            let known = |one: &&mut Holding| one.slot == wish.slot && one.version == wish.version;
            match told.packages.iter_mut().find(known) {
                Some(one) => one.reason.clone_from(reason),
                None => told.packages.push(holding(wish.slot.clone(), wish.version, Stand::Refused, reason)),
            }
        }
        told.fetch = self
            .fetching
            .as_ref()
            .filter(|fetching| !fetching.is_whole())
            .map(|fetching| Fetch { sha256: fetching.wish.sha256.clone(), from: fetching.next });
        told
    }

    /// What is in use and does work: a model that nobody has loaded is not.
    fn measuring(&self) -> Running {
        let works = |slot: &Slot| match slot {
            Slot::Model(id) => !self.models_begun || self.measures(id),
            _ => true,
        };
        self.running.iter().filter(|(slot, _)| works(slot)).map(|(slot, at)| (slot.clone(), at.clone())).collect()
    }

    /// Whether a model of this id is in use, whosever.
    fn measures(&self, id: &str) -> bool {
        self.published.borrow().iter().any(|model| model.engine.model == id)
    }

    /// Why what is to be used does not run, and why what runs does not give way.
    fn say_why_idle(&self, told: &mut Downlink) {
        let is = |one: &&mut Holding, slot: &Slot, version: u64| one.slot == *slot && one.version == version;
        let idle = self.state.holdings.all_in_use().filter(|(slot, at)| self.running.get(slot) != Some(at));
        for (slot, at) in idle {
            let Some((_, reason)) = self.later.get(&at.sha256) else { continue };
            let Some(one) = told.packages.iter_mut().find(|one| is(one, slot, at.version)) else { continue };
            (one.stand, one.reason) = (Stand::Refused, short(reason));
        }
        for (slot, at, reason) in self.aside.iter().filter(|(slot, ..)| !matches!(slot, Slot::Model(_))) {
            let one = told.packages.iter_mut().find(|one| is(one, slot, at.version) && one.stand == Stand::Held);
            one.into_iter().for_each(|one| one.reason = short(reason));
        }
        for (slot, at) in &self.running {
            let Some((_, reason)) = self.later.get(&slot.to_string()) else { continue };
            let one = told.packages.iter_mut().find(|one| is(one, slot, at.version));
            one.into_iter().for_each(|one| one.reason = short(reason));
        }
        if let Some(reason) = &self.unsound {
            let waits = |one: &&mut Holding| {
                one.stand == Stand::Held && one.reason.is_empty() && !matches!(one.slot, Slot::Model(_))
            };
            told.packages.iter_mut().filter(waits).for_each(|one| {
                one.reason = short(&format!("it waits: the gateway's own files are not sound; mend them ({reason})"));
            });
        }
    }

    /// Has a hello said, where there is something to say or to ask.
    fn announce(&mut self) {
        let now = Instant::now();
        let asks = self.fetching.as_ref().and_then(|fetching| fetching.ask_at).is_some_and(|at| at <= now);
        if !asks && self.tell_at.is_none_or(|at| at > now) {
            return;
        }
        self.tell_at = None;
        if let Some(fetching) = &mut self.fetching {
            fetching.asked(now);
        }
        let now = self.downlink();
        self.said = stands(&now);
        if self.state.held.is_some() {
            self.tell.send_replace(now);
        }
    }
}

/// What is news of it: not the counters.
fn stands(told: &Downlink) -> Vec<Holding> {
    let quiet = |one: &Holding| Holding { measured: None, failed: None, ..one.clone() };
    told.packages.iter().map(quiet).collect()
}

/// A package as the audit log names it.
fn told(slot: &Slot, version: u64) -> String {
    format!("{slot} {version}")
}

/// Waits for the job under way; for ever without one.
async fn done(job: &mut Option<Job>) -> Done {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}
