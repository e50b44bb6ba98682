//! The day: appointments and walk-ins, who came, who waits.

use super::refused;
use crate::{
    clock,
    domain::{
        AppointmentId, CustomerId, Timestamp,
        appointment::{Appointment, AppointmentState, Origin},
    },
    store::Booking,
    tasks::live::News,
    web::{
        AppState,
        ask::{Asked, Body, parse, text},
        doors::Who,
        error::WebError,
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

/// Half a day to either side of now is today, wherever the salon's midnight is.
const HALF_A_DAY: i64 = 12 * 3_600_000;
const LONGEST_MIN: u32 = 12 * 60;

fn line(appointment: &Appointment) -> Value {
    let Appointment { id, customer, starts, minutes, station, service, origin, state, arrived, visit } = appointment;
    json!({
        "id": id.to_string(),
        "customer": customer.to_string(),
        "starts": starts.to_string(),
        "minutes": minutes,
        "station": station,
        "service": service,
        "origin": origin.as_str(),
        "state": state.as_str(),
        "arrived": arrived.map(|at| at.to_string()),
        "visit": visit.map(|id| id.to_string()),
    })
}

/// Those round now.
pub(crate) async fn of_today(state: &AppState) -> Result<Vec<Appointment>, WebError> {
    let now = clock::now().wall.unix_ms();
    let at = Timestamp::from_unix_ms;
    let found = state.store.appointments(at(now - HALF_A_DAY), at(now + HALF_A_DAY)).await;
    found.map_err(|fault| refused::store(&fault))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `GET /appointments`: those of twelve hours before and after now.
pub async fn list(State(state): State<AppState>, Asked(Nothing {}): Asked<Nothing>) -> Result<Response, WebError> {
    let lines: Vec<Value> = of_today(&state).await?.iter().map(line).collect();
    Ok(Json(json!({ "appointments": lines })).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct New {
    customer: String,
    /// RFC 3339 in UTC; left out: the customer walked in just now and waits.
    #[serde(default)]
    starts: Option<String>,
    #[serde(default)]
    minutes: Option<u32>,
    #[serde(default)]
    station: String,
    #[serde(default)]
    service: String,
}

/// `POST /appointments`
pub async fn add(State(state): State<AppState>, who: Who, Body(new): Body<New>) -> Result<Response, WebError> {
    let customer: CustomerId = parse("customer", &new.customer)?;
    let station = text("station", &new.station, 60)?;
    if !station.is_empty() {
        state.chair(&station)?;
    }
    let minutes = new.minutes.unwrap_or(60);
    if minutes == 0 || minutes > LONGEST_MIN {
        return Err(WebError::malformed("minutes", format!("1 to {LONGEST_MIN}")));
    }
    let (starts, origin) = match &new.starts {
        Some(when) => (parse::<Timestamp>("starts", when)?, Origin::Store),
        None => (clock::now().wall, Origin::WalkIn),
    };
    let service = text("service", &new.service, 80)?;
    let booking = Booking { customer, starts, minutes, station, service, origin };
    let booked = state.store.book(booking, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok((StatusCode::CREATED, Json(line(&booked))).into_response())
}

/// `POST /appointments/{id}/{verb}`: `arrive`, `miss`, `undo`.
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
) -> Result<Response, WebError> {
    let id: AppointmentId = parse("appointment", &id)?;
    let to = match verb.as_str() {
        "arrive" => AppointmentState::Waiting,
        "miss" => AppointmentState::Missed,
        "undo" => AppointmentState::Booked,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    let now = state.store.set_appointment(id, to, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok(Json(line(&now)).into_response())
}
