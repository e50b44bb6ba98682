//! Metrics are data: `config/metrics.toml` lists them, a protocol or a model names them.

use super::{Quantity, word::words};
use std::{fmt, ops::RangeInclusive, sync::Arc};

words! {
    /// Which way is better for the customer.
    pub enum Direction as "direction" {
        HigherIsBetter = "higher",
        LowerIsBetter = "lower",
        /// Closer to [`Metric::target`] is better (sebum: the middle is best).
        TowardsTarget = "target",
        /// Neither is better (skin tone): numbers are shown, a verdict is refused.
        Neutral = "neutral",
    }
}

/// The name of a metric: `a-z`, `0-9` and `-`, at most 40 characters. A copy shares the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId(Arc<str>);

/// Text that cannot name a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAMetricId(pub String);

impl fmt::Display for NotAMetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot name a metric; use a-z, 0-9 and '-', at most 40 characters", self.0)
    }
}

impl std::error::Error for NotAMetricId {}

impl MetricId {
    /// # Errors
    /// [`NotAMetricId`] for any other text.
    pub fn new(text: &str) -> Result<Self, NotAMetricId> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(NotAMetricId(text.chars().take(60).collect())) }
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A label in both languages of the house, Chinese first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub zh: String,
    pub en: String,
}

/// One kind of measured quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub id: MetricId,
    pub label: Label,
    /// As printed beside the number: `%`, `µg/cm²`, `AU`; empty for a pure ratio.
    pub unit: String,
    pub direction: Direction,
    /// In `unit`; set exactly when the direction is [`Direction::TowardsTarget`].
    pub target: Option<f64>,
    /// Decimals shown and kept where the source has no precision of its own (models, means of repeats get one more).
    pub decimals: u8,
    /// Values outside are no skin: the probe was lifted off.
    pub range: RangeInclusive<f64>,
    /// Read from the colours of a photograph: compared only where each has a colour reference.
    pub by_colour: bool,
}

/// A value outside its metric's range.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfScale {
    pub metric: MetricId,
    pub found: Quantity,
    pub range: RangeInclusive<f64>,
    pub unit: String,
}

impl fmt::Display for OutOfScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, found, range, unit } = self;
        let (low, high) = (range.start(), range.end());
        write!(f, "{metric} {found} {unit} is outside {low} to {high} {unit}; lift the probe and touch the skin again")
    }
}

impl std::error::Error for OutOfScale {}

impl Metric {
    /// # Errors
    /// [`OutOfScale`] outside the metric's range.
    pub fn accept(&self, raw: Quantity) -> Result<Quantity, OutOfScale> {
        if self.range.contains(&raw.value()) {
            return Ok(raw);
        }
        Err(OutOfScale { metric: self.id.clone(), found: raw, range: self.range.clone(), unit: self.unit.clone() })
    }
}

/// How far a device repeats itself for one metric; declared in its protocol file or measured at the station.
///
/// The standard error of a mean of `n` repeats is `sqrt(repeat_sd² / n + placement_sd²)`: repeats shrink the first part
/// only, lifting the probe and setting it down elsewhere stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeatability {
    /// SD of one value without lifting the probe, in the metric's unit.
    pub repeat_sd: f64,
    /// SD from placing the probe anew, in the metric's unit.
    pub placement_sd: f64,
    /// Degrees of freedom behind both; below 30 a verdict is refused.
    pub degrees_of_freedom: u32,
    /// Where the figures come from, as printed beside a verdict.
    pub source: String,
}
