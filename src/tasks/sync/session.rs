//! One connection: says hello, sends what HQ does not hold, records what HQ says. It never waits for the line without also
//! listening, and holds nothing that the outbox does not hold.
//!
//! Until HQ has answered the hello no event is sent. Whenever something is doubtful (nobody listens, an acknowledgement is
//! overdue) it says hello again instead of sending blindly: the answer names exactly what is missing.

mod replies;

use super::{
    Connection, SyncSettings, SyncStatus, confirmed, gather::Gather, greeting::Greeting, heard::Heard,
    pictures::Pictures, recall::Recall, restored::Restored,
};
use crate::{
    config::AcknowledgedBy,
    domain::Epoch,
    faults,
    ports::{BrokerWord, FromBroker, Publish, Uplink, UplinkError},
    store::{Store, StoreError},
    sync::{
        MAX_PUBLISH, batch,
        downlink::Downlink,
        reply::{Hello, SeqRange},
        topic::Lane,
        window::Window,
    },
    tasks::packages::PackagesHandle,
};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// A batch HQ asks for is taken for lost when it was sent longer ago than this; a younger one may have crossed the question.
const CROSSING: Duration = Duration::from_secs(2);

/// How a connection ended.
pub(super) enum End {
    Stopped,
    Lost(UplinkError),
}

/// What a publish is for, to know what the broker's word on it means.
#[derive(Debug, Clone, Copy)]
enum Errand {
    /// Status and self-description.
    Said,
    Hello,
    Batch(SeqRange),
    /// A batch of an earlier epoch.
    Recalled,
    Picture,
}

struct Session<'a> {
    store: &'a Store,
    settings: &'a SyncSettings,
    status: &'a watch::Sender<SyncStatus>,
    epoch: Epoch,
    window: Window,
    gather: Gather,
    heard: Heard,
    recall: Recall,
    restored: Restored,
    pictures: Pictures,
    /// HQ's prefix of this epoch, once an answer has shown on this connection that both mean the same epoch. Before, an
    /// acknowledgement may be meant for another life of this store.
    confirmed: Option<u64>,
    /// Moves when something was taken out of the outbox.
    redactions: watch::Receiver<u64>,
    /// Moves when a picture may be owed that was not before.
    pictures_owed: watch::Receiver<u64>,
    /// Said once on this connection, retained.
    first: VecDeque<(Lane, Vec<u8>)>,
    greeting: Greeting,
    /// When to say how far what HQ told is held now.
    tell_held: Option<Instant>,
    ready: Option<(Publish, Errand)>,
    errands: HashMap<u64, Errand>,
    token: u64,
}

pub(super) async fn run(
    store: &Store,
    uplink: Uplink,
    settings: &SyncSettings,
    status: &watch::Sender<SyncStatus>,
    stop: &CancellationToken,
) -> Result<End, StoreError> {
    let mut outbox = store.outbox_changed();
    let mut about = settings.about.clone();
    let mut packages =
        settings.packages.as_ref().map(PackagesHandle::told).unwrap_or_else(|| watch::channel(Downlink::default()).1);
    packages.mark_unchanged();
    let mut session = Session {
        store,
        settings,
        status,
        epoch: store.epoch().await?,
        window: Window::new(settings.sync.window, settings.sync.resend_after),
        gather: Gather::default(),
        heard: Heard::default(),
        recall: Recall::default(),
        restored: Restored::default(),
        pictures: Pictures::new(&settings.sync, settings.uploader.clone()),
        confirmed: None,
        redactions: store.redactions(),
        pictures_owed: store.pictures_owed(),
        first: [(Lane::Status, b"online".to_vec()), (Lane::About, about.borrow_and_update().clone().into_bytes())]
            .into(),
        greeting: Greeting::new(),
        tell_held: None,
        ready: None,
        errands: HashMap::new(),
        token: 0,
    };
    let end = session.converse(uplink, &mut outbox, (&mut about, &mut packages), stop).await?;
    session.heard.record(store).await?;
    Ok(end)
}

impl Session<'_> {
    async fn converse(
        &mut self,
        uplink: Uplink,
        outbox: &mut watch::Receiver<u64>,
        (about, packages): (&mut watch::Receiver<String>, &mut watch::Receiver<Downlink>),
        stop: &CancellationToken,
    ) -> Result<End, StoreError> {
        let Uplink { publish, mut arrived, mut driver } = uplink;
        loop {
            self.heard.record_due(self.store, Instant::now()).await?;
            if self.ready.is_none() {
                self.redactions.mark_unchanged();
                self.ready = self.compose().await?;
            }
            let wake_at = self.wake_at();
            tokio::select! {
                () = stop.cancelled() => return Ok(End::Stopped),
                reason = &mut driver => return Ok(End::Lost(reason)),
                permit = publish.reserve(), if self.ready.is_some() => {
                    if let Ok(permit) = permit {
                        self.hand_over(permit);
                    }
                }
                heard = arrived.recv() => match heard {
                    Some(heard) => self.heard(heard).await?,
                    None => return Ok(End::Lost(UplinkError::Lost("the connection's other half has ended".to_owned()))),
                },
                changed = outbox.changed() => {
                    if changed.is_err() {
                        // The store is closing; the stop is on its way.
                        return Ok(End::Stopped);
                    }
                    let last = *outbox.borrow_and_update();
                    self.grown(last);
                }
                // Without anyone to tell of changes, this branch is passed over.
                Ok(()) = about.changed() => {
                    let now = about.borrow_and_update().clone();
                    self.first.push_back((Lane::About, now.into_bytes()));
                }
                // So is this one where nobody takes packages.
                Ok(()) = packages.changed() => {
                    packages.mark_unchanged();
                    self.tell_held = Some(Instant::now());
                }
                () = sleep_until(wake_at), if self.ready.is_none() => {}
            }
        }
    }

    /// The next thing to publish, most urgent first.
    async fn compose(&mut self) -> Result<Option<(Publish, Errand)>, StoreError> {
        if let Some((lane, payload)) = self.first.pop_front() {
            return Ok(Some(self.publish(&lane, payload, true, Errand::Said)));
        }
        let now = Instant::now();
        if self.greeting.answered && self.window.overdue_at().is_some_and(|at| at <= now.into_std()) {
            warn!("an acknowledgement is overdue; asking HQ where it stands");
            self.greet_at(now);
        }
        if self.tell_held.is_some_and(|at| at <= now) && self.greeting.answered {
            self.greet_at(now);
        }
        if !self.greeting.answered {
            if now < self.greeting.next_at {
                return Ok(None);
            }
            self.greeting.next_at = now + self.greeting.backoff.next(fastrand::f64());
            if self.settings.sync.acknowledged_by == AcknowledgedBy::Hq {
                return self.hello().await.map(Some);
            }
            self.open_without_hq().await?;
        }
        if let Some(batch) = self.next_batch().await? {
            return Ok(Some(batch));
        }
        if self.settings.sync.acknowledged_by == AcknowledgedBy::Broker {
            return Ok(None);
        }
        if let Some(payload) = self.recall.next(self.store, self.settings.sync.batch_events).await? {
            return Ok(Some(self.publish(&Lane::Events, payload, false, Errand::Recalled)));
        }
        if self.recall.found_nothing() {
            self.ask_where_hq_stands();
        }
        if !self.window.is_drained() || !self.recall.is_idle() {
            return Ok(None);
        }
        self.token += 1;
        let picture = self.pictures.next(self.store, &self.settings.address, self.token, now).await?;
        Ok(picture.map(|publish| (publish, Errand::Picture)))
    }

    async fn hello(&mut self) -> Result<(Publish, Errand), StoreError> {
        let round = self.greeting.says();
        self.tell_held = None;
        let mut downlink = self.downlink().await?;
        // HQ takes whoever asks for slices for one that never was away, and would go on with its pauses. The first hellos of a connection say
        // that it was; slices are asked for as soon as HQ has answered.
        if self.confirmed.is_none() && downlink.as_mut().and_then(|held| held.fetch.take()).is_some() {
            self.tell_held = Some(Instant::now());
        }
        if self.greeting.asked > 1 {
            self.status.send_modify(|status| status.connection = Connection::HqSilent);
        }
        let hello = Hello {
            epoch: self.epoch.to_string(),
            last_seq: self.store.last_seq().await?,
            oldest_kept: self.store.oldest_kept().await?,
            version: self.settings.version.clone(),
            refused: self.store.refused_ranges().await?,
            past: self.store.past_epochs(round).await?,
            agenda: self.store.agenda_held().await?,
            downlink,
        };
        let payload = serde_json::to_vec(&hello).expect("a hello is text and numbers");
        Ok(self.publish(&Lane::Hello, payload, false, Errand::Hello))
    }

    /// What else of headquarters' word is held here; `None` as long as it has told of none of it.
    async fn downlink(&self) -> Result<Option<Downlink>, StoreError> {
        let told = self.settings.packages.as_ref().map(PackagesHandle::told);
        let packages = told.map(|told| told.borrow().clone()).filter(|held| held.wanted.is_some());
        let held = Downlink { staff: self.store.staff_held().await?, ..packages.unwrap_or_default() };
        Ok((held != Downlink::default()).then_some(held))
    }

    /// A chain with a receiver of its own: the broker's word counts, nobody answers a hello.
    async fn open_without_hq(&mut self) -> Result<(), StoreError> {
        let (oldest, last) = (self.store.oldest_kept().await?, self.store.last_seq().await?);
        self.window.open(0, &[], oldest, last);
        self.answered();
        Ok(())
    }

    async fn next_batch(&mut self) -> Result<Option<(Publish, Errand)>, StoreError> {
        let events = self.settings.sync.batch_events;
        while let Some((first, last)) = self.window.next() {
            if !self.gather.lets_go(last - first + 1, self.window.is_idle(), Instant::now()) {
                return Ok(None);
            }
            let rows = match self.settings.sync.acknowledged_by {
                AcknowledgedBy::Hq => self.store.range(self.epoch, first, last, events, MAX_PUBLISH).await?,
                AcknowledgedBy::Broker => {
                    let mut rows = self.store.unacknowledged(first, events, MAX_PUBLISH).await?;
                    rows.retain(|(seq, _)| *seq <= last);
                    rows
                }
            };
            let Some((payload, range)) = batch::compose(&self.epoch.to_string(), &rows) else {
                self.window.absent((first, last));
                continue;
            };
            if range.0 > first {
                self.window.absent((first, range.0 - 1));
            }
            return Ok(Some(self.publish(&Lane::Events, payload, false, Errand::Batch(range))));
        }
        self.gather = Gather::default();
        Ok(None)
    }

    fn publish(&mut self, lane: &Lane, payload: Vec<u8>, retain: bool, errand: Errand) -> (Publish, Errand) {
        self.token += 1;
        (Publish { token: self.token, topic: self.settings.address.topic(lane), payload, retain }, errand)
    }

    fn hand_over(&mut self, permit: mpsc::Permit<'_, Publish>) {
        if self.redactions.has_changed().unwrap_or(false) {
            // A consent was withdrawn since this was composed: what it holds may no longer leave.
            self.drop_ready();
        }
        let Some((publish, errand)) = self.ready.take() else { return };
        let now = Instant::now();
        self.errands.insert(publish.token, errand);
        match errand {
            Errand::Batch(range) => {
                self.window.sent(publish.token, range, now.into_std());
                permit.send(publish);
                faults::point("sync.batch.published");
            }
            Errand::Recalled => {
                self.recall.sent(publish.token);
                permit.send(publish);
            }
            Errand::Picture => {
                self.pictures.sent(&publish, now);
                permit.send(publish);
            }
            Errand::Said => permit.send(publish),
            Errand::Hello => {
                permit.send(publish);
                faults::point("sync.hello.sent");
            }
        }
    }

    /// When to look again although nothing was heard.
    fn wake_at(&self) -> Instant {
        if !self.greeting.answered {
            return self.heard.wake_at().map_or(self.greeting.next_at, |at| at.min(self.greeting.next_at));
        }
        let gathered = self.gather.wake_at().into_iter().chain(self.heard.wake_at());
        let overdue = self.window.overdue_at().map(Instant::from_std);
        let lane_is_free = self.window.is_drained()
            && self.recall.is_idle()
            && self.settings.sync.acknowledged_by == AcknowledgedBy::Hq;
        let pictures = self.pictures.wake_at().filter(|_| lane_is_free);
        let soonest = overdue.into_iter().chain(pictures).chain(gathered).chain(self.tell_held).min();
        soonest.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    fn grown(&mut self, last: u64) {
        if self.greeting.answered {
            self.window.grow(last);
            let waiting = self.window.waiting();
            self.status.send_modify(|status| status.waiting = waiting);
        }
        // Not at every event: the look is a question to the database, and the next event would wait for its answer.
        if self.pictures_owed.has_changed().unwrap_or(false) {
            self.pictures_owed.mark_unchanged();
            self.pictures.look_again();
        }
    }

    fn greet_at(&mut self, at: Instant) {
        (self.greeting.answered, self.greeting.next_at) = (false, at);
        self.ready.take_if(|(_, errand)| !matches!(errand, Errand::Said));
    }

    /// What was composed before HQ's last word, or before a withdrawal, is composed anew; status, self-description and a
    /// hello hold in any case.
    fn drop_ready(&mut self) {
        self.ready.take_if(|(_, errand)| !matches!(errand, Errand::Said | Errand::Hello));
    }

    fn answered(&mut self) {
        self.greeting.answered = true;
        self.greeting.asked = 0;
        self.greeting.backoff.reset();
        self.ready.take_if(|(_, errand)| !matches!(errand, Errand::Said));
        self.pictures.look_again();
        let waiting = self.window.waiting();
        self.status.send_modify(|status| (status.connection, status.waiting) = (Connection::Connected, waiting));
    }

    async fn heard(&mut self, heard: FromBroker) -> Result<(), StoreError> {
        match heard {
            FromBroker::Word { token, word } => self.word(token, word).await,
            FromBroker::Message { topic, payload } => match serde_json::from_slice(&payload) {
                Ok(reply) => self.reply(reply).await,
                Err(fault) => {
                    warn!(topic, %fault, "HQ said something this version does not understand");
                    Ok(())
                }
            },
        }
    }

    async fn word(&mut self, token: u64, word: BrokerWord) -> Result<(), StoreError> {
        let Some(errand) = self.errands.remove(&token) else { return Ok(()) };
        self.recall.settled(token);
        if word == BrokerWord::Taken {
            self.pictures.taken(token, Instant::now());
            if let (AcknowledgedBy::Broker, Errand::Batch(range)) = (self.settings.sync.acknowledged_by, errand) {
                self.heard.note(self.epoch, 0, &[range], Instant::now());
                self.window.settled(0, &[range]);
                confirmed(self.status, self.window.waiting());
            }
            return Ok(());
        }
        if let Errand::Said = errand {
            // Retained for whoever comes; that nobody listens now is no news.
            return Ok(());
        }
        if let BrokerWord::Refused(reason) = word {
            error!(reason, ?errand, "the broker refuses a publish");
            let alarm =
                format!("the broker refuses what this gateway sends ({reason}); its access list is to be checked");
            self.status.send_modify(|status| status.alarm = Some(alarm));
        }
        self.window.lost(token);
        self.pictures.lost();
        self.status.send_modify(|status| status.connection = Connection::HqSilent);
        self.ask_where_hq_stands();
        Ok(())
    }
}
