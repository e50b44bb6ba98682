//! Messages of care after visits and on birthdays, on their way to whoever sends them. Nothing is sent from here: headquarters says *that* one is due,
//! to an integration that has the names and the wording. A message carries ids, its kind, when it was due, the store and its
//! language; never a name or a number, since headquarters has none.
//!
//! `due` says what is due, by the store's own rule. [`offers`] keeps each message under an id that visit and kind give it, once for
//! ever: facts may be made again and receivers may be many. It is handed out by a lease, taken through the API or pushed to a webhook
//! (`push`); one whose outcome nobody said is handed out again under the same id. So it is at least once on the wire, and once by
//! its id.
//!
//! At every handing out the consent must stand and the message still make sense. [`birthdays`] are of no visit: the CRM tells their days.

pub mod birthdays;
mod desk;
mod due;
mod known;
pub mod offers;
mod push;

pub use desk::{again, print};
pub use due::{Person, Visit};
pub use offers::{Message, forget};

use super::{
    HqError,
    config::CareSettings,
    connections::{Connections, Unasked},
    database::Place,
};
use crate::clock;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often is looked for what has become due; a minute late is on time.
const LOOK: Duration = Duration::from_secs(20);

/// After a fault; also where nobody can read the database now.
const REST: Duration = Duration::from_secs(10);

/// Offers what becomes due, and pushes it where a webhook is configured, until `stop`. A database that is away is waited for.
///
/// # Errors
/// None of the database; settings that no webhook can have.
pub async fn serve(place: Place, settings: CareSettings, stop: CancellationToken) -> Result<(), HqError> {
    let (database, settings) = (Connections::new(place, 2), Arc::new(settings));
    let pushing = async {
        match &settings.webhook {
            None => Ok(()),
            Some(webhook) => push::run(database.clone(), Arc::clone(&settings), webhook, &stop).await,
        }
    };
    let ((), pushed) = tokio::join!(offer(database.clone(), Arc::clone(&settings), &stop), pushing);
    pushed
}

async fn offer(database: Connections, settings: Arc<CareSettings>, stop: &CancellationToken) {
    loop {
        let settings = Arc::clone(&settings);
        let turn = database.ask(move |engine| offers::turn(engine, &settings, clock::now().wall));
        let wait = match turn.await {
            Ok(offers::Turn { more: true, .. }) => Duration::ZERO,
            Ok(_) => LOOK,
            Err(Unasked::Busy) => REST,
            Err(Unasked::Fault(fault)) if fault.passes() => {
                tracing::warn!(%fault, "messages of care wait for the database");
                REST
            }
            Err(Unasked::Fault(fault)) => {
                tracing::error!(%fault, "messages of care are not offered");
                LOOK
            }
        };
        tokio::select! { () = stop.cancelled() => return, () = sleep(wait) => {} }
    }
}
