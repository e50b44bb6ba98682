//! What the salon's own rules suggest, on the customer's report: each with its reason, and with the reading and the limit that it comes
//! from. What a card forbids never comes this far.

use super::lang::{self, Lang};
use crate::{
    domain::{
        Region,
        metric::{Metric, MetricId},
    },
    sync::sheet::{Because, Suggested},
};

/// One suggestion in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The treatment or product by the salon's own name.
    pub offer: String,
    pub reason: String,
    /// `左颊 水分 28.0 %（低于 35 %）`, one for each condition.
    pub because: Vec<String>,
}

/// Stands with the suggestions: whose they are.
#[must_use]
pub fn whose(lang: Lang) -> &'static str {
    lang.pick(
        "按门店自己的规则，由这次护理前的读数得出，供您参考。",
        "By the salon's own rules, from what was read before this visit's care. It is yours to decide.",
    )
}

/// Of `told`, what names a metric and a region that this program knows.
#[must_use]
pub fn suggestions(lang: Lang, metrics: &[Metric], told: &[Suggested]) -> Vec<Suggestion> {
    let one = |told: &Suggested| {
        let because: Option<Vec<String>> =
            told.because.iter().map(|because| sentence(lang, metrics, because)).collect();
        Some(Suggestion {
            offer: lang.sentence(&told.offer.zh, &told.offer.en),
            reason: lang.sentence(&told.reason.zh, &told.reason.en),
            because: because?,
        })
    };
    told.iter().filter_map(one).collect()
}

fn sentence(lang: Lang, metrics: &[Metric], because: &Because) -> Option<String> {
    let id = MetricId::new(&because.metric).ok()?;
    let region: Region = because.region.parse().ok()?;
    let (name, place) = (lang::metric(lang, metrics, &id), lang::region(lang, region));
    let with_unit = |number: &str| format!("{number} {}", because.unit).trim_end().to_owned();
    let limit = |word: &str, limit: f64| format!("{word} {}", with_unit(&limit.to_string()));
    let above = because.above.map(|above| limit(lang.pick("高于", "above"), above));
    let below = because.below.map(|below| limit(lang.pick("低于", "below"), below));
    let limits: Vec<String> = above.into_iter().chain(below).collect();
    let limits = lang.list(&limits.iter().map(String::as_str).collect::<Vec<_>>());
    let (open, close) = (lang.pick("（", " ("), lang.pick("）", ")"));
    Some(format!("{place} {name} {}{open}{limits}{close}", with_unit(&because.value)))
}
