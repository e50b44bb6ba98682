//! A visit: customer, beautician, treatment steps, both scans.

use super::{CustomerId, Stamp, VisitId, word::words};

words! {
    /// Where a visit stands.
    pub enum VisitState as "visit state" { Open = "open", Closed = "closed", Voided = "voided" }
}

/// One visit of one customer at one station.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    pub id: VisitId,
    pub customer: CustomerId,
    pub station: String,
    /// Staff id, never a name.
    pub beautician: String,
    pub state: VisitState,
    /// Treatment steps done between the scans, in order, as short texts.
    pub steps: Vec<String>,
    /// Grows by one with every change; writes name the version they saw.
    pub version: u64,
    pub opened: Stamp,
    pub closed: Option<Stamp>,
}
