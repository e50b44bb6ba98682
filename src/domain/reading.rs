//! Measured values: a repeat is one value accepted from a device, a reading closes a metric × region with its repeats.

use super::{
    Quantity, ReadingId, Region, RepeatId, ScanId, Stamp, device::DeviceIdentity, metric::MetricId, word::words,
};

words! {
    /// What is to be known about one value; none of them removes it.
    pub enum QualityFlag as "quality flag" {
        /// Far from its fellows by the rule of [`outliers`]; left out of the mean.
        Outlier = "outlier",
        /// The device itself doubted the contact or pressure.
        WeakContact = "weak_contact",
        /// The device started the measurement by its own button or contact switch.
        DeviceStarted = "device_started",
    }
}

/// One value with its unit, as the device gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredValue {
    pub metric: MetricId,
    pub region: Option<Region>,
    pub value: Quantity,
    pub unit: String,
}

/// One value accepted from a device. Durable before anyone is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    pub id: RepeatId,
    pub value: Quantity,
    pub flags: Vec<QualityFlag>,
    /// The device's own running number of its measurements, where it has one: an independent ledger.
    pub device_counter: Option<u64>,
    pub taken: Stamp,
}

/// A closed metric × region of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub id: ReadingId,
    pub scan: ScanId,
    pub metric: MetricId,
    pub region: Region,
    pub unit: String,
    /// Mean of the repeats that are not outliers, with one decimal more than the device gives.
    pub value: Quantity,
    /// Sample SD of the same repeats; `None` for a single one.
    pub spread: Option<f64>,
    pub repeats: Vec<Repeat>,
    pub device: DeviceIdentity,
    pub closed: Stamp,
}

/// Which of `values` lie off: more than 3.5 scaled median absolute deviations from the median, and more than `floor`
/// (the device's own repeat SD) so that three near-equal values never accuse each other. Fewer than three: none.
///
/// Iglewicz & Hoaglin's modified z-score with its published limit of 3.5.
#[must_use]
pub fn outliers(values: &[f64], floor: f64) -> Vec<bool> {
    if values.len() < 3 {
        return vec![false; values.len()];
    }
    let middle = median(values.to_vec());
    let deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    let limit = (3.5 * 1.4826 * median(deviations.clone())).max(3.5 * floor);
    deviations.into_iter().map(|d| d > limit).collect()
}

/// Mean and sample SD; `None` for no values, SD `None` for one.
#[must_use]
pub fn mean_and_spread(values: &[f64]) -> Option<(f64, Option<f64>)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifted_probe_stands_out_and_near_equals_do_not() {
        assert_eq!(outliers(&[35.1, 35.3, 12.0], 0.5), [false, false, true]);
        assert_eq!(outliers(&[35.0, 35.0, 35.4], 0.5), [false, false, false]);
        assert_eq!(outliers(&[35.0, 90.0], 0.5), [false, false]);
    }

    #[test]
    fn spread_needs_two_values() {
        assert_eq!(mean_and_spread(&[]), None);
        assert_eq!(mean_and_spread(&[4.0]), Some((4.0, None)));
        assert_eq!(mean_and_spread(&[4.0, 6.0]), Some((5.0, Some(2.0_f64.sqrt()))));
    }
}
