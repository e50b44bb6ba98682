//! A write-ahead log beside a database that it does not belong to: someone restored the file from a backup and left the log
//! of the lost one there.
//!
//! SQLite plays any log into the file that it lies beside. Its salts and checksums hold within a log; nothing ties a log to
//! a database. A copy of the file shares its key and its salt with the lost one, so SQLCipher accepts the pages as well: two
//! states would be mixed page by page. A copy that [`super::Store::back_up`] made has another salt and would be taken for
//! one with a wrong key.
//!
//! So each life of a store writes a random mark into the database's header (`PRAGMA application_id`, which has no other use
//! in an encrypted file) and folds it into the file before anything else of that life is written. The same mark stands in a
//! small file beside. A log counts only when the file, read without it, bears a mark named there; else it is set aside
//! unread, the database begins a new epoch, of which headquarters hears, and people are told. A copy made while the gateway
//! ran, put back before its next start, bears the same mark and is not known: such a copy is no backup.
//!
//! A whole folder that is restored brings its own log and its own mark along, and stays whole. The file of marks is written
//! before the mark and again after it; between the two both are named.

use super::{StoreKey, connection, epochs, error::OpenError, files, opening::wal_of, schema::unreadable_or};
use crate::clock;
use rusqlite::{Connection, OpenFlags};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Beside the database: the marks under which its log may have been begun, in hexadecimal, one a line.
fn marks_of(database: &Path) -> PathBuf {
    beside(database, "-life")
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// `None` where there are none, or none that can be read: a store from before there were marks, or a file that somebody emptied.
/// The log counts then.
fn marks(database: &Path) -> Option<Vec<i32>> {
    let text = fs::read_to_string(marks_of(database)).ok()?;
    let marks: Option<Vec<i32>> =
        text.lines().map(|line| u32::from_str_radix(line, 16).ok().map(u32::cast_signed)).collect();
    marks.filter(|marks| !marks.is_empty())
}

fn write_marks(database: &Path, marks: &[i32]) -> Result<(), OpenError> {
    let text: String = marks.iter().map(|mark| format!("{mark:08x}\n")).collect();
    let path = marks_of(database);
    files::write(&path, text.as_bytes()).map_err(|source| OpenError::Io { what: "write", path, source })
}

/// The mark in the file itself, whatever a log says. `None` where it cannot be read: torn in the middle of a checkpoint, and
/// whole in the log.
fn mark_in_file(database: &Path, key: &StoreKey) -> Option<i32> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(connection::uri(database, "immutable=1"), flags).ok()?;
    conn.execute_batch("PRAGMA cipher_log_level = NONE;").ok()?;
    conn.execute_batch(&key.pragma()).ok()?;
    epochs::mark(&conn).ok()
}

/// Moves a log away that is not this file's own. `true` when there was one.
///
/// # Errors
/// When it cannot be moved: the store must not be opened then.
pub(super) fn set_aside(database: &Path, key: &StoreKey) -> Result<bool, OpenError> {
    let log = wal_of(database);
    let (Ok(about), Some(known)) = (fs::metadata(&log), marks(database)) else { return Ok(false) };
    if about.len() == 0 {
        return Ok(false);
    }
    if mark_in_file(database, key).is_none_or(|mark| known.contains(&mark)) {
        return Ok(false);
    }
    let aside = beside(&log, &format!(".of-another-{}", clock::now().wall.unix_ms()));
    let moved = fs::rename(&log, &aside).and_then(|()| match fs::remove_file(beside(database, "-shm")) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => files::sync_folder(&aside),
    });
    moved.map_err(|source| OpenError::Io { what: "set aside", path: log, source })?;
    tracing::error!(
        "{} was put back beside the log of another database; the log was not read and lies in {}. What was recorded after the \
         backup was made is not in the store any more. If the log was copied together with this file it is its own: stop the \
         gateway, give it its name back, remove {} and start again (docs/restoring.md)",
        database.display(),
        aside.display(),
        marks_of(database).display()
    );
    Ok(true)
}

/// Begins a life: from here on the log is this file's own.
pub(super) fn begin(conn: &Connection, database: &Path) -> Result<(), OpenError> {
    let sql = |source| unreadable_or(database, source);
    let mark = epochs::draw_mark();
    let mut named = marks(database).unwrap_or_default();
    named.extend([epochs::mark(conn).map_err(sql)?, mark]);
    write_marks(database, &named)?;
    let folded = epochs::write_mark(conn, mark).map_err(sql)?;
    if folded { write_marks(database, &[mark]) } else { Ok(()) }
}
