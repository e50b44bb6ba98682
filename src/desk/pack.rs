//! Pages are packed where the browser takes that: drawings are text that repeats itself, and a telephone far from home is slow.
//! A page holds nothing that its reader sent, so its length tells nobody anything.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, header},
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

/// Larger than any page.
const MOST: usize = 16 << 20;

/// `accepts`: what the browser said of encodings.
pub async fn pack(answer: Response, accepts: &Option<HeaderValue>) -> Response {
    let takes = accepts.as_ref().and_then(|value| value.to_str().ok()).is_some_and(|list| list.contains("gzip"));
    let is_page =
        answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(takes && is_page) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    // Of our own making and in memory: it is all there.
    let plain = to_bytes(body, MOST).await.unwrap_or_default();
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::default());
    let packed = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let Ok(packed) = packed else { return Response::from_parts(parts, Body::from(plain)) };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}
