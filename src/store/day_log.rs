//! The visits of a day, with what a manager asks of each.

use super::{Store, consents, customers, error::StoreError, step_notes, visit_sheets, visits};
use crate::domain::{
    Timestamp,
    consent::Purpose,
    customer::Customer,
    scan::Phase,
    service_log::{Done, Served},
    visit::{Visit, VisitState},
};
use rusqlite::{Connection, params};

/// One visit of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayVisit {
    pub visit: Visit,
    /// The person's main entry.
    pub customer: Customer,
    /// Whether the customer wants the report.
    pub wants_report: bool,
    /// When the first link to it was made.
    pub reported: Option<Timestamp>,
}

fn one(conn: &Connection, visit: Visit) -> Result<DayVisit, StoreError> {
    let customer = customers::load(conn, customers::main_of(conn, visit.customer)?)?;
    let reported = conn
        .prepare_cached("SELECT min(made_ms) FROM links WHERE visit = ?1")?
        .query_row([visit.id], |row| row.get(0))?;
    let wants_report = consents::given(conn, visit.customer, Purpose::DeliverReport)?;
    Ok(DayVisit { visit, customer, wants_report, reported })
}

/// Readings and photographs of a visit's scans that stand.
const TAKEN: &str = "SELECT
    (SELECT count(*) FROM readings r JOIN scans s ON s.id = r.scan WHERE s.visit = ?1 AND s.state <> 'voided' AND r.voided = 0),
    (SELECT count(*) FROM captures c JOIN scans s ON s.id = c.scan WHERE s.visit = ?1 AND s.state <> 'voided' AND c.voided = 0)";

fn served(conn: &Connection, visit: Visit) -> Result<Served, StoreError> {
    let (readings, photographs) =
        conn.prepare_cached(TAKEN)?.query_row([visit.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sheet = visit_sheets::load(conn, visit.id)?;
    let mut notes = step_notes::notes(conn, visit.id)?;
    let done = |tick: visit_sheets::Tick| {
        let noted = notes.iter().position(|note| note.step == tick.step).map(|at| notes.swap_remove(at).noted);
        Done { step: tick.step, at: tick.at, staff: tick.staff, noted: noted.unwrap_or_default() }
    };
    let steps = visit_sheets::ticks(conn, visit.id)?.into_iter().map(done).collect();
    let signed = step_notes::signed(conn, visit.id)?;
    let has = |phase| signed.iter().any(|one| one.phase == phase);
    let DayVisit { visit, customer, reported, .. } = one(conn, visit)?;
    Ok(Served {
        visit: visit.id,
        state: visit.state,
        opened: visit.opened.wall,
        closed: visit.closed.map(|at| at.wall),
        customer: customer.name,
        station: visit.station,
        beautician: visit.beautician,
        treatment: sheet.treatment,
        steps,
        readings,
        photographs,
        stars: sheet.stars,
        signed_before: has(Phase::Before),
        signed_after: has(Phase::After),
        reported: reported.is_some(),
    })
}

impl Store {
    /// The service log of the visits that were opened from `from` on and before `to`, in their order. Beauticians, staff, chairs and
    /// treatments by their numbers and names in the files.
    pub async fn service_log(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Served>, StoreError> {
        self.read(move |conn| {
            let found = visits::select(conn, "WHERE ms >= ?1 AND ms < ?2 ORDER BY ms, n", params![from, to])?;
            found.into_iter().map(|visit| served(conn, visit)).collect()
        })
        .await
    }

    /// The visits that were opened from `from` on and before `to`, in their order; those that were struck out too.
    pub async fn visits_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<DayVisit>, StoreError> {
        self.read(move |conn| {
            let found = visits::select(conn, "WHERE ms >= ?1 AND ms < ?2 ORDER BY ms, n", params![from, to])?;
            found.into_iter().map(|visit| one(conn, visit)).collect()
        })
        .await
    }

    /// The visits that nobody has closed, the first opened first.
    pub async fn unfinished_visits(&self) -> Result<Vec<DayVisit>, StoreError> {
        self.read(|conn| {
            let found = visits::select(conn, "WHERE state = ?1 ORDER BY n", [VisitState::Open])?;
            found.into_iter().map(|visit| one(conn, visit)).collect()
        })
        .await
    }
}
