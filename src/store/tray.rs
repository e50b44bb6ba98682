//! The tray: values that came unasked. A person says whose they are; no device ever does.

use super::{
    Store, audit,
    error::StoreError,
    repeats::{self, StoredRepeat},
    scans,
    writer::Tx,
};
use crate::{
    domain::{Region, RepeatId, ScanId, scan::ScanState},
    faults,
};
use rusqlite::params;

fn bind(tx: &Tx<'_>, repeat: RepeatId, scan: ScanId, region: Region, who: &str) -> Result<StoredRepeat, StoreError> {
    let place = scans::place(tx, scan)?;
    if !matches!(place.state, ScanState::Running | ScanState::Paused) {
        let (state, remedy) = (place.state.to_string(), "bind the value to a scan that runs");
        return Err(StoreError::WrongState { what: "scan", id: scan.to_string(), state, remedy });
    }
    let standing = "SELECT EXISTS (SELECT 1 FROM readings g JOIN repeats r ON r.metric = g.metric
        WHERE r.id = ?1 AND r.scan IS NULL AND g.scan = ?2 AND g.region = ?3 AND g.voided = 0)";
    if tx.query_row(standing, params![repeat, scan, region], |row| row.get(0))? {
        return Err(StoreError::Refused(format!(
            "{region} is measured already; measure it again to replace its values"
        )));
    }
    let mixed = "SELECT EXISTS (SELECT 1 FROM repeats r JOIN repeats o ON o.metric = r.metric AND o.device <> r.device
        WHERE r.id = ?1 AND o.scan = ?2 AND o.region = ?3 AND o.reading IS NULL AND o.dismissed = 0)";
    if tx.query_row(mixed, params![repeat, scan, region], |row| row.get(0))? {
        return Err(StoreError::Refused(format!(
            "the values at {region} are of another device; measure the region again with one of the two"
        )));
    }
    let changed = tx.execute(
        "UPDATE repeats SET scan = ?2, region = ?3 WHERE id = ?1 AND scan IS NULL AND dismissed = 0",
        params![repeat, scan, region],
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound { what: "value in the tray", id: repeat.to_string() });
    }
    faults::point("store.tray.bound");
    audit::note(tx, who, "tray.bound", Some(place.customer), &repeat.to_string())?;
    let mut bound = repeats::select(tx, "WHERE r.id = ?1", [repeat])?;
    bound.pop().ok_or_else(|| StoreError::NotFound { what: "repeat", id: repeat.to_string() })
}

impl Store {
    /// What lies in the tray of a station, oldest first.
    pub async fn tray(&self, station: String) -> Result<Vec<StoredRepeat>, StoreError> {
        self.read(move |conn| {
            repeats::select(conn, "WHERE r.station = ?1 AND r.scan IS NULL AND r.dismissed = 0 ORDER BY r.n", [station])
        })
        .await
    }

    /// Gives a value from the tray to a scan that runs or pauses.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the region has its reading already, or open values of another device: one reading never
    /// mixes two.
    pub async fn bind(
        &self,
        repeat: RepeatId,
        scan: ScanId,
        region: Region,
        who: String,
    ) -> Result<StoredRepeat, StoreError> {
        self.write(move |tx| bind(tx, repeat, scan, region, &who)).await
    }

    /// Takes a value out of the tray without giving it to anyone; it stays stored.
    pub async fn dismiss(&self, repeat: RepeatId, who: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE repeats SET dismissed = 1 WHERE id = ?1 AND scan IS NULL";
            if tx.execute(sql, [repeat])? == 0 {
                return Err(StoreError::NotFound { what: "value in the tray", id: repeat.to_string() });
            }
            faults::point("store.tray.dismissed");
            audit::note(tx, &who, "tray.dismissed", None, &repeat.to_string())
        })
        .await
    }
}
