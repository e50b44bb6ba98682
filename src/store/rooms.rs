//! What a measurement stands on beside the skin: the room's climate as a sensor of the store last gave it, and when each device
//! was last calibrated.

use super::{Store, audit, error::StoreError, writer::Tx};
use crate::domain::{Quantity, Timestamp, device::DeviceIdentity, reading::MeasuredValue};
use rusqlite::params;

/// Metrics of a room's climate, as protocol files name them.
const CELSIUS: &str = "ambient-temperature";
const HUMIDITY: &str = "ambient-humidity";

/// The climate at a chair, as far as a sensor gave it lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomClimate {
    /// °C.
    pub celsius: Option<Quantity>,
    /// Relative, in %.
    pub humidity: Option<Quantity>,
    /// Protocol and serial number of the sensor; empty where there is none.
    pub by: String,
}

/// Keeps the newest values of a room's climate; others are passed over. The outbox is the record of all of them.
pub(super) fn note<'v>(
    tx: &Tx<'_>,
    station: &str,
    device: &DeviceIdentity,
    values: impl Iterator<Item = (&'v MeasuredValue, Timestamp)>,
) -> Result<(), StoreError> {
    for (value, at) in values.filter(|(value, _)| [CELSIUS, HUMIDITY].contains(&value.metric.as_str())) {
        let by = format!("{} {}", device.protocol, device.serial);
        tx.prepare_cached(
            "INSERT INTO climate (station, metric, value, device, ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (station, metric) DO UPDATE SET value = ?3, device = ?4, ms = ?5",
        )?
        .execute(params![station, value.metric.as_str(), value.value.to_string(), by.trim(), at])?;
    }
    Ok(())
}

impl Store {
    /// The climate at a station as a sensor gave it between `since` and `until`; what is older says nothing of this scan.
    pub async fn climate(
        &self,
        station: String,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<RoomClimate, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT metric, value, device FROM climate WHERE station = ?1 AND ms BETWEEN ?2 AND ?3";
            let mut select = conn.prepare_cached(sql)?;
            let mut rows = select.query(params![station, since, until])?;
            let mut climate = RoomClimate::default();
            while let Some(row) = rows.next()? {
                let (metric, value): (String, String) = (row.get(0)?, row.get(1)?);
                let value = value.parse().ok();
                if metric == CELSIUS {
                    climate.celsius = value
                } else {
                    climate.humidity = value
                }
                let by: String = row.get(2)?;
                if climate.by.is_empty() {
                    climate.by = by;
                } else if !climate.by.split(", ").any(|known| known == by) {
                    climate.by = format!("{}, {by}", climate.by);
                }
            }
            Ok(climate)
        })
        .await
    }

    /// Somebody of the house states on which day (`2026-12-04`) a device was last calibrated.
    pub async fn set_calibration(
        &self,
        protocol: String,
        serial: String,
        day: String,
        who: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO calibrations (protocol, serial, day, staff) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (protocol, serial) DO UPDATE SET day = ?3, staff = ?4",
                params![protocol, serial, day, who],
            )?;
            audit::note(tx, &who, "device.calibrated", None, &format!("{protocol} {serial} {day}"))
        })
        .await
    }

    /// Protocol, serial number and day of the last calibration of every device of which somebody stated it.
    pub async fn calibrations(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached("SELECT protocol, serial, day FROM calibrations")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
