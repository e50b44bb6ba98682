//! Readings, corrected: the probe was on another region than the plan said.

use super::{
    refused,
    visits::{answer, expect},
};
use crate::{
    domain::{ReadingId, Region},
    store::Why,
    web::{
        AppState,
        ask::{Body, Seen, parse, text},
        doors::Who,
        error::WebError,
    },
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Where it was measured.
    region: String,
    #[serde(default)]
    staff: String,
    #[serde(default)]
    reason: String,
}

/// `POST /readings/{id}/reassign`
pub async fn reassign(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(place): Body<Place>,
) -> Result<Response, WebError> {
    let id: ReadingId = parse("reading", &id)?;
    let region: Region = parse("region", &place.region)?;
    let why = Why { staff: who.staff(&text("staff", &place.staff, 40)?), reason: text("reason", &place.reason, 200)? };
    let scan = state.store.reading(id).await.map_err(|fault| refused::store(&fault))?.scan;
    let visit = state.store.scan(scan).await.map_err(|fault| refused::store(&fault))?.visit;
    let done = match expect(&state, visit, seen).await {
        Ok(_) => state.store.move_reading(id, region, why).await.map_err(|fault| refused::store(&fault)),
        Err(stale) => Err(stale),
    };
    if let Err(refused) = done {
        return Err(refused::with_state(&state.store, visit, refused).await);
    }
    answer(&state, visit).await
}
