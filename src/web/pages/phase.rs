//! One phase of a visit on the chair's screen: its scan, live or at rest, and its photographs.

use super::{chip, steps};
use crate::{
    domain::{
        Region, ScanId,
        capture::{Capture, View},
        metric::{Metric, MetricId},
        reading::{QualityFlag, Reading},
        scan::{Phase, ScanState},
        sheet::Conditions,
    },
    report::{
        Lang,
        face::{self, Look, Spot},
        lang, traditional,
    },
    store::{ScanView as Stored, StoredRepeat, VisitView},
    tasks::{
        scan_view::{RegionView, ScanView},
        station::progress_of,
    },
    web::{About, Guide, api::captures::advice_words},
};

/// A phase.
#[derive(Debug)]
pub struct PhasePanel {
    pub word: &'static str,
    pub title: &'static str,
    pub plan: String,
    pub may_begin: bool,
    pub begin_hint: &'static str,
    pub other: &'static str,
    pub move_title: String,
    pub scan: Option<ScanPanel>,
    pub shots_title: String,
    pub shots: Vec<Shot>,
}

/// A scan, live or at rest.
#[derive(Debug, Default)]
pub struct ScanPanel {
    pub id: String,
    pub state: &'static str,
    pub live: bool,
    pub paused: bool,
    pub complete: bool,
    pub measuring: bool,
    /// No device is there that measures what comes now.
    pub away: bool,
    pub voided: bool,
    /// The one big sentence, and what goes with it.
    pub say: String,
    pub hint: String,
    pub face: String,
    pub done: String,
    pub regions: Vec<RegionLine>,
    pub current_region: String,
    pub now_what: String,
    pub now_value: String,
    pub now_unit: String,
    pub dots: Vec<bool>,
    pub dots_label: String,
    pub button: String,
    pub button_hint: String,
    /// At rest.
    pub class: &'static str,
    pub words: &'static str,
    pub columns: Vec<String>,
    pub values: Vec<ValueLine>,
    /// What the measurement depends on beside the skin, and what to mind about it.
    pub conditions: String,
    pub cautions: Vec<&'static str>,
    /// The values of the step under the probe so far.
    pub repeats: Vec<String>,
}

#[derive(Debug)]
pub struct RegionLine {
    pub word: String,
    pub name: &'static str,
    pub state: &'static str,
    pub sign: &'static str,
    pub words: String,
    pub redo: bool,
}

#[derive(Debug)]
pub struct ValueLine {
    pub name: &'static str,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Default)]
pub struct Cell {
    pub value: String,
    pub spread: String,
    pub flag: String,
}

#[derive(Debug)]
pub struct Shot {
    pub view: &'static str,
    pub name: &'static str,
    /// Shares of width and height: x1,y1,x2,y2.
    pub anchors: String,
    pub capture: Option<String>,
    /// The photograph of the same view taken before, to lay under the camera as a ghost.
    pub ghost: Option<String>,
    pub advice: Vec<String>,
    /// Whether it shows a face whose points a person can confirm.
    pub points: bool,
    /// SVG of the framing guide.
    pub guide: String,
}

/// What the panel of a phase needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    pub lang: Lang,
    pub about: &'a About,
    pub view: &'a VisitView,
    /// The scan that its station drives, as it says itself.
    pub live: Option<&'a ScanView>,
    pub may_measure: bool,
    /// Under what conditions scans were taken.
    pub conditions: &'a [(ScanId, Conditions)],
}

#[must_use]
pub fn panel(sight: Sight<'_>, phase: Phase) -> PhasePanel {
    let Sight { lang, about, view, .. } = sight;
    let stored = view.scans.iter().rev().find(|s| s.scan.phase == phase && s.scan.state != ScanState::Cancelled);
    let standing = |s: &&Stored| s.scan.phase == Phase::Before && s.scan.state == ScanState::Finished;
    let ghosts = view.scans.iter().rev().find(standing).filter(|_| phase == Phase::After);
    let busy = view.scans.iter().any(|s| matches!(s.scan.state, ScanState::Running | ScanState::Paused));
    let (title, other) = (lang::phase(lang, phase), other(phase));
    PhasePanel {
        word: phase.as_str(),
        title,
        plan: plan_words(lang, about),
        may_begin: sight.may_measure && !busy,
        begin_hint: match (sight.may_measure, busy) {
            (false, _) => lang.pick("先在“同意”一步勾选测量", "needs the consent to be measured"),
            (_, true) => lang.pick("先结束另一阶段的测量", "end the other scan first"),
            _ => lang.pick("探头擦净，皮肤清洁、静坐几分钟", "clean probe, clean skin, a few minutes of rest"),
        },
        other: other.as_str(),
        move_title: move_title(lang, other),
        scan: stored.map(|stored| scan_panel(sight, stored)),
        shots_title: match lang {
            Lang::Zh => format!("{title}照片"),
            Lang::Hant => traditional::sentence(&format!("{title}照片")),
            Lang::En => format!("{title}: photographs"),
        },
        shots: about.views.iter().map(|guide| shot(lang, guide, stored, ghosts)).collect(),
    }
}

/// The phase that this one may have been meant for.
pub fn other(phase: Phase) -> Phase {
    if phase == Phase::Before { Phase::After } else { Phase::Before }
}

/// What the key says that moves a scan to the other phase.
pub fn move_title(lang: Lang, other: Phase) -> String {
    let title = lang::phase(lang, other);
    match lang {
        Lang::Zh => format!("改为{title}"),
        Lang::Hant => traditional::sentence(&format!("改为{title}")),
        Lang::En => format!("Move to “{title}”"),
    }
}

fn plan_words(lang: Lang, about: &About) -> String {
    let mut metrics: Vec<&MetricId> = Vec::new();
    let mut regions: Vec<Region> = Vec::new();
    for step in &about.plan {
        if !metrics.contains(&&step.metric) {
            metrics.push(&step.metric);
        }
        if !regions.contains(&step.region) {
            regions.push(step.region);
        }
    }
    let names: Vec<&str> = metrics.iter().map(|id| lang::metric(lang, &about.metrics, id)).collect();
    let places: Vec<&str> = regions.iter().map(|region| lang::region(lang, *region)).collect();
    let repeats = about.plan.first().map_or(1, |step| step.repeats);
    match lang {
        Lang::Zh => format!("{}；{}。每处 {repeats} 次取平均。", lang.list(&names), lang.list(&places)),
        Lang::Hant => {
            traditional::sentence(&format!("{}；{}。每处 {repeats} 次取平均。", lang.list(&names), lang.list(&places)))
        }
        Lang::En => format!("{}; {}. Mean of {repeats} values each.", lang.list(&names), lang.list(&places)),
    }
}

fn scan_panel(sight: Sight<'_>, stored: &Stored) -> ScanPanel {
    let id = stored.scan.id.to_string();
    let driven = sight.live.filter(|live| live.id == id);
    let at_rest = ScanView::at_rest(stored.scan.id, stored.scan.phase, stored.scan.state, &progress_of(stored));
    let scan = driven.unwrap_or(&at_rest);
    let live = matches!(stored.scan.state, ScanState::Running | ScanState::Paused);
    let panel = if live { live_panel(sight, scan) } else { rest_panel(sight, stored) };
    let done = scan.regions.iter().filter(|r| r.state != "waiting").count();
    let all = scan.regions.len();
    let stated = sight.conditions.iter().find(|(of, _)| *of == stored.scan.id);
    let (conditions, cautions) = stated.map(|(_, stated)| steps::conditions(sight.lang, stated)).unwrap_or_default();
    let here = scan.current.as_ref();
    let at_probe = |r: &&StoredRepeat| {
        here.is_some_and(|step| {
            step.metric == r.metric.as_str() && r.region.is_some_and(|at| step.region == at.as_str())
        })
    };
    let repeats = stored.repeats.iter().filter(at_probe).map(|r| r.repeat.value.to_string()).collect();
    ScanPanel {
        id,
        state: stored.scan.state.as_str(),
        live,
        done: match sight.lang {
            Lang::Zh => format!("{done} / {all} 区完成"),
            Lang::Hant => traditional::sentence(&format!("{done} / {all} 区完成")),
            Lang::En => format!("{done} of {all} regions"),
        },
        conditions,
        cautions,
        repeats,
        ..panel
    }
}

fn live_panel(sight: Sight<'_>, scan: &ScanView) -> ScanPanel {
    let Sight { lang, about, .. } = sight;
    let paused = scan.state == "paused";
    let current = scan.current.as_ref();
    let region = current.and_then(|step| step.region.parse::<Region>().ok());
    let metric = current.map(|step| name_of(lang, about, &step.metric)).unwrap_or_default();
    let place = region.map_or("", |region| lang::region(lang, region));
    let (have, need) = current.map_or((0, 0), |step| (step.have, step.need));
    let left = need.saturating_sub(have);
    ScanPanel {
        paused,
        complete: scan.complete,
        measuring: scan.measuring,
        away: scan.device != "ready",
        say: sentence(lang, scan, &metric, place, paused),
        hint: hint(lang, scan, have, need),
        face: face::map(lang, &spots(scan, region)),
        regions: scan.regions.iter().map(|line| region_line(lang, line, region)).collect(),
        current_region: region.map_or_else(String::new, |region| region.to_string()),
        now_what: scan.last.as_ref().map_or_else(
            || lang.pick("还没有读数", "no value yet").to_owned(),
            |last| format!("{} · {}", region_name(lang, &last.region), name_of(lang, about, &last.metric)),
        ),
        now_value: scan.last.as_ref().map_or_else(|| "–".to_owned(), |last| last.value.clone()),
        now_unit: scan.last.as_ref().map_or_else(String::new, |last| last.unit.clone()),
        dots: (0..need).map(|at| at < have).collect(),
        dots_label: match lang {
            Lang::Zh => format!("已测 {have} 次，共 {need} 次"),
            Lang::Hant => traditional::sentence(&format!("已测 {have} 次，共 {need} 次")),
            Lang::En => format!("{have} of {need} values"),
        },
        button: match lang {
            Lang::Zh if scan.measuring => format!("正在测{place}{metric}…"),
            Lang::Hant if scan.measuring => traditional::sentence(&format!("正在测{place}{metric}…")),
            Lang::En if scan.measuring => format!("Measuring {}…", metric.to_lowercase()),
            Lang::Zh => format!("测{place}{metric}"),
            Lang::Hant => traditional::sentence(&format!("测{place}{metric}")),
            Lang::En => format!("Measure {}", metric.to_lowercase()),
        },
        button_hint: match lang {
            Lang::Zh => format!("连测 {left} 次，探头不要抬起"),
            Lang::Hant => traditional::sentence(&format!("连测 {left} 次，探头不要抬起")),
            Lang::En => format!("{left} values in a row, do not lift the probe"),
        },
        ..ScanPanel::default()
    }
}

fn sentence(lang: Lang, scan: &ScanView, metric: &str, place: &str, paused: bool) -> String {
    if paused {
        return lang.pick("测量已暂停", "The scan is paused").to_owned();
    }
    if scan.complete {
        return lang.pick("都测完了", "Everything is measured").to_owned();
    }
    match scan.device {
        "away" => return lang.pick("请接好仪器", "Connect the device").to_owned(),
        "none" => return lang.pick("没有能测这一项的仪器", "No device here measures this").to_owned(),
        _ => {}
    }
    match lang {
        Lang::Zh => format!("探头轻贴{place}，测{metric}"),
        Lang::Hant => traditional::sentence(&format!("探头轻贴{place}，测{metric}")),
        Lang::En => format!("{place}: touch the skin lightly, {}", metric.to_lowercase()),
    }
}

fn hint(lang: Lang, scan: &ScanView, have: u8, need: u8) -> String {
    if scan.complete {
        return lang
            .pick(
                "看一眼读数，然后完成测量；个别部位可以重测",
                "Look the values over, then finish; any region can be redone",
            )
            .to_owned();
    }
    match scan.device {
        "away" => {
            lang.pick("仪器未连接，接好后自动继续", "The device is away; the scan goes on when it is back").to_owned()
        }
        "none" => lang.pick("接上仪器，或跳过此区", "Connect one, or skip the region").to_owned(),
        _ => match lang {
            Lang::Zh => format!("第 {} 次，共 {need} 次；按仪器上的按钮也可以", have.saturating_add(1).min(need)),
            Lang::Hant => traditional::sentence(&format!(
                "第 {} 次，共 {need} 次；按仪器上的按钮也可以",
                have.saturating_add(1).min(need)
            )),
            Lang::En => {
                format!("value {} of {need}; the device's own button will do too", have.saturating_add(1).min(need))
            }
        },
    }
}

fn spots(scan: &ScanView, current: Option<Region>) -> Vec<Spot> {
    let spot = |line: &RegionView| {
        let region = line.region.parse::<Region>().ok()?;
        let state = line.state.parse().ok()?;
        Some(Spot { region, look: Look::of(state, Some(region) == current), text: String::new() })
    };
    scan.regions.iter().filter_map(spot).collect()
}

fn region_line(lang: Lang, line: &RegionView, current: Option<Region>) -> RegionLine {
    let region = line.region.parse::<Region>().ok();
    let now = region.is_some() && region == current && line.state == "waiting";
    let RegionView { have, need, .. } = line;
    RegionLine {
        word: line.region.clone(),
        name: region.map_or("", |region| lang::region(lang, region)),
        state: if now { "current" } else { line.state },
        sign: match line.state {
            "done" => chip::TICK,
            "skipped" => chip::BAR,
            _ => "",
        },
        words: match (line.state, have) {
            ("skipped", _) => lang.pick("已跳过", "skipped").to_owned(),
            ("waiting", 0) if !now => lang.pick("待测", "to do").to_owned(),
            _ => format!("{have} / {need}"),
        },
        redo: *have > 0 || line.state == "skipped",
    }
}

fn region_name(lang: Lang, word: &str) -> &str {
    word.parse().map_or(word, |region| lang::region(lang, region))
}

fn name_of(lang: Lang, about: &About, id: &str) -> String {
    let known: Option<&Metric> = about.metrics.iter().find(|m| m.id.as_str() == id);
    known.map_or_else(|| id.to_owned(), |m| lang.label(&m.label).to_owned())
}

/// How a scan stands, as a chip: class and words.
pub fn standing(lang: Lang, state: ScanState) -> (&'static str, &'static str) {
    match state {
        ScanState::Voided => ("bad", lang.pick("已作废", "voided")),
        ScanState::Cancelled => ("bad", lang.pick("已取消", "cancelled")),
        ScanState::Running => ("warn", lang.pick("测量中", "measuring")),
        ScanState::Paused => ("warn", lang.pick("已暂停", "paused")),
        ScanState::Finished => ("good", lang.pick("已完成", "finished")),
    }
}

fn rest_panel(sight: Sight<'_>, stored: &Stored) -> ScanPanel {
    let Sight { lang, about, .. } = sight;
    let (class, words) = standing(lang, stored.scan.state);
    let standing: Vec<&Reading> = stored.readings.iter().filter(|e| !e.voided).map(|e| &e.item).collect();
    let mut metrics: Vec<&MetricId> = Vec::new();
    let mut regions: Vec<Region> = Vec::new();
    for step in &stored.scan.plan {
        if !metrics.contains(&&step.metric) {
            metrics.push(&step.metric);
        }
        if !regions.contains(&step.region) && standing.iter().any(|r| r.region == step.region) {
            regions.push(step.region);
        }
    }
    let heading = |id: &&MetricId| {
        let unit = about.metrics.iter().find(|m| m.id == **id).map_or("", |m| m.unit.as_str());
        format!("{} {unit}", lang::metric(lang, &about.metrics, id))
    };
    let cell = |region: Region, id: &MetricId| {
        standing.iter().find(|r| r.region == region && r.metric == *id).map_or_else(Cell::default, |r| cell(lang, r))
    };
    let line = |region: Region| ValueLine {
        name: lang::region(lang, region),
        cells: metrics.iter().map(|id| cell(region, id)).collect(),
    };
    ScanPanel {
        voided: stored.scan.state == ScanState::Voided,
        class,
        words,
        columns: metrics.iter().map(heading).collect(),
        values: regions.into_iter().map(line).collect(),
        ..ScanPanel::default()
    }
}

fn cell(lang: Lang, reading: &Reading) -> Cell {
    let decimals = usize::from(reading.value.decimals());
    let off = reading.repeats.iter().filter(|r| r.flags.contains(&QualityFlag::Outlier)).count();
    Cell {
        value: reading.value.to_string(),
        spread: reading.spread.map_or_else(String::new, |spread| format!("± {spread:.decimals$}")),
        flag: match (off, lang) {
            (0, _) => String::new(),
            (n, Lang::Zh) => format!("{n} 个离群值未计入"),
            (n, Lang::Hant) => traditional::sentence(&format!("{n} 个离群值未计入")),
            (1, Lang::En) => "1 outlier left out".to_owned(),
            (n, Lang::En) => format!("{n} outliers left out"),
        },
    }
}

fn last_of<'a>(stored: Option<&'a Stored>, guide: &Guide) -> Option<&'a Capture> {
    let captures = stored.map_or(&[][..], |s| &s.captures).iter().filter(|e| !e.voided).map(|e| &e.item);
    captures.rev().find(|c| c.view == guide.view)
}

fn shot(lang: Lang, guide: &Guide, stored: Option<&Stored>, ghosts: Option<&Stored>) -> Shot {
    let taken = last_of(stored, guide);
    let [[x1, y1], [x2, y2]] = guide.anchors;
    let complaints = taken.map_or(&[][..], |c| c.complaints.as_slice());
    Shot {
        view: guide.view.as_str(),
        name: lang::view(lang, guide.view),
        anchors: format!("{x1},{y1},{x2},{y2}"),
        capture: taken.map(|c| c.id.to_string()),
        ghost: last_of(ghosts, guide).map(|c| c.id.to_string()),
        advice: complaints
            .iter()
            .map(|word| advice_words(word))
            .map(|told| lang.sentence(&told.zh, &told.en))
            .collect(),
        points: guide.view != View::Close,
        guide: frame(guide),
    }
}

/// A head's outline to aim at, with crosses where the anchors should lie.
fn frame(guide: &Guide) -> String {
    let cross = |[x, y]: [f64; 2]| {
        let (x, y) = (x * 200.0, y * 250.0);
        format!(r##"<path d="M{:.0} {y:.0}h12M{x:.0} {:.0}v12" stroke="#1E6B5C" stroke-width="2"/>"##, x - 6.0, y - 6.0)
    };
    let [a, b] = guide.anchors;
    format!(
        r##"<svg viewBox="0 0 200 250" aria-hidden="true"><ellipse cx="100" cy="122" rx="66" ry="92" fill="none" stroke="#FFFDFA" stroke-width="3" stroke-dasharray="3 8" stroke-linecap="round"/>{}{}</svg>"##,
        cross(a),
        cross(b)
    )
}
