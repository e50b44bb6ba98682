//! What a model must answer to a golden picture; one `golden/*.toml` of a model folder.
//!
//! A gateway that runs the same file and gets other numbers has a wrong input chain or a wrong runtime, and must not use
//! the model.

use super::{
    manifest::{Manifest, OutputKind, Reduce},
    picture::Plane,
    regions::Mask,
    scores,
};
use serde::Deserialize;
use skinlink_pixels::peaks;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    schema: u32,
    #[serde(default)]
    output: Vec<OutputFigures>,
    #[serde(default)]
    score: Vec<ScoreFigures>,
}

/// Figures of one raw output tensor, before its activation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputFigures {
    name: String,
    shape: Vec<i64>,
    mean: f64,
    min: f64,
    max: f64,
    /// Absolute, of mean, min, max and every sample.
    tolerance: f64,
    #[serde(default)]
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    index: Vec<usize>,
    value: f64,
}

/// The peaks of a score over the whole picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreFigures {
    metric: String,
    /// For people; every pixel counts.
    region: String,
    px_per_mm: f64,
    threshold: f64,
    peaks: usize,
    value: f64,
    tolerance_peaks: usize,
}

/// An output tensor as it came from the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    pub shape: Vec<i64>,
    pub values: Vec<f32>,
}

impl Golden {
    /// # Errors
    /// A sentence naming the fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let golden: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if golden.schema != 1 {
            return Err("schema: write 1; this program knows no other".into());
        }
        if golden.output.is_empty() {
            return Err("output: describe at least one [[output]]".into());
        }
        Ok(golden)
    }

    /// Everything that differs, one sentence each; empty when the model answers as it should. `outputs` in the order of
    /// the manifest.
    #[must_use]
    pub fn differences(&self, manifest: &Manifest, outputs: &[Raw]) -> Vec<String> {
        let mut found = Vec::new();
        for figures in &self.output {
            match manifest.output(&figures.name) {
                Some((at, _)) => figures.compare(&outputs[at], &mut found),
                None => found.push(format!("output {:?} is not in the manifest", figures.name)),
            }
        }
        for figures in &self.score {
            if let Err(sentence) = figures.compare(manifest, outputs) {
                found.push(sentence);
            }
        }
        found
    }
}

impl OutputFigures {
    fn compare(&self, raw: &Raw, found: &mut Vec<String>) {
        let name = &self.name;
        if raw.shape != self.shape || raw.values.is_empty() {
            found.push(format!("{name} has the shape {:?}, expected {:?}", raw.shape, self.shape));
            return;
        }
        let values = || raw.values.iter().map(|v| f64::from(*v));
        let mean = values().sum::<f64>() / raw.values.len() as f64;
        let mut check = |what: &str, value: f64, expected: f64| {
            let near = (value - expected).abs() <= self.tolerance;
            if !near {
                found.push(format!("{what} of {name} is {value:.6}, expected {expected:.6} ± {}", self.tolerance));
            }
        };
        check("mean", mean, self.mean);
        check("minimum", values().fold(f64::INFINITY, f64::min), self.min);
        check("maximum", values().fold(f64::NEG_INFINITY, f64::max), self.max);
        for Sample { index, value } in &self.samples {
            let at = flat(index, &self.shape).and_then(|at| raw.values.get(at));
            check(&format!("value at {index:?}"), at.map_or(f64::NAN, |v| f64::from(*v)), *value);
        }
    }
}

impl ScoreFigures {
    fn compare(&self, manifest: &Manifest, outputs: &[Raw]) -> Result<(), String> {
        let metric = &self.metric;
        let rule = manifest.scores.iter().find(|rule| rule.metric.as_str() == metric);
        let rule = rule.ok_or_else(|| format!("score {metric:?} is not in the manifest"))?;
        let Reduce::PeakDensity { threshold, window } = rule.reduce else {
            return Err(format!("score {metric:?} counts no peaks, so its golden figures cannot hold"));
        };
        if (f64::from(threshold) - self.threshold).abs() > 1e-6 {
            return Err(format!(
                "{metric}: threshold is {threshold}, the golden figures were made with {}",
                self.threshold
            ));
        }
        let output = &manifest.outputs[rule.output];
        let OutputKind::Map { stride } = output.kind else { return Err(format!("{metric} reads no map")) };
        let raw = &outputs[rule.output];
        let map: Plane = scores::map_of(output, &raw.shape, raw.values.clone()).map_err(|e| e.to_string())?;
        let mask = Mask::whole(map.width, map.height);
        let peaks = peaks::peaks(&map, &mask, threshold, window).len();
        if peaks.abs_diff(self.peaks) > self.tolerance_peaks {
            return Err(format!("{metric}: {peaks} peaks, expected {} ± {}", self.peaks, self.tolerance_peaks));
        }
        let scale = self.px_per_mm / f64::from(stride);
        let density = scores::reduce(rule.reduce, &map, &mask, scale).map_err(|e| e.to_string())?;
        let one_peak = density / peaks.max(1) as f64;
        if (density - self.value).abs() > one_peak * (self.tolerance_peaks as f64 + 0.01) + 1e-9 {
            return Err(format!("{metric} is {density:.3}, expected {:.3}", self.value));
        }
        Ok(())
    }
}

/// Position in the flat values; `None` outside the shape.
fn flat(index: &[usize], shape: &[i64]) -> Option<usize> {
    if index.len() != shape.len() {
        return None;
    }
    index.iter().zip(shape).try_fold(0_usize, |at, (index, side)| {
        let side = usize::try_from(*side).ok()?;
        (*index < side).then_some(at.checked_mul(side)?.checked_add(*index)?)
    })
}
