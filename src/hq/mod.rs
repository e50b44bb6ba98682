//! Headquarters' receiver: a composition root of its own (`skinlink-hq`). Subscribes to every gateway's topics, commits
//! what arrives, acknowledges after the commit, asks for what is missing. Any number of copies may share the load; all
//! state is in the database.

pub mod archive;
pub mod cli;
pub mod config;
pub mod database;
pub mod dead_letters;
pub mod documents;
pub mod erasure;
pub mod events;
pub mod filing;
mod holes;
pub mod images;
mod intake;
pub mod ledger;
mod receive;
pub mod records;
mod replies;
pub mod shelf;
mod standing;
pub mod stores;
pub mod tail;
pub mod uploads;

pub use config::HqConfig;
pub use database::HqError;

use crate::adapters::mqtt;
use receive::Opener;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Receives until `stop`.
///
/// # Errors
/// When the database cannot be opened or written. A broker that is away is no error: it is waited for.
pub async fn run(config: HqConfig, stop: CancellationToken) -> Result<(), HqError> {
    info!(broker = %config.host, port = config.port, database = %config.database, "receiving");
    let HqConfig { database, shelves, rules, listen, .. } = config.clone();
    let shelves = Arc::new(shelves.open()?);
    let receiving =
        receive::serve(mqtt::connector(config.mqtt()), Opener { place: database, shelves, rules }, stop.clone());
    match listen {
        None => receiving.await,
        Some(listen) => {
            tokio::try_join!(receiving, documents::serve(listen, stop))?;
            Ok(())
        }
    }
}
