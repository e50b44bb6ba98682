//! Devices in the air (Bluetooth Low Energy) through BlueZ, by the library btleplug: an [`Air`] finds them, [`opener()`] opens
//! them again and again, a [`BleLink`] carries bytes like a serial line.
//!
//! Does not interpret bytes and keeps no values. A machine without Bluetooth pays nothing until a device wants it.
//! What the stack does and this folder hides (met on BlueZ 5.66; `tests/fake-bluez` plays it on
//! demand, `tests/ble-lab` on the real bluetoothd and kernel; none of them has a radio):
//!
//! - Nothing ends by itself: the stream of notifications goes quiet when the device goes, when the adapter is pulled and
//!   when bluetoothd dies. Loss is told by the adapter's own events, by a watch over the bus and by asking.
//! - Every call may stand still for 30 s: each has a limit of our own, and none outlives the bus.
//! - An attempt to connect goes on inside BlueZ after we gave it up, and blocks the next: `disconnect()` comes before each.
//! - BlueZ forgets a device half a minute after it went, and remembers others that are not there: a device is connected only
//!   when it has just been heard, by its address, never by a handle kept from before.
//! - Two scans of one client are an error, and so is ending one that does not run: one task owns all scanning.
//! - The stream's queue has no bound: a task of its own empties it into one that has.
//!
//! There is no pairing here: a device that wants to be paired says so, and a person does it once with `bluetoothctl`. No test
//! pairs either: the fake has none, and the laboratory's controller refuses it.

pub mod air;
mod broadcast;
mod bus;
mod connect;
mod link;
mod opener;
mod roll;
mod seat;
mod service;
mod sight;
mod survey;
pub mod trouble;
pub mod watchdog;

pub use air::{Air, AirTask, Sighting, Wanted, air, listen_for};
pub use broadcast::{BroadcastLink, Overheard, listener};
pub use link::BleLink;
pub use opener::{Pinned, opener};
pub use survey::{Heard, survey};
