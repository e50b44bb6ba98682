//! What the salon's rules suggest after the scan before the treatment: each with the reading, the limit and the rule it comes from, for
//! the beautician to talk about. What the card forbids stands apart, with the word that forbids it.

use crate::{
    domain::{
        customer::SkinType,
        metric::MetricId,
        scan::Phase,
        suggestion::{Because, Condition, Kind, Measured, Suggestion, suggest},
    },
    report::{Lang, lang},
    store::VisitView,
    web::About,
};

/// All of it.
#[derive(Debug, Default)]
pub struct SuggestedPanel {
    pub lines: Vec<Line>,
    /// What was withheld, and for which word.
    pub withheld: Vec<(String, String)>,
}

/// One suggestion.
#[derive(Debug)]
pub struct Line {
    pub kind: &'static str,
    pub offer: String,
    pub reason: String,
    /// `左颊 水分 28.00 %（低于 35 %）`, one for each condition.
    pub because: Vec<String>,
    pub rule: String,
}

/// Of the last finished scan before the treatment; nothing before there is one.
pub fn panel(lang: Lang, about: &About, view: &VisitView, card: [&str; 3]) -> SuggestedPanel {
    let measured: Vec<Measured> = view.measured(Phase::Before).into_iter().map(|(value, _)| value).collect();
    let skin = SkinType::noted(&view.customer.skin_type);
    let suggested = suggest(&about.suggestions, &measured, skin, &card);
    SuggestedPanel {
        lines: suggested.suggestions.iter().map(|one| line(lang, about, one)).collect(),
        withheld: suggested.withheld.into_iter().map(|one| (lang.label(one.offer).to_owned(), one.word)).collect(),
    }
}

fn line(lang: Lang, about: &About, Suggestion { rule, because }: &Suggestion<'_>) -> Line {
    Line {
        kind: match rule.kind {
            Kind::Treatment => lang.pick("护理", "treatment"),
            Kind::Product => lang.pick("产品", "product"),
        },
        offer: lang.label(&rule.offer).to_owned(),
        reason: lang.label(&rule.reason).to_owned(),
        because: because.iter().map(|because| sentence(lang, about, because)).collect(),
        rule: rule.id.clone(),
    }
}

fn sentence(lang: Lang, about: &About, Because { measured, condition }: &Because) -> String {
    let Measured { metric, region, value } = measured;
    let (name, place) = (lang::metric(lang, &about.metrics, metric), lang::region(lang, *region));
    let unit = unit(about, metric);
    let limit = limit(lang, condition, unit);
    format!("{place} {name} {value}{}{unit} ({limit})", if unit.is_empty() { "" } else { " " })
}

fn limit(lang: Lang, Condition { above, below, .. }: &Condition, unit: &str) -> String {
    let said = |word: &str, limit: &f64| format!("{word} {limit} {unit}").trim_end().to_owned();
    let above = above.as_ref().map(|limit| said(lang.pick("高于", "above"), limit));
    let below = below.as_ref().map(|limit| said(lang.pick("低于", "below"), limit));
    let all: Vec<String> = above.into_iter().chain(below).collect();
    lang.list(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn unit<'a>(about: &'a About, id: &MetricId) -> &'a str {
    about.metrics.iter().find(|metric| metric.id == *id).map_or("", |metric| metric.unit.as_str())
}
