//! What device tasks tell the station.

use crate::{domain::device::DeviceIdentity, protocol::Event};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Observations on their way to the station. A scan makes a few per second; more means that the station is held up by its
/// disk. When it is full, the device tasks stop reading their devices and nothing is dropped: the devices wait, or send
/// again what was not confirmed.
pub const QUEUE: usize = 64;

/// One event of one device. Of one device, observations keep their order.
///
/// Bad frames are not among them: they are counted in the device's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Who it was, complete: where the protocol tells no serial number, the USB serial or by-path stands in.
    pub device: Arc<DeviceIdentity>,
    pub event: Event,
}

/// The way from the devices of one station to it.
#[must_use]
pub fn queue() -> (mpsc::Sender<Observation>, mpsc::Receiver<Observation>) {
    mpsc::channel(QUEUE)
}
