//! A comparison to look at: the photographs of both scans at the same scale (side by side, under a slider, in turn, as a
//! difference), and the readings with their smallest detectable change and verdict. Within the visit, or against the first
//! or the last one; then photographs stand side by side without a verdict.

use super::refused;
use crate::{
    domain::{
        VisitId,
        capture::Capture,
        comparison::{Baseline, Comparison},
        visit::VisitState,
    },
    report::{
        Lang, lang,
        page::{self as model, Page, Source},
    },
    store::{ScanView, VisitView},
    tasks::comparison::Standing,
    web::{
        AppState, api,
        ask::parse,
        error::WebError,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

#[derive(Debug, Template)]
#[template(path = "compare.html")]
struct Compare {
    shell: Shell,
    visit: String,
    station: String,
    open: bool,
    customer: String,
    /// Word, name, whether it is shown, whether it is drawn already.
    baselines: Vec<(&'static str, &'static str, bool, bool)>,
    baseline: &'static str,
    drawn: bool,
    paired: bool,
    page: Page,
    views: Vec<Pair>,
}

/// Two photographs of one view, with what puts the second at the scale of the first.
#[derive(Debug)]
struct Pair {
    name: &'static str,
    before: Shot,
    after: Shot,
}

#[derive(Debug)]
struct Shot {
    id: String,
    width: u32,
    height: u32,
    /// x1,y1,x2,y2 in pixels.
    anchors: String,
}

/// `GET /compare/{visit}?with=same_visit`
pub async fn compare(State(state): State<AppState>, Path(id): Path<String>, shell: Shell) -> Response {
    match gather(&state, &shell, &id).await {
        Ok((version, template)) => {
            let template = Compare { shell: shell.at_version(version), ..template };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

async fn gather(state: &AppState, shell: &Shell, id: &str) -> Result<(u64, Compare), WebError> {
    let lang = shell.lang;
    let visit: VisitId = parse("visit", id)?;
    let baseline = shell.with.as_deref().map_or(Ok(Baseline::SameVisit), |word| parse("with", word))?;
    let view = api::view(&state.store, visit).await?;
    let last = |wanted: Baseline| view.comparisons.iter().rev().find(|c| c.baseline == wanted);
    let comparison = last(baseline);
    let (before, after) = match comparison {
        Some(comparison) => sides(state, &view, comparison).await?,
        None => (Standing::default(), Standing::default()),
    };
    let source = Source {
        comparison,
        metrics: &state.about.metrics,
        before: &before.readings,
        after: &after.readings,
        captures_before: &before.captures,
        captures_after: &after.captures,
    };
    let template = Compare {
        shell: shell.clone(),
        visit: visit.to_string(),
        station: view.visit.station.clone(),
        open: view.visit.state == VisitState::Open,
        customer: view.customer.name.clone(),
        baselines: Baseline::ALL
            .iter()
            .map(|b| (b.as_str(), name(lang, *b), *b == baseline, last(*b).is_some()))
            .collect(),
        baseline: baseline.as_str(),
        drawn: comparison.is_some(),
        paired: baseline == Baseline::SameVisit,
        page: model::page(lang, &source),
        views: pairs(lang, &before.captures, &after.captures),
    };
    Ok((view.visit.version, template))
}

async fn sides(state: &AppState, view: &VisitView, of: &Comparison) -> Result<(Standing, Standing), WebError> {
    let here = |scan| view.scans.iter().find(|s: &&ScanView| s.scan.id == scan);
    let after = here(of.after).map(Standing::of).unwrap_or_default();
    let before = match here(of.before) {
        Some(scan) => Standing::of(scan),
        // Of an earlier visit.
        None => Standing::of(&state.store.scan_view(of.before).await.map_err(|fault| refused::store(&fault))?),
    };
    Ok((before, after))
}

fn name(lang: Lang, baseline: Baseline) -> &'static str {
    match baseline {
        Baseline::SameVisit => lang.pick("本次护理前后", "this visit"),
        Baseline::FirstVisit => lang.pick("与第一次相比", "since the first visit"),
        Baseline::LastVisit => lang.pick("与上一次相比", "since the last visit"),
    }
}

/// The last photograph of each view, where both scans have one.
fn pairs(lang: Lang, before: &[Capture], after: &[Capture]) -> Vec<Pair> {
    let shot = |captures: &[Capture], view| {
        captures.iter().rev().find(|c| c.view == view).map(|c| {
            let [[x1, y1], [x2, y2]] = c.anchors;
            Shot { id: c.id.to_string(), width: c.width, height: c.height, anchors: format!("{x1},{y1},{x2},{y2}") }
        })
    };
    let pair =
        |view| Some(Pair { name: lang::view(lang, view), before: shot(before, view)?, after: shot(after, view)? });
    crate::domain::capture::View::ALL.iter().filter_map(|view| pair(*view)).collect()
}
