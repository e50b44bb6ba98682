//! What customers said at headquarters, on its way down: kept until the store's own event about it is among the facts, and said
//! to its gateway again and again until then. Any number of receivers may do so: each takes what is due, and the store
//! knows a word it has heard by its id.

use super::{
    HqError,
    database::{
        Addressed,
        engine::{Engine, values},
    },
    reports::Found,
};
use crate::{
    desk::Said,
    domain::Timestamp,
    sync::{reply::Reply, topic::Address},
};

/// The first pause between two tries, doubled each time up to the longest: a store may be away for weeks, and one that comes
/// back is told at once.
const FIRST_PAUSE_MS: i64 = 5_000;
const DOUBLINGS: i64 = 9;

/// Said at one go.
const AT_ONCE: u32 = 50;

/// Keeps one; the same again changes nothing, also when the store has told of it already.
pub(super) fn keep(engine: &mut dyn Engine, found: &Found, said: &Said, now: Timestamp) -> Result<(), HqError> {
    let Found { store, gateway, report, visit, customer, .. } = found;
    let Said { id, topic, stars, words } = said;
    let id = id.to_string();
    if !engine.query("SELECT 1 FROM feedback_facts WHERE feedback = ?1 LIMIT 1", values![&id])?.is_empty() {
        return Ok(());
    }
    engine.execute(
        "INSERT INTO feedback_inbox(feedback, store, gateway, report, visit, customer, topic, stars, words, given_ms, due_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) ON CONFLICT DO NOTHING",
        values![
            &id, store, gateway, report, visit, customer, topic.as_str(), stars.map(u32::from), words, now.unix_ms()
        ],
    )?;
    Ok(())
}

/// What is to be said now; it is due again after a pause. What the stores have told of is forgotten here.
pub(super) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    if engine.query("SELECT 1 FROM feedback_inbox LIMIT 1", &[])?.is_empty() {
        return Ok(Vec::new());
    }
    engine.execute(
        "DELETE FROM feedback_inbox WHERE EXISTS
             (SELECT 1 FROM feedback_facts f WHERE f.feedback = feedback_inbox.feedback)",
        &[],
    )?;
    let rows = engine.query(
        "UPDATE feedback_inbox SET tries = tries + 1,
             due_ms = ?1 + ?2 * (CAST(1 AS BIGINT) << CAST(CASE WHEN tries < ?3 THEN tries ELSE ?3 END AS INTEGER))
         WHERE feedback IN (SELECT feedback FROM feedback_inbox WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?4)
         RETURNING store, gateway, feedback, report, visit, given_ms, topic, stars, words",
        values![now.unix_ms(), FIRST_PAUSE_MS, DOUBLINGS, AT_ONCE],
    )?;
    rows.iter()
        .map(|row| {
            let to = Address { store: row.get(0)?, gateway: row.get(1)? };
            let stars: Option<u32> = row.get(7)?;
            let word = Reply::Feedback {
                feedback: row.get(2)?,
                report: row.get(3)?,
                visit: row.get(4)?,
                given: Timestamp::from_unix_ms(row.get(5)?).to_string(),
                topic: row.get(6)?,
                stars: stars.and_then(|stars| u8::try_from(stars).ok()),
                words: row.get(8)?,
            };
            Ok((to, word))
        })
        .collect()
}

/// A gateway has come back: what waits for it is due.
pub(super) fn heard(engine: &mut dyn Engine, gateway: &str) -> Result<(), HqError> {
    let sql = "UPDATE feedback_inbox SET due_ms = 0, tries = 0 WHERE gateway = ?1";
    engine.execute(sql, values![gateway]).map(drop)
}

/// Takes away what the person said.
pub(super) fn forget(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<(), HqError> {
    let sql = "DELETE FROM feedback_inbox WHERE store = ?1 AND customer = ?2";
    engine.execute(sql, values![store, customer]).map(drop)
}
