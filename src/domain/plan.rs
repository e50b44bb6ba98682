//! How far a scan is: its plan held against the repeats that are there. Nothing here is stored; it is worked out anew from
//! what the store holds, so that a restarted gateway stands where the durable repeats left off.

use super::{Region, metric::MetricId, scan::Step, word::words};

words! {
    /// Where one step of a plan stands.
    pub enum StepState as "step state" { Waiting = "waiting", Done = "done", Skipped = "skipped" }
}

/// One step and the live (not superseded) repeats it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepProgress {
    pub step: Step,
    pub have: u8,
    pub skipped: bool,
}

impl StepProgress {
    #[must_use]
    pub const fn state(&self) -> StepState {
        match (self.have >= self.step.repeats, self.skipped) {
            (true, _) => StepState::Done,
            (false, true) => StepState::Skipped,
            (false, false) => StepState::Waiting,
        }
    }
}

/// A region with its steps taken together, for the face map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionProgress {
    pub region: Region,
    pub have: u32,
    pub need: u32,
    pub state: StepState,
}

/// A plan and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    steps: Vec<StepProgress>,
}

/// Every metric at every region, region by region: the probe stays on one place of the face until that place is done.
#[must_use]
pub fn plan(metrics: &[MetricId], regions: &[Region], repeats: u8) -> Vec<Step> {
    regions
        .iter()
        .flat_map(|region| {
            metrics.iter().map(|metric| Step { metric: metric.clone(), region: *region, repeats: repeats.max(1) })
        })
        .collect()
}

impl Progress {
    #[must_use]
    pub fn new(plan: &[Step]) -> Self {
        let fresh = |step: &Step| StepProgress { step: step.clone(), have: 0, skipped: false };
        Self { steps: plan.iter().map(fresh).collect() }
    }

    #[must_use]
    pub fn steps(&self) -> &[StepProgress] {
        &self.steps
    }

    /// The step to measure now: the first one that waits. `None` when nothing is left to do.
    #[must_use]
    pub fn current(&self) -> Option<&StepProgress> {
        self.steps.iter().find(|step| step.state() == StepState::Waiting)
    }

    /// Whether a value that came unasked belongs to this scan: the region under the probe still waits for `metric`.
    /// Any step of that region, since one touch of some probes gives several metrics.
    #[must_use]
    pub fn waiting_for(&self, metric: &MetricId) -> Option<&StepProgress> {
        let region = self.current()?.step.region;
        let wanted = |s: &&StepProgress| s.step.region == region && s.step.metric == *metric;
        self.steps.iter().filter(wanted).find(|s| s.state() == StepState::Waiting)
    }

    #[must_use]
    pub fn find(&self, metric: &MetricId, region: Region) -> Option<&StepProgress> {
        self.steps.iter().find(|s| s.step.region == region && s.step.metric == *metric)
    }

    /// Counts one more repeat; `None` when the plan has no such step.
    pub fn count(&mut self, metric: &MetricId, region: Region) -> Option<&StepProgress> {
        let step = self.steps.iter_mut().find(|s| s.step.region == region && s.step.metric == *metric)?;
        step.have = step.have.saturating_add(1);
        Some(step)
    }

    /// Leaves out what is still missing at `region`, or takes that back. False when the plan has no such region.
    pub fn skip(&mut self, region: Region, skipped: bool) -> bool {
        let mut found = false;
        for step in self.steps.iter_mut().filter(|s| s.step.region == region) {
            step.skipped = skipped && step.have < step.step.repeats;
            found = true;
        }
        found
    }

    /// Starts `region` again: its repeats no longer count. False when the plan has no such region.
    pub fn repeat(&mut self, region: Region) -> bool {
        let mut found = false;
        for step in self.steps.iter_mut().filter(|s| s.step.region == region) {
            (step.have, step.skipped, found) = (0, false, true);
        }
        found
    }

    /// The regions in the order of the plan.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionProgress> {
        let mut found: Vec<RegionProgress> = Vec::new();
        for step in &self.steps {
            let (have, need) = (u32::from(step.have.min(step.step.repeats)), u32::from(step.step.repeats));
            match found.iter_mut().find(|r| r.region == step.step.region) {
                Some(region) => {
                    region.have += have;
                    region.need += need;
                    region.state = worse(region.state, step.state());
                }
                None => found.push(RegionProgress { region: step.step.region, have, need, state: step.state() }),
            }
        }
        found
    }
}

/// A region waits while any step waits, and counts as skipped when any step was.
const fn worse(a: StepState, b: StepState) -> StepState {
    match (a, b) {
        (StepState::Waiting, _) | (_, StepState::Waiting) => StepState::Waiting,
        (StepState::Skipped, _) | (_, StepState::Skipped) => StepState::Skipped,
        _ => StepState::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str) -> MetricId {
        MetricId::new(name).unwrap()
    }

    fn two_by_two() -> Progress {
        Progress::new(&plan(&[metric("moisture"), metric("sebum")], &[Region::Forehead, Region::Nose], 2))
    }

    fn at(progress: &Progress) -> Option<(String, Region, u8)> {
        progress.current().map(|s| (s.step.metric.to_string(), s.step.region, s.have))
    }

    #[test]
    fn a_scan_goes_region_by_region_and_ends() {
        let mut progress = two_by_two();
        let mut seen = Vec::new();
        while let Some((name, region, have)) = at(&progress) {
            seen.push(format!("{region} {name} {have}"));
            progress.count(&metric(&name), region).unwrap();
        }
        assert_eq!(
            seen,
            [
                "forehead moisture 0",
                "forehead moisture 1",
                "forehead sebum 0",
                "forehead sebum 1",
                "nose moisture 0",
                "nose moisture 1",
                "nose sebum 0",
                "nose sebum 1"
            ]
        );
        assert!(progress.regions().iter().all(|r| r.state == StepState::Done && r.have == 4 && r.need == 4));
    }

    #[test]
    fn a_skipped_region_is_passed_and_a_repeated_one_comes_first_again() {
        let mut progress = two_by_two();
        progress.count(&metric("moisture"), Region::Forehead).unwrap();
        assert!(progress.skip(Region::Forehead, true));
        assert_eq!(at(&progress), Some(("moisture".into(), Region::Nose, 0)));
        assert_eq!(progress.regions()[0].state, StepState::Skipped);
        assert!(progress.repeat(Region::Forehead));
        assert_eq!(at(&progress), Some(("moisture".into(), Region::Forehead, 0)));
        assert!(!progress.repeat(Region::Neck));
        assert!(!progress.skip(Region::Neck, true));
    }

    #[test]
    fn skipping_leaves_what_is_done_done() {
        let mut progress = two_by_two();
        for _ in 0..2 {
            progress.count(&metric("moisture"), Region::Forehead).unwrap();
        }
        progress.skip(Region::Forehead, true);
        assert_eq!(progress.steps()[0].state(), StepState::Done);
        assert_eq!(progress.steps()[1].state(), StepState::Skipped);
    }

    #[test]
    fn an_unasked_value_belongs_only_to_the_region_under_the_probe() {
        let mut progress = two_by_two();
        assert_eq!(progress.waiting_for(&metric("sebum")).unwrap().step.region, Region::Forehead);
        for _ in 0..2 {
            progress.count(&metric("sebum"), Region::Forehead).unwrap();
        }
        assert!(progress.waiting_for(&metric("sebum")).is_none(), "nose comes only after forehead is done");
        assert!(progress.waiting_for(&metric("elasticity")).is_none());
    }

    #[test]
    fn no_plan_has_no_zero_repeats() {
        assert_eq!(plan(&[metric("moisture")], &[Region::Nose], 0)[0].repeats, 1);
    }
}
