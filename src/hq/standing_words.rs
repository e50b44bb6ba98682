//! What a person said of what is held or shown of them at headquarters, and whether it holds: the last word on each purpose, by
//! the time when it was said. Reports rest on it, what the CRM is told, and every message of care.

use super::{
    HqError,
    database::engine::{Engine, first, values},
    erasure,
};
use crate::domain::{
    consent::Purpose,
    feedback::{Stage, Topic},
};
use std::collections::BTreeSet;

/// What a person said of what their reports rest on. The store closes them by itself; its word may still be on its way, cut in
/// two by a broken line, or fell on a store that was restored from a time before the link.
pub(super) struct Words {
    store: String,
    person: BTreeSet<String>,
    /// Said on the page of one of their reports, here or in the store: all reports are meant.
    withdrawn: Vec<No>,
}

/// A withdrawal on a page.
struct No {
    said_ms: i64,
    /// Where the store's own word of it stands; `None` while it is only known here.
    place: Option<(i64, i64)>,
}

/// A yes or a no in the store's ledger.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word {
    pub at_ms: i64,
    place: (i64, i64),
    pub given: bool,
    received_ms: i64,
    pub text_version: String,
}

impl Word {
    /// Two clocks are at work: where the store's says that this yes is the newer one, the no must have been said before
    /// headquarters heard it, or the store have heard the no first.
    fn is_after(&self, no: &No) -> bool {
        no.place.is_some_and(|place| self.place > place) || (self.at_ms > no.said_ms && self.received_ms > no.said_ms)
    }
}

impl Words {
    pub fn of(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Self, HqError> {
        let store = store.to_owned();
        let person = erasure::person(engine, &store, customer)?;
        let mut withdrawn = Vec::new();
        for customer in &person {
            let rows = engine.query(
                "SELECT given_ms, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT) FROM feedback_inbox
                 WHERE store = ?1 AND customer = ?2 AND topic = ?3
                 UNION ALL
                 SELECT at_ms, era, seq FROM feedback_facts
                 WHERE store = ?1 AND customer = ?2 AND topic = ?3 AND state = ?4",
                values![&store, customer, Topic::Withdraw.as_str(), Stage::Given.as_str()],
            )?;
            for row in &rows {
                let place = row.get::<Option<i64>>(1)?.zip(row.get::<Option<i64>>(2)?);
                withdrawn.push(No { said_ms: row.get(0)?, place });
            }
        }
        Ok(Self { store, person, withdrawn })
    }

    /// All ids of the person.
    pub const fn person(&self) -> &BTreeSet<String> {
        &self.person
    }

    /// Whether the last word on each of these is no no.
    pub fn agree(&self, engine: &mut dyn Engine, purposes: &[Purpose]) -> Result<bool, HqError> {
        for purpose in purposes {
            if self.said_no(self.last(engine, *purpose)?.as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a yes to sharing numbers stands. A yes by silence is none: ids and states of everybody's visits are told to headquarters.
    pub fn share_numbers(&self, engine: &mut dyn Engine) -> Result<bool, HqError> {
        Ok(self.yes_to(engine, Purpose::ShareNumbers)?.is_some())
    }

    /// Whether the person ever agreed to share numbers, also if they have withdrawn since.
    pub fn ever_shared(&self, engine: &mut dyn Engine) -> Result<bool, HqError> {
        for customer in &self.person {
            let sql =
                "SELECT 1 FROM consent_facts WHERE customer = ?1 AND purpose = ?2 AND store = ?3 AND given = 1 LIMIT 1";
            if first(engine, sql, values![customer, Purpose::ShareNumbers.as_str(), &self.store])?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The version of the text that the person said yes to, where that yes still stands.
    pub fn yes_to(&self, engine: &mut dyn Engine, purpose: Purpose) -> Result<Option<String>, HqError> {
        let last = self.last(engine, purpose)?;
        Ok(if self.said_no(last.as_ref()) { None } else { last.map(|yes| yes.text_version) })
    }

    /// Whether that last word is a no, or a later one was said elsewhere.
    pub fn said_no(&self, last: Option<&Word>) -> bool {
        match last {
            Some(Word { given: false, .. }) => true,
            last => self.withdrawn.iter().any(|no| !last.is_some_and(|yes| yes.is_after(no))),
        }
    }

    /// The last word in the store's ledger, over all ids of the person.
    pub fn last(&self, engine: &mut dyn Engine, purpose: Purpose) -> Result<Option<Word>, HqError> {
        let mut last: Option<Word> = None;
        for customer in &self.person {
            let rows = engine.query(
                "SELECT c.at_ms, c.era, c.seq, c.given, e.received_ms, c.text_version
                 FROM consent_facts c JOIN events e ON e.n = c.n
                 WHERE c.customer = ?1 AND c.purpose = ?2 AND c.store = ?3",
                values![customer, purpose.as_str(), &self.store],
            )?;
            for row in &rows {
                let (place, given, text_version) = ((row.get(1)?, row.get(2)?), row.get(3)?, row.get(5)?);
                let word = Word { at_ms: row.get(0)?, place, given, received_ms: row.get(4)?, text_version };
                last = last.max(Some(word));
            }
        }
        Ok(last)
    }
}

/// Whether a visit was ever of somebody who agreed to share numbers: then it may have been told, and whoever was told hears when it may
/// not be known any longer. `None` where nothing says whose it is or was.
pub(super) fn was_shared(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<bool>, HqError> {
    let customers = engine.query(
        "SELECT customer FROM visit_facts WHERE store = ?1 AND visit = ?2 AND customer IS NOT NULL
         UNION SELECT customer FROM moved_facts WHERE store = ?1 AND id = ?2 AND customer IS NOT NULL",
        values![store, visit],
    )?;
    for row in &customers {
        if Words::of(engine, store, &row.get::<String>(0)?)?.ever_shared(engine)? {
            return Ok(Some(true));
        }
    }
    Ok((!customers.is_empty()).then_some(false))
}
