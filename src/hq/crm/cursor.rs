//! Where a program is in the order of changes. A cursor is a text that only we read: the number up to which everything was read, and
//! the mark under which this database drew it.
//!
//! A headquarters that was brought back from a backup draws numbers again that a program has read before, for other changes. By the
//! mark such a program is told so, however late it asks, and whether or not anybody told the database that it was restored.

use super::Problem;
use crate::hq::{HqError, database::engine::Engine, records::changes};
use axum::http::StatusCode;

/// Up to where a program has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    pub change: u64,
    /// 0: of before there were marks, or nothing was read yet.
    mark: i64,
}

/// What a program gives.
///
/// # Errors
/// [`Problem`] for what we never gave.
pub fn read(text: Option<&str>) -> Result<Cursor, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Cursor::default()) };
    let parts =
        text.strip_prefix('c').map(|rest| rest.split_once('-').map_or((rest, None), |(n, mark)| (n, Some(mark))));
    let cursor = parts.and_then(|(number, mark)| {
        let mark = mark.map_or(Ok(0), |mark| i64::from_str_radix(mark, 16)).ok().filter(|mark| *mark >= 0)?;
        // Beyond 63 bits nothing is ever drawn.
        let change = number.parse().ok().filter(|change| i64::try_from(*change).is_ok())?;
        Some(Cursor { change, mark })
    });
    cursor.ok_or_else(|| {
        Problem::malformed("since: give the `next` of an earlier answer, or leave it out to begin with all")
    })
}

/// What a program is given that has read up to this number.
///
/// # Errors
/// The database's.
pub fn written(engine: &mut dyn Engine, change: u64) -> Result<String, HqError> {
    let mark = if change == 0 { None } else { changes::mark(engine, change)?.filter(|mark| *mark != 0) };
    Ok(mark.map_or_else(|| format!("c{change}"), |mark| format!("c{change}-{mark:x}")))
}

/// Whether this database gave it. Who has read nothing yet misses nothing.
///
/// # Errors
/// The database's.
pub fn is_ours(engine: &mut dyn Engine, Cursor { change, mark }: Cursor) -> Result<bool, HqError> {
    Ok(change == 0 || changes::mark(engine, change)? == Some(mark))
}

/// What any other program is told.
#[must_use]
pub fn foreign() -> Problem {
    let detail = "since: this headquarters was brought back from a backup, and what you read after it counts no more; read anew without \
                  since, and erase what does not come up again";
    Problem::new(StatusCode::GONE, "read-anew", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_never_gave_is_no_cursor() {
        assert_eq!(read(None).ok(), Some(Cursor::default()));
        assert_eq!(read(Some("c12")).ok(), Some(Cursor { change: 12, mark: 0 }));
        assert_eq!(read(Some("c12-7fffffffffffffff")).ok(), Some(Cursor { change: 12, mark: i64::MAX }));
        for wrong in ["c", "12", "c-1", "c1-", "c1-x", "c1--1", "c1-ffffffffffffffff", "c9223372036854775808", "c1-1-1"]
        {
            assert!(read(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
