//! `PUT /stores/{store}/appointments`: what `skinlink-hq agenda put` does with a file, by a call. All of it or nothing.

use super::{
    Problem, Shared,
    keys::{Key, Scope},
    wrong_path,
};
use crate::{
    clock,
    hq::agenda::{self, Written},
    sync::agenda::File,
};
use axum::{
    Extension, Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, StringRejection},
    },
    http::{HeaderMap, StatusCode, Uri, header},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How it is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// The list names all that is booked from now on: what it does not name is called off (false)
    whole: Option<bool>,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// New or changed
    pub changed: u64,
    /// As they were
    pub unchanged: u64,
    /// Called off, since a whole list did not name them
    pub called_off: u64,
}

/// `PUT /stores/{store}/appointments`
pub async fn write(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    (uri, headers): (Uri, HeaderMap),
    body: Result<String, StringRejection>,
) -> Result<Json<Answer>, Problem> {
    let Path(store) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::AppointmentsWrite, &store)?;
    let Query(How { whole }) = Query::try_from_uri(&uri).map_err(|fault| {
        Problem::malformed(format!("{}; give whole=true or whole=false, and nothing else", fault.body_text()))
    })?;
    let text = json(&headers, body)?;
    // By the same rules as a file, each complaint with its place.
    let entries = File::read(&text).map_err(|wrong| {
        let detail = format!("nothing was written:\n{wrong}");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "appointments-refused", detail)
    })?;
    let (whole, now) = (whole.unwrap_or(false), clock::now().wall);
    let written = crm.database.ask(move |engine| agenda::put(engine, &store, &entries, whole, now)).await?;
    let Written { changed, unchanged, called_off } = written;
    Ok(Json(Answer { changed, unchanged, called_off }))
}

/// The text of a body that says that it is JSON.
///
/// # Errors
/// The problem to answer.
pub(super) fn json(headers: &HeaderMap, body: Result<String, StringRejection>) -> Result<String, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let detail = "send JSON, and say so: Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
    }
    body.map_err(|fault| match fault.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "the body is longer than this call takes: 12 MiB of appointments, 2 MiB of anything else; send less at a time";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
        }
        _ => Problem::malformed(format!("the body cannot be read: {}; send JSON in UTF-8", fault.body_text())),
    })
}
