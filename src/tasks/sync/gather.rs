//! When a batch is worth its publish. Each publish costs both sides a commit: with nothing under way an event goes at once,
//! behind another it waits a moment for company. A slow stream is never held up, a fast one shares its costs.

use std::time::Duration;
use tokio::time::Instant;

/// So many events are worth a publish of their own at any time: half of what one may hold.
const WORTH: u64 = 64;

/// No event waits longer for company.
const LONGEST: Duration = Duration::from_millis(5);

/// Holds back what is too little to be sent yet.
#[derive(Debug, Default)]
pub(super) struct Gather {
    until: Option<Instant>,
}

impl Gather {
    /// Whether the next `events` go now; `idle`: nothing is under way.
    pub fn lets_go(&mut self, events: u64, idle: bool, now: Instant) -> bool {
        if idle || events >= WORTH || self.until.is_some_and(|until| until <= now) {
            self.until = None;
            return true;
        }
        self.until.get_or_insert(now + LONGEST);
        false
    }

    /// When what is held back goes in any case.
    pub fn wake_at(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lone_event_goes_at_once_and_company_is_waited_for_only_behind_another() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        assert!(gather.lets_go(1, true, now));
        assert!(!gather.lets_go(1, false, now));
        assert_eq!(gather.wake_at(), Some(now + LONGEST));
        assert!(!gather.lets_go(WORTH - 1, false, now + LONGEST / 2), "the first one's time counts");
        assert!(gather.lets_go(WORTH, false, now + LONGEST / 2));
        assert!(!gather.lets_go(2, false, now + LONGEST / 2));
        assert!(gather.lets_go(2, false, now + LONGEST * 2));
        assert_eq!(gather.wake_at(), None);
    }
}
