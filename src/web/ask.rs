//! What a call brings along, read strictly: JSON without unknown fields, queries without unknown keys, ids that are ids,
//! and the version of the visit that the caller saw. Every refusal is a [`WebError`].

use super::error::WebError;
use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Query, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// A JSON body. An empty body is read as `{}`, so that verbs without parameters need none.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let empty = request.headers().get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !request.headers().contains_key(header::TRANSFER_ENCODING);
        if empty {
            return serde_json::from_str("{}").map(Self).map_err(|e| WebError::malformed("body", e));
        }
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(WebError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "no_json",
                "content-type",
                "send application/json",
                "内容格式不对，需要 JSON。",
                "The body must be JSON.",
            )),
            Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(refused) => Err(WebError::malformed("body", refused.body_text())),
        }
    }
}

/// A query string.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        let asked: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        asked.map(|Query(value)| Self(value)).map_err(|refused| WebError::malformed("query", refused.body_text()))
    }
}

/// The version of the visit that the caller saw, from `If-Match: "7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        seen(&parts.headers).map(Self)
    }
}

fn seen(headers: &HeaderMap) -> Result<u64, WebError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Err(WebError::new(
            StatusCode::PRECONDITION_REQUIRED,
            "no_version",
            "if-match",
            "read the visit and send its ETag as If-Match",
            "请先刷新页面，再做这个操作。",
            "Read the present state first, then repeat.",
        ));
    };
    let digits = value.to_str().ok().and_then(|v| v.strip_prefix('"')?.strip_suffix('"'));
    let version = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit())).and_then(|d| d.parse().ok());
    version.ok_or_else(|| WebError::malformed("if-match", "expected the visit's version in quotes, such as \"7\""))
}

/// Reads an id or a word out of a path or body.
pub fn parse<T: FromStr>(place: &str, text: &str) -> Result<T, WebError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|refused| WebError::malformed(place, refused))
}

/// A text field that a person typed: trimmed, without control characters, within its length.
pub fn text(place: &str, raw: &str, longest: usize) -> Result<String, WebError> {
    let text = raw.trim();
    if text.chars().count() > longest {
        return Err(WebError::malformed(place, format!("at most {longest} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(WebError::malformed(place, "control characters are not text"));
    }
    Ok(text.to_owned())
}

/// The same, and not empty.
pub fn required(place: &str, raw: &str, longest: usize) -> Result<String, WebError> {
    let text = text(place, raw, longest)?;
    if text.is_empty() { Err(WebError::malformed(place, "must not be empty")) } else { Ok(text) }
}

pub fn too_large() -> WebError {
    WebError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "body",
        "send less",
        "内容太大，未接收。照片请控制在限制之内。",
        "Too large, not taken in.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_version_in_quotes_is_a_version() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
            seen(&headers)
        };
        assert_eq!(with("\"7\"").unwrap(), 7);
        for wrong in
            ["7", "\"7", "\"\"", "*", "W/\"7\"", "\"-1\"", "\"+1\"", "\"7\", \"8\"", "\"99999999999999999999\""]
        {
            assert_eq!(with(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
        assert_eq!(seen(&HeaderMap::new()).unwrap_err().status(), StatusCode::PRECONDITION_REQUIRED);
    }

    #[test]
    fn typed_text_is_trimmed_and_bounded() {
        assert_eq!(text("name", "  林女士 ", 3).unwrap(), "林女士");
        assert!(text("name", "林女士们", 3).is_err());
        assert!(text("name", "a\u{0}b", 9).is_err());
        assert!(required("name", "   ", 9).is_err());
    }
}
