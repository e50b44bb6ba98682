//! The report of a visit.

use crate::{
    domain::{VisitId, comparison::Baseline, scan::Phase, visit::VisitState},
    report::{
        Lang, chart,
        page::{self as model, Page, Pill, Source},
        verdict::Sign,
    },
    store::VisitView,
    tasks::comparison::{Standing, last_finished},
    web::{
        AppState, api,
        ask::parse,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

#[derive(Debug, Template)]
#[template(path = "report.html")]
struct Report {
    shell: Shell,
    visit: String,
    station: String,
    customer: String,
    opened: String,
    steps: String,
    voided: bool,
    page: Page,
    before_sign: String,
    band_sign: String,
    legend: Vec<Pill>,
}

/// `GET /report/{visit}`
pub async fn report(State(state): State<AppState>, Path(id): Path<String>, shell: Shell) -> Response {
    let view = match parse::<VisitId>("visit", &id) {
        Ok(visit) => api::view(&state.store, visit).await,
        Err(refused) => Err(refused),
    };
    let view = match view {
        Ok(view) => view,
        Err(refused) => return problem(shell, &refused),
    };
    let page_model = drawn(&state, shell.lang, &view);
    let lang = shell.lang;
    let steps: Vec<&str> = view.visit.steps.iter().map(String::as_str).collect();
    let template = Report {
        visit: view.visit.id.to_string(),
        station: view.visit.station.clone(),
        customer: view.customer.name.clone(),
        opened: view.visit.opened.wall.to_string(),
        steps: lang.list(&steps),
        voided: view.visit.state == VisitState::Voided,
        before_sign: chart::before_sign(),
        band_sign: chart::band_sign(),
        legend: legend(lang, &page_model),
        page: page_model,
        shell,
    };
    page(&template.shell, &template)
}

/// The page model of a visit: its last comparison within the visit where there is one, and the standing records.
pub fn drawn(state: &AppState, lang: Lang, view: &VisitView) -> Page {
    let comparison = view.comparisons.iter().rev().find(|c| c.baseline == Baseline::SameVisit);
    let comparison = comparison.filter(|_| view.visit.state != VisitState::Voided);
    let scan = |phase| last_finished(view, phase).map(Standing::of).unwrap_or_default();
    let (before, after) = (scan(Phase::Before), scan(Phase::After));
    model::page(
        lang,
        &Source {
            comparison,
            metrics: &state.about.metrics,
            before: &before.readings,
            after: &after.readings,
            captures_before: &before.captures,
            captures_after: &after.captures,
        },
    )
}

/// Only the signs that stand on this page.
fn legend(lang: Lang, page: &Page) -> Vec<Pill> {
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
