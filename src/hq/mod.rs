//! Headquarters' receiver: a composition root of its own (`skinlink-hq`). Subscribes to every gateway's topics, commits
//! what arrives, acknowledges after the commit, asks for what is missing. Any number of copies may share the load; all
//! state is in the database.

pub mod agenda;
pub mod alarms;
pub mod archive;
pub mod care;
mod clerk;
pub mod cli;
pub mod config;
mod connections;
pub mod crm;
pub mod database;
pub mod dead_letters;
pub mod documents;
pub mod erasure;
pub mod events;
mod fetches;
pub mod filing;
mod holes;
pub mod images;
mod inbox;
mod intake;
pub mod ledger;
pub mod office;
pub mod orders;
pub mod presence;
mod receive;
pub mod records;
mod replies;
pub mod reports;
pub mod retirement;
pub mod rollout;
mod served;
pub mod shelf;
pub mod staff;
mod standing;
mod standing_words;
pub mod stores;
pub mod tail;
mod telling;
pub mod unheard;
pub mod uploads;
pub mod waits;

pub use config::{CareSettings, CrmSettings, HqConfig, OfficeSettings, ReportSettings, RolloutSettings};
pub use database::HqError;

use crate::{
    adapters::mqtt,
    desk::{self, Press},
};
use receive::Opener;
use reports::OfHeadquarters;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Receives until `stop`.
///
/// # Errors
/// When the database cannot be opened or written. A broker that is away is no error: it is waited for.
pub async fn run(config: HqConfig, stop: CancellationToken) -> Result<(), HqError> {
    info!(broker = %config.host, port = config.port, database = %config.database, "receiving");
    let HqConfig { database, shelves, rules, listen, reports, office, crm, care, rollouts, .. } = config.clone();
    let shelves = Arc::new(shelves.open_or_make()?);
    let opener = Opener { place: database.clone(), shelves: Arc::clone(&shelves), rules };
    let receiving = receive::serve(mqtt::connector(config.mqtt()), opener, stop.clone());
    let documents = async {
        match listen {
            None => Ok(()),
            Some(listen) => documents::serve(listen, stop.clone()).await,
        }
    };
    let programs = async {
        match &crm {
            None => Ok(()),
            Some(settings) => crm::serve(database.clone(), settings, care.clone(), stop.clone()).await,
        }
    };
    let messages = async {
        match &care {
            None => Ok(()),
            Some(settings) => care::serve(database.clone(), settings.clone(), stop.clone()).await,
        }
    };
    let weighing = async {
        if let Some(settings) = &rollouts {
            rollout::serve(database.clone(), settings.clone(), stop.clone()).await;
        }
        Ok(())
    };
    let office = async {
        match office {
            None => Ok(()),
            Some(settings) => office::serve(database.clone(), settings, rollouts.clone(), stop.clone()).await,
        }
    };
    let desk = async {
        match &reports {
            None => Ok(()),
            Some(settings) => {
                serve_reports(OfHeadquarters::new(database.clone(), shelves, settings), settings, &stop).await
            }
        }
    };
    tokio::try_join!(receiving, documents, office, programs, messages, weighing, desk).map(drop)
}

/// Serves customers' reports until `stop`.
async fn serve_reports(
    reports: OfHeadquarters,
    settings: &ReportSettings,
    stop: &CancellationToken,
) -> Result<(), HqError> {
    let ReportSettings { listen, behind_proxy, silent: _ } = *settings;
    let failed = |source| HqError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    info!(%listen, "customers' reports are served under /r/");
    desk::serve(listener, reports, Press::beside(), behind_proxy, stop.clone()).await.map_err(failed)
}
