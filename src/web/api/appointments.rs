//! The day: appointments and walk-ins, who came, who waits.

use super::refused;
use crate::{
    clock,
    domain::{
        AppointmentId, CustomerId, Timestamp,
        appointment::{Appointment, Deed, Origin},
    },
    store::{Booking, Comes, Expected},
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

/// Half a day to either side of now.
const HALF_A_DAY: i64 = 12 * 3_600_000;
/// Within a day to either side of now lies today, wherever the salon's midnight is: its browsers know.
pub(crate) const A_DAY: i64 = 2 * HALF_A_DAY;
const LONGEST_MIN: u32 = 12 * 60;

fn line(appointment: &Appointment) -> Value {
    let Appointment { id, customer, starts, minutes, station, service, staff, origin, state, arrived, visit } =
        appointment;
    json!({
        "id": id.to_string(),
        "customer": customer.to_string(),
        "starts": starts.to_string(),
        "minutes": minutes,
        "station": station,
        "service": service,
        "staff": staff,
        "origin": origin.as_str(),
        "state": state.as_str(),
        "arrived": arrived.map(|at| at.to_string()),
        "visit": visit.map(|id| id.to_string()),
    })
}

/// Whom headquarters expects and no record is known of.
fn stranger(expected: &Expected) -> Value {
    let Expected { id, starts, minutes, station, service, staff, person, perhaps } = expected;
    json!({
        "id": id.to_string(),
        "starts": starts.to_string(),
        "minutes": minutes,
        "station": station,
        "service": service,
        "staff": staff,
        "name": person.name,
        "member": person.member,
        "phone": person.phone,
        "perhaps": perhaps.iter().map(|customer| customer.id.to_string()).collect::<Vec<_>>(),
    })
}

fn round_now(reach: i64) -> (Timestamp, Timestamp) {
    let now = clock::now().wall.unix_ms();
    (Timestamp::from_unix_ms(now - reach), Timestamp::from_unix_ms(now + reach))
}

/// Those of so many milliseconds before and after now.
pub(crate) async fn round(state: &AppState, reach: i64) -> Result<Vec<Appointment>, WebError> {
    let (from, to) = round_now(reach);
    state.store.appointments(from, to).await.map_err(|fault| refused::store(&fault))
}

/// Expected then, and not known.
pub(crate) async fn strangers_round(state: &AppState, reach: i64) -> Result<Vec<Expected>, WebError> {
    let (from, to) = round_now(reach);
    state.store.expected(from, to).await.map_err(|fault| refused::store(&fault))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `GET /appointments`: those of twelve hours before and after now.
pub async fn list(State(state): State<AppState>, Asked(Nothing {}): Asked<Nothing>) -> Result<Response, WebError> {
    let lines: Vec<Value> = round(&state, HALF_A_DAY).await?.iter().map(line).collect();
    let expected: Vec<Value> = strangers_round(&state, HALF_A_DAY).await?.iter().map(stranger).collect();
    Ok(Json(json!({ "appointments": lines, "expected": expected })).into_response())
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
    let deed: Deed = verb.parse().map_err(|_| WebError::not_found("verb; see docs/contracts/api.md"))?;
    let now = state.store.set_appointment(id, deed, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok(Json(line(&now)).into_response())
}

/// Who has come: nothing for whoever is meant for sure, else somebody new.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// This record.
    #[serde(default)]
    customer: Option<String>,
    /// Somebody new, though records come into question.
    #[serde(default)]
    new: bool,
}

/// `POST /expected/{id}/arrive`
pub async fn welcome(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Body(Arrival { customer, new }): Body<Arrival>,
) -> Result<Response, WebError> {
    let id: AppointmentId = parse("appointment", &id)?;
    let comes = match (customer, new) {
        (Some(_), true) => return Err(WebError::malformed("new", "a record, or somebody new; not both")),
        (Some(customer), false) => Comes::This(parse("customer", &customer)?),
        (None, true) => Comes::New,
        (None, false) => Comes::AsTold,
    };
    let staff = who.staff("");
    state.store.welcome(id, comes, staff.clone()).await.map_err(|fault| refused::store(&fault))?;
    let now = state.store.set_appointment(id, Deed::Arrive, staff).await.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok(Json(line(&now)).into_response())
}
