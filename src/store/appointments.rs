//! The day of the salon: appointments and walk-ins, who waits, and what became of them.

use super::{
    Store, agenda, audit, customers,
    error::{StoreError, found},
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        AppointmentId, CustomerId, Timestamp, VisitId,
        appointment::{Appointment, AppointmentState, Deed, Origin},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, customer, starts_ms, minutes, station, service, staff, origin, state, arrived_ms, visit";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Appointment> {
    Ok(Appointment {
        id: row.get(0)?,
        customer: row.get(1)?,
        starts: row.get(2)?,
        minutes: row.get(3)?,
        station: row.get(4)?,
        service: row.get(5)?,
        staff: row.get(6)?,
        origin: row.get(7)?,
        state: row.get(8)?,
        arrived: row.get(9)?,
        visit: row.get(10)?,
    })
}

fn load(conn: &Connection, id: AppointmentId) -> Result<Appointment, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM appointments WHERE id = ?1"))?;
    found(select.query_row([id], from_row), "appointment", id)
}

/// What is to be written into the day.
#[derive(Debug, Clone)]
pub struct Booking {
    pub customer: CustomerId,
    pub starts: Timestamp,
    pub minutes: u32,
    /// Empty: any chair.
    pub station: String,
    pub service: String,
    pub origin: Origin,
}

fn book(tx: &Tx<'_>, booking: Booking, who: &str) -> Result<Appointment, StoreError> {
    let Booking { customer, starts, minutes, station, service, origin } = booking;
    customers::load(tx, customer)?;
    let arrived = (origin == Origin::WalkIn).then(|| clock::now().wall);
    let state = if arrived.is_some() { AppointmentState::Waiting } else { AppointmentState::Booked };
    let id = clock::mint(AppointmentId::from_bits);
    tx.execute(
        "INSERT INTO appointments (id, customer, starts_ms, minutes, station, service, origin, state, arrived_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![id, customer, starts, minutes, station, service, origin, state, arrived],
    )?;
    audit::note(tx, who, "appointment.booked", Some(customer), &id.to_string())?;
    load(tx, id)
}

fn set(tx: &Tx<'_>, id: AppointmentId, deed: Deed, who: &str) -> Result<Appointment, StoreError> {
    let known = load(tx, id)?;
    let Some((state, arrived)) = known.after(deed, clock::now().wall) else {
        let remedy = if known.visit.is_some() {
            "a visit has come of it; correct the visit"
        } else {
            "whoever walked in has nothing before the waiting; say that they left"
        };
        return Err(StoreError::WrongState {
            what: "appointment",
            id: id.to_string(),
            state: known.state.to_string(),
            remedy,
        });
    };
    let state = match state {
        // Back to what headquarters says of it.
        AppointmentState::Booked if agenda::is_called_off(tx, id)? => AppointmentState::Cancelled,
        state => state,
    };
    tx.execute("UPDATE appointments SET state = ?2, arrived_ms = ?3 WHERE id = ?1", params![id, state, arrived])?;
    audit::note(tx, who, &format!("appointment.{state}"), Some(known.customer), &id.to_string())?;
    load(tx, id)
}

/// A visit was opened: the person's appointment that waits, else the next one of these hours, has come to it.
pub(super) fn seat(tx: &Tx<'_>, customer: CustomerId, visit: VisitId) -> Result<(), StoreError> {
    const HOURS: i64 = 6 * 3_600_000;
    // Who has waited for longer went home yesterday without a word.
    const LONGEST: i64 = 2 * HOURS;
    let now = clock::now().wall;
    let sql = format!(
        "UPDATE appointments SET state = 'seated', visit = ?2, arrived_ms = coalesce(arrived_ms, ?3)
         WHERE n = (SELECT n FROM appointments WHERE customer IN {} AND visit IS NULL
         AND ((state = 'waiting' AND arrived_ms > ?3 - ?5) OR (state = 'booked' AND starts_ms BETWEEN ?3 - ?4 AND ?3 + ?4))
         ORDER BY state = 'waiting' DESC, starts_ms LIMIT 1)",
        customers::PERSON
    );
    tx.execute(&sql, params![customer, visit, now, HOURS, LONGEST])?;
    Ok(())
}

impl Store {
    /// Writes an appointment; a walk-in waits from now on.
    pub async fn book(&self, booking: Booking, who: String) -> Result<Appointment, StoreError> {
        self.write(move |tx| book(tx, booking, &who)).await
    }

    /// Somebody came, did not come, or that was a slip of the finger.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] once a visit has come of it, and where there is nothing to go back to.
    pub async fn set_appointment(&self, id: AppointmentId, deed: Deed, who: String) -> Result<Appointment, StoreError> {
        self.write(move |tx| set(tx, id, deed, &who)).await
    }

    /// What was booked for a visit; empty where nobody booked it, or nothing in particular.
    pub async fn booked_service(&self, visit: VisitId) -> Result<String, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT service FROM appointments WHERE visit = ?1 ORDER BY n DESC LIMIT 1";
            Ok(conn.prepare_cached(sql)?.query_row([visit], |row| row.get(0)).optional()?.unwrap_or_default())
        })
        .await
    }

    /// Those of a span of time, in the order of their hours, and all who have waited since a moment of it.
    pub async fn appointments(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Appointment>, StoreError> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT {COLUMNS} FROM appointments WHERE starts_ms BETWEEN ?1 AND ?2
                 OR (state = 'waiting' AND arrived_ms BETWEEN ?1 AND ?2)
                 ORDER BY starts_ms, n LIMIT 200"
            );
            let mut select = conn.prepare_cached(&sql)?;
            Ok(select.query_map(params![from, to], from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
