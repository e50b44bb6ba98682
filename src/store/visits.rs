//! Visits, changed optimistically: a write names the version it saw, and a stale one gets the visit as it stands now.

use super::{
    Store, appointments, audit, columns,
    columns::{Texts, int, uint},
    corrections, customers,
    error::{StoreError, found},
    outbox::{self, About, Gate, count},
    passing, reports, scans, visit_sheets,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CustomerId, Stamp, VisitId,
        visit::{Visit, VisitState},
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, customer, station, beautician, state, steps, version, boot, ns, ms, clock, closed_boot,
    closed_ns, closed_ms, closed_clock";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Visit> {
    let closed = row.get::<_, Option<i64>>(13)?.map(|_| columns::stamp(row, 11)).transpose()?;
    Ok(Visit {
        id: row.get(0)?,
        customer: row.get(1)?,
        station: row.get(2)?,
        beautician: row.get(3)?,
        state: row.get(4)?,
        steps: row.get::<_, Texts>(5)?.0,
        version: uint(row, 6)?,
        opened: columns::stamp(row, 7)?,
        closed,
    })
}

pub(super) fn load(conn: &Connection, id: VisitId) -> Result<Visit, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM visits WHERE id = ?1"))?;
    found(select.query_row([id], from_row), "visit", id)
}

pub(super) fn select(conn: &Connection, rest: &str, params: impl rusqlite::Params) -> Result<Vec<Visit>, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM visits {rest}"))?;
    Ok(select.query_map(params, from_row)?.collect::<Result<_, _>>()?)
}

/// The visits of a person under all their ids, with the id each stands under.
pub(super) fn of_person(conn: &Connection, customer: CustomerId) -> Result<Vec<(VisitId, CustomerId)>, StoreError> {
    let sql = format!("SELECT id, customer FROM visits WHERE customer IN {} ORDER BY n", customers::PERSON);
    let mut select = conn.prepare_cached(&sql)?;
    Ok(select.query_map([customer], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// The visit, unless the caller saw another version of it.
pub(super) fn expect(tx: &Tx<'_>, id: VisitId, expected: Option<u64>) -> Result<Visit, StoreError> {
    let visit = load(tx, id)?;
    match expected {
        Some(version) if version != visit.version => Err(StoreError::Conflict(Box::new(visit))),
        _ => Ok(visit),
    }
}

/// The open visit, unless the caller saw another version of it.
pub(super) fn expect_open(tx: &Tx<'_>, id: VisitId, expected: Option<u64>) -> Result<Visit, StoreError> {
    let visit = expect(tx, id, expected)?;
    if visit.state == VisitState::Open {
        return Ok(visit);
    }
    let remedy = "open a new visit, or correct this one";
    Err(StoreError::WrongState { what: "visit", id: id.to_string(), state: visit.state.to_string(), remedy })
}

/// Writes a changed visit under the next version and tells HQ.
pub(super) fn save(tx: &Tx<'_>, mut visit: Visit) -> Result<Visit, StoreError> {
    visit.version += 1;
    let closed = visit.closed;
    tx.prepare_cached(
        "UPDATE visits SET customer = ?2, beautician = ?3, state = ?4, steps = ?5, version = ?6, closed_boot = ?7,
         closed_ns = ?8, closed_ms = ?9, closed_clock = ?10,
         ended_ms = CASE WHEN ?4 = 'open' THEN NULL ELSE coalesce(ended_ms, ?11) END WHERE id = ?1",
    )?
    .execute(params![
        visit.id,
        visit.customer,
        visit.beautician,
        visit.state,
        Texts(visit.steps.clone()),
        int(visit.version),
        closed.map(|at| at.boot),
        closed.map(|at| int(at.monotonic_ns)),
        closed.map(|at| at.wall),
        closed.map(|at| at.clock),
        passing::mark(tx)?
    ])?;
    faults::point("store.visit.row_written");
    tell(tx, &visit, clock::now())?;
    reports::settle(tx, visit.id)?;
    Ok(visit)
}

/// A change of one of the visit's scans: the next version, without an event of its own.
pub(super) fn touch(tx: &Tx<'_>, id: VisitId) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE visits SET version = version + 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn tell(tx: &Tx<'_>, visit: &Visit, stamp: Stamp) -> Result<(), StoreError> {
    let Visit { id, customer, station, beautician, state, steps, version, opened: _, closed: _ } = visit;
    let payload = payload::Visit {
        visit: id.to_string(),
        customer: customer.to_string(),
        station: station.clone(),
        beautician: beautician.clone(),
        state: state.to_string(),
        version: *version,
        steps: steps.clone(),
    };
    let about = About {
        kind: kind::VISIT,
        gate: Gate::Always,
        customer: Some(*customer),
        visit: Some(*id),
        object: id.bits(),
        subject: id.to_string(),
        stamp,
    };
    outbox::enqueue(tx, &about, &payload).map(|_| ())
}

fn open(tx: &Tx<'_>, customer: CustomerId, station: String, beautician: String) -> Result<Visit, StoreError> {
    customers::load(tx, customer)?;
    if let Some(visit) = at_station(tx, &station)? {
        return Err(StoreError::StationBusy { station, visit: visit.id });
    }
    let (id, opened) = (clock::mint(VisitId::from_bits), clock::now());
    let visit = Visit {
        id,
        customer,
        station,
        beautician,
        state: VisitState::Open,
        steps: Vec::new(),
        version: 1,
        opened,
        closed: None,
    };
    tx.execute(
        "INSERT INTO visits (id, customer, station, beautician, state, steps, version, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            id,
            customer,
            visit.station,
            visit.beautician,
            visit.state,
            Texts(Vec::new()),
            1,
            opened.boot,
            int(opened.monotonic_ns),
            opened.wall,
            opened.clock
        ],
    )?;
    tell(tx, &visit, opened)?;
    appointments::seat(tx, customer, id)?;
    audit::note(tx, &visit.beautician, "visit.opened", Some(customer), &id.to_string())?;
    Ok(visit)
}

pub(super) fn at_station(conn: &Connection, station: &str) -> Result<Option<Visit>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM visits WHERE station = ?1 AND state = 'open'");
    Ok(conn.prepare_cached(&sql)?.query_row([station], from_row).optional()?)
}

impl Store {
    /// Opens a visit at a station.
    ///
    /// # Errors
    /// [`StoreError::StationBusy`] while another visit is open there: the chair seats one customer.
    pub async fn open_visit(
        &self,
        customer: CustomerId,
        station: String,
        beautician: String,
    ) -> Result<Visit, StoreError> {
        self.write(move |tx| open(tx, customer, station, beautician)).await
    }

    /// Replaces the treatment steps of an open visit.
    pub async fn set_steps(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        steps: Vec<String>,
        who: String,
    ) -> Result<Visit, StoreError> {
        self.write(move |tx| {
            let visit = expect_open(tx, visit, expected)?;
            visit_sheets::tick(tx, visit.id, &steps, &who)?;
            audit::note(tx, &who, "steps.written", Some(visit.customer), &visit.id.to_string())?;
            save(tx, Visit { steps, ..visit })
        })
        .await
    }

    /// Closes an open visit.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] while one of its scans runs or pauses: the station ends it first, so that no value is left
    /// open.
    pub async fn close_visit(&self, visit: VisitId, expected: Option<u64>, who: String) -> Result<Visit, StoreError> {
        self.write(move |tx| {
            let visit = expect_open(tx, visit, expected)?;
            if let Some(scan) = scans::under_way(tx, visit.id)? {
                corrections::require_ended(scan, scans::place(tx, scan)?.state)?;
            }
            let visit = save(tx, Visit { state: VisitState::Closed, closed: Some(clock::now()), ..visit })?;
            visit_sheets::tell(tx, &visit)?;
            audit::note(tx, &who, "visit.closed", Some(visit.customer), &visit.id.to_string())?;
            Ok(visit)
        })
        .await
    }

    pub async fn visit(&self, id: VisitId) -> Result<Visit, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }

    /// The open visit of a station.
    pub async fn visit_at(&self, station: String) -> Result<Option<Visit>, StoreError> {
        self.read(move |conn| at_station(conn, &station)).await
    }

    /// All open visits, oldest first.
    pub async fn open_visits(&self) -> Result<Vec<Visit>, StoreError> {
        self.read(|conn| select(conn, "WHERE state = 'open' ORDER BY n", [])).await
    }

    /// The latest visits of the store, newest first.
    pub async fn recent_visits(&self, limit: usize) -> Result<Vec<Visit>, StoreError> {
        self.read(move |conn| select(conn, "ORDER BY n DESC LIMIT ?1", [count(limit)])).await
    }

    /// A person's visits under all their ids, newest first; voided ones included.
    pub async fn visits_of(&self, customer: CustomerId) -> Result<Vec<Visit>, StoreError> {
        self.read(move |conn| {
            let rest = format!("WHERE customer IN {} ORDER BY n DESC", customers::PERSON);
            select(conn, &rest, [customer])
        })
        .await
    }
}
