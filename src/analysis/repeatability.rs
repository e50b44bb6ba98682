//! From retaken photographs of unchanged skin to the spread that a comparison reckons with.
//!
//! Both pictures of a trial show the same skin, so whatever a paired measure finds between them is error. Its SD is taken
//! about zero, which is the truth, and not about the trials' own mean: a bias counts as error. Regions of one photograph
//! share its focus and light and are not independent; the degrees of freedom count pairs of photographs, never regions.
//!
//! - kept share: mean of both ways; SD of (lost share − gained share) / √2, the root of two because [`super::compare`]
//!   lays one such spread at each of the two pictures;
//! - response: SD of ln(after / before) / √2;
//! - level: SD of (after − before) / √2, of what each photograph gave by itself.

use super::{
    compare::{PairedCounts, PairedResponse},
    job::{Levels, Paired},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One pair of photographs of unchanged skin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Its number; with the seed it says how the photographs were taken.
    pub at: u32,
    pub found: Vec<Found>,
}

/// One metric × region of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    pub metric: String,
    pub region: String,
    pub counts: Option<PairedCounts>,
    pub response: Option<PairedResponse>,
    pub refusal: Option<String>,
    /// What each photograph gave by itself.
    pub levels: Option<[f64; 2]>,
}

impl Trial {
    /// What the inference process found in both photographs.
    #[must_use]
    pub fn of(at: u32, before: &Levels, after: &Levels, paired: &Paired) -> Self {
        let level = |of: &Levels, metric: &str, region: &str| {
            of.scores.iter().find(|level| level.metric == metric && level.region == region).map(|level| level.value)
        };
        let levels = |metric: &str, region: &str| Some([level(before, metric, region)?, level(after, metric, region)?]);
        let mut found: Vec<Found> = paired
            .measures
            .iter()
            .map(|measure| Found {
                metric: measure.metric.clone(),
                region: measure.region.clone(),
                counts: measure.counts,
                response: measure.response,
                refusal: measure.refusal.clone(),
                levels: levels(&measure.metric, &measure.region),
            })
            .collect();
        for score in &before.scores {
            if !found.iter().any(|known| (&known.metric, &known.region) == (&score.metric, &score.region)) {
                let (metric, region) = (score.metric.clone(), score.region.clone());
                let levels = levels(&metric, &region);
                found.push(Found { metric, region, counts: None, response: None, refusal: None, levels });
            }
        }
        Self { at, found }
    }
}

/// What a manifest's `[score.repeatability]` says of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub metric: String,
    /// Mean and SD of a paired measure.
    pub unchanged: Option<[f64; 2]>,
    pub level_mean: Option<f64>,
    pub level_sd: Option<f64>,
    /// Pairs of photographs behind them.
    pub degrees_of_freedom: u32,
    /// Metric × region measures, and how many of them were refused.
    pub measures: u32,
    pub refused: u32,
}

/// Per metric, in the order of their names.
#[must_use]
pub fn figures(trials: &[Trial]) -> Vec<Figures> {
    let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
    for trial in trials {
        for found in &trial.found {
            sums.entry(&found.metric).or_default().add(trial.at, found);
        }
    }
    sums.into_iter().map(|(metric, sums)| sums.figures(metric)).collect()
}

#[derive(Debug, Default)]
struct Sums {
    /// Squares of what is zero for unchanged skin, and how many.
    squares: f64,
    count: u32,
    kept: f64,
    peaks: f64,
    response: bool,
    level_squares: f64,
    level_sum: f64,
    levels: u32,
    measures: u32,
    refused: u32,
    pairs: Vec<u32>,
}

impl Sums {
    fn add(&mut self, at: u32, found: &Found) {
        self.measures += 1;
        self.refused += u32::from(found.refusal.is_some());
        let off = match (found.counts, found.response) {
            (Some(counts), _) if counts.before_peaks > 0 && counts.after_peaks > 0 => {
                let (before, after) = (f64::from(counts.before_peaks), f64::from(counts.after_peaks));
                self.kept += before - f64::from(counts.lost) + after - f64::from(counts.gained);
                self.peaks += before + after;
                Some(f64::from(counts.lost) / before - f64::from(counts.gained) / after)
            }
            (_, Some(response)) if response.before > 0.0 && response.after > 0.0 => {
                self.response = true;
                Some((response.after / response.before).ln())
            }
            _ => None,
        };
        if let Some(off) = off {
            self.squares += off.powi(2);
            self.count += 1;
        }
        if let Some([before, after]) = found.levels {
            self.level_squares += (after - before).powi(2);
            self.level_sum += before + after;
            self.levels += 1;
        }
        if (off.is_some() || found.levels.is_some()) && self.pairs.last() != Some(&at) {
            self.pairs.push(at);
        }
    }

    fn figures(&self, metric: &str) -> Figures {
        let per = |sum: f64, count: u32| sum / f64::from(count);
        let mean = if self.response { 1.0 } else { self.kept / self.peaks.max(1.0) };
        Figures {
            metric: metric.to_owned(),
            unchanged: (self.count > 0).then(|| [mean, (per(self.squares, self.count) / 2.0).sqrt()]),
            level_mean: (self.levels > 0).then(|| per(self.level_sum, self.levels) / 2.0),
            level_sd: (self.levels > 0).then(|| (per(self.level_squares, self.levels) / 2.0).sqrt()),
            degrees_of_freedom: u32::try_from(self.pairs.len()).unwrap_or(u32::MAX),
            measures: self.measures,
            refused: self.refused,
        }
    }
}

/// A manifest's text with these figures in place of its own; comments and everything else stay. Keys that a score does
/// not have are not added: whether a level may be compared between visits is not for a measurement to decide.
///
/// # Errors
/// A sentence naming the metric that has no `[score.repeatability]`.
pub fn written(manifest: &str, figures: &[Figures], source: &str) -> Result<String, String> {
    let mut missing: Vec<&str> = figures.iter().map(|f| f.metric.as_str()).collect();
    let (mut of, mut inside) = (None, false);
    let mut lines = Vec::new();
    for line in manifest.lines() {
        let key = line.split('=').next().unwrap_or("").trim();
        match line.trim() {
            "[[score]]" => (of, inside) = (None, false),
            "[score.repeatability]" => {
                inside = true;
                missing.retain(|metric| of.is_none_or(|of: &Figures| of.metric != *metric));
            }
            text if text.starts_with('[') => (of, inside) = (None, false),
            _ if key == "metric" && !inside => {
                let named = line.split('"').nth(1);
                of = figures.iter().find(|figures| named == Some(figures.metric.as_str()));
            }
            _ => {}
        }
        lines.push(match of.filter(|_| inside).and_then(|of| value(of, key, source)) {
            Some(value) => replaced(line, key, &value),
            None => line.to_owned(),
        });
    }
    match missing.first() {
        Some(metric) => {
            Err(format!("the score of {metric:?} has no [score.repeatability]; add one with any numbers first"))
        }
        None => Ok(lines.join("\n") + "\n"),
    }
}

fn value(figures: &Figures, key: &str, source: &str) -> Option<String> {
    match key {
        "unchanged_mean" => figures.unchanged.map(|[mean, _]| format!("{mean:.4}")),
        "unchanged_sd" => figures.unchanged.map(|[_, sd]| format!("{sd:.4}")),
        "level_sd" => figures.level_sd.map(|sd| format!("{sd:.3}")),
        "degrees_of_freedom" => Some(figures.degrees_of_freedom.to_string()),
        "source" => Some(format!("{source:?}")),
        _ => None,
    }
}

/// The comment behind a value keeps its column where it can.
fn replaced(line: &str, key: &str, value: &str) -> String {
    let head = format!("{key} = {value}");
    let quotes = line.matches('"').count() > 1;
    let from = if quotes { line.rfind('"').unwrap_or(0) } else { 0 };
    match line[from..].find('#').map(|at| at + from) {
        Some(at) => {
            let column = line[..at].chars().count();
            format!("{head:column$}{}", &line[at..])
        }
        None => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(at: u32, lost: u32, gained: u32) -> Trial {
        let counts = PairedCounts { before_peaks: 100, lost, after_peaks: 100, gained };
        let found = |metric: &str, counts, response, levels| Found {
            metric: metric.into(),
            region: "nose".into(),
            counts,
            response,
            refusal: None,
            levels,
        };
        let response = PairedResponse { places: 90, before: 10.0, after: 10.0, scatter: 1.0 };
        Trial {
            at,
            found: vec![
                found("pores", Some(counts), None, Some([50.0, 53.0])),
                found("pore-contrast", None, Some(response), None),
            ],
        }
    }

    #[test]
    fn what_differs_between_unchanged_pictures_is_error() {
        let found = figures(&[counted(0, 3, 1), counted(1, 1, 3)]);
        let [contrast, pores] = &found[..] else { panic!("{found:?}") };
        let [mean, sd] = pores.unchanged.unwrap();
        assert!((mean - 0.98).abs() < 1e-12 && (sd - 0.02 / 2.0_f64.sqrt()).abs() < 1e-12, "{mean} {sd}");
        assert!((pores.level_sd.unwrap() - 3.0 / 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((pores.level_mean, pores.degrees_of_freedom, pores.measures), (Some(51.5), 2, 2));
        assert_eq!((contrast.unchanged, contrast.level_sd), (Some([1.0, 0.0]), None));
    }

    #[test]
    fn figures_go_to_their_own_score_and_comments_stay() {
        let manifest = r#"[[score]]
metric = "pores"
[score.repeatability]
unchanged_mean = 0.5                # why
floor = 0.01
source = "a # b"                    # where
[[score]]
metric = "other"
[score.repeatability]
unchanged_mean = 0.1
[accuracy]
unchanged_mean = 7
"#;
        let pores = figures(&[counted(0, 3, 1)]).swap_remove(1);
        let text = written(manifest, std::slice::from_ref(&pores), "here").unwrap();
        let expected = manifest
            .replace("unchanged_mean = 0.5                #", "unchanged_mean = 0.9800             #")
            .replace("source = \"a # b\"                    #", "source = \"here\"                     #");
        assert_eq!(text, expected);
        let nameless = Figures { metric: "spots".into(), ..pores };
        assert!(written(manifest, &[nameless], "here").unwrap_err().contains("spots"));
    }
}
