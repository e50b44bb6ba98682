//! What HQ says, taken in: where it stands, what it has, what it refuses, what it misses.

use super::{CROSSING, Session};
use crate::{
    domain::{CaptureId, Epoch},
    faults,
    store::{NewFeedback, StoreError, Taken, TakenStaff},
    sync::{
        downlink::Colleague,
        reply::{ImageState, Known, Reply, SeqRange},
        window::Window,
    },
    tasks::{
        live::News,
        orders::Said,
        sync::{confirmed, pictures::Wanted},
    },
};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Parts of an agenda follow one another within this; one hello answers all of them.
const GATHER_PARTS: Duration = Duration::from_millis(300);

impl Session<'_> {
    pub(super) async fn reply(&mut self, reply: Reply) -> Result<(), StoreError> {
        let ours = self.epoch.to_string();
        match reply {
            Reply::Hello { epoch, last_seq, upto, ranges, known, over } if epoch == ours => {
                let stands = Stands { last_seq, upto, ranges, known, over };
                self.hq_stands(stands).await
            }
            Reply::Hello { .. } => {
                // HQ is back and was restored to a time before this epoch; or an answer that crossed its end.
                self.ask_where_hq_stands();
                Ok(())
            }
            Reply::Ack { epoch, upto, ranges } => self.acknowledged(&epoch, upto, ranges).await,
            Reply::Nack { epoch, seq, reason, id } => self.refused(&epoch, seq, reason, id).await,
            Reply::Ask { epoch, ranges } if epoch == ours => {
                info!(?ranges, "HQ asks for events again");
                self.window.asked(&ranges, Instant::now().into_std(), CROSSING);
                Ok(())
            }
            Reply::Ask { epoch, ranges } => {
                if let Ok(epoch) = epoch.parse() {
                    self.restored.misses(self.store).await?;
                    self.recall.asked(epoch, &ranges);
                }
                Ok(())
            }
            Reply::Image { capture, sha256, state: ImageState::Wanted, missing, .. }
                if sha256.is_empty() && missing.is_empty() =>
            {
                self.picture_never_came(&capture).await
            }
            Reply::Image { capture, sha256, state, missing, reason } => {
                self.pictures.answered(self.store, &capture, &sha256, state, &missing, reason, Instant::now()).await
            }
            Reply::Upload { capture, sha256, name, url, authority, key } => {
                let to = Wanted { name, url, authority, key: key.into() };
                self.pictures.wanted_at(self.store, (&capture, &sha256), to, Instant::now()).await
            }
            Reply::Feedback { feedback, report: _, visit, given, topic, stars, words } => {
                self.said(CustomerSaid { feedback, visit, given, topic, stars, words }).await
            }
            Reply::Agenda { book, since, upto, appointments } => {
                match self.store.take_agenda(book, (since, upto), appointments).await? {
                    Taken::Written => {
                        info!(upto, "HQ told of appointments");
                        if let Some(live) = &self.settings.live {
                            live.publish(News::Day {}).await;
                        }
                    }
                    Taken::Held | Taken::Gap => {}
                }
                // HQ hears from the next hello how far it is held, and tells what is missing.
                self.tell_held = self.tell_held.or(Some(Instant::now() + GATHER_PARTS));
                Ok(())
            }
            Reply::Staff { book, version, people } => self.staff(book, version, people).await,
            Reply::Order { order, until, what } => {
                match (Said::read(&order, &until, what), &self.settings.errands) {
                    (Ok(said), Some(errands)) => errands.orders.take(said),
                    (Err(reason), _) => {
                        warn!(order, reason, "HQ wants something done that this version does not understand");
                    }
                    (Ok(_), None) => {}
                }
                Ok(())
            }
            Reply::Wanted { book, version, packages, withdrawn } => {
                if let Some(owner) = &self.settings.packages {
                    info!(version, "HQ tells which packages to use");
                    owner.wanted(book, version, packages, withdrawn);
                }
                Ok(())
            }
            Reply::Slice { sha256, index, data } => {
                if let Some(owner) = &self.settings.packages {
                    owner.slice(sha256, index, data);
                }
                Ok(())
            }
            Reply::Alarm { epoch, seq, reason, held } => {
                error!(epoch, seq, reason, "HQ raises an alarm");
                self.status.send_modify(|status| status.alarm = Some(format!("HQ: {reason}")));
                let conflict =
                    epoch == ours && !held.is_empty() && self.store.has_another(self.epoch, seq, held).await?;
                if conflict {
                    self.begin_epoch(Some(seq), "HQ holds another event at a number of ours").await
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Takes the list of the staff; HQ hears from the next hello how far it is held.
    async fn staff(&mut self, book: String, version: u64, people: Vec<Colleague>) -> Result<(), StoreError> {
        let Some(errands) = &self.settings.errands else { return Ok(()) };
        if self.store.take_staff(book, version, people).await? == TakenStaff::Written {
            info!(version, "HQ told who works here");
            errands.admissions.send_modify(|count| *count += 1);
        }
        self.tell_held = self.tell_held.or(Some(Instant::now() + GATHER_PARTS));
        Ok(())
    }

    /// HQ has the event of a photograph and no picture: restored from a backup that lies between the two, it will never say so by
    /// its numbers.
    async fn picture_never_came(&self, capture: &str) -> Result<(), StoreError> {
        let Ok(capture) = capture.parse::<CaptureId>() else { return Ok(()) };
        if self.store.owe_again_of(capture).await? > 0 {
            warn!(%capture, "HQ has lost a picture that it had verified; it is offered again");
        }
        Ok(())
    }

    async fn hq_stands(&mut self, stands: Stands) -> Result<(), StoreError> {
        let ours = self.store.last_seq().await?;
        let Stands { last_seq, upto, ranges, known, over } = stands;
        if over {
            return self.begin_epoch(None, "HQ says that this epoch is over").await;
        }
        if last_seq.max(upto) > ours {
            return self.begin_epoch(None, "HQ knows more of this epoch than this store").await;
        }
        if let Some(Known { seq, id }) = known
            && self.store.has_another(self.epoch, seq, id).await?
        {
            return self.begin_epoch(None, "HQ's newest event of this epoch is not ours").await;
        }
        faults::point("sync.hello.answered");
        if !self.restored.stands(self.store, self.epoch, upto).await? {
            warn!(
                upto,
                "HQ names less than it has acknowledged; asking once more whether it was restored from a backup"
            );
            self.greet_at(Instant::now());
            return Ok(());
        }
        self.confirmed = Some(upto);
        self.store.acknowledge(self.epoch, upto, ranges.clone()).await?;
        self.window.open(upto, &ranges, self.store.oldest_kept().await?, ours);
        self.answered();
        Ok(())
    }

    /// This store was restored from a copy: what it draws now must not be taken for what HQ has from before.
    async fn begin_epoch(&mut self, again_from: Option<u64>, why: &str) -> Result<(), StoreError> {
        error!(epoch = %self.epoch, why, "this store was restored from a copy; it begins a new epoch");
        self.heard.record(self.store).await?;
        self.epoch = self.store.new_epoch(again_from).await?;
        self.window = Window::new(self.settings.sync.window, self.settings.sync.resend_after);
        self.confirmed = None;
        let alarm = format!(
            "this store was restored from a copy ({why}): what was recorded after that copy is here only if HQ has it; \
             nothing recorded since is lost"
        );
        self.status.send_modify(|status| status.alarm = Some(alarm));
        self.greet_at(Instant::now());
        Ok(())
    }

    /// Says hello again soon, but never in a loop.
    pub(super) fn ask_where_hq_stands(&mut self) {
        if self.greeting.answered {
            let wait = self.greeting.backoff.next(fastrand::f64());
            self.greet_at(Instant::now() + wait);
        }
    }

    async fn acknowledged(&mut self, epoch: &str, upto: u64, ranges: Vec<SeqRange>) -> Result<(), StoreError> {
        let Ok(epoch) = epoch.parse::<Epoch>() else { return Ok(()) };
        let before = if epoch == self.epoch { self.confirmed } else { Some(0) };
        let Some(before) = before else { return Ok(()) };
        faults::point("sync.ack.received");
        self.heard.note(epoch, upto, &ranges, Instant::now());
        if epoch == self.epoch {
            if self.greeting.answered {
                self.window.settled(upto, &ranges);
            }
            if upto < before {
                info!(before, upto, "an acknowledgement names less than one before; asking HQ where it stands");
                self.ask_where_hq_stands();
            }
            self.confirmed = Some(upto.max(before));
        }
        confirmed(self.status, self.window.waiting());
        Ok(())
    }

    /// Records what a customer said at headquarters; the event about it says that it is here.
    async fn said(&self, said: CustomerSaid) -> Result<(), StoreError> {
        let new = match said.read() {
            Ok(new) => new,
            Err(reason) => {
                warn!(reason, "HQ passes on something a customer said that this version does not understand");
                return Ok(());
            }
        };
        match self.store.record_feedback(vec![new]).await {
            // Erased, or of another life of this store: HQ says it again for a while and then keeps it to itself.
            Err(fault @ (StoreError::NotFound { .. } | StoreError::Refused(_))) => {
                warn!(%fault, "something a customer said at HQ belongs to no visit here");
                Ok(())
            }
            recorded => recorded.map(drop),
        }
    }

    async fn refused(&mut self, epoch: &str, seq: u64, reason: String, id: String) -> Result<(), StoreError> {
        let Ok(epoch) = epoch.parse::<Epoch>() else { return Ok(()) };
        if !id.is_empty() && self.store.has_another(epoch, seq, id).await? {
            return Ok(());
        }
        if self.store.dead_letter(epoch, seq, reason.clone()).await? {
            error!(%epoch, seq, reason, "HQ refuses an event; it is among the dead letters");
            let alarm = format!("HQ refuses event {seq} ({reason}); it is kept among the dead letters");
            self.status.send_modify(|status| status.alarm = Some(alarm));
        }
        Ok(())
    }
}

/// Something a customer said at headquarters.
struct CustomerSaid {
    feedback: String,
    visit: String,
    given: String,
    topic: String,
    stars: Option<u8>,
    words: String,
}

impl CustomerSaid {
    fn read(self) -> Result<NewFeedback, String> {
        let Self { feedback, visit, given, topic, stars, words } = self;
        Ok(NewFeedback {
            id: feedback.parse().map_err(|fault| format!("feedback: {fault}"))?,
            visit: visit.parse().map_err(|fault| format!("visit: {fault}"))?,
            topic: topic.parse().map_err(|fault| format!("topic: {fault}"))?,
            given: given.parse().map_err(|fault| format!("given: {fault}"))?,
            stars,
            words,
            at_hq: true,
        })
    }
}

/// HQ's answer to a hello.
struct Stands {
    last_seq: u64,
    upto: u64,
    ranges: Vec<SeqRange>,
    known: Option<Known>,
    over: bool,
}
