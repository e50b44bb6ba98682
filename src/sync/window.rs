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

    /// Nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
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
mod tests {
    use super::*;

    const RESEND: Duration = Duration::from_secs(20);

    /// The window is pure: any instant will do as the beginning of time.
    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Takes the next batch of at most `most` events.
    fn send(window: &mut Window, token: u64, most: u64, now: Instant) -> Option<SeqRange> {
        let (first, last) = window.next()?;
        let batch = (first, last.min(first + most - 1));
        window.sent(token, batch, now);
        Some(batch)
    }

    #[test]
    fn live_events_overtake_the_backlog_and_the_backlog_still_moves() {
        let now = start();
        let mut window = Window::new(16, RESEND);
        window.open(0, &[], 1, 1_000);
        assert_eq!(send(&mut window, 1, 10, now), Some((1, 10)));
        window.grow(1_100);
        let order: Vec<u64> =
            (2..10).filter_map(|token| send(&mut window, token, 10, now)).map(|range| range.0).collect();
        assert_eq!(order, [1_001, 1_011, 1_021, 11, 1_031, 1_041, 1_051, 21]);
    }

    #[test]
    fn a_backlog_never_fills_the_places_kept_for_live_events() {
        let now = start();
        let mut window = Window::new(16, RESEND);
        window.open(0, &[], 1, 10_000);
        let sent = (1..100).filter_map(|token| send(&mut window, token, 1, now)).count();
        assert_eq!(sent, 14);
        window.grow(10_001);
        assert_eq!(send(&mut window, 100, 1, now), Some((10_001, 10_001)));
    }

    #[test]
    fn a_window_of_one_works() {
        let now = start();
        let mut window = Window::new(1, RESEND);
        window.open(0, &[], 1, 3);
        assert_eq!(send(&mut window, 1, 2, now), Some((1, 2)));
        assert_eq!(window.next(), None);
        window.settled(2, &[]);
        assert_eq!(send(&mut window, 2, 2, now), Some((3, 3)));
        window.settled(3, &[]);
        assert_eq!((window.next(), window.waiting()), (None, 0));
    }

    #[test]
    fn what_hq_holds_beyond_its_prefix_is_not_sent_again() {
        let now = start();
        let mut window = Window::new(4, RESEND);
        window.open(10, &[(15, 20)], 1, 22);
        assert_eq!(send(&mut window, 1, 100, now), Some((11, 14)));
        assert_eq!(send(&mut window, 2, 100, now), Some((21, 22)));
        assert_eq!(window.waiting(), 6);
        window.settled(10, &[(15, 22)]);
        assert_eq!(window.waiting(), 4);
        assert!(window.is_drained());
    }

    #[test]
    fn what_is_no_longer_kept_is_not_offered() {
        let mut window = Window::new(4, RESEND);
        window.open(0, &[], 50, 60);
        assert_eq!(window.next(), Some((50, 60)));
        window.absent((50, 60));
        assert_eq!(window.next(), None);
    }

    #[test]
    fn a_question_does_not_double_what_is_under_way() {
        let now = start();
        let mut window = Window::new(4, RESEND);
        window.open(0, &[], 1, 30);
        send(&mut window, 1, 10, now);
        send(&mut window, 2, 10, now);
        window.settled(0, &[(11, 20)]);
        window.asked(&[(1, 10)], now, Duration::from_secs(1));
        assert_eq!(window.next(), Some((21, 30)), "1..=10 is a moment old and may still arrive");
        window.asked(&[(1, 10)], now + Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(window.next().map(|range| range.0), Some(1), "after two seconds it is taken for lost");
        assert_eq!(window.waiting(), 20);
    }

    #[test]
    fn a_question_beyond_our_end_is_cut() {
        let now = start();
        let mut window = Window::new(4, RESEND);
        window.open(5, &[], 1, 5);
        window.asked(&[(3, 9)], now, Duration::ZERO);
        assert_eq!(window.next(), Some((3, 5)));
    }

    #[test]
    fn a_publish_nobody_took_is_owed_again_and_silence_has_an_end() {
        let now = start();
        let mut window = Window::new(4, RESEND);
        window.open(0, &[], 1, 2);
        send(&mut window, 7, 2, now);
        assert_eq!((window.in_flight(7), window.overdue_at()), (Some((1, 2)), Some(now + RESEND)));
        window.lost(7);
        assert_eq!((window.next(), window.overdue_at()), (Some((1, 2)), None));
    }

    /// Whatever is lost on the way, in whatever order acknowledgements come: everything arrives, and nothing is forgotten.
    #[test]
    fn everything_arrives_over_a_line_that_loses_things() {
        for seed in 0..200 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (mut now, mut window, mut held) =
                (start(), Window::new(1 + dice.usize(..8), RESEND), RangeSet::default());
            let (mut last, mut token) = (dice.u64(1..50), 0);
            window.open(0, &[], 1, last);
            for step in 0.. {
                assert!(step < 20_000, "seed {seed} does not end: {window:?}");
                token += 1;
                now += Duration::from_millis(dice.u64(..3_000));
                if last < 300 {
                    last += dice.u64(..4);
                    window.grow(last);
                }
                if let Some(range) = send(&mut window, token, 1 + dice.u64(..9), now)
                    && dice.u8(..4) > 0
                {
                    held.insert(range);
                }
                let upto = held.first_from(1).filter(|(first, _)| *first == 1).map_or(0, |(_, to)| to);
                let mut islands = Vec::new();
                let mut from = upto + 1;
                while let Some(island) = held.first_from(from) {
                    islands.push(island);
                    from = island.1 + 1;
                }
                match dice.u8(..4) {
                    0 => window.settled(upto, &islands),
                    1 if window.overdue_at().is_some_and(|at| at <= now) => window.open(upto, &islands, 1, last),
                    _ => {}
                }
                if last >= 300 && window.waiting() == 0 {
                    break;
                }
            }
            assert_eq!(held.first_from(1), Some((1, last)), "seed {seed}");
        }
    }
}
