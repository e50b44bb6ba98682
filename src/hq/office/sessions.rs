//! Logging in and out. A browser holds a random token, the database its digest; a session ends when it was not used for
//! half an hour, after half a day, with a log-out, and with a new password.

use super::{
    audit, password,
    people::{self, Person},
    tries::{self, Held, Key},
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, first, transaction, values},
    },
    sync::topic::is_name,
};
use std::net::IpAddr;

/// A session that was not used for so long has ended.
pub const IDLE_MS: i64 = 30 * 60_000;

/// So long at the most: a working day.
pub const LONGEST_MS: i64 = 12 * 3_600_000;

/// Use is noted once in so long.
const NOTED_MS: i64 = 60_000;

/// What became of a try to log in.
#[derive(Debug, PartialEq, Eq)]
pub enum Tried {
    /// The token for the browser, and what it shows the next time so that strangers cannot keep its owner out.
    In { token: String, known: String },
    /// The name, the password, or both; nobody is told which.
    Wrong,
    /// Nothing was looked at: too much was tried in vain.
    Wait { until: Timestamp },
}

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub from: IpAddr,
    /// What the browser was given with an earlier log-in.
    pub known: Option<&'a str>,
}

impl Caller<'_> {
    /// A browser that was given nothing.
    #[must_use]
    pub const fn at(from: IpAddr) -> Self {
        Self { from, known: None }
    }
}

/// Tries a name and a password.
///
/// # Errors
/// The database's.
pub fn log_in(
    engine: &mut dyn Engine,
    (name, secret): (&str, &str),
    Caller { from, known }: Caller<'_>,
    now: Timestamp,
) -> Result<Tried, HqError> {
    // What can be nobody's name is not kept: it may be a password in the wrong field.
    let tried = if is_name(name) { name } else { "?" };
    let (of_name, of_address) = (Key::Name(tried), Key::Address(from));
    let found = people::find(engine, tried)?;
    let known = known.zip(found.as_ref()).and_then(|(shown, (_, kept))| password::is_known(shown, tried, kept));
    let of_browser = known.map(Key::Browser);
    let held = transaction(engine, |engine| {
        let held = match of_browser {
            Some(browser) => tries::take(engine, browser, now)?,
            None => by_strangers(engine, of_address, of_name, now)?,
        };
        if held.is_some_and(|held| held.news) {
            audit::note(engine, tried, "log-in held back", &from.to_string(), now)?;
        }
        Ok(held)
    })?;
    if let Some(Held { until, .. }) = held {
        return Ok(Tried::Wait { until });
    }
    let kept = found.as_ref().map(|(_, kept)| kept.as_str());
    let Some(kept) = kept.filter(|kept| password::is_right(secret, Some(kept))) else {
        if kept.is_none() {
            // Of nobody it takes as long to tell.
            let _ = password::is_right(secret, None);
        }
        transaction(engine, |engine| audit::note(engine, tried, "log-in refused", &from.to_string(), now))?;
        return Ok(Tried::Wrong);
    };
    let (token, digest) = password::token();
    transaction(engine, |engine| {
        match of_browser {
            Some(browser) => tries::forget(engine, browser)?,
            None => {
                // In the order in which they are taken, or two who log in at once would wait for each other.
                tries::give_back(engine, of_address)?;
                tries::forget(engine, of_name)?;
            }
        }
        engine.execute("DELETE FROM people_sessions WHERE ends_ms <= ?1", values![now.unix_ms()])?;
        engine.execute(
            "INSERT INTO people_sessions(digest, name, seen_ms, ends_ms) VALUES (?1, ?2, ?3, ?4)",
            values![digest.as_slice(), tried, now.unix_ms(), now.unix_ms() + LONGEST_MS],
        )?;
        audit::note(engine, tried, "log-in", &from.to_string(), now)
    })?;
    Ok(Tried::In { token, known: password::known(tried, kept) })
}

/// Counts a try of a browser in which nobody has logged in under that name.
fn by_strangers(
    engine: &mut dyn Engine,
    address: Key<'_>,
    name: Key<'_>,
    now: Timestamp,
) -> Result<Option<Held>, HqError> {
    if let Some(held) = tries::take(engine, address, now)? {
        return Ok(Some(held));
    }
    let held = tries::take(engine, name, now)?;
    if held.is_some() {
        tries::give_back(engine, address)?;
    }
    Ok(held)
}

/// Whose session it is. `used`: by a hand, not by a page that reads itself again.
///
/// # Errors
/// The database's.
pub fn whose(engine: &mut dyn Engine, digest: [u8; 32], used: bool, now: Timestamp) -> Result<Option<Person>, HqError> {
    let row = first(
        engine,
        "SELECT name, seen_ms FROM people_sessions WHERE digest = ?1 AND ends_ms > ?2 AND seen_ms > ?3",
        values![digest.as_slice(), now.unix_ms(), now.unix_ms() - IDLE_MS],
    )?;
    let Some(row) = row else { return Ok(None) };
    let (name, seen_ms): (String, i64) = (row.get(0)?, row.get(1)?);
    if used && now.unix_ms() - seen_ms >= NOTED_MS {
        let sql = "UPDATE people_sessions SET seen_ms = ?2 WHERE digest = ?1";
        engine.execute(sql, values![digest.as_slice(), now.unix_ms()])?;
    }
    Ok(people::find(engine, &name)?.map(|(person, _)| person))
}

/// Ends it.
///
/// # Errors
/// The database's.
pub fn end(engine: &mut dyn Engine, digest: [u8; 32], who: &str, now: Timestamp) -> Result<(), HqError> {
    transaction(engine, |engine| {
        engine.execute("DELETE FROM people_sessions WHERE digest = ?1", values![digest.as_slice()])?;
        audit::note(engine, who, "log-out", "", now)
    })
}

/// Notes that somebody looked at something, before it is shown.
///
/// # Errors
/// The database's.
pub fn looked(engine: &mut dyn Engine, who: &str, what: &str, about: &str, now: Timestamp) -> Result<(), HqError> {
    transaction(engine, |engine| audit::note(engine, who, what, about, now))
}
