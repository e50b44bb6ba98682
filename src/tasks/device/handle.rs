//! What others hold of a device: it can be asked for a value, told what is durable, and watched.

use crate::{
    domain::{
        device::DeviceIdentity,
        metric::{Label, MetricId},
    },
    protocol::Request,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Questions to one device. It is asked by one station, one at a time; confirmations come in short bursts.
pub(super) const QUESTIONS: usize = 16;

/// Why a device was not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Unplugged, switched off, or not yet identified. The scan waits: the device comes back by itself.
    #[error("the device does not answer; check its plug and its power")]
    NotConnected,
    /// It may still measure it by its own button.
    #[error("the device cannot be asked for {0}")]
    CannotMeasure(MetricId),
    #[error("the gateway is stopping")]
    Stopped,
}

/// How a device is, for pages and for the station.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceState {
    /// It has said who it is and answers.
    pub connected: bool,
    /// Who it is, or was when it last answered.
    pub identity: Option<DeviceIdentity>,
    /// What to do, until it works again.
    pub last_fault: Option<Label>,
    /// What it measures, by its protocol file.
    pub metrics: Vec<MetricId>,
    /// Where it is or was plugged in: `/dev/ttyUSB0`; empty before it was first found.
    pub port: String,
    /// Unreadable frames since the start.
    pub bad_frames: u64,
    /// As it last said; it may have said so before it went.
    pub battery_percent: Option<u8>,
    /// How strongly it was heard when it was last found, in dBm; only of devices in the air.
    pub signal_dbm: Option<i16>,
}

#[derive(Debug)]
pub(super) enum Command {
    Measure { request: Request, reply: oneshot::Sender<Result<(), DeviceError>> },
    Cancel,
    Confirmed(u64),
}

/// A device as others see it. Cheap to clone; the device's task outlives no handle's question unanswered.
#[derive(Debug, Clone)]
pub struct DeviceHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) state: watch::Receiver<DeviceState>,
}

impl DeviceHandle {
    /// Asks for one value. `Ok` means that the device was asked; the answer is an observation with the same token:
    /// `Measured`, `Refused` or `Busy`, exactly one, also when the device is pulled meanwhile.
    ///
    /// A cancelled call may or may not have asked.
    ///
    /// # Errors
    /// [`DeviceError`]: it was not asked, and no observation follows.
    pub async fn measure(&self, request: Request) -> Result<(), DeviceError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Measure { request, reply }).await.map_err(|_| DeviceError::Stopped)?;
        answer.await.map_err(|_| DeviceError::Stopped)?
    }

    /// Gives the value under way up; its observation is `Refused` with `Cancelled`. Nothing happens where none is.
    pub async fn cancel(&self) {
        // A device that has stopped has nothing under way.
        let _ = self.commands.send(Command::Cancel).await;
    }

    /// What came with this counter is durable: only now the device is told so. Lost where the device is away; it then
    /// sends the value again, and is told again.
    pub async fn confirm(&self, counter: u64) {
        // A device that has stopped is told after the next start.
        let _ = self.commands.send(Command::Confirmed(counter)).await;
    }

    /// The state now and every later one; intermediate states may be skipped.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<DeviceState> {
        self.state.clone()
    }

    /// Who the device is, or was when it last answered: where an observation's confirmation belongs.
    #[must_use]
    pub fn identity(&self) -> Option<DeviceIdentity> {
        self.state.borrow().identity.clone()
    }
}
