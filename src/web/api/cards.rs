//! One customer: record and card read and changed, entries joined that are one person.

use super::refused;
use crate::{
    domain::{CustomerId, card::Card, customer::Customer},
    web::{
        AppState,
        ask::{Body, parse, required, text},
        doors::Who,
        error::WebError,
        json,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// More visits than any course has.
const LONGEST_COURSE: u32 = 200;

fn whole(customer: &Customer, card: &Card) -> Value {
    let Card { member, allergies, contraindications, pressure, drink, music, course, course_total } = card;
    let mut value = json::customer(customer);
    value["card"] = json!({
        "member": member, "allergies": allergies, "contraindications": contraindications, "pressure": pressure,
        "drink": drink, "music": music, "course": course, "course_total": course_total,
    });
    value
}

/// `GET /customers/{id}`
pub async fn one(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    let id: CustomerId = parse("customer", &id)?;
    let customer = state.store.customer(id).await.map_err(|fault| refused::store(&fault))?;
    let card = state.store.card(id).await.map_err(|fault| refused::store(&fault))?;
    Ok(Json(whole(&customer, &card)).into_response())
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
    alias: Option<String>,
}

/// `POST /customers/{id}/{verb}`: `save`, `join`.
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let id: CustomerId = parse("customer", &id)?;
    match verb.as_str() {
        "save" => save(&state, id, wish, &who).await?,
        "join" => {
            let alias = wish.alias.as_deref().unwrap_or_default();
            let joined = state.store.join_customers(id, parse("alias", alias)?, who.staff("")).await;
            joined.map_err(|fault| refused::store(&fault))?;
        }
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    }
    one(State(state), Path(id.to_string())).await
}

async fn save(state: &AppState, id: CustomerId, wish: Wish, who: &Who) -> Result<(), WebError> {
    let customer = state.store.customer(id).await.map_err(|fault| refused::store(&fault))?;
    let card = state.store.card(id).await.map_err(|fault| refused::store(&fault))?;
    let keep = |place: &str, new: Option<String>, old: String, longest: usize| match new {
        Some(raw) => text(place, &raw, longest),
        None => Ok(old),
    };
    let customer = Customer {
        id,
        name: required("name", &wish.name.unwrap_or(customer.name), 80)?,
        phone: keep("phone", wish.phone, customer.phone, 30)?,
        skin_type: keep("skin_type", wish.skin_type, customer.skin_type, 40)?,
        notes: keep("notes", wish.notes, customer.notes, 500)?,
    };
    let course_total = wish.course_total.unwrap_or(card.course_total);
    if course_total > LONGEST_COURSE {
        return Err(WebError::malformed("course_total", format!("at most {LONGEST_COURSE}")));
    }
    let card = Card {
        member: keep("member", wish.member, card.member, 40)?,
        allergies: keep("allergies", wish.allergies, card.allergies, 300)?,
        contraindications: keep("contraindications", wish.contraindications, card.contraindications, 300)?,
        pressure: keep("pressure", wish.pressure, card.pressure, 60)?,
        drink: keep("drink", wish.drink, card.drink, 60)?,
        music: keep("music", wish.music, card.music, 60)?,
        course: keep("course", wish.course, card.course, 80)?,
        course_total,
    };
    let staff = who.staff("");
    state.store.save_customer(customer, staff.clone()).await.map_err(|fault| refused::store(&fault))?;
    state.store.save_card(id, card, staff).await.map_err(|fault| refused::store(&fault))
}
