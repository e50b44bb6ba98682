//! What people query. Every event is taken apart into facts ([`tables`]), a little after it was stored, in the order of its
//! gateway; views over them ([`views`]) say what holds now. The raw events stay beside: facts are made from them alone, so
//! they may be thrown away and made again at any time, and are whenever a newer program reads events in another way.
//!
//! Facts follow an epoch's contiguous prefix: what lies beyond a hole waits until the hole is filled.

mod facts;
pub mod schema_page;
pub mod tables;
pub mod views;

use super::{
    HqError, archive,
    database::{
        Place,
        engine::{Cell, Engine, Row, only, transaction, values},
    },
    erasure,
    events::redacted,
    shelf::Shelves,
};
use crate::{domain::Timestamp, sync::topic::Address};
use facts::{Fact, Told};
use std::collections::BTreeSet;
use tables::{ALL, CLOCKS, ERASED, REPORTS};

/// Grows whenever tables, views or the way events are read change; then all facts are made again. A test holds it against a
/// digest of the schema.
pub const VERSION: i64 = 3;

/// Events of one turn while messages come: some 20 ms, so that nobody waits long for an acknowledgement.
pub const PAGE: usize = 500;

/// Events of one turn while nobody waits: a page of an index that many rows share is written once for all of them.
pub const LONG_PAGE: usize = 4_000;

/// Epochs of one turn.
const EPOCHS: u32 = 64;

/// Whether tables and views are those of this program, or of a newer one.
///
/// # Errors
/// The database's.
pub fn are_prepared(engine: &mut dyn Engine) -> Result<bool, HqError> {
    let made: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
    Ok(made >= VERSION)
}

/// Makes the tables and views, or makes them anew where an older program made them. To be called in the transaction that
/// brings the schema up to date.
///
/// # Errors
/// The database's.
pub fn prepare(engine: &mut dyn Engine) -> Result<(), HqError> {
    let made: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
    if made >= VERSION {
        return Ok(());
    }
    if made > 0 {
        for view in views::ALL.iter().rev() {
            engine.execute(&format!("DROP VIEW IF EXISTS {}", view.name), &[])?;
        }
        for table in ALL {
            engine.execute(&format!("DROP TABLE IF EXISTS {}", table.name), &[])?;
        }
    }
    let at = engine.time();
    for table in ALL {
        for statement in table.schema() {
            engine.execute(&statement, &[])?;
        }
    }
    for view in views::ALL {
        engine.execute(&view.schema(at), &[])?;
    }
    engine.execute("DELETE FROM projected", &[])?;
    engine.execute("DELETE FROM records_version", &[])?;
    engine.execute("INSERT INTO records_version(version) VALUES (?1)", values![VERSION])?;
    Ok(())
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub events: usize,
    /// Perhaps there is more.
    pub more: bool,
}

/// An epoch that has more events than facts.
struct Behind {
    from: Address,
    epoch: String,
    era: i64,
    done: u64,
    upto: u64,
}

impl Behind {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            from: Address { store: row.get(0)?, gateway: row.get(1)? },
            epoch: row.get(2)?,
            era: row.get(3)?,
            done: row.get(4)?,
            upto: row.get(5)?,
        })
    }
}

/// Makes facts of the next `most` events, in one transaction; the epochs that waited longest first. Nothing is done while
/// another receiver is at it, unless asked to `wait`, or where a newer program keeps the records.
///
/// # Errors
/// The database's; then nothing was done.
pub fn turn(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    now: Timestamp,
    most: usize,
    wait: bool,
) -> Result<Turn, HqError> {
    transaction(engine, |engine| {
        let version: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
        if version != VERSION || !engine.keep_records(wait)? {
            return Ok(Turn { events: 0, more: false });
        }
        let behind = engine.query(
            "SELECT g.store, s.gateway, s.epoch, s.begun_ms, coalesce(p.upto, 0), s.upto
             FROM streams s JOIN gateways g ON g.gateway = s.gateway
             LEFT JOIN projected p ON p.gateway = s.gateway AND p.epoch = s.epoch
             WHERE s.upto > coalesce(p.upto, 0) ORDER BY coalesce(p.done_ms, 0), s.gateway, s.epoch LIMIT ?1",
            values![EPOCHS],
        )?;
        let mut told = Vec::new();
        for row in &behind {
            let left = most - told.len();
            if left == 0 {
                break;
            }
            told.extend(next(engine, shelves, &Behind::from_row(row)?, left, now)?);
        }
        let facts: Vec<Fact> = told.iter().flat_map(Told::facts).collect();
        fill(engine, &facts)?;
        map_times(engine, &facts)?;
        close(engine, &facts)?;
        erase(engine, shelves, &facts, now)?;
        Ok(Turn { events: told.len(), more: told.len() >= most || behind.len() as u32 == EPOCHS })
    })
}

/// The next events of one epoch; it counts as done up to there.
fn next(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    behind: &Behind,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Told>, HqError> {
    let Behind { from, epoch, era, done, upto } = behind;
    let rows = engine.query(
        "SELECT n, seq, received_ms, body, segment FROM events
         WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 AND seq <= ?4
         AND refused IS NULL AND same_as IS NULL AND kind <> ?5 ORDER BY seq LIMIT ?6",
        values![&from.gateway, epoch, *done, *upto, &redacted(), limit as u64],
    )?;
    let mut told =
        rows.iter().map(|row| Told::from_row(row, &from.store, &from.gateway, *era)).collect::<Result<Vec<_>, _>>()?;
    archive::bring(engine, shelves, told.iter_mut().filter_map(Told::away))?;
    let reached = if told.len() < limit { *upto } else { told.last().map_or(*upto, |last| last.seq) };
    engine.execute(
        "INSERT INTO projected(gateway, epoch, upto, done_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (gateway, epoch) DO UPDATE SET upto = excluded.upto, done_ms = excluded.done_ms",
        values![&from.gateway, epoch, reached, now.unix_ms()],
    )?;
    Ok(told)
}

/// Reports that the new facts say are closed; see `report_closings`.
fn close(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    let closed = |fact: &&Fact| fact.table.name == REPORTS.name && fact.text("state") != Some("open");
    for fact in facts.iter().filter(closed) {
        if let (Some(report), Some(era), Some(seq)) = (fact.text("report"), fact.int("era"), fact.int("seq")) {
            engine.execute(
                "INSERT INTO report_closings(report, era, seq) VALUES (?1, ?2, ?3)
                 ON CONFLICT (report) DO UPDATE SET era = excluded.era, seq = excluded.seq
                 WHERE (report_closings.era, report_closings.seq) < (excluded.era, excluded.seq)",
                values![report, era, seq],
            )?;
        }
    }
    Ok(())
}

/// Persons that the new facts say are erased, and what came late of those who were before.
fn erase(engine: &mut dyn Engine, shelves: &Shelves, facts: &[Fact], now: Timestamp) -> Result<(), HqError> {
    for fact in facts.iter().filter(|fact| fact.table.name == ERASED.name) {
        if let (Some(store), Some(customer)) = (fact.text("store"), fact.text("customer")) {
            erasure::erase(engine, shelves, store, customer, now)?;
        }
    }
    let others = facts.iter().filter(|fact| fact.table.name != ERASED.name);
    let late = others.filter_map(|fact| {
        let text = |name| fact.text(name).map(str::to_owned);
        Some((text("store")?, text("customer"), text("visit"), fact.n()?))
    });
    erasure::erase_late(engine, shelves, &late.collect::<Vec<_>>(), now)
}

fn fill(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    for table in ALL {
        let rows: Vec<&[Cell]> =
            facts.iter().filter(|fact| fact.table.name == table.name).map(|fact| fact.cells.as_slice()).collect();
        if !rows.is_empty() {
            engine.fill(table, &rows)?;
        }
    }
    Ok(())
}

/// Maps times taken while a gateway's clock was not set, as soon as its `clock.v1` is here: it may come before or after.
fn map_times(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    for (gateway, boot) in boots(facts) {
        let clock = engine.query(
            "SELECT wall_ms, of_monotonic_ns FROM clock_facts WHERE gateway = ?1 AND of_boot = ?2
             ORDER BY era DESC, seq DESC LIMIT 1",
            values![&gateway, &boot],
        )?;
        let Some(clock) = clock.first() else { continue };
        let (wall_ms, monotonic_ns): (i64, i64) = (clock.get(0)?, clock.get(1)?);
        for table in ALL {
            let sql = format!(
                "UPDATE {} SET at_ms = ?1 + (monotonic_ns - ?2) / 1000000, clock = 'mapped'
                 WHERE gateway = ?3 AND boot = ?4 AND clock = 'unset' AND monotonic_ns IS NOT NULL",
                table.name
            );
            engine.execute(&sql, values![wall_ms, monotonic_ns, &gateway, &boot])?;
        }
    }
    Ok(())
}

/// Boots of which something without a time, or the time itself, has just come in.
fn boots(facts: &[Fact]) -> BTreeSet<(String, String)> {
    let column = |fact: &Fact, name: &str| fact.text(name).map(str::to_owned);
    let boot = |fact: &Fact| {
        if fact.table.name == CLOCKS.name {
            return column(fact, "of_boot");
        }
        (column(fact, "clock")? == "unset").then(|| column(fact, "boot"))?
    };
    facts.iter().filter_map(|fact| Some((column(fact, "gateway")?, boot(fact)?))).collect()
}

/// Takes the facts of one event away: it was redacted. No turn is under way meanwhile, so none can bring them back.
///
/// # Errors
/// The database's.
pub(super) fn forget(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    engine.keep_records(true)?;
    for table in ALL {
        engine.execute(&format!("DELETE FROM {} WHERE n = ?1", table.name), values![n])?;
    }
    Ok(())
}

/// Has the facts of an event made that was passed over until now.
///
/// # Errors
/// The database's.
pub(super) fn make_up_for(engine: &mut dyn Engine, gateway: &str, epoch: &str, seq: u64) -> Result<(), HqError> {
    engine.execute(
        "UPDATE projected SET upto = ?3 - 1 WHERE gateway = ?1 AND epoch = ?2 AND upto >= ?3",
        values![gateway, epoch, seq],
    )?;
    Ok(())
}

/// Throws all facts away and makes them again from the raw events; how many events that were. Receivers may go on meanwhile:
/// the views fill up again before one's eyes.
///
/// # Errors
/// The database's, or the shelf's where months are archived; what is missing then is made by the next receiver.
pub fn rebuild(place: &Place, shelves: &Shelves) -> Result<u64, HqError> {
    let mut engine = place.open()?;
    transaction(&mut *engine, |engine| {
        engine.keep_records(true)?;
        for table in ALL {
            engine.execute(&format!("DELETE FROM {}", table.name), &[])?;
        }
        engine.execute("DELETE FROM projected", &[])
    })?;
    let mut made = 0;
    loop {
        let Turn { events, more } = turn(&mut *engine, shelves, crate::clock::now().wall, LONG_PAGE, true)?;
        made += events as u64;
        if !more && events == 0 {
            return Ok(made);
        }
    }
}
