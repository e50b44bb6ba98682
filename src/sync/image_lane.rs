//! Announcing a picture to HQ and cutting it into slices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of one slice; the last may be shorter. Below [`super::MAX_PUBLISH`] with room for the packet's own header.
pub const SLICE: u32 = 60 * 1024;

/// Why a picture is sent; also the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Report,
    Derivative,
    Original,
}

/// Up, on `blobs/{capture}/offer`. HQ answers with what it misses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub capture: String,
    pub visit: String,
    pub role: Role,
    pub format: String,
    pub bytes: u64,
    pub slice_bytes: u32,
    pub slices: u32,
    /// Lower-case hex of the whole picture.
    pub sha256: String,
}

/// How many slices `bytes` make.
#[must_use]
pub fn slices(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(u64::from(SLICE))).unwrap_or(u32::MAX)
}
