//! What the store's own devices measure: the climate of a room, a reference plate, anything that is no customer's. Belongs to
//! no visit, needs no consent, and goes to HQ as it comes. The outbox is its record.
//!
//! A stream may be fast, so it is written in batches: one transaction, one run of numbers, one insert each. A batch is
//! confirmed as a whole or not at all.
//!
//! A device that waits for our word sends a measurement again when it missed it. The last [`REMEMBERED`] of each such device
//! are remembered, so that a repetition is confirmed again and not told twice, also after a restart. What is one follows the
//! rule of [`super::repeats`]; those of one commit may all still wait for our word, so they do not count as later ones.

use super::{
    Store,
    columns::{int, uint},
    devices,
    error::StoreError,
    outbox::{Life, Run, place},
    repeats, rooms,
    writer::Tx,
};
use crate::{
    domain::{
        BootId, Stamp,
        device::DeviceIdentity,
        reading::{MeasuredValue, QualityFlag},
    },
    faults,
    sync::payload::{self, kind},
};
use openssl::sha::Sha256;
use rusqlite::{OptionalExtension, params};
use std::{borrow::Cow, sync::Arc};

/// More than any device keeps unconfirmed.
const REMEMBERED: u64 = 64;

/// A measurement just accepted from a device of the store.
#[derive(Debug, Clone)]
pub struct NewMeasurement {
    pub station: Arc<str>,
    pub device: Arc<DeviceIdentity>,
    /// The device's own running number, where it has one.
    pub counter: Option<u64>,
    /// The device waits for our word and sends again what it did not get one for.
    pub sends_again: bool,
    pub flags: Vec<QualityFlag>,
    pub values: Vec<MeasuredValue>,
    pub taken: Stamp,
}

impl Store {
    /// Makes measurements durable and enqueues one event for each, in their order. When this returns `Ok`, the devices and the
    /// pages may be told. Says how many had been recorded before: their devices sent them again.
    pub async fn record_measurements(&self, batch: Arc<[NewMeasurement]>) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let new = new_ones(tx, &batch)?;
            enqueue(tx, &new)?;
            for one in &new {
                let at = one.taken.wall;
                rooms::note(tx, &one.station, &one.device, one.values.iter().map(|value| (value, at)))?;
            }
            faults::point("store.measurements.written");
            Ok(batch.len() - new.len())
        })
        .await
    }
}

/// Those that are no repetitions.
fn new_ones<'b>(tx: &Tx<'_>, batch: &'b [NewMeasurement]) -> Result<Vec<&'b NewMeasurement>, StoreError> {
    let mut new = Vec::with_capacity(batch.len());
    let life = Life::present(tx)?;
    let run = place(life.n, life.last_seq + 1);
    for one in batch {
        let again = match one.counter.filter(|_| one.sends_again) {
            Some(counter) => came_before(tx, one, counter, run)?,
            None => false,
        };
        if !again {
            new.push(one);
        }
    }
    Ok(new)
}

/// Whether this very measurement was recorded before; remembers it if not.
fn came_before(tx: &Tx<'_>, one: &NewMeasurement, counter: u64, run: i64) -> Result<bool, StoreError> {
    let (device, slot, digest) = (devices::row(tx, &one.device)?, int(counter % REMEMBERED), digest(one));
    let twin: Option<((BootId, u64), i64)> = tx
        .prepare_cached(
            "SELECT boot, ns, run FROM measured WHERE device = ?1 AND slot = ?2 AND counter = ?3 AND digest = ?4",
        )?
        .query_row(params![device, slot, int(counter), digest], |row| Ok(((row.get(0)?, uint(row, 1)?), row.get(2)?)))
        .optional()?;
    if let Some((first, run)) = twin
        && (repeats::soon_after(first, one.taken) || !measured_since(tx, device, run)?)
    {
        return Ok(true);
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO measured (device, slot, counter, digest, boot, ns, run)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![device, slot, int(counter), digest, one.taken.boot, int(one.taken.monotonic_ns), run])?;
    Ok(false)
}

fn measured_since(tx: &Tx<'_>, device: i64, run: i64) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM measured WHERE device = ?1 AND run > ?2)";
    Ok(tx.prepare_cached(sql)?.query_row(params![device, run], |row| row.get(0))?)
}

fn digest(one: &NewMeasurement) -> [u8; 32] {
    let mut sha = Sha256::new();
    for MeasuredValue { metric, region, value, unit } in &one.values {
        let region = region.map_or("", |region| region.as_str());
        for part in [metric.as_str(), region, &value.to_string(), unit] {
            sha.update(part.as_bytes());
            sha.update(b"\0");
        }
    }
    sha.finish()
}

fn enqueue(tx: &Tx<'_>, new: &[&NewMeasurement]) -> Result<(), StoreError> {
    let (mut run, mut told) = (Run::draw(tx, new.len())?, Told::default());
    for one in new {
        run.enqueue(tx, kind::MEASUREMENT, &one.station, one.taken, &told.measurement(one))?;
    }
    Ok(())
}

/// The device as HQ reads it, made once for a run of measurements of one device.
#[derive(Default)]
struct Told {
    of: Option<Arc<DeviceIdentity>>,
    device: Option<payload::Device>,
}

impl Told {
    fn measurement<'a>(&'a mut self, one: &'a NewMeasurement) -> payload::Measurement<'a> {
        if self.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, &one.device)) {
            let DeviceIdentity { protocol, protocol_version, serial, probe, firmware } = (*one.device).clone();
            self.device = Some(payload::Device { protocol, protocol_version, serial, probe, firmware });
            self.of = Some(Arc::clone(&one.device));
        }
        let value = |value: &'a MeasuredValue| payload::Measured {
            metric: Cow::Borrowed(value.metric.as_str()),
            region: value.region.map(|region| Cow::Borrowed(region.as_str())),
            value: Cow::Owned(value.value.to_string()),
            unit: Cow::Borrowed(&value.unit),
        };
        payload::Measurement {
            station: Cow::Borrowed(&one.station),
            counter: one.counter,
            flags: one.flags.iter().map(|flag| Cow::Borrowed(flag.as_str())).collect(),
            values: one.values.iter().map(value).collect(),
            device: Cow::Borrowed(self.device.as_ref().expect("made above")),
        }
    }
}
