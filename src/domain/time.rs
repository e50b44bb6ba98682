//! Two clocks: a salon's wall clock jumps, so every record says what both clocks read and how far the wall clock is trusted.

use super::{BootId, word::words};
use std::fmt;

/// Wall time: milliseconds since 1970-01-01 UTC. Shown as RFC 3339 with milliseconds. Never used to order records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }
    /// Year, month, day in UTC (proleptic Gregorian; H. Hinnant's civil-from-days).
    #[must_use]
    pub const fn date(self) -> (i64, u32, u32) {
        let days = self.0.div_euclid(86_400_000) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
        (year_of_era + era * 400 + (month <= 2) as i64, month, day)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let ms = self.0.rem_euclid(86_400_000);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
    }
}

words! {
    /// How far the wall clock of a record can be trusted.
    pub enum ClockState as "clock state" {
        /// Disciplined by a time source now.
        Synced = "synced",
        /// Was synced since boot; drifting on its own.
        Holdover = "holdover",
        /// Never set since boot; only order and intervals mean something until a `clock.v1` event maps them.
        Unset = "unset",
    }
}

/// When a record was made, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub boot: BootId,
    /// Nanoseconds since `boot`, never jumping; comparable only within one boot.
    pub monotonic_ns: u64,
    pub wall: Timestamp,
    pub clock: ClockState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_read_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_763_758_799_999, "2025-11-21T20:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_unix_ms(ms).to_string(), text);
        }
    }
}
