//! What the gateway asks its inference process, what comes back, and the frames both speak over a pipe.
//!
//! A frame: `SKW1` · header length (u32, little-endian) · number of parts (u32) · length of each part (u32 each) ·
//! header (JSON) · parts (raw bytes, pictures or a text). Each request gets exactly one reply; the first is
//! [`Request::Setup`]. Both sides come from the same binary, so there is no version to agree on; anything malformed means
//! that the other side is broken, and ends the conversation.

use super::compare::{PairedCounts, PairedFound, PairedResponse};
use crate::domain::comparison::Refusal;
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 4] = *b"SKW1";
/// Fixed start of a frame: magic, header length, number of parts.
pub const PREFIX: usize = 12;
/// A header lists scores and reasons; the largest real one has a few kilobytes.
pub const MAX_HEADER: usize = 1 << 20;
/// Two pictures in; out of a pair the aligned ones and one for each metric.
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
    /// First of all. Part: `face-regions.toml`.
    Setup {
        onnxruntime: String,
        memory_mib: u32,
    },
    Ping,
    /// Loads a model folder and runs its golden set; only then it replaces the model of the same id.
    Activate {
        folder: String,
    },
    /// The quality gates on one picture, as [`Reply::Levels`] without scores. Part: the picture's bytes.
    Look {
        view: String,
        anchors: [[f64; 2]; 2],
    },
    /// Levels of all active models on one picture. Part: the picture's bytes. Anchors in pixels as shown.
    Levels {
        view: String,
        anchors: [[f64; 2]; 2],
    },
    /// Paired measures of all active models. Parts: before, after.
    Paired {
        view: String,
        before_anchors: [[f64; 2]; 2],
        after_anchors: [[f64; 2]; 2],
    },
    /// Pictures of a pair for the report. Parts: before, after.
    Pictures {
        view: String,
        before_anchors: [[f64; 2]; 2],
        after_anchors: [[f64; 2]; 2],
        /// What white looked like in each picture, linear red, green and blue, where something white or a grey card was in
        /// view or the camera's profile is known. Without it colours do not compare.
        whites: Option<[[f64; 3]; 2]>,
    },
}

/// What the process answers.
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
    Paired(Paired),
    /// Parts: one JPEG each, in this order.
    Pictures(Pictures),
    /// The job could not be done; the sentence is for people. The process goes on.
    Failed {
        reason: String,
    },
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
    /// Set for [`PictureKind::Change`].
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
    /// Where a metric changed.
    Change,
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
