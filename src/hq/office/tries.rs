//! How wrong passwords are slowed down: by the name that is tried, known or not, and by the address that tries. A try is counted
//! before it is looked at, so that sending many at once gains nothing; all receivers count together, in the database.
//!
//! Whoever slows down a name could keep its owner out by trying it all day. So a browser in which that person has logged in before is
//! counted by itself ([`Key::Browser`]): what strangers try, at the name or from the same address, does not slow it down, and it has no
//! more tries than a stranger. And whoever is told to wait since somebody else tried a name has tried nothing from their own address.

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, first, values},
    },
};

/// Tries in vain that cost nothing but another one.
const FREE_OF_A_NAME: u32 = 4;
const FREE_OF_AN_ADDRESS: u32 = 20;

/// The first pause; it doubles with each further try up to the longest.
const FIRST_MS: i64 = 5_000;
const LONGEST_MS: i64 = 15 * 60_000;

/// Who has not tried for so long begins anew.
const FORGOTTEN_MS: i64 = 60 * 60_000;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    Name(&'a str),
    Address(std::net::IpAddr),
    /// A browser in which the person has logged in before, by the number that it shows.
    Browser(&'a str),
}

impl Key<'_> {
    fn kept(self) -> String {
        match self {
            Self::Name(name) => format!("name {name}"),
            Self::Address(address) => format!("address {}", crate::doorway::neighbourhood(address)),
            Self::Browser(number) => format!("browser {number}"),
        }
    }

    const fn pause_ms(self, failures: u32) -> i64 {
        let free = match self {
            Self::Name(_) | Self::Browser(_) => FREE_OF_A_NAME,
            Self::Address(_) => FREE_OF_AN_ADDRESS,
        };
        match failures.checked_sub(free + 1) {
            None => 0,
            Some(beyond) if beyond >= 8 => LONGEST_MS,
            Some(beyond) => {
                let pause = FIRST_MS << beyond;
                if pause > LONGEST_MS { LONGEST_MS } else { pause }
            }
        }
    }
}

/// No try is taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub until: Timestamp,
    /// The first that is held back since: the audit says it once, or whoever tries on would fill it.
    pub news: bool,
}

/// Counts a try, or says until when none is taken. To be called in a transaction.
///
/// # Errors
/// The database's.
pub(super) fn take(engine: &mut dyn Engine, key: Key<'_>, now: Timestamp) -> Result<Option<Held>, HqError> {
    let (what, now_ms) = (key.kept(), now.unix_ms());
    engine.execute("DELETE FROM people_tries WHERE last_ms < ?1", values![now_ms - FORGOTTEN_MS])?;
    let row = first(
        engine,
        "INSERT INTO people_tries(what, failures, until_ms, last_ms) VALUES (?1, 1, 0, ?2)
         ON CONFLICT (what) DO UPDATE SET
             failures = CASE WHEN people_tries.until_ms > ?2 THEN people_tries.failures ELSE people_tries.failures + 1 END,
             last_ms = ?2
         RETURNING failures, until_ms",
        values![&what, now_ms],
    )?;
    let row = row.ok_or(HqError::Shape { at: 0, expected: "a row" })?;
    let (failures, until_ms): (u32, i64) = (row.get(0)?, row.get(1)?);
    if until_ms > now_ms {
        let told = engine.execute("UPDATE people_tries SET told = 1 WHERE what = ?1 AND told = 0", values![&what])?;
        return Ok(Some(Held { until: Timestamp::from_unix_ms(until_ms), news: told == 1 }));
    }
    let until_ms = now_ms + key.pause_ms(failures);
    engine.execute("UPDATE people_tries SET until_ms = ?2, told = 0 WHERE what = ?1", values![&what, until_ms])?;
    Ok(None)
}

/// Takes back a try that was counted, of what others may share: it was right, or nothing was looked at.
///
/// # Errors
/// The database's.
pub(super) fn give_back(engine: &mut dyn Engine, key: Key<'_>) -> Result<(), HqError> {
    engine
        .execute(
            "UPDATE people_tries SET failures = failures - 1, until_ms = 0 WHERE what = ?1 AND failures > 0",
            values![&key.kept()],
        )
        .map(drop)
}

/// Begins anew.
///
/// # Errors
/// The database's.
pub(super) fn forget(engine: &mut dyn Engine, key: Key<'_>) -> Result<(), HqError> {
    engine.execute("DELETE FROM people_tries WHERE what = ?1", values![&key.kept()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_slips_are_free_and_pauses_grow_to_a_quarter_of_an_hour() {
        let name = Key::Name("li-na");
        assert_eq!((0..=4).map(|n| name.pause_ms(n)).max(), Some(0));
        let seconds: Vec<i64> = (5..15).map(|n| name.pause_ms(n) / 1_000).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(name.pause_ms(u32::MAX), LONGEST_MS);
        assert_eq!(Key::Address([10, 0, 0, 1].into()).pause_ms(20), 0);
    }
}
