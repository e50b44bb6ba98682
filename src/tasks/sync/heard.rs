//! What HQ has acknowledged and the store does not know yet. An acknowledgement makes nothing durable that was not, so it is
//! written a little later, many at once: each time costs the disk a sync, for which the next measurement would wait. One lost
//! with the process is told again at the next hello.

use crate::{
    domain::Epoch,
    faults,
    store::{Store, StoreError},
    sync::{ranges::RangeSet, reply::SeqRange},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// An acknowledgement is written after so long.
const LATER: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Heard {
    waiting: BTreeMap<Epoch, RangeSet>,
    due: Option<Instant>,
}

impl Heard {
    /// HQ has committed everything up to and with `upto`, and `ranges` beyond.
    pub fn note(&mut self, epoch: Epoch, upto: u64, ranges: &[SeqRange], now: Instant) {
        let held = self.waiting.entry(epoch).or_default();
        held.insert((1, upto));
        ranges.iter().for_each(|range| held.insert(*range));
        self.due.get_or_insert(now + LATER);
    }

    pub fn wake_at(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what is due.
    ///
    /// # Errors
    /// The store's; what could not be written is tried again later.
    pub async fn record_due(&mut self, store: &Store, now: Instant) -> Result<(), StoreError> {
        if self.due.is_some_and(|due| due <= now) { self.record(store).await } else { Ok(()) }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As [`Self::record_due`].
    pub async fn record(&mut self, store: &Store) -> Result<(), StoreError> {
        while let Some((epoch, held)) = self.waiting.first_key_value() {
            store.acknowledge(*epoch, 0, held.iter().collect()).await?;
            faults::point("sync.ack.recorded");
            self.waiting.pop_first();
        }
        self.due = None;
        Ok(())
    }
}
