//! Events of earlier epochs that HQ asks for again: it was restored from a backup. They go when the present epoch leaves the
//! line a moment; HQ repeats its question, so nothing is remembered beyond this connection.

use crate::{
    domain::Epoch,
    store::{Store, StoreError},
    sync::{MAX_PUBLISH, batch, ranges::RangeSet, reply::SeqRange},
};
use std::collections::{BTreeMap, HashSet};
use tracing::info;

/// Publishes under way at once: they are as large as any, and live events must not wait behind them.
const FLYING: usize = 2;

#[derive(Default)]
pub(super) struct Recall {
    asked: BTreeMap<Epoch, RangeSet>,
    flying: HashSet<u64>,
    /// Something was asked for that is kept no longer, or was told under a later epoch.
    gone: bool,
}

impl Recall {
    /// HQ misses `ranges` of an earlier epoch.
    pub fn asked(&mut self, epoch: Epoch, ranges: &[SeqRange]) {
        info!(%epoch, ?ranges, "HQ asks for events of an earlier epoch");
        let asked = self.asked.entry(epoch).or_default();
        ranges.iter().for_each(|range| asked.insert(*range));
    }

    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether something that was asked for is not there, since this was last asked: a hello says why.
    pub fn found_nothing(&mut self) -> bool {
        std::mem::take(&mut self.gone)
    }

    /// The next batch, if there is one and a place for it.
    pub async fn next(&mut self, store: &Store, events: usize) -> Result<Option<Vec<u8>>, StoreError> {
        while self.flying.len() < FLYING {
            let Some(mut entry) = self.asked.first_entry() else { return Ok(None) };
            let epoch = *entry.key();
            let Some((first, last)) = entry.get().first_from(0) else {
                entry.remove();
                continue;
            };
            let rows = store.range(epoch, first, last, events, MAX_PUBLISH).await?;
            let Some((payload, range)) = batch::compose(&epoch.to_string(), &rows) else {
                self.gone = true;
                entry.get_mut().remove((first, last));
                continue;
            };
            entry.get_mut().remove((first, range.1));
            return Ok(Some(payload));
        }
        Ok(None)
    }

    pub fn sent(&mut self, token: u64) {
        self.flying.insert(token);
    }

    /// The broker took it, or lost it: HQ asks again for what it still misses.
    pub fn settled(&mut self, token: u64) {
        self.flying.remove(&token);
    }
}
