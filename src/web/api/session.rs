//! Log-in by PIN. One try is looked at at a time in the whole house, so that tries side by side count like tries in a row.

use super::refused;
use crate::{
    clock,
    domain::Timestamp,
    domain::staff::Person,
    store::{Account, StoreError},
    web::{
        AppState,
        ask::{Body, text},
        doors::{self, Who},
        error::WebError,
        pin,
    },
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

fn person(person: &Person) -> Value {
    let Person { id, name, role } = person;
    json!({ "id": id, "name": name, "role": role.as_str() })
}

/// `GET /people`: whom the PIN pad offers.
pub async fn people(State(state): State<AppState>) -> Result<Response, WebError> {
    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    let lines: Vec<Value> = people.iter().map(|p| json!({ "id": p.id, "name": p.name })).collect();
    Ok(Json(json!({ "people": lines })).into_response())
}

/// `GET /session`
pub async fn current(who: Who) -> Response {
    Json(json!({ "person": who.person().map(person), "idle_minutes": doors::IDLE_MIN })).into_response()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    person: String,
    pin: String,
}

/// `POST /session`
pub async fn begin(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(LogIn { person: id, pin }): Body<LogIn>,
) -> Result<Response, WebError> {
    let id = text("person", &id, 60)?;
    let pin = text("pin", &pin, 20)?;
    let _one = state.log_ins.acquire().await.map_err(|_| WebError::stopping())?;
    let now = clock::now().wall;
    let account = match state.store.account(id.clone()).await {
        Ok(account) => account,
        Err(StoreError::NotFound { .. }) => return Err(wrong()),
        Err(fault) => return Err(refused::store(&fault)),
    };
    let Account { person: found, pin: kept, locked_until } = account;
    if locked_until > now {
        return Err(locked(locked_until, now));
    }
    if kept.is_empty() {
        return Err(no_pin());
    }
    if !pin::is_right(pin, kept).await? {
        let until = state.store.count_wrong_pin(id, now).await.map_err(|fault| refused::store(&fault))?;
        return Err(if until > now { locked(until, now) } else { wrong() });
    }
    if let Some(old) = doors::session_of(&headers) {
        state.store.end_session(old).await.map_err(|fault| refused::store(&fault))?;
    }
    let (token, digest) = pin::token();
    let ends = Timestamp::from_unix_ms(now.unix_ms() + doors::LONGEST_H * 3_600_000);
    state.store.begin_session(id, digest, now, ends).await.map_err(|fault| refused::store(&fault))?;
    state.admissions_changed();
    let body = json!({ "person": person(&found), "idle_minutes": doors::IDLE_MIN });
    Ok(with_cookie(body, &token, doors::LONGEST_H * 3600, state.lan.is_some()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Only if nobody used it for so long that it has run out: another page of this browser may be in use.
    #[serde(default)]
    idle: bool,
}

/// `POST /session/end`: also the lock.
pub async fn end(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(End { idle }): Body<End>,
) -> Result<Response, WebError> {
    if let Some(digest) = doors::session_of(&headers) {
        if idle {
            let now = clock::now().wall;
            let in_use = state.store.session(digest, now, doors::idle_since(now)).await;
            if in_use.map_err(|fault| refused::store(&fault))?.is_some() {
                return Ok(Json(json!({ "ended": false })).into_response());
            }
        }
        state.store.end_session(digest).await.map_err(|fault| refused::store(&fault))?;
        state.admissions_changed();
    }
    Ok(with_cookie(json!({ "ended": true }), "", 0, state.lan.is_some()))
}

fn with_cookie(body: Value, token: &str, seconds: i64, secure: bool) -> Response {
    let mut response = (StatusCode::OK, Json(body)).into_response();
    let secure = if secure { "; Secure" } else { "" };
    let name = doors::COOKIE;
    let text = format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn wrong() -> WebError {
    WebError::new(
        StatusCode::UNAUTHORIZED,
        "wrong_pin",
        "pin",
        "try again; after five wrong PINs in a row the person is locked out for a minute",
        "PIN 不对，请再试一次。",
        "That is not the PIN; try again.",
    )
}

/// Headquarters has named the person; the store gives the PIN.
fn no_pin() -> WebError {
    WebError::new(
        StatusCode::UNAUTHORIZED,
        "no_pin",
        "person",
        "let the manager set a PIN on the page of the staff, or run skinlink staff pin at the machine",
        "还没有 PIN，请店长在“员工与 PIN”里设置。",
        "There is no PIN yet; the manager sets one under Staff and PINs.",
    )
}

fn locked(until: Timestamp, now: Timestamp) -> WebError {
    let seconds = ((until.unix_ms() - now.unix_ms()).max(0) + 999) / 1000;
    let minutes = (seconds + 59) / 60;
    WebError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "locked",
        "person",
        format!("wait {seconds} seconds, or let the manager set a new PIN"),
        format!("PIN 多次输错，请 {minutes} 分钟后再试，或请店长重设。"),
        format!("Too many wrong PINs: try again in {minutes} min, or let the manager set a new one."),
    )
}
