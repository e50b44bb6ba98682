//! The customer's card: what the beautician must know before anything else, and what the customer likes.

use super::Timestamp;
use std::fmt;

/// Empty texts mean: not known. Health is in here: `Debug` prints nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Member number as printed on the customer's card.
    pub member: String,
    pub allergies: String,
    /// What must not be done: pregnancy, pacemaker, fresh sunburn, …
    pub contraindications: String,
    /// Massage pressure the customer likes.
    pub pressure: String,
    pub drink: String,
    pub music: String,
    /// Course of treatment that was bought, and of how many visits; 0 where it has no end.
    pub course: String,
    pub course_total: u32,
    /// Since when visits count for it; `None`: all of them.
    pub course_since: Option<Timestamp>,
}

impl Card {
    /// Whether something must be read before the customer is touched.
    #[must_use]
    pub fn warns(&self) -> bool {
        !self.allergies.is_empty() || !self.contraindications.is_empty()
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Card(…)")
    }
}
