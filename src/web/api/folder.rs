//! Photographs that wait in a station's folder: listed, shown, given to the scan at the station, put away.

use super::{captures::refused_at_the_door, refused};
use crate::{
    analysis::door,
    tasks::live::News,
    web::{
        AppState,
        doors::Who,
        error::WebError,
        folder::{self, Not, Source, Waiting},
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

fn source<'a>(state: &'a AppState, station: &str) -> Result<&'a Source, WebError> {
    let found = state.folders.iter().find(|source| source.station == station);
    found.ok_or_else(|| WebError::not_found(format!("a folder of photographs for station {station}")))
}

async fn waits(state: &AppState, station: &str, picture: &str) -> Result<(Source, Waiting), WebError> {
    let source = source(state, station)?.clone();
    let found = folder::waiting(&source.folder).await.into_iter().find(|waiting| waiting.id == picture);
    found.map(|waiting| (source, waiting)).ok_or_else(|| WebError::not_found(format!("photograph {picture}")))
}

/// `GET /folder/{station}`
pub async fn list(State(state): State<AppState>, Path(station): Path<String>) -> Result<Response, WebError> {
    let waiting = folder::waiting(&source(&state, &station)?.folder).await;
    let lines: Vec<Value> = waiting.iter().map(|one| json!({ "id": one.id })).collect();
    Ok(Json(json!({ "pictures": lines })).into_response())
}

/// `GET /folder/{station}/{picture}/picture`
pub async fn picture(
    State(state): State<AppState>,
    Path((station, picture)): Path<(String, String)>,
) -> Result<Response, WebError> {
    let (_, waiting) = waits(&state, &station, &picture).await?;
    let bytes = folder::waiting_bytes(waiting.path).await;
    let bytes = bytes.ok_or_else(|| WebError::not_found(format!("photograph {picture}")))?;
    let kind = door::sniff(&bytes).map_or("application/octet-stream", |format| format.as_str());
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

/// `POST /folder/{station}/{picture}/{verb}`: `take` (into the scan at the station), `dismiss`.
pub async fn act(
    State(state): State<AppState>,
    Path((station, picture, verb)): Path<(String, String, String)>,
    who: Who,
) -> Result<Response, WebError> {
    let (source, waiting) = waits(&state, &station, &picture).await?;
    let gone = match verb.as_str() {
        "take" => take(&state, &source, waiting).await?,
        "dismiss" => folder::dismiss(&source.folder, &waiting.path).await,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    if !gone {
        return Err(stays());
    }
    tracing::info!(station, verb, staff = who.staff(""), "a photograph of the folder was seen to");
    state.live.publish(News::Day {}).await;
    Ok(Json(json!({})).into_response())
}

async fn take(state: &AppState, source: &Source, waiting: Waiting) -> Result<bool, WebError> {
    let bytes = folder::waiting_bytes(waiting.path.clone()).await;
    let bytes = bytes.ok_or_else(|| WebError::not_found(format!("photograph {}", waiting.id)))?;
    let walked =
        tokio::task::spawn_blocking(move || door::admit(&bytes)).await.map_err(|fault| WebError::fault(&fault))?;
    let admitted = walked.map_err(|fault| refused_at_the_door(&fault))?;
    match folder::give(state, source, admitted).await {
        Ok(()) => Ok(folder::remove(&waiting.path).await),
        Err(Not::Here(why)) => Err(why),
        Err(Not::Now) => Err(refused::store(&crate::store::StoreError::Full)),
    }
}

fn stays() -> WebError {
    WebError::new(
        StatusCode::CONFLICT,
        "wrong_state",
        "folder",
        "give the gateway the right to write in the folder of photographs",
        "网关不能改动照片文件夹，请技术人员检查它的权限。",
        "The gateway may not change the folder of photographs; the technician has to look at its rights.",
    )
}
