//! What the writer remembers of where values come from and belong: the rows of device identities, how far each device has
//! counted, and which scans run. So a value costs no look-up of its device, one that counts on no search for its twin, and
//! of many values of one commit only the first a look at their scan.

use super::{columns::int, error::StoreError, writer::Tx};
use crate::domain::{ScanId, device::DeviceIdentity};
use rusqlite::OptionalExtension;
use std::{cell::RefCell, collections::HashMap};

/// More identities than a store has devices; beyond, the writer begins to remember anew.
const REMEMBERED: usize = 256;

/// Of the writer alone.
#[derive(Default)]
pub(super) struct Remembered {
    devices: RefCell<HashMap<DeviceIdentity, Known>>,
    running: RefCell<HashMap<ScanId, bool>>,
}

#[derive(Clone, Copy)]
struct Known {
    n: i64,
    /// No value of this device counts further, as the column has it; not looked up yet where `None`.
    counted: Option<i64>,
}

impl Remembered {
    /// Something was rolled back: a row made there does not stand.
    pub(super) fn forget_devices(&self) {
        self.devices.borrow_mut().clear();
    }

    /// Something ran that may have begun or ended a scan.
    pub(super) fn forget_scans(&self) {
        self.running.borrow_mut().clear();
    }
}

/// Whether values of this scan are taken.
pub(super) fn runs(tx: &Tx<'_>, scan: ScanId) -> Result<bool, StoreError> {
    let mut running = tx.remembered().running.borrow_mut();
    if let Some(runs) = running.get(&scan) {
        return Ok(*runs);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM scans WHERE id = ?1 AND state = 'running')";
    let runs = tx.prepare_cached(sql)?.query_row([scan], |row| row.get(0))?;
    running.insert(scan, runs);
    Ok(runs)
}

/// The row of a device identity, made on first sight.
pub(super) fn row(tx: &Tx<'_>, device: &DeviceIdentity) -> Result<i64, StoreError> {
    known(tx, device).map(|known| known.n)
}

/// The row, and whether `counter` lies beyond all that is stored of this device: then nothing is stored with it. It counts as
/// stored from here on.
pub(super) fn counts_on(tx: &Tx<'_>, device: &DeviceIdentity, counter: u64) -> Result<(i64, bool), StoreError> {
    let Known { n, counted } = known(tx, device)?;
    let counted = match counted {
        Some(counted) => counted,
        None => highest(tx, n)?,
    };
    let beyond = int(counter) > counted;
    if let Some(known) = tx.remembered().devices.borrow_mut().get_mut(device) {
        known.counted = Some(counted.max(int(counter)));
    }
    Ok((n, beyond))
}

fn highest(tx: &Tx<'_>, n: i64) -> rusqlite::Result<i64> {
    let sql = "SELECT max(counter) FROM repeats WHERE device = ?1 AND counter IS NOT NULL";
    let highest: Option<i64> = tx.prepare_cached(sql)?.query_row([n], |row| row.get(0))?;
    Ok(highest.unwrap_or(i64::MIN))
}

fn known(tx: &Tx<'_>, device: &DeviceIdentity) -> Result<Known, StoreError> {
    let remembered = tx.remembered().devices.borrow().get(device).copied();
    if let Some(known) = remembered {
        return Ok(known);
    }
    let known = Known { n: find_or_make(tx, device)?, counted: None };
    let mut devices = tx.remembered().devices.borrow_mut();
    if devices.len() >= REMEMBERED {
        devices.clear();
    }
    devices.insert(device.clone(), known);
    Ok(known)
}

fn find_or_make(tx: &Tx<'_>, device: &DeviceIdentity) -> Result<i64, StoreError> {
    let DeviceIdentity { protocol, protocol_version, serial, probe, firmware } = device;
    let known = tx
        .prepare_cached(
            "SELECT n FROM devices WHERE serial = ?1 AND protocol = ?2 AND protocol_version = ?3 AND probe = ?4
             AND firmware = ?5",
        )?
        .query_row([serial, protocol, protocol_version, probe, firmware], |row| row.get(0))
        .optional()?;
    if let Some(n) = known {
        return Ok(n);
    }
    tx.execute(
        "INSERT INTO devices (serial, protocol, protocol_version, probe, firmware) VALUES (?1, ?2, ?3, ?4, ?5)",
        [serial, protocol, protocol_version, probe, firmware],
    )?;
    Ok(tx.last_insert_rowid())
}
