//! What is due to customers after their visits. Listed for people; nothing is sent from here.

use super::refused;
use crate::{
    clock,
    domain::{
        Timestamp, VisitId,
        customer::SkinType,
        follow_up::{self, FollowUp, Kind},
    },
    store::EndedVisit,
    tasks::live::News,
    web::{AppState, ask::parse, doors::Who, error::WebError, looks},
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

/// How far ahead the list looks.
const AHEAD_DAYS: i32 = 7;

/// One that is due, with the visit that it follows.
#[derive(Debug)]
pub(crate) struct Due {
    pub of: EndedVisit,
    pub what: FollowUp,
    /// Whether its time has come.
    pub now: bool,
}

/// What is due until a week from now, the first due first.
pub(crate) async fn due(state: &AppState, now: Timestamp) -> Result<Vec<Due>, WebError> {
    let calendar = &state.about.calendar;
    let today = calendar.zone.day(now);
    let since = follow_up::oldest(now, calendar);
    let past = state.store.ended_visits(since, now, today).await.map_err(|fault| refused::store(&fault))?;
    let until = calendar.zone.start(today.plus(AHEAD_DAYS + 1));
    let mut list = Vec::new();
    for of in past {
        list.extend(of.ended.due(now, until, calendar).into_iter().map(|what| Due {
            of: of.clone(),
            what,
            now: what.due <= now,
        }));
    }
    list.sort_by_key(|one| one.what.due);
    Ok(list)
}

fn line(one: &Due) -> Value {
    json!({
        "visit": one.of.visit.to_string(),
        "customer": one.of.customer.id.to_string(),
        "kind": one.what.kind.as_str(),
        "due": one.what.due.to_string(),
        "now": one.now,
        "days": one.what.days,
        "skin_type": one.of.ended.skin.map(SkinType::as_str),
        "ended": one.of.ended.at.to_string(),
    })
}

/// `GET /follow-ups`
pub async fn list(State(state): State<AppState>, who: Who) -> Result<Json<Value>, WebError> {
    let found = due(&state, clock::now().wall).await?;
    looks::note(&state, &who, "looked.follow_ups", found.iter().map(|one| one.of.customer.id)).await;
    Ok(Json(json!({ "follow_ups": found.iter().map(line).collect::<Vec<_>>() })))
}

/// `POST /follow-ups/{id}/{kind}/{verb}`: `done`, or `undo`.
pub async fn act(
    State(state): State<AppState>,
    Path((visit, kind, verb)): Path<(String, String, String)>,
    who: Who,
) -> Result<Json<Value>, WebError> {
    let done = match verb.as_str() {
        "done" => true,
        "undo" => false,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    let (visit, kind): (VisitId, Kind) = (parse("visit", &visit)?, parse("kind", &kind)?);
    if !Kind::OF_A_VISIT.contains(&kind) {
        return Err(WebError::not_found("kind of a visit; see docs/contracts/api.md"));
    }
    let written = state.store.follow_up(visit, kind, done, who.staff("")).await;
    written.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok(Json(json!({ "visit": visit.to_string(), "kind": kind.as_str(), "done": done })))
}
