//! What is shown of a store's visits and of one visit. No names: headquarters has none.

use crate::{
    domain::{Timestamp, comparison::Baseline},
    hq::{
        HqError,
        database::engine::{Engine, Row, first, values},
        records,
    },
};

/// Visits of a store that are listed, and how far back.
const LISTED: i64 = 40;
const BACK_MS: i64 = 30 * 86_400_000;

/// A visit in its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub visit: String,
    pub station: String,
    pub beautician: String,
    pub state: String,
    pub changed_ms: i64,
    pub voided: bool,
}

/// A value of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub phase: String,
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
    pub spread: Option<f64>,
    pub repeats: i64,
    pub serial: String,
    pub voided: bool,
}

/// What came of comparing two.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub baseline: String,
    pub metric: String,
    pub region: String,
    pub unit: String,
    pub change: Option<f64>,
    pub smallest: Option<f64>,
    pub verdict: String,
    pub refusal: Option<String>,
}

/// A photograph, and where its pictures stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    pub capture: String,
    pub phase: String,
    pub view: String,
    pub light: String,
    pub voided: bool,
    /// Role and state of each picture.
    pub pictures: Vec<(String, String)>,
}

/// All that is shown of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub visit: Visit,
    pub readings: Vec<Reading>,
    pub compared: Vec<Compared>,
    pub captures: Vec<Capture>,
}

/// The newest visits of a store.
///
/// # Errors
/// The database's.
pub fn of_store(engine: &mut dyn Engine, store: &str, now: Timestamp) -> Result<Vec<Visit>, HqError> {
    let rows = engine.query(
        "SELECT visit, max(at_ms) FROM visit_facts WHERE store = ?1 AND at_ms > ?2 GROUP BY visit ORDER BY 2 DESC, 1 LIMIT ?3",
        values![store, now.unix_ms() - BACK_MS, LISTED],
    )?;
    let mut visits = Vec::with_capacity(rows.len());
    for row in &rows {
        visits.extend(one(engine, store, &row.get::<String>(0)?)?);
    }
    Ok(visits)
}

fn one(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<Visit>, HqError> {
    let row = first(
        engine,
        "SELECT v.visit, v.station, v.beautician, v.state, f.at_ms, v.voided
         FROM visits v JOIN visit_facts f ON f.n = v.n WHERE v.visit = ?1 AND v.store = ?2",
        values![visit, store],
    )?;
    let read = |row: Row| {
        let (visit, station, beautician, state) = (row.get(0)?, text(&row, 1)?, text(&row, 2)?, text(&row, 3)?);
        Ok(Visit { visit, station, beautician, state, changed_ms: row.get(4)?, voided: row.get(5)? })
    };
    row.map(read).transpose()
}

fn text(row: &Row, at: usize) -> Result<String, HqError> {
    Ok(row.get::<Option<String>>(at)?.unwrap_or_default())
}

/// Whose visit it is now; nobody's while facts are made again, since what moved it may not be there yet.
///
/// # Errors
/// The database's.
pub fn customer_of(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<String>, HqError> {
    if !records::are_whole(engine, store)? {
        return Ok(None);
    }
    let row = first(engine, "SELECT customer FROM visits WHERE visit = ?1 AND store = ?2", values![visit, store])?;
    Ok(row.map_or(Ok(None), |row| row.get::<Option<String>>(0))?.filter(|id| !id.is_empty()))
}

/// Scans that were or are of a visit: by these the views are asked, which follow what was moved.
const SCANS: &str =
    "(SELECT scan FROM scan_facts WHERE visit = ?1 UNION SELECT scan FROM reading_facts WHERE visit = ?1
    UNION SELECT scan FROM capture_facts WHERE visit = ?1 UNION SELECT id FROM moved_facts WHERE visit = ?1)";

/// One visit of this store, `None` where it has none of that id.
///
/// # Errors
/// The database's.
pub fn show(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<Shown>, HqError> {
    let Some(found) = one(engine, store, visit)? else { return Ok(None) };
    let (readings, compared) = (readings(engine, store, visit)?, compared(engine, store, visit)?);
    let captures = captures(engine, store, visit)?;
    Ok(Some(Shown { visit: found, readings, compared, captures }))
}

fn readings(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Vec<Reading>, HqError> {
    let sql = format!(
        "SELECT phase, metric, region, value, unit, spread, repeats, serial, voided FROM readings
         WHERE visit = ?1 AND store = ?2 AND scan IN {SCANS} ORDER BY metric, region, phase DESC, n"
    );
    let read = |row: &Row| {
        Ok(Reading {
            phase: text(row, 0)?,
            metric: text(row, 1)?,
            region: text(row, 2)?,
            value: text(row, 3)?,
            unit: text(row, 4)?,
            spread: row.get(5)?,
            repeats: row.get::<Option<i64>>(6)?.unwrap_or(0),
            serial: text(row, 7)?,
            voided: row.get(8)?,
        })
    };
    engine.query(&sql, values![visit, store])?.iter().map(read).collect()
}

fn compared(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Vec<Compared>, HqError> {
    // Of comparisons that were drawn again the newest counts.
    let rows = engine.query(
        "SELECT c.baseline, c.metric, c.region, c.unit, c.change, c.smallest_detectable_change, c.verdict, c.refusal
         FROM comparisons c WHERE c.visit = ?1 AND c.store = ?2 AND c.voided = 0
         AND c.n = (SELECT max(d.n) FROM comparison_facts d WHERE d.visit = c.visit AND d.store = c.store AND d.baseline = c.baseline)
         ORDER BY CASE WHEN c.baseline = ?3 THEN 0 ELSE 1 END, c.baseline, c.metric, c.region",
        values![visit, store, Baseline::SameVisit.as_str()],
    )?;
    let read = |row: &Row| {
        Ok(Compared {
            baseline: text(row, 0)?,
            metric: text(row, 1)?,
            region: text(row, 2)?,
            unit: text(row, 3)?,
            change: row.get(4)?,
            smallest: row.get(5)?,
            verdict: text(row, 6)?,
            refusal: row.get(7)?,
        })
    };
    rows.iter().map(read).collect()
}

fn captures(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Vec<Capture>, HqError> {
    let sql = format!(
        "SELECT c.capture, c.phase, c.face_view, c.light, c.voided, i.role, i.state FROM captures c
         LEFT JOIN images i ON i.gateway = c.gateway AND i.capture = c.capture
         WHERE c.visit = ?1 AND c.store = ?2 AND c.scan IN {SCANS} ORDER BY c.phase DESC, c.n, c.capture, i.role"
    );
    let mut captures: Vec<Capture> = Vec::new();
    for row in &engine.query(&sql, values![visit, store])? {
        let capture: String = row.get(0)?;
        if captures.last().is_none_or(|last| last.capture != capture) {
            let (phase, view, light, voided) = (text(row, 1)?, text(row, 2)?, text(row, 3)?, row.get(4)?);
            captures.push(Capture { capture, phase, view, light, voided, pictures: Vec::new() });
        }
        let picture = row.get::<Option<String>>(5)?.zip(row.get::<Option<String>>(6)?);
        if let Some(last) = captures.last_mut() {
            last.pictures.extend(picture);
        }
    }
    Ok(captures)
}
