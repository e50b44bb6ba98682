//! The office's connections to the database: what cannot be read now is told to nobody but the log.

use crate::hq::{
    HqError,
    connections::{Connections, Unasked},
    database::{Place, engine::Engine},
};

/// Connections, and so answers at once; a password that is looked at takes tens of milliseconds and 19 MiB of one.
const CONNECTIONS: usize = 4;

/// The database cannot be asked now; told to nobody but the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;

#[derive(Debug, Clone)]
pub struct Books(Connections);

impl Books {
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self(Connections::new(place, CONNECTIONS))
    }

    /// Asks the database.
    ///
    /// # Errors
    /// [`Away`], also where the question failed; what failed stands in the log.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Engine) -> Result<T, HqError> + Send + 'static,
    ) -> Result<T, Away> {
        self.0.ask(question).await.map_err(|unasked| {
            if let Unasked::Fault(fault) = unasked {
                tracing::error!(%fault, "the office cannot read its books");
            }
            Away
        })
    }
}
