//! Stylesheets and scripts, embedded. They stand under `/a/{digest of all}/{name}`: a new build has new addresses, so they may be kept for
//! ever, and modules may import one another by relative names.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::OnceLock;

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    #[must_use]
    pub const fn css(name: &'static str, text: &'static str) -> Self {
        Self { name, kind: "text/css; charset=utf-8", text }
    }

    #[must_use]
    pub const fn js(name: &'static str, text: &'static str) -> Self {
        Self { name, kind: "text/javascript; charset=utf-8", text }
    }
}

/// All files of one program's pages.
#[derive(Debug)]
pub struct Assets {
    all: &'static [Asset],
    digest: OnceLock<String>,
}

impl Assets {
    #[must_use]
    pub const fn new(all: &'static [Asset]) -> Self {
        Self { all, digest: OnceLock::new() }
    }

    /// The first 16 hex digits of the SHA-256 over all of them.
    fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let mut hasher = openssl::sha::Sha256::new();
            for Asset { name, text, .. } in self.all {
                hasher.update(name.as_bytes());
                hasher.update(text.as_bytes());
            }
            hex::encode(&hasher.finish()[..8])
        })
    }

    /// Folder of the assets of this build: `/a/0123456789abcdef`.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("/a/{}", self.digest())
    }

    /// What answers `GET /a/{digest}/{name}`; `None` for what is not of this build.
    #[must_use]
    pub fn answer(&self, digest: &str, name: &str) -> Option<Response> {
        let Asset { kind, text, .. } = self.all.iter().find(|known| digest == self.digest() && known.name == name)?;
        let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
        Some((headers, *text).into_response())
    }
}
