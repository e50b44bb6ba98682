//! Staff: added, changed, given a new PIN, retired. The manager's door.

use super::refused;
use crate::{
    domain::staff::{BadPin, Person, Role, acceptable_pin},
    store::Member,
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
pub struct Added {
    id: String,
    name: String,
    role: String,
    pin: String,
}

#[derive(Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    name: Option<String>,
    role: Option<String>,
    pin: Option<String>,
}

/// `GET /staff`
pub async fn list(State(state): State<AppState>) -> Result<Response, WebError> {
    let members = state.store.members().await.map_err(|fault| refused::store(&fault))?;
    let line = |member: &Member| {
        let mut line = told(&member.person);
        (line["from_headquarters"], line["has_pin"]) = (member.from_hq.into(), member.has_pin.into());
        line
    };
    let lines: Vec<Value> = members.iter().map(line).collect();
    Ok(Json(json!({ "staff": lines })).into_response())
}

/// `POST /staff`: a new person, under a number that nobody has or had.
pub async fn add(State(state): State<AppState>, who: Who, Body(new): Body<Added>) -> Result<Response, WebError> {
    let role: Role = parse("role", &new.role)?;
    let id = required("id", &new.id, 20)?;
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(WebError::malformed("id", "letters, digits and dashes, such as b-07: it goes into records"));
    }
    let person = Person { id, name: required("name", &new.name, 40)?, role };
    let (body, digest) = (told(&person), digest(new.pin).await?);
    state.store.add_person(person, digest, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.admissions_changed();
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// `POST /staff/{id}/{verb}`: `save` (what is left out stays), `retire`.
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Body(wish): Body<Changed>,
) -> Result<Response, WebError> {
    let body = match verb.as_str() {
        "save" => save(&state, id, wish, &who).await?,
        // A change that came along would be lost without a word.
        "retire" if wish != Changed::default() => return Err(WebError::malformed("body", "retire takes no fields")),
        "retire" => {
            state.store.retire_person(id, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
            json!({})
        }
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    state.admissions_changed();
    Ok(Json(body).into_response())
}

async fn save(state: &AppState, id: String, wish: Changed, who: &Who) -> Result<Value, WebError> {
    let was = state.store.account(id).await.map_err(|fault| refused::store(&fault))?.person;
    let person = Person {
        name: wish.name.map_or(Ok(was.name), |name| required("name", &name, 40))?,
        role: wish.role.map_or(Ok(was.role), |role| parse("role", &role))?,
        id: was.id,
    };
    let digest = match wish.pin {
        None => None,
        Some(pin) => Some(digest(pin).await?),
    };
    let body = told(&person);
    state.store.change_person(person, digest, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    Ok(body)
}

fn told(person: &Person) -> Value {
    let Person { id, name, role } = person;
    json!({ "id": id, "name": name, "role": role.as_str() })
}

async fn digest(pin: String) -> Result<String, WebError> {
    acceptable_pin(&pin).map_err(bad_pin)?;
    pin::hash(pin).await
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
