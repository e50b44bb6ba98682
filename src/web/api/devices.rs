//! Devices: the day of their last calibration, which goes into the conditions of every scan.

use super::refused;
use crate::{
    domain::sheet::is_day,
    web::{
        AppState,
        ask::{Body, required},
        doors::Who,
        error::WebError,
    },
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    protocol: String,
    serial: String,
    /// `2026-12-04`
    day: String,
}

/// `POST /devices/calibration`
pub async fn calibrated(
    State(state): State<AppState>,
    who: Who,
    Body(Calibration { protocol, serial, day }): Body<Calibration>,
) -> Result<Response, WebError> {
    let (protocol, serial) = (required("protocol", &protocol, 60)?, required("serial", &serial, 80)?);
    if !is_day(&day) {
        return Err(WebError::malformed("day", format!("expected a day such as 2026-12-04, not {day:?}")));
    }
    let kept = state.store.set_calibration(protocol, serial, day, who.staff("")).await;
    kept.map_err(|fault| refused::store(&fault))?;
    Ok(Json(json!({})).into_response())
}
