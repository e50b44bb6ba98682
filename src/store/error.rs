//! What can go wrong with the store, one variant per case a caller would treat differently. No message holds a name.

use super::cards::Record;
use crate::domain::{AppointmentId, VisitId, visit::Visit};
use rusqlite::ErrorCode;
use std::{io, path::PathBuf};

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another skinlink; stop that one first", path.display())]
    InUse { path: PathBuf },
    #[error(
        "the key file {} is missing but the database {} exists; put the key file back, or unseal the escrowed key: a new key \
         cannot open it",
        key_file.display(), database.display()
    )]
    KeyMissing { key_file: PathBuf, database: PathBuf },
    #[error("the key file {} does not hold 64 hexadecimal digits; put the right file back", key_file.display())]
    KeyMalformed { key_file: PathBuf },
    #[error("the key file {} can be read by others (mode {mode:o}); run chmod 600 on it", key_file.display())]
    KeyExposed { key_file: PathBuf, mode: u32 },
    #[error("the escrow key cannot be used ({0}); give HQ's RSA (2048 bits or more) or P-256 public key as a PEM file")]
    Escrow(String),
    #[error(
        "{} cannot be read with this key: either the key file belongs to another database, or the file is damaged; put the \
         right key back or restore a backup", database.display()
    )]
    NotReadable { database: PathBuf },
    #[error("{} is damaged ({detail}); keep the folder as it is and restore the latest backup", database.display())]
    Damaged { database: PathBuf, detail: String },
    #[error(
        "{} was written by a newer skinlink (schema {found}, this one knows up to {known}); install that version or newer",
        database.display()
    )]
    Newer { database: PathBuf, found: i64, known: i64 },
    #[error("the upgrade of {} to schema {to} failed and was undone ({source}); the data is as it was", database.display())]
    Upgrade { database: PathBuf, to: i64, source: rusqlite::Error },
    #[error("cannot {what} {} ({source})", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} is empty or missing while the customers' keys beside it are there; restore the latest backup, or move the whole \
         folder away to start anew", database.display()
    )]
    Vanished { database: PathBuf },
    #[error("cannot finish what was begun in {} ({source})", database.display())]
    Unfinished { database: PathBuf, source: StoreError },
    #[error("cannot open {} ({source}){}", database.display(), remedy(source))]
    Sql { database: PathBuf, source: rusqlite::Error },
}

/// Why a question or a change failed. A failed change has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no {what} {id}")]
    NotFound { what: &'static str, id: String },
    /// Someone else changed the visit meanwhile; here it is as it stands now.
    #[error("the visit was changed meanwhile and is now at version {}; look again, then repeat", .0.version)]
    Conflict(Box<Visit>),
    /// Someone else changed the customer's record meanwhile; here it is as it stands now.
    #[error("the customer's record was changed meanwhile and is now at version {}; look again, then repeat", .0.version)]
    RecordChanged(Box<Record>),
    /// Somebody has that staff number, or had it: records signed with it stay theirs.
    #[error("staff number {0} belongs to somebody already; take another number, or change that person")]
    Taken(String),
    /// More than one record comes into question for an appointment of headquarters, or one that is not surely meant.
    #[error("it is not known for sure who comes to appointment {0}; say which record it is, or that it is someone new")]
    WhoIsIt(AppointmentId),
    #[error("station {station} still has visit {visit} open; close it first")]
    StationBusy { station: String, visit: VisitId },
    /// The thing is in a state in which this cannot be done.
    #[error("{what} {id} is {state}; {remedy}")]
    WrongState { what: &'static str, id: String, state: String, remedy: &'static str },
    /// What was handed in contradicts itself or what is stored.
    #[error("{0}")]
    Refused(String),
    #[error("the customer has not agreed to this (purpose {purpose}); ask, record the consent, then repeat")]
    NoConsent { purpose: &'static str },
    #[error(
        "only {free_mib} MiB are free, {floor_mib} MiB are kept for readings; free some space, then take the photograph again"
    )]
    LowDisk { free_mib: u64, floor_mib: u64 },
    #[error("the disk is full; free some space, then repeat")]
    Full,
    #[error("the database is damaged ({0}); stop, keep the folder as it is and restore the latest backup")]
    Corrupt(String),
    #[error("the picture of capture {capture} is damaged ({why}); take it again if the customer is still here")]
    Picture { capture: String, why: String },
    /// The folder may not be there yet, after a copy was put back; nothing is lost for sure.
    #[error(
        "the file of the picture of capture {0} is gone; if the pictures were not put back together with the database, put them \
         back now"
    )]
    PictureGone(String),
    #[error("the customer's key was destroyed by erasure; the picture cannot be read any more")]
    Erased,
    /// Another `keys.db` than the one it was stored under; nothing is lost yet.
    #[error(
        "the key of the picture of capture {capture} is not in keys.db; stop the gateway, put the keys.db back that it was \
         stored under, start again"
    )]
    KeyMissing { capture: String },
    /// The whole group of changes it was part of was undone.
    #[error("the change was not written ({0}); repeat it")]
    NotCommitted(String),
    #[error("database fault: {0}")]
    Sql(rusqlite::Error),
    #[error("cannot {what} ({source})")]
    Io { what: &'static str, source: io::Error },
    /// The writer has ended; the gateway is stopping.
    #[error("the store has stopped")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(fault: rusqlite::Error) -> Self {
        match fault.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(fault.to_string()),
            _ => Self::Sql(fault),
        }
    }
}

impl StoreError {
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { what, source },
        }
    }
}

fn remedy(fault: &rusqlite::Error) -> &'static str {
    if fault.sqlite_error_code() == Some(ErrorCode::DiskFull) { "; free some space, then start again" } else { "" }
}

/// Turns "no row" into [`StoreError::NotFound`].
pub(super) fn found<T>(
    row: rusqlite::Result<T>,
    what: &'static str,
    id: impl std::fmt::Display,
) -> Result<T, StoreError> {
    match row {
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(StoreError::NotFound { what, id: id.to_string() }),
        other => Ok(other?),
    }
}
