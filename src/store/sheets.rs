//! From a visit's records to what its report shows. Takes from a visit what stands: nothing struck out, no comparison whose
//! scans belong to another visit by now, no photograph without its consent.

use super::{Entry, PairView, ScanView, VisitView, suggested};
use crate::{
    domain::{
        capture::Capture,
        comparison::{Baseline, Comparison},
        consent::Purpose,
        customer::SkinType,
        look,
        metric::{self, MetricId},
        reading::{QualityFlag, Reading},
        scan::{Phase, ScanState},
        suggestion::Rule,
    },
    sync::sheet::{Earlier, Label, Look, Method, Metric, Photographs, Sheet, Suggested, Value},
};
use serde::{Deserialize, Serialize};

/// Digits of a model's digest that are shown.
const DIGITS: usize = 12;

/// What a report says beside the visit's own records, fixed when its link is made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Letterhead {
    salon: Label,
    look: Look,
    /// The house's metrics in their order.
    metrics: Vec<Metric>,
    /// The salon's own rules of what to suggest.
    pub(super) rules: Vec<suggested::Rule>,
}

impl Letterhead {
    #[must_use]
    pub fn new(salon: &metric::Label, metrics: &[metric::Metric], look: &look::Look) -> Self {
        let label = |label: &metric::Label| Label { zh: label.zh.clone(), en: label.en.clone() };
        let metrics = metrics.iter().map(|metric| Metric {
            metric: metric.id.to_string(),
            label: label(&metric.label),
            direction: metric.direction.to_string(),
            decimals: metric.decimals,
        });
        let look = Look { colour: look.colour.clone(), logo: look.logo.clone() };
        Self { salon: label(salon), look, metrics: metrics.collect(), rules: Vec::new() }
    }

    /// With the salon's rules of what to suggest; without, nothing is.
    #[must_use]
    pub fn with_rules(mut self, rules: &[Rule]) -> Self {
        self.rules = rules.iter().map(suggested::Rule::of).collect();
        self
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and small numbers")
    }

    /// What cannot be read, of a newer version, stays blank: the report's own records stand without it.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// The standing part of the last finished scan of a phase.
#[derive(Default)]
struct Standing<'a> {
    readings: Vec<&'a Reading>,
    captures: Vec<&'a Capture>,
    measured: bool,
}

impl<'a> Standing<'a> {
    fn of(view: &'a VisitView, phase: Phase) -> Self {
        let finished = |scan: &&ScanView| scan.scan.phase == phase && scan.scan.state == ScanState::Finished;
        let Some(scan) = view.scans.iter().rev().find(finished) else { return Self::default() };
        Self { readings: standing(&scan.readings), captures: standing(&scan.captures), measured: true }
    }
}

fn standing<T>(entries: &[Entry<T>]) -> Vec<&T> {
    entries.iter().filter(|entry| !entry.voided).map(|entry| &entry.item).collect()
}

/// What the report of a visit shows by its own records; photographs only where the customer agreed to them and `photographs` says that they may
/// be shown where this goes.
pub(super) fn sheet(
    view: &VisitView,
    letterhead: &Letterhead,
    (suggestions, earlier): (Vec<Suggested>, Vec<Earlier>),
    photographs: bool,
) -> Sheet {
    let (before, after) = (Standing::of(view, Phase::Before), Standing::of(view, Phase::After));
    let comparison = comparison(view);
    let phases = [(&before, Phase::Before), (&after, Phase::After)];
    let named = phases.iter().filter(|(standing, _)| standing.measured).map(|(_, phase)| phase.to_string()).collect();
    let photographs = photographs && view.agreed(Purpose::Photograph);
    let mut sheet = Sheet {
        salon: letterhead.salon.clone(),
        look: letterhead.look.clone(),
        opened: view.visit.opened.wall.to_string(),
        steps: view.visit.steps.clone(),
        phases: named,
        tested: comparison.map_or(0, |comparison| comparison.tested),
        items: comparison.map(super::comparisons::told_items).unwrap_or_default(),
        photographs: if photographs { pairs(&before.captures, &after.captures, &view.pairs) } else { Vec::new() },
        methods: methods(letterhead, &before.readings, &after.readings, comparison),
        skin_type: SkinType::noted(&view.customer.skin_type).map_or_else(String::new, |kind| kind.as_str().to_owned()),
        suggestions,
        earlier,
        ..Sheet::default()
    };
    if comparison.is_none() {
        sheet.values = phases.iter().flat_map(|(standing, phase)| values(&standing.readings, *phase)).collect();
    }
    let measured = before.readings.iter().chain(&after.readings).map(|reading| reading.metric.to_string());
    let drawn = sheet.photographs.iter().filter_map(|pair| pair.pair.as_ref()).flat_map(|pair| &pair.pictures);
    let drawn = drawn.map(|picture| picture.metric.clone());
    let because = sheet.suggestions.iter().flat_map(|one| &one.because).map(|because| because.metric.clone());
    let earlier = sheet.earlier.iter().flat_map(|visit| &visit.items);
    let items = sheet.items.iter().chain(earlier).map(|item| item.metric.clone());
    let named: Vec<String> = items.chain(measured).chain(drawn).chain(because).collect();
    sheet.metrics = letterhead.metrics.iter().filter(|metric| named.contains(&metric.metric)).cloned().collect();
    sheet
}

/// The last one within the visit, while both its scans are still this visit's and stand.
pub(super) fn comparison(view: &VisitView) -> Option<&Comparison> {
    let stands = |id| view.scans.iter().any(|scan| scan.scan.id == id && scan.scan.state == ScanState::Finished);
    let same_visit = |drawn: &&Comparison| drawn.baseline == Baseline::SameVisit;
    view.comparisons.iter().rev().find(same_visit).filter(|drawn| stands(drawn.before) && stands(drawn.after))
}

fn values(readings: &[&Reading], phase: Phase) -> Vec<Value> {
    let value = |reading: &&Reading| Value {
        phase: phase.to_string(),
        metric: reading.metric.to_string(),
        region: reading.region.to_string(),
        value: reading.value.to_string(),
        unit: reading.unit.clone(),
    };
    readings.iter().map(value).collect()
}

/// One for every view and light; of several photographs the last counts.
fn pairs(before: &[&Capture], after: &[&Capture], laid: &[PairView]) -> Vec<Photographs> {
    let mut keys: Vec<_> = before.iter().chain(after).map(|capture| (capture.view, capture.light)).collect();
    keys.sort_unstable();
    keys.dedup();
    let last = |list: &[&Capture], key| list.iter().rev().find(|c| (c.view, c.light) == key).map(|c| (*c).clone());
    keys.into_iter()
        .map(|key| {
            let (before, after) = (last(before, key), last(after, key));
            let ours = |pair: &&PairView| {
                [Some(pair.before), Some(pair.after)] == [&before, &after].map(|capture| capture.as_ref().map(|c| c.id))
            };
            Photographs {
                pair: laid.iter().find(ours).map(|pair| pair.pair.clone()),
                view: key.0.to_string(),
                light: key.1.to_string(),
                note: note(before.as_ref(), after.as_ref()).to_owned(),
                before: before.map(|capture| capture.id.to_string()),
                after: after.map(|capture| capture.id.to_string()),
            }
        })
        .collect()
}

fn note(before: Option<&Capture>, after: Option<&Capture>) -> &'static str {
    match (before, after) {
        (Some(before), Some(after)) if before.camera != after.camera => "cameras_differ",
        (Some(before), Some(after)) if !(before.complaints.is_empty() && after.complaints.is_empty()) => "poor",
        (Some(_), Some(_)) => "as_taken",
        _ => "one",
    }
}

/// One entry for every metric (two where before and after differ), and for every model.
fn methods(
    letterhead: &Letterhead,
    before: &[&Reading],
    after: &[&Reading],
    comparison: Option<&Comparison>,
) -> Vec<Method> {
    let mut found = Vec::new();
    for metric in &letterhead.metrics {
        let of = |readings: &[&Reading], phase: &str| method(&metric.metric, readings, phase);
        match (of(before, ""), of(after, "")) {
            (Some(before), Some(after)) if before != after => found.extend([
                Method { phase: Phase::Before.to_string(), ..before },
                Method { phase: Phase::After.to_string(), ..after },
            ]),
            (before, after) => found.extend(before.or(after)),
        }
    }
    for item in comparison.map_or(&[][..], |comparison| comparison.items.as_slice()) {
        let Some(engine) = &item.engine else { continue };
        let digest: String = engine.model_digest.chars().take(DIGITS).collect();
        let method = Method {
            metric: item.metric.to_string(),
            phase: String::new(),
            unit: item.unit.clone(),
            by: vec![engine.model.clone(), engine.model_version.clone(), digest, engine.provider.clone()],
            repeats: (0, 0),
            left_out: 0,
        };
        if !found.contains(&method) {
            found.push(method);
        }
    }
    found
}

fn method(metric: &str, readings: &[&Reading], phase: &str) -> Option<Method> {
    let id = MetricId::new(metric).ok()?;
    let ours: Vec<&&Reading> = readings.iter().filter(|reading| reading.metric == id).collect();
    let unit = ours.first()?.unit.clone();
    let name = |reading: &&&Reading| {
        let device = &reading.device;
        let probe = if device.probe.is_empty() { String::new() } else { format!(" / {}", device.probe) };
        format!("{} {}{probe}", device.protocol, device.serial)
    };
    let mut by: Vec<String> = ours.iter().map(name).collect();
    by.sort_unstable();
    by.dedup();
    let count = |reading: &&&Reading| u32::try_from(reading.repeats.len()).unwrap_or(u32::MAX);
    let repeats = (ours.iter().map(count).min().unwrap_or(0), ours.iter().map(count).max().unwrap_or(0));
    let flagged = ours.iter().flat_map(|reading| &reading.repeats).filter(|r| r.flags.contains(&QualityFlag::Outlier));
    let left_out = u32::try_from(flagged.count()).unwrap_or(u32::MAX);
    Some(Method { metric: metric.to_owned(), phase: phase.to_owned(), unit, by, repeats, left_out })
}
