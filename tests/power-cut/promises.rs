//! What the gateway itself promised, and when: every answer and every live event that left for a browser, every
//! acknowledgement that left for a device, in the recording's own order. "It is kept" must be true from that very moment,
//! whatever the test would have learnt later.
//!
//! Read by the words of the contract (`docs/contracts/api.md`, the analyser's manual), not by the gateway's own code.

use crate::{
    facts::{self, Facts},
    log::Record,
};
use serde_json::Value;
use std::collections::HashMap;

/// How a frame of the reference analyser begins: two bytes, two of length, and then its kind.
const FRAME: &[u8] = &[0xA5, 0x5A];

/// The gateway tells the analyser that a measurement is durable; its number follows.
const ACKNOWLEDGE: u8 = 0x9F;

/// Hears a whole recording.
#[derive(Debug, Default)]
pub struct Listener {
    connections: HashMap<(u32, u64), Vec<u8>>,
    told: Facts,
}

impl Listener {
    /// What these bytes promise that was not promised before.
    pub fn hear(&mut self, record: &Record<'_>) -> Facts {
        let unread = self.connections.entry((record.process, record.handle)).or_default();
        unread.extend_from_slice(record.rest);
        let facts = match record.name {
            "http" => answers(unread),
            "line" => acknowledgements(unread),
            other => panic!("the recorder heard a way out called {other:?}"),
        };
        let new: Facts = facts.into_iter().filter(|(key, value)| self.told.get(key) != Some(value)).collect();
        self.told.extend(new.clone());
        new
    }
}

/// Takes whole answers and whole live events off the front.
fn answers(unread: &mut Vec<u8>) -> Facts {
    let mut facts = Facts::new();
    while let Some((head, length)) = head_of(unread) {
        match length {
            Body::Known(length) => {
                let Some(body) = unread.get(head..head + length) else { break };
                facts.extend(facts::answered(&serde_json::from_slice(body).unwrap_or(Value::Null)));
                unread.drain(..head + length);
            }
            // Live events: the head stays in front, so that each call begins alike.
            Body::Chunks => {
                let (events, end) = chunks(&unread[head..]);
                for line in events.lines().filter_map(|line| line.strip_prefix("data:")) {
                    facts.extend(facts::lived(&serde_json::from_str(line).unwrap_or(Value::Null)));
                }
                unread.drain(head..head + end);
                break;
            }
        }
    }
    facts
}

enum Body {
    Known(usize),
    Chunks,
}

/// Length of the head and what follows it; `None` while it is not whole, or where this is no answer.
fn head_of(bytes: &[u8]) -> Option<(usize, Body)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(bytes).ok().filter(httparse::Status::is_complete)?.unwrap();
    let header = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let text = |name: &str| header(name).map(|header| String::from_utf8_lossy(header.value).into_owned());
    match text("transfer-encoding") {
        Some(_) => Some((length, Body::Chunks)),
        None => Some((length, Body::Known(text("content-length").map_or(0, |text| text.parse().unwrap())))),
    }
}

/// The text of the whole chunks, and where they end.
fn chunks(mut bytes: &[u8]) -> (String, usize) {
    let (mut text, whole) = (Vec::new(), bytes.len());
    while let Ok(httparse::Status::Complete((at, size))) = httparse::parse_chunk_size(bytes) {
        let size = usize::try_from(size).unwrap();
        let (Some(chunk), Some(rest)) = (bytes.get(at..at + size), bytes.get(at + size + 2..)) else { break };
        text.extend_from_slice(chunk);
        bytes = rest;
    }
    (String::from_utf8(text).unwrap(), whole - bytes.len())
}

/// Takes whole frames off the front; other devices' bytes are passed over.
fn acknowledgements(unread: &mut Vec<u8>) -> Facts {
    let mut facts = Facts::new();
    while let Some(start) = unread.windows(FRAME.len()).position(|bytes| bytes == FRAME) {
        unread.drain(..start);
        let Some(length) = unread.get(2..4).map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))) else {
            break;
        };
        let Some(payload) = unread.get(4..4 + length) else { break };
        if let [ACKNOWLEDGE, a, b, c, d] = *payload {
            let counter = u32::from_be_bytes([a, b, c, d]);
            facts.insert(format!("counter/{counter}"), "durable".to_owned());
        }
        unread.drain(..4 + length);
    }
    facts
}
