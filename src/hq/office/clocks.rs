//! The clocks of what customers said: answered within 24 hours, solved within 72, by the time when it was said.

use crate::{
    domain::{Timestamp, feedback::Stage},
    hq::{
        HqError,
        database::engine::{Engine, only, values},
    },
};
use std::collections::HashMap;

pub const ANSWERED_MS: i64 = 24 * 3_600_000;
pub const SOLVED_MS: i64 = 72 * 3_600_000;

/// A word that is not solved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub feedback: String,
    pub topic: String,
    pub given_ms: i64,
    pub answered: bool,
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

/// What is open, by store; read again where something new was said.
#[derive(Debug, Default)]
pub struct Clocks {
    newest: Option<i64>,
    pub open: HashMap<String, Vec<Open>>,
}

impl Clocks {
    /// # Errors
    /// The database's.
    pub fn read(&mut self, engine: &mut dyn Engine) -> Result<(), HqError> {
        let newest: i64 = only(engine, "SELECT coalesce(max(n), 0) FROM feedback_facts", &[])?;
        if self.newest == Some(newest) {
            return Ok(());
        }
        let rows = engine.query(
            "SELECT g.store, g.feedback, g.topic, g.at_ms,
                 CASE WHEN EXISTS (SELECT 1 FROM feedback_facts a WHERE a.feedback = g.feedback AND a.store = g.store
                                   AND a.state = ?2) THEN 1 ELSE 0 END
             FROM feedback_facts g WHERE g.state = ?1
             AND NOT EXISTS (SELECT 1 FROM feedback_facts s WHERE s.feedback = g.feedback AND s.store = g.store AND s.state = ?3)
             AND NOT EXISTS (SELECT 1 FROM feedback_facts w WHERE w.feedback = g.feedback AND w.store = g.store
                             AND w.state = ?1 AND (w.era, w.seq) > (g.era, g.seq))
             ORDER BY g.at_ms",
            values![Stage::Given.as_str(), Stage::Answered.as_str(), Stage::Solved.as_str()],
        )?;
        self.open.clear();
        for row in &rows {
            let open = Open { feedback: row.get(1)?, topic: row.get(2)?, given_ms: row.get(3)?, answered: row.get(4)? };
            self.open.entry(row.get(0)?).or_default().push(open);
        }
        self.newest = Some(newest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_clock_runs_once_it_was_answered() {
        let mut open = Open { feedback: "f".into(), topic: "call".into(), given_ms: 0, answered: false };
        let day_and_a_half = Timestamp::from_unix_ms(36 * 3_600_000);
        assert!(open.is_late(day_and_a_half));
        open.answered = true;
        assert!(!open.is_late(day_and_a_half) && open.is_late(Timestamp::from_unix_ms(SOLVED_MS + 1)));
    }
}
