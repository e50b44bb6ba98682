//! Copies of the main database: complete, encrypted with the same key, without the customers' keys (see [`super::vault`]).

use super::{
    Store,
    error::{OpenError, StoreError},
    files,
};
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
    conn.execute("VACUUM INTO ?1", [path])?;
    let finish = || {
        File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, target)?;
        files::sync_folder(target)
    };
    finish().map_err(StoreError::io("finish the backup"))
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
        self.0.readers.lend(move |conn| copy(conn, &target)).await
    }
}
