//! What has come under which counter, so that a measurement the device sends again is neither lost nor taken twice.

use super::surface::UNNUMBERED;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A device sends again what it has not seen acknowledged; none keeps more than a few dozen.
const REMEMBERED: usize = 64;

/// Longer than any commit takes. What is neither confirmed nor forgotten by then was not stored and is reported again.
const REPORT_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Longer than any device waits before it sends again, shorter than switching it off, on, and measuring as far again: its
/// counter then stands where it stood. Only the store can tell whether such a measurement is a new one.
const SENT_AGAIN_WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Reported(Instant),
    /// Since when it has not come again: one that still asks for our word keeps asking.
    Confirmed(Instant),
}

#[derive(Debug)]
struct Entry {
    counter: u64,
    /// The bytes too: a counter that began anew after a battery change is no repetition.
    payload: Vec<u8>,
    state: State,
}

/// What to do with something that came under a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Report,
    /// It is being stored: say nothing.
    UnderWay,
    /// It is stored: only acknowledge.
    Acknowledge,
}

/// The last measurements by counter.
#[derive(Debug, Default)]
pub(super) struct Seen(VecDeque<Entry>);

impl Seen {
    pub(super) fn came(&mut self, now: Instant, counter: u64, payload: &[u8]) -> Verdict {
        let entry = self.0.iter_mut().find(|entry| entry.counter == counter && entry.payload == payload);
        match entry {
            Some(Entry { state: State::Confirmed(heard), .. }) if now < *heard + SENT_AGAIN_WITHIN => {
                *heard = now;
                Verdict::Acknowledge
            }
            Some(Entry { state: State::Reported(at), .. }) if now < *at + REPORT_AGAIN_AFTER => Verdict::UnderWay,
            Some(entry) => {
                entry.state = State::Reported(now);
                Verdict::Report
            }
            None => {
                self.0.retain(|entry| entry.counter != counter);
                self.0.truncate(REMEMBERED - 1);
                self.0.push_front(Entry { counter, payload: payload.to_vec(), state: State::Reported(now) });
                Verdict::Report
            }
        }
    }

    pub(super) fn confirmed(&mut self, now: Instant, counter: u64) {
        // Without a number only what waits for our word can be a repetition: once it has it, the same value is a new one.
        if counter == UNNUMBERED {
            self.0.retain(|entry| entry.counter != UNNUMBERED);
            return;
        }
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.counter == counter) {
            entry.state = State::Confirmed(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        use std::sync::OnceLock;
        static START: OnceLock<Instant> = OnceLock::new();
        #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
        let start = *START.get_or_init(Instant::now);
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_repetition_is_acknowledged_once_stored_and_reported_again_if_never_stored() {
        let mut seen = Seen::default();
        assert_eq!(seen.came(at(0), 7, b"x"), Verdict::Report);
        assert_eq!(seen.came(at(900), 7, b"x"), Verdict::UnderWay);
        assert_eq!(seen.came(at(6_000), 7, b"x"), Verdict::Report);
        seen.confirmed(at(6_000), 7);
        assert_eq!(seen.came(at(20_000), 7, b"x"), Verdict::Acknowledge);
        assert_eq!(seen.came(at(34_999), 7, b"x"), Verdict::Acknowledge, "it keeps asking");
        assert_eq!(seen.came(at(49_999), 7, b"x"), Verdict::Report, "it had our word and measured anew");
    }

    #[test]
    fn a_counter_that_began_anew_is_no_repetition() {
        let mut seen = Seen::default();
        seen.came(at(0), 1, b"35.2");
        seen.confirmed(at(5), 1);
        assert_eq!(seen.came(at(10), 1, b"41.0"), Verdict::Report);
    }

    #[test]
    fn without_a_number_the_same_value_is_a_repetition_only_until_it_is_confirmed() {
        let mut seen = Seen::default();
        assert_eq!(seen.came(at(0), UNNUMBERED, b"12.3"), Verdict::Report);
        assert_eq!(seen.came(at(3_000), UNNUMBERED, b"12.3"), Verdict::UnderWay);
        seen.confirmed(at(3_050), UNNUMBERED);
        assert_eq!(seen.came(at(3_100), UNNUMBERED, b"12.3"), Verdict::Report);
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for counter in 0..1_000 {
            seen.came(at(0), counter, b"x");
        }
        assert_eq!(seen.0.len(), REMEMBERED);
    }
}
