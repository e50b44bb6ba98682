//! What a comparison may say. How it is computed: [`crate::analysis`].

use super::{ComparisonId, Region, ScanId, VisitId, metric::MetricId, score::Engine, word::words};

words! {
    /// The four verdicts. Only the first two are ever shown as change.
    pub enum Verdict as "verdict" {
        Improved = "improved",
        Worsened = "worsened",
        /// Within what measuring twice would show anyway.
        None = "none",
        NotComparable = "not_comparable",
    }
}

words! {
    /// Why a pair is refused.
    pub enum Refusal as "refusal" {
        DeviceDiffers = "device_differs",
        ProbeDiffers = "probe_differs",
        ProtocolDiffers = "protocol_differs",
        ModelDiffers = "model_differs",
        ProviderDiffers = "provider_differs",
        CameraDiffers = "camera_differs",
        /// Photographs of two visits get no image verdict.
        OtherVisit = "other_visit",
        /// Scale ratio outside 0.8 to 1.25.
        ScaleDiffers = "scale_differs",
        TooCoarse = "too_coarse",
        NotRegistered = "not_registered",
        /// One photograph is so much softer than the other that they cannot be brought to one sharpness.
        SharpnessDiffers = "sharpness_differs",
        /// Fewer than 30 degrees of freedom behind the device's repeatability, or none declared.
        RepeatabilityUnknown = "repeatability_unknown",
        Missing = "missing",
        /// The metric depends on colour, and one of the photographs has no grey card, locked camera or stored white.
        NoColourReference = "no_colour_reference",
        /// The metric has no better and worse (skin tone): the numbers stand without a verdict.
        NoDirection = "no_direction",
    }
}

/// One metric × region of a comparison; all numbers in the metric's unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub metric: MetricId,
    pub region: Region,
    pub unit: String,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// After minus before; for a paired image measure the change found at the same places.
    pub change: Option<f64>,
    /// The smallest change that would have been called one; the page draws this same number.
    pub smallest_detectable_change: Option<f64>,
    pub verdict: Verdict,
    /// Set exactly when the verdict is `not_comparable`.
    pub refusal: Option<Refusal>,
    /// The model behind an image measure; `None` for a probe's reading.
    pub engine: Option<Engine>,
}

words! {
    /// How a picture shows where a metric changed: by marks where something went, came or stayed, or by a tint of less and more.
    pub enum Drawn as "way of drawing" { Marks = "marks", Tint = "tint" }
}

words! {
    /// Against what the `after` scan (or the last one) is held.
    pub enum Baseline as "baseline" { SameVisit = "same_visit", FirstVisit = "first_visit", LastVisit = "last_visit" }
}

/// A drawn comparison of two scans.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub id: ComparisonId,
    pub visit: VisitId,
    pub baseline: Baseline,
    pub before: ScanId,
    pub after: ScanId,
    /// How many metric × region pairs were tested: the limits are corrected for it.
    pub tested: u32,
    pub items: Vec<Compared>,
}
