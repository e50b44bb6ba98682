//! Who did and saw what at headquarters, as a chain: each row's hash covers the row and the hash before it, and the end of the
//! chain is kept apart, so that a row that was changed, taken out or cut off shows. Rows hold names to log in with and ids, never
//! a customer's name (headquarters has none).

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row, first, values},
    },
};
use openssl::sha::Sha256;
use std::env;

/// Who it was, where nobody had logged in: someone on headquarters' own machine.
pub const COMMAND: &str = "command line";

/// Somebody, or a program, saw what was measured in a visit.
pub const VISIT_SEEN: &str = "visit seen";

/// Everything that is noted, in the words that stand in the table; the page says each in the reader's language.
pub const DEEDS: [&str; 31] = [
    "log-in",
    "log-in refused",
    "log-in held back",
    "log-out",
    VISIT_SEEN,
    "audit seen",
    "person added",
    "person disabled",
    "person enabled",
    "role set",
    "password set",
    "erase ordered",
    "merge ordered",
    "check ordered",
    "gateway retired",
    "gateway back in use",
    "staff written",
    "birthday written",
    "birthday removed",
    "package added",
    "rollout started",
    "rollout paused",
    "rollout goes on",
    "next ring begun",
    "rollout halted",
    "rollout taken back",
    "customer erased",
    "picture opened",
    "month shown",
    "key made",
    "key withdrawn",
];

/// Where a shell says whose it is: first who asked for another user's rights.
const SHELL_USER: [&str; 2] = ["SUDO_USER", "USER"];

/// The same with the shell's user, where it says so: `command line (wang)`. Nobody proves it: who may write the database may say anything.
#[must_use]
pub fn command_line() -> String {
    let said = SHELL_USER.iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    on_command_line(said.as_deref().unwrap_or_default())
}

fn on_command_line(user: &str) -> String {
    const LONGEST: usize = 60;
    let user: String = user.chars().filter(|c| c.is_alphanumeric() || "-_.@".contains(*c)).take(LONGEST).collect();
    if user.is_empty() { COMMAND.to_owned() } else { format!("{COMMAND} ({user})") }
}

/// Rows read at once while the chain is followed.
const PAGE: i64 = 1_000;

/// Rows that are followed while somebody waits for the page: some seconds at most.
const AT_ONCE: u64 = 20_000;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub n: u64,
    pub at: Timestamp,
    pub who: String,
    pub what: String,
    pub about: String,
}

/// Adds a row in the transaction of what it tells of; others who write one wait for it. `what`: one of [`DEEDS`].
///
/// # Errors
/// The database's.
pub(in crate::hq) fn note(
    engine: &mut dyn Engine,
    who: &str,
    what: &str,
    about: &str,
    now: Timestamp,
) -> Result<(), HqError> {
    debug_assert!(DEEDS.contains(&what), "{what:?} is noted, and not among the words that the page knows");
    // First of all, so that two receivers write one after the other.
    engine.execute("UPDATE people_audit_end SET n = n + 1", &[])?;
    let end = first(engine, "SELECT n, hash FROM people_audit_end", &[])?;
    let end = end.ok_or(HqError::Shape { at: 0, expected: "the end of the audit" })?;
    let (n, before): (u64, Vec<u8>) = (end.get(0)?, end.get(1)?);
    let hash = link(&before, n, now, [who, what, about]);
    engine.execute(
        "INSERT INTO people_audit(n, at_ms, who, what, about, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![n, now.unix_ms(), who, what, about, hash.as_slice()],
    )?;
    engine.execute("UPDATE people_audit_end SET hash = ?1", values![hash.as_slice()]).map(drop)
}

/// A look at a visit, once: where it stands there since then, nothing is added. Gives whether it was.
///
/// # Errors
/// The database's.
pub(in crate::hq) fn note_look(
    engine: &mut dyn Engine,
    (who, about): (&str, &str),
    since: Timestamp,
    now: Timestamp,
) -> Result<bool, HqError> {
    // Locked first: of two who note the same at once the second one finds it.
    engine.execute("UPDATE people_audit_end SET n = n", &[])?;
    // By an index alone, whatever has been noted since: everybody else who writes the audit waits meanwhile.
    let sql = format!(
        "SELECT 1 FROM people_audit WHERE about = ?1 AND who = ?2 AND at_ms >= ?3 AND what = '{VISIT_SEEN}' LIMIT 1"
    );
    let found = first(engine, &sql, values![about, who, since.unix_ms()])?;
    if found.is_some() {
        return Ok(false);
    }
    note(engine, who, VISIT_SEEN, about, now)?;
    Ok(true)
}

fn link(before: &[u8], n: u64, at: Timestamp, texts: [&str; 3]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(&n.to_be_bytes());
    digest.update(&at.unix_ms().to_be_bytes());
    for text in texts {
        // With its length, so that no two rows spell the same bytes.
        digest.update(&(text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finish()
}

/// The newest rows, newest first, before row `before` where one is named.
///
/// # Errors
/// The database's.
pub fn newest(engine: &mut dyn Engine, before: Option<u64>, limit: u32) -> Result<Vec<Entry>, HqError> {
    let before = before.unwrap_or(u64::MAX);
    let rows = engine.query(
        "SELECT n, at_ms, who, what, about FROM people_audit WHERE n < ?1 ORDER BY n DESC LIMIT ?2",
        values![before, limit],
    )?;
    let entry = |row: &Row| {
        let at = Timestamp::from_unix_ms(row.get(1)?);
        Ok(Entry { n: row.get(0)?, at, who: row.get(2)?, what: row.get(3)?, about: row.get(4)? })
    };
    rows.iter().map(entry).collect()
}

/// How far the chain is known to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    pub rows: u64,
    /// Less than `rows` only where more came than is followed at once.
    pub verified: u64,
}

/// The chain's end, and where it was whole last.
struct End {
    n: u64,
    hash: Vec<u8>,
    verified: (u64, Vec<u8>),
}

impl End {
    fn read(engine: &mut dyn Engine) -> Result<Option<Self>, HqError> {
        let row = first(engine, "SELECT n, hash, verified_n, verified_hash FROM people_audit_end", &[])?;
        let read = |row: Row| {
            let hash: Option<Vec<u8>> = row.get(3)?;
            Ok(Self { n: row.get(0)?, hash: row.get(1)?, verified: (row.get(2)?, hash.unwrap_or_else(nothing)) })
        };
        row.map(read).transpose()
    }
}

/// The hash before the first row.
fn nothing() -> Vec<u8> {
    vec![0; 32]
}

/// Follows the whole chain: how many rows there are, or the first place where it breaks. Takes a second for some ten thousand rows.
///
/// # Errors
/// The database's.
pub fn verify(engine: &mut dyn Engine) -> Result<Result<u64, u64>, HqError> {
    // Read first: rows that are added meanwhile lie beyond it.
    let Some(End { n: last, hash: end, .. }) = End::read(engine)? else { return Ok(Err(0)) };
    let hash = match follow(engine, (0, nothing()), last)? {
        Ok(hash) if hash == end => hash,
        Ok(_) => return Ok(Err(last)),
        Err(row) => return Ok(Err(row)),
    };
    verified(engine, last, &hash)?;
    Ok(Ok(last))
}

/// Follows the chain on from where it was whole last, and the rows that are about to be shown, the first and the last of them; for
/// whoever looks at it often. What was changed in between shows to [`verify`] alone.
///
/// # Errors
/// The database's.
pub fn verify_on(engine: &mut dyn Engine, shown: Option<(u64, u64)>) -> Result<Result<Whole, u64>, HqError> {
    let Some(End { n: last, hash: end, verified: (mark, marked) }) = End::read(engine)? else { return Ok(Err(0)) };
    if mark > 0 && hash_of(engine, mark)?.as_ref() != Some(&marked) {
        return Ok(Err(mark));
    }
    if let Some((from, to)) = shown.filter(|(from, _)| *from <= mark) {
        let before = if from <= 1 { Some(nothing()) } else { hash_of(engine, from - 1)? };
        let Some(before) = before else { return Ok(Err(from - 1)) };
        if let Err(row) = follow(engine, (from - 1, before), to.min(mark))? {
            return Ok(Err(row));
        }
    }
    let upto = last.min(mark + AT_ONCE);
    match follow(engine, (mark, marked), upto)? {
        Ok(hash) if upto == last && hash != end => Ok(Err(last)),
        Ok(hash) => {
            verified(engine, upto, &hash)?;
            Ok(Ok(Whole { rows: last, verified: upto }))
        }
        Err(row) => Ok(Err(row)),
    }
}

fn hash_of(engine: &mut dyn Engine, n: u64) -> Result<Option<Vec<u8>>, HqError> {
    first(engine, "SELECT hash FROM people_audit WHERE n = ?1", values![n])?.map(|row| row.get(0)).transpose()
}

/// Others may have come further meanwhile.
fn verified(engine: &mut dyn Engine, n: u64, hash: &[u8]) -> Result<(), HqError> {
    let sql = "UPDATE people_audit_end SET verified_n = ?1, verified_hash = ?2 WHERE verified_n < ?1";
    engine.execute(sql, values![n, hash]).map(drop)
}

/// From a row with this hash to another: that one's hash, or the first place where the chain breaks.
fn follow(
    engine: &mut dyn Engine,
    (from, mut before): (u64, Vec<u8>),
    last: u64,
) -> Result<Result<Vec<u8>, u64>, HqError> {
    let mut expected = from + 1;
    while expected <= last {
        let rows = engine.query(
            "SELECT n, at_ms, who, what, about, hash FROM people_audit WHERE n >= ?1 AND n <= ?2 ORDER BY n LIMIT ?3",
            values![expected, last, PAGE],
        )?;
        if rows.is_empty() {
            return Ok(Err(expected));
        }
        for row in &rows {
            let (n, at): (u64, i64) = (row.get(0)?, row.get(1)?);
            let (who, what, about): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let hash: Vec<u8> = row.get(5)?;
            if n != expected || hash != link(&before, n, Timestamp::from_unix_ms(at), [&who, &what, &about]) {
                return Ok(Err(expected));
            }
            (before, expected) = (hash, expected + 1);
        }
    }
    Ok(Ok(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shells_user_is_named_and_spells_nothing_else() {
        assert_eq!(on_command_line("wang"), "command line (wang)");
        assert_eq!(on_command_line(""), "command line");
        assert_eq!(on_command_line("wang) key crm\n"), "command line (wangkeycrm)");
        assert_eq!(on_command_line(&"x".repeat(100)).len(), "command line ()".len() + 60);
    }
}
