//! The newest events as they were committed, kept in memory: what is sent as it is recorded need not be read back from the
//! database, which costs two changes of thread and the decryption of its pages.
//!
//! Holds what the outbox holds or nothing: a run of consecutive numbers of one epoch that ends with the last one committed,
//! as much as fits into [`ROOM`]. Whatever changes or removes rows of the outbox empties it before its commit.

use crate::domain::Epoch;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Bytes of text: what one connection's window of publishes can hold, and a tenth of a second of the fastest stream.
const ROOM: usize = 1 << 20;

/// Shared by the writer, who adds, and whoever reads the outbox.
#[derive(Default)]
pub(super) struct Fresh(Mutex<Held>);

#[derive(Default)]
struct Held {
    epoch: Option<Epoch>,
    first: u64,
    texts: VecDeque<String>,
    bytes: usize,
}

/// An event of a transaction that is not committed yet.
pub(super) struct Text {
    pub epoch: Epoch,
    pub seq: u64,
    pub body: String,
}

impl Fresh {
    /// Takes in what was just committed, in the order of its numbers.
    pub(super) fn add(&self, new: Vec<Text>) {
        let mut held = self.held();
        for Text { epoch, seq, body } in new {
            if held.epoch != Some(epoch) || held.first + held.texts.len() as u64 != seq {
                *held = Held { epoch: Some(epoch), first: seq, ..Held::default() };
            }
            held.bytes += body.len();
            held.texts.push_back(body);
            while held.bytes > ROOM
                && let Some(oldest) = held.texts.pop_front()
            {
                held.bytes -= oldest.len();
                held.first += 1;
            }
        }
    }

    pub(super) fn clear(&self) {
        *self.held() = Held::default();
    }

    /// Events of `epoch` from `from` to `to`, at most `events` and `bytes` of text (but always one); `None` where the first
    /// of them is not here.
    pub(super) fn range(
        &self,
        epoch: Epoch,
        (from, to): (u64, u64),
        events: usize,
        bytes: usize,
    ) -> Option<Vec<(u64, String)>> {
        let held = self.held();
        if held.epoch != Some(epoch) || from < held.first || from >= held.first + held.texts.len() as u64 {
            return None;
        }
        let skipped = usize::try_from(from - held.first).ok()?;
        let mut size = 0;
        let fits = (from..=to).zip(held.texts.iter().skip(skipped)).take(events.max(1)).take_while(|(seq, body)| {
            size += body.len();
            size <= bytes || *seq == from
        });
        Some(fits.map(|(seq, body)| (seq, body.clone())).collect())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(bits: u128) -> Epoch {
        Epoch::from_bits(bits)
    }

    fn texts(bits: u128, seqs: std::ops::RangeInclusive<u64>, length: usize) -> Vec<Text> {
        let body = |seq: u64| format!("{seq}{}", ".".repeat(length - seq.to_string().len()));
        seqs.map(|seq| Text { epoch: epoch(bits), seq, body: body(seq) }).collect()
    }

    fn seqs(fresh: &Fresh, bits: u128, range: (u64, u64), events: usize, bytes: usize) -> Option<Vec<u64>> {
        Some(fresh.range(epoch(bits), range, events, bytes)?.into_iter().map(|(seq, _)| seq).collect())
    }

    #[test]
    fn gives_a_stretch_within_its_limits_and_nothing_that_it_does_not_hold_from_its_beginning() {
        let fresh = Fresh::default();
        assert_eq!(seqs(&fresh, 1, (1, 9), 9, 900), None);
        fresh.add(texts(1, 5..=9, 10));
        assert_eq!(seqs(&fresh, 1, (5, 9), 99, 9999), Some(vec![5, 6, 7, 8, 9]));
        assert_eq!(seqs(&fresh, 1, (6, 8), 99, 9999), Some(vec![6, 7, 8]));
        assert_eq!(seqs(&fresh, 1, (6, 9), 2, 9999), Some(vec![6, 7]));
        assert_eq!(seqs(&fresh, 1, (6, 9), 99, 25), Some(vec![6, 7]));
        assert_eq!(seqs(&fresh, 1, (6, 9), 99, 1), Some(vec![6]), "always one");
        assert_eq!(fresh.range(epoch(1), (7, 7), 9, 900), Some(vec![(7, "7.........".to_owned())]));
        assert_eq!(seqs(&fresh, 1, (4, 9), 99, 9999), None, "the database knows what 4 is");
        assert_eq!(seqs(&fresh, 1, (10, 12), 99, 9999), None);
        assert_eq!(seqs(&fresh, 2, (6, 9), 99, 9999), None);
    }

    #[test]
    fn a_hole_or_another_epoch_begins_anew_and_the_oldest_make_room() {
        let fresh = Fresh::default();
        fresh.add(texts(1, 1..=3, 10));
        fresh.add(texts(1, 5..=6, 10));
        assert_eq!((seqs(&fresh, 1, (3, 6), 9, 900), seqs(&fresh, 1, (5, 6), 9, 900)), (None, Some(vec![5, 6])));
        fresh.add(texts(2, 7..=7, 10));
        assert_eq!((seqs(&fresh, 1, (6, 6), 9, 900), seqs(&fresh, 2, (7, 7), 9, 900)), (None, Some(vec![7])));
        fresh.add(texts(2, 8..=8, ROOM - 5));
        assert_eq!((seqs(&fresh, 2, (7, 8), 9, 900), seqs(&fresh, 2, (8, 8), 9, 900)), (None, Some(vec![8])));
        fresh.add(texts(2, 9..=9, ROOM + 1));
        assert_eq!(seqs(&fresh, 2, (9, 9), 9, 900), None, "larger than all the room");
        fresh.add(texts(2, 10..=10, 10));
        assert_eq!(seqs(&fresh, 2, (10, 10), 9, 900), Some(vec![10]));
        fresh.clear();
        assert_eq!(seqs(&fresh, 2, (10, 10), 9, 900), None);
    }
}
