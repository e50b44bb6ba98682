//! Folds SQLite's write-ahead log back into its database from a thread of its own, so that no commit waits for it. A leaf
//! that whoever owns a database may use.
//!
//! Left to itself SQLite folds within a commit once the log has grown to a limit, and whoever waits for that commit waits for
//! the pages and the sync of the database as well. Here the writer only says that the log has grown, right behind the commit,
//! and another connection folds what it can while the writer goes on. The log begins anew once all of it is folded and
//! nobody reads in it; in a stream without gaps that never happens by itself, so at `MOST` pages the writer folds, as
//! SQLite would.

use rusqlite::{Connection, hooks::Wal};
use std::{
    ffi::c_int,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

/// Pages worth a fold: few, so that each is short.
const WORTH: c_int = 1000;

/// Pages from one fold of a log to the next while it does not begin anew.
const STEP: c_int = 250;

/// Pages at which the writer waits for a fold: 64 MiB of log.
const MOST: c_int = 16_000;

/// The thread that folds; it ends when the writing connection is closed. Dropping this waits for its end, so it is to be
/// dropped after that connection.
#[derive(Debug)]
pub struct Folding {
    thread: Option<JoinHandle<Option<Connection>>>,
    alone: Arc<Mutex<()>>,
}

impl Folding {
    /// From now on a connection to the same database, which `open` makes when there is something to fold, folds what `writer`
    /// commits.
    ///
    /// # Errors
    /// When the system gives no thread, or the connection does not take the hook.
    pub fn begin(
        writer: &mut Connection,
        open: impl Fn() -> rusqlite::Result<Connection> + Send + 'static,
    ) -> io::Result<Self> {
        let (nudge, grown) = mpsc::sync_channel(1);
        let alone = Arc::new(Mutex::new(()));
        let folding = Arc::clone(&alone);
        let thread = thread::Builder::new().name("log-folding".to_owned()).spawn(move || {
            let mut folder = None;
            while grown.recv().is_ok() {
                let _alone = folding.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(fault) = fold(&mut folder, &open) {
                    tracing::warn!(%fault, "the log could not be folded into the database; the writer will");
                }
            }
            folder
        })?;
        let mut said = 0;
        let hook = move |log: &mut Wal, pages: c_int| {
            if pages < said {
                said = 0;
            }
            if pages >= MOST {
                // The commit stands whatever becomes of this; the next one tries again.
                let _ = log.checkpoint();
            } else if pages >= WORTH && pages - said >= STEP {
                said = pages;
                // One that is under way sees these pages too, or the next does.
                let _ = nudge.try_send(());
            }
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(io::Error::other)?;
        Ok(Self { thread: Some(thread), alone })
    }

    /// Nobody folds while this is held.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fold(folder: &mut Option<Connection>, open: &impl Fn() -> rusqlite::Result<Connection>) -> rusqlite::Result<()> {
    let conn = match folder.take() {
        Some(conn) => conn,
        None => open()?,
    };
    folder.insert(conn).query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

impl Drop for Folding {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its connection is closed here, behind the writer's: of two that close at the same moment each may take the other for
            // the one that goes on, and both leave the log lying.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path, time::Duration};
    use tempfile::TempDir;

    const GAP: Duration = Duration::from_millis(20);

    fn open(folder: &TempDir) -> Connection {
        let conn = Connection::open(folder.path().join("db")).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;").unwrap();
        conn
    }

    /// In this order: what is named last is dropped first when a test fails.
    fn begun(folder: &TempDir) -> (Folding, Connection) {
        let mut writer = open(folder);
        writer.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, x BLOB)").unwrap();
        let path = folder.path().join("db");
        let folding = Folding::begin(&mut writer, move || Connection::open(&path)).unwrap();
        (folding, writer)
    }

    fn length(path: &Path) -> u64 {
        fs::metadata(path).map_or(0, |about| about.len())
    }

    fn write(writer: &Connection, commits: u32) {
        for _ in 0..commits {
            writer.execute("INSERT INTO t (x) VALUES (randomblob(3000))", []).unwrap();
        }
    }

    #[test]
    fn a_log_that_grew_is_folded_by_another() {
        let folder = TempDir::new().unwrap();
        let (folding, writer) = begun(&folder);
        let [database, log] = ["db", "db-wal"].map(|name| folder.path().join(name));
        write(&writer, 10);
        let small = length(&database);
        // In steps with gaps, as from people, and too few for the writer to fold by itself.
        for step in 0.. {
            assert!(step < 100, "nothing was folded");
            write(&writer, 50);
            thread::sleep(GAP);
            if length(&database) > small + 900 * 4096 {
                break;
            }
        }
        drop(writer);
        drop(folding);
        assert_eq!(length(&log), 0, "the last to close leaves no log");
    }

    #[test]
    fn a_stream_without_gaps_does_not_grow_the_log_without_end() {
        let folder = TempDir::new().unwrap();
        let (folding, writer) = begun(&folder);
        {
            let _nobody = folding.pause();
            write(&writer, 12_000);
        }
        let most = (u64::try_from(MOST).unwrap() + 100) * 4200;
        assert!(length(&folder.path().join("db-wal")) < most, "the writer folds at the limit");
        drop(writer);
        drop(folding);
    }
}
