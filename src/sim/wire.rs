//! A bad cable with a seed: splits, delays, loses, repeats and changes what passes. What it does is decided by the seed alone.

use super::faults::Faults;
use crate::protocol::{FrameError, framer::Framer, framing::Framing};
use std::time::{Duration, Instant};

/// One direction of a cable.
#[derive(Debug)]
pub struct Wire {
    faults: Faults,
    rng: fastrand::Rng,
    /// What comes later cannot overtake.
    free_at: Option<Instant>,
    /// Nothing passes before this.
    silent_until: Option<Instant>,
    /// How to tell a frame whose checksum is wrong from one that is broken in another way.
    framing: Option<Framing>,
}

impl Wire {
    #[must_use]
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: fastrand::Rng::with_seed(seed), free_at: None, silent_until: None, framing: None }
    }

    /// Frames lie so on it: their checksums can be made wrong.
    #[must_use]
    pub fn with_framing(mut self, framing: &Framing) -> Self {
        self.framing = Some(framing.clone());
        self
    }

    #[must_use]
    pub fn sound() -> Self {
        Self::new(Faults::NONE, 0)
    }

    /// What arrives of `bytes`, and when; in order.
    pub fn carry(&mut self, now: Instant, bytes: &[u8]) -> Vec<(Instant, Vec<u8>)> {
        let faults = self.faults;
        if self.is_silent(now) || self.happens(faults.loss) {
            return Vec::new();
        }
        let mut stream = Vec::new();
        if self.happens(faults.garbage) {
            let count = self.rng.usize(1..=12);
            stream.extend((0..count).map(|_| self.rng.u8(..)));
        }
        let times = if self.happens(faults.repeat) { 2 } else { 1 };
        for _ in 0..times {
            let mut copy = bytes.to_vec();
            if self.happens(faults.wrong_checksum) {
                copy = self.with_wrong_checksum(copy);
            }
            if self.happens(faults.lie) && !copy.is_empty() {
                let at = self.rng.usize(..copy.len());
                copy[at] ^= 1 << self.rng.u8(..8);
            }
            stream.extend(copy);
        }
        let mut at = self.free_at.map_or(now, |free| free.max(now));
        if self.happens(faults.late) {
            at += Faults::LATE;
        }
        let mut pieces = Vec::new();
        for piece in self.cut(&stream) {
            pieces.push((at, piece));
            if faults.split > 0.0 {
                at += Duration::from_millis(self.rng.u64(0..8));
            }
        }
        self.free_at = Some(at);
        pieces
    }

    fn is_silent(&mut self, now: Instant) -> bool {
        if self.silent_until.is_some_and(|until| now < until) {
            return true;
        }
        let begins = self.happens(self.faults.silent);
        self.silent_until = begins.then(|| now + Faults::SILENCE);
        begins
    }

    /// The same frame with one bit changed so that its checksum, and nothing else, is wrong; as it is where none can.
    fn with_wrong_checksum(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let Some(framing) = self.framing.clone().filter(|framing| framing.checksum.is_some()) else { return frame };
        let mut bits: Vec<usize> = (0..8 * frame.len()).collect();
        self.rng.shuffle(&mut bits);
        let changed = bits.into_iter().map(|bit| {
            let mut copy = frame.clone();
            copy[bit / 8] ^= 1 << (bit % 8);
            copy
        });
        changed.into_iter().find(|copy| is_only_wrong_in_checksum(&framing, copy)).unwrap_or(frame)
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }

    fn cut(&mut self, stream: &[u8]) -> Vec<Vec<u8>> {
        if !self.happens(self.faults.split) {
            return vec![stream.to_vec()];
        }
        let mut pieces = Vec::new();
        let mut rest = stream;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.rng.usize(1..=rest.len().min(9)));
            pieces.push(piece.to_vec());
            rest = behind;
        }
        pieces
    }
}

fn is_only_wrong_in_checksum(framing: &Framing, frame: &[u8]) -> bool {
    let (mut framer, mut results) = (Framer::new(framing.clone()), Vec::new());
    framer.feed(frame, &mut |result| results.push(result.map(<[u8]>::to_vec)));
    framer.give_up(&mut |result| results.push(result.map(<[u8]>::to_vec)));
    matches!(results.first(), Some(Err(FrameError::Checksum { .. }))) && results.iter().all(Result::is_err)
}
