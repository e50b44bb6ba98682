//! What the salon's own rules suggest after a scan. A rule names a treatment or a product, what must have been measured for it,
//! and what it contains; the gateway holds it against the readings and against the customer's card, and says of each
//! suggestion which reading, which limit and which rule it comes from. What a card forbids is never suggested; what was
//! withheld is listed with the word that withheld it, for the beautician alone.

use super::{
    Quantity, Region,
    customer::SkinType,
    metric::{Label, MetricId},
    word::words,
};
use std::cmp::Ordering;

words! {
    /// What is suggested.
    pub enum Kind as "kind of suggestion" { Treatment = "treatment", Product = "product" }
}

/// What must have been measured: a value beyond a limit, at one of some regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub metric: MetricId,
    /// Any of them; empty: any at all.
    pub regions: Vec<Region>,
    /// In the metric's unit, exclusive; at least one of both is set.
    pub above: Option<f64>,
    pub below: Option<f64>,
}

/// One rule of the salon.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the file, unique there.
    pub id: String,
    pub kind: Kind,
    /// The treatment or product by the salon's own name.
    pub offer: Label,
    /// Why, as the beautician explains it.
    pub reason: Label,
    /// All of them must hold.
    pub when: Vec<Condition>,
    /// Only for these; empty: for everyone.
    pub skin_types: Vec<SkinType>,
    /// What it contains or does, in every spelling that may stand on a card.
    pub contains: Vec<String>,
    /// Rules that this one stands in for where it is suggested.
    pub instead_of: Vec<String>,
}

/// One measured value that rules may look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub metric: MetricId,
    pub region: Region,
    pub value: Quantity,
}

/// The reading behind one condition of a suggestion.
#[derive(Debug, Clone, PartialEq)]
pub struct Because {
    pub measured: Measured,
    /// The condition that it fulfils.
    pub condition: Condition,
}

/// One thing to talk about.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion<'r> {
    pub rule: &'r Rule,
    /// One for each of the rule's conditions, in its order.
    pub because: Vec<Because>,
}

/// A rule whose conditions hold and which the card forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld<'r> {
    pub rule: &'r str,
    pub offer: &'r Label,
    /// The words that card and rule have in common.
    pub word: String,
}

/// What the rules say after a scan, in the order of their file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suggested<'r> {
    pub suggestions: Vec<Suggestion<'r>>,
    pub withheld: Vec<Withheld<'r>>,
}

impl Condition {
    /// Whether a value lies within the limits.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.above.is_none_or(|limit| value > limit) && self.below.is_none_or(|limit| value < limit)
    }

    fn fits(&self, measured: &Measured) -> bool {
        measured.metric == self.metric
            && (self.regions.is_empty() || self.regions.contains(&measured.region))
            && self.holds(measured.value.value())
    }

    /// How far beyond the nearer of its limits.
    fn beyond(&self, value: f64) -> f64 {
        let above = self.above.map_or(f64::INFINITY, |limit| value - limit);
        above.min(self.below.map_or(f64::INFINITY, |limit| limit - value))
    }

    /// The reading that says it most clearly; the earlier one where two say it alike.
    fn by(&self, measured: &[Measured]) -> Option<Because> {
        let beyond = |measured: &&Measured| self.beyond(measured.value.value());
        let clearer = |a: &&Measured, b: &&Measured| beyond(b).partial_cmp(&beyond(a)).unwrap_or(Ordering::Equal);
        let found = measured.iter().filter(|measured| self.fits(measured)).min_by(clearer)?;
        Some(Because { measured: found.clone(), condition: self.clone() })
    }

    /// Whether it holds wherever `other` does.
    #[must_use]
    pub fn follows_from(&self, other: &Self) -> bool {
        let regions = self.regions.is_empty()
            || (!other.regions.is_empty() && other.regions.iter().all(|region| self.regions.contains(region)));
        let above = self.above.is_none_or(|limit| other.above.is_some_and(|other| other >= limit));
        let below = self.below.is_none_or(|limit| other.below.is_some_and(|other| other <= limit));
        self.metric == other.metric && regions && above && below
    }
}

impl Rule {
    fn holds(&self, measured: &[Measured], skin: Option<SkinType>) -> Option<Vec<Because>> {
        self.is_for(skin).then(|| self.when.iter().map(|condition| condition.by(measured)).collect()).flatten()
    }

    /// Whether it is meant for this kind of skin; `None`: nobody noted which.
    #[must_use]
    pub fn is_for(&self, skin: Option<SkinType>) -> bool {
        self.skin_types.is_empty() || skin.is_some_and(|skin| self.skin_types.contains(&skin))
    }

    /// Whether all its conditions hold, whatever stands on a card.
    #[must_use]
    pub fn holds_for(&self, measured: &[Measured], skin: Option<SkinType>) -> bool {
        self.is_for(skin) && self.when.iter().all(|condition| measured.iter().any(|one| condition.fits(one)))
    }

    /// Whether it holds wherever `other` does, whatever is measured.
    #[must_use]
    pub fn follows_from(&self, other: &Self) -> bool {
        let skin = self.skin_types.is_empty()
            || (!other.skin_types.is_empty() && other.skin_types.iter().all(|kind| self.skin_types.contains(kind)));
        skin && self.when.iter().all(|condition| other.when.iter().any(|stronger| condition.follows_from(stronger)))
    }

    /// The word for which a card forbids it: one of what it contains stands on the card, or one of the card's own words in its
    /// name or in what it contains.
    fn forbidden_by(&self, card: &[&str]) -> Option<String> {
        let said: Vec<String> = card.iter().map(|text| plain(text)).collect();
        let own = [&self.offer.zh, &self.offer.en].into_iter().chain(&self.contains);
        let on_card = |word: &&String| {
            let word = plain(word);
            !word.is_empty() && said.iter().any(|text| text.contains(&word))
        };
        let contained = self.contains.iter().find(on_card).cloned();
        contained.or_else(|| {
            let own: Vec<String> = own.map(|text| plain(text)).collect();
            let terms = card.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
            terms
                .filter(|term| is_a_word(term))
                .find(|term| own.iter().any(|own| own.contains(&plain(term))))
                .map(str::to_owned)
        })
    }
}

/// Long enough to mean something: two Chinese characters, or four letters.
fn is_a_word(term: &str) -> bool {
    term.chars().count() >= if term.is_ascii() { 4 } else { 2 }
}

/// Letters and digits only, small, and those of full width as the plain ones: `Ａ.Ｈ.Ａ` is `aha`.
fn plain(text: &str) -> String {
    let narrow = |c: char| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    text.chars().map(narrow).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Holds the rules against what was measured. `card`: everything on which an allergy or a contraindication may be noted.
#[must_use]
pub fn suggest<'r>(rules: &'r [Rule], measured: &[Measured], skin: Option<SkinType>, card: &[&str]) -> Suggested<'r> {
    let mut suggested = Suggested::default();
    for rule in rules {
        let Some(because) = rule.holds(measured, skin) else { continue };
        match rule.forbidden_by(card) {
            Some(word) => suggested.withheld.push(Withheld { rule: &rule.id, offer: &rule.offer, word }),
            None => suggested.suggestions.push(Suggestion { rule, because }),
        }
    }
    let replaced: Vec<&String> = suggested.suggestions.iter().flat_map(|one| &one.rule.instead_of).collect();
    suggested.suggestions.retain(|one| !replaced.contains(&&one.rule.id));
    suggested
}
