//! The one seam with two real sides: bytes to and from a device, over a serial line, Bluetooth or a simulated wire.

use std::{fmt, future::Future, io};

/// Why a link ended or could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
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

/// A connected device: bytes both ways. Slices are cut anywhere; framing never trusts their edges.
pub trait Link: Send + fmt::Debug {
    /// Sends all of `bytes`. A cancelled call may have sent a part.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Waits for bytes and says how many there are, at least one. Cancel-safe: a cancelled call has taken nothing.
    fn recv(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, LinkError>> + Send;
}
