//! What the store's pages are drawn with.

use super::error::WebError;
use crate::doorway::assets::{Asset, Assets};
use axum::{extract::Path, response::Response};

static ASSETS: Assets = Assets::new(&[
    Asset::css("base.css", include_str!("assets/base.css")),
    Asset::css("station.css", include_str!("assets/station.css")),
    Asset::css("report.css", include_str!("assets/report.css")),
    Asset::js("base.js", include_str!("assets/base.js")),
    Asset::js("home.js", include_str!("assets/home.js")),
    Asset::js("station.js", include_str!("assets/station.js")),
    Asset::js("showing.js", include_str!("assets/showing.js")),
    Asset::js("signature.js", include_str!("assets/signature.js")),
    Asset::js("photograph.js", include_str!("assets/photograph.js")),
    Asset::css("points.css", include_str!("assets/points.css")),
    Asset::js("points.js", include_str!("assets/points.js")),
    Asset::js("camera.js", include_str!("assets/camera.js")),
    Asset::css("manager.css", include_str!("assets/manager.css")),
    Asset::js("compare.js", include_str!("assets/compare.js")),
    Asset::js("login.js", include_str!("assets/login.js")),
    Asset::js("trust.js", include_str!("assets/trust.js")),
    Asset::js("report.js", include_str!("assets/report.js")),
    Asset::css("mirror.css", include_str!("assets/mirror.css")),
    Asset::js("mirror.js", include_str!("assets/mirror.js")),
]);

/// Folder of the assets of this build: `/a/0123456789abcdef`.
#[must_use]
pub fn folder() -> String {
    ASSETS.folder()
}

/// `GET /a/{digest}/{name}`
pub async fn asset(Path((digest, name)): Path<(String, String)>) -> Result<Response, WebError> {
    ASSETS.answer(&digest, &name).ok_or_else(|| WebError::not_found("asset"))
}
