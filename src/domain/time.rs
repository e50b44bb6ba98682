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

/// A text that is not a wall time as this product writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATime(String);

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a time such as 2026-03-02T09:14:05.120Z", self.0)
    }
}

impl std::error::Error for NotATime {}

impl std::str::FromStr for Timestamp {
    type Err = NotATime;

    /// Reads what `Display` writes, nothing else.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        read(text).filter(|time| time.to_string() == text).ok_or_else(|| NotATime(text.to_owned()))
    }
}

/// What stands in the places of the digits; whether the calendar has that day is seen when it is written again.
fn read(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    // Days since 1970 (H. Hinnant's days-from-civil): years begin in March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, shifted) = (year.div_euclid(400), (month + 9).rem_euclid(12));
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(Timestamp(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + ms))
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
            assert_eq!(text.parse(), Ok(Timestamp::from_unix_ms(ms)));
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_time() {
        for text in [
            "",
            "2026-03-02",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-03-02T24:00:00.000Z",
            "2026-03-02T09:14:05Z",
            "2026-03-02T09:14:05.120+08:00",
            "字字字字字字字字",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }
}
