//! SIGTERM and SIGINT ask the daemon to stop.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask to stop; [`Signals::none`] for tests, which cancel the token instead.
#[derive(Debug)]
pub struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self(Some((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))))
    }

    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Waits for the first of them; for ever without any.
    pub async fn stop_requested(&mut self) {
        match &mut self.0 {
            None => std::future::pending().await,
            Some((terminate, interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
        }
    }
}
