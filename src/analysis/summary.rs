//! What an evaluation's pictures come to, held against what is known of them.

use super::{
    detector::shared,
    evaluation::{Known, Record, Truth},
    job::{Evaluated, Thing},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A found box and a known one are the same thing from this share of their union upwards (the usual measure).
const SAME: f64 = 0.5;

/// What all pictures come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    pub pictures: usize,
    pub faults: usize,
    pub seconds: f64,
    pub scores: Vec<ScoreSummary>,
    pub detectors: Vec<DetectorSummary>,
    pub points: Vec<PointSummary>,
    pub classes: Vec<ClassSummary>,
    /// Why scores or regions could not be had, and in how many pictures.
    pub skipped: BTreeMap<String, usize>,
}

/// One metric at one region.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreSummary {
    pub metric: String,
    pub region: String,
    pub count: usize,
    pub mean: f64,
    pub sd: f64,
    pub min: f64,
    pub max: f64,
    /// Where the truth is known.
    pub known: Option<Errors>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Errors {
    pub count: usize,
    /// Mean of value − truth.
    pub bias: f64,
    pub mean_absolute: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Pearson's r of value and truth; none for fewer than three or for values that are all alike.
    pub correlation: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorSummary {
    pub detector: String,
    pub found: usize,
    /// Pictures in which nothing was found.
    pub empty: usize,
    pub known: Option<Matches>,
}

/// Found boxes against known ones, each taken once, best first, overlapping by half of their union or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Matches {
    pub right: usize,
    pub missed: usize,
    pub wrong: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointSummary {
    pub point: String,
    pub count: usize,
    /// Distance from where it is known to be, pixels.
    pub mean_px: f64,
    pub max_px: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassSummary {
    pub output: String,
    pub count: usize,
    pub right: usize,
}

impl Summary {
    /// `detectors`: their ids, so that one that finds nothing at all is told of too.
    #[must_use]
    pub fn of(records: &[Record], truth: &Truth, detectors: &[String]) -> Self {
        let seconds = records.iter().map(|record| record.seconds).sum();
        let faults = records.iter().filter(|record| record.fault.is_some()).count();
        let told: Vec<(&Evaluated, Option<&Known>)> =
            records.iter().filter_map(|record| Some((record.evaluated.as_ref()?, truth.of(&record.file)))).collect();
        Self {
            pictures: records.len(),
            faults,
            seconds,
            scores: scores(&told),
            detectors: detectors.iter().map(|id| detector(id, &told)).collect(),
            points: points(&told),
            classes: classes(&told),
            skipped: skipped(&told),
        }
    }
}

type Told<'a> = [(&'a Evaluated, Option<&'a Known>)];

/// Of one metric at one region: every value, and those whose truth is known beside it.
#[derive(Default)]
struct Values {
    all: Vec<f64>,
    known: Vec<(f64, f64)>,
}

fn scores(told: &Told<'_>) -> Vec<ScoreSummary> {
    let mut found: BTreeMap<(&str, &str), Values> = BTreeMap::new();
    for (evaluated, known) in told {
        for score in &evaluated.scores {
            let Values { all, known: pairs } = found.entry((&score.metric, &score.region)).or_default();
            all.push(score.value);
            let known = known.iter().flat_map(|known| &known.scores);
            let mut same = known.filter(|known| known.metric == score.metric && known.region == score.region);
            pairs.extend(same.next().map(|known| (score.value, known.value)));
        }
    }
    let summary = |((metric, region), Values { all: values, known }): ((&str, &str), Values)| ScoreSummary {
        metric: metric.to_owned(),
        region: region.to_owned(),
        count: values.len(),
        mean: mean(&values),
        sd: spread(&values),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        known: errors(&known),
    };
    found.into_iter().map(summary).collect()
}

fn errors(pairs: &[(f64, f64)]) -> Option<Errors> {
    if pairs.is_empty() {
        return None;
    }
    let off: Vec<f64> = pairs.iter().map(|(value, truth)| value - truth).collect();
    let sizes: Vec<f64> = off.iter().map(|off| off.abs()).collect();
    let squares: Vec<f64> = off.iter().map(|off| off * off).collect();
    Some(Errors {
        count: pairs.len(),
        bias: mean(&off),
        mean_absolute: mean(&sizes),
        rms: mean(&squares).sqrt(),
        correlation: correlation(pairs),
    })
}

fn skipped(told: &Told<'_>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for reason in told.iter().flat_map(|(evaluated, _)| &evaluated.skipped) {
        *counts.entry(reason.clone()).or_default() += 1;
    }
    counts
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Standard deviation of a sample; zero for fewer than two.
fn spread(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (mx, my) = (mean(&x), mean(&y));
    let together: f64 = pairs.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    let alone = spread(&x) * spread(&y) * pairs.len().saturating_sub(1) as f64;
    (pairs.len() >= 3 && alone > 0.0).then(|| together / alone)
}

fn detector(id: &str, told: &Told<'_>) -> DetectorSummary {
    let mut summary = DetectorSummary { detector: id.to_owned(), found: 0, empty: 0, known: None };
    for (evaluated, known) in told {
        let things: Vec<&Thing> = evaluated.found.iter().filter(|thing| thing.detector == id).collect();
        summary.found += things.len();
        summary.empty += usize::from(things.is_empty());
        if let Some(boxes) = known.and_then(|known| known.boxes.as_ref()) {
            let matches = summary.known.get_or_insert_default();
            let mut left = boxes.clone();
            for thing in &things {
                match left.iter().position(|known| shared(*known, thing.corners) >= SAME) {
                    Some(at) => {
                        left.remove(at);
                        matches.right += 1;
                    }
                    None => matches.wrong += 1,
                }
            }
            matches.missed += left.len();
        }
    }
    summary
}

fn points(told: &Told<'_>) -> Vec<PointSummary> {
    let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (evaluated, known) in told {
        for (name, truth) in known.iter().flat_map(|known| &known.points) {
            let of_best = evaluated.found.first().map_or(&[][..], |thing| &thing.points);
            let point = evaluated.points.iter().chain(of_best).find(|point| point.name == *name);
            if let Some(point) = point {
                found.entry(name).or_default().push((point.at[0] - truth[0]).hypot(point.at[1] - truth[1]));
            }
        }
    }
    let summary = |(point, off): (&str, Vec<f64>)| PointSummary {
        point: point.to_owned(),
        count: off.len(),
        mean_px: mean(&off),
        max_px: off.iter().copied().fold(0.0, f64::max),
    };
    found.into_iter().map(summary).collect()
}

fn classes(told: &Told<'_>) -> Vec<ClassSummary> {
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (evaluated, known) in told {
        for (output, truth) in known.iter().flat_map(|known| &known.classes) {
            let shares = evaluated.classes.iter().filter(|share| share.output == *output);
            if let Some(best) = shares.max_by(|a, b| a.share.total_cmp(&b.share)) {
                let (count, right) = found.entry(output).or_default();
                *count += 1;
                *right += usize::from(best.class == *truth);
            }
        }
    }
    found.into_iter().map(|(output, (count, right))| ClassSummary { output: output.to_owned(), count, right }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::job::{EvaluatedScore, Point, Share};

    fn record(file: &str, evaluated: Evaluated) -> Record {
        let evaluated = Some(evaluated);
        let (file, sha256) = (file.into(), String::new());
        Record { file, sha256, face: None, px_per_mm: None, seconds: 0.5, evaluated, fault: None }
    }

    fn scored(value: f64) -> Evaluated {
        let score = EvaluatedScore { metric: "pores".into(), region: "face".into(), value };
        Evaluated { scores: vec![score], ..Evaluated::default() }
    }

    #[test]
    fn scores_are_held_against_what_is_known() {
        let truth = Truth::parse(
            "schema = 1\n[[picture]]\nfile = \"a\"\nscores = [{ metric = \"pores\", value = 9.0 }]\n\
             [[picture]]\nfile = \"b\"\nscores = [{ metric = \"pores\", value = 21.0 }]\n\
             [[picture]]\nfile = \"c\"\nscores = [{ metric = \"pores\", value = 30.0 }, { metric = \"spots\", value = 1.0 }]\n",
        )
        .unwrap();
        let records = [("a", 10.0), ("b", 20.0), ("c", 32.0), ("d", 40.0)].map(|(file, v)| record(file, scored(v)));
        let mut records = records.to_vec();
        records[3].evaluated.as_mut().unwrap().skipped.push("too coarse".into());
        let summary = Summary::of(&records, &truth, &[]);
        assert_eq!(summary.skipped, BTreeMap::from([("too coarse".to_owned(), 1)]));
        let [score] = &summary.scores[..] else { panic!("{summary:?}") };
        assert_eq!((score.count, score.mean, score.min, score.max), (4, 25.5, 10.0, 40.0));
        let known = score.known.as_ref().unwrap();
        assert_eq!(known.count, 3);
        assert!((known.bias - 2.0 / 3.0).abs() < 1e-12 && (known.mean_absolute - 4.0 / 3.0).abs() < 1e-12);
        assert!((known.rms - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!(known.correlation.is_some_and(|r| r > 0.99));
        assert!((summary.seconds - 2.0).abs() < 1e-12);
    }

    #[test]
    fn boxes_points_and_classes_are_counted() {
        let thing = |corners: [f64; 4]| Thing {
            detector: "face".into(),
            score: 0.9,
            corners,
            points: vec![Point { name: "nose".into(), at: [5.0, 5.0] }],
        };
        let share = |class: &str, share| Share { output: "skin".into(), class: class.into(), share };
        let evaluated = Evaluated {
            found: vec![thing([0.0, 0.0, 10.0, 10.0]), thing([50.0, 50.0, 60.0, 60.0])],
            classes: vec![share("dry", 0.2), share("oily", 0.8)],
            ..Evaluated::default()
        };
        let truth = Truth::parse(
            "schema = 1\n[[picture]]\nfile = \"a\"\nboxes = [[0, 0, 10, 9], [20, 20, 30, 30]]\n\
             points = { nose = [8.0, 9.0] }\nclasses = { skin = \"oily\" }\n",
        )
        .unwrap();
        let summary =
            Summary::of(&[record("a", evaluated), record("b", Evaluated::default())], &truth, &["face".to_owned()]);
        let [face] = &summary.detectors[..] else { panic!("{summary:?}") };
        assert_eq!((face.found, face.empty), (2, 1));
        assert_eq!(face.known, Some(Matches { right: 1, missed: 1, wrong: 1 }));
        assert_eq!((summary.points[0].count, summary.points[0].max_px), (1, 5.0));
        assert_eq!((summary.classes[0].count, summary.classes[0].right), (1, 1));
    }
}
