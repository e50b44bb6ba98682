//! The report's page model: every text a reader sees, in one language, ready for a template.

use super::{
    chart::{self, Axis, Bar},
    evidence::{self, Method, Pair},
    face::{self, Look, Spot},
    lang::{self, Lang},
    numbers::{Shown, shown},
    traditional,
    verdict::{self, Sign},
};
use crate::domain::{
    capture::Capture,
    comparison::{Compared, Comparison, Refusal},
    metric::{Direction, Metric, MetricId},
    reading::Reading,
};
use std::fmt::Write as _;

/// Everything a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub comparison: Option<&'a Comparison>,
    pub metrics: &'a [Metric],
    /// Live readings (not voided, not superseded) of the two scans.
    pub before: &'a [Reading],
    pub after: &'a [Reading],
    pub captures_before: &'a [Capture],
    pub captures_after: &'a [Capture],
}

/// A report in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub headline: String,
    /// How many were compared, changed, unchanged, refused.
    pub summary: String,
    /// What the limit means.
    pub rule: String,
    pub groups: Vec<Group>,
    /// Metrics that depend on colour and were not compared, since nothing in the photographs tells colours: one sentence for
    /// all of them, and no rows. Empty where there are none.
    pub uncoloured: String,
    pub photographs: Vec<Pair>,
    pub method: Vec<Method>,
    /// Set where there is nothing to compare (yet).
    pub missing: Option<String>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub metric: String,
    pub name: String,
    pub unit: String,
    /// What counts as better, or that nothing does.
    pub direction: String,
    pub verdict: Pill,
    pub rows: Vec<Row>,
    /// SVG; empty where no row has a value.
    pub scale: String,
    /// SVG; empty where the regions are not on the face.
    pub face: String,
}

/// A verdict to show: sign as SVG, words, class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pill {
    pub class: &'static str,
    pub sign: String,
    pub words: String,
}

/// One region of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub region: String,
    pub before: String,
    pub after: String,
    pub change: String,
    /// Smallest detectable change, with ±.
    pub limit: String,
    pub verdict: Pill,
    /// SVG; empty where there is nothing to draw.
    pub chart: String,
}

/// The page for `source` in `lang`.
#[must_use]
pub fn page(lang: Lang, source: &Source<'_>) -> Page {
    let items = source.comparison.map_or(&[][..], |c| c.items.as_slice());
    let (items, uncoloured) = fold(lang, source, items);
    let items = items.as_slice();
    Page {
        uncoloured,
        headline: headline(lang, source, items),
        summary: summary(lang, source, items),
        rule: rule(lang, source.comparison),
        groups: metrics_of(source, items).into_iter().map(|id| group(lang, source, id, items)).collect(),
        photographs: evidence::pairs(lang, source),
        method: evidence::method(lang, source),
        missing: missing(lang, source),
    }
}

/// Without the metrics of which no region was compared for want of a colour reference; they are named in a sentence.
fn fold(lang: Lang, source: &Source<'_>, items: &[Compared]) -> (Vec<Compared>, String) {
    let lacks = |item: &Compared| item.refusal == Some(Refusal::NoColourReference);
    let all_lack = |id: &MetricId| items.iter().filter(|item| item.metric == *id).all(lacks);
    let names: Vec<&str> = metrics_of(source, items)
        .into_iter()
        .filter(|id| all_lack(id))
        .map(|id| lang::metric(lang, source.metrics, id))
        .collect();
    let shown = items.iter().filter(|item| !all_lack(&item.metric)).cloned().collect();
    if names.is_empty() {
        return (shown, String::new());
    }
    let (names, why) = (lang.list(&names), lang::refusal(lang, Refusal::NoColourReference));
    let said = match lang {
        Lang::Zh | Lang::Hant => lang.sentence(&format!("没有比较：{names}。{why}。"), ""),
        Lang::En => format!("Not compared: {names}. The reason: {why}."),
    };
    (shown, said)
}

fn known<'a>(source: &Source<'a>, id: &MetricId) -> Option<&'a Metric> {
    source.metrics.iter().find(|m| m.id == *id)
}

fn direction(source: &Source<'_>, id: &MetricId) -> Direction {
    known(source, id).map_or(Direction::Neutral, |m| m.direction)
}

/// The metrics: those with a change first, then in the order of the house.
fn metrics_of<'a>(source: &Source<'_>, items: &'a [Compared]) -> Vec<&'a MetricId> {
    let mut found: Vec<&MetricId> = Vec::new();
    for item in items {
        if !found.contains(&&item.metric) {
            found.push(&item.metric);
        }
    }
    let changed =
        |id: &MetricId| items.iter().any(|i| i.metric == *id && verdict::sign(i, direction(source, id)).is_change());
    let place = |id: &MetricId| source.metrics.iter().position(|m| m.id == *id).unwrap_or(usize::MAX);
    found.sort_by_key(|id| (!changed(id), place(id)));
    found
}

/// Names only what exceeded its limit. A metric that rose here and fell there is said to have changed, not to have won.
fn headline(lang: Lang, source: &Source<'_>, items: &[Compared]) -> String {
    let mut said = Vec::new();
    for id in metrics_of(source, items) {
        let changed: Vec<&Compared> =
            items.iter().filter(|i| i.metric == *id && verdict::sign(i, direction(source, id)).is_change()).collect();
        let Some(first) = changed.first() else { continue };
        let name = lang::metric(lang, source.metrics, id);
        let risen = |i: &&Compared| i.change.is_some_and(|c| c > 0.0);
        let mixed = changed.iter().any(|i| risen(i) != risen(first));
        let lower = name.to_lowercase();
        let name = if said.is_empty() { name } else { lower.as_str() };
        said.push(if mixed {
            format!("{name}{}", lang.pick("有升有降", " up here, down there"))
        } else {
            verdict::headline(
                lang,
                name,
                risen(first),
                verdict::sign(first, direction(source, id)),
                direction(source, id),
            )
        });
    }
    if said.is_empty() {
        let none = lang.pick("这一次，没有超出测量误差的变化", "This time, no change beyond measurement error");
        let nothing = lang.pick("还没有可以比较的结果", "Nothing to compare yet");
        // There was a comparison, and all of it was refused or wanted a reference for its colours.
        let refused = lang.pick("这一次没有可以比较的项目", "Nothing could be compared this time");
        let drawn = source.comparison.is_some_and(|comparison| !comparison.items.is_empty());
        let compared = items.iter().any(|i| verdict::sign(i, direction(source, &i.metric)) != Sign::Refused);
        return match (compared, drawn) {
            (true, _) => none,
            (false, true) => refused,
            (false, false) => nothing,
        }
        .to_owned();
    }
    said.join(lang.pick("，", "; "))
}

fn summary(lang: Lang, source: &Source<'_>, items: &[Compared]) -> String {
    let signs: Vec<Sign> = items.iter().map(|i| verdict::sign(i, direction(source, &i.metric))).collect();
    let count = |wanted: fn(&Sign) -> bool| signs.iter().filter(|s| wanted(s)).count();
    let (better, worse) = (count(|s| *s == Sign::Better), count(|s| *s == Sign::Worse));
    let (changed, same) = (count(|s| *s == Sign::Changed), count(|s| *s == Sign::Same));
    let refused = count(|s| *s == Sign::Refused);
    if items.is_empty() {
        return String::new();
    }
    let compared = items.len() - refused;
    if compared == 0 {
        let said = lang.pick("各项均未作比较，原因见各行。", "Nothing could be compared; each row gives the reason.");
        return said.to_owned();
    }
    let mut text = match lang {
        Lang::Zh => format!("共比较 {compared} 项（指标 × 部位）："),
        Lang::Hant => traditional::sentence(&format!("共比较 {compared} 项（指标 × 部位）：")),
        Lang::En => format!("{compared} items compared (metric × region): "),
    };
    let parts: Vec<String> = [
        (better, lang.pick("项有可测改善", " improved")),
        (worse, lang.pick("项有可测下滑", " worsened")),
        (changed, lang.pick("项有变化", " changed")),
        (same, lang.pick("项在测量误差之内，无可测变化", " within measurement error, no measurable change")),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, words)| if lang != Lang::En { format!("{n} {words}") } else { format!("{n}{words}") })
    .collect();
    text += &parts.join(lang.pick("，", ", "));
    text += lang.pick("。", ".");
    if refused > 0 {
        let _ = match lang {
            Lang::Zh => write!(text, "另有 {refused} 项未作比较，原因见各行。"),
            Lang::Hant => {
                write!(text, "{}", traditional::sentence(&format!("另有 {refused} 项未作比较，原因见各行。")))
            }
            Lang::En => write!(text, " {refused} more were not compared; each row gives the reason."),
        };
    }
    text
}

fn rule(lang: Lang, comparison: Option<&Comparison>) -> String {
    let Some(comparison) = comparison else { return String::new() };
    let n = comparison.tested;
    match lang {
        Lang::Zh | Lang::Hant => lang.sentence(&format!(
            "斜线带是“最小可测变化”：同样的皮肤测两次，数值也会在这个范围里波动。只有超出斜线带，才说有变化。界限已按本次检验的 {n} 项校正：皮肤没有变化时，整份报告里出现任何“有变化”的机会不超过 5%。"
        ), ""),
        Lang::En => format!(
            "The hatched band is the smallest detectable change: measuring the same skin twice moves the number that much. Only what leaves the band is called a change. The limit is corrected for the {n} items tested: where nothing changed, the chance that this whole report shows any change is at most 5 %."
        ),
    }
}

fn missing(lang: Lang, source: &Source<'_>) -> Option<String> {
    let text = match (source.before.is_empty(), source.after.is_empty(), source.comparison) {
        (_, _, Some(_)) => return None,
        (true, _, _) => lang.pick("还没有护理前的测量。", "There is no measurement from before yet."),
        (_, true, _) => lang.pick("还没有护理后的测量。", "There is no measurement from after yet."),
        _ => lang.pick(
            "两次测量都在，对比还没有生成。",
            "Both measurements are there; the comparison has not been drawn yet.",
        ),
    };
    Some(text.to_owned())
}

fn group(lang: Lang, source: &Source<'_>, id: &MetricId, items: &[Compared]) -> Group {
    let items: Vec<&Compared> = items.iter().filter(|i| i.metric == *id).collect();
    let decimals = known(source, id).map_or(2, |m| m.decimals);
    let way = direction(source, id);
    let axis = Axis::over(items.iter().flat_map(|i| spanned(i)));
    let unit = items.first().map_or_else(String::new, |i| i.unit.clone());
    let name = lang::metric(lang, source.metrics, id).to_owned();
    let rows: Vec<Row> = items.iter().map(|i| row(lang, &name, i, way, decimals, axis)).collect();
    let signs: Vec<Sign> = items.iter().map(|i| verdict::sign(i, way)).collect();
    Group {
        metric: id.to_string(),
        direction: match way {
            Direction::HigherIsBetter => lang.pick("数值越高越好", "higher is better"),
            Direction::LowerIsBetter => lang.pick("数值越低越好", "lower is better"),
            Direction::TowardsTarget => lang.pick("适中为好", "the middle is best"),
            Direction::Neutral => lang.pick("高低无好坏之分", "neither higher nor lower is better"),
        }
        .to_owned(),
        verdict: overall(lang, &signs),
        scale: axis.map_or_else(String::new, chart::scale),
        face: map(lang, &items, way, decimals),
        name,
        unit,
        rows,
    }
}

fn spanned(item: &Compared) -> Vec<f64> {
    let band = item.before.zip(item.smallest_detectable_change);
    [item.before, item.after, band.map(|(b, l)| b - l), band.map(|(b, l)| b + l)].into_iter().flatten().collect()
}

/// A metric's own pill counts its regions.
fn overall(lang: Lang, signs: &[Sign]) -> Pill {
    let of = |sign: Sign| signs.iter().filter(|s| **s == sign).count();
    let compared = signs.len() - of(Sign::Refused);
    let told = [Sign::Worse, Sign::Better, Sign::Changed].into_iter().find(|s| of(*s) > 0);
    let (sign, words) = match told {
        None if compared == 0 => (Sign::Refused, lang.pick("未比较", "Not compared").to_owned()),
        None => (Sign::Same, lang.pick("无可测变化", "No measurable change").to_owned()),
        Some(sign) => {
            let n = of(Sign::Better) + of(Sign::Worse) + of(Sign::Changed);
            let words = match lang {
                Lang::Zh => format!("{compared} 个部位中 {n} 个有变化"),
                Lang::Hant => traditional::sentence(&format!("{compared} 个部位中 {n} 个有变化")),
                Lang::En => format!("changed in {n} of {compared} regions"),
            };
            (if of(Sign::Worse) > 0 && of(Sign::Better) > 0 { Sign::Changed } else { sign }, words)
        }
    };
    Pill { class: sign.word(), sign: chart::sign(sign), words }
}

fn row(lang: Lang, name: &str, item: &Compared, way: Direction, decimals: u8, axis: Option<Axis>) -> Row {
    let sign = verdict::sign(item, way);
    let words = verdict::words(lang, item, way);
    let region = lang::region(lang, item.region).to_owned();
    let Shown { before, after, change, limit } = shown(item, decimals);
    let label = match lang {
        Lang::Zh => format!("{region}{name}：护理前 {before}，护理后 {after}，最小可测变化 {limit}，{words}"),
        Lang::Hant => traditional::sentence(&format!(
            "{region}{name}：护理前 {before}，护理后 {after}，最小可测变化 {limit}，{words}"
        )),
        Lang::En => {
            format!("{name}, {region}: before {before}, after {after}, smallest detectable change {limit}, {words}")
        }
    };
    let bar =
        Bar { before: item.before, after: item.after, limit: item.smallest_detectable_change, sign, label: &label };
    Row {
        chart: axis.map_or_else(String::new, |axis| chart::row(axis, bar)),
        verdict: Pill { class: sign.word(), sign: chart::sign(sign), words },
        region,
        before,
        after,
        change,
        limit,
    }
}

fn map(lang: Lang, items: &[&Compared], way: Direction, decimals: u8) -> String {
    let spots: Vec<Spot> = items
        .iter()
        .map(|item| {
            let sign = verdict::sign(item, way);
            let text = match sign {
                s if s.is_change() && item.change.is_some() => shown(item, decimals).change,
                _ => String::new(),
            };
            Spot { region: item.region, look: Look::Verdict(sign), text }
        })
        .collect();
    if spots.len() < 2 { String::new() } else { face::map(lang, &spots) }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
