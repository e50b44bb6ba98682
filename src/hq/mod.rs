//! Headquarters' receiver: a composition root of its own (`skinlink-hq`). Subscribes to every gateway's topics, commits
//! what arrives, acknowledges after the commit, asks for what is missing. Any number of copies may share the load; all
//! state is in the database.

pub mod cli;
pub mod config;
pub mod database;
pub mod events;
pub mod images;
pub mod ledger;
mod receive;
mod standing;
pub mod tail;

pub use config::HqConfig;
pub use database::HqError;

use crate::adapters::mqtt;
use tokio_util::sync::CancellationToken;

/// Receives until `stop`.
///
/// # Errors
/// When the database cannot be opened or written. A broker that is away is no error: it is waited for.
pub async fn run(config: HqConfig, stop: CancellationToken) -> Result<(), HqError> {
    let (data, max_image_bytes) = (config.data.clone(), config.max_image_bytes);
    let database = tokio::task::spawn_blocking(move || database::Database::open(&data, max_image_bytes))
        .await
        .map_err(|_| HqError::Stopped)??;
    tracing::info!(broker = %config.host, port = config.port, data = %config.data.display(), "receiving");
    receive::serve(mqtt::connector(config.mqtt()), database, stop).await
}
