//! What the gateway asks its inference process, what comes back, and the frames both speak over a pipe.
//!
//! A frame: `SKW1` · header length (u32, little-endian) · number of parts (u32) · length of each part (u32 each) ·
//! header (JSON) · parts (raw bytes, pictures or a text). Each request gets exactly one reply; the first is
//! [`Request::Setup`]. Both sides come from the same binary, so there is no version to agree on; anything malformed means
//! that the other side is broken, and ends the conversation.

use super::compare::{PairedCounts, PairedFound, PairedResponse};
use crate::domain::{
    capture::{ColourReference, FacePoints},
    comparison::Refusal,
};
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 4] = *b"SKW1";
/// Fixed start of a frame: magic, header length, number of parts.
pub const PREFIX: usize = 12;
/// A header lists scores and reasons; the largest real one has a few kilobytes.
pub const MAX_HEADER: usize = 1 << 20;
/// Three texts or two pictures in; out of a pair the aligned pictures and one for each metric.
pub const MAX_PARTS: usize = 16;
/// One picture at the door's limit.
pub const MAX_PART: usize = super::door::MAX_BYTES;

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame does not start with SKW1")]
    Magic,
    #[error("the frame announces {what} of {found}, at most {limit} is allowed")]
    TooLarge { what: &'static str, found: usize, limit: usize },
    #[error("the frame's header cannot be read: {0}")]
    Header(String),
}

/// Lengths of what follows a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    pub header: usize,
    pub parts: usize,
}

impl Prefix {
    /// # Errors
    /// [`FrameError`] for anything but a frame's first 12 bytes within the limits.
    pub fn parse(bytes: [u8; PREFIX]) -> Result<Self, FrameError> {
        if bytes[..4] != MAGIC {
            return Err(FrameError::Magic);
        }
        let header = bounded("a header", number(&bytes[4..8]), MAX_HEADER)?;
        let parts = bounded("a number of parts", number(&bytes[8..12]), MAX_PARTS)?;
        Ok(Self { header, parts })
    }

    /// Reads the part lengths, 4 bytes each, that follow the prefix.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] for a part above [`MAX_PART`].
    pub fn part_lengths(bytes: &[u8]) -> Result<Vec<usize>, FrameError> {
        bytes.chunks_exact(4).map(|length| bounded("a part", number(length), MAX_PART)).collect()
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn bounded(what: &'static str, found: usize, limit: usize) -> Result<usize, FrameError> {
    if found > limit { Err(FrameError::TooLarge { what, found, limit }) } else { Ok(found) }
}

/// Everything before the parts of a frame; the parts follow as they are.
///
/// # Errors
/// [`FrameError::TooLarge`] when the other side would refuse it.
pub fn head(header: &impl Serialize, parts: &[&[u8]]) -> Result<Vec<u8>, FrameError> {
    let header = serde_json::to_vec(header).map_err(|e| FrameError::Header(e.to_string()))?;
    bounded("a header", header.len(), MAX_HEADER)?;
    bounded("a number of parts", parts.len(), MAX_PARTS)?;
    let mut bytes = MAGIC.to_vec();
    for length in [header.len(), parts.len()].into_iter().chain(parts.iter().map(|part| part.len())) {
        bounded("a part", length, MAX_PART)?;
        bytes.extend(u32::try_from(length).expect("bounded above").to_le_bytes());
    }
    bytes.extend(header);
    Ok(bytes)
}

/// # Errors
/// [`FrameError::Header`] when the JSON is not a `T`.
pub fn parse_header<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(|e| FrameError::Header(e.to_string()))
}

/// What the gateway asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// First of all. Parts: `face-regions.toml`, then `quality-gates.toml` and `cameras.toml` or neither.
    Setup {
        onnxruntime: String,
        memory_mib: u32,
    },
    Ping,
    /// Loads a model folder and runs its golden set; only then it replaces the model of the same id. With `pinned` only if
    /// its manifest still has this SHA-256, and with it, by the digest that stands there, the same model file.
    Activate {
        folder: String,
        pinned: Option<String>,
    },
    /// The same in a process that is thrown away afterwards: its memory is first cut down to what the manifest allows the
    /// model beyond what the process has already.
    Try {
        folder: String,
        pinned: Option<String>,
    },
    /// The quality gates on one picture, as [`Reply::Levels`] without scores. Part: the picture's bytes.
    Look {
        view: String,
        anchors: [[f64; 2]; 2],
    },
    /// The same and more: with the tip of the nose, where somebody set it, and against the before picture, where there is one.
    /// Parts: the picture, then the before picture where `before` is given. Answered by [`Reply::Gated`].
    Gate {
        view: String,
        shot: Placed,
        before: Option<Placed>,
    },
    /// Levels of all active models and what the colours say. Part: the picture. Answered by [`Reply::Levels`].
    Measure {
        view: String,
        anchors: [[f64; 2]; 2],
        camera: String,
    },
    /// The same with some of the active models only, after the process died over all of them: with none what the colours say, with
    /// one that one's levels and nothing else.
    MeasureBy {
        view: String,
        anchors: [[f64; 2]; 2],
        camera: String,
        models: Vec<String>,
    },
    /// Levels of all active models on one picture. Part: the picture's bytes. Anchors in pixels as shown.
    Levels {
        view: String,
        anchors: [[f64; 2]; 2],
    },
    /// Everything one active model tells of one picture. Part: the picture's bytes. A model of regions, and one whose scores
    /// are told by region, needs to know where the face lies; else a scale is of use.
    Evaluate {
        model: String,
        face: Option<FacePlace>,
        px_per_mm: Option<f64>,
    },
    /// The small pictures for report and HQ. Part: the picture. Answered by [`Reply::Derived`].
    Derive,
    /// Paired measures of all active models. Parts: before, after.
    Paired {
        view: String,
        before_anchors: [[f64; 2]; 2],
        after_anchors: [[f64; 2]; 2],
    },
    /// The same of some of the active models only.
    PairedBy {
        view: String,
        before_anchors: [[f64; 2]; 2],
        after_anchors: [[f64; 2]; 2],
        models: Vec<String>,
    },
    /// Pictures of a pair for the report. Parts: before, after.
    Pictures {
        view: String,
        before_anchors: [[f64; 2]; 2],
        after_anchors: [[f64; 2]; 2],
        /// The cameras they were taken with. Where they are the same, and a grey card is in both pictures or what is known of
        /// the camera serves, colours compare.
        cameras: [String; 2],
        /// What white looked like in each picture, linear red, green and blue, where the caller knows it.
        whites: Option<[[f64; 3]; 2]>,
    },
}

/// What the process answers; [`Reply::parts`] says how many parts go with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// `provider` as it stands in every engine: `cpu/1.28.0`.
    Ready {
        provider: String,
    },
    Pong,
    Activated {
        model: ModelName,
    },
    Levels(Levels),
    Evaluated(Evaluated),
    Gated(Gated),
    Paired(Paired),
    /// Parts: the picture of the report, the derivative; JPEG.
    Derived,
    /// Parts: one JPEG each, in this order.
    Pictures(Pictures),
    /// The job could not be done; the sentence is for people. The process goes on.
    Failed {
        reason: String,
    },
}

impl Reply {
    /// How many parts go with it; with any other number the frame is none.
    #[must_use]
    pub const fn parts(&self) -> usize {
        match self {
            Self::Derived => 2,
            Self::Pictures(Pictures { pictures, .. }) => pictures.len(),
            _ => 0,
        }
    }
}

/// Where a face lies in a picture, pixels as shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    pub anchors: [[f64; 2]; 2],
    /// `None` where nobody set it.
    pub nose: Option<[f64; 2]>,
}

impl From<FacePoints> for Placed {
    fn from(FacePoints { anchors, nose }: FacePoints) -> Self {
        Self { anchors, nose: Some(nose) }
    }
}

/// What the gates say of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gated {
    /// Pixels as shown.
    pub width: u32,
    pub height: u32,
    pub px_per_mm: f64,
    pub failed: Vec<FailedGate>,
    /// The before picture's points carried over, where both matched.
    pub inherited: Option<Carried>,
    /// Whether a grey card was found.
    pub card: bool,
}

/// One gate that did not pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedGate {
    /// Word of the complaint.
    pub gate: String,
    pub found: f64,
    pub limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    pub anchors: [[f64; 2]; 2],
    pub nose: [f64; 2],
}

/// An active model; with the provider it is the engine behind a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelName {
    pub id: String,
    pub version: String,
    pub digest: String,
    pub provider: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Pixels as shown.
    pub width: u32,
    pub height: u32,
    pub px_per_mm: f64,
    /// Words of the quality gates; empty when all passed.
    pub complaints: Vec<String>,
    pub scores: Vec<Level>,
    /// Models that gave no score for this picture, each with its reason.
    pub skipped: Vec<String>,
    /// Ids of models that failed over it, each once: what they gave was no answer. A picture that does not suit a model is no
    /// failure of it.
    #[serde(default)]
    pub failed: Vec<String>,
    /// Word of what the colours were held against ([`ColourReference`]).
    #[serde(default = "unknown")]
    pub colour: String,
}

fn unknown() -> String {
    ColourReference::Unknown.to_string()
}

/// Where a face lies in a picture: a view of `face-regions.toml` and its two anchors in pixels as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacePlace {
    pub view: String,
    pub anchors: [[f64; 2]; 2],
}

/// What one model tells of one picture.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// Pixels as shown.
    pub width: u32,
    pub height: u32,
    pub scores: Vec<EvaluatedScore>,
    pub found: Vec<Thing>,
    /// Landmarks, in pixels as shown.
    pub points: Vec<Point>,
    /// The shares of each class output's classes, 0 to 1.
    pub classes: Vec<Share>,
    /// Scores or regions that could not be had, with the reason.
    pub skipped: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatedScore {
    pub metric: String,
    pub region: String,
    pub value: f64,
}

/// Something that a detector found; pixels as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    pub detector: String,
    pub score: f64,
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub corners: [f64; 4],
    pub points: Vec<Point>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub name: String,
    pub at: [f64; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub output: String,
    pub class: String,
    pub share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    pub model: ModelName,
    pub metric: String,
    pub region: String,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    pub measures: Vec<PairedMeasure>,
}

/// One metric × region of a pair: counts or a response, or the word of the refusal ([`Refusal::as_str`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedMeasure {
    pub model: ModelName,
    pub metric: String,
    pub region: String,
    pub counts: Option<PairedCounts>,
    pub response: Option<PairedResponse>,
    /// The metric's level in both pictures, on the same grid and at the same sharpness.
    pub levels: Option<[f64; 2]>,
    pub refusal: Option<String>,
    /// What registration left over, in pixels of the model's scale: median and 95th percentile.
    pub residual_px: Option<[f64; 2]>,
}

/// What the parts of [`Reply::Pictures`] are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    pub pictures: Vec<PictureOf>,
    /// Regions that no picture speaks of, with the word of the refusal.
    pub refused: Vec<(String, String)>,
}

/// One picture of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureOf {
    pub kind: PictureKind,
    /// Of where something changed.
    pub metric: Option<String>,
}

/// All of one frame, so that they may be laid over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureKind {
    /// The before picture.
    Before,
    /// The after picture laid onto it, as bright as it was taken.
    Aligned,
    /// The same, as bright as the before picture: one factor for all colours, which says nothing of tone.
    SameExposure,
    /// Where a metric's peaks went, came and stayed.
    Change,
    /// Where a metric grew weaker or stronger.
    Strength,
    /// Where redness changed; only where colours compare.
    Redness,
}

impl PairedMeasure {
    /// What was found, or why nothing; a word this program does not know counts as not registered.
    ///
    /// # Errors
    /// The refusal.
    pub fn outcome(&self) -> Result<PairedFound, Refusal> {
        if let Some(word) = &self.refusal {
            return Err(word.parse().unwrap_or(Refusal::NotRegistered));
        }
        let counts = self.counts.map(PairedFound::Peaks);
        counts.or(self.response.map(PairedFound::Response)).ok_or(Refusal::Missing)
    }
}
