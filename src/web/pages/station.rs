//! A chair's screen.

use super::{
    chip::{self, Chip},
    phase::{self, PhasePanel, Sight},
    rail::{self, Item},
    refused,
    report::drawn,
    steps::{self, Prepared, Questions},
};
use crate::{
    clock,
    domain::{
        CustomerId, ScanId,
        card::Card,
        comparison::Baseline,
        consent::Purpose,
        scan::Phase,
        sheet::{Conditions, Sheet},
    },
    report::{Lang, lang, page::Page},
    store::VisitView,
    tasks::{
        comparison::last_finished,
        station::{StationHandle, StationView},
    },
    web::{
        AppState, api,
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
#[template(path = "station.html")]
struct StationPage {
    shell: Shell,
    id: String,
    label: String,
    devices: Vec<Chip>,
    visit: Option<VisitPanel>,
}

#[derive(Debug)]
struct VisitPanel {
    id: String,
    customer: String,
    customer_id: String,
    about: String,
    notes: String,
    card: Card,
    /// Allergies and contraindications, shown in red.
    warning: String,
    phone_end: String,
    opened: String,
    rail: Vec<Item>,
    next: &'static str,
    purposes: Vec<PurposeBox>,
    consent_state: &'static str,
    phases: Vec<PhasePanel>,
    presets: Vec<Preset>,
    result: Option<Page>,
    missing: String,
    may_compare: bool,
    tray: Vec<TrayLine>,
    questions: Questions,
    prepared: Prepared,
    /// What differs after another tablet wrote.
    told: Vec<String>,
    ticks: Vec<(String, String)>,
    stars: u8,
    remark: String,
    next_day: String,
    next_days: [u32; 3],
    may_report: bool,
}

#[derive(Debug)]
struct PurposeBox {
    word: &'static str,
    title: &'static str,
    detail: &'static str,
    given: bool,
}

#[derive(Debug)]
struct Preset {
    text: &'static str,
    done: bool,
}

#[derive(Debug)]
struct TrayLine {
    taken: String,
    metric: String,
    value: String,
    unit: String,
    device: String,
}

/// `GET /station/{id}`
pub async fn station(State(state): State<AppState>, Path(id): Path<String>, shell: Shell) -> Response {
    let chair = match state.chair(&id) {
        Ok(chair) => chair,
        Err(refused) => return problem(shell, &refused),
    };
    match gather(&state, shell.lang, chair).await {
        Ok((glance, found)) => {
            let lang = shell.lang;
            let template = StationPage {
                id,
                label: lang.label(chair.label()).to_owned(),
                devices: glance.devices.iter().map(|device| chip::device(lang, device)).collect(),
                shell: match &found {
                    Some((version, _)) => shell.at_version(*version),
                    None => shell,
                },
                visit: found.map(|(_, panel)| panel),
            };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

type Found = Option<(u64, VisitPanel)>;

async fn gather(state: &AppState, lang: Lang, chair: &StationHandle) -> Result<(StationView, Found), WebError> {
    let glance = chair.view().await.map_err(|fault| refused::station(&fault))?;
    let open = state.store.visit_at(chair.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let Some(open) = open else { return Ok((glance, None)) };
    let view = api::view(&state.store, open.id).await?;
    let tray = state.store.tray(chair.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let tray = tray.iter().rev().take(30).map(|stored| TrayLine {
        taken: stored.repeat.taken.wall.to_string(),
        metric: lang::metric(lang, &state.about.metrics, &stored.metric).to_owned(),
        value: stored.repeat.value.to_string(),
        unit: stored.unit.clone(),
        device: format!("{} {}", stored.device.protocol, stored.device.serial),
    });
    let side = beside(state, &view).await?;
    let mut panel = panel(state, lang, &view, &glance, side);
    panel.tray = tray.collect();
    Ok((glance, Some((view.visit.version, panel))))
}

/// What is known of a visit beside its full view.
#[derive(Debug, Default)]
struct Beside {
    card: Card,
    sheet: Sheet,
    last: Option<Sheet>,
    conditions: Vec<(ScanId, Conditions)>,
    ticks: Vec<(String, String)>,
}

async fn beside(state: &AppState, view: &VisitView) -> Result<Beside, WebError> {
    let store = &state.store;
    let customer: CustomerId = view.visit.customer;
    let mut conditions = Vec::new();
    for scan in &view.scans {
        let id = scan.scan.id;
        let stated = store.conditions(id).await.map_err(|fault| refused::store(&fault))?;
        conditions.extend(stated.map(|stated| (id, stated)));
    }
    let ticks = store.ticks(view.visit.id).await.map_err(|fault| refused::store(&fault))?;
    Ok(Beside {
        card: store.card(customer).await.map_err(|fault| refused::store(&fault))?,
        sheet: store.sheet(view.visit.id).await.map_err(|fault| refused::store(&fault))?,
        last: store.last_sheet(customer, view.visit.id).await.map_err(|fault| refused::store(&fault))?,
        conditions,
        ticks: ticks.into_iter().map(|(step, at)| (step, at.to_string())).collect(),
    })
}

fn panel(state: &AppState, lang: Lang, view: &VisitView, glance: &StationView, side: Beside) -> VisitPanel {
    let Beside { card, sheet, last, conditions, ticks } = side;
    let live = glance.scan.as_ref().filter(|told| told.visit == view.visit.id.to_string()).map(|told| &told.scan);
    let may_measure = view.agreed(Purpose::Measure);
    let sight = Sight { lang, about: &state.about, view, live, may_measure, conditions: &conditions };
    let rail = rail::items(lang, view, &sheet);
    let warning: Vec<&str> =
        [&card.allergies, &card.contraindications].into_iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
    let compared = view.comparisons.iter().any(|c| c.baseline == Baseline::SameVisit);
    let finished = |phase| last_finished(view, phase).is_some();
    let model = drawn(state, lang, view);
    VisitPanel {
        id: view.visit.id.to_string(),
        customer: view.customer.name.clone(),
        customer_id: view.customer.id.to_string(),
        warning: warning.join(" · "),
        phone_end: super::customer::phone_end(&view.customer.phone),
        opened: view.visit.opened.wall.to_string(),
        questions: steps::questions(lang, &sheet, last.as_ref()),
        prepared: steps::prepared(
            view.visit.opened.wall,
            clock::now().wall,
            &sheet,
            conditions.last().map(|(_, stated)| stated),
        ),
        told: steps::told(lang, view, &sheet),
        ticks,
        stars: sheet.stars.unwrap_or(0),
        remark: sheet.remark.clone(),
        next_day: sheet.next_day.clone(),
        next_days: steps::next_days(&view.customer.skin_type),
        may_report: view.agreed(Purpose::DeliverReport),
        card,
        about: skin_type(lang, &view.customer.skin_type),
        notes: view.customer.notes.clone(),
        next: rail::next(&rail),
        rail,
        purposes: Purpose::ALL.iter().map(|purpose| purpose_box(lang, *purpose, view)).collect(),
        consent_state: if view.consents.is_empty() {
            lang.pick("还没有保存", "not saved yet")
        } else {
            lang.pick("已保存，可随时修改", "saved; can be changed at any time")
        },
        phases: Phase::ALL.iter().map(|phase| phase::panel(sight, *phase)).collect(),
        presets: presets(lang)
            .into_iter()
            .map(|text| Preset { text, done: view.visit.steps.iter().any(|step| step == text) })
            .collect(),
        missing: model.missing.clone().unwrap_or_default(),
        result: compared.then_some(model),
        may_compare: finished(Phase::Before) && finished(Phase::After),
        tray: Vec::new(),
    }
}

const SKIN_TYPES: [(&str, &str); 5] =
    [("干性", "dry"), ("中性", "normal"), ("混合性", "combination"), ("油性", "oily"), ("敏感性", "sensitive")];

pub fn skin_types(lang: Lang) -> Vec<&'static str> {
    SKIN_TYPES.map(|(zh, en)| lang.pick(zh, en)).to_vec()
}

/// A skin type in the language of the page, whichever language it was noted in; other words as they were typed.
pub fn skin_type(lang: Lang, noted: &str) -> String {
    let same = |(zh, en): &&(&'static str, &'static str)| {
        [Lang::Zh, Lang::Hant, Lang::En].iter().any(|l| l.pick(zh, en) == noted)
    };
    SKIN_TYPES.iter().find(same).map_or(noted, |(zh, en)| lang.pick(zh, en)).to_owned()
}

fn presets(lang: Lang) -> Vec<&'static str> {
    let steps = [
        ("卸妆", "make-up off"),
        ("清洁", "cleansing"),
        ("去角质", "peeling"),
        ("毛孔清洁", "pore cleansing"),
        ("补水导入", "hydration"),
        ("面膜", "mask"),
        ("按摩", "massage"),
        ("防晒", "sun screen"),
    ];
    steps.map(|(zh, en)| lang.pick(zh, en)).to_vec()
}

fn purpose_box(lang: Lang, purpose: Purpose, view: &VisitView) -> PurposeBox {
    let (title, detail) = match purpose {
        Purpose::Measure => (
            steps::purpose(lang, purpose),
            lang.pick(
                "用仪器测水分、油脂等读数，存在店内。",
                "Readings such as moisture and sebum, kept in this store.",
            ),
        ),
        Purpose::Photograph => (
            steps::purpose(lang, purpose),
            lang.pick("护理前后各拍一组，用于本次对比。", "One set before and one after, for this comparison."),
        ),
        Purpose::KeepPhotographs => (
            steps::purpose(lang, purpose),
            lang.pick(
                "加密保存在店内，下次可以对照；到期自动删除。",
                "Encrypted in this store for next time; deleted when the term ends.",
            ),
        ),
        Purpose::DeliverReport => (
            steps::purpose(lang, purpose),
            lang.pick("通过二维码把报告发到我的手机。", "The report comes to my phone by QR code."),
        ),
        Purpose::ShareNumbers => (
            steps::purpose(lang, purpose),
            lang.pick("只有数字，不含姓名和电话。", "Numbers only, without name and phone."),
        ),
        Purpose::SharePhotographs => (
            steps::purpose(lang, purpose),
            lang.pick(
                "照片离开本店。单独同意，可随时撤回。",
                "Photographs leave this store. A consent of its own, revocable.",
            ),
        ),
    };
    PurposeBox { word: purpose.as_str(), title, detail, given: view.agreed(purpose) }
}
