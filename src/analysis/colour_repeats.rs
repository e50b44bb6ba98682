//! How far tone, redness and pigment repeat themselves on unchanged skin: `[[colour]]` of `config/quality-gates.toml`, measured by
//! `make colour-repeatability`. They come from no model, so no manifest can say it. Without an entry a colour is shown and never
//! compared.

use super::{manifest::ScoreRepeatability, tone};
use crate::domain::{capture::ColourReference, metric::MetricId, score::Engine};
use serde::Deserialize;

/// One metric beside one kind of reference: a card, a camera's profile and a white tile each have an error of their own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColourRepeats {
    /// One of [`tone::METRICS`].
    pub metric: String,
    /// `card`, `profile` or `white`.
    pub reference: String,
    /// SD of one region's value over retaken photographs, in the metric's unit.
    pub level_sd: f64,
    /// Pairs of photographs behind it.
    pub degrees_of_freedom: u32,
    /// What was measured.
    pub source: String,
}

/// Of all entries, each with its place and what to write.
pub(super) fn complaints(all: &[ColourRepeats]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let ColourRepeats { metric, reference, level_sd, degrees_of_freedom, source } = one;
        let mut complain = |key: &str, remedy: String| found.push(format!("colour[{at}].{key}: {remedy}"));
        if !tone::METRICS.contains(&metric.as_str()) {
            complain("metric", format!("is {metric:?}; give one of {}", tone::METRICS.join(", ")));
        }
        if !reference.parse::<ColourReference>().is_ok_and(ColourReference::stands) {
            complain("reference", format!("is {reference:?}; give card, profile or white"));
        }
        // Nothing repeats itself without any error.
        if !(0.001..=100.0).contains(level_sd) {
            complain("level_sd", format!("is {level_sd}; give 0.001 to 100"));
        }
        if *degrees_of_freedom == 0 {
            complain("degrees_of_freedom", "is 0; give the pairs of photographs that were measured".to_owned());
        }
        if source.trim().len() < 10 {
            complain("source", "say where its numbers come from".to_owned());
        }
        if all[..at].iter().any(|known| (&known.metric, &known.reference) == (metric, reference)) {
            complain("metric", format!("{metric:?} beside {reference:?} stands twice; keep one"));
        }
    }
    found
}

/// What is known of a value of this engine and metric beside this reference.
#[must_use]
pub fn of(
    all: &[ColourRepeats],
    engine: &Engine,
    metric: &MetricId,
    reference: ColourReference,
) -> Option<ScoreRepeatability> {
    // Measured by another formula it would be another spread.
    if (engine.model.as_str(), engine.model_version.as_str(), engine.model_digest.as_str())
        != (tone::MODEL, tone::VERSION, tone::DIGEST)
    {
        return None;
    }
    let known = all.iter().find(|one| one.metric == metric.as_str() && one.reference == reference.as_str())?;
    Some(ScoreRepeatability {
        paired: None,
        level_sd: Some(known.level_sd),
        degrees_of_freedom: known.degrees_of_freedom,
        source: known.source.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(metric: &str, reference: &str, level_sd: f64) -> ColourRepeats {
        ColourRepeats {
            metric: metric.into(),
            reference: reference.into(),
            level_sd,
            degrees_of_freedom: 40,
            source: "40 pairs retaken".into(),
        }
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        assert_eq!(complaints(&[entry("photo-tone", "card", 0.4), entry("photo-tone", "white", 0.3)]), [""; 0]);
        let nothing = ColourRepeats { degrees_of_freedom: 0, source: String::new(), ..entry("pores", "none", 0.0) };
        let found =
            complaints(&[entry("photo-tone", "card", 0.4), entry("photo-tone", "card", 0.4), nothing]).join("\n");
        for words in [
            "colour[1].metric: \"photo-tone\" beside \"card\" stands twice",
            "colour[2].metric: is \"pores\"",
            "colour[2].reference: is \"none\"",
            "colour[2].level_sd: is 0",
            "colour[2].degrees_of_freedom",
            "colour[2].source",
        ] {
            assert!(found.contains(words), "{words}: {found}");
        }
    }

    #[test]
    fn an_entry_counts_for_its_formula_metric_and_reference_alone() {
        let all = [entry("photo-tone", "card", 0.4)];
        let engine = Engine {
            model: tone::MODEL.into(),
            model_version: tone::VERSION.into(),
            model_digest: tone::DIGEST.into(),
            provider: "gateway".into(),
        };
        let metric = |id: &str| MetricId::new(id).unwrap();
        let level = |engine: &Engine, id: &str, reference| of(&all, engine, &metric(id), reference)?.level_sd;
        assert_eq!(level(&engine, "photo-tone", ColourReference::Card), Some(0.4));
        assert_eq!(level(&engine, "photo-tone", ColourReference::White), None);
        assert_eq!(level(&engine, "photo-redness", ColourReference::Card), None);
        let other = Engine { model_version: "2".into(), ..engine };
        assert_eq!(level(&other, "photo-tone", ColourReference::Card), None);
    }
}
