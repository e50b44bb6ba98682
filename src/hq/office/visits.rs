//! What is shown of a store's visits and of one visit. No names: headquarters has none. Nothing is shown of a visit whose customer does not
//! agree to share numbers, a yes by silence being none, and nothing at all while facts are made again: what ended a consent may not be
//! there yet.

use crate::{
    domain::{Timestamp, comparison::Baseline, consent::Purpose},
    hq::{
        HqError,
        database::engine::{Engine, Row, first, values},
        records,
        standing_words::Words,
    },
};
use std::collections::{HashMap, HashSet};

/// Visits of a store that are listed, and how far back.
const LISTED: usize = 40;
const BACK_MS: i64 = 30 * 86_400_000;

/// Changes of visits looked through for them: a visit has some ten. Whoever changes one again and again has fewer listed.
const LOOKED_AT: i64 = 2_000;

/// Visits whose consents are asked about for them: where most share nothing, fewer are listed.
const ASKED_ABOUT: usize = 4 * LISTED;

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

/// By the index over store and time: of other stores nothing is read.
const NEWEST: &str = "SELECT visit FROM visit_facts WHERE store = ?1 AND at_ms > ?2 ORDER BY at_ms DESC LIMIT ?3";

/// The newest visits of a store; `None` while its facts are made again.
///
/// # Errors
/// The database's.
pub fn of_store(engine: &mut dyn Engine, store: &str, now: Timestamp) -> Result<Option<Vec<Visit>>, HqError> {
    if !records::are_whole(engine, store)? {
        return Ok(None);
    }
    let rows = engine.query(NEWEST, values![store, now.unix_ms() - BACK_MS, LOOKED_AT])?;
    let (mut visits, mut seen, mut agree) = (Vec::new(), HashSet::new(), HashMap::new());
    for row in &rows {
        if visits.len() == LISTED || seen.len() == ASKED_ABOUT {
            break;
        }
        let visit: String = row.get(0)?;
        if !seen.insert(visit.clone()) {
            continue;
        }
        let Some((visit, customer)) = one(engine, store, &visit)? else { continue };
        let agrees = match agree.get(&customer) {
            Some(agrees) => *agrees,
            None => {
                let agrees = Words::of(engine, store, &customer)?.share_numbers(engine)?;
                agree.insert(customer, agrees);
                agrees
            }
        };
        if agrees {
            visits.push(visit);
        }
    }
    Ok(Some(visits))
}

/// A visit as it stands, and whose it is now.
fn one(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<(Visit, String)>, HqError> {
    let row = first(
        engine,
        "SELECT v.visit, v.station, v.beautician, v.state, f.at_ms, v.voided, v.customer
         FROM visits v JOIN visit_facts f ON f.n = v.n WHERE v.visit = ?1 AND v.store = ?2",
        values![visit, store],
    )?;
    let read = |row: Row| {
        let (visit, station, beautician, state) = (row.get(0)?, text(&row, 1)?, text(&row, 2)?, text(&row, 3)?);
        let visit = Visit { visit, station, beautician, state, changed_ms: row.get(4)?, voided: row.get(5)? };
        Ok((visit, text(&row, 6)?))
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

/// One visit of this store, `None` where it has none of that id that may be shown.
///
/// # Errors
/// [`HqError::Remaking`] while facts of the store are made again; the database's.
pub fn show(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<Shown>, HqError> {
    if !records::are_whole(engine, store)? {
        return Err(HqError::Remaking);
    }
    let Some((found, customer)) = one(engine, store, visit)? else { return Ok(None) };
    let words = Words::of(engine, store, &customer)?;
    if !words.share_numbers(engine)? {
        return Ok(None);
    }
    let (readings, compared) = (readings(engine, store, visit)?, compared(engine, store, visit)?);
    let photographs = words.yes_to(engine, Purpose::SharePhotographs)?.is_some();
    let captures = if photographs { captures(engine, store, visit)? } else { Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hq::database::{Database, Place};

    /// Thirty days of two hundred stores are a hundred times what one page shows.
    #[test]
    fn a_stores_page_reads_what_is_the_stores() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::in_folder(folder.path());
        drop(Database::at(&place, folder.path(), 1 << 20).unwrap());
        let plan = format!("EXPLAIN QUERY PLAN {NEWEST}");
        let plan = place.open().unwrap().query(&plan, values!["sh-001", 0_i64, LOOKED_AT]).unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get(3).unwrap()).collect();
        let wanted = "SEARCH visit_facts USING INDEX visit_facts_by_store_at_ms (store=? AND at_ms>?)";
        assert_eq!(steps, [wanted], "no other index, and nothing is sorted");
    }
}
