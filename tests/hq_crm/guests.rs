//! The guests of a month: what they agree to, when they come, when they have a birthday, and what must be offered to each, and by which
//! ways. Worked out by hand from the chain's rules as its people read them, not by the product's.

use crate::chain::{customer, visit};

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
/// Monday, 2 March 2026, midnight in Shanghai.
pub const START: i64 = 1_772_380_800_000;
pub const EAST: i64 = 8 * HOUR;

/// Shorter than the time until which the messenger was there three times, whenever a message is due.
const LUCK: i64 = 26 * HOUR;

/// Texts of the chain that allow messages; `2026-11` allows none.
const TEXTS: [&str; 3] = ["wechat-1", "sms-1", "both-1"];

/// By which ways the chain's texts allow which messages, as its people read them.
fn ways(text: &str, kind: &str) -> &'static [&'static str] {
    let is_short = matches!(kind, "care" | "birthday");
    match (text, is_short) {
        ("wechat-1", _) | ("both-1", false) => &["wechat"],
        ("both-1", true) => &["sms", "wechat"],
        ("sms-1", true) => &["sms"],
        _ => &[],
    }
}

/// How a customer is with the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mind {
    Agrees,
    /// To another text after so many hours.
    OtherText(i64, &'static str),
    /// To a text that names no messages.
    OldText,
    NoReport,
    Nothing,
    /// Says no to the report after so many hours.
    Withdraws(i64),
    /// Wants no more messages after so many hours.
    Unsubscribes(i64),
    /// Withdraws on a report's page; the store does not know yet.
    OnThePage(i64),
    Erased(i64),
}

/// When somebody said something after so many hours: between two looks of everybody else.
pub const fn said(hours: i64) -> i64 {
    START + hours * HOUR + HOUR / 2
}

/// A birthday so many days after the story begins, as the CRM tells it at its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Born {
    pub day: i64,
    pub then: Then,
}

/// What the CRM says of it later, after so many hours, before the day.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    Stays,
    /// It is another day.
    Moves(i64, i64),
    /// The customer would rather not have it known.
    Goes(i64),
}

impl Born {
    /// The day on which it is kept in the end.
    const fn kept(self) -> Option<i64> {
        match self.then {
            Then::Stays => Some(self.day),
            Then::Moves(_, day) => Some(day),
            Then::Goes(_) => None,
        }
    }
}

pub struct Guest {
    pub id: String,
    pub mind: Mind,
    /// What they agree to at first, if they do.
    pub text: &'static str,
    pub skin: &'static str,
    days: i64,
    pub visits: Vec<Came>,
    /// They were here once so many days before the story begins.
    pub once: Option<i64>,
    pub born: Option<Born>,
}

pub struct Came {
    pub visit: String,
    pub begun: i64,
    pub ended: i64,
}

impl Came {
    /// At half past, on the so many-th day.
    fn on(day: i64, hour: i64) -> Self {
        let begun = START + day * DAY + hour * HOUR + HOUR / 2;
        Self { visit: visit(), begun, ended: begun + HOUR }
    }
}

impl Guest {
    /// Whether she may be written to at that time.
    fn agrees(&self, at: i64) -> bool {
        match self.mind {
            Mind::Agrees | Mind::OtherText(..) => true,
            Mind::OldText | Mind::NoReport | Mind::Nothing => false,
            Mind::Withdraws(hours) | Mind::Unsubscribes(hours) | Mind::OnThePage(hours) | Mind::Erased(hours) => {
                at < said(hours)
            }
        }
    }

    /// By which ways, about what; none: not at all.
    pub fn ways(&self, kind: &str, at: i64) -> &'static [&'static str] {
        let text = match self.mind {
            _ if !self.agrees(at) => return &[],
            Mind::OtherText(hours, other) if at >= said(hours) => other,
            _ => self.text,
        };
        ways(text, kind)
    }

    /// When each kind is due, by the calendar on the wall.
    fn due(&self, ended: i64) -> [(&'static str, i64); 3] {
        let at_ten = |days: i64| ((ended + EAST).div_euclid(DAY) + days) * DAY + 10 * HOUR - EAST;
        [("care", ended + 2 * HOUR), ("skin", at_ten(self.days)), ("away", at_ten(90))]
    }

    fn came_again(&self, begun: i64, at: i64) -> bool {
        self.visits.iter().any(|other| other.begun > begun && other.begun <= at)
    }

    /// Whether she was here by then, and not too long before her birthday.
    fn seen(&self, due: i64, at: i64) -> bool {
        let once = self.once.map(|days| START - days * DAY);
        self.visits.iter().any(|came| came.begun <= at) || once.is_some_and(|once| due - once <= 730 * DAY)
    }

    /// All that is ever due to her, if nothing speaks against it.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut wanted = Vec::new();
        for Came { visit, begun, ended } in &self.visits {
            for (kind, due) in self.due(*ended) {
                let stands_days = if kind == "care" {
                    1
                } else if kind == "skin" {
                    14
                } else {
                    60
                };
                let what = (visit.clone(), kind.to_owned());
                wanted.push(Wanted { what, guest: self, kind, due, begun: *begun, stands_days });
            }
        }
        if let Some(day) = self.born.and_then(Born::kept) {
            let (kind, due) = ("birthday", START + day * DAY + 10 * HOUR);
            let what = (self.id.clone(), kind.to_owned());
            wanted.push(Wanted { what, guest: self, kind, due, begun: 0, stands_days: 3 });
        }
        wanted
    }
}

/// A message that may be due.
pub struct Wanted<'a> {
    /// Of a birthday the customer, else the visit; and the kind.
    pub what: (String, String),
    pub guest: &'a Guest,
    pub kind: &'static str,
    pub due: i64,
    pub begun: i64,
    /// Whole days after the one on which it is due.
    stands_days: i64,
}

impl Wanted<'_> {
    fn stands(&self, at: i64) -> bool {
        let Self { guest, kind, due, begun, .. } = self;
        let makes_sense = match *kind {
            "care" => true,
            "birthday" => guest.seen(*due, at),
            _ => !guest.came_again(*begun, at),
        };
        makes_sense && !guest.ways(kind, at).is_empty()
    }

    /// It was due, and the messenger was there three times before anything could have changed.
    pub fn must(&self) -> bool {
        self.stands(self.due) && self.stands(self.due + LUCK)
    }

    /// At some time while it made sense nothing spoke against it.
    pub fn may(&self) -> bool {
        (0..=(self.stands_days + 1) * 48).any(|half| self.stands(self.due + half * HOUR / 2))
    }
}

pub fn guests(dice: &mut fastrand::Rng) -> Vec<Guest> {
    use {Mind::Agrees, Then::Stays};
    let mut guests: Vec<Guest> = (0..40)
        .map(|n| {
            let (hours, text) = (dice.i64(1..40 * 24), TEXTS[dice.usize(..3)]);
            let mind = match n % 10 {
                0 => Mind::OldText,
                1 => Mind::NoReport,
                2 => Mind::Nothing,
                3 => Mind::Withdraws(hours),
                4 => Mind::Unsubscribes(hours),
                5 => Mind::OnThePage(hours),
                6 => Mind::Erased(hours),
                7 => Mind::OtherText(hours, TEXTS[dice.usize(..3)]),
                _ => Agrees,
            };
            let (skin, days) = [("oily", 7), ("dry", 15), ("sensitive", 10), ("", 10)][dice.usize(..4)];
            let mut day = dice.i64(0..20);
            let mut visits = Vec::new();
            for _ in 0..dice.usize(1..4) {
                if day >= 30 {
                    break;
                }
                // By day, as a salon is open; what is due two hours later may still go out that day.
                visits.push(Came::on(day, dice.i64(10..17)));
                day += dice.i64(2..16);
            }
            let born = (dice.u32(..4) > 0).then(|| Born { day: dice.i64(0..40), then: Stays });
            Guest { id: customer(), mind, text, skin, days, visits, once: None, born }
        })
        .collect();
    let special = |mind: Mind, day: i64, then: Then, visits: Vec<Came>, once: Option<i64>| {
        let born = Some(Born { day, then });
        Guest { id: customer(), mind, text: "wechat-1", skin: "oily", days: 7, visits, once, born }
    };
    guests.extend([
        special(Agrees, QUIET, Stays, vec![Came::on(5, 11)], None),
        special(Agrees, 12, Then::Moves(10 * 24, 20), vec![Came::on(3, 12)], None),
        special(Agrees, 30, Then::Moves(8 * 24, 14), vec![Came::on(4, 13)], None),
        special(Agrees, 18, Then::Goes(15 * 24), vec![Came::on(3, 14)], None),
        special(Mind::Nothing, 9, Stays, vec![Came::on(4, 15)], None),
        special(Mind::OldText, 9, Stays, vec![Came::on(4, 15)], None),
        special(Agrees, 16, Stays, Vec::new(), Some(700)),
        // Not for more than two years, and never.
        special(Agrees, 16, Stays, Vec::new(), Some(760)),
        special(Agrees, 16, Stays, Vec::new(), None),
    ]);
    guests
}

/// A day after the last visit of the month and the last word by skin type, long before the first to whoever stays away.
pub const QUIET: i64 = 46;
