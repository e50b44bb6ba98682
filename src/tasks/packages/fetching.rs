//! One package on its way here, slice by slice. Slices come in runs; the next run is asked for when one has ended, so that nothing
//! comes twice that is still on its way.

use super::Shelf;
use crate::{
    faults,
    sync::package::{self, SLICE, Wish},
};
use openssl::base64;
use std::time::Duration;
use tokio::time::Instant;

/// A run has ended when nothing came for so long, or for several times as long as its slices took one after another.
const RUN_ENDS: Duration = Duration::from_millis(300);
const TIMES: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Nothing came of a question for so long: it is asked again, later and later.
const FIRST_STALL: Duration = Duration::from_secs(10);
const LONGEST_STALL: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug)]
pub(super) struct Fetching {
    pub wish: Wish,
    /// Number of the slice that is missing.
    pub next: u32,
    last: Option<Instant>,
    slowest: Duration,
    stall: Duration,
    /// When to ask for more.
    pub ask_at: Option<Instant>,
}

/// What became of a slice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It was not the next one.
    PassedOver,
    Kept,
    /// It was the last one.
    Whole,
}

impl Fetching {
    /// Goes on behind what is here.
    pub fn begin(shelf: &Shelf, wish: Wish) -> std::io::Result<Self> {
        let next = shelf.begun(&wish.sha256, wish.bytes)?;
        let ask_at = Some(Instant::now());
        Ok(Self { wish, next, last: None, slowest: Duration::ZERO, stall: FIRST_STALL, ask_at })
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.next >= package::slices(self.wish.bytes)
    }

    /// A question was said.
    pub fn asked(&mut self, now: Instant) {
        (self.last, self.slowest) = (None, Duration::ZERO);
        self.ask_at = Some(now + self.stall);
        self.stall = (self.stall * 2).min(LONGEST_STALL);
    }

    /// A slice came; one out of order, of another package or of another length is passed over.
    pub async fn came(&mut self, shelf: &Shelf, sha256: &str, index: u32, data: &str) -> std::io::Result<Came> {
        if sha256 != self.wish.sha256 || index != self.next || self.is_whole() {
            return Ok(Came::PassedOver);
        }
        let rest = self.wish.bytes - u64::from(index) * SLICE as u64;
        let wanted = usize::try_from(rest).unwrap_or(SLICE).min(SLICE);
        let slice = match base64::decode_block(data) {
            Ok(slice) if slice.len() == wanted => slice,
            _ => {
                tracing::warn!(index, "a slice of a package has another length than announced; it is passed over");
                return Ok(Came::PassedOver);
            }
        };
        faults::point("packages.slice.came");
        let (shelf, sha256) = (shelf.clone(), sha256.to_owned());
        let written = tokio::task::spawn_blocking(move || shelf.append(&sha256, index, &slice)).await;
        written.map_err(std::io::Error::other)??;
        self.next += 1;
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.slowest = self.slowest.max(now - last);
        }
        self.stall = FIRST_STALL;
        if self.is_whole() {
            self.ask_at = None;
            return Ok(Came::Whole);
        }
        self.ask_at = Some(now + (self.slowest * TIMES).clamp(RUN_ENDS, LONGEST_PAUSE));
        Ok(Came::Kept)
    }
}
