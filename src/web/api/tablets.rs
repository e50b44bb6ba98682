//! Tablets: the manager shows a code, the tablet enters it once. Whoever is in the guests' Wi-Fi may try codes: twelve digits
//! are too many to try in ten minutes, so wrong ones cost nothing but the time of whoever tries, and take no offer back.

use super::refused;
use crate::{
    clock,
    domain::Timestamp,
    web::{
        AppState,
        ask::{Body, parse, required},
        doors::Who,
        error::WebError,
        lan, pin,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use openssl::sha::sha256;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Long enough to walk to the tablet.
const OFFERED_MIN: i64 = 10;
/// What browsers keep a cookie for at most: 400 days.
const KEPT_S: u64 = 34_560_000;

/// `GET /tablets`
pub async fn list(State(state): State<AppState>) -> Result<Response, WebError> {
    let tablets = state.store.tablets().await.map_err(|fault| refused::store(&fault))?;
    let line = |(n, name, at): &(i64, String, Timestamp)| json!({ "n": n, "name": name, "enrolled": at.to_string() });
    Ok(Json(json!({ "tablets": tablets.iter().map(line).collect::<Vec<Value>>() })).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    name: String,
}

/// `POST /tablets`: a code for one tablet.
pub async fn offer(State(state): State<AppState>, who: Who, Body(offer): Body<Offer>) -> Result<Response, WebError> {
    let name = required("name", &offer.name, 40)?;
    if who == Who::Anyone {
        return Err(WebError::new(
            StatusCode::CONFLICT,
            "wrong_state",
            "staff",
            "add the first manager, then enrol tablets",
            "请先登记店长，再登记平板。",
            "Add the first manager, then enrol tablets.",
        ));
    }
    // Tried a thousand times a second for ten minutes: one in a million.
    let code = pin::digits(12);
    let ends = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + OFFERED_MIN * 60_000);
    let kept = state.store.offer_enrolment(name, sha256(code.as_bytes()), ends, who.staff("")).await;
    kept.map_err(|fault| refused::store(&fault))?;
    Ok((StatusCode::CREATED, Json(json!({ "code": code, "minutes": OFFERED_MIN }))).into_response())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    code: String,
}

/// `POST /enrolment`
pub async fn enrol(State(state): State<AppState>, Body(given): Body<Enrolment>) -> Result<Response, WebError> {
    let digits: String = given.code.chars().filter(char::is_ascii_digit).collect();
    // One at a time in the order of their coming, and apart from the log-ins: a flood of codes waits for itself.
    let _one = state.enrolments.acquire().await.map_err(|_| WebError::stopping())?;
    let (token, digest) = pin::token();
    let good = state.store.enrol(sha256(digits.as_bytes()), digest, clock::now().wall).await;
    if !good.map_err(|fault| refused::store(&fault))? {
        return Err(WebError::new(
            StatusCode::UNAUTHORIZED,
            "wrong_code",
            "code",
            "ask the manager for a new code: each is good once and for ten minutes",
            "登记码不对或已过期，请店长给一个新的。",
            "That code is wrong or too old; ask the manager for a new one.",
        ));
    }
    let mut response = Json(json!({})).into_response();
    let secure = if state.lan.is_some() { "; Secure" } else { "" };
    let text = format!("{}={token}; Path=/; Max-Age={KEPT_S}; HttpOnly; SameSite=Strict{secure}", lan::COOKIE);
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// `POST /tablets/{n}/forget`
pub async fn forget(State(state): State<AppState>, Path(n): Path<String>, who: Who) -> Result<Response, WebError> {
    let n: i64 = parse("tablet", &n)?;
    state.store.forget_tablet(n, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.admissions_changed();
    Ok(Json(json!({})).into_response())
}
