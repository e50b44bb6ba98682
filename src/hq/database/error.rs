//! What goes wrong at HQ.

use std::{error::Error, io, net::SocketAddr, path::PathBuf};
use tokio_postgres::error::SqlState;

/// What goes wrong at HQ.
#[derive(Debug, thiserror::Error)]
pub enum HqError {
    #[error("HQ's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("HQ's database: {}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("HQ's database: the connection broke in the middle of a transaction")]
    Away,
    #[error("HQ's database runs on PostgreSQL {found}; 13 or later is needed")]
    OldServer { found: i64 },
    #[error("{place} holds no tables yet; start skinlink-hq run once")]
    Empty { place: String },
    #[error("HQ's database gave something else than {expected} in column {at}")]
    Shape { at: usize, expected: &'static str },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{place} was written by a newer skinlink-hq (schema {found}, this one knows {known}); install that version"
    )]
    Newer { place: String, found: i64, known: i64 },
    #[error("cannot listen on {listen}: {source}; choose another address in `listen`")]
    Listen { listen: SocketAddr, source: io::Error },
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error("{name} on the object store: {reason}")]
    Objects { name: String, reason: String },
    #[error("{name} is gone from the shelf; put it back from the shelf's own backup")]
    Gone { name: String },
    #[error("an archived segment cannot be read: {reason}")]
    Segment { reason: String },
    #[error("it lies in a bucket, and the configuration names none; put [objects] back into it")]
    NoBucket,
    #[error("{name} does not open: it was changed, or the chain's key (chain_key_file) is another one")]
    Unsealed { name: String },
    #[error(
        "the chain's key (chain_key_file) is not the one that this database's pictures were sealed with; put that one back"
    )]
    OtherKey,
    #[error("the store thread ended without an answer")]
    Stopped,
}

impl HqError {
    /// Whether the same may succeed later without anybody's doing: a server that is away, starts, or is out of something.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Away => true,
            Self::Postgres(fault) => fault.code().map_or_else(|| is_of_the_line(fault), is_of_the_moment),
            Self::Sqlite(fault) => fault.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy),
            _ => false,
        }
    }

    /// Whether it is what was to be stored that the database refuses: it will refuse it again.
    pub(super) fn is_about_content(&self) -> bool {
        match self {
            // Data exceptions, broken constraints, limits of the program.
            Self::Postgres(fault) => {
                fault.code().is_some_and(|code| ["22", "23", "54"].contains(&code.code().get(..2).unwrap_or_default()))
            }
            Self::Sqlite(fault) => matches!(
                fault.sqlite_error_code(),
                Some(rusqlite::ErrorCode::TooBig | rusqlite::ErrorCode::ConstraintViolation)
            ),
            _ => false,
        }
    }
}

/// Without a word of the server: the line broke, or never was.
fn is_of_the_line(fault: &tokio_postgres::Error) -> bool {
    fault.is_closed() || causes(fault).any(|cause| cause.is::<io::Error>())
}

fn is_of_the_moment(code: &SqlState) -> bool {
    // Connection, rolled back for another's sake, out of room, in use, ended by an operator.
    ["08", "40", "53", "55", "57"].contains(&code.code().get(..2).unwrap_or_default())
}

fn said(fault: &tokio_postgres::Error) -> String {
    match fault.as_db_error() {
        Some(said) => {
            let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail} [{}]", said.message(), said.code().code())
        }
        None => causes(fault).fold(fault.to_string(), |said, cause| format!("{said}: {cause}")),
    }
}

fn causes(fault: &tokio_postgres::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(fault.source(), |cause| (*cause).source())
}
