//! A scan as it is told to pages and programs: the same words in answers, in live news and in the visit's view.

use crate::domain::{
    ScanId,
    plan::{Progress, RegionProgress, StepProgress},
    scan::{Phase, ScanState},
};
use serde::Serialize;

/// Where one step stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    pub metric: String,
    pub region: String,
    pub have: u8,
    pub need: u8,
    pub state: &'static str,
}

/// Where one region stands, all its steps together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionView {
    pub region: String,
    pub have: u32,
    pub need: u32,
    pub state: &'static str,
}

/// The value accepted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastValue {
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
}

/// A whole scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanView {
    pub id: String,
    pub phase: &'static str,
    pub state: &'static str,
    pub current: Option<StepView>,
    /// Whether the device for the current step is `ready`, `away` or `none` is there.
    pub device: &'static str,
    pub measuring: bool,
    /// Nothing waits any more: it can be finished.
    pub complete: bool,
    pub steps: Vec<StepView>,
    pub regions: Vec<RegionView>,
    pub last: Option<LastValue>,
}

impl From<&StepProgress> for StepView {
    fn from(progress: &StepProgress) -> Self {
        let StepProgress { step, have, skipped: _ } = progress;
        Self {
            metric: step.metric.to_string(),
            region: step.region.to_string(),
            have: *have,
            need: step.repeats,
            state: progress.state().as_str(),
        }
    }
}

impl From<RegionProgress> for RegionView {
    fn from(progress: RegionProgress) -> Self {
        let RegionProgress { region, have, need, state } = progress;
        Self { region: region.to_string(), have, need, state: state.as_str() }
    }
}

impl ScanView {
    /// A scan that nobody drives just now.
    #[must_use]
    pub fn at_rest(id: ScanId, phase: Phase, state: ScanState, progress: &Progress) -> Self {
        let live = matches!(state, ScanState::Running | ScanState::Paused);
        Self {
            id: id.to_string(),
            phase: phase.as_str(),
            state: state.as_str(),
            current: progress.current().filter(|_| live).map(StepView::from),
            device: "none",
            measuring: false,
            complete: progress.current().is_none(),
            steps: progress.steps().iter().map(StepView::from).collect(),
            regions: progress.regions().into_iter().map(RegionView::from).collect(),
            last: None,
        }
    }
}
