//! Who did and saw what at headquarters, as a chain: each row's hash covers the row and the hash before it, and the end of the
//! chain is kept apart, so that a row that was changed, taken out or cut off shows. Rows hold names to log in with and ids, never
//! a customer's name (headquarters has none).

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, first, values},
    },
};
use openssl::sha::Sha256;

/// Who it was, where nobody had logged in: someone on headquarters' own machine.
pub const COMMAND: &str = "command line";

/// Rows read at once while the chain is followed.
const PAGE: i64 = 1_000;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub n: u64,
    pub at: Timestamp,
    pub who: String,
    pub what: String,
    pub about: String,
}

/// Adds a row in the transaction of what it tells of; others who write one wait for it.
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
    let entry = |row: &crate::hq::database::engine::Row| {
        let at = Timestamp::from_unix_ms(row.get(1)?);
        Ok(Entry { n: row.get(0)?, at, who: row.get(2)?, what: row.get(3)?, about: row.get(4)? })
    };
    rows.iter().map(entry).collect()
}

/// Follows the whole chain: how many rows there are, or the first place where it breaks.
///
/// # Errors
/// The database's.
pub fn verify(engine: &mut dyn Engine) -> Result<Result<u64, u64>, HqError> {
    // Read first: rows that are added meanwhile lie beyond it.
    let end = first(engine, "SELECT n, hash FROM people_audit_end", &[])?;
    let Some(end) = end else { return Ok(Err(0)) };
    let (last, end): (u64, Vec<u8>) = (end.get(0)?, end.get(1)?);
    let (mut before, mut expected) = (vec![0_u8; 32], 1_u64);
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
    Ok(if before == end { Ok(last) } else { Err(last) })
}
