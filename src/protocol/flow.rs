//! Conversations: short lists of steps, each with its reply, timeout and retries.

use crate::domain::metric::MetricId;
use std::time::Duration;

/// One step: send a command, wait for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Command to send; `None`: only wait.
    pub send: Option<String>,
    /// Message that ends the step.
    pub reply: String,
    pub timeout: Duration,
    /// How often the last command is sent again before the conversation is given up.
    pub retries: u32,
}

/// How some metrics are measured on request.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// All of them come out of this one conversation.
    pub metrics: Vec<MetricId>,
    pub steps: Vec<Step>,
}

/// What is asked while nothing else goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepAlive {
    /// Since the last byte from the device.
    pub every: Duration,
    pub steps: Vec<Step>,
}

/// How the device sends a picture in numbered chunks: it announces, the gateway asks for runs of chunks until none is
/// missing, checks the whole and confirms.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureFlow {
    /// Message with `counter`, `picture_bytes`, `chunk_bytes`, `picture_check`.
    pub announce: String,
    /// Message with `chunk` and `data`.
    pub chunk: String,
    /// Command with `chunk` and `chunks`: the first one wanted and how many.
    pub request: String,
    /// Command sent once the picture is durable.
    pub done: String,
    pub check: super::checksum::Algorithm,
    pub max_bytes: usize,
    /// Chunks asked for at once.
    pub window: u32,
    /// Without a chunk for so long, what is missing is asked for again.
    pub timeout: Duration,
    /// How often in a row without any chunk.
    pub retries: u32,
}

/// All conversations of a protocol.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flow {
    pub identify: Vec<Step>,
    pub measure: Vec<Measure>,
    /// Command sent once a value is durable; the device sends again what was not acknowledged.
    pub acknowledge: Option<String>,
    pub keep_alive: Option<KeepAlive>,
    pub set_clock: Vec<Step>,
    pub picture: Option<PictureFlow>,
}
