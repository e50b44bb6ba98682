//! Before against after, metric by metric and region by region: limits, refusals, verdicts.
//!
//! A change is called one only beyond what measuring twice would show anyway. The limit of one item is `t × SE`:
//!
//! - a **reading**: SE² = repeat_sd² / n_before + repeat_sd² / n_after + 2 · placement_sd², from the repeatability declared
//!   or measured for the device, never from these few repeats;
//! - a **level** of an image (course comparisons, or a score without a paired measure): SE² = 2 · level_sd²;
//! - a **paired** image measure (one visit): see [`paired_change`] (which peaks went and came) and [`response_change`]
//!   (how strong those are that stayed).
//!
//! `t` is Student's quantile for the degrees of freedom behind SE, at a two-sided share of 5 % that all tested items of the
//! comparison split between them (Šidák): at most 5 % of unchanged visits show any change. What was refused is not
//! counted as tested; a metric without a better side gets its change and limit, but no verdict. Not done here: finding
//! the peaks, registering, printing.

use super::{
    manifest::{ScoreRepeatability, Unchanged},
    student,
};
use crate::domain::{
    CaptureId, Region,
    capture::Capture,
    comparison::{Baseline, Compared, Refusal, Verdict},
    metric::{Direction, Metric, MetricId, Repeatability},
    reading::{QualityFlag, Reading},
    score::{Engine, Score},
};
use std::collections::BTreeMap;

/// At most this share of unchanged visits shows any change at all.
pub const FALSE_CHANGE_SHARE: f64 = 0.05;

/// Fewer degrees of freedom behind a repeatability carry no verdict.
pub const MIN_DEGREES_OF_FREEDOM: u32 = 30;

/// Fewer peaks that stayed tell nothing of how they faded.
const MIN_PLACES: u32 = 20;

/// One phase: everything that was measured in it and still counts.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub readings: &'a [Reading],
    /// Of several scores of one metric and region the last computed counts.
    pub scores: &'a [Score],
    /// The captures behind the scores, for their cameras.
    pub captures: &'a [Capture],
}

/// What is to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub baseline: Baseline,
    /// Unit and direction of everything measured; an item whose metric is not listed is left out.
    pub metrics: &'a [Metric],
    pub before: Side<'a>,
    pub after: Side<'a>,
    /// Results of the paired analysis; looked at only within one visit.
    pub paired: &'a [PairedResult],
}

/// What the paired analysis found for one metric × region of two registered captures.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedResult {
    pub before: CaptureId,
    pub after: CaptureId,
    pub engine: Engine,
    pub metric: MetricId,
    pub region: Region,
    pub outcome: Result<PairedFound, Refusal>,
    /// The level in both pictures on the same grid and at the same sharpness; shown in place of what each picture gave by
    /// itself, which differs with the focus.
    pub levels: Option<[f64; 2]>,
}

/// One of the paired measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairedFound {
    /// Which peaks vanished, which came.
    Peaks(PairedCounts),
    /// How strong the peaks are that stayed.
    Response(PairedResponse),
}

/// A map's strength at the peaks that both pictures show; lost and gained peaks have no part in it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedResponse {
    pub places: u32,
    /// Means over the places, in the map's unit.
    pub before: f64,
    pub after: f64,
    /// SD over the places of after minus before.
    pub scatter: f64,
}

/// Peaks of both pictures, looked up at their registered places in the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedCounts {
    /// Peaks of the before picture, and how many of them are not found in the after picture.
    pub before_peaks: u32,
    pub lost: u32,
    /// Peaks of the after picture, and how many of them are not found in the before picture.
    pub after_peaks: u32,
    pub gained: u32,
}

/// The items of a comparison, in the order of region, then metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// How many items could show a change: the limits are corrected for this number.
    pub tested: u32,
    pub items: Vec<Compared>,
}

/// Draws the comparison. `device` answers with the repeatability declared or measured for a reading's device and
/// metric, `model` with the one of the manifest that computed a score.
pub fn compare(
    question: &Question<'_>,
    device: impl Fn(&Reading) -> Option<Repeatability>,
    model: impl Fn(&Score) -> Option<ScoreRepeatability>,
) -> Drawn {
    let mut drafts = Vec::new();
    for ((region, metric), (before, after)) in
        pairs(question.before.readings, question.after.readings, |r| (r.region, r.metric.clone()))
    {
        if let Some(metric) = metric_of(question, &metric) {
            drafts.push(Draft::of_readings(metric, region, before, after, &device));
        }
    }
    for ((region, metric), (before, after)) in
        pairs(question.before.scores, question.after.scores, |s| (s.region, s.metric.clone()))
    {
        if let Some(metric) = metric_of(question, &metric) {
            drafts.push(Draft::of_scores(question, metric, region, before, after, &model));
        }
    }
    drafts.extend(without_colours(question));
    drafts.sort_by(|a, b| (a.item.region, &a.item.metric).cmp(&(b.item.region, &b.item.metric)));
    let tested = u32::try_from(drafts.iter().filter(|draft| draft.is_tested()).count()).unwrap_or(u32::MAX);
    let alpha = student::share_of(FALSE_CHANGE_SHARE, tested);
    // Most items share their degrees of freedom, and a quantile is dear.
    let mut known = BTreeMap::new();
    let mut quantile = |df: u32| *known.entry(df).or_insert_with(|| student::two_sided_limit(alpha, df));
    Drawn { tested, items: drafts.into_iter().map(|draft| draft.judge(&mut quantile)).collect() }
}

/// What depends on colour and was read nowhere, although both sides have photographs: said once for the whole face, so that
/// nobody takes silence for "no change".
fn without_colours<'a>(question: &'a Question<'_>) -> impl Iterator<Item = Draft> + 'a {
    let sides = [question.before, question.after];
    let photographed = sides.iter().all(|side| !side.captures.is_empty());
    let unheld = sides.iter().any(|side| side.captures.iter().all(|capture| !capture.colour.stands()));
    let read = move |metric: &Metric| sides.iter().any(|side| side.scores.iter().any(|s| s.metric == metric.id));
    let silent = move |metric: &&Metric| metric.by_colour && photographed && unheld && !read(metric);
    question.metrics.iter().filter(silent).map(|metric| Draft {
        item: item(metric, Region::Face, None, None, None),
        better: Better::of(metric),
        test: Err(Refusal::NoColourReference),
    })
}

/// A change with its standard error, before it is known how many are tested.
#[derive(Debug, Clone, Copy)]
struct Test {
    change: f64,
    standard_error: f64,
    degrees_of_freedom: u32,
}

/// A metric's direction with its target in place.
#[derive(Debug, Clone, Copy)]
enum Better {
    Higher,
    Lower,
    Near(f64),
    None,
}

impl Better {
    fn of(metric: &Metric) -> Self {
        match (metric.direction, metric.target) {
            (Direction::HigherIsBetter, _) => Self::Higher,
            (Direction::LowerIsBetter, _) => Self::Lower,
            (Direction::TowardsTarget, Some(target)) => Self::Near(target),
            (Direction::TowardsTarget, None) | (Direction::Neutral, _) => Self::None,
        }
    }
}

struct Draft {
    item: Compared,
    better: Better,
    test: Result<Test, Refusal>,
}

impl Draft {
    fn of_readings(
        metric: &Metric,
        region: Region,
        before: Option<&Reading>,
        after: Option<&Reading>,
        device: impl Fn(&Reading) -> Option<Repeatability>,
    ) -> Self {
        let test = both(before, after).and_then(|(before, after)| {
            same_device(before, after)?;
            let known = device(after).ok_or(Refusal::RepeatabilityUnknown)?;
            enough(known.degrees_of_freedom)?;
            let variance = known.repeat_sd.powi(2) * (1.0 / counted(before)? + 1.0 / counted(after)?)
                + 2.0 * known.placement_sd.powi(2);
            Ok(Test {
                change: after.value.value() - before.value.value(),
                standard_error: variance.sqrt(),
                degrees_of_freedom: known.degrees_of_freedom,
            })
        });
        let value = |reading: Option<&Reading>| reading.map(|r| r.value.value());
        Self { item: item(metric, region, value(before), value(after), None), better: Better::of(metric), test }
    }

    fn of_scores(
        question: &Question<'_>,
        metric: &Metric,
        region: Region,
        before: Option<&Score>,
        after: Option<&Score>,
        model: impl Fn(&Score) -> Option<ScoreRepeatability>,
    ) -> Self {
        let lacks = if metric.by_colour { Refusal::NoColourReference } else { Refusal::Missing };
        let test = before.zip(after).ok_or(lacks).and_then(|(before, after)| {
            same_engine(&before.engine, &after.engine)?;
            same_camera(question, before, after)?;
            if metric.by_colour {
                same_reference(question, before, after)?;
                // What was measured of how they repeat themselves is of one day, one lamp, one place of the card.
                if question.baseline != Baseline::SameVisit {
                    return Err(Refusal::OtherVisit);
                }
            }
            let known = model(after).ok_or(Refusal::RepeatabilityUnknown)?;
            enough(known.degrees_of_freedom)?;
            match (question.baseline, known.paired) {
                (Baseline::SameVisit, Some(unchanged)) => {
                    let found = paired(question, before, after)?;
                    let level = found.levels.map_or(before.value.value(), |[before, _]| before);
                    let (change, standard_error) = match found.outcome? {
                        PairedFound::Peaks(counts) => paired_change(counts, level, unchanged),
                        PairedFound::Response(response) => response_change(response, level, unchanged),
                    }
                    .ok_or(Refusal::Missing)?;
                    Ok(Test { change, standard_error, degrees_of_freedom: known.degrees_of_freedom })
                }
                _ => level_test(question.baseline, before, after, &known),
            }
        });
        let engine = after.or(before).map(|score| score.engine.clone());
        let even = both(before, after).and_then(|(before, after)| paired(question, before, after)).ok();
        let [first, last] = match even.and_then(|found| found.levels).filter(|_| test.is_ok()) {
            Some(levels) => levels.map(Some),
            None => [before, after].map(|score| score.map(|s| s.value.value())),
        };
        Self { item: item(metric, region, first, last, engine), better: Better::of(metric), test }
    }

    fn judge(self, quantile: &mut impl FnMut(u32) -> f64) -> Compared {
        let Self { mut item, better, test } = self;
        let judged = test.and_then(|test| {
            let limit = quantile(test.degrees_of_freedom) * test.standard_error;
            (item.change, item.smallest_detectable_change) = (Some(test.change), Some(limit));
            verdict(&item, test, limit, better)
        });
        match judged {
            Ok(verdict) => item.verdict = verdict,
            Err(refusal) => item.refusal = Some(refusal),
        }
        item
    }

    /// Refused items and metrics without a better side can show no change, so they cost the others nothing.
    const fn is_tested(&self) -> bool {
        self.test.is_ok() && !matches!(self.better, Better::None)
    }
}

fn verdict(item: &Compared, test: Test, limit: f64, better: Better) -> Result<Verdict, Refusal> {
    let change = test.change;
    let improved = match better {
        Better::None => return Err(Refusal::NoDirection),
        _ if change.abs() <= limit => return Ok(Verdict::None),
        Better::Higher => change > 0.0,
        Better::Lower => change < 0.0,
        Better::Near(target) => {
            let (before, after) = (item.before.ok_or(Refusal::Missing)?, item.after.ok_or(Refusal::Missing)?);
            (after - target).abs() < (before - target).abs()
        }
    };
    Ok(if improved { Verdict::Improved } else { Verdict::Worsened })
}

/// The net change of peaks at the same places, in the unit of the level `before` (peaks per cm²), with its SE.
///
/// change = (gained − lost) / before_peaks × the level before, where gained and lost count from what unchanged pairs lose
/// to noise alone. Its variance has two parts: the spread of two kept shares on unchanged pairs (one each way, never
/// below the floor), and the counting noise of few peaks. Under no net change a peak seen only once falls on either side
/// with equal chance (McNemar); a true change adds to one side only, and must not widen its own limit, so the noise of both
/// is told from the smaller side. That side alone is too small on average (it called one unchanged region of fifty peaks in
/// eleven changed), so 1.5 of its standard deviations are added: over 10 to 1,000 peaks of which noise hides 0.3 to 30 % at
/// most 0.45 % of unchanged regions exceed 2.8 standard errors, where 0.51 % may. It is not the difference of the two
/// levels, which count other peaks in each picture.
#[must_use]
pub fn paired_change(counts: PairedCounts, before: f64, unchanged: Unchanged) -> Option<(f64, f64)> {
    if counts.before_peaks == 0 {
        return None;
    }
    let peaks = f64::from(counts.before_peaks);
    let (lost, gained) = (f64::from(counts.lost), f64::from(counts.gained));
    let by_noise = (1.0 - unchanged.mean) * (f64::from(counts.after_peaks) - peaks);
    let share = (gained - lost - by_noise) / peaks;
    let smaller = lost.min(gained);
    let counting = 2.0 * (smaller + 1.5 * (smaller + 1.0).sqrt() + 1.0) / peaks.powi(2);
    let sd = (2.0 * unchanged.sd.max(unchanged.floor).powi(2) + counting).sqrt();
    Some((share * before, sd * before))
}

/// How much stronger the peaks became that stayed, in the unit of the level `before`, with its SE: the spread on
/// unchanged pairs, never below the floor, and the scatter of few places.
#[must_use]
pub fn response_change(response: PairedResponse, before: f64, unchanged: Unchanged) -> Option<(f64, f64)> {
    if response.places < MIN_PLACES || response.before <= 0.0 {
        return None;
    }
    let share = response.after / response.before - 1.0;
    let scatter = (response.scatter / response.before).powi(2) / f64::from(response.places);
    let sd = (2.0 * unchanged.sd.max(unchanged.floor).powi(2) + scatter).sqrt();
    Some((share * before, sd * before))
}

fn level_test(baseline: Baseline, before: &Score, after: &Score, known: &ScoreRepeatability) -> Result<Test, Refusal> {
    // A model that is fit for pairs only has nothing to say between visits.
    let unfit = if baseline == Baseline::SameVisit { Refusal::RepeatabilityUnknown } else { Refusal::OtherVisit };
    let level_sd = known.level_sd.ok_or(unfit)?;
    Ok(Test {
        change: after.value.value() - before.value.value(),
        standard_error: level_sd * std::f64::consts::SQRT_2,
        degrees_of_freedom: known.degrees_of_freedom,
    })
}

fn paired<'a>(question: &Question<'a>, before: &Score, after: &Score) -> Result<&'a PairedResult, Refusal> {
    let found = question.paired.iter().rev().find(|pair| {
        (pair.before, pair.after) == (before.capture, after.capture)
            && pair.metric == after.metric
            && pair.region == after.region
    });
    let found = found.ok_or(Refusal::Missing)?;
    same_engine(&found.engine, &after.engine)?;
    Ok(found)
}

fn both<T>(before: Option<T>, after: Option<T>) -> Result<(T, T), Refusal> {
    before.zip(after).ok_or(Refusal::Missing)
}

fn same_device(before: &Reading, after: &Reading) -> Result<(), Refusal> {
    let (a, b) = (&before.device, &after.device);
    if (&a.serial, &a.protocol) != (&b.serial, &b.protocol) {
        return Err(Refusal::DeviceDiffers);
    }
    if a.probe != b.probe {
        return Err(Refusal::ProbeDiffers);
    }
    // Another firmware may compute otherwise: for the reader the same case as another protocol version.
    if (&a.protocol_version, &a.firmware, &before.unit) != (&b.protocol_version, &b.firmware, &after.unit) {
        return Err(Refusal::ProtocolDiffers);
    }
    Ok(())
}

fn same_engine(before: &Engine, after: &Engine) -> Result<(), Refusal> {
    if (&before.model, &before.model_digest) != (&after.model, &after.model_digest) {
        return Err(Refusal::ModelDiffers);
    }
    // The digest covers the weights, the version also the manifest: thresholds and reducers.
    if before.model_version != after.model_version {
        return Err(Refusal::ModelDiffers);
    }
    if before.provider == after.provider { Ok(()) } else { Err(Refusal::ProviderDiffers) }
}

fn same_camera(question: &Question<'_>, before: &Score, after: &Score) -> Result<(), Refusal> {
    let camera =
        |side: Side<'_>, score: &Score| side.captures.iter().find(|c| c.id == score.capture).map(|c| c.camera.clone());
    let (before, after) = both(camera(question.before, before), camera(question.after, after))?;
    if before == after { Ok(()) } else { Err(Refusal::CameraDiffers) }
}

/// A card and a profile each have an error of their own, which only the same kind takes out.
fn same_reference(question: &Question<'_>, before: &Score, after: &Score) -> Result<(), Refusal> {
    let reference = |side: Side<'_>, score: &Score| {
        side.captures.iter().find(|c| c.id == score.capture).map(|c| c.colour).filter(|colour| colour.stands())
    };
    let (before, after) = (reference(question.before, before), reference(question.after, after));
    if before.is_some() && before == after { Ok(()) } else { Err(Refusal::NoColourReference) }
}

fn enough(degrees_of_freedom: u32) -> Result<(), Refusal> {
    if degrees_of_freedom < MIN_DEGREES_OF_FREEDOM { Err(Refusal::RepeatabilityUnknown) } else { Ok(()) }
}

/// How many repeats stand behind a reading's mean.
fn counted(reading: &Reading) -> Result<f64, Refusal> {
    let kept = reading.repeats.iter().filter(|repeat| !repeat.flags.contains(&QualityFlag::Outlier)).count();
    if kept == 0 { Err(Refusal::Missing) } else { Ok(kept as f64) }
}

fn metric_of<'a>(question: &Question<'a>, id: &MetricId) -> Option<&'a Metric> {
    question.metrics.iter().find(|metric| metric.id == *id)
}

type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

/// Joins both sides by key; a later entry of the same key replaces an earlier one.
fn pairs<'a, T, K: Ord>(before: &'a [T], after: &'a [T], key: impl Fn(&T) -> K) -> BTreeMap<K, Pair<'a, T>> {
    let mut joined: BTreeMap<K, Pair<'a, T>> = BTreeMap::new();
    for value in before {
        joined.entry(key(value)).or_default().0 = Some(value);
    }
    for value in after {
        joined.entry(key(value)).or_default().1 = Some(value);
    }
    joined
}

/// The item as it stands before a verdict: refused until tested.
fn item(metric: &Metric, region: Region, before: Option<f64>, after: Option<f64>, engine: Option<Engine>) -> Compared {
    Compared {
        metric: metric.id.clone(),
        region,
        unit: metric.unit.clone(),
        before,
        after,
        change: None,
        smallest_detectable_change: None,
        verdict: Verdict::NotComparable,
        refusal: None,
        engine,
    }
}
