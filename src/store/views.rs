//! What pages show: a visit with everything in it, from one consistent state.

use super::{
    Store, captures, comparisons, consents, customers,
    error::StoreError,
    pairs::{self, PairView},
    readings,
    repeats::{self, StoredRepeat},
    scans, scores, steps, visits,
};
use crate::domain::{
    Region, ScanId, VisitId,
    capture::Capture,
    comparison::Comparison,
    consent::{Consent, Purpose},
    customer::Customer,
    reading::Reading,
    scan::Scan,
    score::Score,
    visit::Visit,
};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A record and whether it is struck out: recorded by mistake, kept, shown as such, in no comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    pub item: T,
    pub voided: bool,
}

/// A scan with what was measured in it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanView {
    pub scan: Scan,
    /// Regions whose missing values the beautician left out.
    pub skipped: Vec<Region>,
    /// Values not yet closed into a reading and not measured again since, in order of arrival.
    pub repeats: Vec<StoredRepeat>,
    pub readings: Vec<Entry<Reading>>,
    pub captures: Vec<Entry<Capture>>,
    pub scores: Vec<Score>,
}

/// A visit with everything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitView {
    pub visit: Visit,
    /// The person, under their main entry.
    pub customer: Customer,
    /// The last word on each purpose.
    pub consents: BTreeMap<Purpose, Consent>,
    /// In the order they were begun; voided ones included.
    pub scans: Vec<ScanView>,
    /// In the order they were drawn; the last of a baseline is the one to show.
    pub comparisons: Vec<Comparison>,
    /// What stands of its photographs laid onto each other.
    pub pairs: Vec<PairView>,
}

impl VisitView {
    /// Whether the last word on `purpose` is a yes.
    #[must_use]
    pub fn agreed(&self, purpose: Purpose) -> bool {
        self.consents.get(&purpose).is_some_and(|consent| consent.given)
    }
}

fn entries<T>(found: Vec<(T, bool)>) -> Vec<Entry<T>> {
    found.into_iter().map(|(item, voided)| Entry { item, voided }).collect()
}

fn scan(conn: &Connection, id: ScanId) -> Result<ScanView, StoreError> {
    Ok(ScanView {
        scan: scans::load(conn, id)?,
        skipped: steps::skipped(conn, id)?,
        repeats: repeats::select(
            conn,
            "WHERE r.scan = ?1 AND r.reading IS NULL AND r.dismissed = 0 ORDER BY r.n",
            [id],
        )?,
        readings: entries(readings::of_scan(conn, id)?),
        captures: entries(captures::of_scan(conn, id)?),
        scores: scores::of_scan(conn, id)?,
    })
}

pub(super) fn visit(conn: &Connection, id: VisitId) -> Result<VisitView, StoreError> {
    let visit = visits::load(conn, id)?;
    let scans = scans::of_visit(conn, id)?.into_iter().map(|id| scan(conn, id)).collect::<Result<_, _>>()?;
    Ok(VisitView {
        customer: customers::load(conn, customers::main_of(conn, visit.customer)?)?,
        consents: consents::current(conn, visit.customer)?,
        scans,
        comparisons: comparisons::of_visit(conn, id)?,
        pairs: pairs::of_visit(conn, id)?,
        visit,
    })
}

impl Store {
    /// A visit with everything in it.
    pub async fn visit_view(&self, id: VisitId) -> Result<VisitView, StoreError> {
        self.read(move |conn| visit(conn, id)).await
    }

    /// A scan with what was measured in it.
    pub async fn scan_view(&self, id: ScanId) -> Result<ScanView, StoreError> {
        self.read(move |conn| scan(conn, id)).await
    }

    /// The scan of the station's open visit that runs or pauses: where to go on after a restart.
    pub async fn scan_in_progress(&self, station: String) -> Result<Option<ScanView>, StoreError> {
        self.read(move |conn| scans::in_progress(conn, &station)?.map(|id| scan(conn, id)).transpose()).await
    }
}
