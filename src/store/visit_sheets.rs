//! What is asked and said in a visit, when its steps were ticked, and the conditions of its scans.

use super::{
    Store, audit,
    columns::Texts,
    customers,
    error::StoreError,
    outbox::{self, About, Gate},
    reports, scans, step_notes, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CustomerId, ScanId, Timestamp, VisitId,
        scan::Phase,
        sheet::{Conditions, Sheet},
        treatment::{Noted, Used},
        visit::{Visit, VisitState},
    },
    sync::payload::{self, kind},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day, treatment";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Sheet> {
    Ok(Sheet {
        skin_state: row.get(0)?,
        make_up: row.get(1)?,
        washed_min: row.get(2)?,
        wishes: row.get(3)?,
        passed: row.get::<_, Texts>(4)?.0,
        stars: row.get(5)?,
        remark: row.get(6)?,
        next_day: row.get(7)?,
        treatment: row.get(8)?,
    })
}

pub(super) fn load(conn: &Connection, visit: VisitId) -> Result<Sheet, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM sheets WHERE visit = ?1"))?;
    Ok(select.query_row([visit], from_row).optional()?.unwrap_or_default())
}

fn save(tx: &Tx<'_>, visit: VisitId, sheet: &Sheet, who: &str) -> Result<(), StoreError> {
    let Sheet { skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day, treatment } = sheet;
    tx.execute(
        "INSERT INTO sheets (visit, skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day, staff,
         treatment) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (visit) DO UPDATE SET skin_state = ?2, make_up = ?3, washed_min = ?4, wishes = ?5, passed = ?6,
         stars = ?7, remark = ?8, next_day = ?9, staff = ?10, treatment = ?11",
        params![
            visit,
            skin_state,
            make_up,
            washed_min,
            wishes,
            Texts(passed.clone()),
            stars,
            remark,
            next_day,
            who,
            treatment
        ],
    )?;
    visits::touch(tx, visit)
}

/// When a step was ticked, and by whom (a staff number; empty for what older versions kept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    pub step: String,
    pub at: Timestamp,
    pub staff: String,
}

/// Ticks follow the list of steps: a step that appears gets its time and whoever ticked it, one that goes loses them.
pub(super) fn tick(tx: &Tx<'_>, visit: VisitId, steps: &[String], who: &str) -> Result<(), StoreError> {
    let now = clock::now().wall;
    let kept = Texts(steps.to_vec());
    tx.execute(
        "DELETE FROM ticks WHERE visit = ?1 AND step NOT IN (SELECT value FROM json_each(?2))",
        params![visit, kept],
    )?;
    for step in steps {
        tx.prepare_cached("INSERT OR IGNORE INTO ticks (visit, step, ms, staff) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![visit, step, now, who])?;
    }
    Ok(())
}

pub(super) fn ticks(conn: &Connection, visit: VisitId) -> Result<Vec<Tick>, StoreError> {
    let mut select = conn.prepare_cached("SELECT step, ms, staff FROM ticks WHERE visit = ?1 ORDER BY ms, step")?;
    let rows = select.query_map([visit], |row| Ok(Tick { step: row.get(0)?, at: row.get(1)?, staff: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tells HQ of the sheet of a visit that is being closed; of one on which nothing stands there is nothing to tell.
pub(super) fn tell(tx: &Tx<'_>, visit: &Visit) -> Result<(), StoreError> {
    let (sheet, ticks) = (load(tx, visit.id)?, ticks(tx, visit.id)?);
    if sheet == Sheet::default() && ticks.is_empty() {
        return Ok(());
    }
    let staff: Option<String> =
        tx.query_row("SELECT staff FROM sheets WHERE visit = ?1", [visit.id], |row| row.get(0)).optional()?;
    let Sheet { skin_state, make_up, washed_min, wishes, passed: _, stars, remark, next_day, treatment: _ } = sheet;
    let mut notes = step_notes::notes(tx, visit.id)?;
    // A note whose tick was taken back says nothing: the step was not done.
    let step = |tick: Tick| {
        let noted = notes.iter().position(|note| note.step == tick.step).map(|at| notes.swap_remove(at).noted);
        let Noted { level, setting, products, remark } = noted.unwrap_or_default();
        let used = |Used { product, batch }| payload::UsedProduct { product, batch };
        let products = products.into_iter().map(used).collect();
        payload::TickedStep {
            step: tick.step,
            at: tick.at.to_string(),
            staff: tick.staff,
            level,
            setting,
            products,
            remark,
        }
    };
    let payload = payload::ServiceSheet {
        visit: visit.id.to_string(),
        skin_state,
        make_up,
        washed_min,
        wishes,
        steps: ticks.into_iter().map(step).collect(),
        stars,
        remark,
        next_day,
        staff: staff.unwrap_or_default(),
    };
    let about = About {
        kind: kind::SHEET,
        gate: Gate::Numbers,
        customer: Some(visit.customer),
        visit: Some(visit.id),
        object: visit.id.bits(),
        subject: visit.id.to_string(),
        stamp: clock::now(),
    };
    let told = payload.clone().fitted();
    if told != payload {
        tracing::warn!(visit = %visit.id, "the service sheet is too long for one message; headquarters is not told all of its notes");
    }
    outbox::enqueue(tx, &about, &told).map(drop)
}

fn conditions(conn: &Connection, scan: ScanId) -> Result<Option<Conditions>, StoreError> {
    let sql = "SELECT probe_wiped, rested_min, washed_min, celsius, humidity, climate_by, calibrated FROM conditions
        WHERE scan = ?1";
    let found = conn.prepare_cached(sql)?.query_row([scan], |row| {
        Ok(Conditions {
            probe_wiped: row.get(0)?,
            rested_min: row.get(1)?,
            washed_min: row.get(2)?,
            celsius: row.get(3)?,
            humidity: row.get(4)?,
            climate_by: row.get(5)?,
            calibrated: row.get(6)?,
        })
    });
    Ok(found.optional()?)
}

impl Store {
    /// What was asked and said in a visit so far.
    pub async fn sheet(&self, visit: VisitId) -> Result<Sheet, StoreError> {
        self.read(move |conn| load(conn, visit)).await
    }

    /// Changes the sheet of an open visit as `change` says; the visit gets its next version, the sheet whoever wrote.
    pub async fn write_sheet(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        change: impl FnOnce(Sheet) -> Sheet + Send + 'static,
        who: String,
    ) -> Result<Visit, StoreError> {
        self.write_and_sign(visit, expected, change, Vec::new(), who).await
    }

    /// The same with what the customer signed for it: SVG path data, before the treatment or after it.
    pub async fn write_and_sign(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        change: impl FnOnce(Sheet) -> Sheet + Send + 'static,
        signatures: Vec<(Phase, String)>,
        who: String,
    ) -> Result<Visit, StoreError> {
        self.write(move |tx| {
            let open = visits::expect_open(tx, visit, expected)?;
            let sheet = change(load(tx, visit)?);
            save(tx, visit, &sheet, &who)?;
            for (phase, strokes) in &signatures {
                step_notes::sign(tx, &open, *phase, strokes, &who)?;
            }
            reports::settle(tx, visit)?;
            audit::note(tx, &who, "sheet.written", Some(open.customer), &visit.to_string())?;
            visits::load(tx, visit)
        })
        .await
    }

    /// The sheet of the person's last visit before this one that was not struck out: what to fill in beforehand.
    pub async fn last_sheet(&self, customer: CustomerId, but: VisitId) -> Result<Option<Sheet>, StoreError> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT {COLUMNS} FROM sheets JOIN visits v ON v.id = visit
                 WHERE v.customer IN {} AND v.id <> ?2 AND v.state <> ?3 ORDER BY v.n DESC LIMIT 1",
                customers::PERSON
            );
            let mut select = conn.prepare_cached(&sql)?;
            Ok(select.query_row(params![customer, but, VisitState::Voided], from_row).optional()?)
        })
        .await
    }

    /// When each step was ticked, and by whom.
    pub async fn ticks(&self, visit: VisitId) -> Result<Vec<Tick>, StoreError> {
        self.read(move |conn| ticks(conn, visit)).await
    }

    /// Records under what conditions a scan is taken; asked again, the last word counts and the log says so.
    pub async fn set_conditions(&self, scan: ScanId, now: Conditions, who: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = scans::place(tx, scan)?;
            let Conditions { probe_wiped, rested_min, washed_min, celsius, humidity, climate_by, calibrated } = now;
            tx.execute(
                "INSERT INTO conditions
                 (scan, probe_wiped, rested_min, washed_min, celsius, humidity, climate_by, calibrated)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (scan) DO UPDATE SET probe_wiped = ?2, rested_min = ?3, washed_min = ?4, celsius = ?5,
                 humidity = ?6, climate_by = ?7, calibrated = ?8",
                params![scan, probe_wiped, rested_min, washed_min, celsius, humidity, climate_by, calibrated],
            )?;
            audit::note(tx, &who, "scan.conditions", Some(place.customer), &scan.to_string())
        })
        .await
    }

    pub async fn conditions(&self, scan: ScanId) -> Result<Option<Conditions>, StoreError> {
        self.read(move |conn| conditions(conn, scan)).await
    }
}
