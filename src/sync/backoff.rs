//! When to try again: full jitter (a uniformly random wait up to a ceiling that doubles), so that a thousand gateways whose
//! broker comes back do not arrive in one second.

use std::time::Duration;

/// Stores for each second of the first ceiling, and of the longest. Found by playing storms (`tests/reconnect_storm.rs`): the
/// worst second is the one in which the last of the first wave meet the first of the second, so both count.
const FIRST_SPREAD: f64 = 70.0;
const LATER_SPREAD: f64 = 58.0;

/// Quick after a hiccup, where few share the broker, and none is away long.
const SMALL_FIRST: Duration = Duration::from_millis(500);
const SMALL_LONGEST: Duration = Duration::from_secs(25);

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

    /// For a gateway whose broker serves `stores` of them: however many lose it at one moment, and however long it is away,
    /// at most 200 of 5,000 come back in any one second (`docs/scale.md`). In a small chain half a second after a hiccup, and
    /// at most `SMALL_LONGEST`.
    #[must_use]
    pub fn for_chain(stores: u32) -> Self {
        let stores = f64::from(stores);
        let first = Duration::from_secs_f64(stores / FIRST_SPREAD);
        let longest = Duration::from_secs_f64(stores / LATER_SPREAD);
        Self::new(first.max(SMALL_FIRST), longest.max(SMALL_LONGEST))
    }

    /// How long to wait after one more failure; `dice` is uniform in 0..1.
    ///
    /// Never less than a tenth of the ceiling: a refused connection must not become a busy loop by luck. The rest is spread
    /// evenly: a lower limit alone would send every tenth gateway at the same moment.
    pub fn next(&mut self, dice: f64) -> Duration {
        let ceiling = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(0.1 + 0.9 * dice.clamp(0.0, 1.0))
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
        assert_eq!(backoff.next(0.5), Duration::from_millis(550));
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
