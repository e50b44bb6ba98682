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
    connection::set_key(&conn, key).ok()?;
    epochs::mark(&conn).ok()
}

/// In the name of a log that was moved away.
const ASIDE: &str = ".of-another-";

/// Whether a file of that name is a log that was moved away.
pub(super) fn is_aside(name: &str) -> bool {
    name.contains("-wal.of-another-")
}

/// When the log at `path` was moved away, by the wall clock of that moment, in milliseconds; `None` for any other file.
pub(super) fn put_aside_ms(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str().filter(|name| is_aside(name))?;
    // What somebody renamed by hand counts from now on.
    Some(name.rsplit_once(ASIDE)?.1.parse().unwrap_or(0))
}

/// The name of that log, had it been moved away at `ms`.
pub(super) fn put_aside_at(path: &Path, ms: i64) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let own = name.rsplit_once(ASIDE).map_or(name.as_str(), |(own, _)| own);
    path.with_file_name(format!("{own}{ASIDE}{ms}"))
}

/// Moves a log away that is not this file's own. Whether the file is another than the one that was written last: the mark says so,
/// not the log, which a start that was cut off may have moved away already.
///
/// # Errors
/// When it cannot be moved: the store must not be opened then.
pub(super) fn set_aside(database: &Path, key: &StoreKey) -> Result<bool, OpenError> {
    let log = wal_of(database);
    let Some(known) = marks(database) else { return Ok(false) };
    if mark_in_file(database, key).is_none_or(|mark| known.contains(&mark)) {
        return Ok(false);
    }
    if !fs::metadata(&log).is_ok_and(|about| about.len() > 0) {
        return Ok(true);
    }
    let aside = beside(&log, &format!("{ASIDE}{}", clock::now().wall.unix_ms()));
    let moved = fs::rename(&log, &aside).and_then(|()| match fs::remove_file(beside(database, "-shm")) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => files::sync_folder(&aside),
    });
    moved.map_err(|source| OpenError::Io { what: "set aside", path: log, source })?;
    tracing::error!(
        "{} was put back beside the log of another database; the log was not read and lies in {}. What was recorded after the \
         backup was made is not in the store any more. If the log was copied together with this file it is its own: stop the \
         gateway, put both copies back once more from where they came, remove {} and start again; the file that is there now has \
         gone on without the log and must not be joined with it (docs/restoring.md)",
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
