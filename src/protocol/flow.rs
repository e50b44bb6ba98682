//! Conversations: short lists of steps, each with its reply, timeout and retries.

use crate::domain::{metric::MetricId, word::words};
use std::time::Duration;

words! {
    /// What becomes of values that nobody asked for.
    pub enum Unasked as "treatment of unasked values" {
        /// They are the device's own measurements: its button, its contact switch.
        Taken = "taken",
        /// The device sends all the time, whether it touches skin or not.
        Dropped = "dropped",
    }
}

/// One step: send a command, wait for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Command to send; `None`: only wait.
    pub send: Option<String>,
    /// Messages any of which ends the step; none: it is over as soon as the command is sent.
    pub reply: Vec<String>,
    pub timeout: Duration,
    /// How often the last command is sent again before the conversation is given up.
    pub retries: u32,
}

/// What is said to a message whenever it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Message of the device.
    pub to: String,
    /// Command of the gateway.
    pub send: String,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    pub identify: Vec<Step>,
    pub measure: Vec<Measure>,
    /// Command sent once a value is durable; the device sends again what was not acknowledged. Where its messages carry no
    /// counter, it has one measurement under way at a time.
    pub acknowledge: Option<String>,
    /// Command sent for a frame that did not hold: the device sends it again.
    pub refuse: Option<String>,
    pub answers: Vec<Answer>,
    pub unasked: Unasked,
    pub keep_alive: Option<KeepAlive>,
    pub set_clock: Vec<Step>,
    pub picture: Option<PictureFlow>,
}

impl Flow {
    /// Every conversation there is.
    pub fn conversations(&self) -> impl Iterator<Item = &[Step]> {
        let alive = self.keep_alive.as_ref().map(|alive| alive.steps.as_slice());
        let measures = self.measure.iter().map(|measure| measure.steps.as_slice());
        [self.identify.as_slice(), self.set_clock.as_slice()].into_iter().chain(alive).chain(measures)
    }

    /// Messages that may answer `command`, whatever conversation it belongs to.
    #[must_use]
    pub fn replies_to(&self, command: &str) -> Vec<&str> {
        let asks = |step: &Step| step.send.as_deref() == Some(command);
        let asked = self.conversations().flat_map(|steps| (0..steps.len()).map(move |at| &steps[at..]));
        asked.filter(|steps| steps.first().is_some_and(asks)).flat_map(awaited).collect()
    }

    /// The steps of the first conversation that sends `command`, from there on.
    #[must_use]
    pub fn steps_after(&self, command: &str) -> Option<&[Step]> {
        self.conversations().find_map(|steps| {
            let at = steps.iter().position(|step| step.send.as_deref() == Some(command))?;
            Some(&steps[at..])
        })
    }
}

/// Messages that may come now: those of the first step, and of what follows without another command.
#[must_use]
pub fn awaited(steps: &[Step]) -> Vec<&str> {
    let open = steps.iter().enumerate().take_while(|(at, step)| *at == 0 || step.send.is_none());
    open.flat_map(|(_, step)| step.reply.iter().map(String::as_str)).collect()
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            identify: Vec::new(),
            measure: Vec::new(),
            acknowledge: None,
            refuse: None,
            answers: Vec::new(),
            unasked: Unasked::Taken,
            keep_alive: None,
            set_clock: Vec::new(),
            picture: None,
        }
    }
}
