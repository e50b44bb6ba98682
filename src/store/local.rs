//! The store's own calendar: a visit at half past seven in the morning is not one of the day before because it was still that day
//! in Greenwich.

use super::error::StoreError;
use crate::domain::Timestamp;
use rusqlite::Connection;

/// `2026-11-22T07:30:00.120+08:00`, by the time zone of this machine; in Greenwich's own, as every time is written.
pub(super) fn here(conn: &Connection, at: Timestamp) -> Result<String, StoreError> {
    let (seconds, ms) = (at.unix_ms().div_euclid(1_000), at.unix_ms().rem_euclid(1_000));
    let mut select = conn.prepare_cached(
        "SELECT strftime('%Y-%m-%dT%H:%M:%S', ?1, 'unixepoch', 'localtime'),
         CAST(strftime('%s', ?1, 'unixepoch', 'localtime') AS INTEGER) - ?1",
    )?;
    let (text, offset): (String, i64) = select.query_row([seconds], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if offset == 0 {
        return Ok(at.to_string());
    }
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
    Ok(format!("{text}.{ms:03}{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}
