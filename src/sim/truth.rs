//! What the simulated skin is like: the true value per metric, region and phase. Where nothing is planted for *after*, the
//! skin has not changed.

use crate::domain::{Region, metric::MetricId, scan::Phase};
use std::collections::BTreeMap;

/// True values, in each metric's unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truth {
    means: BTreeMap<(MetricId, Region, Phase), f64>,
}

/// Moisture (%), sebum (µg/cm²) and elasticity (R2) of an unremarkable face.
const PLAUSIBLE: &[(&str, &[(Region, f64)])] = &[
    (
        "moisture",
        &[
            (Region::Forehead, 38.0),
            (Region::Nose, 36.0),
            (Region::LeftCheek, 35.0),
            (Region::RightCheek, 35.5),
            (Region::Chin, 37.0),
            (Region::Neck, 40.0),
            (Region::InnerForearm, 42.0),
        ],
    ),
    (
        "sebum",
        &[
            (Region::Forehead, 165.0),
            (Region::Nose, 190.0),
            (Region::LeftCheek, 95.0),
            (Region::RightCheek, 98.0),
            (Region::Chin, 140.0),
            (Region::Neck, 60.0),
            (Region::InnerForearm, 20.0),
        ],
    ),
    (
        "elasticity",
        &[
            (Region::Forehead, 0.72),
            (Region::Nose, 0.74),
            (Region::LeftCheek, 0.70),
            (Region::RightCheek, 0.70),
            (Region::Chin, 0.71),
            (Region::Neck, 0.68),
            (Region::InnerForearm, 0.78),
        ],
    ),
];

impl Truth {
    /// An unremarkable face that does not change.
    #[must_use]
    pub fn plausible() -> Self {
        let mut truth = Self::default();
        for (metric, regions) in PLAUSIBLE {
            let metric = MetricId::new(metric).expect("the table names metrics of config/metrics.toml");
            for (region, mean) in *regions {
                truth.plant(&metric, *region, Phase::Before, *mean);
            }
        }
        truth
    }

    pub fn plant(&mut self, metric: &MetricId, region: Region, phase: Phase, mean: f64) {
        self.means.insert((metric.clone(), region, phase), mean);
    }

    /// Whether anything was planted of `metric`.
    #[must_use]
    pub fn knows(&self, metric: &MetricId) -> bool {
        self.means.keys().any(|(known, ..)| known == metric)
    }

    /// `None`: there is no skin here, the device finds no value.
    #[must_use]
    pub fn mean(&self, metric: &MetricId, region: Region, phase: Phase) -> Option<f64> {
        let of = |phase| self.means.get(&(metric.clone(), region, phase)).copied();
        of(phase).or_else(|| of(Phase::Before))
    }
}
