//! Staff: added, changed, given a new PIN, retired. The manager's door.

use super::refused;
use crate::{
    domain::staff::{BadPin, Person, Role, acceptable_pin},
    web::{
        AppState,
        ask::{Body, parse, required},
        doors::Who,
        error::WebError,
        pin,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    id: String,
    name: String,
    role: String,
    #[serde(default)]
    pin: Option<String>,
}

/// `GET /staff`
pub async fn list(State(state): State<AppState>) -> Result<Response, WebError> {
    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    let lines: Vec<Value> =
        people.iter().map(|p| json!({ "id": p.id, "name": p.name, "role": p.role.as_str() })).collect();
    Ok(Json(json!({ "staff": lines })).into_response())
}

/// `POST /staff`: a new person (with a PIN), a change, a new PIN.
pub async fn save(State(state): State<AppState>, who: Who, Body(saved): Body<Saved>) -> Result<Response, WebError> {
    let role: Role = parse("role", &saved.role)?;
    let id = required("id", &saved.id, 20)?;
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(WebError::malformed("id", "letters, digits and dashes, such as b-07: it goes into records"));
    }
    let person = Person { id, name: required("name", &saved.name, 40)?, role };
    let digest = match saved.pin {
        None => None,
        Some(text) => {
            acceptable_pin(&text).map_err(bad_pin)?;
            Some(pin::hash(text).await?)
        }
    };
    let body = json!({ "id": person.id, "name": person.name, "role": role.as_str() });
    state.store.save_person(person, digest, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// `POST /staff/{id}/retire`
pub async fn retire(State(state): State<AppState>, Path(id): Path<String>, who: Who) -> Result<Response, WebError> {
    state.store.retire_person(id, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    Ok(Json(json!({})).into_response())
}

fn bad_pin(why: BadPin) -> WebError {
    let (now, zh, en) = match why {
        BadPin::Shape => ("send 4 to 12 digits", "PIN 为 4 到 12 位数字。", "A PIN has 4 to 12 digits."),
        BadPin::Obvious => (
            "choose digits that are neither one repeated nor a run",
            "这个 PIN 太好猜，请不要用相同或连续的数字。",
            "That PIN is guessed first; use no single digit repeated and no run.",
        ),
    };
    WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_pin", "pin", now, zh, en)
}
