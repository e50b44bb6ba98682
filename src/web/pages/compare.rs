//! A comparison to look at: the photographs of both scans (side by side, under a slider, in turn), laid onto each other at the
//! same exposure where that could be done, with where each metric changed; else as taken, at the same scale. And the readings with
//! their smallest detectable change and verdict. Within the visit, or against the first or the last one; then photographs stand
//! side by side without a verdict.

use super::refused;
use crate::{
    domain::{
        VisitId,
        capture::Capture,
        comparison::{Baseline, Comparison},
        metric::Metric,
        visit::VisitState,
    },
    report::{
        Lang, lang, overlay,
        page::{self as model, Page, Source},
        sheet::{Change, changes},
    },
    store::{PairView, ScanView, VisitView},
    tasks::comparison::Standing,
    web::{
        AppState, api,
        ask::parse,
        doors::Who,
        error::WebError,
        looks,
        mirror::{
            self,
            scene::{self, Offers},
        },
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
    no_verdict: &'static str,
    /// Whether the visit is open at a station with a mirror, and what that may be given.
    beside: bool,
    offers: Option<Offers>,
}

/// Two photographs of one view, with what puts the second at the scale of the first.
#[derive(Debug)]
struct Pair {
    name: &'static str,
    before: Shot,
    after: Shot,
    /// Whether pictures of both laid onto each other are shown instead of them.
    aligned: bool,
    changes: Vec<Change>,
    /// How they are shown, or why not otherwise.
    note: String,
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
pub async fn compare(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    match gather(&state, &shell, &who, &id).await {
        Ok((version, template)) => {
            let template = Compare { shell: shell.at_version(version), ..template };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

async fn gather(state: &AppState, shell: &Shell, who: &Who, id: &str) -> Result<(u64, Compare), WebError> {
    let lang = shell.lang;
    let visit: VisitId = parse("visit", id)?;
    let baseline = shell.with.as_deref().map_or(Ok(Baseline::SameVisit), |word| parse("with", word))?;
    let view = api::view(&state.store, visit).await?;
    looks::note(state, who, "looked.comparison", [view.visit.customer]).await;
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
    let beside = mirror::seated(state, &view.visit.station, visit).await.is_ok();
    let shown = state.mirrors.chair(&view.visit.station).shown;
    let wanted = beside && baseline == Baseline::SameVisit;
    let template = Compare {
        beside,
        offers: wanted.then(|| scene::offers(state, lang, &view, shown.as_ref())).flatten(),
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
        views: pairs(lang, &state.about.metrics, (&before.captures, &after.captures), &view.pairs),
        no_verdict: overlay::no_verdict(lang),
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
fn pairs(lang: Lang, metrics: &[Metric], (before, after): (&[Capture], &[Capture]), laid: &[PairView]) -> Vec<Pair> {
    let last = |captures: &[Capture], view| captures.iter().rev().find(|c| c.view == view).cloned();
    let pair = |view| {
        let (before, after) = (last(before, view)?, last(after, view)?);
        let ours = laid.iter().find(|laid| (laid.before, laid.after) == (before.id, after.id)).map(|laid| &laid.pair);
        let aligned = ours.is_some_and(|laid| laid.is_aligned());
        let refusal = ours.and_then(|laid| laid.refusal.parse().ok());
        let note = match (aligned, refusal) {
            (true, _) => overlay::aligned(lang).to_owned(),
            (false, Some(refusal)) => overlay::not_aligned(lang, refusal),
            (false, None) => String::new(),
        };
        let changes = ours.filter(|_| aligned).map_or_else(Vec::new, |laid| changes(lang, metrics, laid));
        Some(Pair { name: lang::view(lang, view), before: shot(&before), after: shot(&after), aligned, changes, note })
    };
    crate::domain::capture::View::ALL.iter().filter_map(|view| pair(*view)).collect()
}

fn shot(capture: &Capture) -> Shot {
    let [[x1, y1], [x2, y2]] = capture.anchors;
    let anchors = format!("{x1},{y1},{x2},{y2}");
    Shot { id: capture.id.to_string(), width: capture.width, height: capture.height, anchors }
}
