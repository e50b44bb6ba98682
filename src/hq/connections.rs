//! A few connections to the database for whoever answers people and programs: questions are asked on threads of their own, so many
//! at once, and a connection that failed is not used again.

use super::{
    HqError,
    database::{Place, engine::Engine},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Who waits longer for one of them is told to come again.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    idle: Mutex<Vec<Box<dyn Engine>>>,
    free: Arc<Semaphore>,
}

/// Why a question was not answered.
#[derive(Debug)]
pub(super) enum Unasked {
    /// All of them were busy for too long.
    Busy,
    Fault(HqError),
}

impl Connections {
    pub fn new(place: Place, most: usize) -> Self {
        Self(Arc::new(Inner { place, idle: Mutex::default(), free: Arc::new(Semaphore::new(most)) }))
    }

    /// Asks the database on a thread of its own. A question that was begun is finished, whoever hangs up meanwhile.
    ///
    /// # Errors
    /// [`Unasked`].
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Engine) -> Result<T, HqError> + Send + 'static,
    ) -> Result<T, Unasked> {
        let inner = Arc::clone(&self.0);
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.free).acquire_owned());
        let turn = turn.await.map_err(|_| Unasked::Busy)?.map_err(|_| Unasked::Busy)?;
        let asked = tokio::task::spawn_blocking(move || {
            // As long as the thread works, whoever hangs up meanwhile.
            let _turn = turn;
            let idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut engine = idle.map_or_else(|| inner.place.open(), Ok)?;
            let answer = question(&mut *engine);
            if answer.as_ref().err().is_none_or(HqError::leaves_the_line) {
                inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
            }
            answer
        });
        asked.await.map_err(|_| Unasked::Busy)?.map_err(Unasked::Fault)
    }
}
