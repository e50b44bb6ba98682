//! `GET /stores/{store}/visits/{visit}`: one visit with everything that was measured and compared in it.

use super::{
    Problem, Shared, id,
    keys::{Key, Scope},
    visits::{self, Content},
    wrong_path,
};
use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row, values},
        records,
    },
};
use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A visit in full.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Whole {
    pub store: String,
    pub visit: String,
    #[serde(flatten)]
    pub content: Content,
    pub readings: Vec<Reading>,
    pub comparisons: Vec<Comparison>,
}

/// One metric at one region, closed with its repeats.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reading {
    pub reading: String,
    pub scan: String,
    /// `before` or `after` the treatment
    pub phase: String,
    pub metric: String,
    pub region: String,
    /// As the device gave it: `2.0` is not `2.00`
    pub value: String,
    pub unit: String,
    /// Standard deviation of its repeats
    pub spread: Option<f64>,
    pub repeats: u64,
    /// Protocol, serial number and probe of the device
    pub device: String,
    pub at: String,
    /// It, its scan or its visit was recorded by mistake
    pub voided: bool,
}

/// What was compared together.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Comparison {
    pub comparison: String,
    /// Against what: this visit's before, the last visit, the first
    pub baseline: String,
    pub before_scan: String,
    pub after_scan: String,
    /// So many things were tested together; the limits are corrected for it
    pub tested: u64,
    pub at: String,
    pub voided: bool,
    pub items: Vec<Item>,
}

/// One metric at one region, with its verdict.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Item {
    pub metric: String,
    pub region: String,
    pub unit: String,
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub change: Option<f64>,
    /// Smaller changes are what measuring twice would show anyway: half the length of the error bar
    pub smallest_detectable_change: Option<f64>,
    /// The error bar of the change, from `low` to `high`. Where it holds 0 there is no measurable change
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// `improved`, `worsened`, `none` or `not_comparable`; show the first two alone as a change
    pub verdict: String,
    /// Why it is not comparable
    pub refusal: Option<String>,
    /// For what was measured in photographs
    pub model: Option<String>,
}

/// `GET /stores/{store}/visits/{visit}`
pub async fn one(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Whole>, Problem> {
    let Path((store, visit)) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::VisitsRead, &store)?;
    id("visit", &visit)?;
    let (at, who) = (Arc::clone(&crm), key.giver());
    let found = crm.database.ask(move |engine| {
        let found = whole(engine, store, visit)?;
        if let Some(Whole { store, visit, .. }) = &found {
            at.looks.note(engine, &who, &format!("{store} {visit}"), clock::now().wall)?;
        }
        Ok(found)
    });
    let found = found.await?;
    let unknown = "this store has no such visit here: check the id; one whose customer withdrew or was erased is gone";
    found.map(Json).ok_or_else(|| Problem::not_found("no-such-visit", unknown))
}

fn whole(engine: &mut dyn Engine, store: String, visit: String) -> Result<Option<Whole>, HqError> {
    if !records::are_whole(engine, &store)? {
        return Err(HqError::Remaking);
    }
    let Some(content) = visits::content(engine, &store, &visit)? else { return Ok(None) };
    let readings = readings(engine, &store, &visit)?;
    let comparisons = comparisons(engine, &store, &visit)?;
    Ok(Some(Whole { store, visit, content, readings, comparisons }))
}

/// What belongs to the visit now: of its own scans those that were not moved away, and those that were moved here.
fn readings(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Vec<Reading>, HqError> {
    let rows = engine.query(
        "SELECT r.reading, r.scan, r.phase, r.metric, r.region, r.value, r.unit, r.spread, r.repeats, r.protocol, r.serial, r.probe,
             f.at_ms, r.voided
         FROM readings r JOIN reading_facts f ON f.n = r.n
         WHERE r.store = ?1 AND r.visit = ?2 AND r.n IN (
             SELECT n FROM reading_facts WHERE store = ?1 AND visit = ?2
             UNION SELECT o.n FROM now_moved m JOIN reading_facts o ON o.scan = m.id AND o.store = m.store
                 WHERE m.store = ?1 AND m.visit = ?2)
         ORDER BY f.at_ms, r.n",
        values![store, visit],
    )?;
    rows.iter().map(Reading::from_row).collect()
}

impl Reading {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let [protocol, serial, probe] = [row.get::<String>(9)?, row.get(10)?, row.get(11)?];
        Ok(Self {
            reading: row.get(0)?,
            scan: row.get(1)?,
            phase: row.get(2)?,
            metric: row.get(3)?,
            region: row.get(4)?,
            value: row.get(5)?,
            unit: row.get(6)?,
            spread: row.get(7)?,
            repeats: row.get(8)?,
            device: format!("{protocol} {serial} / {probe}"),
            at: Timestamp::from_unix_ms(row.get(12)?).to_string(),
            voided: row.get(13)?,
        })
    }
}

fn comparisons(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Vec<Comparison>, HqError> {
    let rows = engine.query(
        "SELECT c.comparison, c.baseline, c.before_scan, c.after_scan, c.tested,
             (SELECT min(f.at_ms) FROM comparison_facts f WHERE f.n = c.n) AS at_ms, c.voided, c.n,
             c.metric, c.region, c.unit, c.before_value, c.after_value, c.change, c.smallest_detectable_change, c.verdict, c.refusal,
             c.model
         FROM comparisons c WHERE c.store = ?1 AND c.visit = ?2 ORDER BY c.n, c.metric, c.region",
        values![store, visit],
    )?;
    let (mut found, mut event) = (Vec::<Comparison>::new(), None);
    for row in &rows {
        let n: i64 = row.get(7)?;
        if event != Some(n) {
            event = Some(n);
            found.push(Comparison {
                comparison: row.get(0)?,
                baseline: row.get(1)?,
                before_scan: row.get(2)?,
                after_scan: row.get(3)?,
                tested: row.get(4)?,
                at: Timestamp::from_unix_ms(row.get(5)?).to_string(),
                voided: row.get(6)?,
                items: Vec::new(),
            });
        }
        if let Some(comparison) = found.last_mut() {
            comparison.items.push(Item::from_row(row)?);
        }
    }
    Ok(found)
}

impl Item {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let (change, smallest): (Option<f64>, Option<f64>) = (row.get(13)?, row.get(14)?);
        let bar = |sign: f64| change.zip(smallest).map(|(change, smallest)| change + sign * smallest);
        Ok(Self {
            metric: row.get(8)?,
            region: row.get(9)?,
            unit: row.get(10)?,
            before: row.get(11)?,
            after: row.get(12)?,
            change,
            smallest_detectable_change: smallest,
            low: bar(-1.0),
            high: bar(1.0),
            verdict: row.get(15)?,
            refusal: row.get(16)?,
            model: row.get(17)?,
        })
    }
}
