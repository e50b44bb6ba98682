//! The simulated sides: what stands in for a salon's hardware and for headquarters' broker, in the demo and in tests.
//!
//! A simulated analyser is a [`device::SimDevice`] made from a protocol file, behind a [`wire::Wire`] with seeded faults, run
//! by [`serve::serve`] on a real pseudo-terminal and steered by a [`serve::SimHandle`].

mod arrays;
pub mod beautician;
pub mod broker;
pub mod deeds;
pub mod device;
pub mod diary;
pub mod faults;
mod fill;
pub mod ledger;
mod pictures;
mod pty;
pub mod replay;
pub mod serve;
pub mod truth;
pub mod wire;

pub use device::{Setup, SimDevice, SimInput, SimOutput};
pub use faults::{Fault, Faults};
pub use ledger::LedgerLine;
pub use replay::{Replay, serve_replay};
pub use serve::{Control, SimHandle, Simulated, serve};
pub use truth::Truth;
pub use wire::Wire;
