//! The first page: the chairs and the latest visits.

use super::{chip, refused};
use crate::{
    domain::visit::VisitState,
    report::{Lang, lang},
    tasks::station::{StationHandle, Told},
    web::{
        AppState,
        api::visits::with_names,
        error::WebError,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};

/// As many as a morning has.
const RECENT: usize = 20;

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct Home {
    shell: Shell,
    chairs: Vec<Chair>,
    visits: Vec<Line>,
    /// What the technician should look at on the way to HQ.
    alarm: Option<String>,
}

#[derive(Debug)]
struct Chair {
    id: String,
    label: String,
    waiting: usize,
    tray: String,
    devices: Vec<chip::Chip>,
    visit: Option<Seated>,
}

#[derive(Debug)]
struct Seated {
    customer: String,
    opened: String,
    scan: String,
}

#[derive(Debug)]
struct Line {
    id: String,
    opened: String,
    customer: String,
    station: String,
    class: &'static str,
    state: &'static str,
}

/// `GET /`
pub async fn home(State(state): State<AppState>, shell: Shell) -> Response {
    let lang = shell.lang;
    match gather(&state, lang).await {
        Ok((chairs, visits)) => {
            let alarm = state.sync.borrow().alarm.clone();
            let template = Home { shell, chairs, visits, alarm };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

async fn gather(state: &AppState, lang: Lang) -> Result<(Vec<Chair>, Vec<Line>), WebError> {
    let mut chairs = Vec::new();
    for station in state.stations.iter() {
        chairs.push(chair(state, lang, station).await?);
    }
    let label = |id: &str| state.station(id).map_or_else(|| id.to_owned(), |s| lang.label(s.label()).to_owned());
    let visits = with_names(state, RECENT).await?;
    let lines = visits.into_iter().map(|(visit, customer)| {
        let (class, words) = match visit.state {
            VisitState::Open => ("warn", lang.pick("进行中", "open")),
            VisitState::Closed => ("good", lang.pick("已结束", "closed")),
            VisitState::Voided => ("bad", lang.pick("已作废", "voided")),
        };
        Line {
            id: visit.id.to_string(),
            opened: visit.opened.wall.to_string(),
            customer,
            station: label(&visit.station),
            class,
            state: words,
        }
    });
    Ok((chairs, lines.collect()))
}

async fn chair(state: &AppState, lang: Lang, station: &StationHandle) -> Result<Chair, WebError> {
    let view = station.view().await.map_err(|fault| refused::station(&fault))?;
    let id = station.id().to_owned();
    let waiting = state.store.tray(id.clone()).await.map_err(|fault| refused::store(&fault))?.len();
    let visit = match state.store.visit_at(id.clone()).await.map_err(|fault| refused::store(&fault))? {
        None => None,
        Some(visit) => {
            let customer = state.store.customer(visit.customer).await.map_err(|fault| refused::store(&fault))?;
            let scan = scan_words(lang, view.scan.as_ref());
            Some(Seated { customer: customer.name, opened: visit.opened.wall.to_string(), scan })
        }
    };
    Ok(Chair {
        label: lang.label(station.label()).to_owned(),
        waiting,
        tray: match lang {
            Lang::Zh => format!("{waiting} 个待认领读数"),
            Lang::En => format!("{waiting} unassigned"),
        },
        devices: view.devices.iter().map(|device| chip::device(lang, device)).collect(),
        visit,
        id,
    })
}

fn scan_words(lang: Lang, told: Option<&Told>) -> String {
    let Some(scan) = told.map(|told| &told.scan) else {
        return lang.pick("没有进行中的测量", "no scan under way").to_owned();
    };
    let phase = scan.phase.parse().map_or(scan.phase, |phase| lang::phase(lang, phase));
    let (have, need) = scan.regions.iter().fold((0, 0), |(h, n), r| (h + r.have, n + r.need));
    let state = match scan.state {
        "paused" => lang.pick("已暂停", "paused"),
        _ => lang.pick("测量中", "measuring"),
    };
    format!("{phase} {state} {have}/{need}")
}
