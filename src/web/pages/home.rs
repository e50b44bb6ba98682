//! The first page, Today: who is expected, who waits and how long, the chairs, the latest visits, and what needs a person.

use super::{chip, hints, refused};
use crate::{
    clock,
    domain::{
        CustomerId, Timestamp,
        appointment::{Appointment, AppointmentState, Origin},
        customer::Customer,
        visit::VisitState,
    },
    report::{Lang, lang, traditional},
    store::Expected,
    tasks::station::{StationHandle, Told},
    web::{
        AppState,
        api::{
            appointments::{A_DAY, round, strangers_round},
            visits::with_names,
        },
        doors::Who,
        error::WebError,
        looks,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};

/// As many as a morning has.
const RECENT: usize = 12;

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct Home {
    shell: Shell,
    day: Vec<Place>,
    /// Who did not come, or left, or was called off.
    missed: Vec<Place>,
    chairs: Vec<Chair>,
    visits: Vec<Line>,
    troubles: Vec<Trouble>,
}

/// One line of the day.
#[derive(Debug)]
struct Place {
    id: String,
    customer: String,
    name: String,
    starts: String,
    walk_in: bool,
    service: String,
    /// The beautician it is meant for.
    staff: String,
    /// Headquarters expects somebody whom no record here is surely of.
    stranger: bool,
    /// Who it may be: id and what tells them apart.
    perhaps: Vec<(String, String)>,
    /// Allergies and contraindications, before anything else.
    warning: String,
    state: &'static str,
    class: &'static str,
    words: String,
    /// Chairs that are free for it now: id and name.
    seats: Vec<(String, String)>,
    /// Where its visit is.
    at: String,
}

impl Place {
    /// Whoever has come stands there until they have left, also past midnight.
    fn is_here(&self) -> bool {
        self.state == AppointmentState::Waiting.as_str() || !self.at.is_empty()
    }
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

/// Something a person should know or do, in words.
#[derive(Debug)]
pub struct Trouble {
    pub class: &'static str,
    pub says: String,
    pub detail: String,
}

/// `GET /`
pub async fn home(State(state): State<AppState>, who: Who, shell: Shell) -> Response {
    let lang = shell.lang;
    match gather(&state, &who, lang).await {
        Ok((day, chairs, visits, troubles)) => {
            let off = [AppointmentState::Missed.as_str(), AppointmentState::Cancelled.as_str()];
            let (missed, day) = day.into_iter().partition(|place| off.contains(&place.state));
            let template = Home { shell, day, missed, chairs, visits, troubles };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

type Gathered = (Vec<Place>, Vec<Chair>, Vec<Line>, Vec<Trouble>);

async fn gather(state: &AppState, who: &Who, lang: Lang) -> Result<Gathered, WebError> {
    let mut chairs = Vec::new();
    for station in state.stations.iter() {
        chairs.push(chair(state, lang, station).await?);
    }
    let (mut day, mut shown) = (Vec::new(), Vec::new());
    for appointment in round(state, A_DAY).await? {
        shown.push(appointment.customer);
        day.push(place(state, lang, &chairs, appointment).await?);
    }
    for expected in strangers_round(state, A_DAY).await? {
        shown.extend(expected.perhaps.iter().map(|customer| customer.id));
        day.push(stranger(lang, expected));
    }
    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    for place in &mut day {
        if let Some(person) = people.iter().find(|person| person.id == place.staff) {
            place.staff.clone_from(&person.name);
        }
    }
    day.sort_by(|a, b| a.starts.cmp(&b.starts));
    let label = |id: &str| state.station(id).map_or_else(|| id.to_owned(), |s| lang.label(s.label()).to_owned());
    let visits = with_names(state, RECENT).await?;
    shown.extend(visits.iter().map(|(visit, _)| visit.customer));
    looks::note(state, who, "looked.list", shown).await;
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
    Ok((day, chairs, lines.collect(), troubles(state, lang).await?))
}

/// What stands between this house and headquarters, and what runs out, in words; nothing while all is well.
pub async fn troubles(state: &AppState, lang: Lang) -> Result<Vec<Trouble>, WebError> {
    let mut found = Vec::new();
    let told = state.sync.borrow().clone();
    if let Some(detail) = told.alarm {
        let says = lang.pick(
            "与总部的传输需要技术人员查看，门店可以照常工作。",
            "The way to headquarters needs the technician; the salon can go on working.",
        );
        found.push(Trouble { class: "bad", says: says.to_owned(), detail });
    }
    if !matches!(told.connection, "connected" | "disabled") {
        let waiting = state.store.backlog().await.map_err(|fault| refused::store(&fault))?.events;
        let says = match lang {
            Lang::En => {
                format!("Headquarters cannot be reached: {waiting} records wait, nothing is lost. Go on working.")
            }
            _ => lang.sentence(&format!("连不上总部：{waiting} 条记录在等候，什么都不会丢。可以照常工作。"), ""),
        };
        found.push(Trouble { class: "warn", says, detail: String::new() });
    }
    found.extend(hints::disk(state, lang).await?);
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        found.extend(hints::batteries(lang, &view.devices));
    }
    if !state.store.has_staff().await.map_err(|fault| refused::store(&fault))? {
        let says = lang.pick(
            "还没有人设置 PIN：这台机器前的任何人都能打开。请先登记店长。",
            "Nobody has a PIN yet: whoever stands at this machine can open it. Add the manager first.",
        );
        found.push(Trouble { class: "warn", says: says.to_owned(), detail: "/staff".to_owned() });
    }
    Ok(found)
}

async fn place(state: &AppState, lang: Lang, chairs: &[Chair], of: Appointment) -> Result<Place, WebError> {
    let customer = state.store.customer(of.customer).await.map_err(|fault| refused::store(&fault))?;
    let now = clock::now().wall;
    let (class, words) = standing(lang, &of, now);
    let free = |chair: &&Chair| chair.visit.is_none() && (of.station.is_empty() || of.station == chair.id);
    let open = of.visit.is_none();
    let seats = chairs.iter().filter(free).filter(|_| open).map(|c| (c.id.clone(), c.label.clone())).collect();
    let at = match of.visit {
        Some(visit) => state.store.visit(visit).await.map_err(|fault| refused::store(&fault))?,
        None => {
            return Ok(Place {
                warning: warning(state, of.customer).await?,
                ..line(of, customer.name, class, words, seats)
            });
        }
    };
    let open = at.state == VisitState::Open;
    let words = if open { words } else { lang.pick("已结束", "closed").to_owned() };
    Ok(Place {
        warning: warning(state, of.customer).await?,
        at: if open { at.station } else { String::new() },
        ..line(of, customer.name, if open { class } else { "good" }, words, Vec::new())
    })
}

fn line(of: Appointment, name: String, class: &'static str, words: String, seats: Vec<(String, String)>) -> Place {
    Place {
        id: of.id.to_string(),
        customer: of.customer.to_string(),
        name,
        starts: of.starts.to_string(),
        walk_in: of.origin == Origin::WalkIn,
        service: of.service,
        staff: of.staff,
        stranger: false,
        perhaps: Vec::new(),
        warning: String::new(),
        state: of.state.as_str(),
        class,
        words,
        seats,
        at: String::new(),
    }
}

/// Somebody of whom only headquarters knows.
fn stranger(lang: Lang, expected: Expected) -> Place {
    let Expected { id, starts, service, staff, person, perhaps, .. } = expected;
    let ending = |customer: &Customer| {
        let skipped = customer.phone.chars().count().saturating_sub(4);
        let end: String = customer.phone.chars().skip(skipped).collect();
        let label = if end.is_empty() { customer.name.clone() } else { format!("{} …{end}", customer.name) };
        (customer.id.to_string(), label)
    };
    Place {
        id: id.to_string(),
        customer: String::new(),
        name: if person.name.is_empty() { person.member } else { person.name },
        starts: starts.to_string(),
        walk_in: false,
        service,
        staff,
        stranger: true,
        perhaps: perhaps.iter().map(ending).collect(),
        warning: String::new(),
        state: AppointmentState::Booked.as_str(),
        class: "plain",
        words: lang.pick("已预约", "booked").to_owned(),
        seats: Vec::new(),
        at: String::new(),
    }
}

/// Allergies and contraindications in one line.
pub async fn warning(state: &AppState, customer: CustomerId) -> Result<String, WebError> {
    let card = state.store.card(customer).await.map_err(|fault| refused::store(&fault))?;
    let parts: Vec<&str> =
        [card.allergies.as_str(), card.contraindications.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    Ok(parts.join(" · "))
}

fn standing(lang: Lang, of: &Appointment, now: Timestamp) -> (&'static str, String) {
    match of.state {
        AppointmentState::Waiting => {
            let minutes = of.waited_min(now).unwrap_or(0);
            let words = match lang {
                Lang::En => format!("waiting {minutes} min"),
                _ => lang.sentence(&format!("已等 {minutes} 分钟"), ""),
            };
            (if minutes >= 10 { "bad" } else { "warn" }, words)
        }
        AppointmentState::Booked => ("plain", lang.pick("已预约", "booked").to_owned()),
        AppointmentState::Seated => ("good", lang.pick("护理中", "in the chair").to_owned()),
        AppointmentState::Missed if of.arrived.is_some() => ("plain", lang.pick("已离开", "left").to_owned()),
        AppointmentState::Missed => ("plain", lang.pick("未到", "did not come").to_owned()),
        AppointmentState::Cancelled => {
            ("plain", lang.pick("总部已取消或改期", "called off or moved by headquarters").to_owned())
        }
    }
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
            Lang::Hant => traditional::sentence(&format!("{waiting} 个待认领读数")),
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
