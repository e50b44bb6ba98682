//! SIGTERM, SIGINT and a closed terminal (SIGHUP) ask the daemon to stop.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask to stop; [`Signals::none`] for tests, which cancel the token instead.
#[derive(Debug)]
pub struct Signals {
    kinds: Option<(Signal, Signal, Signal)>,
    asked: bool,
}

impl Signals {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn install() -> io::Result<Self> {
        let kinds = (SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup());
        Ok(Self { kinds: Some((signal(kinds.0)?, signal(kinds.1)?, signal(kinds.2)?)), asked: false })
    }

    #[must_use]
    pub const fn none() -> Self {
        Self { kinds: None, asked: false }
    }

    /// Waits for the first of them; for ever without any.
    pub async fn stop_requested(&mut self) {
        match &mut self.kinds {
            None => std::future::pending().await,
            Some((terminate, interrupt, hangup)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hangup.recv() => {}
                }
            }
        }
        self.asked = true;
    }

    /// Whether one of them has come: whatever else happens then, the daemon is to end.
    #[must_use]
    pub const fn asked(&self) -> bool {
        self.asked
    }
}
