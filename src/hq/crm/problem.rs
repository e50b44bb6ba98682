//! What a program is told that does not get what it asked for: `application/problem+json` (RFC 9457) with a word for the program
//! and a sentence for its people that says what to do. The chain of causes goes to the log only.

use crate::hq::{HqError, connections::Unasked};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// `urn:skinlink:` and a word for programs, such as `urn:skinlink:no-such-visit`
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words
    pub title: String,
    pub status: u16,
    /// What is wrong and what to do now; lines where there is more than one thing
    pub detail: String,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        Self { kind: format!("urn:skinlink:{word}"), title, status: status.as_u16(), detail: detail.into() }
    }

    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    #[must_use]
    pub fn not_found(word: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, word, detail)
    }

    #[must_use]
    pub fn away(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "away", detail)
    }
}

impl From<Unasked> for Problem {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::Busy => Self::away("all connections to the database are busy; ask again in a minute"),
            Unasked::Fault(HqError::Remaking) => {
                Self::away("the tables are being made anew; ask again in some minutes, with the same cursor")
            }
            Unasked::Fault(HqError::NoStore { store }) => Self::not_found(
                "no-such-store",
                format!(
                    "no gateway of store {store} was ever heard; check the name, or wait until the store is set up"
                ),
            ),
            Unasked::Fault(fault) if fault.passes() => {
                tracing::warn!(%fault, "a program of the CRM must come again");
                Self::away("the database is away; ask again in a minute")
            }
            Unasked::Fault(fault) => {
                tracing::error!(%fault, "a program of the CRM was not answered");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "fault",
                    "headquarters has a fault, which is in its log; ask again later, and tell its operator if it stays",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            _ => {}
        }
        response
    }
}
