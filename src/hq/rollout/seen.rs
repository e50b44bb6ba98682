//! How the stores of a rollout are, as far as headquarters knows.

use super::{
    chance::Count,
    plan::{Seen, Stand, Store},
    register::Entry,
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row, first, only, values},
        telling,
    },
    sync::package,
};
use std::collections::BTreeMap;

/// Dead letters of each store, and what its gateways have spoken of and not brought.
pub(super) fn troubles(engine: &mut dyn Engine) -> Result<BTreeMap<String, (u64, u64)>, HqError> {
    let rows = engine.query(
        "SELECT g.store, CAST(sum(coalesce(r.letters, 0)) AS BIGINT),
             CAST(sum(coalesce(CASE WHEN s.announced > s.last_seq THEN s.announced ELSE s.last_seq END - s.upto, 0)) AS BIGINT)
         FROM gateways g
         LEFT JOIN (SELECT gateway, count(*) AS letters FROM events WHERE refused IS NOT NULL GROUP BY gateway) r
             ON r.gateway = g.gateway
         LEFT JOIN streams s ON s.gateway = g.gateway AND s.epoch = g.epoch
         WHERE g.retired_ms IS NULL GROUP BY g.store",
        &[],
    )?;
    let read = |row: &Row| Ok((row.get(0)?, (row.get(1)?, row.get::<i64>(2)?.max(0).unsigned_abs())));
    rows.iter().map(read).collect()
}

/// A gateway counts a photograph on one side: measured, or failed over.
fn tried(measured: u64, failed: u64) -> Count {
    Count::new(failed, measured.saturating_add(failed))
}

/// What one gateway told of the package.
struct Told {
    store: String,
    stand: Option<String>,
    reason: String,
    photographs: Count,
    since_ms: i64,
    away_since_ms: Option<i64>,
    understands: bool,
}

impl Told {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let count = |at: usize| row.get::<Option<u64>>(at).map(Option::unwrap_or_default);
        let reason: Option<String> = row.get(2)?;
        Ok(Self {
            store: row.get(0)?,
            stand: row.get(1)?,
            reason: reason.unwrap_or_default(),
            photographs: tried(count(3)?, count(4)?),
            since_ms: row.get::<Option<i64>>(5)?.unwrap_or_default(),
            away_since_ms: row.get(6)?,
            understands: telling::understands(row.get::<Option<String>>(7)?.as_deref(), package::PACKAGES),
        })
    }

    fn stand(&self) -> Stand {
        let since_ms = self.since_ms;
        match self.stand.as_deref() {
            Some("held") => Stand::Held { since_ms },
            Some("used") => Stand::Used { since_ms },
            Some("refused") => Stand::Refused { reason: self.reason.clone() },
            Some("left") => Stand::Left,
            _ => Stand::Waits,
        }
    }
}

/// A store is as far as the gateway of it that is least far; a refusal of one is a refusal of all.
fn together(one: Stand, other: Stand) -> Stand {
    let rank = |stand: &Stand| match stand {
        Stand::Used { since_ms } => (0, *since_ms),
        Stand::Held { since_ms } => (1, *since_ms),
        Stand::Waits => (2, 0),
        Stand::Left => (3, 0),
        Stand::Refused { .. } => (4, 0),
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// All that is known of a rollout and its stores. A store that came after its start is in its last ring.
///
/// # Errors
/// The database's.
pub fn read(engine: &mut dyn Engine, entry: &Entry, now: Timestamp) -> Result<Seen, HqError> {
    let rows = engine.query(
        "SELECT g.store, t.stand, t.reason, t.measured, t.failed, t.since_ms,
             CASE WHEN g.status = 'online' THEN NULL
                 ELSE (SELECT max(p.at_ms) FROM presence p WHERE p.gateway = g.gateway) END,
             g.about
         FROM gateways g LEFT JOIN package_told t ON t.gateway = g.gateway AND t.slot = ?1 AND t.version = ?2
         WHERE g.retired_ms IS NULL ORDER BY g.store, g.gateway",
        values![&entry.slot, entry.version],
    )?;
    let placed = engine
        .query("SELECT store, ring, letters, backlog FROM rollout_stores WHERE rollout = ?1", values![entry.n])?;
    let mut places: BTreeMap<String, (u32, u64, u64)> = BTreeMap::new();
    for row in &placed {
        places.insert(row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?));
    }
    let troubles = troubles(engine)?;
    let mut stores: BTreeMap<String, Store> = BTreeMap::new();
    for row in &rows {
        let told = Told::from_row(row)?;
        let (letters, backlog) = troubles.get(&told.store).copied().unwrap_or_default();
        let last = (entry.rings.saturating_sub(1), letters, backlog);
        let (ring, letters_then, backlog_then) = places.get(&told.store).copied().unwrap_or(last);
        let stand = told.stand();
        match stores.get_mut(&told.store) {
            Some(store) => {
                store.stand = together(std::mem::replace(&mut store.stand, Stand::Waits), stand);
                store.photographs = store.photographs.plus(told.photographs);
                store.understands &= told.understands;
                store.away_since_ms = store.away_since_ms.max(told.away_since_ms);
            }
            None => {
                let store = Store {
                    name: told.store.clone(),
                    ring,
                    understands: told.understands,
                    stand,
                    photographs: told.photographs,
                    away_since_ms: told.away_since_ms,
                    letters: letters.saturating_sub(letters_then),
                    behind: backlog.saturating_sub(backlog_then),
                };
                stores.insert(told.store, store);
            }
        }
    }
    Ok(Seen {
        now_ms: now.unix_ms(),
        ring: entry.ring,
        rings: entry.rings,
        since_ms: entry.since.unix_ms(),
        is_model: matches!(package::Slot::try_from(entry.slot.clone()), Ok(package::Slot::Model(_))),
        before: before(engine, entry)?,
        stores: stores.into_values().collect(),
    })
}

/// Photographs that were measured with what was used before, and those that failed; nothing where that was what the gateways
/// were installed with, which is not counted.
fn before(engine: &mut dyn Engine, entry: &Entry) -> Result<Count, HqError> {
    let sum = |engine: &mut dyn Engine, column: &str| -> Result<u64, HqError> {
        let sql = format!(
            "SELECT CAST(coalesce(sum({column}), 0) AS BIGINT) FROM package_told t WHERE slot = ?1 AND version < ?2
             AND NOT EXISTS (SELECT 1 FROM withdrawn_packages w WHERE w.slot = t.slot AND w.version = t.version)"
        );
        only(engine, &sql, values![&entry.slot, entry.version])
    };
    Ok(tried(sum(engine, "measured")?, sum(engine, "failed")?))
}

/// Of which rollouts a store is a member, and in which ring.
///
/// # Errors
/// The database's.
pub fn member(engine: &mut dyn Engine, store: &str) -> Result<BTreeMap<u64, u32>, HqError> {
    let rows = engine.query("SELECT rollout, ring FROM rollout_stores WHERE store = ?1", values![store])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Tells two states of all rollouts apart, cheaply: pages ask twice a second.
///
/// # Errors
/// The database's.
pub fn mark(engine: &mut dyn Engine) -> Result<String, HqError> {
    let row = first(
        engine,
        "SELECT (SELECT count(*) FROM packages), (SELECT coalesce(max(changed_ms), 0) FROM rollouts),
             (SELECT coalesce(max(at_ms), 0) FROM package_told),
             (SELECT CAST(coalesce(sum(coalesce(measured, 0) + coalesce(failed, 0)), 0) AS BIGINT) FROM package_told),
             (SELECT count(*) FROM package_told)",
        &[],
    )?;
    let Some(row) = row else { return Ok(String::new()) };
    let figures = (0..5).map(|at| row.get::<i64>(at).map(|figure| figure.to_string()));
    Ok(figures.collect::<Result<Vec<_>, _>>()?.join("-"))
}

/// How many stores there are, and of each slot and version how many use it.
pub type Users = (u64, BTreeMap<(String, u64), u64>);

/// See [`Users`].
///
/// # Errors
/// The database's.
pub fn users(engine: &mut dyn Engine) -> Result<Users, HqError> {
    let stores = only(engine, "SELECT count(DISTINCT store) FROM gateways WHERE retired_ms IS NULL", &[])?;
    let rows = engine.query(
        "SELECT t.slot, t.version, count(DISTINCT g.store) FROM package_told t JOIN gateways g ON g.gateway = t.gateway
         WHERE t.stand = 'used' AND g.retired_ms IS NULL GROUP BY t.slot, t.version",
        &[],
    )?;
    let used = rows.iter().map(|row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)));
    Ok((stores, used.collect::<Result<_, HqError>>()?))
}
