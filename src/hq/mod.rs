//! Headquarters' receiver: a composition root of its own (`skinlink-hq`). Subscribes to every gateway's topics, commits
//! what arrives, acknowledges after the commit, asks for what is missing. Any number of copies may share the load; all
//! state is in the database.

pub mod cli;
pub mod config;
pub mod database;
pub mod dead_letters;
pub mod events;
mod holes;
pub mod images;
mod intake;
pub mod ledger;
mod receive;
pub mod records;
mod replies;
mod standing;
pub mod stores;
pub mod tail;

pub use config::HqConfig;
pub use database::HqError;

use crate::adapters::mqtt;
use receive::Opener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Receives until `stop`.
///
/// # Errors
/// When the database cannot be opened or written. A broker that is away is no error: it is waited for.
pub async fn run(config: HqConfig, stop: CancellationToken) -> Result<(), HqError> {
    info!(broker = %config.host, port = config.port, database = %config.database, "receiving");
    let HqConfig { database, data, max_image_bytes, .. } = config.clone();
    receive::serve(mqtt::connector(config.mqtt()), Opener { place: database, data, max_image_bytes }, stop).await
}
