//! What is due to a person, from what headquarters knows of them: facts in, due messages out. The rule itself is the store's own
//! ([`follow_up`]); here stands only how headquarters' facts are laid before it.

use crate::domain::{
    Day, Timestamp,
    customer::SkinType,
    follow_up::{self, Calendar, Ended, FollowUp, Kind},
};

/// A visit of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub id: String,
    pub begun: Timestamp,
    /// `None` while it is open.
    pub ended: Option<Timestamp>,
    pub voided: bool,
    /// The day agreed for the next one.
    pub next_day: Option<Day>,
}

/// A person, over all their cards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub visits: Vec<Visit>,
    pub skin: Option<SkinType>,
    /// They want no messages, or to be erased.
    pub hushed: bool,
}

impl Person {
    /// What a visit leads to that is due at `now` and still makes sense.
    #[must_use]
    pub fn due(&self, visit: &str, now: Timestamp, calendar: &Calendar) -> Vec<FollowUp> {
        self.ended(visit, now, calendar).map_or_else(Vec::new, |ended| ended.due(now, now, calendar))
    }

    /// When to look at a visit again after `now`, given what was offered already; `None` once nothing more can come of it. What is
    /// due and may not be offered yet is looked at again while it makes sense, the sooner the shorter that is.
    #[must_use]
    pub fn look_again(&self, visit: &str, offered: &[Kind], now: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
        let Ended { at, skin, .. } = self.ended(visit, now, calendar)?;
        let left = follow_up::after(at, skin, calendar).into_iter().filter(|one| !offered.contains(&one.kind));
        let next = left.filter_map(|one| {
            let stands = one.kind.stands_days();
            let over = calendar.zone.start(calendar.zone.day(one.due).plus(stands + 1));
            let again = Timestamp::from_unix_ms(now.unix_ms() + i64::from(stands) * HOUR_MS);
            (now < over).then_some(if one.due > now { one.due } else { again })
        });
        next.min()
    }

    /// When the person was here last, or came: what is struck out does not count.
    #[must_use]
    pub fn seen_last(&self) -> Option<Timestamp> {
        self.visits.iter().filter(|visit| !visit.voided).map(|visit| visit.begun).max()
    }

    fn ended(&self, visit: &str, now: Timestamp, calendar: &Calendar) -> Option<Ended> {
        let of = self.visits.iter().find(|one| one.id == visit && !one.voided)?;
        let later = |one: &&Visit| !one.voided && one.id != of.id && one.begun > of.begun;
        Some(Ended {
            at: of.ended?,
            skin: self.skin,
            came_again: self.visits.iter().any(|one| later(&one)),
            booked: of.next_day.is_some_and(|day| day >= calendar.zone.day(now)),
            hushed: self.hushed,
            // Whether staff has seen to it is known in the store alone; what was offered is known by its id.
            done: Vec::new(),
        })
    }
}

const HOUR_MS: i64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn calendar() -> Calendar {
        Calendar::new("CST-8".parse().expect("a rule"), Vec::new())
    }

    fn visit(id: &str, begun: &str, ended: Option<&str>) -> Visit {
        Visit { id: id.to_owned(), begun: at(begun), ended: ended.map(at), voided: false, next_day: None }
    }

    fn kinds(person: &Person, visit: &str, now: &str) -> Vec<Kind> {
        person.due(visit, at(now), &calendar()).into_iter().map(|one| one.kind).collect()
    }

    #[test]
    fn headquarters_reads_the_rule_as_the_store_does() {
        let first = visit("1", "2026-11-01T05:00:00.000Z", Some("2026-11-01T06:00:00.000Z"));
        let person = Person { visits: vec![first.clone()], skin: Some(SkinType::Oily), hushed: false };
        assert_eq!(kinds(&person, "1", "2026-11-01T07:59:59.999Z"), []);
        assert_eq!(kinds(&person, "1", "2026-11-01T08:00:00.000Z"), [Kind::Care]);
        assert_eq!(kinds(&person, "1", "2026-11-08T02:00:00.000Z"), [Kind::Skin]);
        let again = visit("2", "2026-11-05T05:00:00.000Z", None);
        let came = Person { visits: vec![first.clone(), again.clone()], ..person.clone() };
        assert_eq!(kinds(&came, "1", "2026-11-08T02:00:00.000Z"), []);
        assert_eq!(kinds(&came, "2", "2026-11-05T09:00:00.000Z"), [], "it has not ended");
        let struck_out = Visit { voided: true, ..again };
        let alone = Person { visits: vec![first.clone(), struck_out], ..person.clone() };
        assert_eq!(kinds(&alone, "1", "2026-11-08T02:00:00.000Z"), [Kind::Skin]);
        let booked = Visit { next_day: "2027-02-01".parse().ok(), ..first };
        let booked = Person { visits: vec![booked], ..person.clone() };
        assert_eq!(kinds(&booked, "1", "2027-01-30T02:00:00.000Z"), []);
        assert_eq!(kinds(&person, "1", "2027-01-30T02:00:00.000Z"), [Kind::Away]);
        assert_eq!(kinds(&Person { hushed: true, ..person }, "1", "2026-11-01T08:00:00.000Z"), []);
    }

    #[test]
    fn a_visit_that_is_struck_out_was_no_visit() {
        let first = visit("1", "2026-11-01T05:00:00.000Z", Some("2026-11-01T06:00:00.000Z"));
        let open = visit("2", "2026-11-05T05:00:00.000Z", None);
        let person =
            |visits: &[&Visit]| Person { visits: visits.iter().copied().cloned().collect(), ..Person::default() };
        assert_eq!(person(&[]).seen_last(), None);
        assert_eq!(person(&[&open, &first]).seen_last(), Some(open.begun), "who is in the chair is seen");
        let struck_out = Visit { voided: true, ..open };
        assert_eq!(person(&[&first, &struck_out]).seen_last(), Some(first.begun));
        assert_eq!(person(&[&struck_out]).seen_last(), None);
    }

    #[test]
    fn a_visit_is_looked_at_when_something_may_be_due_and_then_no_more() {
        let first = visit("1", "2026-11-01T05:00:00.000Z", Some("2026-11-01T06:00:00.000Z"));
        let person = Person { visits: vec![first], skin: Some(SkinType::Dry), hushed: false };
        let look = |offered: &[Kind], now: &str| {
            person.look_again("1", offered, at(now), &calendar()).map(|time| time.to_string()[..16].to_owned())
        };
        assert_eq!(look(&[], "2026-11-01T06:10:00.000Z").unwrap(), "2026-11-01T08:00");
        assert_eq!(look(&[Kind::Care], "2026-11-01T08:00:00.000Z").unwrap(), "2026-11-16T02:00");
        // Not agreed to yet: every hour while it makes sense, then when the next one is due.
        assert_eq!(look(&[], "2026-11-01T08:00:00.000Z").unwrap(), "2026-11-01T09:00");
        assert_eq!(look(&[], "2026-11-03T01:00:00.000Z").unwrap(), "2026-11-16T02:00");
        assert_eq!(look(&[Kind::Care, Kind::Skin], "2026-11-20T02:00:00.000Z").unwrap(), "2027-01-30T02:00");
        assert_eq!(look(&Kind::OF_A_VISIT, "2027-01-30T02:00:00.000Z"), None);
        assert_eq!(look(&[], "2027-06-01T02:00:00.000Z"), None, "all of it is stale");
        assert_eq!(person.look_again("2", &[], at("2026-11-01T08:00:00.000Z"), &calendar()), None);
    }
}
