//! Orders on their way down: said again after growing pauses until they are answered or their time is over.

use super::{Kept, State, find, settle};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::{
            Addressed,
            engine::{Engine, values},
        },
        telling::{pause_ms, understands},
    },
    sync::{downlink::ORDERS, reply::Reply, topic::Address},
};

/// Said at one go.
const AT_ONCE: i64 = 50;

/// A gateway has come back: what waits for it is due.
pub(in crate::hq) fn heard(engine: &mut dyn Engine, gateway: &str) -> Result<(), HqError> {
    let sql = "UPDATE order_told SET due_ms = 0, tries = 0 WHERE gateway = ?1 AND due_ms > 0";
    engine.execute(sql, values![gateway]).map(drop)
}

/// What is to be said now; it is due again after a pause. What was not answered in its time ends.
pub(in crate::hq) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    if engine.query("SELECT 1 FROM orders WHERE state = 'waiting' LIMIT 1", &[])?.is_empty() {
        return Ok(Vec::new());
    }
    expire(engine, now)?;
    let rows = engine.query(
        "SELECT o.order_id, g.store, g.gateway, g.about, coalesce(t.tries, 0)
         FROM orders o JOIN gateways g ON g.store = o.store
         LEFT JOIN order_told t ON t.order_id = o.order_id AND t.gateway = g.gateway
         LEFT JOIN order_answers a ON a.order_id = o.order_id AND a.gateway = g.gateway
         WHERE o.state = 'waiting' AND g.epoch IS NOT NULL AND g.retired_ms IS NULL AND a.gateway IS NULL AND coalesce(t.due_ms, 0) <= ?1
         ORDER BY coalesce(t.due_ms, 0), o.order_id, g.gateway LIMIT ?2",
        values![now.unix_ms(), AT_ONCE],
    )?;
    let mut all = Vec::new();
    for row in &rows {
        let (order, to): (String, Address) = (row.get(0)?, Address { store: row.get(1)?, gateway: row.get(2)? });
        let understands = understands(row.get::<Option<String>>(3)?.as_deref(), ORDERS);
        let tries: i64 = row.get(4)?;
        let pause = pause_ms(understands, tries);
        engine.execute(
            "INSERT INTO order_told(order_id, gateway, due_ms, tries) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (order_id, gateway) DO UPDATE SET due_ms = excluded.due_ms, tries = excluded.tries",
            values![&order, &to.gateway, now.unix_ms() + pause, tries + i64::from(understands)],
        )?;
        if understands && let Some(Kept { order, until, what, .. }) = find(engine, &order)? {
            all.push((to, Reply::Order { order, until: until.to_string(), what }));
        }
    }
    Ok(all)
}

/// Where some gateways have answered and others have not, what was answered counts.
fn expire(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    let sql = "SELECT order_id FROM orders WHERE state = 'waiting' AND until_ms <= ?1";
    for row in engine.query(sql, values![now.unix_ms()])? {
        let order: String = row.get(0)?;
        let sql = "UPDATE orders SET state = ?2, changed_ms = ?3 WHERE order_id = ?1 AND state = 'waiting'";
        engine.execute(sql, values![&order, State::Expired.as_str(), now.unix_ms()])?;
        let Some(known) = find(engine, &order)? else { continue };
        if known.answers.is_empty() {
            tracing::warn!(store = known.store, order, "an order was not answered in its time; it is said no more");
        } else {
            settle(engine, &known, now)?;
        }
    }
    Ok(())
}
