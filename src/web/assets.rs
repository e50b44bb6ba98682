//! Stylesheets and scripts, embedded. They stand under `/a/{digest of all}/{name}`: a new build has new addresses, so
//! they may be kept for ever, and modules may import one another by relative names.

use super::error::WebError;
use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

const ASSETS: &[(&str, &str, &str)] = &[
    ("base.css", CSS, include_str!("assets/base.css")),
    ("station.css", CSS, include_str!("assets/station.css")),
    ("report.css", CSS, include_str!("assets/report.css")),
    ("base.js", JS, include_str!("assets/base.js")),
    ("home.js", JS, include_str!("assets/home.js")),
    ("station.js", JS, include_str!("assets/station.js")),
    ("showing.js", JS, include_str!("assets/showing.js")),
    ("signature.js", JS, include_str!("assets/signature.js")),
    ("photograph.js", JS, include_str!("assets/photograph.js")),
    ("points.css", CSS, include_str!("assets/points.css")),
    ("points.js", JS, include_str!("assets/points.js")),
    ("camera.js", JS, include_str!("assets/camera.js")),
    ("manager.css", CSS, include_str!("assets/manager.css")),
    ("compare.js", JS, include_str!("assets/compare.js")),
    ("login.js", JS, include_str!("assets/login.js")),
    ("trust.js", JS, include_str!("assets/trust.js")),
    ("report.js", JS, include_str!("assets/report.js")),
    ("mirror.css", CSS, include_str!("assets/mirror.css")),
    ("mirror.js", JS, include_str!("assets/mirror.js")),
];

/// The first 16 hex digits of the SHA-256 over all assets.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = openssl::sha::Sha256::new();
    for (name, _, text) in ASSETS {
        hasher.update(name.as_bytes());
        hasher.update(text.as_bytes());
    }
    hex::encode(&hasher.finish()[..8])
});

/// Folder of the assets of this build: `/a/0123456789abcdef`.
#[must_use]
pub fn folder() -> String {
    format!("/a/{}", *DIGEST)
}

/// `GET /a/{digest}/{name}`
pub async fn asset(Path((digest, name)): Path<(String, String)>) -> Result<Response, WebError> {
    let found = ASSETS.iter().find(|(known, ..)| digest == *DIGEST && *known == name);
    let (_, kind, text) = found.ok_or_else(|| WebError::not_found("asset"))?;
    let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, *text).into_response())
}
