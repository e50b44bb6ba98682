//! What stores are to do once: given by the CRM or by people of headquarters, said to the store's gateways until their `answer.v1`
//! is among the facts, and kept with what became of them.
//!
//! A store mostly has one gateway. Where it has several, whoever can do it does: an erasure or a merge is settled by the first that did
//! it, a refusal only by all; a check is answered by all. An erasure is done at headquarters, too, as soon as the store has
//! answered, also where the store knew nobody of that id: somebody asked to be forgotten by the chain.

mod given;
mod saying;

pub(super) use given::spelled;
pub use given::{Given, NO_GATEWAY, New, give};
pub(super) use saying::{due, heard};

use super::{
    HqError,
    database::engine::{Engine, Row, first, values},
    erasure,
    telling::understands,
};
use crate::{
    domain::{Timestamp, word::words},
    sync::downlink::{ORDERS, Order, Outcome},
};

words! {
    /// Where an order stands.
    pub enum State as "state of an order" {
        Waiting = "waiting",
        Answered = "answered",
        /// Its time is over, and nobody had answered.
        Expired = "expired",
    }
}

/// An order with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub order: String,
    pub store: String,
    /// Who gave it: `key NAME` of the CRM, or the name of a person.
    pub giver: String,
    pub key: String,
    pub what: Order,
    pub given: Timestamp,
    pub until: Timestamp,
    pub state: State,
    /// Of the whole, once it is answered.
    pub outcome: Option<Outcome>,
    pub answers: Vec<Answer>,
}

/// What one gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub gateway: String,
    pub outcome: Outcome,
    pub words: String,
    /// By its own clock.
    pub at: Timestamp,
}

/// Orders shown at once.
pub const MOST: u32 = 500;

/// A gateway that was silent for so long is not waited for.
const SILENT_MS: i64 = 7 * 86_400_000;

/// Which orders.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// Of all stores where it is `None`.
    pub store: Option<&'a str>,
    /// `erase`, `merge` or `check`.
    pub what: Option<&'a str>,
    pub state: Option<State>,
    /// Given before this one.
    pub before: Option<&'a str>,
}

const COLUMNS: &str =
    "order_id, store, giver, key, what, customer, other, given_ms, until_ms, state, outcome, changed_ms";

fn outcome(text: &str) -> Option<Outcome> {
    [Outcome::Done, Outcome::Refused, Outcome::TooLate].into_iter().find(|one| one.as_str() == text)
}

impl Kept {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let (what, customer, other): (String, String, String) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let (state, settled): (String, String) = (row.get(9)?, row.get(10)?);
        Ok(Self {
            order: row.get(0)?,
            store: row.get(1)?,
            giver: row.get(2)?,
            key: row.get(3)?,
            what: match what.as_str() {
                "erase" => Order::Erase { customer },
                "merge" => Order::Merge { stays: customer, gone: other },
                _ => Order::Check {},
            },
            given: Timestamp::from_unix_ms(row.get(7)?),
            until: Timestamp::from_unix_ms(row.get(8)?),
            state: state.parse().unwrap_or(State::Expired),
            outcome: outcome(&settled),
            answers: Vec::new(),
        })
    }
}

fn answers(engine: &mut dyn Engine, order: &str) -> Result<Vec<Answer>, HqError> {
    let sql = "SELECT gateway, outcome, words, at_ms FROM order_answers WHERE order_id = ?1 ORDER BY at_ms, gateway";
    let read = |row: &Row| {
        let text: String = row.get(1)?;
        let outcome = outcome(&text).unwrap_or(Outcome::Refused);
        Ok(Answer { gateway: row.get(0)?, outcome, words: row.get(2)?, at: Timestamp::from_unix_ms(row.get(3)?) })
    };
    engine.query(sql, values![order])?.iter().map(read).collect()
}

/// One order.
///
/// # Errors
/// The database's.
pub fn find(engine: &mut dyn Engine, order: &str) -> Result<Option<Kept>, HqError> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE order_id = ?1");
    let Some(row) = first(engine, &sql, values![order])? else { return Ok(None) };
    Ok(Some(Kept { answers: answers(engine, order)?, ..Kept::from_row(&row)? }))
}

/// Orders, the newest first, at most `limit` and [`MOST`]; whether there are more.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine, which: Which<'_>, limit: u32) -> Result<(Vec<Kept>, bool), HqError> {
    let Which { store, what, state, before } = which;
    let limit = limit.min(MOST);
    let sql = format!(
        "SELECT {COLUMNS} FROM orders WHERE (?1 = '' OR store = ?1) AND (?2 = '' OR what = ?2) AND (?3 = '' OR state = ?3)
         AND (?4 = '' OR order_id < ?4) ORDER BY order_id DESC LIMIT ?5"
    );
    let bound = values![
        store.unwrap_or_default(),
        what.unwrap_or_default(),
        state.map_or("", State::as_str),
        before.unwrap_or_default(),
        limit + 1
    ];
    let rows = engine.query(&sql, bound)?;
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit as usize) {
        let one = Kept::from_row(row)?;
        kept.push(Kept { answers: answers(engine, &one.order)?, ..one });
    }
    Ok((kept, rows.len() as u32 > limit))
}

/// What a gateway said became of an order.
#[derive(Debug)]
pub(super) struct Word<'a> {
    pub store: &'a str,
    pub gateway: &'a str,
    pub order: &'a str,
    pub outcome: &'a str,
    pub words: &'a str,
    pub at_ms: i64,
}

/// An answer is among the facts: written down once, and the order is settled if it is all that was waited for. To be called in the
/// transaction that makes the facts, which holds the lock on the records.
pub(super) fn answered(engine: &mut dyn Engine, word: &Word<'_>, now: Timestamp) -> Result<(), HqError> {
    let Word { store, gateway, order, outcome, words, at_ms } = word;
    let known = find(engine, order)?.filter(|known| known.store == *store);
    let Some(known) = known else {
        // Given after the backup that this database was brought back from, perhaps.
        tracing::warn!(gateway, order, outcome, "a store answers an order that is not known here");
        return Ok(());
    };
    let new = engine.execute(
        "INSERT INTO order_answers(order_id, gateway, outcome, words, at_ms) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        values![*order, *gateway, *outcome, *words, *at_ms],
    )?;
    if new == 0 {
        return Ok(());
    }
    engine.execute("UPDATE orders SET changed_ms = ?2 WHERE order_id = ?1", values![*order, now.unix_ms()])?;
    // At the first word of the store, whatever the others say: somebody asked to be forgotten by the chain. Here and not where the
    // order is settled, since here nobody else makes facts.
    if let Order::Erase { customer } = &known.what
        && outcome != &Outcome::TooLate.as_str()
    {
        erasure::erase(engine, store, customer, now)?;
    }
    let known = Kept { answers: answers(engine, order)?, ..known };
    // What comes later may be the better answer.
    if known.state != State::Answered && !is_settled(engine, &known, now)? {
        return Ok(());
    }
    settle(engine, &known, now)
}

/// Whether nothing more is waited for; what came after its time settles it as well. A machine that was replaced never answers: who is retired, or
/// was not heard for [`SILENT_MS`], is not waited for.
fn is_settled(engine: &mut dyn Engine, known: &Kept, now: Timestamp) -> Result<bool, HqError> {
    let done = known.answers.iter().any(|answer| answer.outcome == Outcome::Done);
    if (done && known.what != Order::Check {}) || known.state == State::Expired {
        return Ok(true);
    }
    let rows = engine.query(
        "SELECT g.about FROM gateways g WHERE g.store = ?1 AND g.epoch IS NOT NULL AND g.retired_ms IS NULL
         AND g.last_heard_ms >= ?3 AND NOT EXISTS (SELECT 1 FROM order_answers a WHERE a.order_id = ?2 AND a.gateway = g.gateway)",
        values![&known.store, &known.order, now.unix_ms() - SILENT_MS],
    )?;
    for row in &rows {
        if understands(row.get::<Option<String>>(0)?.as_deref(), ORDERS) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A gateway of the store is not waited for any more: what the others have answered may be all.
pub(super) fn settle_waiting(engine: &mut dyn Engine, store: &str, now: Timestamp) -> Result<(), HqError> {
    let sql = "SELECT DISTINCT o.order_id FROM orders o JOIN order_answers a ON a.order_id = o.order_id
         WHERE o.store = ?1 AND o.state = 'waiting' ORDER BY o.order_id";
    for row in engine.query(sql, values![store])? {
        let Some(known) = find(engine, &row.get::<String>(0)?)? else { continue };
        if is_settled(engine, &known, now)? {
            settle(engine, &known, now)?;
        }
    }
    Ok(())
}

/// The best answer counts; nobody is told of it any more.
fn settle(engine: &mut dyn Engine, known: &Kept, now: Timestamp) -> Result<(), HqError> {
    let Some(best) = known.answers.iter().map(|answer| answer.outcome).min() else { return Ok(()) };
    engine.execute(
        "UPDATE orders SET state = ?2, outcome = ?3, changed_ms = ?4 WHERE order_id = ?1",
        values![&known.order, State::Answered.as_str(), best.as_str(), now.unix_ms()],
    )?;
    engine.execute("DELETE FROM order_told WHERE order_id = ?1", values![&known.order]).map(drop)
}

/// Counts and the last change of each store's orders: what tells a page that there is news.
pub(super) fn marks(engine: &mut dyn Engine) -> Result<Vec<(String, i64, i64)>, HqError> {
    let rows = engine.query("SELECT store, count(*), max(changed_ms) FROM orders GROUP BY store", &[])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}
