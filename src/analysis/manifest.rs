//! What a model folder says of itself, checked once at the door: tensors in, tensors out, which metric each feeds and how.
//!
//! There is no code per model. A kind this file may name is an enum here; past [`Manifest::parse`] nothing is checked
//! again except against the model file itself (digest, tensor names and shapes), which is the worker's business.
//! The contract with every key: `docs/contracts/model-manifest.md`.

use super::manifest_file as file;
use crate::domain::{
    metric::{Label, MetricId},
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
    /// What is applied to a tensor before it is read; softmax runs along the last axis.
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

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub name: String,
    pub kind: OutputKind,
    pub activation: Activation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// `[1, 1, H, W]`, one value per `stride` picture pixels.
    Map { stride: u32 },
    /// One value.
    Scalar,
    /// Values whose meaning the caller knows; no score reads them.
    Vector,
    /// Candidate boxes or their scores; no score reads them.
    Boxes,
}

/// Which metric an output feeds, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRule {
    pub metric: MetricId,
    /// Index into [`Manifest::outputs`].
    pub output: usize,
    pub reduce: Reduce,
    pub paired: Option<KeptShare>,
    /// The metric of a kept-share score of the same manifest: this score's map is compared at the places of its peaks.
    pub peaks_of: Option<MetricId>,
    pub repeatability: Option<ScoreRepeatability>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reduce {
    /// Local maxima at or above `threshold` within a `window`² neighbourhood, per cm² of the region.
    PeakDensity { threshold: f32, window: u32 },
    /// Share of the region's map at or above `threshold`, in percent.
    AreaFraction { threshold: f32 },
    /// Mean of the map over the region.
    Mean,
    /// The value itself.
    Scalar,
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
    /// # Errors
    /// [`ManifestError::Unreadable`] at the first syntax fault or unknown key, else all complaints together.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: file::File = toml::from_str(text).map_err(|e| ManifestError::Unreadable(e.to_string()))?;
        super::manifest_check::check(raw)
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
