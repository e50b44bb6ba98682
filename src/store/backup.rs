//! Copies of the main database: complete, encrypted with the same key, without the customers' keys (see [`super::vault`]).

use super::{
    Store, epochs,
    error::{OpenError, StoreError},
    files,
};
use crate::faults;
use rusqlite::Connection;
use std::{
    fs,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Copies the database of `conn` to `target`, replacing it: `VACUUM INTO` a temporary file, fsync, rename, fsync of the
/// folder. (SQLite's backup call would take about as long but needs a second keyed connection.)
fn copy(conn: &Connection, target: &Path) -> Result<(), StoreError> {
    let mut name = target.as_os_str().to_owned();
    name.push(files::TEMPORARY);
    let temporary = PathBuf::from(name);
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StoreError::io("remove an unfinished backup")(e)),
        _ => {}
    }
    let path =
        temporary.to_str().ok_or_else(|| StoreError::Refused("the path of a backup must be UTF-8".to_owned()))?;
    if let Err(fault) = conn.execute("VACUUM INTO ?1", [path]).map_err(StoreError::from).and_then(|_| mark(conn, path))
    {
        // What there was room for lies there, and readings want that room.
        let _ = fs::remove_file(&temporary);
        return Err(fault);
    }
    faults::point("store.backup.temporary_written");
    let finish = || {
        File::open(&temporary)?.sync_all()?;
        faults::point("store.backup.synced");
        fs::rename(&temporary, target)?;
        files::sync_folder(target)?;
        faults::point("store.backup.renamed");
        Ok(())
    };
    finish().map_err(StoreError::io("finish the backup"))
}

/// Whoever opens the copy begins a new epoch, see [`super::epochs`]. Attached without a key of its own, it takes ours.
fn mark(conn: &Connection, path: &str) -> Result<(), StoreError> {
    conn.execute("ATTACH DATABASE ?1 AS copy", [path])?;
    let marked = epochs::mark_copy(conn);
    conn.execute_batch("DETACH DATABASE copy")?;
    Ok(marked?)
}

/// The backup before an upgrade.
pub(super) fn beside(conn: &Connection, target: &Path) -> Result<(), OpenError> {
    copy(conn, target).map_err(|fault| OpenError::Io {
        what: "back up before the upgrade to",
        path: target.to_owned(),
        source: io::Error::other(fault),
    })
}

impl Store {
    /// Writes a complete copy of the main database to `target` while the store goes on working. It opens with the same
    /// store key; pictures and `keys.db` are not in it.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written; an older `target` stays then.
    pub async fn back_up(&self, target: PathBuf) -> Result<(), StoreError> {
        self.0
            .readers
            .lend(move |conn| {
                // SQLite counts writing the copy as writing; the database itself is only read.
                conn.pragma_update(None, "query_only", false)?;
                let copied = copy(conn, &target);
                conn.pragma_update(None, "query_only", true)?;
                copied
            })
            .await
    }

    /// Reads the whole database: every page must authenticate, every row must be where its index says. Gives what is
    /// wrong, empty when nothing is. Takes seconds on a large store; the store goes on working.
    pub async fn verify(&self) -> Result<Vec<String>, StoreError> {
        // Pages are authenticated as they lie in the file. After a power cut in the middle of a checkpoint some are torn
        // there while the log still holds them whole: they are written again first, or they would pass for damage.
        self.0.writer.checkpoint().await?;
        let found = self.0.readers.lend(|conn| {
            let mut wrong = Vec::new();
            for pragma in ["PRAGMA cipher_integrity_check", "PRAGMA quick_check(20)"] {
                let mut check = conn.prepare(pragma)?;
                let lines: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                wrong.extend(lines.into_iter().filter(|line| line != "ok"));
            }
            Ok(wrong)
        });
        match found.await {
            // Damage may end the check itself.
            Err(StoreError::Corrupt(why)) => Ok(vec![why]),
            other => other,
        }
    }
}
