//! A picture that comes over the device's line in numbered chunks: asks for what is missing, checks the whole.

use super::{
    flow::PictureFlow,
    item::{Decoded, Item, Role},
};
use std::time::Instant;

/// What tells one picture of a device from another, also after its counter began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureId {
    pub(super) counter: Option<u64>,
    check: u64,
    bytes: usize,
}

/// One picture on its way in. Holds at most [`PictureFlow::max_bytes`].
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: PictureId,
    chunk_bytes: usize,
    bytes: Vec<u8>,
    /// Which chunks have come.
    have: Vec<bool>,
    /// End of the run asked for.
    asked_to: usize,
    tries: u32,
    pub(super) deadline: Instant,
}

/// What to do next about a picture.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Wait,
    /// Send the request command with these items.
    Ask(Vec<Item>),
    /// All there and checked.
    Whole {
        bytes: Vec<u8>,
        id: PictureId,
    },
    /// No chunk came for too long, or the whole did not check: the device may announce it again.
    GaveUp,
}

impl Incoming {
    /// Reads an announcement; `None` when it promises what the file does not allow.
    pub(super) fn announced(flow: &PictureFlow, announcement: &Decoded, now: Instant) -> Option<Self> {
        let number = |role| usize::try_from(announcement.number(role)?).ok();
        let (size, chunk_bytes) = (number(Role::PictureBytes)?, number(Role::ChunkBytes)?);
        if size == 0 || size > flow.max_bytes || chunk_bytes == 0 {
            return None;
        }
        let id = PictureId {
            counter: announcement.number(Role::Counter),
            check: announcement.number(Role::PictureCheck)?,
            bytes: size,
        };
        Some(Self {
            id,
            chunk_bytes,
            bytes: vec![0; size],
            have: vec![false; size.div_ceil(chunk_bytes)],
            asked_to: 0,
            tries: 0,
            deadline: now,
        })
    }

    /// Asks for the first run of missing chunks.
    pub(super) fn ask(&mut self, flow: &PictureFlow, now: Instant) -> Next {
        self.deadline = now + flow.timeout;
        let first = self.have.iter().position(|have| !have).unwrap_or(0);
        let missing = self.have[first..].iter().take(flow.window as usize).take_while(|have| !**have).count();
        self.asked_to = first + missing;
        let mut items = vec![
            Item::Number { role: Role::Chunk, value: first as u64 },
            Item::Number { role: Role::Chunks, value: missing as u64 },
        ];
        items.extend(self.id.counter.map(|value| Item::Number { role: Role::Counter, value }));
        Next::Ask(items)
    }

    /// Takes a chunk; one of another picture, or of a wrong size, is not looked at.
    pub(super) fn chunk(&mut self, flow: &PictureFlow, chunk: &Decoded, now: Instant) -> Next {
        let other = chunk.number(Role::Counter).is_some_and(|counter| Some(counter) != self.id.counter);
        let index = chunk.number(Role::Chunk).and_then(|index| usize::try_from(index).ok());
        let (Some(index), Some(data)) = (index.filter(|index| *index < self.have.len()), chunk.bytes(Role::Data))
        else {
            return Next::Wait;
        };
        let from = index * self.chunk_bytes;
        let to = (from + self.chunk_bytes).min(self.bytes.len());
        if other || data.len() != to - from {
            return Next::Wait;
        }
        self.bytes[from..to].copy_from_slice(data);
        self.have[index] = true;
        self.tries = 0;
        self.deadline = now + flow.timeout;
        if self.have.iter().all(|have| *have) {
            return self.whole(flow, now);
        }
        if index + 1 >= self.asked_to { self.ask(flow, now) } else { Next::Wait }
    }

    fn whole(&mut self, flow: &PictureFlow, now: Instant) -> Next {
        if flow.check.compute(&self.bytes) == self.id.check {
            return Next::Whole { bytes: std::mem::take(&mut self.bytes), id: self.id };
        }
        self.have.fill(false);
        self.late(flow, now)
    }

    /// Nothing came in time.
    pub(super) fn late(&mut self, flow: &PictureFlow, now: Instant) -> Next {
        self.tries += 1;
        if self.tries > flow.retries { Next::GaveUp } else { self.ask(flow, now) }
    }
}
