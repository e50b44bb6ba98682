//! What goes wrong at HQ.

use std::{error::Error, io, net::SocketAddr, path::PathBuf};
use tokio_postgres::error::SqlState;

/// What goes wrong at HQ.
#[derive(Debug, thiserror::Error)]
pub enum HqError {
    #[error("HQ's database: {}", sqlite_said(.0))]
    Sqlite(#[from] rusqlite::Error),
    #[error("HQ's database: {}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("HQ's database: the connection broke in the middle of a transaction")]
    Away,
    #[error("HQ's database runs on PostgreSQL {found}; 13 or later is needed")]
    OldServer { found: i64 },
    #[error("{place} holds no tables yet; correct the path, or start skinlink-hq run once")]
    Empty { place: String },
    #[error("HQ's database gave something else than {expected} in column {at}")]
    Shape { at: usize, expected: &'static str },
    #[error("{path}: {source}; check the path and its rights")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{place} was written by a newer skinlink-hq (schema {found}, this one knows {known}); install that version"
    )]
    Newer { place: String, found: i64, known: i64 },
    #[error("cannot listen on {listen}: {source}; choose another address in `listen`")]
    Listen { listen: SocketAddr, source: io::Error },
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error(
        "{name} on the object store: {reason}; check objects.address, the bucket, its credentials_file and this machine's clock"
    )]
    Objects { name: String, reason: String },
    #[error("{name} is gone from the shelf; put it back from the shelf's own backup")]
    Gone { name: String },
    #[error("an archived segment cannot be read: {reason}; put its object back from the shelf's own backup")]
    Segment { reason: String },
    #[error("it lies in a bucket, and the configuration names none; put [objects] back into it")]
    NoBucket,
    #[error("{name} does not open: it was changed, or the chain's key (chain_key_file) is another one")]
    Unsealed { name: String },
    #[error(
        "the chain's key (chain_key_file) is not the one that this database's pictures were sealed with; put that one back"
    )]
    OtherKey,
    #[error("nothing is known here of customer {customer} at store {store}; look the ids up with skinlink-hq tail")]
    Nobody { store: String, customer: String },
    #[error("no gateway of store {store} was ever heard; look the name up with skinlink-hq stores")]
    NoStore { store: String },
    #[error("{path}: nothing was written:\n{reason}")]
    Agenda { path: PathBuf, reason: String },
    #[error("{0}")]
    People(String),
    #[error("{0}")]
    Rollout(String),
    #[error("{0}")]
    Gateway(String),
    #[error("headquarters holds no verified picture {name}; the table images lists those that are here")]
    NoPicture { name: String },
    #[error("no word {feedback} waits; skinlink-hq words lists those that do")]
    NoWord { feedback: String },
    #[error(
        "no alarm {n} can be taken out; skinlink-hq alarms lists them, and one with a sequence stays until its gateway has heard"
    )]
    NoAlarm { n: u64 },
    #[error(
        "{place} was written by an older skinlink-hq (schema {found}, this one reads {known}); start skinlink-hq run of this \
         version once, which brings it up to date"
    )]
    Older { place: String, found: i64, known: i64 },
    #[error(
        "{made} events read; what else there is waits for a shelf, {many} lives of stores in all, the first {what}: {reason}; put it \
         right, and the receiver goes on with them by itself (skinlink-hq stores lists them)"
    )]
    Waits { made: u64, many: usize, what: String, reason: String },
    #[error("no key {name} is in force; skinlink-hq keys list shows those that are")]
    NoKey { name: String },
    #[error("a key {name} is in force already; withdraw it first, or choose another name")]
    KeyTaken { name: String },
    #[error("care.webhook cannot be used: {reason}; check its url and ca")]
    Webhook { reason: String },
    #[error("no message {message} can be sent again; skinlink-hq care list shows those that can")]
    NoMessage { message: String },
    #[error("the facts that reports rest on are being made again; they are served when all of them are there")]
    Remaking,
    /// Done, but for what a shelf did not do.
    #[error("{waits}: {fault}")]
    Left { waits: &'static str, fault: Box<HqError> },
    #[error("the thread that writes the database ended without an answer; its reason stands before this in the log")]
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

    /// Whether the connection that was asked is as good as before: what was refused was refused by a rule.
    pub(in crate::hq) const fn leaves_the_line(&self) -> bool {
        matches!(
            self,
            Self::Remaking | Self::NoStore { .. } | Self::NoKey { .. } | Self::NoMessage { .. } | Self::Rollout(_)
        )
    }

    /// Whether one object, or the shelf it lies on, is away or damaged: what needs it waits, everything else goes on.
    #[must_use]
    pub fn is_of_a_shelf(&self) -> bool {
        matches!(
            self,
            Self::Objects { .. }
                | Self::NoBucket
                | Self::Gone { .. }
                | Self::Segment { .. }
                | Self::Unsealed { .. }
                | Self::File { .. }
        )
    }

    /// Whether the server takes no writes now: a copy that has not taken over yet, at an address that leads elsewhere soon.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Postgres(fault) if fault.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
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
    // Connection, rolled back for another's sake, out of room, in use.
    ["08", "40", "53", "55"].contains(&code.code().get(..2).unwrap_or_default())
        // Ended by an operator; not 57014: what took too long takes as long the next time.
        || code.code().starts_with("57P0")
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

fn said(fault: &tokio_postgres::Error) -> String {
    match fault.as_db_error() {
        Some(said) => {
            let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            let remedy = remedy(said.code()).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            format!("{}{detail} [{}]{remedy}", said.message(), said.code().code())
        }
        None => causes(fault).fold(fault.to_string(), |said, cause| format!("{said}: {cause}")),
    }
}

/// What to do about what a server says.
fn remedy(code: &SqlState) -> Option<&'static str> {
    Some(match code.code() {
        "28000" | "28P01" => "check the role in `database` and what stands in database_password_file",
        "3D000" => "make it: CREATE DATABASE … OWNER …",
        "42501" => "the role must own headquarters' tables; make it their owner",
        "42P01" | "42703" => "start skinlink-hq run of this version once, which brings the tables up to date",
        "2BP01" => {
            "a view of your own stands on one of headquarters': drop it, start skinlink-hq once, and make it again; better in a \
             schema and a database of your own"
        }
        "53100" => "free room on the database's disk",
        "53300" => "raise max_connections, or end what holds them",
        "57014" => "it took longer than a minute; end what holds the database up",
        _ => return None,
    })
}

fn sqlite_said(fault: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode as Code;
    let remedy = match fault.sqlite_error_code() {
        Some(Code::CannotOpen) => "; check the path, and that this user may write to its folder",
        Some(Code::ReadOnly | Code::PermissionDenied) => "; this user may not write to it",
        Some(Code::DiskFull) => "; free room on its disk",
        Some(Code::NotADatabase) => "; it is another file, or a database under a key",
        Some(Code::DatabaseCorrupt) => "; put its last backup back: the gateways send what is missing in it again",
        Some(Code::DatabaseBusy) => "; another program holds it: end that one",
        _ => "",
    };
    format!("{fault}{remedy}")
}

fn causes(fault: &tokio_postgres::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(fault.source(), |cause| (*cause).source())
}
