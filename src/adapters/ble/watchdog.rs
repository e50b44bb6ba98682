//! When one adapter's stack is taken by the collar, and how hard. Pure: instants are handed in.
//!
//! The ladder: reconnect (what every device's own task does) → switch the adapter off and on → ask for a restart of
//! bluetoothd → tell the people. Each rung gets its time before the next is tried, and the last is repeated ever more
//! seldom, so that a machine that nobody looks at still mends itself some day.
//!
//! - A call that fails or stands still is held against the stack; one that succeeds clears it.
//! - An adapter that hears nothing at all while it is told to listen is held to be deaf after a time; a device that is
//!   switched off is not its fault as long as it hears anything else. An empty room is harmless: nothing is connected then.
//! - While a device is connected the adapter is never switched off: that would cut a working link.

use std::time::{Duration, Instant};

/// Calls that fail in a row before the stack is suspected: one or two are everyday life in a radio.
const SUSPICIOUS: u32 = 3;

/// In a salon some phone is always heard within seconds.
const DEAF_AFTER: Duration = Duration::from_secs(60);

/// From one rung to the next: switching off and on takes 2 s, bluetoothd starts within 5 s.
const FIRST_PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// What to do to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// Switch the adapter off and on.
    PowerCycle,
    /// Ask the system to start bluetoothd anew.
    RestartDaemon,
    /// It does not help itself: say so where people look.
    TellPeople,
}

/// Watches one adapter, or the whole stack where there is none.
#[derive(Debug, Clone)]
pub struct Watchdog {
    failures: u32,
    /// Since when it listens and hears nothing.
    deaf_since: Option<Instant>,
    /// The rung that was climbed last, and when.
    climbed: Option<(Rung, Instant)>,
    patience: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { failures: 0, deaf_since: None, climbed: None, patience: FIRST_PATIENCE }
    }
}

impl Watchdog {
    /// A call was answered well.
    pub fn answered(&mut self) {
        self.failures = 0;
        if self.deaf_since.is_none() {
            self.recovered();
        }
    }

    /// A call failed, or was not answered in time.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Something was heard in the air.
    pub fn heard(&mut self) {
        self.deaf_since = None;
        if self.failures == 0 {
            self.recovered();
        }
    }

    /// It is told to listen from now on, or no longer.
    pub fn listens(&mut self, now: Option<Instant>) {
        self.deaf_since = match (now, self.deaf_since) {
            (Some(now), None) => Some(now),
            (Some(_), since) => since,
            (None, _) => None,
        };
    }

    fn recovered(&mut self) {
        self.climbed = None;
        self.patience = FIRST_PATIENCE;
    }

    /// What is due at `now`; a rung is handed out once. `links`: devices that are connected over this adapter.
    pub fn due(&mut self, now: Instant, links: usize) -> Option<Rung> {
        let deaf = self.deaf_since.is_some_and(|since| now.duration_since(since) >= DEAF_AFTER);
        let failing = self.failures >= SUSPICIOUS;
        if !(deaf || failing) {
            return None;
        }
        let next = match self.climbed {
            Some((_, at)) if now.duration_since(at) < self.patience => return None,
            // Deafness alone is no reason to restart what answers well.
            Some((Rung::PowerCycle, _)) if failing => Rung::RestartDaemon,
            Some((Rung::RestartDaemon, _)) => Rung::TellPeople,
            Some((Rung::TellPeople | Rung::PowerCycle, _)) | None => {
                self.patience = self.climbed.map_or(FIRST_PATIENCE, |_| (self.patience * 2).min(LONGEST_PATIENCE));
                Rung::PowerCycle
            }
        };
        if links > 0 && next != Rung::TellPeople {
            return None;
        }
        self.climbed = Some((next, now));
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[expect(clippy::disallowed_methods, reason = "an instant to count from; the watchdog itself reads no clock")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_failing_stack_is_taken_up_the_ladder_and_then_ever_more_seldom() {
        let start = start();
        let mut dog = Watchdog::default();
        (0..SUSPICIOUS).for_each(|_| dog.failed());
        let mut climbed = Vec::new();
        for second in 0..200 {
            climbed.extend(dog.due(after(start, second), 0).map(|rung| (second, rung)));
        }
        let [first, second, third, again, ..] = climbed[..] else { panic!("{climbed:?}") };
        assert_eq!(first, (0, Rung::PowerCycle));
        assert_eq!(second, (20, Rung::RestartDaemon));
        assert_eq!(third, (40, Rung::TellPeople));
        assert_eq!(again, (60, Rung::PowerCycle), "it begins anew");
        assert_eq!(climbed[4], (100, Rung::RestartDaemon), "with twice the patience");
    }

    #[test]
    fn one_success_brings_it_down_again() {
        let start = start();
        let mut dog = Watchdog::default();
        (0..9).for_each(|_| dog.failed());
        assert_eq!(dog.due(start, 0), Some(Rung::PowerCycle));
        dog.answered();
        assert_eq!(dog.due(after(start, 100), 0), None);
        dog.failed();
        dog.failed();
        assert_eq!(dog.due(after(start, 101), 0), None, "two failures are everyday life");
        dog.failed();
        assert_eq!(dog.due(after(start, 102), 0), Some(Rung::PowerCycle), "from the first rung again");
    }

    #[test]
    fn a_deaf_adapter_is_switched_off_and_on_but_what_answers_is_not_restarted() {
        let start = start();
        let mut dog = Watchdog::default();
        dog.listens(Some(start));
        assert_eq!(dog.due(after(start, 59), 0), None);
        assert_eq!(dog.due(after(start, 60), 0), Some(Rung::PowerCycle));
        dog.listens(Some(after(start, 61)));
        let later: Vec<Rung> = (61..4000).filter_map(|second| dog.due(after(start, second), 0)).collect();
        assert!(!later.is_empty() && later.iter().all(|rung| *rung == Rung::PowerCycle), "{later:?}");
        assert!(later.len() < 9, "ever more seldom: {}", later.len());
        dog.heard();
        assert_eq!(dog.due(after(start, 9000), 0), None);
    }

    #[test]
    fn a_working_link_is_never_cut() {
        let start = start();
        let mut dog = Watchdog::default();
        (0..9).for_each(|_| dog.failed());
        dog.listens(Some(start));
        assert!((0..1000).all(|second| dog.due(after(start, second), 1).is_none()));
        assert_eq!(dog.due(after(start, 1001), 0), Some(Rung::PowerCycle), "once it has gone");
    }
}
