//! Which visits changed, in an order that holds: each visit stands under the number of its last change, and numbers are drawn
//! while nobody else makes facts. Who has read up to a number has everything below it, however many receivers commit.
//!
//! With each handful of numbers a mark is drawn by lot. A database that was brought back from a backup draws the same numbers again, under
//! other marks: so whoever has read up to a number of before is known, without anybody having told the database that it was restored.
//!
//! A visit changes when something is told, moved, struck out, joined or taken out that shows on it, and when its customer says a yes or a no
//! to what may be shown of it. Facts that are only made again
//! change nothing, but for a visit that had no number yet.

use super::{
    facts::Fact,
    tables::{ALIASES, CONSENTS, FEEDBACK, MOVED, VOIDED},
};
use crate::{
    domain::feedback::Topic,
    hq::{
        HqError,
        database::engine::{Engine, Value, first, values},
        erasure,
    },
};
use std::collections::BTreeSet;

/// Rows of one statement: on PostgreSQL each is a journey.
const AT_ONCE: usize = 16;

type Visits = BTreeSet<(String, String)>;

/// Numbers the visits on which new facts show; `again`: they were made before.
pub(super) fn note(engine: &mut dyn Engine, facts: &[Fact], again: bool) -> Result<(), HqError> {
    if facts.is_empty() {
        return Ok(());
    }
    let (mut visits, mut scans) = (Visits::new(), Visits::new());
    for fact in facts {
        let Some(store) = fact.text("store") else { continue };
        if let Some(visit) = fact.text("visit") {
            visits.insert((store.to_owned(), visit.to_owned()));
        }
        if let Some(scan) = fact.text("scan") {
            scans.insert((store.to_owned(), scan.to_owned()));
        }
        if fact.table.name == ALIASES.name {
            // All their cards: by what one of them agreed to, the visits of the others may be told, or may not be any more.
            visits.extend(of_person(engine, store, fact.text("customer").unwrap_or_default())?);
        } else if fact.table.name == CONSENTS.name
            || (fact.table.name == FEEDBACK.name && fact.text("topic") == Some(Topic::Withdraw.as_str()))
        {
            visits.extend(of_person(engine, store, fact.text("customer").unwrap_or_default())?);
        } else if fact.table.name == VOIDED.name || fact.table.name == MOVED.name {
            visits.extend(named_by(engine, store, fact.text("id").unwrap_or_default())?);
        }
    }
    visits.extend(moved_to(engine, &scans)?);
    number(engine, &visits, again)
}

/// Numbers visits of which something was taken out.
pub(super) fn touch(engine: &mut dyn Engine, visits: &Visits) -> Result<(), HqError> {
    number(engine, visits, false)
}

/// Over all their cards.
fn of_person(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Visits, HqError> {
    let mut visits = Visits::new();
    for id in erasure::person(engine, store, customer)? {
        visits.extend(of_customer(engine, store, &id)?);
    }
    Ok(visits)
}

/// Numbers the visits of somebody of whom less, or more, may be shown from now on. To be called in a transaction; nobody makes facts until
/// its end.
pub(super) fn touch_person(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<(), HqError> {
    engine.keep_records(true)?;
    let visits = of_person(engine, store, customer)?;
    touch(engine, &visits)
}

fn of_customer(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Visits, HqError> {
    of(
        engine,
        store,
        "SELECT visit FROM visit_facts WHERE store = ?1 AND customer = ?2
         UNION SELECT id FROM moved_facts WHERE store = ?1 AND customer = ?2",
        customer,
    )
}

/// The visits on which the thing of this id, whatever it is, shows or showed.
fn named_by(engine: &mut dyn Engine, store: &str, id: &str) -> Result<Visits, HqError> {
    of(
        engine,
        store,
        "SELECT visit FROM visit_facts WHERE store = ?1 AND visit = ?2
         UNION SELECT visit FROM scan_facts WHERE store = ?1 AND scan = ?2
         UNION SELECT visit FROM reading_facts WHERE store = ?1 AND reading = ?2
         UNION SELECT visit FROM capture_facts WHERE store = ?1 AND capture = ?2
         UNION SELECT visit FROM moved_facts WHERE store = ?1 AND id = ?2 AND visit IS NOT NULL
         UNION SELECT m.visit FROM reading_facts r JOIN moved_facts m ON m.store = r.store AND m.id = r.scan
             WHERE r.store = ?1 AND r.reading = ?2 AND m.visit IS NOT NULL",
        id,
    )
}

fn of(engine: &mut dyn Engine, store: &str, sql: &str, id: &str) -> Result<Visits, HqError> {
    let rows = engine.query(sql, values![store, id])?;
    rows.iter().map(|row| Ok((store.to_owned(), row.get(0)?))).collect()
}

/// Visits to which these scans were moved; what is told of them still names the first.
fn moved_to(engine: &mut dyn Engine, scans: &Visits) -> Result<Visits, HqError> {
    let mut found = Visits::new();
    if scans.is_empty() || first(engine, "SELECT 1 FROM moved_facts LIMIT 1", &[])?.is_none() {
        return Ok(found);
    }
    for (store, scan) in scans {
        let sql = "SELECT visit FROM moved_facts WHERE store = ?1 AND id = ?2 AND visit IS NOT NULL";
        found.extend(of(engine, store, sql, scan)?);
    }
    Ok(found)
}

fn number(engine: &mut dyn Engine, visits: &Visits, again: bool) -> Result<(), HqError> {
    if visits.is_empty() {
        return Ok(());
    }
    let mut last = drawn(engine, visits.len() as u64)?;
    let numbered: Vec<(&str, &str, u64)> = visits
        .iter()
        .map(|(store, visit)| {
            last += 1;
            (store.as_str(), visit.as_str(), last)
        })
        .collect();
    let (whole, rest) = numbered.split_at(numbered.len() - numbered.len() % AT_ONCE);
    for some in whole.chunks(AT_ONCE).chain(rest.chunks(1)) {
        let places: Vec<String> =
            (0..some.len()).map(|at| format!("(?{}, ?{}, ?{})", 3 * at + 1, 3 * at + 2, 3 * at + 3)).collect();
        let known = if again { "NOTHING" } else { "UPDATE SET change = excluded.change" };
        let sql = format!(
            "INSERT INTO visit_changes(store, visit, change) VALUES {} ON CONFLICT (store, visit) DO {known}",
            places.join(", ")
        );
        let bound: Vec<Value<'_>> = some
            .iter()
            .flat_map(|(store, visit, change)| [Value::from(*store), Value::from(*visit), Value::from(*change)])
            .collect();
        engine.execute(&sql, &bound)?;
    }
    Ok(())
}

/// Draws so many numbers, with their mark; the number before them. What was here before numbers were drawn gets the first ones.
fn drawn(engine: &mut dyn Engine, many: u64) -> Result<u64, HqError> {
    let last = last_of(engine, many)?;
    engine.execute("INSERT INTO change_marks(upto, mark) VALUES (?1, ?2)", values![last, lot()])?;
    Ok(last - many)
}

/// Never 0, which stands for numbers of before there were marks.
fn lot() -> i64 {
    fastrand::i64(1..=i64::MAX)
}

/// The mark of the handful in which a number was drawn here; `None` for one that never was.
///
/// # Errors
/// The database's.
pub(in crate::hq) fn mark(engine: &mut dyn Engine, change: u64) -> Result<Option<i64>, HqError> {
    let sql = "SELECT mark FROM change_marks WHERE upto >= ?1 ORDER BY upto LIMIT 1";
    first(engine, sql, values![change])?.map(|row| row.get(0)).transpose()
}

/// The last of so many new numbers.
fn last_of(engine: &mut dyn Engine, many: u64) -> Result<u64, HqError> {
    let sql = "UPDATE last_change SET change = change + ?1 RETURNING change";
    if let Some(row) = first(engine, sql, values![many])? {
        return row.get(0);
    }
    engine.execute(
        "INSERT INTO visit_changes(store, visit, change)
         SELECT store, visit, row_number() OVER (ORDER BY min(n)) FROM visit_facts GROUP BY store, visit",
        &[],
    )?;
    engine.execute(
        "INSERT INTO last_change(one, change) SELECT 1, coalesce(max(change), 0) + ?1 FROM visit_changes",
        values![many],
    )?;
    first(engine, "SELECT change FROM last_change", &[])?.ok_or(HqError::Stopped)?.get(0)
}
