//! Gateways that fetch packages, in turn. A slice is as large as a publish may be, so that only few may wait for the broker: the
//! others wait here, where one costs some bytes. Whoever is forgotten asks again.

use crate::sync::{package::Fetch, topic::Address};
use std::collections::VecDeque;

/// Gateways that wait; beyond this the oldest question is dropped.
const MOST: usize = 10_000;

/// Gateways answered at one go.
const AT_ONCE: usize = 4;

/// Slices that may wait for the broker before the next are read: about 4 MB, and what one go brings on top.
const WAITING: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Fetches(VecDeque<(Address, Fetch)>);

impl Fetches {
    /// The last question of each gateway counts, and keeps its place.
    pub fn asked(&mut self, fetches: Vec<(Address, Fetch)>) {
        for (from, fetch) in fetches {
            match self.0.iter_mut().find(|(known, _)| *known == from) {
                Some((_, known)) => *known = fetch,
                None => self.0.push_back((from, fetch)),
            }
        }
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }

    /// Whose turn it is, if the broker has taken enough of what was said before.
    pub fn next(&mut self, waiting: usize) -> Option<Vec<(Address, Fetch)>> {
        if waiting >= WAITING || self.0.is_empty() {
            return None;
        }
        Some(self.0.drain(..self.0.len().min(AT_ONCE)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_and_few_slices_wait() {
        let ask = |at: usize, from: u32| {
            let to = Address { store: format!("sh-{at}"), gateway: format!("sh-{at}-g1") };
            (to, Fetch { sha256: "a".repeat(64), from })
        };
        let mut fetches = Fetches::default();
        fetches.asked((0..10).map(|at| ask(at, 0)).collect());
        fetches.asked(vec![ask(0, 8)]);
        assert_eq!(fetches.next(WAITING), None, "the broker is busy");
        let first = fetches.next(WAITING - 1).expect("somebody waits");
        assert_eq!((first.len(), first[0].1.from), (AT_ONCE, 8), "the last question, in the first one's place");
        assert_eq!(fetches.next(0).map(|turn| turn[0].0.store.clone()), Some("sh-4".to_owned()));
        assert_eq!(fetches.next(0).map(|turn| turn.len()), Some(2));
        assert_eq!(fetches.next(0), None);
        fetches.asked((0..MOST + 5).map(|at| ask(at, 0)).collect());
        assert_eq!(fetches.next(0).map(|turn| turn[0].0.store.clone()), Some("sh-5".to_owned()));
    }
}
