//! Values that came unasked: listed, and given to a scan by a person.

use super::{refused, scans::told};
use crate::{
    domain::{Region, RepeatId, ScanId},
    tasks::live::News,
    web::{
        AppState,
        ask::{Asked, Body, Seen, parse, text},
        doors::Who,
        error::WebError,
        json,
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
use serde_json::json;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    station: Option<String>,
}

/// `GET /tray`
pub async fn list(State(state): State<AppState>, Asked(which): Asked<Which>) -> Result<Response, WebError> {
    let wanted = |id: &str| which.station.as_deref().is_none_or(|station| station == id);
    let mut items = Vec::new();
    for station in state.stations.iter().filter(|station| wanted(station.id())) {
        let tray = state.store.tray(station.id().to_owned()).await.map_err(|fault| refused::store(&fault))?;
        items.extend(tray.iter().map(json::tray_item));
    }
    Ok(Json(json!({ "tray": items })).into_response())
}

/// `POST /tray/{repeat}/dismiss`: nobody's; it stays stored and is shown no more.
pub async fn dismiss(
    State(state): State<AppState>,
    Path(repeat): Path<String>,
    who: Who,
) -> Result<Response, WebError> {
    let repeat: RepeatId = parse("repeat", &repeat)?;
    state.store.dismiss(repeat, who.staff("")).await.map_err(|fault| refused::store(&fault))?;
    state.live.publish(News::Day {}).await;
    Ok(Json(json!({})).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    scan: String,
    region: String,
    #[serde(default)]
    staff: String,
}

/// `POST /tray/{repeat}/bind`
pub async fn bind(
    State(state): State<AppState>,
    Path(repeat): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(binding): Body<Binding>,
) -> Result<Response, WebError> {
    let repeat: RepeatId = parse("repeat", &repeat)?;
    let scan: ScanId = parse("scan", &binding.scan)?;
    let region: Region = parse("region", &binding.region)?;
    let staff = who.staff(&text("staff", &binding.staff, 40)?);
    let visit = state.store.scan(scan).await.map_err(|fault| refused::store(&fault))?.visit;
    let station = state.store.visit(visit).await.map_err(|fault| refused::store(&fault))?.station;
    let bound = state.chair(&station)?.bind(repeat, scan, region, seen, staff).await;
    told(&state, visit, bound, StatusCode::OK).await
}
