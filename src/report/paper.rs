//! A report on paper and as one long picture: the data that its template (`paper/src/report.typ`) lays out. Every word and every
//! drawing is that of the page ([`super::sheet::leaf`]), so the forms cannot say different things.

use super::{
    Lang, advice, chart,
    evidence::Method,
    overlay,
    page::{Group, Page, Pill},
    sheet::{Change, Leaf, Values, leaf},
    verdict::Sign,
};
use crate::{domain::look::Colour, sync::sheet::Sheet};
use serde_json::{Value, json};

/// The photographs of one view that can be shown: names of the files that go with the data, the two laid onto each other where
/// there are such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its place among the report's photographs.
    pub at: usize,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Pictures of where something changed: the word of each one's role, and its file.
    pub changes: Vec<(String, String)>,
}

/// The data of the report of `sheet`, with the file of its salon's logo and those of its photographs that are `shown`.
#[must_use]
pub fn data(lang: Lang, sheet: &Sheet, logo: Option<&str>, shown: &[Shown]) -> Value {
    let leaf = leaf(lang, sheet);
    let page = &leaf.page;
    let (tag, region) = match lang {
        Lang::Zh => ("zh", "CN"),
        Lang::Hant => ("zh", "TW"),
        Lang::En => ("en", "GB"),
    };
    let colour = Colour::parse(&leaf.look.colour).map_or_else(|| chart::JADE.to_owned(), |colour| colour.to_string());
    let lead = page.missing.as_deref().unwrap_or(&page.summary);
    json!({
        "lang": tag,
        "region": region,
        "title": page.headline,
        "salon": isolated(&leaf.salon),
        "look": { "colour": colour, "logo": logo, "mark": chart::LEAF },
        "day": leaf.day,
        "steps": leaf.steps.iter().map(|step| isolated(step)).collect::<Vec<_>>(),
        "beautician": if leaf.beautician.is_empty() { String::new() } else { isolated(&leaf.beautician) },
        "headline": page.headline,
        "lead": lead,
        "uncoloured": page.uncoloured,
        "words": words(lang),
        "photographs": photographs(lang, &leaf, shown),
        "changes": changes(lang, &leaf, shown),
        "change_key": change_key(&leaf, shown),
        "rule": page.rule,
        "legend": legend(lang, page),
        "groups": page.groups.iter().map(|one| group(lang, one)).collect::<Vec<_>>(),
        "values": leaf.values.iter().map(values).collect::<Vec<_>>(),
        "courses": leaf.courses.iter().map(|one| json!({
            "name": one.name, "unit": one.unit, "drawing": one.drawing, "alt": one.name, "note": one.note,
        })).collect::<Vec<_>>(),
        "suggestions": leaf.suggestions.iter().map(|one| json!({
            "offer": isolated(&one.offer), "reason": isolated(&one.reason), "because": one.because,
        })).collect::<Vec<_>>(),
        "care": { "notes": leaf.care.notes, "next": leaf.care.next },
        "meaning": meaning(lang),
        "methods": methods(lang, &page.method),
        "footer": lang.pick("皮肤外观与仪器读数，不是医学意见", "Appearance and device readings, not medical advice"),
    })
}

/// Between first-strong isolates: a name written from right to left does not turn what stands round it.
fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

fn words(lang: Lang) -> Value {
    json!({
        "before": lang.pick("护理前", "Before"),
        "after": lang.pick("护理后", "After"),
        "beautician": lang.pick("美容师", "Beautician"),
        "photographs": lang.pick("照片对照", "Before and after"),
        "where": lang.pick("哪里有不同", "Where it differs"),
        "no_verdict": overlay::no_verdict(lang),
        "no_photograph": lang.pick("没有照片", "no photograph"),
        "measured": lang.pick("各项指标", "What was measured"),
        "change": lang.pick("变化", "change"),
        "limit": lang.pick("界限", "limit"),
        "course": lang.pick("历次护理", "Over the visits"),
        "course_note": lang.pick(
            "每次护理前的读数，各次都测过的部位取平均。",
            "What was read before each visit's care, as the mean over the regions that every visit has.",
        ),
        "advice": lang.pick("门店的建议", "What the salon suggests"),
        "whose": advice::whose(lang),
        "care": lang.pick("居家建议", "At home"),
        "meaning": lang.pick("说明", "What the numbers mean"),
        "colon": lang.pick("：", ": "),
    })
}

/// What the numbers mean and do not mean; the page says the same.
#[must_use]
pub fn meaning(lang: Lang) -> &'static str {
    lang.pick(
        "数字是仪器在当时、当处的读数，会随温湿度、时间和清洁程度变化；只有超出界限的差别才说有变化。本报告描述皮肤外观与仪器读数，不是医学意见，也不预测今后的皮肤。",
        "A number is what a device read at that time and place; room air, time of day and washing move it, and only a difference beyond its limit is called a change. This report describes how the skin looks and what devices read; it is not medical advice and foretells nothing.",
    )
}

fn photographs(lang: Lang, leaf: &Leaf, shown: &[Shown]) -> Vec<Value> {
    let (before, after) = (lang.pick("护理前，", "Before, "), lang.pick("护理后，", "After, "));
    let one = |shown: &Shown| {
        let pair = leaf.photographs.iter().find(|pair| pair.at == shown.at)?;
        (shown.before.is_some() || shown.after.is_some()).then(|| {
            json!({
                "view": pair.view,
                "note": pair.note,
                "aligned": pair.aligned,
                "before": shown.before,
                "after": shown.after,
                "alt_before": format!("{before}{}", pair.view),
                "alt_after": format!("{after}{}", pair.view),
            })
        })
    };
    shown.iter().filter_map(one).collect()
}

/// The pictures of where something changed that are `shown`, each with the view and the metric it is of.
fn changes_of<'a>(leaf: &'a Leaf, shown: &'a [Shown]) -> impl Iterator<Item = (&'a str, &'a Change, &'a str)> {
    shown.iter().flat_map(move |shown| {
        let pair = leaf.photographs.iter().find(|pair| pair.at == shown.at);
        shown.changes.iter().filter_map(move |(role, file)| {
            let pair = pair?;
            let change = pair.changes.iter().find(|change| change.role == *role)?;
            Some((pair.view.as_str(), change, file.as_str()))
        })
    })
}

fn changes(lang: Lang, leaf: &Leaf, shown: &[Shown]) -> Vec<Value> {
    let one = |(view, change, file): (&str, &Change, &str)| {
        let name = format!("{view} · {}", change.name);
        json!({ "picture": file, "name": name, "alt": format!("{name}{}", lang.pick("：哪里有不同", ": where it differs")) })
    };
    changes_of(leaf, shown).map(one).collect()
}

/// What their signs mean, each said once.
fn change_key(leaf: &Leaf, shown: &[Shown]) -> Vec<Value> {
    let mut told: Vec<&overlay::Key> = Vec::new();
    for (_, change, _) in changes_of(leaf, shown) {
        let new: Vec<&overlay::Key> = change.key.iter().filter(|key| !told.contains(key)).collect();
        told.extend(new);
    }
    told.iter().map(|key| json!({ "sign": key.sign, "words": key.words })).collect()
}

fn pill(pill: &Pill) -> Value {
    json!({ "class": pill.class, "sign": pill.sign, "words": pill.words })
}

/// Only the signs that stand in this report, between what was before and the band.
fn legend(lang: Lang, page: &Page) -> Vec<Value> {
    let mut signs = vec![json!({ "sign": chart::before_sign(), "words": lang.pick("护理前", "before") })];
    signs.extend(shown_signs(lang, page).iter().map(pill));
    signs.push(json!({ "sign": chart::band_sign(), "words": lang.pick("最小可测变化", "smallest detectable change") }));
    signs
}

/// What the signs after the care mean, of those that stand on `page`.
#[must_use]
pub fn shown_signs(lang: Lang, page: &Page) -> Vec<Pill> {
    let shown = |sign: &Sign| page.groups.iter().flat_map(|g| &g.rows).any(|row| row.verdict.class == sign.word());
    let words = |sign: Sign| match sign {
        Sign::Better => lang.pick("护理后：有改善", "after: improved"),
        Sign::Worse => lang.pick("护理后：有下滑", "after: worsened"),
        Sign::Changed => lang.pick("护理后：有变化", "after: changed"),
        Sign::Same => lang.pick("护理后：无可测变化", "after: no measurable change"),
        Sign::Refused => lang.pick("未比较", "not compared"),
    };
    let pill = |sign: Sign| Pill { class: sign.word(), sign: chart::sign(sign), words: words(sign).to_owned() };
    Sign::ALL.into_iter().filter(shown).map(pill).collect()
}

fn group(lang: Lang, group: &Group) -> Value {
    let row = |row: &super::page::Row| {
        json!({
            "region": row.region,
            "before": row.before,
            "after": row.after,
            "change": row.change,
            "limit": row.limit,
            "chart": row.chart,
            "label": format!("{} {} → {}{}{}", row.region, row.before, row.after, lang.pick("，", ", "), row.verdict.words),
            "verdict": pill(&row.verdict),
        })
    };
    json!({
        "name": group.name,
        "unit": group.unit,
        "direction": group.direction,
        "verdict": pill(&group.verdict),
        "changed": !matches!(group.verdict.class, "same" | "refused"),
        "rows": group.rows.iter().map(row).collect::<Vec<_>>(),
        "scale": group.scale,
        "face": group.face,
        "face_alt": format!("{}{}{}", group.name, lang.pick("：", ": "), group.verdict.words),
    })
}

/// What was measured alike is told once, with all its names.
fn methods(lang: Lang, all: &[Method]) -> Vec<Value> {
    let mut told: Vec<(Vec<&str>, &str)> = Vec::new();
    for Method { what, how } in all {
        match told.iter_mut().find(|(_, known)| known == how) {
            Some((names, _)) => names.push(what),
            None => told.push((vec![what], how)),
        }
    }
    told.iter().map(|(names, how)| json!({ "what": lang.list(names), "how": how })).collect()
}

fn values(values: &Values) -> Value {
    json!({ "name": values.name, "phase": values.phase, "unit": values.unit, "rows": values.rows })
}
