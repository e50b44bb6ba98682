//! The service log of a day: what was done at each visit, and what it all adds up to. The sum is never counted by itself: it is what
//! the visits give, added.

use super::{
    Timestamp, VisitId,
    treatment::{Noted, Used},
    visit::VisitState,
};
use std::{collections::BTreeMap, iter::Sum, ops::Add};

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub step: String,
    pub at: Timestamp,
    /// Whoever ticked it.
    pub staff: String,
    pub noted: Noted,
}

/// One visit of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub visit: VisitId,
    pub state: VisitState,
    pub opened: Timestamp,
    /// `None` while it is open.
    pub closed: Option<Timestamp>,
    pub customer: String,
    pub station: String,
    pub beautician: String,
    /// The treatment that was chosen; empty where nobody chose.
    pub treatment: String,
    /// In the order in which they were ticked.
    pub steps: Vec<Done>,
    /// Of both scans, what stands.
    pub readings: u32,
    pub photographs: u32,
    pub stars: Option<u8>,
    pub signed_before: bool,
    pub signed_after: bool,
    /// Whether a link to the report was given.
    pub reported: bool,
}

/// What visits add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub visits: u32,
    pub closed: u32,
    /// Of the visits that were closed.
    pub minutes: u32,
    pub steps: u32,
    pub readings: u32,
    pub photographs: u32,
    /// Visits that were rated, and the stars of all of them.
    pub rated: u32,
    pub stars: u32,
    pub signed_before: u32,
    pub signed_after: u32,
    pub reported: u32,
    /// How often each product of each batch was used.
    pub products: BTreeMap<Used, u32>,
    /// Visits of each beautician.
    pub by: BTreeMap<String, u32>,
}

impl Served {
    /// Whole minutes from the opening to the closing; a wall clock that was set back makes none.
    #[must_use]
    pub fn minutes(&self) -> Option<u32> {
        let ms = self.closed?.unix_ms() - self.opened.unix_ms();
        Some(u32::try_from(ms.max(0) / 60_000).unwrap_or(u32::MAX))
    }

    /// Every product of every step.
    pub fn products(&self) -> impl Iterator<Item = &Used> {
        self.steps.iter().flat_map(|done| &done.noted.products)
    }

    /// What it gives to the sum: nothing where it was struck out.
    #[must_use]
    pub fn totals(&self) -> Totals {
        if self.state == VisitState::Voided {
            return Totals::default();
        }
        let mut products = BTreeMap::new();
        for used in self.products() {
            *products.entry(used.clone()).or_insert(0) += 1;
        }
        Totals {
            visits: 1,
            closed: u32::from(self.state == VisitState::Closed),
            minutes: self.minutes().unwrap_or(0),
            steps: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
            readings: self.readings,
            photographs: self.photographs,
            rated: u32::from(self.stars.is_some()),
            stars: self.stars.map_or(0, u32::from),
            signed_before: u32::from(self.signed_before),
            signed_after: u32::from(self.signed_after),
            reported: u32::from(self.reported),
            products,
            by: [(self.beautician.clone(), 1)].into(),
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        let Self {
            visits,
            closed,
            minutes,
            steps,
            readings,
            photographs,
            rated,
            stars,
            signed_before,
            signed_after,
            reported,
            products,
            by,
        } = other;
        for (used, times) in products {
            *self.products.entry(used).or_insert(0) += times;
        }
        for (beautician, times) in by {
            *self.by.entry(beautician).or_insert(0) += times;
        }
        Self {
            visits: self.visits + visits,
            closed: self.closed + closed,
            minutes: self.minutes.saturating_add(minutes),
            steps: self.steps + steps,
            readings: self.readings + readings,
            photographs: self.photographs + photographs,
            rated: self.rated + rated,
            stars: self.stars + stars,
            signed_before: self.signed_before + signed_before,
            signed_after: self.signed_after + signed_after,
            reported: self.reported + reported,
            products: self.products,
            by: self.by,
        }
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}

/// What a log adds up to.
#[must_use]
pub fn total(log: &[Served]) -> Totals {
    log.iter().map(Served::totals).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Numbers that look like chance and are the same every time.
    pub struct Dice(pub u64);

    impl Dice {
        pub fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % sides
        }
    }

    /// A day of a salon.
    pub fn day(dice: &mut Dice) -> Vec<Served> {
        (0..dice.roll(12)).map(|n| visit(dice, n)).collect()
    }

    fn visit(dice: &mut Dice, n: u64) -> Served {
        let state =
            [VisitState::Closed, VisitState::Closed, VisitState::Open, VisitState::Voided][dice.roll(4) as usize];
        let opened = 1_795_400_000_000 + i64::try_from(dice.roll(86_400_000)).unwrap();
        let lasted = i64::try_from(dice.roll(9_000_000)).unwrap() - 600_000;
        let word = |words: &[&str], dice: &mut Dice| words[dice.roll(words.len() as u64) as usize].to_owned();
        let product = |dice: &mut Dice| Used {
            product: word(&["玻尿酸精华", "舒缓面膜", "=1+1", "a, \"b\""], dice),
            batch: word(&["", "H1", "H2"], dice),
        };
        let done = |dice: &mut Dice| Done {
            step: word(&["清洁", "serum", "面膜\n二"], dice),
            at: Timestamp::from_unix_ms(opened + i64::try_from(dice.roll(3_600_000)).unwrap()),
            staff: word(&["苏晴", "b-07"], dice),
            noted: Noted {
                level: Some(dice.roll(6) as u8).filter(|level| *level > 0),
                setting: word(&["", "1 MHz"], dice),
                products: (0..dice.roll(3)).map(|_| product(dice)).collect(),
                remark: word(&["", "略有泛红"], dice),
            },
        };
        Served {
            visit: VisitId::from_bits(u128::from(n)),
            state,
            opened: Timestamp::from_unix_ms(opened),
            closed: (state != VisitState::Open).then(|| Timestamp::from_unix_ms(opened + lasted)),
            customer: word(&["林若溪", "O'Neil, \"Ana\"", "-2"], dice),
            station: word(&["一号护理位", "Chair 2"], dice),
            beautician: word(&["苏晴", "周敏"], dice),
            treatment: word(&["", "补水护理"], dice),
            steps: (0..dice.roll(6)).map(|_| done(dice)).collect(),
            readings: dice.roll(40) as u32,
            photographs: dice.roll(7) as u32,
            stars: Some(dice.roll(6) as u8).filter(|stars| *stars > 0),
            signed_before: dice.roll(2) == 0,
            signed_after: dice.roll(2) == 0,
            reported: dice.roll(2) == 0,
        }
    }

    /// Whatever a day brings: the whole is its parts, in any order and cut anywhere.
    #[test]
    fn a_day_is_the_sum_of_its_visits() {
        let mut dice = Dice(7);
        for _ in 0..2_000 {
            let mut log = day(&mut dice);
            let whole = total(&log);
            // Counted by hand, number by number.
            let counted: Vec<&Served> = log.iter().filter(|one| one.state != VisitState::Voided).collect();
            let of = |number: fn(&Served) -> u32| counted.iter().map(|one| number(one)).sum::<u32>();
            assert_eq!(whole.visits as usize, counted.len());
            assert_eq!(whole.minutes, of(|one| one.minutes().unwrap_or(0)));
            assert_eq!(whole.steps, of(|one| one.steps.len() as u32));
            assert_eq!((whole.readings, whole.photographs), (of(|one| one.readings), of(|one| one.photographs)));
            assert_eq!(
                (whole.rated, whole.stars),
                (of(|one| u32::from(one.stars.is_some())), of(|one| one.stars.map_or(0, u32::from)))
            );
            assert_eq!(whole.reported, of(|one| u32::from(one.reported)));
            assert_eq!(whole.products.values().sum::<u32>(), of(|one| one.products().count() as u32));
            assert_eq!(whole.by.values().sum::<u32>(), whole.visits);
            // Cut anywhere, and in the other order.
            let cut = dice.roll(log.len() as u64 + 1) as usize;
            assert_eq!(total(&log[..cut]) + total(&log[cut..]), whole);
            log.reverse();
            assert_eq!(total(&log), whole);
        }
    }

    #[test]
    fn what_was_struck_out_gives_nothing_and_what_is_open_gives_no_minutes() {
        let mut dice = Dice(3);
        let mut one = visit(&mut dice, 1);
        one.state = VisitState::Voided;
        assert_eq!(one.totals(), Totals::default());
        (one.state, one.closed) = (VisitState::Open, None);
        assert_eq!((one.totals().visits, one.totals().closed, one.totals().minutes), (1, 0, 0));
        one.closed = Some(Timestamp::from_unix_ms(one.opened.unix_ms() - 1));
        assert_eq!(one.minutes(), Some(0), "a clock that was set back");
    }
}
