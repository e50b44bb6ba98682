//! What metrics, regions and words of records are called. The names of metrics are the shipped ones (`config/metrics.toml`); a
//! store may measure others, which are shown by their id.

use super::shell::Shell;
use crate::{
    domain::{
        Region,
        comparison::{Baseline, Refusal, Verdict},
        scan::Phase,
    },
    report::lang,
};
use serde::Deserialize;
use std::{collections::HashMap, sync::LazyLock};

#[derive(Deserialize)]
struct Catalogue {
    metric: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    label: Label,
}

#[derive(Deserialize)]
struct Label {
    zh: String,
    en: String,
}

static METRICS: LazyLock<HashMap<String, Label>> = LazyLock::new(|| {
    let shipped: Catalogue =
        toml::from_str(include_str!("../../../config/metrics.toml")).expect("the shipped catalogue is whole");
    shipped.metric.into_iter().map(|one| (one.id, one.label)).collect()
});

#[must_use]
pub fn metric(shell: &Shell, id: &str) -> String {
    METRICS.get(id).map_or_else(|| id.to_owned(), |label| shell.t(&label.zh, &label.en).to_owned())
}

#[must_use]
pub fn region(shell: &Shell, word: &str) -> String {
    word.parse::<Region>().map_or_else(|_| word.to_owned(), |region| lang::region(shell.lang, region).to_owned())
}

#[must_use]
pub fn phase(shell: &Shell, word: &str) -> String {
    word.parse::<Phase>().map_or_else(|_| word.to_owned(), |phase| lang::phase(shell.lang, phase).to_owned())
}

#[must_use]
pub fn baseline(shell: &Shell, word: &str) -> String {
    match word.parse() {
        Ok(Baseline::SameVisit) => shell.t("本次护理前后", "Before and after this visit"),
        Ok(Baseline::FirstVisit) => shell.t("与首次到店相比", "Against the first visit"),
        Ok(Baseline::LastVisit) => shell.t("与上次到店相比", "Against the last visit"),
        Err(_) => word,
    }
    .to_owned()
}

/// A verdict's words and its class.
#[must_use]
pub fn verdict(shell: &Shell, word: &str, refusal: Option<&str>) -> (String, &'static str) {
    match word.parse() {
        Ok(Verdict::Improved) => (shell.t("改善", "improved").to_owned(), "better"),
        Ok(Verdict::Worsened) => (shell.t("变差", "worsened").to_owned(), "worse"),
        Ok(Verdict::None) => (shell.t("无可测变化", "no measurable change").to_owned(), ""),
        Ok(Verdict::NotComparable) => {
            let why = refusal.and_then(|word| word.parse::<Refusal>().ok());
            let why = why.map(|refusal| lang::refusal(shell.lang, refusal)).unwrap_or_default();
            let text = shell.t("不可比", "not comparable");
            (if why.is_empty() { text.to_owned() } else { format!("{text}{}{why}", shell.t("：", ": ")) }, "")
        }
        Err(_) => (word.to_owned(), ""),
    }
}

/// Where a picture stands.
#[must_use]
pub fn picture(shell: &Shell, state: &str) -> (&'static str, &'static str) {
    match state {
        "verified" => (shell.lang.pick("已收齐", "here, verified"), "good"),
        "wanted" => (shell.lang.pick("传输中", "on its way"), "warn"),
        "refused" => (shell.lang.pick("已拒收", "refused"), "bad"),
        _ => (shell.lang.pick("未知", "unknown"), ""),
    }
}

/// State of a visit.
#[must_use]
pub fn visit_state(shell: &Shell, word: &str) -> String {
    match word {
        "open" => shell.t("进行中", "open").to_owned(),
        "voided" => shell.t("已作废", "voided").to_owned(),
        "closed" => shell.t("已结束", "closed").to_owned(),
        other => other.to_owned(),
    }
}

#[must_use]
pub fn topic(shell: &Shell, word: &str) -> String {
    match word {
        "visit" => shell.t("到店评价", "about the visit"),
        "step" => shell.t("护理步骤", "about a step"),
        "call" => shell.t("请回电", "asks for a call"),
        "unsubscribe" => shell.t("不再联系", "no more messages"),
        "withdraw" => shell.t("撤回同意", "withdrawal"),
        "my_data" => shell.t("索取资料", "asks for their data"),
        "erasure" => shell.t("要求删除", "asks to be erased"),
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_metrics_have_names() {
        assert_eq!(METRICS["moisture"].zh, "水分");
        assert!(METRICS.len() > 10);
    }
}
