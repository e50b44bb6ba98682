//! A chair's screen.

use super::{
    chip::{self, Chip},
    phase::{self, PhasePanel, Sight},
    rail::{self, Item},
    refused,
    report::drawn,
};
use crate::{
    domain::{comparison::Baseline, consent::Purpose, scan::Phase},
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
    skin_types: Vec<&'static str>,
    visit: Option<VisitPanel>,
}

#[derive(Debug)]
struct VisitPanel {
    id: String,
    customer: String,
    about: String,
    notes: String,
    rail: Vec<Item>,
    next: &'static str,
    purposes: Vec<PurposeBox>,
    consent_state: &'static str,
    phases: Vec<PhasePanel>,
    presets: Vec<Preset>,
    steps: Vec<String>,
    result: Option<Page>,
    missing: String,
    may_compare: bool,
    tray: Vec<TrayLine>,
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
                skin_types: skin_types(lang),
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
    let mut panel = panel(state, lang, &view, &glance);
    panel.tray = tray.collect();
    Ok((glance, Some((view.visit.version, panel))))
}

fn panel(state: &AppState, lang: Lang, view: &VisitView, glance: &StationView) -> VisitPanel {
    let live = glance.scan.as_ref().filter(|told| told.visit == view.visit.id.to_string()).map(|told| &told.scan);
    let sight = Sight { lang, about: &state.about, view, live, may_measure: view.agreed(Purpose::Measure) };
    let rail = rail::items(lang, view);
    let compared = view.comparisons.iter().any(|c| c.baseline == Baseline::SameVisit);
    let finished = |phase| last_finished(view, phase).is_some();
    let model = drawn(state, lang, view);
    VisitPanel {
        id: view.visit.id.to_string(),
        customer: view.customer.name.clone(),
        about: view.customer.skin_type.clone(),
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
        steps: view.visit.steps.clone(),
        missing: model.missing.clone().unwrap_or_default(),
        result: compared.then_some(model),
        may_compare: finished(Phase::Before) && finished(Phase::After),
        tray: Vec::new(),
    }
}

fn skin_types(lang: Lang) -> Vec<&'static str> {
    match lang {
        Lang::Zh => vec!["干性", "中性", "混合性", "油性", "敏感性"],
        Lang::En => vec!["dry", "normal", "combination", "oily", "sensitive"],
    }
}

fn presets(lang: Lang) -> Vec<&'static str> {
    match lang {
        Lang::Zh => vec!["卸妆", "清洁", "去角质", "毛孔清洁", "补水导入", "面膜", "按摩", "防晒"],
        Lang::En => {
            vec!["make-up off", "cleansing", "peeling", "pore cleansing", "hydration", "mask", "massage", "sun screen"]
        }
    }
}

fn purpose_box(lang: Lang, purpose: Purpose, view: &VisitView) -> PurposeBox {
    let (title, detail) = match purpose {
        Purpose::Measure => (
            lang.pick("测量皮肤", "Measure the skin"),
            lang.pick(
                "用仪器测水分、油脂等读数，存在店内。",
                "Readings such as moisture and sebum, kept in this store.",
            ),
        ),
        Purpose::Photograph => (
            lang.pick("拍摄面部照片", "Take photographs"),
            lang.pick("护理前后各拍一组，用于本次对比。", "One set before and one after, for this comparison."),
        ),
        Purpose::KeepPhotographs => (
            lang.pick("保留照片", "Keep the photographs"),
            lang.pick(
                "加密保存在店内，下次可以对照；到期自动删除。",
                "Encrypted in this store for next time; deleted when the term ends.",
            ),
        ),
        Purpose::DeliverReport => (
            lang.pick("把报告发给我", "Deliver my report"),
            lang.pick("通过二维码把报告发到我的手机。", "The report comes to my phone by QR code."),
        ),
        Purpose::ShareNumbers => (
            lang.pick("与总部共享读数", "Share readings with headquarters"),
            lang.pick("只有数字，不含姓名和电话。", "Numbers only, without name and phone."),
        ),
        Purpose::SharePhotographs => (
            lang.pick("与总部共享照片", "Share photographs with headquarters"),
            lang.pick(
                "照片离开本店。单独同意，可随时撤回。",
                "Photographs leave this store. A consent of its own, revocable.",
            ),
        ),
    };
    PurposeBox { word: purpose.as_str(), title, detail, given: view.agreed(purpose) }
}
