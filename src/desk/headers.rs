//! What goes with every answer: found by no search engine, told to no other site, kept by no cache, and no script or picture
//! but our own. Style and script stand in the page, allowed by their digests alone.

use super::page::{self, SalonStyle};
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use openssl::{base64::encode_block, sha::sha256};
use std::sync::LazyLock;

const FIXED: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-robots-tag", "noindex, nofollow, noarchive, noimageindex"),
];

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));

/// With the digest of the salon's own rule, where there is one.
fn policy(salon_style: &str) -> HeaderValue {
    let digest = |text: &str| encode_block(&sha256(text.as_bytes()));
    let salon_style = if salon_style.is_empty() { String::new() } else { format!(" 'sha256-{}'", digest(salon_style)) };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'{salon_style}; script-src 'sha256-{}'; img-src 'self' data:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        digest(page::STYLE),
        digest(page::SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("letters and digests")
}

pub(super) fn put(answer: &mut Response) {
    let salon = answer.extensions().get::<SalonStyle>().filter(|style| !style.0.is_empty());
    let policy = salon.map_or_else(|| POLICY.clone(), |style| policy(&style.0));
    let headers = answer.headers_mut();
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}
