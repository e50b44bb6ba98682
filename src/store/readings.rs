//! Closed readings: one metric × region of a scan with its repeats, and one event each.

use super::{
    Store,
    columns::{self, Flags, int},
    devices,
    error::{StoreError, found},
    outbox::{self, About, Gate},
    repeats, scans,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        ReadingId, Region, ScanId, VisitId,
        device::DeviceIdentity,
        reading::{Reading, Repeat},
        scan::ScanState,
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn load(conn: &Connection, id: ReadingId) -> Result<Reading, StoreError> {
    let row = conn
        .prepare_cached(
            "SELECT r.scan, r.metric, r.region, r.unit, r.value, r.spread, r.boot, r.ns, r.ms, r.clock,
             d.protocol, d.protocol_version, d.serial, d.probe, d.firmware
             FROM readings r JOIN devices d ON d.n = r.device WHERE r.id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Reading {
                id,
                scan: row.get(0)?,
                metric: row.get(1)?,
                region: row.get(2)?,
                unit: row.get(3)?,
                value: row.get(4)?,
                spread: row.get(5)?,
                repeats: Vec::new(),
                device: columns::device(row, 10)?,
                closed: columns::stamp(row, 6)?,
            })
        });
    let reading = found(row, "reading", id)?;
    let stored = repeats::select(conn, "WHERE r.reading = ?1 ORDER BY r.n", [id])?;
    Ok(Reading { repeats: stored.into_iter().map(|one| one.repeat).collect(), ..reading })
}

/// Readings of a scan in the order they were closed, with whether they are struck out.
pub(super) fn of_scan(conn: &Connection, scan: ScanId) -> Result<Vec<(Reading, bool)>, StoreError> {
    let ids: Vec<(ReadingId, bool)> = conn
        .prepare_cached("SELECT id, voided FROM readings WHERE scan = ?1 ORDER BY n")?
        .query_map([scan], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    ids.into_iter().map(|(id, voided)| Ok((load(conn, id)?, voided))).collect()
}

/// An id of a reading of the same metric and region that stands.
pub(super) fn standing(conn: &Connection, reading: &Reading) -> Result<Option<ReadingId>, StoreError> {
    let sql = "SELECT id FROM readings WHERE scan = ?1 AND metric = ?2 AND region = ?3 AND voided = 0 AND id <> ?4";
    let params = params![reading.scan, reading.metric, reading.region, reading.id];
    Ok(conn.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?)
}

fn close(tx: &Tx<'_>, reading: &Reading) -> Result<(), StoreError> {
    let closed_before: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM readings WHERE id = ?1)")?
        .query_row([reading.id], |row| row.get(0))?;
    if closed_before {
        return Ok(());
    }
    let place = scans::place(tx, reading.scan)?;
    if !matches!(place.state, ScanState::Running | ScanState::Paused) {
        let (state, remedy) = (place.state.to_string(), "begin a new scan to measure again");
        return Err(StoreError::WrongState { what: "scan", id: reading.scan.to_string(), state, remedy });
    }
    if let Some(other) = standing(tx, reading)? {
        let (metric, region) = (&reading.metric, reading.region);
        return Err(StoreError::Refused(format!(
            "{metric} at {region} was closed already as {other}; void that one first"
        )));
    }
    insert(tx, reading)?;
    faults::point("store.reading.row_written");
    adopt_repeats(tx, reading)?;
    faults::point("store.reading.repeats_adopted");
    tell(tx, reading, &place)
}

/// The same values at another region, as a reading of its own: the one they were told as before is struck out by the caller.
pub(super) fn anew(tx: &Tx<'_>, of: ReadingId, region: Region) -> Result<(), StoreError> {
    let id = clock::mint(ReadingId::from_bits);
    let new = Reading { id, region, closed: clock::now(), ..load(tx, of)? };
    insert(tx, &new)?;
    tx.execute("UPDATE repeats SET reading = ?2, region = ?3 WHERE reading = ?1", params![of, id, region])?;
    tell(tx, &new, &scans::place(tx, new.scan)?)
}

fn insert(tx: &Tx<'_>, reading: &Reading) -> Result<(), StoreError> {
    let Reading { id, scan, metric, region, unit, value, spread, repeats: _, device, closed } = reading;
    let device = devices::row(tx, device)?;
    tx.prepare_cached(
        "INSERT INTO readings (id, scan, metric, region, unit, value, spread, device, told, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        id,
        scan,
        metric,
        region,
        unit,
        value,
        spread,
        device,
        closed.boot,
        int(closed.monotonic_ns),
        closed.wall,
        closed.clock
    ])?;
    Ok(())
}

/// Ties the repeats to the reading, with the flags it gave them. Every one must be this scan's and free.
fn adopt_repeats(tx: &Tx<'_>, reading: &Reading) -> Result<(), StoreError> {
    if reading.repeats.is_empty() {
        return Err(StoreError::Refused("a reading without repeats is none".to_owned()));
    }
    let mut update = tx.prepare_cached(
        "UPDATE repeats SET reading = ?2, flags = ?3, region = ?4
         WHERE id = ?1 AND scan = ?5 AND metric = ?6 AND reading IS NULL",
    )?;
    for repeat in &reading.repeats {
        let flags = Flags(repeat.flags.clone());
        if update.execute(params![repeat.id, reading.id, flags, reading.region, reading.scan, reading.metric])? != 1 {
            let id = repeat.id;
            return Err(StoreError::Refused(format!("repeat {id} is no free {} of this scan", reading.metric)));
        }
    }
    Ok(())
}

fn tell(tx: &Tx<'_>, reading: &Reading, place: &scans::Place) -> Result<(), StoreError> {
    let about = About {
        kind: kind::READING,
        gate: Gate::Numbers,
        customer: Some(place.customer),
        visit: Some(place.visit),
        object: reading.id.bits(),
        subject: place.visit.to_string(),
        stamp: reading.closed,
    };
    if outbox::enqueue(tx, &about, &told(reading, place))? {
        tx.prepare_cached("UPDATE readings SET told = 1 WHERE id = ?1")?.execute([reading.id])?;
    }
    Ok(())
}

/// Enqueues what of this visit HQ was not told. The consent is looked up again for each.
pub(super) fn tell_untold(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let ids: Vec<ReadingId> = tx
        .prepare_cached(
            "SELECT r.id FROM readings r JOIN scans s ON s.id = r.scan
             WHERE s.visit = ?1 AND r.told = 0 AND r.voided = 0 AND s.state <> 'voided' ORDER BY r.n",
        )?
        .query_map([visit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in ids {
        let reading = load(tx, id)?;
        tell(tx, &reading, &scans::place(tx, reading.scan)?)?;
    }
    Ok(())
}

fn told(reading: &Reading, place: &scans::Place) -> payload::Reading {
    let Reading { id, scan, metric, region, unit, value, spread, repeats, device, closed: _ } = reading;
    payload::Reading {
        reading: id.to_string(),
        visit: place.visit.to_string(),
        scan: scan.to_string(),
        phase: place.phase.to_string(),
        metric: metric.to_string(),
        region: region.to_string(),
        value: value.to_string(),
        unit: unit.clone(),
        spread: *spread,
        repeats: repeats.iter().map(told_repeat).collect(),
        device: told_device(device),
    }
}

fn told_repeat(repeat: &Repeat) -> payload::Repeat {
    let Repeat { id, value, flags, device_counter, taken } = repeat;
    payload::Repeat {
        repeat: id.to_string(),
        value: value.to_string(),
        flags: flags.iter().map(ToString::to_string).collect(),
        counter: *device_counter,
        time: taken.wall.to_string(),
        clock: taken.clock.to_string(),
        monotonicns: taken.monotonic_ns.to_string(),
    }
}

fn told_device(device: &DeviceIdentity) -> payload::Device {
    let DeviceIdentity { protocol, protocol_version, serial, probe, firmware } = device.clone();
    payload::Device { protocol, protocol_version, serial, probe, firmware }
}

impl Store {
    /// Closes a metric × region: the reading, its repeats' flags and its event become true together. Closing the same id
    /// again changes nothing.
    ///
    /// # Errors
    /// When the scan has ended, the same metric × region is closed already and stands, or a repeat is not the scan's own.
    pub async fn close_reading(&self, reading: Reading) -> Result<(), StoreError> {
        self.write(move |tx| close(tx, &reading)).await
    }

    pub async fn reading(&self, id: ReadingId) -> Result<Reading, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }
}
