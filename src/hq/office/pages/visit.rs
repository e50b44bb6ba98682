//! One visit: its readings, what came of comparing them, its photographs by where their pictures stand. Whoever looks stands in
//! the audit before anything is shown.

use super::{missing, or_away, orders, remaking};
use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        office::{
            Shared, audit, names,
            people::Person,
            sessions,
            shell::{self, Shell},
            visits::{self, Shown},
        },
    },
};
use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};

#[derive(Debug, Template)]
#[template(path = "office/visit.html")]
struct Page {
    shell: Shell,
    store: String,
    visit: String,
    state: String,
    changed: String,
    station: String,
    beautician: String,
    voided: bool,
    readings: Vec<Line>,
    compared: Vec<Group>,
    captures: Vec<Photograph>,
    /// Whose it is and the key of the form, for whoever may have them erased.
    erase: Option<(String, String)>,
}

#[derive(Debug)]
struct Line {
    metric: String,
    region: String,
    phase: String,
    value: String,
    spread: String,
    serial: String,
    voided: bool,
}

#[derive(Debug)]
struct Group {
    title: String,
    lines: Vec<Verdict>,
}

#[derive(Debug)]
struct Verdict {
    metric: String,
    region: String,
    change: String,
    smallest: String,
    words: String,
    class: &'static str,
}

#[derive(Debug)]
struct Photograph {
    phase: String,
    view: String,
    light: String,
    voided: bool,
    pictures: Vec<(String, &'static str, &'static str)>,
}

/// What there is to show.
enum Found {
    /// With whose it is, where an erasure may be ordered.
    Visit(Box<(Shown, Option<String>)>),
    /// None of this id, or none that may be shown.
    Nothing,
    /// Nobody knows now.
    Remaking,
}

/// `GET /stores/{store}/visits/{visit}`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path((store, visit)): Path<(String, String)>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.role.sees_visits() || !person.reach.has(&store) {
        return missing(shell);
    }
    let of = store.clone();
    let found = office.books.ask(move |engine| {
        let shown = match visits::show(engine, &of, &visit) {
            Ok(Some(shown)) => shown,
            Ok(None) => return Ok(Found::Nothing),
            Err(HqError::Remaking) => return Ok(Found::Remaking),
            Err(fault) => return Err(fault),
        };
        sessions::looked(engine, &person.name, audit::VISIT_SEEN, &format!("{of} {visit}"), clock::now().wall)?;
        let whose = if person.role.has_erased() { visits::customer_of(engine, &of, &visit)? } else { None };
        Ok(Found::Visit(Box::new((shown, whose))))
    });
    or_away(
        &headers,
        found.await.map(|found| match found {
            Found::Visit(found) => drawn(&shell, store, found.0, found.1),
            Found::Nothing => missing(shell),
            Found::Remaking => remaking(shell),
        }),
    )
}

fn drawn(shell: &Shell, store: String, shown: Shown, whose: Option<String>) -> Response {
    let Shown { visit, readings, compared, captures } = shown;
    let mut groups: Vec<Group> = Vec::new();
    for one in compared {
        let title = names::baseline(shell, &one.baseline);
        let (words, class) = names::verdict(shell, &one.verdict, one.refusal.as_deref());
        let with_unit = |number: Option<f64>, sign: bool| {
            number.map_or_else(
                || "—".to_owned(),
                |number| {
                    let number = if sign { format!("{number:+.2}") } else { format!("{number:.2}") };
                    format!("{number} {}", one.unit).trim_end().replace('-', "−")
                },
            )
        };
        let line = Verdict {
            metric: names::metric(shell, &one.metric),
            region: names::region(shell, &one.region),
            change: with_unit(one.change, true),
            smallest: with_unit(one.smallest, false),
            words,
            class,
        };
        match groups.last_mut() {
            Some(group) if group.title == title => group.lines.push(line),
            _ => groups.push(Group { title, lines: vec![line] }),
        }
    }
    let line = |one: visits::Reading| Line {
        metric: names::metric(shell, &one.metric),
        region: names::region(shell, &one.region),
        phase: names::phase(shell, &one.phase),
        value: format!("{} {}", one.value, one.unit).trim_end().to_owned(),
        spread: one.spread.map_or_else(|| "—".to_owned(), |spread| format!("± {spread:.2} · {}×", one.repeats)),
        serial: one.serial,
        voided: one.voided,
    };
    let photograph = |one: visits::Capture| Photograph {
        phase: names::phase(shell, &one.phase),
        view: one
            .view
            .parse()
            .map_or_else(|_| one.view.clone(), |view| crate::report::lang::view(shell.lang, view).to_owned()),
        light: one.light,
        voided: one.voided,
        pictures: one
            .pictures
            .into_iter()
            .map(|(role, state)| {
                let (words, class) = names::picture(shell, &state);
                (role, words, class)
            })
            .collect(),
    };
    let page = Page {
        store,
        state: names::visit_state(shell, &visit.state),
        changed: shell.moment(Timestamp::from_unix_ms(visit.changed_ms)),
        visit: visit.visit,
        station: visit.station,
        beautician: visit.beautician,
        voided: visit.voided,
        readings: readings.into_iter().map(line).collect(),
        compared: groups,
        captures: captures.into_iter().map(photograph).collect(),
        erase: whose.map(|customer| (customer, orders::key())),
        shell: shell.clone(),
    };
    shell::page(shell, &page)
}
