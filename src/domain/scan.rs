//! A scan: what one phase of a visit is to measure, and how far it is.

use super::{Region, ScanId, VisitId, metric::MetricId, word::words};

words! {
    /// Before or after the treatment.
    pub enum Phase as "phase" { Before = "before", After = "after" }
}

words! {
    /// Where a scan stands.
    pub enum ScanState as "scan state" {
        Running = "running",
        /// By the beautician, or after a restart of the gateway: readings arriving now go to the tray.
        Paused = "paused",
        Finished = "finished",
        /// Ended by the beautician; what was measured stays, as part of a cancelled scan.
        Cancelled = "cancelled",
        /// Recorded by mistake (wrong customer, wrong phase): kept, shown struck out, told to HQ, in no comparison.
        Voided = "voided",
    }
}

impl ScanState {
    /// It runs or pauses: its values are still being closed into readings.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// One thing to measure: `repeats` values of `metric` at `region`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub metric: MetricId,
    pub region: Region,
    pub repeats: u8,
}

/// One phase of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub id: ScanId,
    pub visit: VisitId,
    pub phase: Phase,
    pub state: ScanState,
    pub plan: Vec<Step>,
}
