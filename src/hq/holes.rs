//! Which holes are asked for: those that have stood still for longer than a batch under way takes.

use super::database::Hole;
use crate::sync::topic::Address;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// A hole that has not moved this long is asked for: longer than a batch under way takes.
const HOLE_PATIENCE: Duration = Duration::from_secs(4);

/// Ranges that one question names.
const MAX_ASKED: usize = 32;

/// Since when each stream's prefix has stood still before a hole.
#[derive(Default)]
pub(super) struct Holes(HashMap<(Address, String), (u64, Instant)>);

impl Holes {
    /// The holes that have stood still long enough; each is asked for once per patience.
    pub fn stale(&mut self, holes: Vec<Hole>, now: Instant) -> Vec<Hole> {
        let mut before = std::mem::take(&mut self.0);
        let mut stale = Vec::new();
        for mut hole in holes {
            let key = (hole.from.clone(), hole.epoch.clone());
            let since = match before.remove(&key) {
                Some((stood, since)) if stood == hole.upto => since,
                _ => now,
            };
            let due = now.duration_since(since) >= HOLE_PATIENCE && !hole.missing.is_empty();
            self.0.insert(key, (hole.upto, if due { now } else { since }));
            if due {
                hole.missing.truncate(MAX_ASKED);
                stale.push(hole);
            }
        }
        stale
    }
}
