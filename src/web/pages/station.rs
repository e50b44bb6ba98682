//! A chair's screen.

use super::{
    care::{self, CarePanel},
    chip::{self, Chip},
    hints,
    home::Trouble,
    phase::{self, PhasePanel, Sight},
    rail::{self, Item},
    refused,
    report::drawn,
    steps::{self, Prepared, Questions},
    suggested::{self, SuggestedPanel},
};
use crate::{
    clock,
    domain::{
        CustomerId, Region, ScanId, Timestamp,
        card::Card,
        comparison::Baseline,
        consent::Purpose,
        metric::MetricId,
        scan::{Phase, ScanState},
        sheet::{Conditions, Sheet},
    },
    report::{Lang, lang, page::Page},
    store::{PairedMirror, RoomClimate, VisitView},
    tasks::{
        comparison::last_finished,
        station::{StationHandle, StationView},
    },
    web::{
        AppState,
        api::{self, scans::climate},
        doors::Who,
        error::WebError,
        folder, looks,
        mirror::scene::{self, Offers},
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

/// Values of the tray that the page shows.
const TRAY_LINES: usize = 30;

#[derive(Debug, Template)]
#[template(path = "station.html")]
struct StationPage {
    shell: Shell,
    id: String,
    label: String,
    devices: Vec<Chip>,
    /// What runs out at this chair.
    hints: Vec<Trouble>,
    /// The customer's screen beside the chair.
    mirror: Option<PairedMirror>,
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
    /// Whether a consent was saved before.
    agreed: bool,
    consent_state: &'static str,
    phases: Vec<PhasePanel>,
    care: CarePanel,
    result: Option<Page>,
    missing: String,
    may_compare: bool,
    tray: Vec<TrayLine>,
    /// Photographs of the station's folder that wait for a person, and the phase whose scan would take them.
    waiting: Vec<WaitingLine>,
    waiting_for: &'static str,
    questions: Questions,
    prepared: Prepared,
    /// What differs after another tablet wrote.
    told: Vec<String>,
    stars: u8,
    remark: String,
    next_day: String,
    /// Days until then, the nearest first, and whether it is the usual one for this skin.
    next_days: Vec<(u32, bool)>,
    may_report: bool,
    /// Whether links to reports lead anywhere.
    has_links: bool,
    suggested: SuggestedPanel,
    /// What the mirror may be given.
    offers: Option<Offers>,
}

#[derive(Debug)]
struct PurposeBox {
    word: &'static str,
    title: &'static str,
    detail: &'static str,
    given: bool,
}

#[derive(Debug)]
struct TrayLine {
    repeat: String,
    /// Where the plan measures it: word, name, whether the device said so. Empty where no scan asks for it.
    regions: Vec<(&'static str, &'static str, bool)>,
    taken: String,
    metric: String,
    value: String,
    unit: String,
    device: String,
}

#[derive(Debug)]
struct WaitingLine {
    /// Where it is shown and what is done with it.
    at: String,
    since: String,
}

/// `GET /station/{id}`
pub async fn station(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    let chair = match state.chair(&id) {
        Ok(chair) => chair,
        Err(refused) => return problem(shell, &refused),
    };
    match gather(&state, &who, shell.lang, chair).await {
        Ok((glance, Beyond { hints, mirror }, found)) => {
            let lang = shell.lang;
            let template = StationPage {
                hints,
                id,
                mirror,
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

/// What is known of a chair whoever sits in it.
#[derive(Debug)]
struct Beyond {
    hints: Vec<Trouble>,
    mirror: Option<PairedMirror>,
}

async fn gather(
    state: &AppState,
    who: &Who,
    lang: Lang,
    chair: &StationHandle,
) -> Result<(StationView, Beyond, Found), WebError> {
    let glance = chair.view().await.map_err(|fault| refused::station(&fault))?;
    let open = state.store.visit_at(chair.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let mut hints = hints::batteries(lang, &glance.devices);
    hints.extend(hints::disk(state, lang).await?);
    let mirror = state.store.mirror(chair.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let beyond = Beyond { hints, mirror };
    let Some(open) = open else { return Ok((glance, beyond, None)) };
    let view = api::view(&state.store, open.id).await?;
    looks::note(state, who, "looked.visit", [view.visit.customer]).await;
    let tray = state.store.tray(chair.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let measures = |metric: &MetricId| {
        let mut known: Vec<Region> = Vec::new();
        for step in state.about.plan.iter().filter(|step| step.metric == *metric) {
            if !known.contains(&step.region) {
                known.push(step.region);
            }
        }
        known
    };
    // Newest first, and first those of metrics that somebody can use: a sensor of an unknown metric would push them off the page.
    let knows = |metric: &MetricId| state.about.metrics.iter().any(|known| known.id == *metric);
    let (known, unknown): (Vec<_>, Vec<_>) = tray.iter().rev().partition(|stored| knows(&stored.metric));
    let tray = known.into_iter().chain(unknown).take(TRAY_LINES).map(|stored| TrayLine {
        repeat: stored.repeat.id.to_string(),
        regions: measures(&stored.metric)
            .into_iter()
            .map(|region| (region.as_str(), lang::region(lang, region), Some(region) == stored.region))
            .collect(),
        taken: stored.repeat.taken.wall.to_string(),
        metric: lang::metric(lang, &state.about.metrics, &stored.metric).to_owned(),
        value: stored.repeat.value.to_string(),
        unit: stored.unit.clone(),
        device: format!("{} {}", stored.device.protocol, stored.device.serial),
    });
    let side = beside(state, lang, &view).await?;
    let mut panel = panel(state, lang, &view, &glance, side);
    panel.tray = tray.collect();
    let stands = |state| matches!(state, ScanState::Running | ScanState::Paused | ScanState::Finished);
    if let Some(scan) = view.scans.iter().rev().find(|scan| stands(scan.scan.state)) {
        panel.waiting_for = scan.scan.phase.as_str();
        panel.waiting = waiting(state, chair.id()).await;
    }
    if beyond.mirror.is_some() {
        panel.offers = scene::offers(state, lang, &view, state.mirrors.chair(chair.id()).shown.as_ref());
    }
    Ok((glance, beyond, Some((view.visit.version, panel))))
}

/// What lies in the station's folder and nobody has claimed.
async fn waiting(state: &AppState, station: &str) -> Vec<WaitingLine> {
    let Some(source) = state.folders.iter().find(|source| source.station == station) else { return Vec::new() };
    let found = folder::waiting(&source.folder).await.into_iter().take(30).map(|one| {
        let since = one.since.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_millis()).ok());
        WaitingLine {
            at: format!("/api/v1/folder/{station}/{}", one.id),
            since: since.map(|ms| Timestamp::from_unix_ms(ms).to_string()).unwrap_or_default(),
        }
    });
    found.collect()
}

/// What is known of a visit beside its full view.
#[derive(Debug)]
struct Beside {
    card: Card,
    sheet: Sheet,
    last: Option<Sheet>,
    conditions: Vec<(ScanId, Conditions)>,
    room: RoomClimate,
    care: CarePanel,
}

async fn beside(state: &AppState, lang: Lang, view: &VisitView) -> Result<Beside, WebError> {
    let store = &state.store;
    let customer: CustomerId = view.visit.customer;
    let mut conditions = Vec::new();
    for scan in &view.scans {
        let id = scan.scan.id;
        let stated = store.conditions(id).await.map_err(|fault| refused::store(&fault))?;
        conditions.extend(stated.map(|stated| (id, stated)));
    }
    let sheet = store.sheet(view.visit.id).await.map_err(|fault| refused::store(&fault))?;
    Ok(Beside {
        card: store.card(customer).await.map_err(|fault| refused::store(&fault))?,
        care: care::panel(state, lang, view, &sheet).await?,
        sheet,
        last: store.last_sheet(customer, view.visit.id).await.map_err(|fault| refused::store(&fault))?,
        conditions,
        room: climate(state, &view.visit.station).await?,
    })
}

fn panel(state: &AppState, lang: Lang, view: &VisitView, glance: &StationView, side: Beside) -> VisitPanel {
    let Beside { card, sheet, last, conditions, room, care } = side;
    let live = glance.scan.as_ref().filter(|told| told.visit == view.visit.id.to_string()).map(|told| &told.scan);
    let may_measure = view.agreed(Purpose::Measure);
    let sight = Sight { lang, about: &state.about, view, live, may_measure, conditions: &conditions };
    let rail = rail::items(lang, view, &sheet);
    let warning: Vec<&str> =
        [&card.allergies, &card.contraindications].into_iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
    let compared = view.comparisons.iter().any(|c| c.baseline == Baseline::SameVisit);
    let finished = |phase| last_finished(view, phase).is_some();
    let model = drawn(state, lang, view);
    let on_the_card = [card.allergies.as_str(), &card.contraindications, &view.customer.notes];
    let suggested = suggested::panel(lang, &state.about, view, on_the_card);
    VisitPanel {
        suggested,
        offers: None,
        has_links: state.about.links.is_some(),
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
            &room,
        ),
        told: [steps::told(lang, view, &sheet), care.told(lang)].concat(),
        care,
        stars: sheet.stars.unwrap_or(0),
        remark: sheet.remark.clone(),
        next_day: sheet.next_day.clone(),
        next_days: offered(&view.customer.skin_type),
        may_report: view.agreed(Purpose::DeliverReport),
        card,
        about: skin_type(lang, &view.customer.skin_type),
        notes: view.customer.notes.clone(),
        next: rail::next(&rail),
        rail,
        purposes: Purpose::ALL.iter().map(|purpose| purpose_box(lang, *purpose, view)).collect(),
        agreed: !view.consents.is_empty(),
        consent_state: if view.consents.is_empty() {
            lang.pick("还没有保存", "not saved yet")
        } else {
            lang.pick("已保存，可随时修改", "saved; can be changed at any time")
        },
        phases: Phase::ALL.iter().map(|phase| phase::panel(sight, *phase)).collect(),
        missing: model.missing.clone().unwrap_or_default(),
        result: compared.then_some(model),
        may_compare: finished(Phase::Before) && finished(Phase::After),
        tray: Vec::new(),
        waiting: Vec::new(),
        waiting_for: "",
    }
}

/// In the order of the calendar, as one reads days.
fn offered(skin_type: &str) -> Vec<(u32, bool)> {
    let days = steps::next_days(skin_type);
    let mut offered: Vec<(u32, bool)> = days.into_iter().map(|one| (one, one == days[0])).collect();
    offered.sort_unstable();
    offered
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
            lang.pick(
                "测得的数值和护理单，连同单上写的话；不附姓名和电话。",
                "Readings and the service sheet with what is written on it; no name or phone goes with them.",
            ),
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
