//! How the models of packages do, added up over the lives of the gateway.

use super::{
    super::state::{Counts, State},
    COUNTERS, Owner,
};
use crate::{
    store::StoreError,
    sync::package::{InUse, Slot},
};
use tokio::time::Instant;

impl Owner {
    /// How the models do since this was last looked at.
    pub(super) async fn count(&mut self) -> Result<(), StoreError> {
        let now = self.health.borrow_and_update().clone();
        let mut first_failure = false;
        for (slot, InUse { version, .. }) in &self.running {
            let Slot::Model(id) = slot else { continue };
            let Some(health) = now.get(id).copied() else { continue };
            let seen = self.seen.insert(id.clone(), health).unwrap_or_default();
            let more = |now: u64, seen: u64| if now >= seen { now - seen } else { now };
            let (measured, failed) = (more(health.measured, seen.measured), more(health.failed, seen.failed));
            let counted = self.counted.entry(slot.clone()).or_default();
            if counted.version != *version {
                *counted = Counts { version: *version, ..Counts::default() };
            }
            first_failure |= counted.failed == 0 && failed > 0;
            counted.measured += measured;
            counted.failed += failed;
        }
        if self.counted != self.state.health {
            self.counters_at = self.counters_at.or(Some(Instant::now() + COUNTERS));
        }
        if first_failure { self.keep_counters().await } else { Ok(()) }
    }

    pub(super) async fn keep_counters(&mut self) -> Result<(), StoreError> {
        self.counters_at = None;
        let next = State { health: self.counted.clone(), ..self.state.clone() };
        if self.keep(next, Vec::new()).await? {
            self.tell_soon();
        }
        Ok(())
    }
}
