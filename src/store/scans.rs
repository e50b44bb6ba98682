//! Scans: the plan of one phase of a visit and where it stands.

use super::{
    Store,
    columns::int,
    consents,
    error::{StoreError, found},
    outbox::{self, About, Gate},
    visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CustomerId, ScanId, Stamp, VisitId,
        consent::Purpose,
        scan::{Phase, Scan, ScanState, Step},
    },
    sync::payload::{self, kind},
};
use rusqlite::{Connection, OptionalExtension, params};

/// Where a scan belongs.
pub(super) struct Place {
    pub visit: VisitId,
    pub customer: CustomerId,
    pub phase: Phase,
    pub state: ScanState,
}

pub(super) fn place(conn: &Connection, scan: ScanId) -> Result<Place, StoreError> {
    let row = conn
        .prepare_cached(
            "SELECT v.id, v.customer, s.phase, s.state FROM scans s JOIN visits v ON v.id = s.visit WHERE s.id = ?1",
        )?
        .query_row([scan], |row| {
            Ok(Place { visit: row.get(0)?, customer: row.get(1)?, phase: row.get(2)?, state: row.get(3)? })
        });
    found(row, "scan", scan)
}

pub(super) fn load(conn: &Connection, id: ScanId) -> Result<Scan, StoreError> {
    let row = conn.prepare_cached("SELECT visit, phase, state FROM scans WHERE id = ?1")?.query_row([id], |row| {
        Ok(Scan { id, visit: row.get(0)?, phase: row.get(1)?, state: row.get(2)?, plan: Vec::new() })
    });
    let scan = found(row, "scan", id)?;
    Ok(Scan { plan: plan(conn, id)?, ..scan })
}

fn plan(conn: &Connection, scan: ScanId) -> Result<Vec<Step>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT metric, region, repeats FROM scan_steps WHERE scan = ?1 ORDER BY place")?;
    let steps =
        select.query_map([scan], |row| Ok(Step { metric: row.get(0)?, region: row.get(1)?, repeats: row.get(2)? }))?;
    Ok(steps.collect::<Result<_, _>>()?)
}

pub(super) fn of_visit(conn: &Connection, visit: VisitId) -> Result<Vec<ScanId>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id FROM scans WHERE visit = ?1 ORDER BY n")?;
    Ok(select.query_map([visit], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(super) fn tell(tx: &Tx<'_>, scan: ScanId, stamp: Stamp) -> Result<(), StoreError> {
    let Place { visit, customer, phase, state } = place(tx, scan)?;
    let payload = payload::Scan {
        scan: scan.to_string(),
        visit: visit.to_string(),
        phase: phase.to_string(),
        state: state.to_string(),
    };
    let about = About {
        kind: kind::SCAN,
        gate: Gate::Always,
        customer: Some(customer),
        visit: Some(visit),
        object: scan.bits(),
        subject: visit.to_string(),
        stamp,
    };
    outbox::enqueue(tx, &about, &payload).map(|_| ())
}

fn begin(tx: &Tx<'_>, visit: VisitId, phase: Phase, plan: Vec<Step>) -> Result<Scan, StoreError> {
    let (id, begun) = (clock::mint(ScanId::from_bits), clock::now());
    let state = ScanState::Running;
    tx.execute(
        "INSERT INTO scans (id, visit, phase, state, boot, ns, ms, clock) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![id, visit, phase, state, begun.boot, int(begun.monotonic_ns), begun.wall, begun.clock],
    )?;
    let mut insert =
        tx.prepare_cached("INSERT INTO scan_steps (scan, place, metric, region, repeats) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (place, step) in (0_i64..).zip(&plan) {
        insert.execute(params![id, place, step.metric, step.region, step.repeats])?;
    }
    visits::touch(tx, visit)?;
    tell(tx, id, begun)?;
    Ok(Scan { id, visit, phase, state, plan })
}

fn set_state(tx: &Tx<'_>, id: ScanId, state: ScanState) -> Result<Scan, StoreError> {
    let scan = load(tx, id)?;
    let open = matches!(scan.state, ScanState::Running | ScanState::Paused);
    if state == ScanState::Voided || !open {
        let (state, remedy) = (scan.state.to_string(), "void, restore or repeat the scan instead");
        return Err(StoreError::WrongState { what: "scan", id: id.to_string(), state, remedy });
    }
    if scan.state == state {
        return Ok(scan);
    }
    if state == ScanState::Running && !consents::given(tx, place(tx, id)?.customer, Purpose::Measure)? {
        return Err(StoreError::NoConsent { purpose: Purpose::Measure.as_str() });
    }
    tx.execute("UPDATE scans SET state = ?2 WHERE id = ?1", params![id, state])?;
    visits::touch(tx, scan.visit)?;
    tell(tx, id, clock::now())?;
    Ok(Scan { state, ..scan })
}

/// Pauses the scan of a visit that runs, if one does. Who takes back the consent to be measured is not measured on: both are
/// true from the same commit on, whatever becomes of the page and the process that said so.
pub(super) fn pause(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    match under_way(tx, visit)? {
        Some(scan) => set_state(tx, scan, ScanState::Paused).map(drop),
        None => Ok(()),
    }
}

impl Store {
    /// Begins a scan of an open visit; its plan is kept, so that it can be resumed.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while another scan of the visit runs or pauses.
    pub async fn begin_scan(
        &self,
        visit: VisitId,
        expected: Option<u64>,
        phase: Phase,
        plan: Vec<Step>,
    ) -> Result<Scan, StoreError> {
        self.write(move |tx| {
            visits::expect_open(tx, visit, expected)?;
            if let Some(other) = under_way(tx, visit)? {
                return Err(StoreError::Refused(format!("scan {other} of this visit is not finished; end it first")));
            }
            begin(tx, visit, phase, plan)
        })
        .await
    }

    /// Moves a scan that runs or pauses to another state, except to voided (see [`Store::void`]).
    ///
    /// # Errors
    /// [`StoreError::NoConsent`] when it is to run on and the customer does not agree to be measured.
    pub async fn set_scan_state(&self, scan: ScanId, state: ScanState) -> Result<Scan, StoreError> {
        self.write(move |tx| set_state(tx, scan, state)).await
    }

    pub async fn scan(&self, id: ScanId) -> Result<Scan, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }
}

pub(super) fn under_way(conn: &Connection, visit: VisitId) -> Result<Option<ScanId>, StoreError> {
    let sql = "SELECT id FROM scans WHERE visit = ?1 AND state IN ('running', 'paused') ORDER BY n DESC LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([visit], |row| row.get(0)).optional()?)
}

/// The scan of a station that a restart interrupted.
pub(super) fn in_progress(conn: &Connection, station: &str) -> Result<Option<ScanId>, StoreError> {
    match visits::at_station(conn, station)? {
        Some(visit) => under_way(conn, visit.id),
        None => Ok(None),
    }
}
