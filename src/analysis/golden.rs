//! What a model must answer to a golden picture; one `golden/*.toml` of a model folder.
//!
//! A gateway that runs the same file and gets other numbers has a wrong input chain or a wrong runtime, and must not use
//! the model.

use super::{
    manifest::{Manifest, OutputKind, Reduce},
    regions::Mask,
    scores::{self, Scale},
    tensor::Placement,
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
    #[serde(default)]
    detection: Vec<DetectionFigures>,
}

/// Figures of one raw output tensor, before its activation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputFigures {
    name: String,
    shape: Vec<i64>,
    mean: f64,
    min: Option<f64>,
    max: Option<f64>,
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

/// A score over the whole picture: its peaks, where the score counts them, else its value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreFigures {
    metric: String,
    /// For people; every pixel counts.
    region: String,
    px_per_mm: Option<f64>,
    threshold: Option<f64>,
    peaks: Option<usize>,
    value: f64,
    tolerance_peaks: Option<usize>,
    tolerance: Option<f64>,
}

/// What a detector finds in the picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectionFigures {
    detector: String,
    /// Each thing as left, top, right, bottom in pixels of the picture, best first.
    boxes: Vec<[f64; 4]>,
    /// Of every side, in pixels.
    tolerance: f64,
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
    /// the manifest; `placement` of a whole picture in its tensor, for the detectors.
    #[must_use]
    pub fn differences(&self, manifest: &Manifest, outputs: &[Raw], placement: Option<&Placement>) -> Vec<String> {
        let mut found = Vec::new();
        for (output, raw) in manifest.outputs.iter().zip(outputs) {
            if raw.values.iter().any(|v| !v.is_finite()) {
                found.push(format!("{} holds a value that is no number", output.name));
            }
        }
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
        for figures in &self.detection {
            if let Err(sentence) = figures.compare(manifest, outputs, placement) {
                found.push(sentence);
            }
        }
        found
    }
}

impl DetectionFigures {
    fn compare(&self, manifest: &Manifest, outputs: &[Raw], placement: Option<&Placement>) -> Result<(), String> {
        let id = &self.detector;
        let detector = manifest.detectors.iter().find(|detector| detector.id == *id);
        let (detector, placement) =
            detector.zip(placement).ok_or_else(|| format!("detector {id:?} is not in the manifest"))?;
        let tables = manifest.outputs.iter().zip(outputs).map(|(output, raw)| scores::table_of(output, raw.clone()));
        let found = detector.find(&tables.collect::<Vec<_>>(), placement).map_err(|e| e.to_string())?;
        let near = found.len() == self.boxes.len()
            && found.iter().zip(&self.boxes).all(|(found, expected)| {
                found.corners.iter().zip(expected).all(|(a, b)| (a - b).abs() <= self.tolerance)
            });
        let boxes: Vec<[f64; 4]> = found.iter().map(|found| found.corners.map(|v| (v * 10.0).round() / 10.0)).collect();
        if near { Ok(()) } else { Err(format!("{id} finds {boxes:?}, expected {:?}", self.boxes)) }
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
        for (what, value, expected) in [
            ("minimum", values().fold(f64::INFINITY, f64::min), self.min),
            ("maximum", values().fold(f64::NEG_INFINITY, f64::max), self.max),
        ] {
            if let Some(expected) = expected {
                check(what, value, expected);
            }
        }
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
        let (output, raw) = (&manifest.outputs[rule.output], &outputs[rule.output]);
        if let Reduce::Scalar | Reduce::Class(_) = rule.reduce {
            let values = scores::values_of(output, raw).map_err(|e| e.to_string())?;
            return self.near(scores::of_values(rule.reduce, &values), self.tolerance);
        }
        let OutputKind::Map { stride } = output.kind else { return Err(format!("{metric} reads no map")) };
        let channels = scores::channels_of(output, raw.clone()).map_err(|e| e.to_string())?;
        let map = &channels[rule.channel];
        let mask = Mask::whole(map.width, map.height);
        let cells_per_mm = self.px_per_mm.map(|px_per_mm| px_per_mm / f64::from(stride));
        let value = scores::reduce(rule.reduce, map, &mask, Scale { cells_per_mm, face_mm: None });
        let value = value.map_err(|e| format!("{metric}: {e}"))?;
        let Reduce::PeakDensity { threshold, window } = rule.reduce else { return self.near(value, self.tolerance) };
        if self.threshold.is_some_and(|expected| (f64::from(threshold) - expected).abs() > 1e-6) {
            return Err(format!("{metric}: the manifest's threshold is {threshold}, the golden figures have another"));
        }
        let peaks = peaks::peaks(map, &mask, threshold, window).len();
        let tolerance = self.tolerance_peaks.unwrap_or(0);
        if let Some(expected) = self.peaks.filter(|expected| peaks.abs_diff(*expected) > tolerance) {
            return Err(format!("{metric}: {peaks} peaks, expected {expected} ± {tolerance}"));
        }
        let one_peak = value / peaks.max(1) as f64;
        self.near(value, Some(one_peak * (tolerance as f64 + 0.01) + 1e-9))
    }

    fn near(&self, value: f64, tolerance: Option<f64>) -> Result<(), String> {
        let (metric, expected) = (&self.metric, self.value);
        let tolerance = tolerance.ok_or_else(|| format!("{metric}: say the tolerance of its value"))?;
        if (value - expected).abs() <= tolerance {
            return Ok(());
        }
        Err(format!("{metric} is {value:.3}, expected {expected:.3} ± {tolerance:.3}"))
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
