//! What is asked and said in a visit, when its steps were ticked, and the conditions of its scans.

use super::{Store, audit, columns::Texts, customers, error::StoreError, scans, visits, writer::Tx};
use crate::{
    clock,
    domain::{
        CustomerId, ScanId, Timestamp, VisitId,
        sheet::{Conditions, Sheet},
        visit::{Visit, VisitState},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day";

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
    })
}

pub(super) fn load(conn: &Connection, visit: VisitId) -> Result<Sheet, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM sheets WHERE visit = ?1"))?;
    Ok(select.query_row([visit], from_row).optional()?.unwrap_or_default())
}

fn save(tx: &Tx<'_>, visit: VisitId, sheet: &Sheet) -> Result<(), StoreError> {
    let Sheet { skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day } = sheet;
    tx.execute(
        "INSERT INTO sheets (visit, skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (visit) DO UPDATE SET skin_state = ?2, make_up = ?3, washed_min = ?4, wishes = ?5, passed = ?6,
         stars = ?7, remark = ?8, next_day = ?9",
        params![visit, skin_state, make_up, washed_min, wishes, Texts(passed.clone()), stars, remark, next_day],
    )?;
    visits::touch(tx, visit)
}

/// Ticks follow the list of steps: a step that appears gets its time, one that goes loses it.
pub(super) fn tick(tx: &Tx<'_>, visit: VisitId, steps: &[String]) -> Result<(), StoreError> {
    let now = clock::now().wall;
    let kept = Texts(steps.to_vec());
    tx.execute(
        "DELETE FROM ticks WHERE visit = ?1 AND step NOT IN (SELECT value FROM json_each(?2))",
        params![visit, kept],
    )?;
    for step in steps {
        tx.prepare_cached("INSERT OR IGNORE INTO ticks (visit, step, ms) VALUES (?1, ?2, ?3)")?
            .execute(params![visit, step, now])?;
    }
    Ok(())
}

fn conditions(conn: &Connection, scan: ScanId) -> Result<Option<Conditions>, StoreError> {
    let sql = "SELECT probe_wiped, rested_min, washed_min, celsius, humidity FROM conditions WHERE scan = ?1";
    let found = conn.prepare_cached(sql)?.query_row([scan], |row| {
        Ok(Conditions {
            probe_wiped: row.get(0)?,
            rested_min: row.get(1)?,
            washed_min: row.get(2)?,
            celsius: row.get(3)?,
            humidity: row.get(4)?,
        })
    });
    Ok(found.optional()?)
}

impl Store {
    /// What was asked and said in a visit so far.
    pub async fn sheet(&self, visit: VisitId) -> Result<Sheet, StoreError> {
        self.read(move |conn| load(conn, visit)).await
    }

    /// Changes the sheet of an open visit as `change` says; the visit gets its next version.
    pub async fn write_sheet(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        change: impl FnOnce(Sheet) -> Sheet + Send + 'static,
    ) -> Result<Visit, StoreError> {
        self.write(move |tx| {
            visits::expect_open(tx, visit, expected)?;
            let sheet = change(load(tx, visit)?);
            save(tx, visit, &sheet)?;
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

    /// When each step was ticked.
    pub async fn ticks(&self, visit: VisitId) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached("SELECT step, ms FROM ticks WHERE visit = ?1 ORDER BY ms, step")?;
            Ok(select.query_map([visit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Records under what conditions a scan is taken; asked again, the last word counts and the log says so.
    pub async fn set_conditions(&self, scan: ScanId, now: Conditions, who: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = scans::place(tx, scan)?;
            let Conditions { probe_wiped, rested_min, washed_min, celsius, humidity } = now;
            tx.execute(
                "INSERT INTO conditions (scan, probe_wiped, rested_min, washed_min, celsius, humidity)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (scan) DO UPDATE SET probe_wiped = ?2, rested_min = ?3, washed_min = ?4, celsius = ?5,
                 humidity = ?6",
                params![scan, probe_wiped, rested_min, washed_min, celsius, humidity],
            )?;
            audit::note(tx, &who, "scan.conditions", Some(place.customer), &scan.to_string())
        })
        .await
    }

    pub async fn conditions(&self, scan: ScanId) -> Result<Option<Conditions>, StoreError> {
        self.read(move |conn| conditions(conn, scan)).await
    }
}
