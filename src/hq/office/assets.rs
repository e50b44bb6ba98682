//! Stylesheets and script, embedded. They stand under `/a/{digest of all}/{name}`: a new build has new addresses, so they may be
//! kept for ever. The look is the house's: one stylesheet for the stores' pages and these.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

const ASSETS: &[(&str, &str, &str)] = &[
    ("base.css", CSS, include_str!("../../web/assets/base.css")),
    ("office.css", CSS, include_str!("assets/office.css")),
    ("office.js", JS, include_str!("assets/office.js")),
];

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
pub async fn asset(Path((digest, name)): Path<(String, String)>) -> Response {
    let Some((_, kind, text)) = ASSETS.iter().find(|(known, ..)| digest == *DIGEST && *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, *text).into_response()
}
