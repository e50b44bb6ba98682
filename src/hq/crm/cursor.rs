//! Where a program is in the order of changes. A cursor is a text that only we read.

use super::Problem;
use crate::hq::{
    HqError,
    database::engine::{Engine, first},
};
use axum::http::StatusCode;

/// The number up to which everything was read.
///
/// # Errors
/// [`Problem`] for what we never gave.
pub fn read(text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(0) };
    let number = text.strip_prefix('c').and_then(|digits| digits.parse::<u64>().ok());
    number.ok_or_else(|| {
        Problem::malformed("since: give the `next` of an earlier answer, or leave it out to begin with all")
    })
}

#[must_use]
pub fn written(change: u64) -> String {
    format!("c{change}")
}

/// Whether changes up to this number were ever drawn here: after a backup was brought back numbers begin anew below it, and whoever
/// went on from there would miss what is drawn now.
///
/// # Errors
/// The database's.
pub fn is_ours(engine: &mut dyn Engine, since: u64) -> Result<bool, HqError> {
    let last = first(engine, "SELECT change FROM last_change", &[])?;
    Ok(since <= last.map_or(Ok(0), |row| row.get(0))?)
}

/// What such a program is told.
#[must_use]
pub fn foreign() -> Problem {
    let detail =
        "since: this headquarters has not come so far, it was brought back from a backup; read anew without since";
    Problem::new(StatusCode::GONE, "read-anew", detail)
}
