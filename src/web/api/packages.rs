//! What headquarters has rolled out to this gateway, and what became of it.

use crate::{tasks::packages::PackagesHandle, web::AppState};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// `GET /packages`
pub async fn list(State(state): State<AppState>) -> Response {
    let packages = state.packages.as_ref().map(PackagesHandle::held).unwrap_or_default();
    Json(json!({ "taken": state.packages.is_some(), "packages": packages })).into_response()
}
