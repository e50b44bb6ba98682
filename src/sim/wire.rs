//! A bad cable with a seed: splits, delays, loses, repeats and changes what passes. What it does is decided by the seed alone.

use std::time::{Duration, Instant};

/// How often each fault happens, from 0 to 1 for every message handed over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// Cut into pieces that arrive one after the other.
    pub split: f64,
    /// Bytes that mean nothing before it.
    pub garbage: f64,
    /// Never arrives.
    pub loss: f64,
    /// Arrives twice.
    pub repeat: f64,
    /// Arrives after [`Self::LATE`]: too late for whoever asked.
    pub late: f64,
    /// One bit differs.
    pub lie: f64,
}

impl Faults {
    pub const NONE: Self = Self { split: 0.0, garbage: 0.0, loss: 0.0, repeat: 0.0, late: 0.0, lie: 0.0 };

    /// Worse than any cable in a salon that still works at times.
    pub const HOSTILE: Self = Self { split: 0.5, garbage: 0.1, loss: 0.1, repeat: 0.1, late: 0.05, lie: 0.1 };

    /// Longer than a reply may take in the protocols of this house, shorter than a measurement.
    pub const LATE: Duration = Duration::from_millis(900);
}

/// One direction of a cable.
#[derive(Debug)]
pub struct Wire {
    faults: Faults,
    rng: fastrand::Rng,
    /// What comes later cannot overtake.
    free_at: Option<Instant>,
}

impl Wire {
    #[must_use]
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: fastrand::Rng::with_seed(seed), free_at: None }
    }

    #[must_use]
    pub fn sound() -> Self {
        Self::new(Faults::NONE, 0)
    }

    /// What arrives of `bytes`, and when; in order.
    pub fn carry(&mut self, now: Instant, bytes: &[u8]) -> Vec<(Instant, Vec<u8>)> {
        let faults = self.faults;
        if self.happens(faults.loss) {
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
