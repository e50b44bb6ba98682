//! What stands behind a report's numbers: the photographs and how each metric was measured.

use super::{
    lang::{self, Lang},
    page::Source,
    traditional,
};
use crate::domain::{
    capture::Capture,
    comparison::{Baseline, Comparison},
    reading::{QualityFlag, Reading},
    scan::Phase,
};
use std::fmt::Write as _;

/// Two photographs of one view, side by side; either may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub view: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub note: String,
}

/// How one metric was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    pub what: String,
    pub how: String,
}

/// One pair for every view and light; of several photographs the last counts.
pub(super) fn pairs(lang: Lang, source: &Source<'_>) -> Vec<Pair> {
    let mut keys: Vec<_> =
        source.captures_before.iter().chain(source.captures_after).map(|c| (c.view, c.light)).collect();
    keys.sort_unstable();
    keys.dedup();
    let last = |list: &[Capture], key| list.iter().rev().find(|c| (c.view, c.light) == key).cloned();
    keys.into_iter()
        .map(|key| {
            let (before, after) = (last(source.captures_before, key), last(source.captures_after, key));
            Pair {
                view: lang::view(lang, key.0).to_owned(),
                note: note(lang, before.as_ref(), after.as_ref(), source.comparison),
                before: before.map(|c| c.id.to_string()),
                after: after.map(|c| c.id.to_string()),
            }
        })
        .collect()
}

fn note(lang: Lang, before: Option<&Capture>, after: Option<&Capture>, comparison: Option<&Comparison>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return only_one(lang).to_owned() };
    if comparison.is_some_and(|c| c.baseline != Baseline::SameVisit) {
        return lang
            .pick("两次到店的照片，只并排展示，不作判断", "Two visits: side by side only, no verdict")
            .to_owned();
    }
    if before.camera != after.camera {
        return other_camera(lang).to_owned();
    }
    if before.complaints.is_empty() && after.complaints.is_empty() { as_taken(lang) } else { poor(lang) }.to_owned()
}

pub(super) fn only_one(lang: Lang) -> &'static str {
    lang.pick("只有一张", "Only one was taken")
}

pub(super) fn other_camera(lang: Lang) -> &'static str {
    lang.pick("两张照片来自不同的相机", "Taken with two different cameras")
}

pub(super) fn poor(lang: Lang) -> &'static str {
    lang.pick("拍摄条件不理想，请谨慎对照", "Taken under poor conditions; compare with care")
}

pub(super) fn as_taken(lang: Lang) -> &'static str {
    lang.pick("未经美化，原样展示", "Shown as taken, not retouched")
}

/// One entry for every metric (two where before and after differ), and for every model.
pub(super) fn method(lang: Lang, source: &Source<'_>) -> Vec<Method> {
    let mut found: Vec<Method> = Vec::new();
    for metric in source.metrics {
        let of =
            |readings: &[Reading]| how(lang, &readings.iter().filter(|r| r.metric == metric.id).collect::<Vec<_>>());
        let (name, before, after) = (lang.label(&metric.label), of(source.before), of(source.after));
        if before == after || after.is_empty() {
            found.push(Method { what: name.to_owned(), how: before });
        } else {
            for (phase, how) in [(Phase::Before, before), (Phase::After, after)] {
                found.push(Method { what: format!("{name} · {}", lang::phase(lang, phase)), how });
            }
        }
    }
    found.retain(|method| !method.how.is_empty());
    let items = source.comparison.map_or(&[][..], |c| c.items.as_slice());
    for item in items {
        let Some(engine) = &item.engine else { continue };
        let what = lang::metric(lang, source.metrics, &item.metric).to_owned();
        let digest: String = engine.model_digest.chars().take(12).collect();
        let how = by_model(lang, [&engine.model, &engine.model_version, &digest, &engine.provider]);
        if found.iter().all(|m| m.what != what) {
            found.push(Method { what, how });
        }
    }
    found
}

fn how(lang: Lang, readings: &[&Reading]) -> String {
    let Some(first) = readings.first() else { return String::new() };
    let mut devices: Vec<String> = readings
        .iter()
        .map(|r| {
            let d = &r.device;
            let probe = if d.probe.is_empty() { String::new() } else { format!(" / {}", d.probe) };
            format!("{} {}{probe}", d.protocol, d.serial)
        })
        .collect();
    devices.sort_unstable();
    devices.dedup();
    let counts: Vec<usize> = readings.iter().map(|r| r.repeats.len()).collect();
    let (few, many) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let off = readings.iter().flat_map(|r| &r.repeats).filter(|r| r.flags.contains(&QualityFlag::Outlier)).count();
    by_device(lang, &Told { devices: &devices, unit: &first.unit, few, many, left_out: off })
}

/// What is told of a measurement by devices.
pub(super) struct Told<'a> {
    pub devices: &'a [String],
    pub unit: &'a str,
    /// Fewest and most repeats of a region.
    pub few: usize,
    pub many: usize,
    pub left_out: usize,
}

pub(super) fn by_device(lang: Lang, told: &Told<'_>) -> String {
    let Told { devices, unit, few, many, left_out } = told;
    let times = if few == many { few.to_string() } else { format!("{few}–{many}") };
    let unit = if unit.is_empty() { lang.pick("无量纲", "no unit") } else { unit };
    let device = devices.join(lang.pick("、", ", "));
    let mut text = match lang {
        Lang::Zh => format!("仪器 {device}，单位 {unit}，每个部位测 {times} 次取平均"),
        Lang::Hant => traditional::sentence(&format!("仪器 {device}，单位 {unit}，每个部位测 {times} 次取平均")),
        Lang::En => format!("device {device}, unit {unit}, mean of {times} repeats per region"),
    };
    if *left_out > 0 {
        let _ = match lang {
            Lang::Zh => write!(text, "；{left_out} 个离群值已标出，不计入平均"),
            Lang::Hant => {
                write!(text, "{}", traditional::sentence(&format!("；{left_out} 个离群值已标出，不计入平均")))
            }
            Lang::En => {
                let s = if *left_out == 1 { "" } else { "s" };
                write!(text, "; {left_out} outlying value{s} flagged and left out of the mean")
            }
        };
    }
    text
}

/// Model, version, first digits of its digest, and what computed it.
pub(super) fn by_model(lang: Lang, [model, version, digest, provider]: [&str; 4]) -> String {
    match lang {
        Lang::Zh => format!("由照片计算：{model} {version}（{digest}），{provider}"),
        Lang::Hant => format!("{}{model} {version}（{digest}），{provider}", lang.pick("由照片计算：", "")),
        Lang::En => format!("computed from photographs: {model} {version} ({digest}), {provider}"),
    }
}
