//! When to try again: full jitter (a uniformly random wait up to a ceiling that doubles), so that a thousand gateways whose
//! broker comes back do not arrive in one second.

use std::time::Duration;

/// Waits between attempts. Randomness is handed in.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The ceiling is `first` after one failure, doubles with each further one and stays at `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// How long to wait after one more failure; `dice` is uniform in 0..1.
    ///
    /// Never less than a tenth of the ceiling: a refused connection must not become a busy loop by luck.
    pub fn next(&mut self, dice: f64) -> Duration {
        let ceiling = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(dice.clamp(0.1, 1.0))
    }

    /// A success: the next failure starts at the first ceiling again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        let ceilings: Vec<u64> = (0..6).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 10, 10]);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(500));
    }

    #[test]
    fn no_run_of_failures_overflows_and_no_dice_makes_a_busy_loop() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        for _ in 0..10_000 {
            assert!(backoff.next(0.0) >= Duration::from_millis(100));
        }
        assert_eq!(backoff.next(7.0), Duration::from_secs(60));
    }
}
