//! When one adapter's stack is taken by the collar, and how hard. Pure: instants are handed in.
//!
//! The ladder: reconnect (what every device's own task does) → switch the adapter off and on → ask for a restart of
//! bluetoothd → tell the people. Each rung gets its time before the next is tried, and the whole is repeated ever more
//! seldom, so that a machine that nobody looks at still mends itself some day.
//!
//! - A call that fails or stands still is held against the stack; one that succeeds clears it.
//! - An adapter that hears nothing at all while it is told to listen is held to be deaf after a time, however much it heard
//!   before. It is made to listen to everything first: of a scan for one service nothing comes while that one device is
//!   switched off. An empty room is harmless: nothing is connected then.
//! - What was climbed for silence comes down only by something that is heard: a deaf adapter answers every call well.
//! - While a device is connected over it an adapter is never switched off, and bluetoothd is never started anew while one is
//!   connected over any: that would cut a working link. The people are told instead.

use std::time::{Duration, Instant};

/// Calls that fail in a row before the stack is suspected: one or two are everyday life in a radio.
const SUSPICIOUS: u32 = 3;

/// Silent for so long it is made to listen to everything.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(30);

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

/// Devices that are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Links {
    /// Over this adapter.
    pub here: usize,
    /// Over all there are.
    pub all: usize,
}

/// What the people are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// What it is asked for fails, or is not answered.
    Fails,
    /// It answers and hears nothing at all.
    Silent,
}

impl Complaint {
    /// What is wrong and what to do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Fails => "Bluetooth gives no sign; plug its adapter in again, or restart this machine",
            Self::Silent => {
                "nothing at all is heard over Bluetooth; if the device is switched on and near, plug the adapter in again, \
                 or restart this machine"
            }
        }
    }
}

/// Watches one adapter, or the whole stack where there is none.
#[derive(Debug, Clone)]
pub struct Watchdog {
    failures: u32,
    /// Since when it listens and hears nothing.
    deaf_since: Option<Instant>,
    /// The rung that was climbed last, and when.
    climbed: Option<(Rung, Instant)>,
    /// It was climbed because nothing is heard, and not because a call failed.
    for_silence: bool,
    /// Since when a working link keeps it off the first rung.
    kept_off_since: Option<Instant>,
    /// The people were told, and it has not got better.
    told: bool,
    patience: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            failures: 0,
            deaf_since: None,
            climbed: None,
            for_silence: false,
            kept_off_since: None,
            told: false,
            patience: FIRST_PATIENCE,
        }
    }
}

impl Watchdog {
    /// A call was answered well.
    pub fn answered(&mut self) {
        self.failures = 0;
        self.kept_off_since = None;
        if !self.for_silence {
            self.recovered();
        }
    }

    /// A call failed, or was not answered in time.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Something was heard in the air: silence is counted from here.
    pub fn heard(&mut self, now: Instant) {
        self.deaf_since = self.deaf_since.map(|_| now);
        if self.failures == 0 {
            self.recovered();
        }
    }

    /// It is told to listen from now on, to this or that, or no longer.
    pub fn listens(&mut self, now: Option<Instant>) {
        self.deaf_since = match (now, self.deaf_since) {
            (Some(now), None) => Some(now),
            (Some(_), since) => since,
            (None, _) => None,
        };
    }

    fn recovered(&mut self) {
        let Self { failures, deaf_since, .. } = *self;
        *self = Self { failures, deaf_since, ..Self::default() };
    }

    /// Whether it has been silent for so long that it should listen to everything.
    #[must_use]
    pub fn doubts(&self, now: Instant) -> bool {
        self.deaf_since.is_some_and(|since| now.duration_since(since) >= DOUBTFUL_AFTER)
    }

    /// What the people were told and is still so.
    #[must_use]
    pub fn complaint(&self) -> Option<Complaint> {
        self.told.then_some(if self.for_silence { Complaint::Silent } else { Complaint::Fails })
    }

    /// What is due at `now`; a rung is handed out once.
    pub fn due(&mut self, now: Instant, links: Links) -> Option<Rung> {
        let deaf = self.deaf_since.is_some_and(|since| now.duration_since(since) >= DEAF_AFTER);
        let failing = self.failures >= SUSPICIOUS;
        if !(deaf || failing) {
            return None;
        }
        let next = match self.climbed {
            Some((_, at)) if now.duration_since(at) < self.patience => return None,
            // Deafness alone is no reason to restart what answers well.
            Some((Rung::PowerCycle, _)) if failing && links.all == 0 => Rung::RestartDaemon,
            Some((Rung::PowerCycle | Rung::RestartDaemon, _)) => Rung::TellPeople,
            Some((Rung::TellPeople, _)) | None if links.here > 0 => return self.kept_off(now, failing),
            Some((Rung::TellPeople, _)) | None => {
                self.patience = self.climbed.map_or(FIRST_PATIENCE, |_| (self.patience * 2).min(LONGEST_PATIENCE));
                Rung::PowerCycle
            }
        };
        self.climbed = Some((next, now));
        self.for_silence = !failing;
        self.told |= next == Rung::TellPeople;
        Some(next)
    }

    /// A link that works is worth more than a search that does not; but whoever searches is told, once.
    fn kept_off(&mut self, now: Instant, failing: bool) -> Option<Rung> {
        let since = *self.kept_off_since.get_or_insert(now);
        if !failing || self.told || now.duration_since(since) < FIRST_PATIENCE {
            return None;
        }
        (self.told, self.for_silence) = (true, false);
        Some(Rung::TellPeople)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Links = Links { here: 0, all: 0 };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[expect(clippy::disallowed_methods, reason = "an instant to count from; the watchdog itself reads no clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn failing() -> Watchdog {
        let mut dog = Watchdog::default();
        (0..SUSPICIOUS).for_each(|_| dog.failed());
        dog
    }

    #[test]
    fn a_failing_stack_is_taken_up_the_ladder_and_then_ever_more_seldom() {
        let start = start();
        let mut dog = failing();
        let mut climbed = Vec::new();
        for second in 0..200 {
            climbed.extend(dog.due(after(start, second), NONE).map(|rung| (second, rung)));
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
        let mut dog = failing();
        assert_eq!(dog.due(start, NONE), Some(Rung::PowerCycle));
        dog.answered();
        assert_eq!(dog.due(after(start, 100), NONE), None);
        dog.failed();
        dog.failed();
        assert_eq!(dog.due(after(start, 101), NONE), None, "two failures are everyday life");
        dog.failed();
        assert_eq!(dog.due(after(start, 102), NONE), Some(Rung::PowerCycle), "from the first rung again");
    }

    /// What an adapter's seat does after a rung: the scan is begun anew, and that call is answered well.
    fn scans_anew(dog: &mut Watchdog, now: Instant) {
        dog.listens(None);
        dog.answered();
        dog.listens(Some(now));
    }

    /// An adapter that had heard something once was never held to be deaf again: with a sensor that only advertises a scan
    /// runs for ever.
    #[test]
    fn an_adapter_that_falls_silent_in_the_middle_of_a_scan_is_noticed() {
        let start = start();
        let mut dog = Watchdog::default();
        dog.listens(Some(start));
        for second in 1..600 {
            dog.heard(after(start, second));
            assert_eq!(dog.due(after(start, second), NONE), None);
        }
        assert!(!dog.doubts(after(start, 628)) && dog.doubts(after(start, 629)), "then it listens to everything");
        assert_eq!(dog.due(after(start, 658), NONE), None);
        assert_eq!(dog.due(after(start, 659), NONE), Some(Rung::PowerCycle));
    }

    /// Its scan is begun anew after each rung, and is answered well: that took it down the ladder each time, and a silent
    /// room's adapter was switched off and on every minute for ever.
    #[test]
    fn a_deaf_adapter_is_switched_off_and_on_ever_more_seldom_and_the_people_are_told() {
        let start = start();
        let mut dog = Watchdog::default();
        dog.listens(Some(start));
        let mut climbed = Vec::new();
        for second in 0..10_000 {
            if let Some(rung) = dog.due(after(start, second), NONE) {
                climbed.push((second, rung));
                scans_anew(&mut dog, after(start, second));
            }
        }
        assert_eq!(climbed[..2], [(60, Rung::PowerCycle), (120, Rung::TellPeople)], "{climbed:?}");
        assert!(climbed.iter().all(|(_, rung)| *rung != Rung::RestartDaemon), "what answers is not restarted");
        let cycles: Vec<u64> =
            climbed.iter().filter(|(_, rung)| *rung == Rung::PowerCycle).map(|(second, _)| *second).collect();
        assert!((3..9).contains(&cycles.len()), "ever more seldom: {cycles:?}");
        assert_eq!(dog.complaint(), Some(Complaint::Silent));
        dog.heard(after(start, 10_000));
        assert_eq!((dog.complaint(), dog.due(after(start, 10_059), NONE)), (None, None));
        assert_eq!(dog.due(after(start, 10_060), NONE), Some(Rung::PowerCycle), "from the first rung again");
    }

    /// Between two searches the filter changes every few seconds: silence goes on being counted.
    #[test]
    fn another_filter_is_no_sign_of_life() {
        let start = start();
        let mut dog = Watchdog::default();
        for second in 0..60 {
            dog.answered();
            dog.listens(Some(after(start, second)));
            assert_eq!(dog.due(after(start, second), NONE), None);
        }
        assert_eq!(dog.due(after(start, 60), NONE), Some(Rung::PowerCycle));
    }

    #[test]
    fn a_working_link_is_never_cut() {
        let start = start();
        let mut dog = failing();
        dog.listens(Some(start));
        let here = Links { here: 1, all: 1 };
        let due: Vec<_> = (0..1000).filter_map(|second| Some((second, dog.due(after(start, second), here)?))).collect();
        assert_eq!(due, [(20, Rung::TellPeople)], "the people are told once");
        assert_eq!(dog.complaint(), Some(Complaint::Fails));
        assert_eq!(dog.due(after(start, 1001), NONE), Some(Rung::PowerCycle), "once it has gone");
    }

    /// bluetoothd was started anew for one bad adapter, and every working link at the others was cut.
    #[test]
    fn bluetoothd_is_not_started_anew_while_another_adapter_has_a_link() {
        let start = start();
        let mut dog = failing();
        let elsewhere = Links { here: 0, all: 1 };
        let due: Vec<_> =
            (0..100).filter_map(|second| Some((second, dog.due(after(start, second), elsewhere)?))).collect();
        assert_eq!(
            due,
            [(0, Rung::PowerCycle), (20, Rung::TellPeople), (40, Rung::PowerCycle), (80, Rung::TellPeople)]
        );
        assert_eq!(dog.due(after(start, 120), NONE), Some(Rung::PowerCycle));
        assert_eq!(dog.due(after(start, 200), NONE), Some(Rung::RestartDaemon), "once it has gone");
    }

    #[test]
    fn a_link_that_works_while_the_search_is_silent_is_no_complaint() {
        let start = start();
        let mut dog = Watchdog::default();
        dog.listens(Some(start));
        let here = Links { here: 1, all: 1 };
        assert!((0..1000).all(|second| dog.due(after(start, second), here).is_none()));
        assert_eq!(dog.complaint(), None);
    }
}
