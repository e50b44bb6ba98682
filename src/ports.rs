//! The one seam with two real sides: bytes to and from a device, over a serial line, Bluetooth or a simulated wire.

use std::{fmt, future::Future, io};

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
