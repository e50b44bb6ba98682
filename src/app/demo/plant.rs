//! The truth behind the demo: what the simulated skin is like before and after, and where a change was planted.
//!
//! In most regions nothing is planted: there a verdict of change would be a false one. The photographs' truth comes from
//! the face renderer (`planted.json` beside them).

use anyhow::{Context, anyhow};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One mean of the simulated skin, with the change that the treatment makes.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    pub metric: &'static str,
    pub region: &'static str,
    /// In the metric's unit.
    pub before: f64,
    pub change: f64,
}

const fn truth(metric: &'static str, region: &'static str, before: f64, change: f64) -> Truth {
    Truth { metric, region, before, change }
}

/// Dry cheeks that take water up, an oily forehead and nose that calm down, elasticity that no single treatment moves.
pub const TRUTHS: &[Truth] = &[
    truth("moisture", "forehead", 38.0, 12.0),
    truth("moisture", "nose", 42.0, 0.0),
    truth("moisture", "left_cheek", 34.0, 15.0),
    truth("moisture", "right_cheek", 35.0, 14.0),
    truth("moisture", "chin", 40.0, 0.0),
    truth("sebum", "forehead", 205.0, -45.0),
    truth("sebum", "nose", 245.0, -60.0),
    truth("sebum", "left_cheek", 120.0, 0.0),
    truth("sebum", "right_cheek", 118.0, 0.0),
    truth("sebum", "chin", 150.0, 0.0),
    truth("elasticity", "forehead", 0.74, 0.0),
    truth("elasticity", "nose", 0.70, 0.0),
    truth("elasticity", "left_cheek", 0.66, 0.0),
    truth("elasticity", "right_cheek", 0.67, 0.0),
    truth("elasticity", "chin", 0.69, 0.0),
];

/// A simulated analyser of the demo.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedDevice {
    pub protocol: &'static str,
    pub serial: &'static str,
}

/// The first that measures a metric is asked for it: moisture comes from the probe, the rest from the analyser.
pub const DEVICES: &[SimulatedDevice] = &[
    SimulatedDevice { protocol: "moist-line", serial: "ML-2201" },
    SimulatedDevice { protocol: "derma-reference", serial: "DR-0417" },
];

/// A change that was planted (0: none), and whether the comparison called a change there.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Planted {
    pub metric: String,
    pub region: String,
    /// Readings: in the metric's unit. Pores: the share removed, negative.
    pub change: f64,
    pub found: bool,
}

/// `planted.json` of the renderer; what the demo does not need is passed over.
#[derive(Debug, Deserialize)]
pub struct Rendered {
    pub photos: Vec<RenderedPhoto>,
    planted: Vec<RemovedPores>,
}

/// One rendered photograph.
#[derive(Debug, Deserialize)]
pub struct RenderedPhoto {
    pub phase: String,
    pub view: String,
    pub file: PathBuf,
    pub anchors: [[f64; 2]; 2],
}

#[derive(Debug, Deserialize)]
struct RemovedPores {
    metric: String,
    region: String,
    removed_share: f64,
}

impl Rendered {
    /// # Errors
    /// When `make setup` has not rendered the photographs.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("planted.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("no rendered photographs at {}; run `make setup`", path.display()))?;
        serde_json::from_str(&text).map_err(|e| anyhow!("{} is damaged ({e}); run `make setup`", path.display()))
    }

    /// All that was planted, each with whether `found` says so.
    #[must_use]
    pub fn held_against(&self, found: impl Fn(&str, &str) -> bool) -> Vec<Planted> {
        let readings = TRUTHS.iter().map(|t| (t.metric, t.region, t.change));
        let pores = self.planted.iter().map(|p| (p.metric.as_str(), p.region.as_str(), -p.removed_share));
        readings
            .chain(pores)
            .map(|(metric, region, change)| Planted {
                metric: metric.to_owned(),
                region: region.to_owned(),
                change: if change == 0.0 { 0.0 } else { change },
                found: found(metric, region),
            })
            .collect()
    }
}

impl Planted {
    /// Found where planted, not found where nothing was.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.found == (self.change != 0.0)
    }
}
