//! The day of the salon: appointments and walk-ins, who waits, and what became of them.

use super::{
    Store, audit, customers,
    error::{StoreError, found},
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        AppointmentId, CustomerId, Timestamp, VisitId,
        appointment::{Appointment, AppointmentState, Origin},
    },
};
use rusqlite::{Connection, Row, params};

const COLUMNS: &str = "id, customer, starts_ms, minutes, station, service, origin, state, arrived_ms, visit";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Appointment> {
    Ok(Appointment {
        id: row.get(0)?,
        customer: row.get(1)?,
        starts: row.get(2)?,
        minutes: row.get(3)?,
        station: row.get(4)?,
        service: row.get(5)?,
        origin: row.get(6)?,
        state: row.get(7)?,
        arrived: row.get(8)?,
        visit: row.get(9)?,
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

fn set(tx: &Tx<'_>, id: AppointmentId, state: AppointmentState, who: &str) -> Result<Appointment, StoreError> {
    let known = load(tx, id)?;
    let may = match state {
        AppointmentState::Waiting | AppointmentState::Missed => known.visit.is_none(),
        AppointmentState::Booked => known.visit.is_none() && known.origin != Origin::WalkIn,
        AppointmentState::Seated => false,
    };
    if !may {
        return Err(StoreError::WrongState {
            what: "appointment",
            id: id.to_string(),
            state: known.state.to_string(),
            remedy: "a visit has come of it; correct the visit",
        });
    }
    let arrived = match state {
        AppointmentState::Waiting => known.arrived.or_else(|| Some(clock::now().wall)),
        _ => None,
    };
    tx.execute("UPDATE appointments SET state = ?2, arrived_ms = ?3 WHERE id = ?1", params![id, state, arrived])?;
    audit::note(tx, who, &format!("appointment.{state}"), Some(known.customer), &id.to_string())?;
    load(tx, id)
}

/// A visit was opened: the person's appointment that waits, else the next one of these hours, has come to it.
pub(super) fn seat(tx: &Tx<'_>, customer: CustomerId, visit: VisitId) -> Result<(), StoreError> {
    const HOURS: i64 = 6 * 3_600_000;
    let now = clock::now().wall;
    let sql = format!(
        "UPDATE appointments SET state = 'seated', visit = ?2, arrived_ms = coalesce(arrived_ms, ?3)
         WHERE n = (SELECT n FROM appointments WHERE customer IN {} AND visit IS NULL
         AND (state = 'waiting' OR (state = 'booked' AND starts_ms BETWEEN ?3 - ?4 AND ?3 + ?4))
         ORDER BY state = 'waiting' DESC, starts_ms LIMIT 1)",
        customers::PERSON
    );
    tx.execute(&sql, params![customer, visit, now, HOURS])?;
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
    /// [`StoreError::WrongState`] once a visit has come of it.
    pub async fn set_appointment(
        &self,
        id: AppointmentId,
        state: AppointmentState,
        who: String,
    ) -> Result<Appointment, StoreError> {
        self.write(move |tx| set(tx, id, state, &who)).await
    }

    /// Those of a span of time, in the order of their hours, and all who wait.
    pub async fn appointments(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Appointment>, StoreError> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT {COLUMNS} FROM appointments WHERE starts_ms BETWEEN ?1 AND ?2 OR state = 'waiting'
                 ORDER BY starts_ms, n LIMIT 200"
            );
            let mut select = conn.prepare_cached(&sql)?;
            Ok(select.query_map(params![from, to], from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
