//! A few connections that only answer questions, lent to the blocking threads one question at a time. Each is opened when it
//! is needed first: an idle gateway needs one, and each keeps tables, statements and pages in memory.

use super::error::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The pool. A question beyond its size waits for a connection.
pub(super) struct Readers {
    free: Arc<Semaphore>,
    pool: Arc<Pool>,
}

/// The mutex guards only the moment of taking one out or putting it back; no question runs under it.
struct Pool {
    idle: Mutex<Vec<Connection>>,
    open: Box<dyn Fn() -> rusqlite::Result<Connection> + Send + Sync>,
}

/// Puts its connection back, also when the question panics.
struct Lent {
    pool: Arc<Pool>,
    conn: Option<Connection>,
}

impl Lent {
    fn out_of(pool: &Arc<Pool>) -> rusqlite::Result<Self> {
        let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => (pool.open)()?,
        };
        Ok(Self { pool: Arc::clone(pool), conn: Some(conn) })
    }

    fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("it is taken when this is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

impl Readers {
    /// At most `most` at once; `first` is open already.
    pub(super) fn new(
        most: usize,
        first: Connection,
        open: impl Fn() -> rusqlite::Result<Connection> + Send + Sync + 'static,
    ) -> Self {
        let pool = Pool { idle: Mutex::new(vec![first]), open: Box::new(open) };
        Self { free: Arc::new(Semaphore::new(most)), pool: Arc::new(pool) }
    }

    /// Answers `question` from one consistent state of the database, on a blocking thread.
    pub(super) async fn ask<R, F>(&self, question: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        self.lend(|conn| {
            let snapshot = conn.unchecked_transaction()?;
            let answer = question(&snapshot)?;
            snapshot.finish()?;
            Ok(answer)
        })
        .await
    }

    /// Lends a connection without a transaction around it.
    pub(super) async fn lend<R, F>(&self, work: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let pool = Arc::clone(&self.pool);
        let done = tokio::task::spawn_blocking(move || {
            // Dropped in reverse order: the connection is back before the permit is.
            let _permit = permit;
            let lent = Lent::out_of(&pool)?;
            work(lent.conn())
        });
        done.await.map_err(|_| StoreError::Stopped)?
    }
}
