//! Days of the calendar, apart from any clock: what is agreed on, counted and closed by days.

use super::Timestamp;
use std::{fmt, str::FromStr};

const DAY_MS: i64 = 86_400_000;

/// A holiday longer than this is a slip of the pen.
const LONGEST: i32 = 62;

/// A day of the (proleptic Gregorian) calendar, shown as `2026-12-04`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// So many days after 1970-01-01.
    #[must_use]
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> i32 {
        self.0
    }

    /// `None` where the calendar has no such day (H. Hinnant's days-from-civil: years begin in March).
    #[must_use]
    pub fn of(year: i64, month: u32, day: u32) -> Option<Self> {
        if !(1..=12).contains(&month) || !(-9_999..=9_999).contains(&year) {
            return None;
        }
        let shifted = i64::from((month + 9) % 12);
        let from_march = year - i64::from(month <= 2);
        let (era, of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * shifted + 2) / 5 + i64::from(day);
        let found = Self(i32::try_from(days - 719_469).ok()?);
        (found.date() == (year, month, day)).then_some(found)
    }

    /// Year, month, day of the month.
    #[must_use]
    pub const fn date(self) -> (i64, u32, u32) {
        Timestamp::from_unix_ms(self.0 as i64 * DAY_MS).date()
    }

    /// So many days later; earlier where it is less than 0.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// 0 is Sunday.
    #[must_use]
    pub const fn weekday(self) -> u32 {
        (self.0.rem_euclid(7) + 4).rem_euclid(7) as u32
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotADay(String);

impl fmt::Display for NotADay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no day of the calendar such as 2026-12-04", self.0)
    }
}

impl std::error::Error for NotADay {}

impl FromStr for Day {
    type Err = NotADay;

    /// Reads what `Display` writes, nothing else.
    fn from_str(text: &str) -> Result<Self, NotADay> {
        let midnight = Some(text).filter(|text| text.len() == 10);
        let midnight = midnight.and_then(|text| format!("{text}T00:00:00.000Z").parse::<Timestamp>().ok());
        let days = midnight.and_then(|at| i32::try_from(at.unix_ms().div_euclid(DAY_MS)).ok());
        days.map(Self).ok_or_else(|| NotADay(text.to_owned()))
    }
}

/// `2026-10-01`, or `2026-10-01..2026-10-07` with both its ends.
///
/// # Errors
/// A sentence for what is no day, or no span that can be meant.
pub fn holiday(text: &str) -> Result<Vec<Day>, String> {
    let day = |text: &str| text.trim().parse::<Day>().map_err(|e| e.to_string());
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    match last.days() - first.days() {
        ..0 => Err(format!("{last} is before {first}")),
        0..LONGEST => Ok((first.days()..=last.days()).map(Day::from_days).collect()),
        _ => Err(format!(
            "{first} to {last} is longer than {LONGEST} days; a salon that closes for good has no follow-ups"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn days_are_counted_over_the_ends_of_months_and_years() {
        for (from, days, to) in [
            ("2026-01-31", 1, "2026-02-01"),
            ("2026-02-28", 1, "2026-03-01"),
            ("2028-02-28", 1, "2028-02-29"),
            ("2026-12-25", 7, "2027-01-01"),
            ("2026-11-28", 90, "2027-02-26"),
            ("2027-11-28", 90, "2028-02-26"),
            ("2000-03-01", -1, "2000-02-29"),
            ("1970-01-01", -1, "1969-12-31"),
        ] {
            assert_eq!(day(from).plus(days), day(to), "{from} + {days}");
        }
        assert_eq!((day("1970-01-01").weekday(), day("2026-11-29").weekday()), (4, 0));
    }

    #[test]
    fn a_day_reads_as_it_is_written() {
        for n in (-200_000..200_000).step_by(37) {
            let day = Day::from_days(n);
            assert_eq!(day.to_string().parse(), Ok(day));
            let (year, month, of_month) = day.date();
            assert_eq!(Day::of(year, month, of_month), Some(day));
        }
        for no in ["", "2026-02-29", "2026-13-01", "2026-1-1", "2026-12-04T", "昨天昨天昨", "+026-01-01"] {
            assert!(no.parse::<Day>().is_err(), "{no:?}");
        }
        assert_eq!((Day::of(2026, 2, 29), Day::of(2026, 0, 1)), (None, None));
    }
}
