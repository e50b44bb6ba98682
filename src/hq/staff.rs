//! Who works in each store: written whole by the CRM, told to the store's gateways until they say that they hold it. As with
//! appointments a list has a book and a version; unlike them it is told whole each time, since a store has a dozen people.

use super::{
    HqError,
    database::{
        Addressed,
        engine::{Engine, Row, first, transaction, values},
    },
    office::audit,
    telling::{self, numbering, pause_ms, understands},
};
use crate::{
    domain::{Timestamp, staff::Role},
    sync::{
        downlink::{Colleague, Duty, STAFF},
        reply::Reply,
        topic::Address,
    },
};
use serde_json::Value as Json;

/// Gateways told at one go.
const AT_ONCE: i64 = 20;

/// The list of a store, and how far its gateways are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub people: Vec<Colleague>,
    /// 0: nothing was ever said of this store's staff.
    pub version: u64,
    pub gateways: Vec<Reached>,
}

/// How far one gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub gateway: String,
    /// Whether its program understands such a list.
    pub understands: bool,
    /// The version it holds; `None` for none of this list.
    pub held: Option<u64>,
    /// Numbers of those who stay there against the list: without them nobody could let others in.
    pub kept: Vec<String>,
}

/// Writes the list of a store. Whether anything changed, and its version now. `giver` stands in the audit.
///
/// # Errors
/// [`HqError::NoStore`] where no gateway of that store was ever heard; the database's. Nothing was changed then.
pub fn put(
    engine: &mut dyn Engine,
    (store, giver): (&str, &str),
    people: &[Colleague],
    now: Timestamp,
) -> Result<(bool, u64), HqError> {
    transaction(engine, |engine| {
        if first(engine, "SELECT 1 FROM gateways WHERE store = ?1", values![store])?.is_none() {
            return Err(HqError::NoStore { store: store.to_owned() });
        }
        engine.execute(
            "INSERT INTO staff_books(store, book, version, changed_ms) VALUES (?1, ?2, 0, ?3) ON CONFLICT DO NOTHING",
            values![store, &numbering(), now.unix_ms()],
        )?;
        // Its row locked until the end: two lists are written one after the other.
        let locked = "UPDATE staff_books SET version = version WHERE store = ?1 RETURNING version";
        let version: u64 = first(engine, locked, values![store])?.ok_or(HqError::Stopped)?.get(0)?;
        let mut wanted = people.to_vec();
        wanted.sort_by(|one, other| one.id.cmp(&other.id));
        if version > 0 && list(engine, store)? == wanted {
            return Ok((false, version));
        }
        engine.execute("DELETE FROM staff_people WHERE store = ?1", values![store])?;
        for Colleague { id, name, role } in &wanted {
            engine.execute(
                "INSERT INTO staff_people(store, person, name, role) VALUES (?1, ?2, ?3, ?4)",
                values![store, id, name, Role::from(*role).as_str()],
            )?;
        }
        let sql = "UPDATE staff_books SET version = ?2, changed_ms = ?3 WHERE store = ?1";
        engine.execute(sql, values![store, version + 1, now.unix_ms()])?;
        // Told at once, however long the last try was ago.
        let sql = "UPDATE staff_told SET due_ms = 0, tries = 0 WHERE gateway IN (SELECT gateway FROM gateways WHERE store = ?1)";
        engine.execute(sql, values![store])?;
        audit::note(engine, giver, "staff written", &format!("{store} {} people", wanted.len()), now)?;
        Ok((true, version + 1))
    })
}

/// In the order of their numbers.
fn list(engine: &mut dyn Engine, store: &str) -> Result<Vec<Colleague>, HqError> {
    let sql = "SELECT person, name, role FROM staff_people WHERE store = ?1";
    let read = |row: &Row| {
        let role: String = row.get(2)?;
        // Of a newer program's word the least that somebody may do.
        let role = role.parse::<Role>().map_or(Duty::Beautician, Duty::from);
        Ok(Colleague { id: row.get(0)?, name: row.get(1)?, role })
    };
    let mut people = engine.query(sql, values![store])?.iter().map(read).collect::<Result<Vec<_>, HqError>>()?;
    // Here and not by the database, which orders texts as its locale says.
    people.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(people)
}

/// The list of a store and how far each gateway in use holds it; `None` for a store that nobody has heard of.
///
/// # Errors
/// The database's.
pub fn desired(engine: &mut dyn Engine, store: &str) -> Result<Option<Desired>, HqError> {
    let rows = engine.query(
        "SELECT g.gateway, g.about, coalesce(b.version, 0), CASE WHEN t.book = b.book THEN t.version END, g.retired_ms
         FROM gateways g LEFT JOIN staff_books b ON b.store = g.store LEFT JOIN staff_told t ON t.gateway = g.gateway
         WHERE g.store = ?1 ORDER BY g.gateway",
        values![store],
    )?;
    let Some(row) = rows.first() else { return Ok(None) };
    let version = row.get(2)?;
    let mut gateways = Vec::with_capacity(rows.len());
    for row in &rows {
        let retired: Option<i64> = row.get(4)?;
        if retired.is_some() {
            continue;
        }
        let about: String = row.get::<Option<String>>(1)?.unwrap_or_default();
        let held = row.get::<Option<u64>>(3)?.filter(|held| *held > 0);
        let understands = understands(Some(&about), STAFF);
        gateways.push(Reached { gateway: row.get(0)?, understands, held, kept: kept(&about) });
    }
    Ok(Some(Desired { people: list(engine, store)?, version, gateways }))
}

/// Whom a gateway's self-description names as staying.
fn kept(about: &str) -> Vec<String> {
    let about: Json = serde_json::from_str(about).unwrap_or_default();
    let kept = about["health"]["staff_kept"].as_array();
    kept.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

pub(super) const BOOK: telling::Book = telling::Book {
    books: "staff_books",
    told: "staff_told",
    knows_more: "the store knows a newer list of its staff than this headquarters; it is told the present one",
};

/// What is to be told now; it is due again after a pause.
pub(super) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    if engine.query("SELECT 1 FROM staff_books LIMIT 1", &[])?.is_empty() {
        return Ok(Vec::new());
    }
    let rows = engine.query(
        "SELECT g.store, g.gateway, g.about, b.book, b.version, coalesce(t.tries, 0)
         FROM staff_books b JOIN gateways g ON g.store = b.store LEFT JOIN staff_told t ON t.gateway = g.gateway
         WHERE g.epoch IS NOT NULL AND g.retired_ms IS NULL AND b.version > 0
         AND (t.gateway IS NULL OR ((t.book <> b.book OR t.version < b.version) AND t.due_ms <= ?1))
         ORDER BY t.due_ms, g.gateway LIMIT ?2",
        values![now.unix_ms(), AT_ONCE],
    )?;
    let mut all = Vec::new();
    for row in &rows {
        let (to, about) = (Address { store: row.get(0)?, gateway: row.get(1)? }, row.get::<Option<String>>(2)?);
        let understands = understands(about.as_deref(), STAFF);
        let tries: i64 = row.get(5)?;
        let pause = pause_ms(understands, tries);
        engine.execute(
            "INSERT INTO staff_told(gateway, book, version, due_ms, tries) VALUES (?1, '', 0, ?2, ?3)
             ON CONFLICT (gateway) DO UPDATE SET due_ms = excluded.due_ms, tries = excluded.tries",
            values![&to.gateway, now.unix_ms() + pause, tries + i64::from(understands)],
        )?;
        if understands {
            let people = list(engine, &to.store)?;
            all.push((to, Reply::Staff { book: row.get(3)?, version: row.get(4)?, people }));
        }
    }
    Ok(all)
}
