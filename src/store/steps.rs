//! Steps of a scan that were left out, and regions that are measured again.

use super::{
    Store,
    corrections::{Thing, Why, strike},
    error::StoreError,
    scans, visits,
    writer::Tx,
};
use crate::{
    domain::{ReadingId, Region, ScanId, scan::ScanState},
    faults,
};
use rusqlite::{Connection, params};

/// Regions with a step that was left out.
pub(super) fn skipped(conn: &Connection, scan: ScanId) -> Result<Vec<Region>, StoreError> {
    let sql = "SELECT DISTINCT region FROM scan_steps WHERE scan = ?1 AND skipped = 1";
    let mut select = conn.prepare_cached(sql)?;
    Ok(select.query_map([scan], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn set_skipped(tx: &Tx<'_>, scan: ScanId, region: Region, skipped: bool) -> Result<(), StoreError> {
    let sql = "UPDATE scan_steps SET skipped = ?3 WHERE scan = ?1 AND region = ?2";
    tx.prepare_cached(sql)?.execute(params![scan, region, skipped])?;
    Ok(())
}

fn require_under_way(tx: &Tx<'_>, scan: ScanId) -> Result<scans::Place, StoreError> {
    let place = scans::place(tx, scan)?;
    if matches!(place.state, ScanState::Running | ScanState::Paused) {
        return Ok(place);
    }
    let (state, remedy) = (place.state.to_string(), "begin a new scan to measure again");
    Err(StoreError::WrongState { what: "scan", id: scan.to_string(), state, remedy })
}

/// Values that wait to be closed count no more; closed readings are struck out, and HQ is told.
fn supersede(tx: &Tx<'_>, scan: ScanId, region: Region, staff: &str) -> Result<(), StoreError> {
    let place = require_under_way(tx, scan)?;
    tx.prepare_cached("UPDATE repeats SET dismissed = 1 WHERE scan = ?1 AND region = ?2 AND reading IS NULL")?
        .execute(params![scan, region])?;
    let standing: Vec<ReadingId> = tx
        .prepare_cached("SELECT id FROM readings WHERE scan = ?1 AND region = ?2 AND voided = 0")?
        .query_map(params![scan, region], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    faults::point("store.region.superseded");
    let why = Why { staff: staff.to_owned(), reason: "measured again".to_owned() };
    for reading in standing {
        strike(tx, Thing::Reading(reading), false, &why)?;
    }
    set_skipped(tx, scan, region, false)?;
    visits::touch(tx, place.visit)
}

impl Store {
    /// Leaves out what is missing at a region of a scan that runs or pauses.
    pub async fn skip_region(&self, scan: ScanId, region: Region) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = require_under_way(tx, scan)?;
            set_skipped(tx, scan, region, true)?;
            visits::touch(tx, place.visit)
        })
        .await
    }

    /// A region is measured again: what was measured there stays stored and counts no more.
    pub async fn supersede_region(&self, scan: ScanId, region: Region, staff: String) -> Result<(), StoreError> {
        self.write(move |tx| supersede(tx, scan, region, &staff)).await
    }
}
