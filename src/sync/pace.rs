//! A cap in bytes per second. Time is handed in.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

/// Says when the next piece may go; a piece is never cut, so the cap holds over seconds, not over single pieces.
#[derive(Debug, Clone)]
pub struct Pace {
    bytes_per_s: Option<NonZeroU64>,
    free_at: Option<Instant>,
}

impl Pace {
    /// `None`: no cap.
    #[must_use]
    pub const fn new(bytes_per_s: Option<NonZeroU64>) -> Self {
        Self { bytes_per_s, free_at: None }
    }

    /// From when on the next piece may be sent; `None`: at once.
    #[must_use]
    pub const fn free_at(&self) -> Option<Instant> {
        self.free_at
    }

    #[must_use]
    pub fn is_free(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|at| at <= now)
    }

    /// `bytes` were sent. Idle time is not saved up: after a pause the cap is the same.
    pub fn spent(&mut self, bytes: usize, now: Instant) {
        let Some(rate) = self.bytes_per_s else { return };
        let begins = self.free_at.filter(|at| *at > now).unwrap_or(now);
        self.free_at = Some(begins + Duration::from_secs_f64(bytes as f64 / rate.get() as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn ten_pieces_take_their_time_and_a_pause_saves_nothing_up() {
        let start = Instant::now();
        let mut now = start;
        let mut pace = Pace::new(NonZeroU64::new(1_000));
        for _ in 0..10 {
            now = pace.free_at().unwrap_or(now).max(now);
            pace.spent(500, now);
        }
        assert_eq!(pace.free_at(), Some(start + Duration::from_secs(5)));
        let later = start + Duration::from_secs(60);
        pace.spent(500, later);
        assert_eq!(pace.free_at(), Some(later + Duration::from_millis(500)));
        let mut free = Pace::new(None);
        free.spent(usize::MAX, start);
        assert!(free.is_free(start));
    }
}
