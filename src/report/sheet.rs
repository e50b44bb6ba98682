//! From the data of a report ([`Sheet`]) to what its page says, in one language. The store and headquarters draw from the same
//! data with this, so a report says the same under either address.

use super::{
    care::{self, Care},
    evidence::{self, Method, Told},
    lang::{self, Lang},
    page::{self, Page, Source},
    trend,
};
use crate::{
    domain::{
        ComparisonId, Region, ScanId, VisitId,
        comparison::{Baseline, Compared, Comparison},
        metric::{Label, Metric, MetricId},
        scan::Phase,
    },
    sync::{
        payload,
        sheet::{self, Sheet},
    },
};

/// A report in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub salon: String,
    /// `2026-03-02`, by UTC
    pub day: String,
    pub steps: Vec<String>,
    pub page: Page,
    pub photographs: Vec<Pair>,
    /// Where there is no comparison: what was measured.
    pub values: Vec<Values>,
    pub courses: Vec<Drawn>,
    pub care: Care,
}

/// Photographs of one view, by their place among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub at: usize,
    pub view: String,
    pub note: String,
    pub before: bool,
    pub after: bool,
}

/// One metric over the visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    pub name: String,
    pub unit: String,
    /// SVG.
    pub drawing: String,
    /// Where the line breaks, why; else empty.
    pub note: String,
}

/// The values of one metric and phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    pub name: String,
    pub phase: String,
    pub unit: String,
    /// Region and value.
    pub rows: Vec<(String, String)>,
}

/// What the page of `sheet` says in `lang`. Words that are newer than this program are passed over.
#[must_use]
pub fn leaf(lang: Lang, sheet: &Sheet) -> Leaf {
    let metrics: Vec<Metric> = sheet.metrics.iter().filter_map(metric).collect();
    let comparison = (sheet.tested > 0 || !sheet.items.is_empty()).then(|| comparison(sheet));
    let source = Source {
        comparison: comparison.as_ref(),
        metrics: &metrics,
        before: &[],
        after: &[],
        captures_before: &[],
        captures_after: &[],
    };
    let mut page = page::page(lang, &source);
    page.method = sheet.methods.iter().filter_map(|method| how(lang, &metrics, method)).collect();
    if comparison.is_none() {
        page.missing = Some(missing(lang, sheet).to_owned());
    }
    Leaf {
        salon: lang.pick(&sheet.salon.zh, &sheet.salon.en).to_owned(),
        day: sheet.opened.get(..10).unwrap_or(&sheet.opened).to_owned(),
        steps: sheet.steps.clone(),
        photographs: sheet.photographs.iter().enumerate().map(|(at, pair)| photographs(lang, at, pair)).collect(),
        values: values(lang, &metrics, sheet),
        courses: courses(lang, &metrics, sheet),
        care: care::care(lang, &sheet.skin_type),
        page,
    }
}

fn metric(told: &sheet::Metric) -> Option<Metric> {
    Some(Metric {
        id: MetricId::new(&told.metric).ok()?,
        label: Label { zh: told.label.zh.clone(), en: told.label.en.clone() },
        // The unit stands with each value; the rest has done its work when the verdict was drawn.
        unit: String::new(),
        direction: told.direction.parse().ok()?,
        target: None,
        decimals: told.decimals,
        range: f64::NEG_INFINITY..=f64::INFINITY,
        by_colour: false,
    })
}

/// Ids are nobody's here: the page shows none.
fn comparison(sheet: &Sheet) -> Comparison {
    Comparison {
        id: ComparisonId::from_bits(0),
        visit: VisitId::from_bits(0),
        baseline: Baseline::SameVisit,
        before: ScanId::from_bits(0),
        after: ScanId::from_bits(0),
        tested: sheet.tested,
        items: sheet.items.iter().filter_map(item).collect(),
    }
}

fn item(told: &payload::Compared) -> Option<Compared> {
    let payload::Compared {
        metric,
        region,
        unit,
        before,
        after,
        change,
        smallest_detectable_change,
        verdict,
        refusal,
        model: _,
    } = told;
    Some(Compared {
        metric: MetricId::new(metric).ok()?,
        region: region.parse().ok()?,
        unit: unit.clone(),
        before: *before,
        after: *after,
        change: *change,
        smallest_detectable_change: *smallest_detectable_change,
        verdict: verdict.parse().ok()?,
        refusal: refusal.as_deref().and_then(|word| word.parse().ok()),
        engine: None,
    })
}

fn missing(lang: Lang, sheet: &Sheet) -> &'static str {
    let has = |phase: Phase| sheet.phases.iter().any(|word| word == phase.as_str());
    match (has(Phase::Before), has(Phase::After)) {
        (false, false) => lang.pick("这次到店没有测量。", "Nothing was measured on this visit."),
        (true, false) => lang.pick(
            "这次只在护理前测量，没有前后对比。",
            "This visit was measured before the care only; there is no comparison.",
        ),
        (false, true) => lang.pick(
            "这次只在护理后测量，没有前后对比。",
            "This visit was measured after the care only; there is no comparison.",
        ),
        (true, true) => lang.pick("前后两次测量没有作对比。", "The two measurements were not compared."),
    }
}

fn photographs(lang: Lang, at: usize, pair: &sheet::Photographs) -> Pair {
    let view = pair.view.parse().map_or_else(|_| pair.view.clone(), |view| lang::view(lang, view).to_owned());
    let note = match pair.note.as_str() {
        "one" => evidence::only_one(lang),
        "cameras_differ" => evidence::other_camera(lang),
        "poor" => evidence::poor(lang),
        _ => evidence::as_taken(lang),
    };
    Pair { at, view, note: note.to_owned(), before: pair.before.is_some(), after: pair.after.is_some() }
}

fn values(lang: Lang, metrics: &[Metric], sheet: &Sheet) -> Vec<Values> {
    let mut found: Vec<Values> = Vec::new();
    for told in &sheet.values {
        let (Ok(id), Ok(phase)) = (MetricId::new(&told.metric), told.phase.parse::<Phase>()) else { continue };
        let name = lang::metric(lang, metrics, &id).to_owned();
        let phase = lang::phase(lang, phase).to_owned();
        let region = told.region.parse::<Region>().map_or("–", |region| lang::region(lang, region)).to_owned();
        let row = (region, told.value.clone());
        match found.iter_mut().find(|values| values.name == name && values.phase == phase && values.unit == told.unit) {
            Some(values) => values.rows.push(row),
            None => found.push(Values { name, phase, unit: told.unit.clone(), rows: vec![row] }),
        }
    }
    found
}

fn courses(lang: Lang, metrics: &[Metric], sheet: &Sheet) -> Vec<Drawn> {
    let drawn = |course: &sheet::Course| {
        let id = MetricId::new(&course.metric).ok()?;
        let decimals = metrics.iter().find(|metric| metric.id == id).map_or(1, |metric| metric.decimals);
        let name = lang::metric(lang, metrics, &id).to_owned();
        let drawing = trend::drawing(lang, &name, course, decimals);
        let note = lang.pick(
            "虚线处换了仪器或版本，前后不连线、不比较。",
            "At the dashed line the device or its version changed: no line, no comparison across it.",
        );
        let note = if trend::breaks(course) { note.to_owned() } else { String::new() };
        (!drawing.is_empty()).then(|| Drawn { name, unit: course.unit.clone(), drawing, note })
    };
    sheet.course.iter().filter_map(drawn).collect()
}

fn how(lang: Lang, metrics: &[Metric], told: &sheet::Method) -> Option<Method> {
    let id = MetricId::new(&told.metric).ok()?;
    let name = lang::metric(lang, metrics, &id);
    let what = match told.phase.parse::<Phase>() {
        Ok(phase) => format!("{name} · {}", lang::phase(lang, phase)),
        Err(_) => name.to_owned(),
    };
    let how = match (told.repeats, told.by.as_slice()) {
        ((0, 0), [model, version, digest, provider]) => evidence::by_model(lang, [model, version, digest, provider]),
        ((few, many), by) => {
            let (few, many, left_out) = (few as usize, many as usize, told.left_out as usize);
            evidence::by_device(lang, &Told { devices: by, unit: &told.unit, few, many, left_out })
        }
    };
    Some(Method { what, how })
}
