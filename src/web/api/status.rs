//! The house at a glance.

use super::refused;
use crate::{
    clock,
    web::{AppState, Headquarters, error::WebError},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// `GET /stations`
pub async fn stations(State(state): State<AppState>) -> Result<Response, WebError> {
    let mut found = Vec::new();
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        let id = station.id().to_owned();
        let visit = state.store.visit_at(id.clone()).await.map_err(|fault| refused::store(&fault))?;
        let tray = state.store.tray(id.clone()).await.map_err(|fault| refused::store(&fault))?;
        found.push(json!({
            "id": id,
            "label": { "zh": station.label().zh, "en": station.label().en },
            "devices": view.devices,
            "visit": visit.map(|visit| json!({ "id": visit.id.to_string(), "version": visit.version })),
            "scan": view.scan.map(|told| told.scan),
            "tray": tray.len(),
        }));
    }
    Ok(Json(json!({ "stations": found })).into_response())
}

/// `GET /status`
pub async fn status(State(state): State<AppState>) -> Result<Response, WebError> {
    let backlog = state.store.backlog().await.map_err(|fault| refused::store(&fault))?;
    let mut stations: Vec<Value> = Vec::new();
    for station in state.stations.iter() {
        let view = station.view().await.map_err(|fault| refused::station(&fault))?;
        stations.push(json!({ "id": station.id(), "devices": view.devices }));
    }
    let Headquarters { connection, alarm } = state.sync.borrow().clone();
    let now = clock::now();
    let body = json!({
        "version": state.about.version,
        "clock": now.clock.as_str(),
        "now": now.wall.to_string(),
        "backlog": { "waiting": backlog.events, "dead": backlog.dead_letters, "images": backlog.images },
        "sync": connection,
        "alarm": alarm,
        "stations": stations,
    });
    Ok(Json(body).into_response())
}
