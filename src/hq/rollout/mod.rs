//! Rollouts: packages (`sync::package`) go to the stores in rings, each proven before the next, halted and taken back by themselves when
//! the stores' health worsens, taken back by a person with one click.
//!
//! [`plan`] says what is next (pure), [`chance`] how sure a share is, [`rings`] who comes when, [`cause`] why one was halted. [`packages`] are
//! taken in only if somebody signed them whom the configuration names. `register` keeps the rollouts and what people do with them, `seen`
//! reads how the stores are, `here` what one store has, `told` says to gateways what they shall use, and hears what became of it.
//!
//! All state is in the database, so any receiver may weigh the rollouts: whoever comes first, the others a moment later. A halted rollout never
//! goes on: what is mended is signed under a higher version.

pub mod cause;
pub mod chance;
mod here;
mod keys;
pub mod packages;
mod packing;
pub mod plan;
mod register;
pub mod rings;
mod seen;
mod told;
mod turn;

pub use here::{Here, here, withdrawn};
pub use keys::{make as make_keys, passphrase};
pub use packing::{Sheet, pack, show};
pub(super) use register::blameless;
pub use register::{Deed, Entry, Happened, ITSELF, State, act, happened, list, one, start};
pub use seen::{Users, mark, member, read as seen, users};
pub use told::counts;
pub(super) use told::{due, heard, slices};
pub use turn::turn;

use super::{
    HqError,
    config::RolloutSettings,
    connections::{Connections, Unasked},
    database::Place,
};
use crate::clock;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often rollouts are weighed.
pub(super) const LOOK_MS: i64 = 2_000;
const LOOK: Duration = Duration::from_millis(LOOK_MS as u64);

/// Weighs what is under way until `stop`. A database that is away is waited for.
pub(super) async fn serve(place: Place, settings: RolloutSettings, stop: CancellationToken) {
    let (database, settings) = (Connections::new(place, 1), Arc::new(settings));
    loop {
        tokio::select! { () = stop.cancelled() => return, () = sleep(LOOK) => {} }
        let settings = Arc::clone(&settings);
        match database.ask(move |engine| turn(engine, &settings.limits, clock::now().wall)).await {
            Ok(()) | Err(Unasked::Busy) => {}
            Err(Unasked::Fault(fault)) if fault.passes() => tracing::warn!(%fault, "rollouts wait for the database"),
            Err(Unasked::Fault(fault)) => tracing::error!(%fault, "rollouts are not weighed"),
        }
    }
}

/// What a person is told who asked for something that cannot be.
fn refused(sentence: impl Into<String>) -> HqError {
    HqError::Rollout(sentence.into())
}
