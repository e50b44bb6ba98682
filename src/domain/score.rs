//! A model's output for one region of one photograph.

use super::{CaptureId, Quantity, Region, ScoreId, Stamp, metric::MetricId};

/// What computed a score. Scores of two different engines are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    pub model: String,
    pub model_version: String,
    /// SHA-256 of the model file, lower-case hex.
    pub model_digest: String,
    /// Execution provider and runtime version, such as `cpu/1.28.0`.
    pub provider: String,
}

/// One level measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub id: ScoreId,
    pub capture: CaptureId,
    pub engine: Engine,
    pub metric: MetricId,
    pub region: Region,
    pub value: Quantity,
    pub unit: String,
    pub computed: Stamp,
}
