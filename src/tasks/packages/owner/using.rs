//! What is here, into use and out of it.

use super::{
    super::{
        TakingIn, Trying,
        exchange::{self, Missing, Why},
        state::Counts,
        taking::Taken,
    },
    Done, LATER, Owner, told,
};
use crate::{
    domain::scan::ScanState,
    faults,
    store::StoreError,
    sync::package::{InUse, Slot, Took, Wish},
    tasks::station::StationHandle,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

/// When it is looked again whether everybody is done.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A chair that does not answer within this is busy.
const CHAIR: Duration = Duration::from_secs(2);

impl Owner {
    /// Models that are in use and shall not be: one was withdrawn, or came into use when it was not wished any more.
    pub(super) fn models_back(&mut self) {
        let slots = self.running.keys().chain(self.state.holdings.all_in_use().map(|(slot, _)| slot));
        let differs = |slot: &&Slot| {
            let (runs, wanted) = (self.running.get(slot), self.state.holdings.in_use(slot));
            matches!(slot, Slot::Model(_)) && runs != wanted && !self.later.contains_key(&later_by(slot, wanted))
        };
        let Some(slot) = slots.into_iter().find(differs).cloned() else { return };
        let Slot::Model(id) = slot.clone() else { return };
        let wanted = self.state.holdings.in_use(&slot).cloned();
        let (shelf, analysis) = (self.reader.shelf.clone(), self.analysis.clone());
        self.job = Some(Box::pin(async move {
            let outcome = exchange::back(&shelf, &analysis, &id, wanted.clone()).await;
            Done::Went(slot, wanted, outcome)
        }));
    }

    /// Rules and settings that wait to be used, or that are used and shall not be: the gateway begins anew once everybody is done.
    pub(super) async fn rules(&mut self) -> Result<(), StoreError> {
        let (back, waiting) = self.rules_due();
        if back.is_none() && waiting.is_none() {
            self.look_at = None;
            self.sound_again();
            return Ok(());
        }
        if self.look_at.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        self.look_at = None;
        if !everybody_is_done(&self.stations.clone(), &self.taking_in.clone()).await {
            self.look_at = Some(Instant::now() + LOOK_AGAIN);
            return Ok(());
        }
        let still_builds = Arc::clone(&self.still_builds);
        let looked = tokio::task::spawn_blocking(move || still_builds()).await;
        if let Err(reason) = looked.unwrap_or_else(|fault| Err(fault.to_string())) {
            warn!(reason, "the gateway does not begin anew while its own files are not sound; mend them");
            self.look_at = Some(Instant::now() + LATER);
            self.unsound = Some(reason);
            self.tell_soon();
            return Ok(());
        }
        self.sound_again();
        let mut next = self.state.clone();
        let mut notes = Vec::new();
        if let Some(slot) = back {
            next.trying = next.holdings.in_use(&slot).cloned().map(|package| Trying { slot, package, starts: 0 });
        } else if let Some((slot, package)) = waiting {
            next.holdings.used(&slot);
            notes.push(("package in use", told(&slot, package.version)));
            next.trying = Some(Trying { slot, package, starts: 0 });
        }
        if self.keep(next, notes).await? {
            faults::point("packages.used.kept");
            info!("the gateway begins anew inside its process, for what headquarters has rolled out");
            self.anew.cancel();
            self.stop.cancel();
        }
        Ok(())
    }

    /// Rules or settings that are used and shall not be, and others that wait to be used.
    fn rules_due(&self) -> (Option<Slot>, Option<(Slot, InUse)>) {
        let rule = |slot: &Slot| !matches!(slot, Slot::Model(_));
        let used = |slot: &Slot| self.state.holdings.in_use(slot);
        let slots = self.running.keys().chain(self.state.holdings.all_in_use().map(|(slot, _)| slot));
        // What this life cannot use the next start tries again.
        let aside = |slot: &Slot, at: &InUse| self.aside.iter().any(|(s, package, _)| s == slot && package == at);
        let differs = |slot: &&Slot| {
            rule(slot) && self.running.get(slot) != used(slot) && !used(slot).is_some_and(|at| aside(slot, at))
        };
        let back = slots.into_iter().find(differs).cloned();
        let waits =
            |(slot, held): &(&Slot, &InUse)| rule(slot) && self.state.is_wished(slot, held) && !aside(slot, held);
        let waiting = self.state.holdings.waiting().find(waits).map(|(slot, held)| (slot.clone(), held.clone()));
        (back, waiting)
    }

    pub(super) async fn finished(&mut self, done: Done) -> Result<(), StoreError> {
        match done {
            Done::Took(wish, taken) => self.took(wish, taken).await,
            Done::Went(slot, wanted, Ok(())) => {
                info!(package = %slot, version = wanted.as_ref().map(|at| at.version), "went back");
                self.runs(&slot, wanted);
                self.tell_soon();
                Ok(())
            }
            Done::Went(slot, Some(wanted), Err(Why::Refused(reason))) => {
                error!(package = %slot, version = wanted.version, reason, "what was used before does not work any more");
                let mut next = self.state.clone();
                next.refuse(&slot, &wanted, &reason);
                self.keep(next, vec![("package refused", told(&slot, wanted.version))]).await.map(drop)
            }
            Done::Went(slot, Some(wanted), Err(Why::Gone)) => {
                error!(package = %slot, version = wanted.version, "what was used before is gone or damaged");
                let mut next = self.state.clone();
                next.holdings.lost(&wanted.sha256);
                self.keep(next, Vec::new()).await.map(drop)
            }
            Done::Went(slot, wanted, Err(Why::Later(reason) | Why::Refused(reason))) => {
                warn!(package = %slot, reason, "what shall be used again cannot be tried now; what is in use stays");
                self.postpone(&later_by(&slot, wanted.as_ref()), reason);
                Ok(())
            }
            Done::Went(_, None, Err(Why::Gone)) => Ok(()),
            Done::Started(missing) => {
                self.models_begun = true;
                for Missing { slot, replaced } in missing {
                    // It is not running: neither is it told as used, nor counted what measures in its place.
                    let Some(package) = self.running.remove(&slot) else { continue };
                    error!(package = %slot, "the model of a package did not pass its trial at this start; the installed one is used");
                    let (wait, meanwhile) = match replaced {
                        true => (LATER * 60, "the installed model is used until then"),
                        false => (LATER, "no model is used in its place"),
                    };
                    let reason = format!("it did not pass its trial at the start, and is tried again; {meanwhile}");
                    self.later.insert(package.sha256, (Instant::now() + wait, reason));
                }
                self.tell_soon();
                self.count().await
            }
        }
    }

    pub(super) async fn took(&mut self, wish: Wish, taken: Taken) -> Result<(), StoreError> {
        let slot = wish.slot.clone();
        let package = InUse { version: wish.version, sha256: wish.sha256.clone() };
        let exchanged = matches!(taken, Taken::Exchanged);
        if exchanged {
            faults::point("packages.model.exchanged");
            self.runs(&slot, Some(package.clone()));
        }
        let mut next = self.state.clone();
        // It may have been withdrawn meanwhile.
        let stands = next.holdings.wished(&wish) == Took::Fetch && next.is_wished(&slot, &package);
        let mut notes = Vec::new();
        match taken {
            Taken::Refused(refusal) => {
                warn!(package = %slot, version = wish.version, %refusal, "refused");
                notes.push(("package refused", told(&slot, wish.version)));
                next.holdings.refused(&wish, &refusal);
            }
            Taken::Later(reason) => {
                warn!(package = %slot, version = wish.version, reason, "not taken now");
                self.postpone(&wish.sha256, reason);
            }
            Taken::Gone => {
                self.reader.shelf.forget(&wish.sha256).unwrap_or_else(|fault| warn!(%fault, "a damaged package stays"))
            }
            Taken::Sound if stands => {
                info!(package = %slot, version = wish.version, "held: it is used as soon as everybody is done");
                next.holdings.held(&wish);
            }
            Taken::Exchanged if stands => {
                info!(package = %slot, version = wish.version, "in use");
                next.holdings.held(&wish);
                next.holdings.used(&slot);
                next.health.insert(slot.clone(), Counts { version: wish.version, ..Counts::default() });
                notes.push(("package in use", told(&slot, wish.version)));
            }
            Taken::Sound | Taken::Exchanged => {}
        }
        let used = exchanged && stands;
        if self.keep(next, notes).await? && used {
            faults::point("packages.used.kept");
        }
        Ok(())
    }

    /// From now on this gateway uses that in a slot.
    pub(super) fn runs(&mut self, slot: &Slot, package: Option<InUse>) {
        match package {
            Some(package) => drop(self.running.insert(slot.clone(), package)),
            None => drop(self.running.remove(slot)),
        }
        if let Slot::Model(id) = slot {
            self.seen.remove(id);
            self.counted.remove(slot);
        }
        self.untidy = true;
    }

    /// A model that lost its place (the inference process died of it too often, or could not load it again) gives way to the one
    /// before.
    pub(super) async fn struck_out(&mut self) -> Result<(), StoreError> {
        let gone = |(slot, at): &(&Slot, &InUse)| match slot {
            Slot::Model(id) => self.models_begun && self.running.get(slot) == Some(at) && !self.measures(id),
            _ => false,
        };
        let lost = self.state.holdings.all_in_use().find(gone).map(|(slot, at)| (slot.clone(), at.clone()));
        let Some((slot, package)) = lost else { return Ok(()) };
        let why = match &slot {
            Slot::Model(id) => self.analysis.lost().borrow().get(id).cloned(),
            _ => None,
        };
        let why = why.unwrap_or_else(|| "nobody measures by it any more".to_owned());
        let reason = format!("it was put out of use: {why}; the one before is used");
        error!(package = %slot, version = package.version, reason, "refused");
        let mut next = self.state.clone();
        next.refuse(&slot, &package, &reason);
        self.keep(next, vec![("package refused", told(&slot, package.version))]).await.map(drop)
    }

    /// Nothing is wrong any more with the gateway's own files, or nothing waits for them.
    fn sound_again(&mut self) {
        if self.unsound.take().is_some() {
            self.tell_soon();
        }
    }

    /// The gateway has run long enough with what was put in use last.
    pub(super) async fn stands(&mut self) -> Result<(), StoreError> {
        let mut next = self.state.clone();
        next.trying = None;
        if self.keep(next, Vec::new()).await? {
            faults::point("packages.settled");
        }
        Ok(())
    }
}

/// Under which it is remembered that something is not to be tried now.
fn later_by(slot: &Slot, wanted: Option<&InUse>) -> String {
    wanted.map_or_else(|| slot.to_string(), |at| at.sha256.clone())
}

/// No scan runs, and no photograph is being taken in.
async fn everybody_is_done(stations: &[StationHandle], taking_in: &TakingIn) -> bool {
    for station in stations {
        match timeout(CHAIR, station.view()).await {
            Ok(Ok(view)) if view.scan.as_ref().is_none_or(|told| told.scan.state != ScanState::Running.as_str()) => {}
            _ => return false,
        }
    }
    taking_in.is_idle()
}
