//! The report of a visit.

use super::phase;
use crate::{
    domain::{
        VisitId,
        comparison::Baseline,
        reading::Reading,
        scan::{Phase, ScanState},
        visit::VisitState,
    },
    report::{
        Lang, chart, lang,
        page::{self as model, Page, Pill, Source},
        paper::shown_signs,
    },
    store::{ScanView, VisitView},
    tasks::comparison::{Standing, last_finished},
    web::{
        AppState, api,
        ask::parse,
        doors::Who,
        looks, mirror,
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
    customer_id: String,
    customer: String,
    opened: String,
    steps: String,
    voided: bool,
    page: Page,
    before_sign: String,
    band_sign: String,
    legend: Vec<Pill>,
    /// Whether the visit is open at a station with a mirror.
    beside: bool,
    /// Whether it can be printed.
    papers: bool,
    mends: Vec<Mend>,
    may_compare: bool,
}

/// A scan, where it can be mended.
#[derive(Debug)]
struct Mend {
    id: String,
    title: &'static str,
    began: String,
    phase: &'static str,
    other: &'static str,
    move_title: String,
    class: &'static str,
    words: &'static str,
    voided: bool,
    under_way: bool,
    readings: Vec<Line>,
}

/// A reading that stands, and where it may have been measured instead.
#[derive(Debug)]
struct Line {
    id: String,
    word: &'static str,
    region: &'static str,
    metric: String,
    value: String,
    /// Word, name, whether it is the one it stands at.
    regions: Vec<(&'static str, &'static str, bool)>,
}

/// `GET /report/{visit}`
pub async fn report(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    let view = match parse::<VisitId>("visit", &id) {
        Ok(visit) => api::view(&state.store, visit).await,
        Err(refused) => Err(refused),
    };
    let view = match view {
        Ok(view) => view,
        Err(refused) => return problem(shell, &refused),
    };
    looks::note(&state, &who, "looked.report", [view.visit.customer]).await;
    let page_model = drawn(&state, shell.lang, &view);
    let lang = shell.lang;
    let steps: Vec<&str> = view.visit.steps.iter().map(String::as_str).collect();
    let beside = mirror::seated(&state, &view.visit.station, view.visit.id).await.is_ok();
    let template = Report {
        beside,
        visit: view.visit.id.to_string(),
        station: view.visit.station.clone(),
        customer_id: view.customer.id.to_string(),
        customer: view.customer.name.clone(),
        opened: view.visit.opened.wall.to_string(),
        steps: lang.list(&steps),
        voided: view.visit.state == VisitState::Voided,
        before_sign: chart::before_sign(),
        band_sign: chart::band_sign(),
        legend: shown_signs(lang, &page_model),
        page: page_model,
        papers: state.press.is_there(),
        mends: view
            .scans
            .iter()
            .filter(|s| s.scan.state != ScanState::Cancelled)
            .map(|s| mend(lang, &state, s))
            .collect(),
        may_compare: view.visit.state != VisitState::Voided
            && Phase::ALL.iter().all(|phase| last_finished(&view, *phase).is_some()),
        shell: shell.at_version(view.visit.version),
    };
    page(&template.shell, &template)
}

fn mend(lang: Lang, state: &AppState, stored: &ScanView) -> Mend {
    let scan = &stored.scan;
    let other = phase::other(scan.phase);
    let (class, words) = phase::standing(lang, scan.state);
    let line = |reading: &Reading| Line {
        id: reading.id.to_string(),
        word: reading.region.as_str(),
        region: lang::region(lang, reading.region),
        metric: lang::metric(lang, &state.about.metrics, &reading.metric).to_owned(),
        value: format!("{} {}", reading.value, reading.unit),
        regions: scan
            .plan
            .iter()
            .filter(|step| step.metric == reading.metric)
            .map(|step| (step.region.as_str(), lang::region(lang, step.region), step.region == reading.region))
            .collect(),
    };
    Mend {
        id: scan.id.to_string(),
        title: lang::phase(lang, scan.phase),
        began: stored.readings.first().map_or_else(String::new, |first| first.item.closed.wall.to_string()),
        phase: scan.phase.as_str(),
        other: other.as_str(),
        move_title: phase::move_title(lang, other),
        class,
        words,
        voided: scan.state == ScanState::Voided,
        under_way: scan.state.is_under_way(),
        readings: stored.readings.iter().filter(|e| !e.voided).map(|e| line(&e.item)).collect(),
    }
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
