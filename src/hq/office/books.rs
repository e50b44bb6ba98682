//! The office's connections to the database: a few, each used by one question at a time on a thread of its own.

use crate::hq::{
    HqError,
    database::{Place, engine::Engine},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Connections, and so answers at once; a password that is looked at takes tens of milliseconds and 19 MiB of one.
const CONNECTIONS: usize = 4;

/// Who waits longer for one of them is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database cannot be asked now; told to nobody but the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;

#[derive(Debug, Clone)]
pub struct Books(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    idle: Mutex<Vec<Box<dyn Engine>>>,
    free: Arc<Semaphore>,
}

impl Books {
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self(Arc::new(Inner { place, idle: Mutex::default(), free: Arc::new(Semaphore::new(CONNECTIONS)) }))
    }

    /// Asks the database; a connection that failed is not used again.
    ///
    /// # Errors
    /// [`Away`], also where the question failed; what failed stands in the log.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Engine) -> Result<T, HqError> + Send + 'static,
    ) -> Result<T, Away> {
        let inner = Arc::clone(&self.0);
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.free).acquire_owned());
        let turn = turn.await.map_err(|_| Away)?.map_err(|_| Away)?;
        let asked = tokio::task::spawn_blocking(move || {
            // As long as the thread works, whoever hangs up meanwhile.
            let _turn = turn;
            let idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut engine = idle.map_or_else(|| inner.place.open(), Ok)?;
            let answer = question(&mut *engine)?;
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
            Ok::<_, HqError>(answer)
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => {
                tracing::error!(%fault, "the office cannot read its books");
                Err(Away)
            }
            Err(_) => Err(Away),
        }
    }
}
