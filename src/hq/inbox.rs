//! What customers said at headquarters, on its way down: kept until the store's own event about it is among the facts, and said
//! to its gateway again and again until then. Any number of receivers may do so: each takes what is due, and the store
//! knows a word it has heard by its id.
//!
//! A store cannot take what is said of a visit it does not have any longer: it was erased there, or the store was restored from
//! an older copy. A person must look then ([`super::unheard`]). Words are kept for [`KEPT_DAYS`]; a withdrawal, which has none,
//! until someone says that it is done, since the customer's reports are closed by it.

use super::{
    HqError,
    database::{
        Addressed,
        engine::{Engine, Row, first, only, values},
    },
    records,
    reports::Found,
    telling::{DOUBLINGS, FIRST_PAUSE_MS},
};
use crate::{
    desk::Said,
    domain::{Timestamp, feedback::Topic},
    sync::{reply::Reply, topic::Address},
};
use tracing::warn;

/// Said at one go.
const AT_ONCE: u32 = 50;

/// As long as a report is open, unless configured otherwise.
const KEPT_DAYS: i64 = 90;

/// Said so often to a store that was heard meanwhile, it is not taken for some reason: within minutes of its coming back.
pub(super) const DOUBT: u32 = 5;

/// Keeps one; the same again changes nothing, also when the store has told of it already.
pub(super) fn keep(engine: &mut dyn Engine, found: &Found, said: &Said, now: Timestamp) -> Result<(), HqError> {
    let Found { store, gateway, report, visit, customer, .. } = found;
    let Said { id, topic, stars, words } = said;
    let id = id.to_string();
    if is_known(engine, store, &id)? {
        return Ok(());
    }
    engine.execute(
        "INSERT INTO feedback_inbox(feedback, store, gateway, report, visit, customer, topic, stars, words, given_ms, due_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) ON CONFLICT DO NOTHING",
        values![
            &id, store, gateway, report, visit, customer, topic.as_str(), stars.map(u32::from), words, now.unix_ms()
        ],
    )?;
    if *topic == Topic::Withdraw {
        records::said(engine, store, customer)?;
    }
    Ok(())
}

fn is_known(engine: &mut dyn Engine, store: &str, id: &str) -> Result<bool, HqError> {
    let known = "SELECT 1 FROM feedback_inbox WHERE store = ?1 AND feedback = ?2
        UNION ALL SELECT 1 FROM feedback_facts WHERE store = ?1 AND feedback = ?2";
    Ok(first(engine, known, values![store, id])?.is_some())
}

/// Whether `said` has something new on `topic` that is one too much for its visit.
pub(super) fn is_full(engine: &mut dyn Engine, found: &Found, topic: Topic, said: &[Said]) -> Result<bool, HqError> {
    let Some(most) = topic.most() else { return Ok(false) };
    let mut new = 0;
    for one in said.iter().filter(|one| one.topic == topic) {
        new += u64::from(!is_known(engine, &found.store, &one.id.to_string())?);
    }
    if new == 0 {
        return Ok(false);
    }
    let before: u64 = only(
        engine,
        "SELECT count(*) FROM (
             SELECT feedback FROM feedback_inbox WHERE store = ?1 AND visit = ?2 AND topic = ?3
             UNION SELECT feedback FROM feedback_facts WHERE store = ?1 AND visit = ?2 AND topic = ?3) AS said",
        values![&found.store, &found.visit, topic.as_str()],
    )?;
    Ok(before + new > u64::from(most))
}

/// Gives up what no store has taken for so long; see the top of this page.
fn expire(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    let before = now.unix_ms() - KEPT_DAYS * 86_400_000;
    let gone = engine.query(
        "DELETE FROM feedback_inbox WHERE given_ms < ?1 AND topic <> ?2 RETURNING gateway, feedback, topic",
        values![before, Topic::Withdraw.as_str()],
    )?;
    for row in gone {
        let (gateway, feedback, topic): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        warn!(
            gateway,
            feedback, topic, "what a customer said {KEPT_DAYS} days ago was taken by no store and is dropped"
        );
    }
    Ok(())
}

/// What is to be said now; it is due again after a pause. What the stores have told of is forgotten here; what is for a gateway that is not in
/// use waits until it is back.
pub(super) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    if engine.query("SELECT 1 FROM feedback_inbox LIMIT 1", &[])?.is_empty() {
        return Ok(Vec::new());
    }
    engine.execute(
        "DELETE FROM feedback_inbox WHERE EXISTS
             (SELECT 1 FROM feedback_facts f WHERE f.store = feedback_inbox.store AND f.feedback = feedback_inbox.feedback)",
        &[],
    )?;
    expire(engine, now)?;
    let rows = engine.query(
        "UPDATE feedback_inbox SET tries = tries + 1,
             due_ms = ?1 + ?2 * (CAST(1 AS BIGINT) << CAST(CASE WHEN tries < ?3 THEN tries ELSE ?3 END AS INTEGER))
         WHERE feedback IN (SELECT w.feedback FROM feedback_inbox w WHERE w.due_ms <= ?1 AND NOT EXISTS
                 (SELECT 1 FROM gateways g WHERE g.gateway = w.gateway AND g.retired_ms IS NOT NULL) ORDER BY w.due_ms LIMIT ?4)
         RETURNING store, gateway, feedback, report, visit, given_ms, topic, stars, words, tries",
        values![now.unix_ms(), FIRST_PAUSE_MS, DOUBLINGS, AT_ONCE],
    )?;
    for row in &rows {
        if row.get::<u32>(9)? == DOUBT {
            doubt(engine, row)?;
        }
    }
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

/// Says once to whoever reads the log that someone must look.
fn doubt(engine: &mut dyn Engine, row: &Row) -> Result<(), HqError> {
    let (gateway, feedback, given): (String, String, i64) = (row.get(1)?, row.get(2)?, row.get(5)?);
    let heard = first(engine, "SELECT last_heard_ms FROM gateways WHERE gateway = ?1", values![&gateway])?;
    if heard.map_or(Ok(0), |row| row.get::<i64>(0))? > given {
        warn!(gateway, feedback, "what a customer said is not taken by the store; see skinlink-hq words");
    }
    Ok(())
}

/// A gateway has come back: what waits for it is due.
pub(super) fn heard(engine: &mut dyn Engine, gateway: &str) -> Result<(), HqError> {
    let sql = "UPDATE feedback_inbox SET due_ms = 0, tries = 0 WHERE gateway = ?1";
    engine.execute(sql, values![gateway]).map(drop)
}

/// How many words wait for a gateway.
pub(super) fn waiting(engine: &mut dyn Engine, gateway: &str) -> Result<u64, HqError> {
    only(engine, "SELECT count(*) FROM feedback_inbox WHERE gateway = ?1", values![gateway])
}

/// Takes away what the person said.
pub(super) fn forget(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<(), HqError> {
    let sql = "DELETE FROM feedback_inbox WHERE store = ?1 AND customer = ?2";
    engine.execute(sql, values![store, customer]).map(drop)
}
