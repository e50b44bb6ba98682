//! What the office's pages are drawn with. The look is the house's: one stylesheet for the stores' pages and these.

use crate::doorway::assets::{Asset, Assets};
use axum::{
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};

static ASSETS: Assets = Assets::new(&[
    Asset::css("base.css", include_str!("../../web/assets/base.css")),
    Asset::css("office.css", include_str!("assets/office.css")),
    Asset::js("office.js", include_str!("assets/office.js")),
]);

/// Folder of the assets of this build: `/a/0123456789abcdef`.
#[must_use]
pub fn folder() -> String {
    ASSETS.folder()
}

/// `GET /a/{digest}/{name}`
pub async fn asset(Path((digest, name)): Path<(String, String)>) -> Response {
    ASSETS.answer(&digest, &name).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}
