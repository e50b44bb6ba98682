//! What the service sheet holds beside answers and ticks: how a step was done (device, products, remarks), and the customer's
//! signatures before and after.

use super::{Store, audit, error::StoreError, visits, writer::Tx};
use crate::{
    clock,
    domain::{
        Timestamp, VisitId,
        scan::Phase,
        treatment::{Noted, Used},
        visit::Visit,
    },
};
use rusqlite::{Connection, Row, params, types::Type};
use std::collections::BTreeMap;

/// What was noted of the step of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNote {
    pub step: String,
    pub noted: Noted,
}

/// When the customer signed before or after the treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    pub phase: Phase,
    pub at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StepNote> {
    let text: String = row.get(3)?;
    let pairs: Vec<(String, String)> = serde_json::from_str(&text)
        .map_err(|fault| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, Box::new(fault)))?;
    Ok(StepNote {
        step: row.get(0)?,
        noted: Noted {
            level: row.get(1)?,
            setting: row.get(2)?,
            products: pairs.into_iter().map(|(product, batch)| Used { product, batch }).collect(),
            remark: row.get(4)?,
        },
    })
}

pub(super) fn notes(conn: &Connection, visit: VisitId) -> Result<Vec<StepNote>, StoreError> {
    let sql = "SELECT step, level, setting, products, remark FROM step_notes WHERE visit = ?1 ORDER BY step";
    let mut select = conn.prepare_cached(sql)?;
    Ok(select.query_map([visit], from_row)?.collect::<Result<_, _>>()?)
}

pub(super) fn signed(conn: &Connection, visit: VisitId) -> Result<Vec<Signed>, StoreError> {
    let mut select = conn.prepare_cached("SELECT phase, ms FROM signatures WHERE visit = ?1 ORDER BY ms")?;
    let rows = select.query_map([visit], |row| Ok(Signed { phase: row.get(0)?, at: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// In the transaction of what is signed for.
pub(super) fn sign(tx: &Tx<'_>, visit: &Visit, phase: Phase, strokes: &str, who: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO signatures (visit, phase, strokes, ms, staff) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (visit, phase) DO UPDATE SET strokes = ?3, ms = ?4, staff = ?5",
        params![visit.id, phase, strokes, clock::now().wall, who],
    )?;
    audit::note(tx, who, "sheet.signed", Some(visit.customer), phase.as_str())
}

fn note(tx: &Tx<'_>, visit: &Visit, step: &str, noted: &Noted, who: &str) -> Result<(), StoreError> {
    if !visit.steps.iter().any(|done| done == step) {
        return Err(StoreError::Refused(format!("the step {step:?} is not ticked in this visit")));
    }
    let Noted { level, setting, products, remark } = noted;
    let pairs: Vec<(&str, &str)> = products.iter().map(|used| (used.product.as_str(), used.batch.as_str())).collect();
    let pairs = serde_json::to_string(&pairs).expect("texts");
    tx.execute(
        "INSERT INTO step_notes (visit, step, level, setting, products, remark, ms, staff)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (visit, step) DO UPDATE SET level = ?3, setting = ?4, products = ?5, remark = ?6, ms = ?7, staff = ?8",
        params![visit.id, step, level, setting, pairs, remark, clock::now().wall, who],
    )?;
    for used in products.iter().filter(|used| !used.batch.is_empty()) {
        let sql = "INSERT INTO batches (product, batch) VALUES (?1, ?2) ON CONFLICT (product) DO UPDATE SET batch = ?2";
        tx.prepare_cached(sql)?.execute(params![used.product, used.batch])?;
    }
    visits::touch(tx, visit.id)?;
    audit::note(tx, who, "step.noted", Some(visit.customer), &visit.id.to_string())
}

impl Store {
    /// Notes how a step of an open visit was done; what was noted of it before is replaced. The visit gets its next version.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a step that is not ticked.
    pub async fn note_step(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        step: String,
        noted: Noted,
        who: String,
    ) -> Result<Visit, StoreError> {
        self.write(move |tx| {
            let open = visits::expect_open(tx, visit, expected)?;
            note(tx, &open, &step, &noted, &who)?;
            visits::load(tx, visit)
        })
        .await
    }

    /// What was noted of the steps of a visit, of those too whose tick was taken back.
    pub async fn step_notes(&self, visit: VisitId) -> Result<Vec<StepNote>, StoreError> {
        self.read(move |conn| notes(conn, visit)).await
    }

    /// When the customer signed.
    pub async fn signed(&self, visit: VisitId) -> Result<Vec<Signed>, StoreError> {
        self.read(move |conn| signed(conn, visit)).await
    }

    /// Of each product the batch that was noted last.
    pub async fn batches(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached("SELECT product, batch FROM batches")?;
            Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
