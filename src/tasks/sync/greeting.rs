//! Whether HQ has answered on this connection, else when to ask again.

use crate::sync::backoff::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// Waits between two hellos that stay without an answer.
const FIRST_HELLO: Duration = Duration::from_secs(2);
const LONGEST_HELLO: Duration = Duration::from_secs(30);

pub(super) struct Greeting {
    pub answered: bool,
    /// Hellos since the last answer.
    pub asked: u32,
    /// Hellos on this connection.
    said: usize,
    pub next_at: Instant,
    pub backoff: Backoff,
}

impl Greeting {
    /// To be said at once.
    pub fn new() -> Self {
        let backoff = Backoff::new(FIRST_HELLO, LONGEST_HELLO);
        Self { answered: false, asked: 0, said: 0, next_at: Instant::now(), backoff }
    }

    /// One more is said; how many were before on this connection. Each names other ranges where one has no room for all.
    pub fn says(&mut self) -> usize {
        self.asked += 1;
        self.said += 1;
        self.said - 1
    }
}
