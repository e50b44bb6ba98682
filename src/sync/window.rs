//! What to send next. Holds no event and no socket: sequence numbers in, ranges to read from the outbox out.
//!
//! Everything HQ has not named as committed is *owed*; what was published and not yet acknowledged is *in flight*, at most
//! a window of it. What came in after the connection opened is *live* and goes before the backlog, but every fourth batch
//! is the backlog's, and two places of the window are kept for live events: neither starves the other.

use super::{ranges::RangeSet, reply::SeqRange};
use std::time::{Duration, Instant};

/// After so many live batches in a row the backlog gets one.
const LIVE_RUN: u32 = 3;

/// Places of the window that the backlog leaves free, where the window has more than twice as many.
const KEPT_FOR_LIVE: usize = 2;

/// A batch published and not yet acknowledged by HQ.
#[derive(Debug, Clone, Copy)]
struct Flight {
    token: u64,
    range: SeqRange,
    sent: Instant,
}

/// The state of one connection's events.
#[derive(Debug, Clone)]
pub struct Window {
    places: usize,
    resend_after: Duration,
    owed: RangeSet,
    flights: Vec<Flight>,
    /// Highest sequence known; above `live_after` is live.
    last: u64,
    live_after: u64,
    live_run: u32,
}

impl Window {
    /// `places` publishes at once, at least 1; one that is not acknowledged within `resend_after` counts as lost.
    #[must_use]
    pub fn new(places: usize, resend_after: Duration) -> Self {
        Self {
            places: places.max(1),
            resend_after,
            owed: RangeSet::default(),
            flights: Vec::new(),
            last: 0,
            live_after: 0,
            live_run: 0,
        }
    }

    /// Begins anew from what HQ says it holds: everything else from `oldest_kept` to `last` is owed, nothing is in flight.
    pub fn open(&mut self, upto: u64, held: &[SeqRange], oldest_kept: u64, last: u64) {
        let live_after = if self.last == 0 { last } else { self.live_after.min(last) };
        self.flights.clear();
        self.owed = RangeSet::default();
        self.owed.insert((upto.saturating_add(1).max(oldest_kept), last));
        held.iter().for_each(|range| self.owed.remove(*range));
        (self.last, self.live_after, self.live_run) = (last, live_after, 0);
    }

    /// The outbox has grown to `last`.
    pub fn grow(&mut self, last: u64) {
        if last > self.last {
            self.owed.insert((self.last + 1, last));
            self.last = last;
        }
    }

    /// The stretch from which to take the next batch, if there is a place for one.
    #[must_use]
    pub fn next(&self) -> Option<SeqRange> {
        let used = self.flights.len();
        if used >= self.places {
            return None;
        }
        let live = self.owed.first_from(self.live_after.saturating_add(1));
        let backlog = self
            .owed
            .first_from(0)
            .filter(|(first, _)| *first <= self.live_after)
            .map(|(first, last)| (first, last.min(self.live_after)));
        let kept = if self.places > 2 * KEPT_FOR_LIVE { KEPT_FOR_LIVE } else { 0 };
        let backlog = backlog.filter(|_| used < self.places - kept);
        if self.live_run >= LIVE_RUN { backlog.or(live) } else { live.or(backlog) }
    }

    /// `range` was handed to the broker under `token`.
    pub fn sent(&mut self, token: u64, range: SeqRange, now: Instant) {
        self.owed.remove(range);
        self.flights.push(Flight { token, range, sent: now });
        self.live_run = if range.0 > self.live_after { self.live_run + 1 } else { 0 };
    }

    /// The outbox has nothing in `range`: it was never there or is kept no longer.
    pub fn absent(&mut self, range: SeqRange) {
        self.owed.remove(range);
    }

    /// HQ has committed everything up to and with `upto`, and `ranges` beyond.
    pub fn settled(&mut self, upto: u64, ranges: &[SeqRange]) {
        let held = || std::iter::once((0, upto)).chain(ranges.iter().copied());
        held().for_each(|range| self.owed.remove(range));
        self.flights.retain(|flight| !held().any(|(from, to)| from <= flight.range.0 && flight.range.1 <= to));
    }

    /// HQ asks for `ranges`. A batch in flight for less than `patience` is left to arrive.
    pub fn asked(&mut self, ranges: &[SeqRange], now: Instant, patience: Duration) {
        for &(first, last) in ranges {
            self.owed.insert((first, last.min(self.last)));
        }
        self.flights.retain(|flight| {
            let wanted = ranges.iter().any(|(from, to)| *from <= flight.range.1 && flight.range.0 <= *to);
            !wanted || now.saturating_duration_since(flight.sent) < patience
        });
        for flight in &self.flights {
            self.owed.remove(flight.range);
        }
    }

    /// The broker did not pass the publish `token` on.
    pub fn lost(&mut self, token: u64) {
        if let Some(at) = self.flights.iter().position(|flight| flight.token == token) {
            let flight = self.flights.swap_remove(at);
            self.owed.insert(flight.range);
        }
    }

    /// The range sent under `token`, while it is in flight.
    #[must_use]
    pub fn in_flight(&self, token: u64) -> Option<SeqRange> {
        self.flights.iter().find(|flight| flight.token == token).map(|flight| flight.range)
    }

    /// When the oldest publish will have waited too long.
    #[must_use]
    pub fn overdue_at(&self) -> Option<Instant> {
        self.flights.iter().map(|flight| flight.sent + self.resend_after).min()
    }

    /// Events not yet known to be at HQ.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.owed.count() + self.flights.iter().map(|flight| flight.range.1 - flight.range.0 + 1).sum::<u64>()
    }

    /// Nothing is left to be published: the lane below may use the line.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests;
