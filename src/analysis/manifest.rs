//! What a model folder says of itself, checked once at the door: tensors in, tensors out, which metric each feeds and how.
//!
//! There is no code per model. A kind this file may name is an enum here; past [`Manifest::parse`] nothing is checked
//! again except against the model file itself (digest, tensor names and shapes), which is the worker's business.
//! The contract with every key: `docs/contracts/model-manifest.md`.

use super::{detector::Detector, manifest_file as file, tensor::Placement};
use crate::domain::{
    metric::{Direction, Label, Metric, MetricId},
    word::words,
};
use std::{fmt, time::Duration};

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, an unknown or missing key, a wrong type.
    #[error("manifest.toml cannot be read: {0}")]
    Unreadable(String),
    /// Readable, but it says what cannot be: every complaint at once.
    #[error("manifest.toml says what cannot be:{}", list(.0))]
    Wrong(Vec<Complaint>),
}

/// One thing wrong, with its place and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// As written in the file: `input.scale`, `score[0].window`.
    pub field: String,
    pub remedy: String,
}

fn list(complaints: &[Complaint]) -> String {
    complaints.iter().map(|c| format!("\n  {}: {}", c.field, c.remedy)).collect()
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.remedy)
    }
}

words! {
    /// What one element of the input tensor is.
    pub enum Element as "tensor element" { F32 = "f32", U8 = "u8" }
}
words! {
    /// Order of the axes: batch, channels, height, width, or batch, height, width, channels.
    pub enum Layout as "tensor layout" { Nchw = "nchw", Nhwc = "nhwc" }
}
words! {
    /// Order of the colours; grey is 0.299 R + 0.587 G + 0.114 B.
    pub enum Channels as "channel order" { Rgb = "rgb", Bgr = "bgr", Grey = "grey" }
}
words! {
    /// What is applied to a tensor before it is read. Softmax runs across the channels of a map, across the values of a
    /// class output, and along the last axis of anything else.
    pub enum Activation as "activation" { None = "none", Sigmoid = "sigmoid", Softmax = "softmax" }
}

impl Channels {
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Grey => 1,
        }
    }
}

/// A model folder's `manifest.toml`, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub id: String,
    pub version: String,
    pub title: Label,
    /// Plain file name inside the folder.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hex digits.
    pub sha256: String,
    pub licence: String,
    pub provenance: String,
    pub intended_use: String,
    pub limits: Limits,
    pub input: Input,
    pub outputs: Vec<Output>,
    pub detectors: Vec<Detector>,
    pub scores: Vec<ScoreRule>,
    pub accuracy: Accuracy,
    pub golden: Vec<Golden>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// For one inference.
    pub deadline: Duration,
    /// Address space the model may add, MiB.
    pub memory_mib: u32,
}

/// The one input tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub name: String,
    pub element: Element,
    pub layout: Layout,
    pub channels: Channels,
    /// Tensor = pixel (0..255) × scale + offset, per channel in `channels` order.
    pub scale: Vec<f32>,
    pub offset: Vec<f32>,
    pub fit: Fit,
}

/// How the picture becomes the tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// One tensor per face region, resampled to a fixed scale.
    Region { px_per_mm: f64, min_px_per_mm: f64, margin_px: u32, multiple_of: u32 },
    /// The whole picture in a fixed size.
    Whole { how: Whole, width: u32, height: u32, fill: u8 },
}

words! {
    /// How a whole picture is brought to a fixed size.
    pub enum Whole as "fit" { Stretch = "stretch", Letterbox = "letterbox", PadCorner = "pad-corner" }
}

words! {
    /// In what the places of boxes and points are told.
    pub enum Coordinates as "coordinates" {
        /// Shares of the tensor's width and height, 0 to 1.
        Share = "share",
        /// Pixels of the tensor.
        Pixel = "pixel",
    }
}

impl Coordinates {
    /// Tensor pixels to one unit, across and down.
    #[must_use]
    pub fn size_of(self, placement: &Placement) -> [f64; 2] {
        match self {
            Self::Share => placement.tensor.map(|side| side as f64),
            Self::Pixel => [1.0; 2],
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub name: String,
    pub kind: OutputKind,
    pub activation: Activation,
    /// Of a map: whether its channels come before or after height and width.
    pub layout: Layout,
    /// What the channels of a map, the classes or the landmarks are called, in the tensor's order. A map without names has
    /// one channel.
    pub names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Channels of cells, `[1, C, H, W]` or `[1, H, W, C]`, one cell per `stride` pixels of the tensor.
    Map { stride: u32 },
    /// One value.
    Scalar,
    /// One value for each of the named classes.
    Class,
    /// Two values, x and y, for each of the named points.
    Landmarks { unit: Coordinates },
    /// Values whose meaning the caller knows; no score reads them.
    Vector,
    /// Candidate boxes, their scores or their points, for a `[[detector]]`.
    Boxes,
}

impl Output {
    /// Channels of a map.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.names.len().max(1)
    }
}

/// Which metric an output feeds, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRule {
    pub metric: MetricId,
    /// Index into [`Manifest::outputs`].
    pub output: usize,
    /// Which channel of a map.
    pub channel: usize,
    /// As the author of the model means it; held against the house's metric before the model is used.
    pub unit: Option<String>,
    pub better: Option<Direction>,
    pub by: Extent,
    pub reduce: Reduce,
    pub paired: Option<KeptShare>,
    /// The metric of a kept-share score of the same manifest: this score's map is compared at the places of its peaks.
    pub peaks_of: Option<MetricId>,
    pub repeatability: Option<ScoreRepeatability>,
}

impl ScoreRule {
    /// Whether the house means the same by this metric.
    ///
    /// # Errors
    /// A sentence that says what differs and what to do.
    pub fn agrees(&self, metrics: &[Metric]) -> Result<(), String> {
        let id = &self.metric;
        let Some(metric) = metrics.iter().find(|metric| metric.id == *id) else {
            return Err(format!("score {id}: config/metrics.toml knows no such metric; add it there"));
        };
        let differs = |what: &str, ours: &str, house: &str| {
            Err(format!("score {id}: its {what} is {ours:?}, config/metrics.toml says {house:?}; correct one of them"))
        };
        match (&self.unit, self.better) {
            (Some(unit), _) if *unit != metric.unit => differs("unit", unit, &metric.unit),
            (_, Some(better)) if better != metric.direction => {
                differs("direction", better.as_str(), metric.direction.as_str())
            }
            _ => Ok(()),
        }
    }
}

words! {
    /// Over what a map is reduced.
    pub enum Extent as "extent" {
        /// Each region of the view for itself.
        Region = "region",
        /// All that the picture shows.
        Picture = "picture",
    }
}

words! {
    /// What a number or a length is divided by.
    pub enum Per as "measure of size" {
        /// Nothing: the number or the millimetres themselves.
        Extent = "extent",
        /// Square centimetres.
        Cm2 = "cm2",
        /// Squares with the distance of the view's two anchors as side: the same share of every face, however large.
        Face = "face",
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reduce {
    /// Local maxima at or above `threshold` within a `window`² neighbourhood, per cm² of the region.
    PeakDensity { threshold: f32, window: u32 },
    /// Share of the region's map at or above `threshold`, in percent.
    AreaFraction { threshold: f32 },
    /// Mean of the map over the region.
    Mean,
    /// Mean of the map over the region's cells at or above `threshold`; zero where there is none.
    MeanAbove { threshold: f32 },
    /// Connected pieces at or above `threshold`, of at least `min_cells`.
    Pieces { threshold: f32, min_cells: u32, per: Per },
    /// Length of the middle lines of those pieces, in mm.
    Length { threshold: f32, min_cells: u32, per: Per },
    /// The value itself.
    Scalar,
    /// The share of one class, in percent.
    Class(usize),
}

/// Paired measure of peaks: is each peak of one picture still there, at its registered place, in the other?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeptShare {
    /// A peak counts as still there from this share of the reducer's threshold upwards.
    pub kept_threshold: f32,
    /// Half width of the search round the registered place, in map pixels.
    pub search_px: u32,
}

/// How a score repeats itself on pictures of unchanged skin; measured, never guessed.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRepeatability {
    /// Of the kept share on unchanged pairs.
    pub paired: Option<Unchanged>,
    /// SD of one level value over retaken pictures, in the metric's unit.
    pub level_sd: Option<f64>,
    pub degrees_of_freedom: u32,
    /// As printed beside a verdict.
    pub source: String,
}

/// What pairs of unchanged skin show. Of a kept share: its mean, below 1 because noise hides faint peaks, and its SD. Of a
/// response: 1, and the SD of the logarithm of after over before divided by √2, as if each picture had a share in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unchanged {
    pub mean: f64,
    pub sd: f64,
    /// The SD is never taken to be smaller than this: one odd picture must not break the limit.
    pub floor: f64,
}

/// What was measured, and on what; printed, never used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accuracy {
    pub measured_on: String,
    pub note: String,
}

/// One picture whose outputs are known; paths relative to the folder, forward slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    pub name: String,
    pub input: String,
    pub expect: String,
}

impl Manifest {
    /// Whether both make the same score of the same picture: input, outputs, detectors and score rules, whatever is known of their
    /// repeatability.
    #[must_use]
    pub fn computes_as(&self, other: &Self) -> bool {
        let rules = |manifest: &Self| -> Vec<ScoreRule> {
            manifest.scores.iter().map(|rule| ScoreRule { repeatability: None, ..rule.clone() }).collect()
        };
        (&self.input, &self.outputs, &self.detectors) == (&other.input, &other.outputs, &other.detectors)
            && rules(self) == rules(other)
    }

    /// # Errors
    /// [`ManifestError::Unreadable`] at the first syntax fault or unknown key, else all complaints together.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: file::File = toml::from_str(text).map_err(|e| ManifestError::Unreadable(e.to_string()))?;
        super::manifest_check::check(raw)
    }

    /// Every score's metric held against the house's own.
    ///
    /// # Errors
    /// All that differ, a sentence each.
    pub fn agrees(&self, metrics: &[Metric]) -> Result<(), String> {
        let differs: Vec<String> = self.scores.iter().filter_map(|rule| rule.agrees(metrics).err()).collect();
        if differs.is_empty() { Ok(()) } else { Err(differs.join("; ")) }
    }

    /// Index and description of an output by its tensor name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<(usize, &Output)> {
        self.outputs.iter().enumerate().find(|(_, output)| output.name == name)
    }

    #[must_use]
    pub fn score(&self, metric: &MetricId) -> Option<&ScoreRule> {
        self.scores.iter().find(|rule| rule.metric == *metric)
    }
}
