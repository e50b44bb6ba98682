//! Single values from devices, durable at once: the hot path of the store.
//!
//! A device sends a measurement again when it missed our acknowledgement, so a value may arrive twice. It is known by
//! device, counter, metric, value and its place among the values of the measurement; but counters restart with the device
//! and are not unique for ever. So it counts as sent again when the twin came just before ([`soon_after`]), or when nothing
//! else came from that device since: it still waits for our word, however long the gateway was away. The wall clock has no
//! part in it. A device that began anew after a single measurement and finds the very same value cannot be told from one
//! that waits; a beautician's scan then asks it once more. One without a counter cannot be told from one that measured the
//! same value twice; nothing is dropped then.

use super::{
    Store,
    columns::{self, Flags, int},
    devices,
    error::StoreError,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        BootId, Quantity, ReadingId, Region, RepeatId, ScanId, Stamp,
        device::DeviceIdentity,
        metric::MetricId,
        reading::{QualityFlag, Repeat},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Longer than any device waits before it sends again, shorter than switching it off, on, and measuring as far again.
const SENT_AGAIN_SOON: Duration = Duration::from_secs(15);

/// A value just accepted from a device.
#[derive(Debug, Clone)]
pub struct NewRepeat {
    pub station: String,
    /// The running scan it belongs to; `None` for the tray.
    pub scan: Option<ScanId>,
    pub metric: MetricId,
    /// Where it was measured, as far as anyone knows.
    pub region: Option<Region>,
    pub value: Quantity,
    pub unit: String,
    pub flags: Vec<QualityFlag>,
    pub device: DeviceIdentity,
    /// The device's own running number, where it has one.
    pub device_counter: Option<u64>,
    /// Which value of its measurement it is, from 0.
    pub nth: u16,
    pub taken: Stamp,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub id: RepeatId,
    /// It had been recorded before: the device sent it again. The id is that of the first.
    pub again: bool,
    /// It lies in the tray: no scan was named, or that scan does not run any more.
    pub in_tray: bool,
}

/// A value with everything the store knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRepeat {
    pub repeat: Repeat,
    pub station: String,
    pub scan: Option<ScanId>,
    /// The reading it was closed into.
    pub reading: Option<ReadingId>,
    pub metric: MetricId,
    pub region: Option<Region>,
    pub unit: String,
    pub device: DeviceIdentity,
}

const SELECT: &str =
    "SELECT r.id, r.value, r.flags, r.counter, r.boot, r.ns, r.ms, r.clock, r.station, r.scan, r.reading,
    r.metric, r.region, r.unit, d.protocol, d.protocol_version, d.serial, d.probe, d.firmware
    FROM repeats r JOIN devices d ON d.n = r.device";

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredRepeat> {
    let repeat = Repeat {
        id: row.get(0)?,
        value: row.get(1)?,
        flags: row.get::<_, Flags>(2)?.0,
        device_counter: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
        taken: columns::stamp(row, 4)?,
    };
    Ok(StoredRepeat {
        repeat,
        station: row.get(8)?,
        scan: row.get(9)?,
        reading: row.get(10)?,
        metric: row.get(11)?,
        region: row.get(12)?,
        unit: row.get(13)?,
        device: columns::device(row, 14)?,
    })
}

pub(super) fn select(
    conn: &Connection,
    rest: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<StoredRepeat>, StoreError> {
    let mut select = conn.prepare_cached(&format!("{SELECT} {rest}"))?;
    Ok(select.query_map(params, from_row)?.collect::<Result<_, _>>()?)
}

fn record(tx: &Tx<'_>, new: &NewRepeat) -> Result<Recorded, StoreError> {
    let device = match new.device_counter {
        None => devices::row(tx, &new.device)?,
        Some(counter) => {
            let (device, beyond) = devices::counts_on(tx, &new.device, counter)?;
            if !beyond && let Some(known) = sent_before(tx, device, counter, new)? {
                return Ok(known);
            }
            device
        }
    };
    let scan = match new.scan {
        Some(scan) if devices::runs(tx, scan)? => Some(scan),
        _ => None,
    };
    let (id, taken) = (clock::mint(RepeatId::from_bits), new.taken);
    tx.prepare_cached(
        "INSERT INTO repeats (id, station, scan, metric, region, unit, value, flags, device, counter, boot, ns, ms, clock,
         nth) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        id,
        new.station,
        scan,
        new.metric,
        new.region,
        new.unit,
        new.value,
        Flags(new.flags.clone()),
        device,
        new.device_counter.map(int),
        taken.boot,
        int(taken.monotonic_ns),
        taken.wall,
        taken.clock,
        new.nth
    ])?;
    Ok(Recorded { id, again: false, in_tray: scan.is_none() })
}

fn sent_before(tx: &Tx<'_>, device: i64, counter: u64, new: &NewRepeat) -> Result<Option<Recorded>, StoreError> {
    let twin = tx
        .prepare_cached(
            "SELECT n, id, scan IS NULL, boot, ns FROM repeats WHERE device = ?1 AND counter = ?2 AND metric = ?3
             AND value = ?4 AND (nth = ?5 OR nth IS NULL) ORDER BY n DESC LIMIT 1",
        )?
        .query_row(params![device, int(counter), new.metric, new.value, new.nth], |row| {
            let known = Recorded { id: row.get(1)?, again: true, in_tray: row.get(2)? };
            Ok((row.get::<_, i64>(0)?, known, (row.get(3)?, columns::uint(row, 4)?)))
        })
        .optional()?;
    let Some((n, known, first)) = twin else { return Ok(None) };
    let again = soon_after(first, new.taken) || !measured_since(tx, n, device, counter)?;
    Ok(again.then_some(known))
}

/// The unary plus keeps SQLite on the rows after `n`, of which there are few when a device really sends again.
fn measured_since(tx: &Tx<'_>, n: i64, device: i64, counter: u64) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM repeats WHERE n > ?1 AND +device = ?2 AND +counter <> ?3)";
    Ok(tx.prepare_cached(sql)?.query_row(params![n, device, int(counter)], |row| row.get(0))?)
}

/// Whether `taken` is within [`SENT_AGAIN_SOON`] of a moment of the same start of the machine. Across two starts only the wall
/// clock could say, and it may be wrong.
pub(super) fn soon_after((boot, monotonic_ns): (BootId, u64), taken: Stamp) -> bool {
    boot == taken.boot && Duration::from_nanos(taken.monotonic_ns.abs_diff(monotonic_ns)) <= SENT_AGAIN_SOON
}

impl Store {
    /// Makes one value durable. When this returns `Ok`, the device and the page may be told.
    ///
    /// A value named for a scan that does not run any more goes to the tray: nothing measured is dropped.
    pub async fn record_repeat(&self, repeat: NewRepeat) -> Result<Recorded, StoreError> {
        self.write_one(move |tx| record(tx, &repeat)).await
    }

    /// As [`Self::record_repeat`], for all values of one measurement: all of them become durable, or none.
    pub async fn record_repeats(&self, repeats: Vec<NewRepeat>) -> Result<Vec<Recorded>, StoreError> {
        match <[NewRepeat; 1]>::try_from(repeats) {
            Ok([one]) => Ok(vec![self.record_repeat(one).await?]),
            Err(many) => self.write(move |tx| many.iter().map(|repeat| record(tx, repeat)).collect()).await,
        }
    }
}
