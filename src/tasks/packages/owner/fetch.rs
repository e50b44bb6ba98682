//! What headquarters wishes, on its way here.

use super::{
    super::{
        fetching::{Came, Fetching},
        taking,
    },
    Done, LATER, Owner, told,
};
use crate::{
    faults,
    store::StoreError,
    sync::{
        agenda::Held,
        package::{Refusal, Took, Wish, Withdrawn},
    },
};
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Bytes that came wrong so often are wrong.
const SPOILED: u32 = 3;

impl Owner {
    /// Another book, or a lower version of the same one: headquarters was restored from a backup. What it says counts.
    pub(super) async fn wanted(
        &mut self,
        held: Held,
        wishes: Vec<Wish>,
        withdrawn: &[Withdrawn],
    ) -> Result<(), StoreError> {
        let mut next = self.state.clone();
        let mut notes = Vec::new();
        for gone in withdrawn {
            let before = next.holdings.in_use(&gone.slot).map(|used| used.version);
            if next.holdings.withdraw(gone) {
                notes.push(("package withdrawn", told(&gone.slot, before.unwrap_or(0))));
            }
        }
        (next.held, next.wishes) = (Some(held), highest(wishes));
        if self.keep(next, notes).await? {
            faults::point("packages.wanted.kept");
            self.tell_soon();
        }
        Ok(())
    }

    pub(super) async fn slice(&mut self, sha256: &str, index: u32, data: &str) -> Result<(), StoreError> {
        let Some(fetching) = &mut self.fetching else { return Ok(()) };
        match fetching.came(&self.reader.shelf, sha256, index, data).await {
            Ok(Came::PassedOver) => {}
            Ok(Came::Kept) => self.refresh(),
            Ok(Came::Whole) => self.whole().await?,
            Err(fault) => self.disk_failed(sha256, &fault),
        }
        Ok(())
    }

    /// The last slice is here.
    pub(super) async fn whole(&mut self) -> Result<(), StoreError> {
        let Some(Fetching { wish, .. }) = self.fetching.take() else { return Ok(()) };
        let (shelf, sha256) = (self.reader.shelf.clone(), wish.sha256.clone());
        let finished = tokio::task::spawn_blocking(move || shelf.finish(&sha256)).await;
        match finished.map_err(std::io::Error::other).and_then(|finished| finished) {
            Ok(true) => {
                let mut next = self.state.clone();
                if next.spoiled.remove(&wish.sha256).is_some() {
                    self.keep(next, Vec::new()).await?;
                }
            }
            Ok(false) => self.spoiled(&wish).await?,
            Err(fault) => self.disk_failed(&wish.sha256, &fault),
        }
        Ok(())
    }

    pub(super) async fn spoiled(&mut self, wish: &Wish) -> Result<(), StoreError> {
        let mut next = self.state.clone();
        let times = next.spoiled.entry(wish.sha256.clone()).or_default();
        *times += 1;
        warn!(package = %wish.slot, version = wish.version, times, "what was fetched has another digest; it is thrown away");
        if *times >= SPOILED {
            next.spoiled.remove(&wish.sha256);
            let reason = format!(
                "it was fetched {SPOILED} times, and its bytes are never those that headquarters announced; put it there again, it is \
                 fetched once more within an hour"
            );
            self.later.insert(wish.sha256.clone(), (Instant::now() + LATER * 60, reason));
            self.tell_soon();
        }
        self.keep(next, Vec::new()).await.map(drop)
    }

    pub(super) fn disk_failed(&mut self, sha256: &str, fault: &std::io::Error) {
        error!(%fault, "a package cannot be written; it is tried again");
        self.fetching = None;
        self.postpone(sha256, format!("the disk does not take it ({fault}); check it"));
    }

    /// What headquarters wishes: refuses, fetches or takes.
    pub(super) async fn wishes(&mut self) -> Result<(), StoreError> {
        let mut next = self.state.clone();
        let mut wanted = None;
        let mut notes = Vec::new();
        for wish in self.state.wishes.clone() {
            match next.holdings.wished(&wish) {
                Took::Fetch if wanted.is_none() && !self.later.contains_key(&wish.sha256) => wanted = Some(wish),
                // Not remembered, so not to be said at every look.
                Took::Refused(Refusal::Slots) => {
                    let reason = (Instant::now() + LATER, Refusal::Slots.to_string());
                    self.later.entry(wish.sha256).or_insert(reason);
                }
                Took::Refused(refusal) => {
                    warn!(package = %wish.slot, version = wish.version, %refusal, "refused");
                    notes.push(("package refused", told(&wish.slot, wish.version)));
                }
                Took::Settled | Took::Waits | Took::Fetch => {}
            }
        }
        if !self.keep(next, notes).await? {
            return Ok(());
        }
        let Some(wish) = wanted else {
            self.fetching = None;
            return Ok(());
        };
        if self.reader.shelf.holds(&wish.sha256) {
            self.fetching = None;
            let (reader, analysis, holdings) =
                (Arc::clone(&self.reader), self.analysis.clone(), self.state.holdings.clone());
            self.job = Some(Box::pin(async move {
                let taken = taking::take(reader, &analysis, holdings, wish.clone()).await;
                Done::Took(wish, taken)
            }));
        } else if self.fetching.as_ref().is_none_or(|fetching| fetching.wish != wish) {
            self.fetch(wish).await?;
        }
        Ok(())
    }

    pub(super) async fn fetch(&mut self, wish: Wish) -> Result<(), StoreError> {
        self.fetching = None;
        // The package, and its files beside it.
        let needed = self.store.min_free().saturating_add(wish.bytes.saturating_mul(2));
        match self.reader.shelf.free() {
            Ok(free) if free < needed => {
                let mib = |bytes: u64| bytes >> 20;
                let reason = format!(
                    "{} MiB are free here, {} MiB are needed to fetch it; free some space, it is tried again",
                    mib(free),
                    mib(needed)
                );
                warn!(package = %wish.slot, reason, "a package is not fetched");
                self.postpone(&wish.sha256, reason);
                return Ok(());
            }
            Err(fault) => {
                self.disk_failed(&wish.sha256, &fault);
                return Ok(());
            }
            Ok(_) => {}
        }
        let sha256 = wish.sha256.clone();
        match Fetching::begin(&self.reader.shelf, wish) {
            Ok(fetching) => {
                info!(package = %fetching.wish.slot, version = fetching.wish.version, from = fetching.next, "fetching");
                let whole = fetching.is_whole();
                self.fetching = Some(fetching);
                self.refresh();
                if whole { self.whole().await } else { Ok(()) }
            }
            Err(fault) => {
                self.disk_failed(&sha256, &fault);
                Ok(())
            }
        }
    }
}

/// Of two wishes for one slot the newer one: taken one after the other they would never end.
fn highest(wishes: Vec<Wish>) -> Vec<Wish> {
    let mut kept: Vec<Wish> = Vec::new();
    for wish in wishes {
        match kept.iter_mut().find(|other| other.slot == wish.slot) {
            Some(other) if other.version >= wish.version => {}
            Some(other) => *other = wish,
            None => kept.push(wish),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::package::Slot;

    #[test]
    fn of_two_wishes_for_one_slot_the_newer_counts() {
        let wish = |slot: Slot, version| Wish { slot, version, sha256: format!("{version:064x}"), bytes: 9 };
        let said =
            vec![wish(Slot::Settings, 3), wish(Slot::Treatments, 1), wish(Slot::Settings, 5), wish(Slot::Settings, 4)];
        assert_eq!(highest(said), [wish(Slot::Settings, 5), wish(Slot::Treatments, 1)]);
    }
}
