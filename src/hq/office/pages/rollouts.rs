//! All rollouts, and what could be rolled out next.

use super::{missing, or_away, rollout::state};
use crate::{
    clock,
    hq::{
        HqError,
        office::{
            Shared,
            books::Away,
            people::Person,
            shell::{self, Shell},
        },
        rollout::{
            self, Entry,
            packages::{self, Package},
        },
    },
};
use askama::Template;
use axum::{
    Extension, Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::sync::Arc;

/// Rollouts that are listed: some years of them.
const LISTED: usize = 100;

#[derive(Debug, Template)]
#[template(path = "office/rollouts.html")]
struct Page {
    shell: Shell,
    mark: String,
    may: bool,
    /// Why nothing can be started here.
    closed: bool,
    /// How many stores a pilot has.
    pilot: usize,
    fresh: Vec<Fresh>,
    lines: Vec<Line>,
    /// What was asked for and cannot be.
    sentence: String,
}

#[derive(Debug)]
struct Fresh {
    slot: String,
    version: u64,
    signer: String,
    size: String,
    added: String,
    note: String,
}

#[derive(Debug)]
struct Line {
    n: u64,
    name: String,
    state: &'static str,
    class: &'static str,
    ring: u32,
    rings: u32,
    used: u64,
    stores: u64,
    changed: String,
}

struct Asked {
    mark: String,
    fresh: Vec<Package>,
    entries: Vec<(Entry, u64, u64)>,
}

impl Asked {
    fn ask(engine: &mut dyn crate::hq::database::engine::Engine) -> Result<Self, HqError> {
        let (mark, fresh) = (rollout::mark(engine)?, packages::fresh(engine)?);
        let (stores, used) = rollout::users(engine)?;
        let of = |entry: Entry| {
            let used = used.get(&(entry.slot.clone(), entry.version)).copied().unwrap_or_default();
            (entry, used, stores)
        };
        let entries = rollout::list(engine)?.into_iter().take(LISTED).map(of).collect();
        Ok(Self { mark, fresh, entries })
    }
}

/// `GET /rollouts`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.sees_rollouts() {
        return missing(shell);
    }
    or_away(&headers, drawn(&office, shell, person.rolls_out(), String::new()).await)
}

async fn drawn(
    office: &Arc<crate::hq::office::Office>,
    shell: Shell,
    may: bool,
    sentence: String,
) -> Result<Response, Away> {
    let Asked { mark, fresh, entries } = office.books.ask(Asked::ask).await?;
    let of_package = |package: Package| Fresh {
        size: super::rollout::size(package.bytes),
        added: shell.time(package.added),
        slot: package.slot,
        version: package.version,
        signer: package.signer,
        note: package.header.note,
    };
    let line = |(entry, used, stores): (Entry, u64, u64)| {
        let (state, class) = state(&shell, entry.state);
        Line {
            n: entry.n,
            name: entry.name(),
            state,
            class,
            ring: entry.ring + 1,
            rings: entry.rings,
            used,
            stores,
            changed: shell.time(entry.changed),
        }
    };
    let page = Page {
        mark,
        may,
        closed: office.rollouts.is_none(),
        pilot: office.rollouts.as_ref().map_or(0, |settings| settings.pilot),
        fresh: fresh.into_iter().map(of_package).collect(),
        lines: entries.into_iter().map(line).collect(),
        sentence,
        shell: shell.clone(),
    };
    Ok(shell::page(&shell, &page))
}

#[derive(Deserialize)]
pub struct Wanted {
    slot: String,
    version: u64,
    /// Stores of the pilot, with blanks or commas between them; empty: they are drawn.
    #[serde(default)]
    pilot: String,
}

/// `POST /rollouts`
pub async fn start(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
    Form(Wanted { slot, version, pilot }): Form<Wanted>,
) -> Response {
    if !person.rolls_out() {
        return missing(shell);
    }
    let Some(settings) = office.rollouts.clone() else { return missing(shell) };
    let named = |c: char| c.is_whitespace() || ",，、".contains(c);
    let pilot: Vec<String> = pilot.split(named).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let who = person.name.clone();
    let asked = office.books.ask(move |engine| {
        match rollout::start(engine, (&slot, version), &pilot, &settings, (&who, clock::now().wall)) {
            Err(HqError::Rollout(sentence)) => Ok(Err(sentence)),
            started => started.map(Ok),
        }
    });
    let answer = async {
        match asked.await? {
            Ok(entry) => Ok(Redirect::to(&format!("/rollouts/{}", entry.n)).into_response()),
            Err(sentence) => {
                let mut answer = drawn(&office, shell, true, sentence).await?;
                *answer.status_mut() = StatusCode::CONFLICT;
                Ok(answer)
            }
        }
    };
    or_away(&headers, answer.await)
}
