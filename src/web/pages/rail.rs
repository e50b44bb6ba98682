//! The rail: where this visit stands and what comes next.

use crate::{
    domain::{consent::Purpose, scan::Phase},
    report::Lang,
    store::VisitView,
    tasks::comparison::last_finished,
};

/// One step of the visit.
#[derive(Debug)]
pub struct Item {
    pub key: &'static str,
    pub title: &'static str,
    pub detail: &'static str,
    pub done: bool,
    pub class: &'static str,
}

/// The steps in order.
#[must_use]
pub fn items(lang: Lang, view: &VisitView) -> Vec<Item> {
    let finished = |phase| last_finished(view, phase).is_some();
    let parts = [
        (
            "consent",
            lang.pick("同意", "Consent"),
            lang.pick("逐项选择 · 签名", "item by item, signed"),
            view.agreed(Purpose::Measure),
        ),
        (
            "before",
            lang.pick("护理前", "Before"),
            lang.pick("分区测量 · 照片", "readings, photographs"),
            finished(Phase::Before),
        ),
        ("care", lang.pick("护理步骤", "Care"), lang.pick("做了什么", "what was done"), !view.visit.steps.is_empty()),
        (
            "after",
            lang.pick("护理后", "After"),
            lang.pick("同样再测一次", "the same once more"),
            finished(Phase::After),
        ),
        (
            "result",
            lang.pick("对比与报告", "Result"),
            lang.pick("只说测得出的变化", "only what can be measured"),
            !view.comparisons.is_empty(),
        ),
    ];
    let item = |(key, title, detail, done)| Item { key, title, detail, done, class: if done { "done" } else { "" } };
    parts.into_iter().map(item).collect()
}

/// The step to show when nobody chose one.
#[must_use]
pub fn next(items: &[Item]) -> &'static str {
    items.iter().find(|item| !item.done).map_or("result", |item| item.key)
}
