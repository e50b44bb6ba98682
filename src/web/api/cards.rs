//! One customer: record and card read and changed, entries joined that are one person.

use super::{refused, tagged};
use crate::{
    clock,
    domain::{CustomerId, card::Card, customer::Customer},
    store::Record,
    web::{
        AppState,
        ask::{Body, Seen, parse, required, text},
        doors::Who,
        error::WebError,
        json, looks,
    },
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// More visits than any course has.
const LONGEST_COURSE: u32 = 200;

/// Record and card with their version.
pub fn whole(record: &Record) -> Value {
    let Record { customer, card, version } = record;
    let Card { member, allergies, contraindications, pressure, drink, music, course, course_total, course_since } =
        card;
    let mut value = json::customer(customer);
    value["version"] = json!(version);
    value["card"] = json!({
        "member": member, "allergies": allergies, "contraindications": contraindications, "pressure": pressure,
        "drink": drink, "music": music, "course": course, "course_total": course_total,
        "course_since": course_since.map(|at| at.to_string()),
    });
    value
}

/// `GET /customers/{id}`: under an alias the person's main entry.
pub async fn one(State(state): State<AppState>, Path(id): Path<String>, who: Who) -> Result<Response, WebError> {
    let id: CustomerId = parse("customer", &id)?;
    let record = state.store.record(id).await.map_err(|fault| refused::store(&fault))?;
    looks::note(&state, &who, "looked.customer", [record.customer.id]).await;
    Ok(tagged(StatusCode::OK, record.version, whole(&record)))
}

/// What is left out stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    name: Option<String>,
    phone: Option<String>,
    skin_type: Option<String>,
    notes: Option<String>,
    member: Option<String>,
    allergies: Option<String>,
    contraindications: Option<String>,
    pressure: Option<String>,
    drink: Option<String>,
    music: Option<String>,
    course: Option<String>,
    course_total: Option<u32>,
    /// A course begins anew: visits count from now on. So does one with another name.
    #[serde(default)]
    course_anew: bool,
    alias: Option<String>,
}

/// `POST /customers/{id}/{verb}`: `save`, `join`.
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Seen(seen): Seen,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let id: CustomerId = parse("customer", &id)?;
    let staff = who.staff("");
    match verb.as_str() {
        "save" => {
            let wish = checked(wish)?;
            let saved = state.store.change_record(id, seen, |customer, card| apply(wish, customer, card), staff).await;
            saved.map_err(|fault| refused::store(&fault))?;
        }
        "join" => {
            let alias = parse("alias", wish.alias.as_deref().unwrap_or_default())?;
            let joined = state.store.join_customers(id, alias, Some(seen), staff).await;
            joined.map_err(|fault| refused::store(&fault))?;
        }
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    }
    one(State(state), Path(id.to_string()), who).await
}

fn checked(wish: Wish) -> Result<Wish, WebError> {
    let short = |place: &str, raw: Option<String>, longest| raw.map(|raw| text(place, &raw, longest)).transpose();
    if wish.course_total.is_some_and(|total| total > LONGEST_COURSE) {
        return Err(WebError::malformed("course_total", format!("at most {LONGEST_COURSE}")));
    }
    Ok(Wish {
        name: wish.name.map(|raw| required("name", &raw, 80)).transpose()?,
        phone: short("phone", wish.phone, 30)?,
        skin_type: short("skin_type", wish.skin_type, 40)?,
        notes: short("notes", wish.notes, 500)?,
        member: short("member", wish.member, 40)?,
        allergies: short("allergies", wish.allergies, 300)?,
        contraindications: short("contraindications", wish.contraindications, 300)?,
        pressure: short("pressure", wish.pressure, 60)?,
        drink: short("drink", wish.drink, 60)?,
        music: short("music", wish.music, 60)?,
        course: short("course", wish.course, 80)?,
        course_total: wish.course_total,
        course_anew: wish.course_anew,
        alias: wish.alias,
    })
}

fn apply(wish: Wish, customer: &mut Customer, card: &mut Card) {
    let Wish { name, phone, skin_type, notes, member, allergies, contraindications, .. } = wish;
    let Wish { pressure, drink, music, course, course_total, course_anew, .. } = wish;
    if course_anew || course.as_ref().is_some_and(|course| *course != card.course) {
        card.course_since = Some(clock::now().wall);
    }
    let set = |field: &mut String, new: Option<String>| {
        if let Some(new) = new {
            *field = new;
        }
    };
    set(&mut customer.name, name);
    set(&mut customer.phone, phone);
    set(&mut customer.skin_type, skin_type);
    set(&mut customer.notes, notes);
    set(&mut card.member, member);
    set(&mut card.allergies, allergies);
    set(&mut card.contraindications, contraindications);
    set(&mut card.pressure, pressure);
    set(&mut card.drink, drink);
    set(&mut card.music, music);
    set(&mut card.course, course);
    card.course_total = course_total.unwrap_or(card.course_total);
}
