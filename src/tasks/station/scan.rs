//! The scan under way, worked out from what the store holds.

use crate::{
    domain::{
        Quantity, ReadingId, Region, Stamp, VisitId,
        metric::MetricId,
        plan::{Progress, StepState},
        reading::{QualityFlag, Reading, Repeat, mean_and_spread, outliers},
        scan::{Scan, ScanState},
    },
    protocol::Spec,
    store::{ScanView as StoredScan, StoredRepeat},
    tasks::scan_view::{LastValue, ScanView},
};
use std::sync::Arc;

/// A scan that runs or pauses.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub scan: Scan,
    pub progress: Progress,
    /// Live values that are not closed into a reading yet.
    pub open: Vec<StoredRepeat>,
    /// Steps whose reading stands.
    pub closed: Vec<(MetricId, Region)>,
    pub last: Option<LastValue>,
}

/// How far a stored scan is: standing readings and the values that wait to be closed.
#[must_use]
pub fn progress_of(stored: &StoredScan) -> Progress {
    let mut progress = Progress::new(&stored.scan.plan);
    for reading in stored.readings.iter().filter(|entry| !entry.voided).map(|entry| &entry.item) {
        for _ in &reading.repeats {
            progress.count(&reading.metric, reading.region);
        }
    }
    for (metric, region) in stored.repeats.iter().filter_map(|r| Some((&r.metric, r.region?))) {
        progress.count(metric, region);
    }
    for region in &stored.skipped {
        progress.skip(*region, true);
    }
    progress
}

impl UnderWay {
    pub fn new(stored: StoredScan) -> Self {
        let progress = progress_of(&stored);
        let standing = stored.readings.into_iter().filter(|entry| !entry.voided).map(|entry| entry.item);
        let closed = standing.map(|reading| (reading.metric, reading.region)).collect();
        Self { progress, scan: stored.scan, open: stored.repeats, closed, last: None }
    }

    pub const fn visit(&self) -> VisitId {
        self.scan.visit
    }

    pub fn runs(&self) -> bool {
        self.scan.state == ScanState::Running
    }

    pub fn view(&self, measuring: bool, device: &'static str) -> ScanView {
        let at_rest = ScanView::at_rest(self.scan.id, self.scan.phase, self.scan.state, &self.progress);
        ScanView { measuring, device, last: self.last.clone(), ..at_rest }
    }

    /// The open values of one step.
    pub fn open_at(&self, metric: &MetricId, region: Region) -> Vec<StoredRepeat> {
        let here = |r: &&StoredRepeat| r.metric == *metric && r.region == Some(region);
        self.open.iter().filter(here).cloned().collect()
    }

    /// Steps that hold open values and need no more of them: all there, or the rest left out. With `all`, every step that
    /// holds any. Never one whose reading stands: a value too many waits for a person and holds nobody up.
    pub fn ready_to_close(&self, all: bool) -> Vec<(MetricId, Region)> {
        let steps = self.progress.steps().iter().filter(|s| all || s.state() != StepState::Waiting);
        steps
            .map(|s| (s.step.metric.clone(), s.step.region))
            .filter(|(metric, region)| !self.open_at(metric, *region).is_empty())
            .filter(|step| !self.closed.contains(step))
            .collect()
    }
}

/// Closes the values of one step: outliers flagged and left out of the mean, which gets one decimal more than the device
/// gives. `None` for no values.
pub(super) fn close(
    id: ReadingId,
    scan: &Scan,
    region: Region,
    values: &[StoredRepeat],
    specs: &[Arc<Spec>],
    closed: Stamp,
) -> Option<Reading> {
    let first = values.first()?;
    let spec = specs.iter().find(|spec| spec.id == first.device.protocol);
    let floor = spec.and_then(|spec| spec.repeatability(&first.metric)).map_or(0.0, |r| r.repeat_sd);
    let numbers: Vec<f64> = values.iter().map(|v| v.repeat.value.value()).collect();
    let off = outliers(&numbers, floor);
    let repeats: Vec<Repeat> = values.iter().zip(&off).map(|(stored, off)| flagged(&stored.repeat, *off)).collect();
    let kept: Vec<f64> = numbers.iter().zip(&off).filter(|(_, off)| !**off).map(|(v, _)| *v).collect();
    let (mean, spread) = mean_and_spread(&kept)?;
    let decimals = values.iter().map(|v| v.repeat.value.decimals()).max().unwrap_or(0);
    let value = Quantity::new(mean, (decimals + 1).min(Quantity::MAX_DECIMALS))?;
    Some(Reading {
        id,
        scan: scan.id,
        metric: first.metric.clone(),
        region,
        unit: first.unit.clone(),
        value,
        spread,
        repeats,
        device: first.device.clone(),
        closed,
    })
}

fn flagged(repeat: &Repeat, off: bool) -> Repeat {
    let mut repeat = repeat.clone();
    if off && !repeat.flags.contains(&QualityFlag::Outlier) {
        repeat.flags.push(QualityFlag::Outlier);
    }
    repeat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        BootId, ClockState, RepeatId, ScanId, Timestamp,
        device::DeviceIdentity,
        scan::{Phase, Step},
    };

    fn stamp() -> Stamp {
        Stamp {
            boot: BootId::from_bits(1),
            monotonic_ns: 1,
            wall: Timestamp::from_unix_ms(1),
            clock: ClockState::Synced,
        }
    }

    fn scan() -> Scan {
        let step = Step { metric: MetricId::new("moisture").unwrap(), region: Region::Nose, repeats: 3 };
        let (id, visit) = (ScanId::from_bits(1), VisitId::from_bits(2));
        Scan { id, visit, phase: Phase::Before, state: ScanState::Running, plan: vec![step] }
    }

    fn value(number: u128, text: &str) -> StoredRepeat {
        StoredRepeat {
            repeat: Repeat {
                id: RepeatId::from_bits(number),
                value: text.parse().unwrap(),
                flags: Vec::new(),
                device_counter: None,
                taken: stamp(),
            },
            station: "chair-1".into(),
            scan: Some(ScanId::from_bits(1)),
            reading: None,
            metric: MetricId::new("moisture").unwrap(),
            region: Some(Region::Nose),
            unit: "%".into(),
            device: DeviceIdentity {
                protocol: "p".into(),
                protocol_version: "1".into(),
                serial: "s".into(),
                probe: String::new(),
                firmware: String::new(),
            },
        }
    }

    fn closed(texts: &[&str]) -> Option<Reading> {
        let values: Vec<StoredRepeat> = texts.iter().zip(1..).map(|(text, at)| value(at, text)).collect();
        close(ReadingId::from_bits(9), &scan(), Region::Nose, &values, &[], stamp())
    }

    #[test]
    fn a_lifted_probe_is_flagged_kept_and_left_out_of_the_mean() {
        let reading = closed(&["35.0", "35.2", "12.0"]).unwrap();
        assert_eq!(reading.value.to_string(), "35.10");
        let off: Vec<bool> = reading.repeats.iter().map(|r| r.flags.contains(&QualityFlag::Outlier)).collect();
        assert_eq!(off, [false, false, true]);
    }

    #[test]
    fn the_mean_has_one_decimal_more_than_the_device_and_one_value_has_no_spread() {
        assert_eq!(closed(&["35", "36"]).unwrap().value.to_string(), "35.5");
        let one = closed(&["35.00"]).unwrap();
        assert_eq!((one.value.to_string().as_str(), one.spread), ("35.000", None));
        assert_eq!(
            closed(&["1.000000000"]).unwrap().value.to_string(),
            "1.000000000",
            "no more decimals than there are"
        );
        assert_eq!(closed(&[]), None);
    }

    #[test]
    fn where_a_scan_stands_is_worked_out_from_what_is_stored() {
        let stored = StoredScan {
            scan: scan(),
            skipped: Vec::new(),
            repeats: vec![value(1, "35.0"), value(2, "35.1")],
            readings: Vec::new(),
            captures: Vec::new(),
            scores: Vec::new(),
        };
        assert_eq!(progress_of(&stored).current().map(|step| step.have), Some(2));
        let skipped = StoredScan { skipped: vec![Region::Nose], ..stored.clone() };
        assert!(progress_of(&skipped).current().is_none());
        assert_eq!(UnderWay::new(skipped).ready_to_close(false).len(), 1, "what there is becomes a reading");
        assert!(UnderWay::new(stored.clone()).ready_to_close(false).is_empty());
        assert_eq!(UnderWay::new(stored.clone()).ready_to_close(true).len(), 1);
        let mut closed = UnderWay::new(stored);
        closed.closed.push((MetricId::new("moisture").unwrap(), Region::Nose));
        assert!(closed.ready_to_close(true).is_empty(), "a value too many closes nothing again");
    }
}
