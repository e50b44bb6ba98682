//! The simulated device's side of a picture transfer.

use crate::protocol::{Item, Role, flow::PictureFlow, item::Decoded};
use std::time::Instant;

/// Small enough for every protocol's frames.
const CHUNK_BYTES: usize = 512;

/// A picture the device wants to be rid of.
#[derive(Debug)]
pub(super) struct Outgoing {
    counter: u64,
    bytes: Vec<u8>,
    /// When it is announced next.
    pub(super) again: Instant,
}

impl Outgoing {
    pub(super) fn new(counter: u64, bytes: Vec<u8>, now: Instant) -> Self {
        Self { counter, bytes, again: now }
    }

    pub(super) fn announcement(&self, flow: &PictureFlow) -> Vec<Item> {
        let number = |role, value| Item::Number { role, value };
        vec![
            number(Role::Counter, self.counter),
            number(Role::PictureBytes, self.bytes.len() as u64),
            number(Role::ChunkBytes, CHUNK_BYTES as u64),
            number(Role::PictureCheck, flow.check.compute(&self.bytes)),
        ]
    }

    /// The chunks a command asks for, each as the items of one message.
    pub(super) fn chunks(&self, wanted: &Decoded) -> Vec<Vec<Item>> {
        let number = |role| wanted.number(role).and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        let chunks = self.bytes.chunks(CHUNK_BYTES).enumerate().skip(number(Role::Chunk)).take(number(Role::Chunks));
        let items = chunks.map(|(index, data)| {
            vec![
                Item::Number { role: Role::Counter, value: self.counter },
                Item::Number { role: Role::Chunk, value: index as u64 },
                Item::Bytes { role: Role::Data, bytes: data.to_vec() },
            ]
        });
        items.collect()
    }
}
