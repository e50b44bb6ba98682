//! Owner of the packages that headquarters rolls out to this gateway: it fetches what is wished, slice by slice, holds it against
//! signature and rules, tries it, and puts it in use where that disturbs nobody. What it knows is written down before anything
//! acts on it, so that a gateway that is killed anywhere comes back with the old or the new, never with neither.
//!
//! - *Models* are exchanged between two photographs, by the task that measures ([`super::analysis`]).
//! - *Suggestions, treatments and settings* are read where the gateway is built: it begins anew inside its process, at a moment
//!   when no scan runs and no photograph is being taken in; until then they are held.
//! - What was put in use stands on trial for its first seconds: a gateway that ends by itself with it, or cannot be built with
//!   it, goes on with what was used before.
//!
//! What a gateway uses from its start on is settled where it is built (`app::packages`), from the same [`State`].

mod exchange;
mod fetching;
mod owner;
mod shelf;
mod state;
mod taking;
mod taking_in;

pub use shelf::Shelf;
pub use state::{Aside, Counts, MOST_STARTS, Running, State, Trying};
pub use taking::Reader;
pub use taking_in::TakingIn;

/// As headquarters is told of a package, and as pages show it.
pub use crate::sync::package::{Holding, Slot, Stand};

use super::{analysis::AnalysisHandle, station::StationHandle};
use crate::{
    store::{Store, StoreError},
    sync::{
        downlink::Downlink,
        package::{Wish, Withdrawn},
    },
};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Words of headquarters that wait: a run of slices of some 60 kB each. When it is full, one is passed over, and asked for or said
/// again.
const WAITING: usize = 64;

/// What the task needs to know.
pub struct Settings {
    pub reader: Arc<Reader>,
    /// As this life of the gateway was built with it.
    pub state: State,
    pub running: Running,
    pub aside: Aside,
    pub analysis: AnalysisHandle,
    pub stations: Arc<[StationHandle]>,
    pub taking_in: TakingIn,
    /// Cancelled where the gateway shall begin anew inside its process, before `stop`.
    pub anew: CancellationToken,
    pub still_builds: StillBuilds,
}

/// Whether the files that the installer's configuration names are still sound, or what is wrong: somebody may be writing them, and
/// no rollout may take a gateway down for that.
pub type StillBuilds = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

#[derive(Debug)]
enum Command {
    Wanted { book: String, version: u64, packages: Vec<Wish>, withdrawn: Vec<Withdrawn> },
    Slice { sha256: String, index: u32, data: String },
}

/// Cloneable; passes on what headquarters says, and knows what to tell it.
#[derive(Debug, Clone)]
pub struct PackagesHandle {
    commands: mpsc::Sender<Command>,
    told: watch::Receiver<Downlink>,
}

/// The task's end of the queue.
#[derive(Debug)]
pub struct Inbox {
    commands: mpsc::Receiver<Command>,
    tell: watch::Sender<Downlink>,
}

/// A handle and the inbox that [`run`] takes; until that runs, the handle tells what `state` says.
#[must_use]
pub fn channel(state: &State, running: &Running) -> (PackagesHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(WAITING);
    let (tell, told) = watch::channel(state.downlink(running));
    (PackagesHandle { commands, told }, Inbox { commands: inbox, tell })
}

impl PackagesHandle {
    /// Headquarters says what this gateway shall use, and what it may not use any more. Does not wait: where the owner has no room
    /// for it, headquarters says it again.
    pub fn wanted(&self, book: String, version: u64, packages: Vec<Wish>, withdrawn: Vec<Withdrawn>) {
        let _ = self.commands.try_send(Command::Wanted { book, version, packages, withdrawn });
    }

    /// A slice of a package. Does not wait: one that is passed over is asked for again.
    pub fn slice(&self, sha256: String, index: u32, data: String) {
        let _ = self.commands.try_send(Command::Slice { sha256, index, data });
    }

    /// Each package as headquarters is told of it.
    #[must_use]
    pub fn held(&self) -> Vec<Holding> {
        self.told.borrow().packages.clone()
    }

    /// What to tell headquarters; changes when a hello is to be said for it. Nothing is to be said before headquarters has told of
    /// packages (`wanted` is absent).
    #[must_use]
    pub fn told(&self) -> watch::Receiver<Downlink> {
        self.told.clone()
    }
}

/// Runs until `stop`.
///
/// # Errors
/// [`StoreError::Stopped`]: without a store nothing may be put in use.
pub async fn run(settings: Settings, store: Store, inbox: Inbox, stop: CancellationToken) -> Result<(), StoreError> {
    owner::Owner::new(settings, store, inbox, stop.clone()).run(stop).await
}
