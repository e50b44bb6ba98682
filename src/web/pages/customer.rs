//! One customer: what must be known before anything else in red, then the card, the course, the last results, and entries
//! that may be the same person.

use super::{
    refused,
    report::drawn,
    station::{self, skin_types},
};
use crate::{
    domain::{
        CustomerId,
        card::Card,
        customer::Customer,
        visit::{Visit, VisitState},
    },
    store::Record,
    web::{
        AppState, api,
        ask::parse,
        doors::Who,
        error::WebError,
        looks,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

/// As many visits as are looked at.
const SHOWN: usize = 8;

#[derive(Debug, Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    shell: Shell,
    id: String,
    name: String,
    phone: String,
    skin_type: String,
    notes: String,
    card: Card,
    skin_types: Vec<(String, bool)>,
    /// Visits of the course that are done, one mark each.
    course: Vec<bool>,
    course_done: usize,
    chairs: Vec<(String, String)>,
    visits: Vec<Line>,
    twins: Vec<Twin>,
}

#[derive(Debug)]
struct Line {
    id: String,
    opened: String,
    headline: String,
    steps: String,
    voided: bool,
}

#[derive(Debug)]
struct Twin {
    id: String,
    name: String,
    phone: String,
}

/// `GET /customer/{id}`; `new` is an empty one.
pub async fn customer(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    let gathered = if id == "new" { Ok(empty(&shell)) } else { gather(&state, &shell, &who, &id).await };
    match gathered {
        Ok(template) => page(&template.shell, &template),
        Err(refused) => problem(shell, &refused),
    }
}

fn empty(shell: &Shell) -> CustomerPage {
    CustomerPage {
        shell: shell.clone(),
        id: String::new(),
        name: String::new(),
        phone: String::new(),
        skin_type: String::new(),
        notes: String::new(),
        card: Card::default(),
        skin_types: kinds(shell, ""),
        course: Vec::new(),
        course_done: 0,
        chairs: Vec::new(),
        visits: Vec::new(),
        twins: Vec::new(),
    }
}

async fn gather(state: &AppState, shell: &Shell, who: &Who, id: &str) -> Result<CustomerPage, WebError> {
    let lang = shell.lang;
    let id: CustomerId = parse("customer", id)?;
    let Record { customer, card, version } = state.store.record(id).await.map_err(|fault| refused::store(&fault))?;
    let Customer { id, name, phone, skin_type, notes } = customer;
    looks::note(state, who, "looked.customer", [id]).await;
    let skin_type = station::skin_type(lang, &skin_type);
    let visits = state.store.visits_of(id).await.map_err(|fault| refused::store(&fault))?;
    let counts = |visit: &&Visit| {
        let closed = visit.closed.filter(|_| visit.state == VisitState::Closed);
        closed.is_some_and(|at| card.course_since.is_none_or(|since| at.wall >= since))
    };
    let done = visits.iter().filter(counts).count();
    let total = usize::try_from(card.course_total).unwrap_or(0);
    let mut lines = Vec::new();
    for visit in visits.iter().take(SHOWN) {
        let view = api::view(&state.store, visit.id).await?;
        let steps: Vec<&str> = visit.steps.iter().map(String::as_str).collect();
        let compared = !view.comparisons.is_empty();
        lines.push(Line {
            id: visit.id.to_string(),
            opened: visit.opened.wall.to_string(),
            headline: if compared { drawn(state, lang, &view).headline } else { String::new() },
            steps: lang.list(&steps),
            voided: visit.state == VisitState::Voided,
        });
    }
    let mut chairs = Vec::new();
    for station in state.stations.iter() {
        let taken = state.store.visit_at(station.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
        if taken.is_none() {
            chairs.push((station.id().to_owned(), lang.label(station.label()).to_owned()));
        }
    }
    let twins = state.store.lookalikes(id).await.map_err(|fault| refused::store(&fault))?;
    let twin = |other: Customer| Twin { id: other.id.to_string(), name: other.name, phone: phone_end(&other.phone) };
    Ok(CustomerPage {
        id: id.to_string(),
        skin_types: kinds(shell, &skin_type),
        name,
        phone,
        skin_type,
        notes,
        course: (0..total).map(|n| n < done).collect(),
        course_done: done,
        card,
        chairs,
        visits: lines,
        twins: twins.into_iter().map(twin).collect(),
        ..empty(&shell.clone().at_version(version))
    })
}

/// The skin types of this language, and the one that was noted in whatever words.
fn kinds(shell: &Shell, noted: &str) -> Vec<(String, bool)> {
    let mut kinds: Vec<(String, bool)> =
        skin_types(shell.lang).into_iter().map(|kind| (kind.to_owned(), kind == noted)).collect();
    if !noted.is_empty() && kinds.iter().all(|(_, here)| !here) {
        kinds.push((noted.to_owned(), true));
    }
    kinds
}

/// The last four digits: enough to tell two people apart on a screen that others see.
pub fn phone_end(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    digits[digits.len().saturating_sub(4)..].iter().collect()
}
