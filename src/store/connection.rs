//! Opens keyed SQLite connections. The key comes first, then proof that it fits, then everything else.

use super::keys::StoreKey;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a statement waits for a lock: only checkpoints and backups ever hold one against another connection.
const BUSY: Duration = Duration::from_secs(5);

/// Distinct statements of the store, with room to grow.
const STATEMENTS: usize = 160;

/// Opens `database` with `key`, creating it where absent. A wrong key shows as `NotADatabase`.
pub(super) fn open(database: &Path, key: &StoreKey) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(database, flags)?;
    // Whoever has the wrong key must change nothing: at its end SQLite would fold the log, whosever it is, into the file.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // SQLCipher would write its own lines to stderr.
    conn.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    set_key(&conn, key)?;
    // A wrong key fails at the first read, never here.
    conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement with a range of bound values is parsed and planned again whenever the values change.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

/// SQLite calls itself initialised a moment before SQLCipher is: whoever opens a database while another thread opens the first one
/// of the process is refused here, with words of a missing key.
pub(super) fn set_key(conn: &Connection, key: &StoreKey) -> rusqlite::Result<()> {
    for _ in 0..200 {
        if conn.execute_batch(&key.pragma()).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    conn.execute_batch(&key.pragma())
}

/// Whether a key belongs to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFit {
    Opens,
    /// It does not open it: another's key, or a damaged file.
    Other,
    /// There is nothing to open yet, or it cannot be looked at.
    Untried,
}

/// Tries `key` on `database` without changing a byte beside it either, so that it may be asked while a gateway runs.
#[must_use]
pub fn key_fit(database: &Path, key: &StoreKey) -> KeyFit {
    // As it lies there: no lock, no log, nothing made beside it.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let first_page = || -> rusqlite::Result<i64> {
        let conn = Connection::open_with_flags(uri(database, "immutable=1"), flags)?;
        conn.execute_batch("PRAGMA cipher_log_level = NONE;")?;
        set_key(&conn, key)?;
        conn.query_row("PRAGMA schema_version", [], |row| row.get(0))
    };
    // Its first page may lie in the log alone still.
    if !std::fs::metadata(database).is_ok_and(|about| about.len() > 0) {
        return KeyFit::Untried;
    }
    // A gateway may be writing that very page.
    let tries = std::iter::repeat_with(first_page).take(3);
    let mut fit = KeyFit::Untried;
    for tried in tries {
        match tried {
            Ok(_) => return KeyFit::Opens,
            Err(fault) if is_unreadable(&fault) => fit = KeyFit::Other,
            Err(_) => {}
        }
    }
    fit
}

/// `path` as a URI with that query. SQLite takes every byte but those that end or escape a path.
pub(super) fn uri(path: &Path, query: &str) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => uri.extend(format!("%{byte:02x}").bytes()),
            other => uri.push(*other),
        }
    }
    uri.push(b'?');
    uri.extend(query.bytes());
    OsString::from_vec(uri).into()
}

/// The writing connection: confirmed means committed and fsynced.
pub(super) fn make_writer(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -16000;
         PRAGMA journal_size_limit = 67108864;",
    )
}

/// A connection that only folds the log; it reads no pages of its own.
pub(super) fn folder(database: &Path, key: &StoreKey) -> rusqlite::Result<Connection> {
    let conn = open(database, key)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -64;")?;
    Ok(conn)
}

/// A connection that only answers questions.
pub(super) fn make_reader(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8000;")
}

/// Whether `fault` says that the bytes of the file are wrong for this key, or broken.
pub(super) fn is_unreadable(fault: &rusqlite::Error) -> bool {
    matches!(fault.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}
