//! Birthdays without a year: a day of the calendar that comes again. When somebody may be wished a happy one, by the clocks of the store
//! that they go to. Pure; who may be written to at all is decided elsewhere.
//!
//! The day is the customer's own: it gives way to no closed day of the store's, as what follows a visit does.

use super::{
    Day, Timestamp,
    follow_up::{Calendar, HOUR, Kind},
};

/// Whoever was not seen for so many days has gone elsewhere: a machine that knows their birthday still would not please them.
pub const SEEN_DAYS: i32 = 730;

/// Every fourth year has a 29 February; asked of one that has it, it says which days there are at all.
const LEAP_YEAR: i64 = 2000;

/// Month and day, never the year: how old somebody is, is nobody's business here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birthday {
    month: u32,
    day: u32,
}

/// A birthday that may be wished now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// The year in which the day lies, whatever year it is by the time of the wish.
    pub year: i64,
    pub on: Day,
    /// Ten in the morning by the store's clocks.
    pub due: Timestamp,
}

impl Birthday {
    /// `None` for a day that no year has; 29 February is one.
    #[must_use]
    pub fn of(month: u32, day: u32) -> Option<Self> {
        Day::of(LEAP_YEAR, month, day).map(|_| Self { month, day })
    }

    /// 1 to 12.
    #[must_use]
    pub const fn month(self) -> u32 {
        self.month
    }

    /// Of the month, from 1.
    #[must_use]
    pub const fn day(self) -> u32 {
        self.day
    }

    /// The day on which it is kept in a year; 29 February on the 28th where there is none. `None` beyond any calendar.
    #[must_use]
    pub fn in_year(self, year: i64) -> Option<Day> {
        let Self { month, day } = self;
        Day::of(year, month, day).or_else(|| Day::of(year, month, day - 1))
    }

    fn occasion_in(self, year: i64, calendar: &Calendar) -> Option<Occasion> {
        let on = self.in_year(year)?;
        Some(Occasion { year, on, due: calendar.zone.at(on, HOUR, 0) })
    }

    /// The birthday that may be wished at this moment: from its hour on until [`Kind::stands_days`] days later.
    #[must_use]
    pub fn occasion(self, now: Timestamp, calendar: &Calendar) -> Option<Occasion> {
        let today = calendar.zone.day(now);
        let year = today.date().0;
        // In the first days of a year it may be one of the last days of the year before.
        let mut near = [year, year - 1].into_iter().filter_map(|year| self.occasion_in(year, calendar));
        near.find(|one| one.due <= now && today <= one.on.plus(Kind::Birthday.stands_days()))
    }

    /// When it is due next, after this moment.
    #[must_use]
    pub fn next(self, now: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
        let year = calendar.zone.day(now).date().0;
        let ahead = [year, year + 1].into_iter().filter_map(|year| self.occasion_in(year, calendar));
        ahead.map(|one| one.due).find(|due| *due > now)
    }

    /// Birthdays that are due somewhere on earth at this moment, or were and still stand, whatever clocks a store has: month and day.
    #[must_use]
    pub fn anywhere(now: Timestamp) -> Vec<Self> {
        // By the clocks of any place it is today, yesterday or tomorrow.
        let today = Day::from_days(i32::try_from(now.unix_ms().div_euclid(86_400_000)).unwrap_or(i32::MAX));
        let days = (-1 - Kind::Birthday.stands_days()..=1).map(|n| today.plus(n).date());
        let mut found = Vec::new();
        for (year, month, day) in days {
            found.push(Self { month, day });
            if (month, day) == (2, 28) && Day::of(year, 2, 29).is_none() {
                found.push(Self { month, day: 29 });
            }
        }
        found
    }
}

impl Occasion {
    /// Whether somebody who was seen last on that day is still one of the store's own.
    #[must_use]
    pub fn is_of_who_was_seen(&self, last: Day) -> bool {
        last >= self.on.plus(-SEEN_DAYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHANGHAI: &str = "CST-8";
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
    /// Farthest east and west.
    const KIRITIMATI: &str = "<+14>-14";
    const BAKER: &str = "<-12>12";

    fn calendar(rule: &str, holidays: &[&str]) -> Calendar {
        let days = holidays.iter().map(|day| day.parse().expect("a day")).collect();
        Calendar::new(rule.parse().expect("a rule of clocks"), days)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn birthday(month: u32, day: u32) -> Birthday {
        Birthday::of(month, day).expect("a birthday")
    }

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn a_birthday_is_a_day_that_some_year_has() {
        assert_eq!(birthday(5, 17), Birthday { month: 5, day: 17 });
        assert_eq!((birthday(2, 29).month(), birthday(2, 29).day()), (2, 29));
        for (month, day) in
            [(0, 1), (13, 1), (1, 0), (1, 32), (2, 30), (4, 31), (6, 31), (9, 31), (11, 31), (5, u32::MAX)]
        {
            assert_eq!(Birthday::of(month, day), None, "{month} {day}");
        }
        let all: usize = (1..=12).map(|month| (1..=31).filter(|day| Birthday::of(month, *day).is_some()).count()).sum();
        assert_eq!(all, 366);
    }

    #[test]
    fn who_was_born_on_a_leap_day_keeps_it_a_day_earlier_in_other_years() {
        for (year, kept) in [(2026, "2026-02-28"), (2027, "2027-02-28"), (2028, "2028-02-29"), (2100, "2100-02-28")] {
            assert_eq!(birthday(2, 29).in_year(year), Some(day(kept)));
        }
        assert_eq!(birthday(2, 28).in_year(2028), Some(day("2028-02-28")));
        assert_eq!(birthday(5, 17).in_year(2028), Some(day("2028-05-17")));
    }

    #[test]
    fn it_is_due_at_ten_by_the_stores_clocks_and_stands_for_three_days() {
        for (rule, of, due, over) in [
            (SHANGHAI, (5, 17), "2026-05-17T02:00:00.000Z", "2026-05-20T16:00:00.000Z"),
            (BERLIN, (5, 17), "2026-05-17T08:00:00.000Z", "2026-05-20T22:00:00.000Z"),
            (NEW_YORK, (5, 17), "2026-05-17T14:00:00.000Z", "2026-05-21T04:00:00.000Z"),
            // On the days on which the clocks change it is ten by the new ones; the end is counted by the calendar.
            (BERLIN, (3, 29), "2026-03-29T08:00:00.000Z", "2026-04-01T22:00:00.000Z"),
            (BERLIN, (10, 25), "2026-10-25T09:00:00.000Z", "2026-10-28T23:00:00.000Z"),
            (NEW_YORK, (3, 8), "2026-03-08T14:00:00.000Z", "2026-03-12T04:00:00.000Z"),
            (NEW_YORK, (11, 1), "2026-11-01T15:00:00.000Z", "2026-11-05T05:00:00.000Z"),
            // The clocks change while it stands.
            (BERLIN, (3, 27), "2026-03-27T09:00:00.000Z", "2026-03-30T22:00:00.000Z"),
            // The leap day in a year that has none, and in one that has it.
            (SHANGHAI, (2, 29), "2026-02-28T02:00:00.000Z", "2026-03-03T16:00:00.000Z"),
            (SHANGHAI, (2, 29), "2028-02-29T02:00:00.000Z", "2028-03-03T16:00:00.000Z"),
            (SHANGHAI, (2, 28), "2028-02-28T02:00:00.000Z", "2028-03-02T16:00:00.000Z"),
            // Over the year's turn it stays a birthday of the year before.
            (SHANGHAI, (12, 31), "2026-12-31T02:00:00.000Z", "2027-01-03T16:00:00.000Z"),
            (SHANGHAI, (1, 1), "2027-01-01T02:00:00.000Z", "2027-01-04T16:00:00.000Z"),
            // Where it is ten already while Greenwich has the day before, and the other way about.
            (KIRITIMATI, (1, 1), "2026-12-31T20:00:00.000Z", "2027-01-04T10:00:00.000Z"),
            (BAKER, (12, 31), "2026-12-31T22:00:00.000Z", "2027-01-04T12:00:00.000Z"),
        ] {
            let (calendar, birthday) = (calendar(rule, &["2026-05-17", "2027-01-01"]), birthday(of.0, of.1));
            let (due, over) = (at(due), at(over));
            let occasion = |ms: i64| birthday.occasion(Timestamp::from_unix_ms(ms), &calendar);
            let year = calendar.zone.day(due).date().0;
            let on = birthday.in_year(year).expect("a day");
            let wanted = Some(Occasion { year, on, due });
            assert_eq!(occasion(due.unix_ms() - 1), None, "{rule} {of:?}");
            assert_eq!(occasion(due.unix_ms()), wanted, "{rule} {of:?}");
            assert_eq!(occasion(over.unix_ms() - 1), wanted, "{rule} {of:?}");
            assert_eq!(occasion(over.unix_ms()), None, "{rule} {of:?}");
            // Whoever looks by all clocks of the earth finds it all the time.
            for ms in [due.unix_ms(), over.unix_ms() - 1] {
                assert!(Birthday::anywhere(Timestamp::from_unix_ms(ms)).contains(&birthday), "{rule} {of:?}");
            }
            assert_eq!(birthday.next(Timestamp::from_unix_ms(due.unix_ms() - 1), &calendar), Some(due));
        }
    }

    #[test]
    fn the_next_one_is_of_the_next_year() {
        let shanghai = calendar(SHANGHAI, &[]);
        let next = |of: Birthday, now: &str| of.next(at(now), &shanghai).expect("one is ahead").to_string();
        assert_eq!(next(birthday(5, 17), "2026-05-17T02:00:00.000Z"), "2027-05-17T02:00:00.000Z");
        assert_eq!(next(birthday(5, 17), "2026-05-17T01:59:59.999Z"), "2026-05-17T02:00:00.000Z");
        assert_eq!(next(birthday(2, 29), "2027-02-28T02:00:00.000Z"), "2028-02-29T02:00:00.000Z");
        assert_eq!(next(birthday(1, 1), "2026-12-31T15:59:59.999Z"), "2027-01-01T02:00:00.000Z");
        assert_eq!(next(birthday(1, 1), "2026-12-31T16:00:00.000Z"), "2027-01-01T02:00:00.000Z");
    }

    /// Each hour of five years: as many birthdays as years, each standing for its days without a gap, under clocks that change.
    #[test]
    fn every_year_has_one_of_each() {
        for (rule, of) in
            [(BERLIN, (3, 29)), (NEW_YORK, (12, 30)), (SHANGHAI, (2, 29)), (BAKER, (1, 1)), (KIRITIMATI, (10, 25))]
        {
            let (calendar, birthday) = (calendar(rule, &[]), birthday(of.0, of.1));
            let (mut years, mut before) = (Vec::new(), None);
            let start = at("2026-01-10T00:00:00.000Z").unix_ms();
            for hour in 0..24 * 365 * 5 {
                let now = Timestamp::from_unix_ms(start + hour * 3_600_000);
                let found = birthday.occasion(now, &calendar);
                if let Some(one) = found.filter(|one| before != Some(*one)) {
                    assert_eq!(calendar.zone.clock(one.due), (10, 0), "{rule} {now}");
                    years.push(one.year);
                }
                before = found;
            }
            let first = if of == (1, 1) { 2027 } else { 2026 };
            assert_eq!(years, (first..first + 5).collect::<Vec<i64>>(), "{rule} {of:?}");
        }
    }

    #[test]
    fn whoever_was_not_seen_for_two_years_is_not_wished_one() {
        let shanghai = calendar(SHANGHAI, &[]);
        let occasion = birthday(5, 17).occasion(at("2026-05-19T02:00:00.000Z"), &shanghai).expect("it stands");
        // 730 days before 17 May 2026: 2026 and 2025 have no leap day between.
        assert!(occasion.is_of_who_was_seen(day("2024-05-17")));
        assert!(!occasion.is_of_who_was_seen(day("2024-05-16")));
        assert!(occasion.is_of_who_was_seen(day("2026-05-18")), "who came the day after was seen");
    }
}
