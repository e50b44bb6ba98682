//! The clocks of what customers said: answered within 24 hours, solved within 72, by the time when it was said. They run from then on also
//! for what was said on a report's page at headquarters and no store has taken yet: the customer waits all the same.

use crate::{
    domain::{Timestamp, feedback::Stage},
    hq::{
        HqError,
        database::engine::{Engine, values},
    },
};
use std::collections::HashMap;
use tokio::time::Instant;

pub const ANSWERED_MS: i64 = 24 * 3_600_000;
pub const SOLVED_MS: i64 = 72 * 3_600_000;

/// A word that is not solved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub feedback: String,
    pub topic: String,
    pub given_ms: i64,
    pub answered: bool,
    /// Said at headquarters; the store has not told that it knows of it.
    pub on_its_way: bool,
}

impl Open {
    /// When the clock that runs now runs out.
    #[must_use]
    pub const fn due_ms(&self) -> i64 {
        self.given_ms + if self.answered { SOLVED_MS } else { ANSWERED_MS }
    }

    #[must_use]
    pub const fn is_late(&self, now: Timestamp) -> bool {
        now.unix_ms() > self.due_ms()
    }
}

/// Read again with every board, or after so many times the time that it took. What changed could not be seen by any number: a fact of before
/// is made late, its time is mapped, a person is erased.
const SELDOM: u32 = 20;

/// What is open, by store.
#[derive(Debug, Default)]
pub struct Clocks {
    /// Not before.
    again: Option<Instant>,
    pub open: HashMap<String, Vec<Open>>,
}

impl Clocks {
    /// # Errors
    /// The database's.
    pub fn read(&mut self, engine: &mut dyn Engine) -> Result<(), HqError> {
        let begun = Instant::now();
        if self.again.is_some_and(|at| begun < at) {
            return Ok(());
        }
        let rows = engine.query(
            "SELECT g.store, g.feedback, g.topic, g.at_ms AS given_ms,
                 CASE WHEN EXISTS (SELECT 1 FROM feedback_facts a WHERE a.feedback = g.feedback AND a.store = g.store
                                   AND a.state = ?2) THEN 1 ELSE 0 END, 0
             FROM feedback_facts g WHERE g.state = ?1
             AND NOT EXISTS (SELECT 1 FROM feedback_facts s WHERE s.feedback = g.feedback AND s.store = g.store AND s.state = ?3)
             AND NOT EXISTS (SELECT 1 FROM feedback_facts w WHERE w.feedback = g.feedback AND w.store = g.store
                             AND w.state = ?1 AND (w.era, w.seq) > (g.era, g.seq))
             UNION ALL
             SELECT i.store, i.feedback, i.topic, i.given_ms, 0, 1 FROM feedback_inbox i
             WHERE NOT EXISTS (SELECT 1 FROM feedback_facts f WHERE f.feedback = i.feedback AND f.store = i.store)
             ORDER BY given_ms, feedback",
            values![Stage::Given.as_str(), Stage::Answered.as_str(), Stage::Solved.as_str()],
        )?;
        self.open.clear();
        for row in &rows {
            let (feedback, topic, given_ms) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let open = Open { feedback, topic, given_ms, answered: row.get(4)?, on_its_way: row.get(5)? };
            self.open.entry(row.get(0)?).or_default().push(open);
        }
        self.again = Some(Instant::now() + begun.elapsed() * SELDOM);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_clock_runs_once_it_was_answered() {
        let mut open =
            Open { feedback: "f".into(), topic: "call".into(), given_ms: 0, answered: false, on_its_way: false };
        let day_and_a_half = Timestamp::from_unix_ms(36 * 3_600_000);
        assert!(open.is_late(day_and_a_half));
        open.answered = true;
        assert!(!open.is_late(day_and_a_half) && open.is_late(Timestamp::from_unix_ms(SOLVED_MS + 1)));
    }
}
