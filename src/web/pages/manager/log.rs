//! The service log of a day: what was done at each visit, and what it adds up to, as a page and as a file for a spreadsheet.

use super::{called, refused};
use crate::{
    clock,
    domain::{
        Day, Zone,
        metric::Label,
        service_log::{Done, Served, Totals, total},
        visit::VisitState,
    },
    report::{
        Lang,
        log::{self as table, mean, noted, product},
    },
    web::{
        AppState,
        api::day_log,
        doors::Who,
        error::WebError,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

#[derive(Debug, Template)]
#[template(path = "log.html")]
struct LogPage {
    shell: Shell,
    day: String,
    noon: String,
    is_today: bool,
    before: String,
    next: String,
    lines: Vec<Line>,
    /// Name and number.
    sums: Vec<(&'static str, String)>,
    /// What was used, how often.
    products: Vec<(String, u32)>,
    /// Who served how many.
    by: Vec<(String, u32)>,
}

#[derive(Debug)]
struct Line {
    id: String,
    opened: String,
    closed: String,
    customer: String,
    chair: String,
    beautician: String,
    treatment: String,
    minutes: String,
    steps: Vec<Step>,
    /// Readings, photographs, stars, signatures: what there is of them.
    marks: Vec<String>,
    state: &'static str,
    class: &'static str,
    voided: bool,
}

#[derive(Debug)]
struct Step {
    at: String,
    name: String,
    by: String,
    how: String,
}

/// A log with the words of the house, and the day it is of.
struct Gathered {
    day: Day,
    zone: Zone,
    log: Vec<Served>,
    /// Names of the products of the salon's file.
    products: Vec<Label>,
}

async fn gather(state: &AppState, who: &Who, shell: &Shell) -> Result<Gathered, WebError> {
    let (lang, about) = (shell.lang, &state.about);
    let zone = about.calendar.zone;
    let day = shell.day.unwrap_or_else(|| zone.day(clock::now().wall));
    let mut log = day_log::of(state, who, day).await?;
    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    let name = |id: &str| called(lang, &people, id);
    for one in &mut log {
        one.beautician = name(&one.beautician);
        if let Some(chair) = state.station(&one.station) {
            lang.label(chair.label()).clone_into(&mut one.station);
        }
        let chosen = about.treatments.iter().find(|known| known.id == one.treatment);
        one.treatment = chosen.map_or_else(String::new, |known| lang.label(&known.name).to_owned());
        for done in &mut one.steps {
            done.staff = name(&done.staff);
        }
    }
    let offered = about.treatments.iter().flat_map(|one| &one.steps).flat_map(|step| &step.products);
    Ok(Gathered { day, zone, log, products: offered.cloned().collect() })
}

/// `GET /manager/log`; `?day=2026-11-27` shows another day's.
pub async fn log(State(state): State<AppState>, who: Who, shell: Shell) -> Response {
    match gather(&state, &who, &shell).await {
        Ok(gathered) => {
            let today = gathered.zone.day(clock::now().wall);
            let template = drawn(shell, &gathered, today);
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

/// `GET /manager/log.csv`: the same for a spreadsheet.
pub async fn csv(State(state): State<AppState>, who: Who, shell: Shell) -> Response {
    match gather(&state, &who, &shell).await {
        Ok(Gathered { day, zone, log, products }) => {
            let text = table::csv(shell.lang, &log, &zone, &products);
            let name = format!("attachment; filename=\"service-log-{day}.csv\"");
            let kind = "text/csv; charset=utf-8".to_owned();
            ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], text).into_response()
        }
        Err(refused) => problem(shell, &refused),
    }
}

fn drawn(shell: Shell, of: &Gathered, today: Day) -> LogPage {
    let (lang, Gathered { day, zone, log, products }) = (shell.lang, of);
    let totals = total(log);
    let used = totals.products.iter().map(|(used, times)| (product(lang, used, products), *times));
    let mut used: Vec<(String, u32)> = used.collect();
    used.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    LogPage {
        day: day.to_string(),
        noon: zone.at(*day, 12, 0).to_string(),
        is_today: *day == today,
        before: day.plus(-1).to_string(),
        next: day.plus(1).to_string(),
        lines: log.iter().map(|one| line(lang, one, zone, products)).collect(),
        sums: sums(lang, &totals),
        products: used,
        by: totals.by.into_iter().collect(),
        shell,
    }
}

fn sums(lang: Lang, of: &Totals) -> Vec<(&'static str, String)> {
    let t = |zh, en| lang.pick(zh, en);
    vec![
        (t("到店次数", "visits"), of.visits.to_string()),
        (t("分钟", "minutes"), of.minutes.to_string()),
        (t("步骤数", "number of steps"), of.steps.to_string()),
        (t("读数", "readings"), of.readings.to_string()),
        (t("照片", "photographs"), of.photographs.to_string()),
        (t("评分", "stars"), mean(of).unwrap_or_else(|| "–".to_owned())),
        (t("报告已发", "report delivered"), of.reported.to_string()),
    ]
}

fn line(lang: Lang, of: &Served, zone: &Zone, products: &[Label]) -> Line {
    let clock = |at| table::clock(zone, at);
    let step = |done: &Done| Step {
        at: clock(done.at),
        name: done.step.clone(),
        by: done.staff.clone(),
        how: noted(lang, &done.noted, products),
    };
    let counted = |n: u32, zh: &'static str, en: &'static str| (n > 0).then(|| format!("{n} {}", lang.pick(zh, en)));
    let said = |yes: bool, zh: &'static str, en: &'static str| yes.then(|| lang.pick(zh, en).to_owned());
    let marks = [
        counted(of.readings, "读数", "readings"),
        counted(of.photographs, "照片", "photographs"),
        of.stars.map(|stars| format!("{stars} / 5")),
        said(of.signed_before, "护理前签名", "signed before"),
        said(of.signed_after, "护理后签名", "signed after"),
        said(of.reported, "报告已发", "report delivered"),
    ];
    Line {
        id: of.visit.to_string(),
        opened: clock(of.opened),
        closed: of.closed.map_or_else(String::new, clock),
        customer: of.customer.clone(),
        chair: of.station.clone(),
        beautician: of.beautician.clone(),
        treatment: of.treatment.clone(),
        minutes: of.minutes().map_or_else(String::new, |minutes| minutes.to_string()),
        steps: of.steps.iter().map(step).collect(),
        marks: marks.into_iter().flatten().collect(),
        state: table::state(lang, of.state),
        class: match of.state {
            VisitState::Open => "warn",
            VisitState::Closed => "good",
            VisitState::Voided => "bad",
        },
        voided: of.state == VisitState::Voided,
    }
}
