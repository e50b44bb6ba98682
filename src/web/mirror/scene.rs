//! What a station's mirror shows just now, worked out from the store, the station and the board; nothing of it is kept.
//!
//! Rests, unless: a scan of the open visit is under way or was the last thing that happened; or results were given to the mirror. Those
//! count for the very comparison, visit and customer they were given for, while the consents behind them stand.

use super::board::{Chair, Shown};
use crate::{
    domain::{
        CaptureId, Region,
        capture::{Capture, View},
        comparison::{Baseline, Comparison},
        consent::Purpose,
        scan::{Phase, ScanState},
        visit::VisitState,
    },
    report::{
        Lang,
        face::Look,
        lang as words,
        mirror::{self, Part, Standing},
        page::{Group, Row},
    },
    store::{PictureRole, ScanView as Stored, VisitView},
    tasks::{scan_view::ScanView, station::progress_of},
    web::{
        AppState,
        api::{self, refused},
        error::WebError,
        pages,
    },
};
use serde::Serialize;

/// Lines of numbers that are read from two metres; of further regions the mirror says how many there are.
const LINES: usize = 6;
/// Metrics that find room beside one another; whoever releases more sees the first ones.
const METRICS: usize = 6;

/// What is shown, with the word by which screen and gateway agree that it is the same.
#[derive(Debug)]
pub struct Shows {
    pub key: String,
    pub scene: Scene,
}

#[derive(Debug)]
pub enum Scene {
    /// This screen belongs to no station (yet).
    Code,
    Rest,
    Scan(Progress),
    Result(Outcome),
    /// The report's QR code, as SVG.
    Report(String),
}

/// A scan as the mirror tells it, in the page and in the stream alike.
#[derive(Debug, Serialize)]
pub struct Progress {
    pub phase: &'static str,
    pub title: &'static str,
    pub say: String,
    /// Word, state, percent.
    pub regions: Vec<(&'static str, &'static str, u32)>,
    #[serde(skip)]
    parts: Vec<Part>,
    #[serde(skip)]
    lang: Lang,
}

impl Progress {
    /// The picture, as SVG.
    #[must_use]
    pub fn face(&self) -> String {
        mirror::face(self.lang, &self.parts)
    }
}

/// Results that were given to the mirror.
#[derive(Debug)]
pub struct Outcome {
    /// Which photographs they are: a part of the picture's word, so that a screen notices when one goes.
    mark: u16,
    pub photographs: Option<Photographs>,
    pub metrics: Vec<Metric>,
}

#[derive(Debug)]
pub struct Photographs {
    pub view: &'static str,
    pub turn: u64,
    /// Whether both lie in one frame already.
    pub laid: bool,
}

#[derive(Debug)]
pub struct Metric {
    pub group: Group,
    pub rows: Vec<Row>,
    /// How many regions more there are.
    pub more: String,
}

/// What the mirror of `station` shows.
///
/// # Errors
/// Where the store or the station does not answer.
pub async fn look(state: &AppState, station: &str, lang: Lang) -> Result<Shows, WebError> {
    let rest = || Shows { key: "rest".to_owned(), scene: Scene::Rest };
    if state.mirrors.rests(station).is_err() {
        return Ok(rest());
    }
    let open = state.store.visit_at(station.to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let Some(open) = open else { return Ok(rest()) };
    let view = api::view(&state.store, open.id).await?;
    let Chair { shown, turn, .. } = state.mirrors.chair(station);
    if let Some(shown) = shown.filter(|shown| stands(shown, &view)) {
        let code = shown.code.clone().filter(|_| shown.code_first && view.agreed(Purpose::DeliverReport));
        if let Some(code) = code {
            return Ok(Shows { key: format!("report-{turn}"), scene: Scene::Report(code) });
        }
        if let Some(outcome) = outcome(state, lang, &view, &shown, turn) {
            return Ok(Shows { key: format!("result-{turn}-{}", outcome.mark), scene: Scene::Result(outcome) });
        }
    }
    let Some(last) = last_scan(&view) else { return Ok(rest()) };
    let glance = state.chair(station)?.view().await.map_err(|fault| refused::station(&fault))?;
    let driven = glance.scan.filter(|told| told.scan.id == last.scan.id.to_string()).map(|told| told.scan);
    let (id, phase, stood) = (last.scan.id, last.scan.phase, last.scan.state);
    let scan = driven.unwrap_or_else(|| ScanView::at_rest(id, phase, stood, &progress_of(last)));
    Ok(Shows { key: key_of(&scan), scene: Scene::Scan(progress(lang, &scan)) })
}

/// Whether this was given for who sits here now.
fn stands(shown: &Shown, view: &VisitView) -> bool {
    (shown.visit, shown.customer) == (view.visit.id, view.visit.customer) && view.visit.state == VisitState::Open
}

/// The scan that the customer still sees: the last one, until the care after it is noted.
fn last_scan(view: &VisitView) -> Option<&Stored> {
    let last = view.scans.iter().rev().find(|s| !matches!(s.scan.state, ScanState::Cancelled | ScanState::Voided))?;
    let over =
        last.scan.state == ScanState::Finished && last.scan.phase == Phase::Before && !view.visit.steps.is_empty();
    (!over).then_some(last)
}

/// The word for a scan: another one, or the same with another state, is another picture.
#[must_use]
pub fn key_of(scan: &ScanView) -> String {
    let through = if scan.state == "finished" { "done" } else { "scan" };
    format!("{through}-{}", scan.phase)
}

/// A scan without its numbers: which regions, how far.
#[must_use]
pub fn progress(lang: Lang, scan: &ScanView) -> Progress {
    let at = scan.current.as_ref().and_then(|step| step.region.parse::<Region>().ok());
    let standing = match (scan.state, at) {
        ("finished", _) => Standing::Through,
        ("running", None) => Standing::Through,
        ("running", Some(at)) if scan.device != "away" => Standing::At(at),
        _ => Standing::Waits,
    };
    let current = |region| matches!(standing, Standing::At(at) if at == region);
    let parts: Vec<Part> = scan
        .regions
        .iter()
        .filter_map(|line| {
            let region = line.region.parse().ok()?;
            let look = Look::of(line.state.parse().ok()?, current(region));
            let share =
                if look == Look::Done { 100 } else { (line.have * 100).checked_div(line.need).unwrap_or(0).min(100) };
            Some(Part { region, look, share })
        })
        .collect();
    let phase = if scan.phase == Phase::After.as_str() { Phase::After } else { Phase::Before };
    Progress {
        phase: mirror::phase(lang, phase),
        title: mirror::title(lang, standing),
        say: mirror::say(lang, standing, &parts),
        regions: parts.iter().map(|part| (part.region.as_str(), part.look.word(), part.share)).collect(),
        parts,
        lang,
    }
}

/// The comparison whose numbers can be released: the last one within the visit.
#[must_use]
pub fn last_compared(view: &VisitView) -> Option<&Comparison> {
    view.comparisons.iter().rev().find(|c| c.baseline == Baseline::SameVisit)
}

/// The comparison whose numbers were released, while it is still the last word.
fn released<'a>(view: &'a VisitView, shown: &Shown) -> Option<&'a Comparison> {
    let last = last_compared(view)?;
    let finished = |scan| view.scans.iter().any(|s| s.scan.id == scan && s.scan.state == ScanState::Finished);
    (Some(last.id) == shown.comparison && finished(last.before) && finished(last.after)).then_some(last)
}

/// `None` where nothing of what was given may be shown (any more).
fn outcome(state: &AppState, lang: Lang, view: &VisitView, shown: &Shown, turn: u64) -> Option<Outcome> {
    let comparison = released(view, shown)?;
    let pair = chosen(view, comparison).filter(|_| shown.photographs);
    let mark = pair.as_ref().map_or(0, Chosen::mark);
    let photographs = pair.map(|pair| Photographs { view: words::view(lang, pair.before.view), turn, laid: pair.laid });
    let page = pages::drawn(state, lang, view);
    let released = page.groups.into_iter().filter(|group| shown.metrics.contains(&group.metric));
    let groups: Vec<Group> = released.take(METRICS).collect();
    if groups.is_empty() && photographs.is_none() {
        return None;
    }
    let each = (LINES / groups.len().max(1)).max(1);
    Some(Outcome { mark, photographs, metrics: groups.into_iter().map(|group| lines(lang, group, each)).collect() })
}

/// The regions to read first: those that changed.
fn lines(lang: Lang, mut group: Group, most: usize) -> Metric {
    let mut rows = std::mem::take(&mut group.rows);
    rows.retain(|row| (row.before.as_str(), row.after.as_str()) != ("–", "–"));
    rows.sort_by_key(|row| match row.verdict.class {
        "better" | "worse" | "changed" => 0,
        "same" => 1,
        _ => 2,
    });
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    let more = match (more, lang) {
        (0, _) => String::new(),
        (n, Lang::Zh) => format!("另有 {n} 处"),
        (n, Lang::Hant) => lang.sentence(&format!("另有 {n} 处"), ""),
        (n, Lang::En) => format!("and {n} more"),
    };
    Metric { group, rows, more }
}

/// The two photographs that are shown: of the first view that both scans have, laid onto each other where that was done.
pub(super) struct Chosen<'a> {
    before: &'a Capture,
    after: &'a Capture,
    laid: bool,
}

impl Chosen<'_> {
    /// Tells these two from others, and no more.
    const fn mark(&self) -> u16 {
        let mixed = (self.before.id.bits() ^ self.after.id.bits()) as u16;
        if mixed >> 1 == 0 { 2 | self.laid as u16 } else { (mixed & !1) | self.laid as u16 }
    }

    /// Where a picture of it lies: of the photograph, or of the pair, which is kept under the one taken after.
    pub(super) const fn place(&self, after: bool) -> (CaptureId, Option<PictureRole>) {
        match (after, self.laid) {
            (false, true) => (self.after.id, Some(PictureRole::PairBefore)),
            (true, true) => (self.after.id, Some(PictureRole::PairAfter)),
            (false, false) => (self.before.id, None),
            (true, false) => (self.after.id, None),
        }
    }
}

/// The photographs of what was given to the mirror, if they may be shown.
pub(super) fn pictured<'a>(view: &'a VisitView, shown: &Shown) -> Option<Chosen<'a>> {
    if !(shown.photographs && stands(shown, view)) {
        return None;
    }
    chosen(view, released(view, shown)?)
}

fn chosen<'a>(view: &'a VisitView, comparison: &Comparison) -> Option<Chosen<'a>> {
    if !view.agreed(Purpose::Photograph) {
        return None;
    }
    let of = |scan| {
        let found = view.scans.iter().find(|s| s.scan.id == scan);
        found.map_or(&[][..], |s| &s.captures).iter().filter(|e| !e.voided).map(|e| &e.item)
    };
    let last = |scan, angle| of(scan).rev().find(|c| c.view == angle);
    let pair = |angle: &View| {
        let (before, after) = (last(comparison.before, *angle)?, last(comparison.after, *angle)?);
        let laid = view.pairs.iter().any(|p| (p.before, p.after) == (before.id, after.id) && p.pair.is_aligned());
        Some(Chosen { before, after, laid })
    };
    View::ALL.iter().find_map(pair)
}

/// What there is to release of a visit, for the page of the station: metric, name, whether it is on the mirror.
#[must_use]
pub fn offers(state: &AppState, lang: Lang, view: &VisitView, shown: Option<&Shown>) -> Option<Offers> {
    let comparison = last_compared(view)?;
    let shown = shown.filter(|shown| stands(shown, view) && shown.comparison == Some(comparison.id));
    let page = pages::drawn(state, lang, view);
    let ticked = |metric: &String| shown.is_none_or(|shown| shown.metrics.contains(metric));
    let metrics = page.groups.into_iter().filter(|group| group.rows.iter().any(|row| row.before != "–"));
    Some(Offers {
        metrics: metrics.map(|g| (ticked(&g.metric), g.metric, g.name)).map(|(on, id, name)| (id, name, on)).collect(),
        photographs: chosen(view, comparison).map(|_| shown.is_none_or(|shown| shown.photographs)),
        showing: shown.is_some(),
    })
}

/// See [`offers`].
#[derive(Debug)]
pub struct Offers {
    /// Metric, name, whether it is ticked.
    pub metrics: Vec<(String, String, bool)>,
    /// `None` where there are no two photographs to show.
    pub photographs: Option<bool>,
    pub showing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::Pill;

    fn row(region: &str, class: &'static str) -> Row {
        let verdict = Pill { class, sign: String::new(), words: String::new() };
        let text = String::new;
        Row {
            region: region.to_owned(),
            before: "1".to_owned(),
            after: "2".to_owned(),
            change: text(),
            limit: text(),
            verdict,
            chart: text(),
        }
    }

    #[test]
    fn what_changed_is_read_first_and_the_rest_is_counted() {
        let rows =
            [("a", "same"), ("b", "refused"), ("c", "better"), ("d", "worse")].map(|(r, class)| row(r, class)).to_vec();
        let verdict = Pill { class: "better", sign: String::new(), words: String::new() };
        let text = String::new;
        let (metric, name, unit) = ("moisture".to_owned(), text(), text());
        let group = Group { metric, name, unit, direction: text(), verdict, rows, scale: text(), face: text() };
        let told = lines(Lang::En, group, 3);
        assert_eq!(told.rows.iter().map(|r| r.region.as_str()).collect::<Vec<_>>(), ["c", "d", "a"]);
        assert_eq!(told.more, "and 1 more");
    }
}
