//! Where the salon's day begins and ends: the rule of its clocks, as the time zone database writes it behind each zone's history
//! (POSIX `TZ`: `CST-8`, `CET-1CEST,M3.5.0,M10.5.0/3`). Pure: whoever reads the database hands the rule in.
//!
//! The present rule is held for all times. That is exact for what a salon asks of it (today, last quarter, next quarter), not for
//! years before a country changed its rule.

use super::{Day, Timestamp};
use std::{fmt, str::FromStr};

const DAY_S: i64 = 86_400;
const DAY_MS: i64 = DAY_S * 1_000;

/// A place's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC.
    standard: i64,
    summer: Option<Summer>,
}

/// The other half of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summer {
    /// Seconds east of UTC.
    offset: i64,
    from: Change,
    to: Change,
}

/// When clocks change: a day of each year, and seconds after its midnight by the clocks until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    on: On,
    at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Month, week (5: the last), day of the week (0: Sunday).
    Week(u32, u32, u32),
    /// Day of the year from 1; the leap day is never counted.
    Plain(i32),
    /// Day of the year from 0; the leap day is counted.
    Zero(i32),
}

impl Change {
    /// Seconds since 1970 by the clocks that hold until then; `None` beyond any calendar.
    fn of(self, year: i64) -> Option<i64> {
        let new_year = Day::of(year, 1, 1)?;
        let day = match self.on {
            On::Week(month, week, weekday) => {
                let start = Day::of(year, month, 1)?;
                let end = if month == 12 { start.plus(31) } else { Day::of(year, month + 1, 1)? };
                let ahead = (weekday + 7 - start.weekday()) % 7;
                let day = start.plus(small(ahead + 7 * (week - 1)));
                if day < end { day } else { day.plus(-7) }
            }
            On::Plain(n) => new_year.plus(n - 1 + i32::from(n >= 60 && Day::of(year, 2, 29).is_some())),
            On::Zero(n) => new_year.plus(n),
        };
        Some(i64::from(day.days()) * DAY_S + self.at)
    }
}

fn small(n: u32) -> i32 {
    i32::try_from(n).expect("weeks and days of a month")
}

impl Zone {
    pub const UTC: Self = Self { standard: 0, summer: None };

    /// Seconds by which the clocks are ahead of UTC at that moment.
    #[must_use]
    pub fn offset_s(&self, at: Timestamp) -> i64 {
        let Some(summer) = self.summer else { return self.standard };
        let at = at.unix_ms().div_euclid(1_000);
        let year = Timestamp::from_unix_ms((at + self.standard) * 1_000).date().0;
        let (Some(from), Some(to)) = (summer.from.of(year), summer.to.of(year)) else { return self.standard };
        let (from, to) = (from - self.standard, to - summer.offset);
        // South of the equator summer lies round the turn of the year.
        let is_summer = if from < to { (from..to).contains(&at) } else { !(to..from).contains(&at) };
        if is_summer { summer.offset } else { self.standard }
    }

    /// The day that the calendar on the wall shows at that moment.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Day {
        let local = at.unix_ms().saturating_add(self.offset_s(at) * 1_000);
        Day::from_days(i32::try_from(local.div_euclid(DAY_MS)).unwrap_or(i32::MAX))
    }

    /// Hour and minute that the clock on the wall shows at that moment.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> (u32, u32) {
        let minutes = at.unix_ms().saturating_add(self.offset_s(at) * 1_000).rem_euclid(DAY_MS) / 60_000;
        let part = |n: i64| u32::try_from(n).expect("minutes of a day");
        (part(minutes / 60), part(minutes % 60))
    }

    /// When the clocks show that time on that day: the first time where they show it twice, the moment after the leap where
    /// they leap over it.
    #[must_use]
    pub fn at(&self, day: Day, hour: u32, minute: u32) -> Timestamp {
        let local = i64::from(day.days()) * DAY_S + i64::from(hour) * 3_600 + i64::from(minute) * 60;
        let under = |offset: i64| Timestamp::from_unix_ms((local - offset) * 1_000);
        let other = self.summer.map_or(self.standard, |summer| summer.offset);
        let (early, late) = (under(self.standard.max(other)), under(self.standard.min(other)));
        if early == late || self.shows(early, local) {
            return early;
        }
        if self.shows(late, local) {
            return late;
        }
        // Leapt over: the leap itself is what both readings lie on either side of.
        self.leap(early, late)
    }

    fn shows(&self, at: Timestamp, local: i64) -> bool {
        at.unix_ms() / 1_000 + self.offset_s(at) == local
    }

    /// The moment between two at which the clocks change.
    fn leap(&self, early: Timestamp, late: Timestamp) -> Timestamp {
        let (mut low, mut high) = (early.unix_ms() / 1_000, late.unix_ms() / 1_000);
        let before = self.offset_s(early);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.offset_s(Timestamp::from_unix_ms(middle * 1_000)) == before { low = middle } else { high = middle }
        }
        Timestamp::from_unix_ms(high * 1_000)
    }

    /// When that day begins.
    #[must_use]
    pub fn start(&self, day: Day) -> Timestamp {
        self.at(day, 0, 0)
    }
}

/// A text that is no rule of clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAZone(String);

impl fmt::Display for NotAZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no rule of clocks such as CST-8 or CET-1CEST,M3.5.0,M10.5.0/3", self.0)
    }
}

impl std::error::Error for NotAZone {}

impl FromStr for Zone {
    type Err = NotAZone;

    fn from_str(text: &str) -> Result<Self, NotAZone> {
        Rule(text).zone().ok_or_else(|| NotAZone(text.to_owned()))
    }
}

/// What is left to read of a rule.
struct Rule<'a>(&'a str);

impl Rule<'_> {
    fn zone(mut self) -> Option<Zone> {
        self.name()?;
        let standard = -self.time(24)?;
        if self.0.is_empty() {
            return Some(Zone { standard, summer: None });
        }
        self.name()?;
        let offset = if self.0.starts_with(',') { standard + 3_600 } else { -self.time(24)? };
        let (from, to) = (self.change()?, self.change()?);
        self.0.is_empty().then_some(Zone { standard, summer: Some(Summer { offset, from, to }) })
    }

    fn take(&mut self, sign: char) -> bool {
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// `CET`, or `<+03>`.
    fn name(&mut self) -> Option<()> {
        let quoted = self.take('<');
        let inside = |c: char| c.is_ascii_alphabetic() || (quoted && (c.is_ascii_digit() || "+-".contains(c)));
        let end = self.0.find(|c| !inside(c)).unwrap_or(self.0.len());
        self.0 = self.0.get(end..)?;
        (end >= 3 && (!quoted || self.take('>'))).then_some(())
    }

    fn number(&mut self, most: i64) -> Option<i64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let number = self.0.get(..end.min(4))?.parse::<i64>().ok().filter(|n| *n <= most)?;
        self.0 = &self.0[end..];
        Some(number)
    }

    /// `8`, `-5:30`, `+10:00:00`; in seconds.
    fn time(&mut self, hours: i64) -> Option<i64> {
        let minus = self.take('-');
        if !minus {
            self.take('+');
        }
        let mut seconds = self.number(hours)? * 3_600;
        for unit in [60, 1] {
            if self.take(':') {
                seconds += self.number(59)? * unit;
            }
        }
        Some(if minus { -seconds } else { seconds })
    }

    /// `,M3.5.0/3`, `,J60`, `,59/-1`.
    fn change(&mut self) -> Option<Change> {
        let least = |n: i64, least: i64| u32::try_from(n).ok().filter(|_| n >= least);
        self.take(',').then_some(())?;
        let on = if self.take('M') {
            let month = least(self.number(12)?, 1)?;
            let week = self.take('.').then_some(()).and_then(|()| least(self.number(5)?, 1))?;
            let weekday = self.take('.').then_some(()).and_then(|()| least(self.number(6)?, 0))?;
            On::Week(month, week, weekday)
        } else if self.take('J') {
            On::Plain(small(least(self.number(365)?, 1)?))
        } else {
            On::Zero(small(least(self.number(365)?, 0)?))
        };
        let at = if self.take('/') { self.time(167)? } else { 2 * 3_600 };
        Some(Change { on, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shanghai, Berlin, New York, Dublin (whose summer is the standard), Santiago (south, at midnight), Beirut (leaps over
    /// midnight), Lord Howe (half an hour), Kathmandu, Godthab (changes on the Saturday before), Honolulu.
    const RULES: [&str; 10] = [
        "CST-8",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
        "EET-2EEST,M3.5.0/0,M10.5.0/0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<+0545>-5:45",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "HST10",
    ];

    fn zone(rule: &str) -> Zone {
        rule.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn clocks_show_what_they_show() {
        for (rule, moment, day, clock) in [
            (RULES[0], "2026-11-28T15:59:59.999Z", "2026-11-28", (23, 59)),
            (RULES[0], "2026-11-28T16:00:00.000Z", "2026-11-29", (0, 0)),
            (RULES[1], "2026-03-29T00:59:59.000Z", "2026-03-29", (1, 59)),
            (RULES[1], "2026-03-29T01:00:00.000Z", "2026-03-29", (3, 0)),
            (RULES[1], "2026-10-25T00:59:59.000Z", "2026-10-25", (2, 59)),
            (RULES[1], "2026-10-25T01:00:00.000Z", "2026-10-25", (2, 0)),
            (RULES[2], "2026-03-08T07:00:00.000Z", "2026-03-08", (3, 0)),
            (RULES[2], "2026-11-01T05:59:00.000Z", "2026-11-01", (1, 59)),
            (RULES[2], "2026-11-01T06:00:00.000Z", "2026-11-01", (1, 0)),
            (RULES[3], "2026-07-01T12:00:00.000Z", "2026-07-01", (13, 0)),
            (RULES[3], "2026-12-01T12:00:00.000Z", "2026-12-01", (12, 0)),
            (RULES[4], "2026-01-01T02:59:00.000Z", "2025-12-31", (23, 59)),
            (RULES[4], "2026-06-01T03:59:00.000Z", "2026-05-31", (23, 59)),
            (RULES[6], "2026-01-01T00:00:00.000Z", "2026-01-01", (11, 0)),
            (RULES[7], "2026-01-01T00:00:00.000Z", "2026-01-01", (5, 45)),
            (RULES[8], "2026-03-29T00:59:00.000Z", "2026-03-28", (22, 59)),
            (RULES[8], "2026-03-29T01:00:00.000Z", "2026-03-29", (0, 0)),
        ] {
            let zone = zone(rule);
            assert_eq!(
                (zone.day(at(moment)).to_string().as_str(), zone.clock(at(moment))),
                (day, clock),
                "{rule} {moment}"
            );
        }
    }

    /// Every moment lies in the day that it shows: days follow one another without a gap, whatever the clocks do.
    #[test]
    fn every_moment_of_three_years_lies_in_exactly_the_day_it_shows() {
        for rule in RULES {
            let zone = zone(rule);
            let mut ms = at("2026-01-01T00:00:00.000Z").unix_ms();
            let end = at("2029-01-01T00:00:00.000Z").unix_ms();
            while ms < end {
                let moment = Timestamp::from_unix_ms(ms);
                let day = zone.day(moment);
                assert!(zone.start(day) <= moment && moment < zone.start(day.plus(1)), "{rule} {moment} {day}");
                // No multiple of an hour, so that every minute of the day is met.
                ms += 37 * 60_000;
            }
        }
    }

    /// What the clock shows at a moment leads back to that moment, or to the first of two that look alike.
    #[test]
    fn a_time_on_the_wall_is_found_again() {
        for rule in RULES {
            let zone = zone(rule);
            for hours in 0..24 * 365 * 2 {
                let moment = Timestamp::from_unix_ms(at("2026-01-01T00:30:00.000Z").unix_ms() + hours * 3_600_000);
                let (hour, minute) = zone.clock(moment);
                let found = zone.at(zone.day(moment), hour, minute);
                assert!(found <= moment && moment.unix_ms() - found.unix_ms() <= 3_600_000, "{rule} {moment} {found}");
                assert_eq!((zone.day(found), zone.clock(found)), (zone.day(moment), (hour, minute)), "{rule} {moment}");
            }
        }
    }

    #[test]
    fn a_time_that_is_leapt_over_means_the_moment_after_the_leap() {
        let day = |text: &str| text.parse::<Day>().expect("a day");
        for (rule, on, hour, minute, moment) in [
            (RULES[1], "2026-03-29", 2, 30, "2026-03-29T01:00:00.000Z"),
            (RULES[2], "2026-03-08", 2, 0, "2026-03-08T07:00:00.000Z"),
            (RULES[5], "2026-03-29", 0, 0, "2026-03-28T22:00:00.000Z"),
            (RULES[1], "2026-10-25", 2, 30, "2026-10-25T00:30:00.000Z"),
        ] {
            assert_eq!(zone(rule).at(day(on), hour, minute).to_string(), moment, "{rule} {on} {hour}:{minute}");
        }
    }

    #[test]
    fn days_of_the_year_are_counted_with_and_without_the_leap_day() {
        let of = |on: On, year: i64| {
            let seconds = Change { on, at: 0 }.of(year).expect("within the calendar");
            Timestamp::from_unix_ms(seconds * 1_000).to_string()[..10].to_owned()
        };
        assert_eq!([of(On::Plain(60), 2026), of(On::Plain(60), 2028)], ["2026-03-01", "2028-03-01"]);
        assert_eq!([of(On::Zero(59), 2026), of(On::Zero(59), 2028)], ["2026-03-01", "2028-02-29"]);
        assert_eq!([of(On::Plain(59), 2028), of(On::Plain(365), 2028)], ["2028-02-28", "2028-12-31"]);
        assert_eq!([of(On::Week(12, 5, 4), 2026), of(On::Week(2, 5, 0), 2026)], ["2026-12-31", "2026-02-22"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "CST",
            "8",
            "CS-8",
            "CST-8 ",
            "CST-25",
            "CST-8:60",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.0.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0,",
            "<CET-1",
            "CET-1CEST,J0,J365",
            "CET-1CEST,M3.5.0/168,M10.5.0",
            "Asia/Shanghai",
            "中国标准-8",
        ] {
            assert!(text.parse::<Zone>().is_err(), "{text:?}");
        }
        assert_eq!("UTC0".parse(), Ok(Zone::UTC));
    }
}
