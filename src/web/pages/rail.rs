//! The rail: where this visit stands and what comes next.

use crate::{
    domain::{
        consent::Purpose,
        scan::Phase,
        sheet::{Sheet, Soft},
        visit::VisitState,
    },
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
pub fn items(lang: Lang, view: &VisitView, sheet: &Sheet) -> Vec<Item> {
    let finished = |phase| last_finished(view, phase).is_some();
    let passed = |step| sheet.has_passed(step);
    let t = |zh, en| lang.pick(zh, en);
    let parts = [
        ("arrive", t("到店", "Arrive"), t("顾客卡 · 更正", "card, corrections"), true),
        ("consent", t("同意", "Consent"), t("逐项选择 · 签名", "item by item, signed"), view.agreed(Purpose::Measure)),
        ("questions", t("问询", "Questions"), t("今天的皮肤状态", "the skin today"), passed(Soft::Questions)),
        ("before", t("护理前", "Before"), t("分区测量 · 照片", "readings, photographs"), finished(Phase::Before)),
        ("talk", t("沟通", "Talk"), t("看结果 · 定方案", "results and plan"), passed(Soft::Talk)),
        ("care", t("护理步骤", "Care"), t("做了什么", "what was done"), !view.visit.steps.is_empty()),
        ("after", t("护理后", "After"), t("同样再测一次", "the same once more"), finished(Phase::After)),
        (
            "result",
            t("对比", "Compare"),
            t("只说测得出的变化", "only what can be measured"),
            !view.comparisons.is_empty(),
        ),
        ("report", t("报告", "Report"), t("给顾客看", "for the customer"), passed(Soft::Report)),
        ("rating", t("评价", "Rating"), t("顾客怎么说", "what the customer says"), passed(Soft::Rating)),
        ("goodbye", t("送客", "Goodbye"), t("约下一次", "the next date"), view.visit.state != VisitState::Open),
    ];
    let item = |(key, title, detail, done)| Item { key, title, detail, done, class: if done { "done" } else { "" } };
    parts.into_iter().map(item).collect()
}

/// The step to show when nobody chose one: the first that is still to be done.
#[must_use]
pub fn next(items: &[Item]) -> &'static str {
    items.iter().find(|item| !item.done).map_or("goodbye", |item| item.key)
}
