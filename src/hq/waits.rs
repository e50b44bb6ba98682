//! What waits for a shelf: one object that is away or damaged holds up what needs it, and nothing else. Listed here for the
//! person who can put it back (`skinlink-hq stores`); the next try that succeeds takes it off the list.

use super::{
    HqError,
    database::engine::{Engine, values},
};
use crate::domain::Timestamp;

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Waiting {
    pub what: String,
    pub reason: String,
    /// Milliseconds since 1970, by HQ's clock.
    pub since_ms: i64,
}

impl Waiting {
    pub(super) fn is_of_facts(&self) -> bool {
        self.what.starts_with(FACTS)
    }
}

const FACTS: &str = "facts of ";

pub(super) fn facts(gateway: &str, epoch: &str) -> String {
    format!("{FACTS}{gateway} {epoch}")
}

pub(super) fn picture(gateway: &str, capture: &str, role: &str) -> String {
    format!("picture {gateway} {capture} {role}")
}

pub(super) fn segment(number: i64) -> String {
    format!("erasing in segment {number}")
}

/// Notes that it waits, and why; said in the log when it is new or for another reason, since it is tried again every second.
pub(super) fn note(engine: &mut dyn Engine, what: &str, fault: &HqError, now: Timestamp) -> Result<(), HqError> {
    let news = engine.execute(
        "INSERT INTO waiting(what, reason, since_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (what) DO UPDATE SET reason = excluded.reason WHERE waiting.reason <> excluded.reason",
        values![what, &fault.to_string(), now.unix_ms()],
    )?;
    if news > 0 {
        tracing::error!(what, %fault, "it waits");
    }
    Ok(())
}

/// It waits no longer.
pub(super) fn over(engine: &mut dyn Engine, what: &str) -> Result<(), HqError> {
    engine.execute("DELETE FROM waiting WHERE what = ?1", values![what]).map(drop)
}

/// All that waits, the longest first.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine) -> Result<Vec<Waiting>, HqError> {
    let rows = engine.query("SELECT what, reason, since_ms FROM waiting ORDER BY since_ms, what", &[])?;
    rows.iter().map(|row| Ok(Waiting { what: row.get(0)?, reason: row.get(1)?, since_ms: row.get(2)? })).collect()
}
