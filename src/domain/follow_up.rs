//! What the salon owes a customer after a visit: a word of care on the same day, another by skin type, and one to whoever stays
//! away. Days and times only; nothing is sent from here, and who is written to is for people to decide.
//!
//! The word of care is due two hours after the visit ended, whatever the clocks do in between. The others are due so many days
//! of the salon's own calendar later, at ten in the morning by its clocks; a day on which the salon is closed gives way to the
//! next one on which it is open.
//!
//! Birthdays are of the same kinds, and of no visit: [`birthday`](super::birthday) says when one is due. The salon's own list knows none.

use super::{Day, Timestamp, customer::SkinType, word::words, zone::Zone};

words! {
    /// What is due.
    pub enum Kind as "follow-up" {
        /// How the skin feels, and what to leave out tonight.
        Care = "care",
        /// How it is by now, when its skin type asks for the next visit.
        Skin = "skin",
        /// Whether they would like to come again.
        Away = "away",
        /// A happy birthday, of no visit; headquarters alone knows days of birth.
        Birthday = "birthday",
    }
}

const CARE_MS: i64 = 2 * 3_600_000;
/// By the salons' service plan.
const OILY_DAYS: i32 = 7;
const DRY_DAYS: i32 = 15;
/// The plan names no other skin type: between the two.
const OTHER_DAYS: i32 = 10;
const AWAY_DAYS: i32 = 90;
/// By the salon's clocks; nobody is written to at night.
pub(super) const HOUR: u32 = 10;
/// From when until when a late word may still go out.
const WAKING: [u32; 2] = [9, 21];
/// Closed days in a row after which no open one is looked for: a list that closes the salon for good is a mistake.
const LONGEST_CLOSED: usize = 366;

/// Days after which a skin type is asked after.
#[must_use]
pub const fn days_for(skin: Option<SkinType>) -> i32 {
    match skin {
        Some(SkinType::Oily) => OILY_DAYS,
        Some(SkinType::Dry) => DRY_DAYS,
        Some(SkinType::Sensitive | SkinType::Combination | SkinType::Normal) | None => OTHER_DAYS,
    }
}

impl Kind {
    /// What a visit leads to.
    pub const OF_A_VISIT: [Self; 3] = [Self::Care, Self::Skin, Self::Away];

    /// For how many days it makes sense to make up for it. Whoever was forgotten longer is not surprised by a late word.
    #[must_use]
    pub const fn stands_days(self) -> i32 {
        match self {
            Self::Care => 1,
            Self::Skin => 14,
            Self::Away => 60,
            Self::Birthday => 3,
        }
    }
}

/// The salon's clocks, and the days on which it is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    pub zone: Zone,
    holidays: Vec<Day>,
}

impl Calendar {
    #[must_use]
    pub fn new(zone: Zone, mut holidays: Vec<Day>) -> Self {
        holidays.sort_unstable();
        holidays.dedup();
        Self { zone, holidays }
    }

    /// That day, or the next one on which the salon is open.
    #[must_use]
    pub fn open_from(&self, day: Day) -> Day {
        let closed = |day: &Day| self.holidays.binary_search(day).is_ok();
        (0..).take(LONGEST_CLOSED).map(|n| day.plus(n)).find(|day| !closed(day)).unwrap_or(day)
    }

    /// `None` where a machine may write to somebody at this moment; else when it may: by day, when the salon is open.
    #[must_use]
    pub fn waking_from(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.day(now);
        let [from, until] = WAKING.map(|hour| self.zone.at(today, hour, 0));
        let open = self.open_from(today);
        if open > today || now >= until {
            let day = if open > today { open } else { self.open_from(today.plus(1)) };
            return Some(self.zone.at(day, WAKING[0], 0));
        }
        (now < from).then_some(from)
    }

    /// The same for what is of no visit: by day, whether the salon is open or not.
    #[must_use]
    pub fn daytime_from(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.day(now);
        let [from, until] = WAKING.map(|hour| self.zone.at(today, hour, 0));
        if now >= until {
            return Some(self.zone.at(today.plus(1), WAKING[0], 0));
        }
        (now < from).then_some(from)
    }
}

/// One word that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowUp {
    pub kind: Kind,
    pub due: Timestamp,
    /// Days after the visit as they were counted, before closed days; 0 for the word of the same day.
    pub days: i32,
}

/// All that a visit that ended then leads to, the first due first.
#[must_use]
pub fn after(ended: Timestamp, skin: Option<SkinType>, calendar: &Calendar) -> [FollowUp; 3] {
    let last = calendar.zone.day(ended);
    let later = |kind, days| {
        let due = calendar.zone.at(calendar.open_from(last.plus(days)), HOUR, 0);
        FollowUp { kind, due, days }
    };
    let care = Timestamp::from_unix_ms(ended.unix_ms().saturating_add(CARE_MS));
    [FollowUp { kind: Kind::Care, due: care, days: 0 }, later(Kind::Skin, days_for(skin)), later(Kind::Away, AWAY_DAYS)]
}

/// What is known of a visit that ended, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub at: Timestamp,
    pub skin: Option<SkinType>,
    /// The person was here again since, or is in the chair.
    pub came_again: bool,
    /// The person has a place in the days ahead.
    pub booked: bool,
    /// The person wants no messages.
    pub hushed: bool,
    /// What was seen to already.
    pub done: Vec<Kind>,
}

impl Ended {
    /// What is due until `until`, or was and still makes sense to make up for at `now`; the first due first. Whoever comes
    /// again is asked nothing about the time before; whoever is booked does not stay away.
    #[must_use]
    pub fn due(&self, now: Timestamp, until: Timestamp, calendar: &Calendar) -> Vec<FollowUp> {
        let Self { at, skin, came_again, booked, hushed, done } = self;
        let today = calendar.zone.day(now);
        let off = |kind: Kind| match kind {
            Kind::Care | Kind::Birthday => false,
            Kind::Skin => *came_again,
            Kind::Away => *came_again || *booked,
        };
        let fresh = |one: &FollowUp| today <= calendar.zone.day(one.due).plus(one.kind.stands_days());
        let stands =
            |one: &FollowUp| !hushed && !off(one.kind) && !done.contains(&one.kind) && one.due <= until && fresh(one);
        let mut due: Vec<FollowUp> = after(*at, *skin, calendar).into_iter().filter(stands).collect();
        due.sort_by_key(|one| one.due);
        due
    }
}

/// From a moment back, visits that ended before it lead to nothing any more.
#[must_use]
pub fn oldest(now: Timestamp, calendar: &Calendar) -> Timestamp {
    let days = AWAY_DAYS + Kind::Away.stands_days() + i32::try_from(calendar.holidays.len()).unwrap_or(0);
    calendar.zone.start(calendar.zone.day(now).plus(-days - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_written_to_at_night_or_on_a_closed_day() {
        let calendar = calendar("CST-8", &["2026-12-01"]);
        let from = |text: &str| {
            let now: Timestamp = text.parse().expect("a time");
            calendar.waking_from(now).map(|at| at.to_string()[..16].to_owned())
        };
        assert_eq!(from("2026-11-29T01:00:00.000Z"), None, "nine in the morning");
        assert_eq!(from("2026-11-29T12:59:59.999Z"), None);
        assert_eq!(from("2026-11-29T00:59:59.999Z").unwrap(), "2026-11-29T01:00");
        assert_eq!(from("2026-11-29T13:00:00.000Z").unwrap(), "2026-11-30T01:00", "nine in the evening");
        assert_eq!(from("2026-11-30T13:00:00.000Z").unwrap(), "2026-12-02T01:00", "tomorrow is closed");
        assert_eq!(from("2026-12-01T05:00:00.000Z").unwrap(), "2026-12-02T01:00");
    }

    /// Somebody has a birthday in the week in which the salon is closed: a greeting after it would come too late.
    #[test]
    fn what_is_of_no_visit_goes_out_by_day_on_closed_days_too() {
        let calendar = calendar("CST-8", &["2026-12-01"]);
        let from = |text: &str| {
            let now: Timestamp = text.parse().expect("a time");
            calendar.daytime_from(now).map(|at| at.to_string()[..16].to_owned())
        };
        assert_eq!(from("2026-12-01T05:00:00.000Z"), None);
        assert_eq!(from("2026-12-01T00:59:59.999Z").unwrap(), "2026-12-01T01:00");
        assert_eq!(from("2026-11-30T13:00:00.000Z").unwrap(), "2026-12-01T01:00", "nine in the evening");
        assert_eq!(from("2026-12-01T12:59:59.999Z"), None);
    }

    fn calendar(rule: &str, holidays: &[&str]) -> Calendar {
        let days = holidays.iter().map(|day| day.parse().expect("a day")).collect();
        Calendar::new(rule.parse().expect("a rule of clocks"), days)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    const SHANGHAI: &str = "CST-8";
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
    /// The first week of October, and New Year's Day.
    const WEEK: &[&str] = &[
        "2026-10-07",
        "2026-10-01",
        "2026-10-02",
        "2026-10-03",
        "2026-10-04",
        "2026-10-05",
        "2026-10-06",
        "2027-01-01",
    ];

    #[test]
    fn dates_stand_as_the_service_plan_says() {
        use SkinType::{Combination, Dry, Normal, Oily, Sensitive};
        for (rule, ended, skin, due) in [
            // Over the end of a month, of February, of a leap February, of the year.
            (
                SHANGHAI,
                "2026-11-28T10:00:00.000Z",
                Some(Oily),
                ["2026-11-28T12:00", "2026-12-05T02:00", "2027-02-26T02:00"],
            ),
            (
                SHANGHAI,
                "2026-11-28T10:00:00.000Z",
                Some(Dry),
                ["2026-11-28T12:00", "2026-12-13T02:00", "2027-02-26T02:00"],
            ),
            (
                SHANGHAI,
                "2027-02-20T03:30:00.000Z",
                Some(Normal),
                ["2027-02-20T05:30", "2027-03-02T02:00", "2027-05-21T02:00"],
            ),
            (
                SHANGHAI,
                "2028-02-20T03:30:00.000Z",
                Some(Sensitive),
                ["2028-02-20T05:30", "2028-03-01T02:00", "2028-05-20T02:00"],
            ),
            (SHANGHAI, "2026-12-26T03:30:00.000Z", None, ["2026-12-26T05:30", "2027-01-05T02:00", "2027-03-26T02:00"]),
            // Late in the evening it is still that day in the salon, whatever day it is in Greenwich.
            (
                SHANGHAI,
                "2026-11-28T15:59:00.000Z",
                Some(Oily),
                ["2026-11-28T17:59", "2026-12-05T02:00", "2027-02-26T02:00"],
            ),
            (
                SHANGHAI,
                "2026-11-28T16:01:00.000Z",
                Some(Oily),
                ["2026-11-28T18:01", "2026-12-06T02:00", "2027-02-27T02:00"],
            ),
            // Closed days give way: seven days from the 24th is in the holiday week, fifteen from the 24th is after it.
            (
                SHANGHAI,
                "2026-09-24T08:00:00.000Z",
                Some(Oily),
                ["2026-09-24T10:00", "2026-10-08T02:00", "2026-12-23T02:00"],
            ),
            (
                SHANGHAI,
                "2026-09-24T08:00:00.000Z",
                Some(Dry),
                ["2026-09-24T10:00", "2026-10-09T02:00", "2026-12-23T02:00"],
            ),
            (
                SHANGHAI,
                "2026-10-03T08:00:00.000Z",
                Some(Combination),
                ["2026-10-03T10:00", "2026-10-13T02:00", "2027-01-02T02:00"],
            ),
            // Summer time ends and begins in between: ten o'clock stays ten o'clock, two hours stay two hours.
            (
                BERLIN,
                "2026-10-20T12:00:00.000Z",
                Some(Oily),
                ["2026-10-20T14:00", "2026-10-27T09:00", "2027-01-18T09:00"],
            ),
            (
                BERLIN,
                "2026-10-24T23:30:00.000Z",
                Some(Oily),
                ["2026-10-25T01:30", "2026-11-01T09:00", "2027-01-23T09:00"],
            ),
            (
                BERLIN,
                "2026-03-28T23:30:00.000Z",
                Some(Dry),
                ["2026-03-29T01:30", "2026-04-13T08:00", "2026-06-27T08:00"],
            ),
            (
                NEW_YORK,
                "2026-11-01T05:30:00.000Z",
                Some(Oily),
                ["2026-11-01T07:30", "2026-11-08T15:00", "2027-01-30T15:00"],
            ),
            (
                NEW_YORK,
                "2026-03-08T03:00:00.000Z",
                Some(Oily),
                ["2026-03-08T05:00", "2026-03-14T14:00", "2026-06-05T14:00"],
            ),
        ] {
            let found = after(at(ended), skin, &calendar(rule, WEEK));
            let found = found.map(|one| one.due.to_string()[..16].to_owned());
            assert_eq!(found, due, "{rule} {ended} {skin:?}");
        }
    }

    #[test]
    fn whoever_is_not_named_by_the_plan_is_asked_after_ten_days() {
        let days: Vec<i32> = SkinType::ALL.iter().map(|skin| days_for(Some(*skin))).collect();
        assert_eq!((days, days_for(None)), (vec![10, 10, 7, 15, 10], 10));
    }

    /// For every hour of three years, three zones, every skin type, with and without holidays: never on a closed day, never
    /// early, at ten by the salon's clock, later visits never due before earlier ones.
    #[test]
    fn whenever_a_visit_ends_its_dates_keep_their_promises() {
        let skins: Vec<_> = SkinType::ALL.iter().copied().map(Some).chain([None]).collect();
        for (rule, holidays) in [(SHANGHAI, WEEK), (BERLIN, WEEK), (NEW_YORK, &WEEK[..0])] {
            let calendar = calendar(rule, holidays);
            let zone = calendar.zone;
            let start = at("2026-01-01T00:17:00.000Z").unix_ms();
            let mut before = [None; 3];
            for hours in (0..24 * 365 * 3).step_by(5) {
                let ended = Timestamp::from_unix_ms(start + hours * 3_600_000);
                let skin = skins[usize::try_from(hours).unwrap() / 5 % skins.len()];
                let found = after(ended, skin, &calendar);
                assert_eq!(found[0].due.unix_ms() - ended.unix_ms(), 7_200_000);
                for one in &found[1..] {
                    let (counted, due) = (zone.day(ended).plus(one.days), zone.day(one.due));
                    assert_eq!((due, zone.clock(one.due)), (calendar.open_from(counted), (10, 0)), "{rule} {ended}");
                    assert!(due >= counted && !holidays.contains(&due.to_string().as_str()), "{rule} {ended}: {due}");
                    assert!(due.days() - counted.days() <= 7, "no longer than the longest holiday");
                }
                assert!(found[0].due < found[1].due && found[1].due < found[2].due);
                for (one, before) in [found[0], after(ended, None, &calendar)[1], found[2]].iter().zip(&mut before) {
                    assert!(before.is_none_or(|before| before <= one.due), "{rule} {ended}");
                    *before = Some(one.due);
                }
            }
        }
    }

    fn ended(text: &str) -> Ended {
        Ended { at: at(text), skin: None, came_again: false, booked: false, hushed: false, done: Vec::new() }
    }

    fn kinds(of: &Ended, now: &str) -> Vec<Kind> {
        let calendar = calendar(SHANGHAI, &[]);
        of.due(at(now), at(now), &calendar).into_iter().map(|one| one.kind).collect()
    }

    #[test]
    fn what_is_due_stands_until_it_is_seen_to_or_makes_no_sense_any_more() {
        let visit = ended("2026-11-01T06:00:00.000Z");
        for (now, due) in [
            ("2026-11-01T07:59:00.000Z", vec![]),
            ("2026-11-01T08:00:00.000Z", vec![Kind::Care]),
            ("2026-11-02T15:00:00.000Z", vec![Kind::Care]),
            ("2026-11-03T01:00:00.000Z", vec![]),
            ("2026-11-11T01:59:00.000Z", vec![]),
            ("2026-11-11T02:00:00.000Z", vec![Kind::Skin]),
            ("2026-11-25T02:00:00.000Z", vec![Kind::Skin]),
            ("2026-11-26T02:00:00.000Z", vec![]),
            ("2027-01-30T02:00:00.000Z", vec![Kind::Away]),
            ("2027-03-31T02:00:00.000Z", vec![Kind::Away]),
            ("2027-04-01T02:00:00.000Z", vec![]),
        ] {
            assert_eq!(kinds(&visit, now), due, "{now}");
        }
        let calendar = calendar(SHANGHAI, &[]);
        assert!(oldest(at("2027-03-31T02:00:00.000Z"), &calendar) < visit.at, "it is still looked at");
        let ahead = visit.due(at("2026-11-01T06:00:00.000Z"), at("2027-02-01T00:00:00.000Z"), &calendar);
        let ahead: Vec<_> = ahead.iter().map(|one| one.kind).collect();
        assert_eq!(ahead, Kind::OF_A_VISIT, "all that comes, in its order");
    }

    #[test]
    fn whoever_came_is_booked_or_wants_no_word_is_left_in_peace() {
        let visit = ended("2026-11-01T06:00:00.000Z");
        let (care, skin, away) = ("2026-11-01T09:00:00.000Z", "2026-11-12T02:00:00.000Z", "2027-02-01T02:00:00.000Z");
        let at_each = |of: &Ended| [care, skin, away].map(|now| kinds(of, now).len());
        assert_eq!(at_each(&visit), [1, 1, 1]);
        assert_eq!(at_each(&Ended { came_again: true, ..visit.clone() }), [1, 0, 0]);
        assert_eq!(at_each(&Ended { booked: true, ..visit.clone() }), [1, 1, 0]);
        assert_eq!(at_each(&Ended { hushed: true, ..visit.clone() }), [0, 0, 0]);
        assert_eq!(at_each(&Ended { done: vec![Kind::Care, Kind::Skin], ..visit }), [0, 0, 1]);
    }

    #[test]
    fn a_list_that_closes_the_salon_for_good_is_not_followed_for_ever() {
        let first: Day = "2026-01-01".parse().expect("a day");
        let always = (0..1_000).map(|n| first.plus(n)).collect();
        let calendar = Calendar::new(Zone::UTC, always);
        assert_eq!(calendar.open_from(first.plus(5)), first.plus(5));
    }
}
