//! `manifest.toml` as written: field names and shapes only. What it means and what is wrong with it: [`super::manifest`].

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub schema: u32,
    pub id: String,
    pub version: String,
    pub title: Title,
    pub file: String,
    pub sha256: String,
    pub licence: String,
    pub provenance: String,
    pub intended_use: String,
    pub limits: Limits,
    pub input: Input,
    #[serde(default)]
    pub output: Vec<Output>,
    #[serde(default)]
    pub detector: Vec<Detector>,
    #[serde(default)]
    pub score: Vec<Score>,
    pub accuracy: Accuracy,
    #[serde(default)]
    pub golden: Vec<Golden>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Title {
    pub zh: String,
    pub en: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub deadline_ms: u64,
    pub memory_mib: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub name: String,
    pub element: String,
    pub layout: String,
    pub channels: String,
    pub scale: Vec<f64>,
    pub offset: Vec<f64>,
    pub fit: String,
    pub px_per_mm: Option<f64>,
    pub min_px_per_mm: Option<f64>,
    pub margin_px: Option<u32>,
    pub multiple_of: Option<u32>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fill: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub name: String,
    pub kind: String,
    pub stride: Option<u32>,
    pub layout: Option<String>,
    pub channels: Option<Vec<String>>,
    pub classes: Option<Vec<String>>,
    pub points: Option<Vec<String>>,
    pub coordinates: Option<String>,
    pub activation: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detector {
    pub id: String,
    pub decoder: String,
    pub strides: Option<Vec<u32>>,
    pub boxes: Vec<String>,
    pub scores: Vec<String>,
    pub objectness: Option<Vec<String>>,
    pub class: Option<u32>,
    pub landmarks: Option<Vec<String>>,
    pub points: Option<Vec<String>>,
    pub coordinates: Option<String>,
    pub threshold: f64,
    pub overlap: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Score {
    pub metric: String,
    pub output: String,
    pub channel: Option<String>,
    pub class: Option<String>,
    pub unit: Option<String>,
    pub better: Option<String>,
    pub by: Option<String>,
    pub reduce: String,
    pub threshold: Option<f64>,
    pub window: Option<u32>,
    pub min_cells: Option<u32>,
    pub per: Option<String>,
    pub paired: Option<String>,
    pub kept_threshold: Option<f64>,
    pub search_px: Option<u32>,
    pub peaks_of: Option<String>,
    pub repeatability: Option<Repeatability>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeatability {
    pub unchanged_mean: Option<f64>,
    pub unchanged_sd: Option<f64>,
    pub floor: Option<f64>,
    pub level_sd: Option<f64>,
    pub degrees_of_freedom: u32,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accuracy {
    pub measured_on: String,
    pub note: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Golden {
    pub name: String,
    pub input: String,
    pub expect: String,
}
