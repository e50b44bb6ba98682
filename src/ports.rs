//! The seams with two real sides: bytes to and from a device, over a serial line, Bluetooth or a simulated wire; and the
//! channels to HQ's broker, so that the task that fills them names no network library.

use std::{fmt, future::Future, io, pin::Pin, sync::Arc};
use tokio::sync::mpsc;

/// Why a link ended or could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Not plugged in, switched off or not paired: wait and look again.
    #[error("{what} is not there; check its plug and its power")]
    Absent { what: String },
    /// Several devices fit: asked about, never guessed. Each candidate is named so that it can be written into the
    /// configuration.
    #[error("{} devices fit: {}; give this one its own path or serial_number in [[device]]", .candidates.len(), .candidates.join(" · "))]
    Alike { candidates: Vec<String> },
    /// Unplugged, hung up, out of range: close it, wait, open again by identity.
    #[error("the device is gone ({0})")]
    Gone(String),
    /// Another program holds the port.
    #[error("{port} is in use by another program; close it there, then plug the device in again")]
    Busy { port: String },
    #[error("no right to open {port}; add the service's user to the group that owns it (usually dialout)")]
    Forbidden { port: String },
    #[error("link fault: {0}")]
    Io(#[from] io::Error),
}

/// A link just opened, and what is known of the device before it has said a word.
#[derive(Debug)]
pub struct Opened<L> {
    pub link: L,
    /// Names the device where it does not tell its own serial number: the unique USB serial, else the by-path name.
    pub serial: String,
    /// Where it is plugged in, for messages only: `/dev/ttyUSB0`.
    pub port: String,
}

/// A connected device: bytes both ways. Slices are cut anywhere; framing never trusts their edges.
pub trait Link: Send + fmt::Debug {
    /// Sends all of `bytes`. A cancelled call may have sent a part.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Waits for bytes and says how many there are, at least one. Cancel-safe: a cancelled call has taken nothing.
    fn recv(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, LinkError>> + Send;
}

/// One publish on its way to the broker, always QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The sender's own number for it; comes back with the broker's word.
    pub token: u64,
    pub topic: String,
    /// At most [`crate::sync::MAX_PUBLISH`] bytes.
    pub payload: Vec<u8>,
    pub retain: bool,
}

/// What the broker said to one publish. `Taken` is no promise that anyone got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerWord {
    Taken,
    /// Nobody subscribes to the topic: the publish is lost.
    NobodyListens,
    /// Not authorised, over a quota, or wrong in the broker's eyes; the reason is MQTT's own.
    Refused(String),
}

/// What comes from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBroker {
    Word { token: u64, word: BrokerWord },
    Message { topic: String, payload: Vec<u8> },
}

/// Why there is no connection to HQ's broker, or no longer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UplinkError {
    /// Found before connecting: a broker would only hang up on it.
    #[error("our own certificate cannot be used: {0}")]
    OwnCertificate(String),
    #[error("cannot reach the broker at {host}:{port} ({reason}); check the address, the cable and the firewall")]
    Unreachable { host: String, port: u16, reason: String },
    #[error("the broker's certificate is not accepted ({0}); check mqtt.host and mqtt.ca")]
    BrokerCertificate(String),
    /// With TLS 1.3 a refused client certificate shows only after the handshake, and not always with its reason.
    #[error("the broker hung up before answering ({0}); it probably refuses this certificate, its log says why")]
    HungUp(String),
    #[error("the broker refuses this client: {0}")]
    Refused(String),
    #[error("the connection ended: {0}")]
    Lost(String),
}

impl UplinkError {
    /// Whether someone has to act: trying again alone does not help.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::OwnCertificate(_) | Self::BrokerCertificate(_) | Self::HungUp(_) | Self::Refused(_))
    }
}

/// A live connection to HQ's broker: subscribed, last will set. One connection is one `Uplink`; after any error it is
/// thrown away with everything in it, and what was not acknowledged is read again from the outbox.
pub struct Uplink {
    /// Capacity 1: a publish accepted here is about to be written. Never wait on it without also receiving from
    /// [`Self::arrived`], or both sides stand still.
    pub publish: mpsc::Sender<Publish>,
    pub arrived: mpsc::Receiver<FromBroker>,
    /// Moves the connection; it must be polled for anything to happen and ends only with the reason it ended.
    pub driver: Pin<Box<dyn Future<Output = UplinkError> + Send>>,
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").finish_non_exhaustive()
    }
}

/// Makes one connection per call. Handed in by the composition root, so that tasks name no adapter.
pub type Connector = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Uplink, UplinkError>> + Send>> + Send + Sync>;
