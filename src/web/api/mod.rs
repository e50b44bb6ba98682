//! The calls of `/api/v1`, one file per thing.

pub mod appointments;
pub mod captures;
pub mod cards;
pub mod customers;
pub mod day_log;
pub mod devices;
pub mod folder;
pub mod follow_ups;
pub mod gates;
pub mod mirrors;
pub mod models;
pub mod packages;
pub mod points;
pub mod readings;
pub mod refused;
pub mod reports;
pub mod scans;
pub mod session;
pub mod sheets;
pub mod staff;
pub mod status;
pub mod step_notes;
pub mod tablets;
pub mod tray;
pub mod visits;

use super::error::WebError;
use crate::{
    domain::VisitId,
    store::{Store, VisitView},
    tasks::live::{Live, News},
};
use axum::http::{HeaderValue, StatusCode, header};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::Value;

/// Any other path below `/api/v1`.
pub async fn unknown() -> WebError {
    WebError::not_found("path; see docs/contracts/api.md")
}

/// A path that is there, with another method.
pub async fn wrong_method() -> WebError {
    WebError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "method",
        "GET reads, POST writes; see docs/contracts/api.md",
        "这个地址不支持该操作。",
        "This address does not take that method.",
    )
}

/// JSON with the version of its visit as `ETag`.
fn tagged(status: StatusCode, version: u64, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes are a header value");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// The visit in full.
pub(crate) async fn view(store: &Store, visit: VisitId) -> Result<VisitView, WebError> {
    store.visit_view(visit).await.map_err(|fault| refused::store(&fault))
}

/// Tells the pages that a visit changed.
async fn changed(live: &Live, view: &VisitView) {
    let visit = &view.visit;
    live.publish(News::Visit {
        visit: visit.id.to_string(),
        station: visit.station.clone(),
        version: visit.version,
        state: visit.state.to_string(),
    })
    .await;
}
