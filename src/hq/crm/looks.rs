//! That a program read what was measured in a visit, as it stands in headquarters' audit: once for each key, visit and day (of UTC), so that a
//! program that asks again and again does not fill it. It is there before anything is told.

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, transaction},
        office::audit,
    },
};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

const DAY_MS: i64 = 86_400_000;

/// Keys and visits of one day that are remembered here, some 10 MB; of more the database is asked again.
const REMEMBERED: usize = 100_000;

/// What this receiver has noted today, or found noted by another one.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<Day>);

#[derive(Debug, Default)]
struct Day {
    begins_ms: i64,
    noted: HashSet<(String, String)>,
}

impl Looks {
    /// Notes it, unless it was noted today.
    ///
    /// # Errors
    /// The database's; then nothing may be told.
    pub fn note(&self, engine: &mut dyn Engine, who: &str, about: &str, now: Timestamp) -> Result<(), HqError> {
        let begins_ms = now.unix_ms().div_euclid(DAY_MS) * DAY_MS;
        let look = (who.to_owned(), about.to_owned());
        if self.of(begins_ms, |noted| noted.contains(&look)) {
            return Ok(());
        }
        let since = Timestamp::from_unix_ms(begins_ms);
        transaction(engine, |engine| audit::note_look(engine, (who, about), since, now))?;
        self.of(begins_ms, |noted| {
            if noted.len() >= REMEMBERED {
                noted.clear();
            }
            noted.insert(look)
        });
        Ok(())
    }

    fn of(&self, begins_ms: i64, asked: impl FnOnce(&mut HashSet<(String, String)>) -> bool) -> bool {
        let mut day = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if day.begins_ms != begins_ms {
            *day = Day { begins_ms, noted: HashSet::new() };
        }
        asked(&mut day.noted)
    }
}
