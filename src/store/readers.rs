//! A few connections that only answer questions, lent to the blocking threads one question at a time.

use super::error::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The pool. A question beyond its size waits for a connection.
///
/// The mutex guards only the moment of taking one out or putting it back; no question runs under it.
pub(super) struct Readers {
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// Puts its connection back, also when the question panics.
struct Lent {
    idle: Arc<Mutex<Vec<Connection>>>,
    conn: Option<Connection>,
}

impl Lent {
    fn out_of(idle: &Arc<Mutex<Vec<Connection>>>) -> Self {
        let conn = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { idle: Arc::clone(idle), conn }
    }

    fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("there are as many permits as connections")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { free: Arc::new(Semaphore::new(connections.len())), idle: Arc::new(Mutex::new(connections)) }
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
        let idle = Arc::clone(&self.idle);
        let done = tokio::task::spawn_blocking(move || {
            // Dropped in reverse order: the connection is back before the permit is.
            let _permit = permit;
            let lent = Lent::out_of(&idle);
            work(lent.conn())
        });
        done.await.map_err(|_| StoreError::Stopped)?
    }
}
