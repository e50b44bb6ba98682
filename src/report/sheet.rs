//! From the data of a report ([`Sheet`]) to what its page says, in one language. The store and headquarters draw from the same
//! data with this, so a report says the same under either address.

use super::{
    advice::{self, Suggestion},
    care::{self, Care},
    days,
    evidence::{self, Method, Told},
    lang::{self, Lang},
    overlay::{self, Key},
    page::{self, Page, Source},
    treatment, trend,
};
use crate::{
    domain::{
        ComparisonId, Region, ScanId, VisitId,
        comparison::{Baseline, Compared, Comparison, Drawn as ChangeDrawn, Refusal},
        metric::{Label, Metric, MetricId},
        scan::Phase,
    },
    sync::{
        image_lane::Role,
        payload,
        sheet::{self, Sheet},
    },
};

/// A report in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub salon: String,
    /// The house's own where a field is empty.
    pub look: sheet::Look,
    /// `2026-03-02`, where the store stands
    pub day: String,
    /// Those of the house in this language, others as they were written.
    pub steps: Vec<String>,
    /// Empty where it is not known.
    pub beautician: String,
    pub page: Page,
    pub photographs: Vec<Pair>,
    /// Where there is no comparison: what was measured.
    pub values: Vec<Values>,
    pub courses: Vec<Drawn>,
    /// The last one first.
    pub earlier: Vec<Earlier>,
    pub suggestions: Vec<Suggestion>,
    pub care: Care,
}

/// An earlier visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// `21 October 2026`
    pub day: String,
    pub steps: Vec<String>,
    pub page: Page,
}

/// Photographs of one view, by their place among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub at: usize,
    pub view: String,
    pub note: String,
    pub before: bool,
    pub after: bool,
    /// Whether pictures of both laid onto each other are shown instead of them.
    pub aligned: bool,
    /// Pictures of where something changed; only where they are aligned.
    pub changes: Vec<Change>,
}

/// A picture of where one metric changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Word of its role, by which it is asked for.
    pub role: String,
    pub name: String,
    /// What its signs mean.
    pub key: Vec<Key>,
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
    let metrics: Vec<Metric> = sheet.metrics.iter().filter_map(|told| metric(lang, told)).collect();
    let comparison = (sheet.tested > 0 || !sheet.items.is_empty()).then(|| comparison(sheet.tested, &sheet.items));
    let mut page = page::page(lang, &source(&metrics, comparison.as_ref()));
    page.method = sheet.methods.iter().filter_map(|method| how(lang, &metrics, method)).collect();
    if comparison.is_none() {
        page.missing = Some(missing(lang, sheet).to_owned());
    }
    Leaf {
        salon: lang.pick(&sheet.salon.zh, &sheet.salon.en).to_owned(),
        look: sheet.look.clone(),
        day: sheet.opened.get(..10).unwrap_or(&sheet.opened).to_owned(),
        steps: sheet.steps.iter().map(|step| treatment::said(lang, step)).collect(),
        beautician: sheet.beautician.clone(),
        photographs: sheet
            .photographs
            .iter()
            .enumerate()
            .map(|(at, pair)| photographs(lang, &metrics, at, pair))
            .collect(),
        values: values(lang, &metrics, sheet),
        courses: courses(lang, &metrics, sheet),
        earlier: sheet.earlier.iter().map(|visit| earlier(lang, &metrics, visit)).collect(),
        suggestions: advice::suggestions(lang, &metrics, &sheet.suggestions),
        care: care::care(lang, &sheet.skin_type, &sheet.steps, sheet.next_day.as_deref()),
        page,
    }
}

const fn source<'a>(metrics: &'a [Metric], comparison: Option<&'a Comparison>) -> Source<'a> {
    Source { comparison, metrics, before: &[], after: &[], captures_before: &[], captures_after: &[] }
}

fn earlier(lang: Lang, metrics: &[Metric], visit: &sheet::Earlier) -> Earlier {
    let comparison = comparison(visit.tested, &visit.items);
    Earlier {
        day: days::long(lang, &visit.opened),
        steps: visit.steps.iter().map(|step| treatment::said(lang, step)).collect(),
        page: page::page(lang, &source(metrics, Some(&comparison))),
    }
}

fn metric(lang: Lang, told: &sheet::Metric) -> Option<Metric> {
    // A house may have metrics of its own, which no table knows: their names are turned like a sentence.
    let name = lang.sentence(&told.label.zh, &told.label.en);
    Some(Metric {
        id: MetricId::new(&told.metric).ok()?,
        label: Label { zh: name.clone(), en: name },
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
fn comparison(tested: u32, items: &[payload::Compared]) -> Comparison {
    Comparison {
        id: ComparisonId::from_bits(0),
        visit: VisitId::from_bits(0),
        baseline: Baseline::SameVisit,
        before: ScanId::from_bits(0),
        after: ScanId::from_bits(0),
        tested,
        items: items.iter().filter_map(item).collect(),
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

fn photographs(lang: Lang, metrics: &[Metric], at: usize, pair: &sheet::Photographs) -> Pair {
    let view = pair.view.parse().map_or_else(|_| pair.view.clone(), |view| lang::view(lang, view).to_owned());
    let note = match pair.note.as_str() {
        "one" => evidence::only_one(lang),
        "cameras_differ" => evidence::other_camera(lang),
        "poor" => evidence::poor(lang),
        _ => evidence::as_taken(lang),
    };
    let (before, after) = (pair.before.is_some(), pair.after.is_some());
    let laid = pair.pair.as_ref().filter(|_| before && after);
    let aligned = laid.is_some_and(sheet::Pair::is_aligned);
    let refused = laid.and_then(|laid| laid.refusal.parse::<Refusal>().ok());
    let note = match (aligned, refused) {
        (true, _) if pair.note == "poor" => said_both(lang, overlay::aligned(lang), note),
        (true, _) => overlay::aligned(lang).to_owned(),
        // Which camera it was is said once.
        (false, Some(refusal)) if pair.note == "poor" => said_both(lang, &overlay::not_aligned(lang, refusal), note),
        (false, Some(refusal)) => overlay::not_aligned(lang, refusal),
        (false, None) => note.to_owned(),
    };
    let changes = laid.filter(|_| aligned).map_or_else(Vec::new, |laid| changes(lang, metrics, laid));
    Pair { at, view, note, before, after, aligned, changes }
}

fn said_both(lang: Lang, one: &str, other: &str) -> String {
    format!("{one}{}{other}", lang.pick("；", "; "))
}

/// The pictures of where something changed; what is newer than this program is passed over.
#[must_use]
pub fn changes(lang: Lang, metrics: &[Metric], laid: &sheet::Pair) -> Vec<Change> {
    let change = |picture: &sheet::PairPicture| {
        let drawn: ChangeDrawn = picture.how.parse().ok()?;
        Role::of(&picture.role).filter(|role| Role::CHANGES.contains(role))?;
        let id = MetricId::new(&picture.metric).ok()?;
        let name = lang::metric(lang, metrics, &id).to_owned();
        Some(Change { role: picture.role.clone(), name, key: overlay::key(lang, drawn) })
    };
    laid.pictures.iter().filter_map(change).collect()
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
            "虚线处换了仪器、探头或版本，或仪器没有序列号、认不出是否同一台：前后不连线、不比较。",
            "At a dashed line the device, its probe or its version changed, or a device without serial number cannot be known for the same one: no line, no comparison across it.",
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
