//! What was confirmed, noted in the recording's own order.
//!
//! What the gateway promises by itself, the recorder hears ([`crate::promises`]). The rest the test appends to the same log,
//! through a descriptor of its own: what the back office was told by the store, and what headquarters holds. A note comes after
//! what it stands for, so every record before that stands before it, and perhaps a few of later background work: late is
//! sound, it only demands a little less for a moment. What is about to be undone on purpose (an erasure, a correction) is
//! released *before* it is asked for: from then on both the old and the new state are right.

use crate::facts::Facts;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

/// What one note says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Note {
    #[serde(default)]
    pub kept: Facts,
    /// Facts that no longer need to hold, by their whole key.
    #[serde(default)]
    pub released: Vec<String>,
}

/// Writes notes.
#[derive(Debug)]
pub struct Notebook {
    log: File,
    noted: Facts,
}

impl Notebook {
    pub fn open(log: &Path) -> Self {
        let log = OpenOptions::new().append(true).create(true).open(log).unwrap();
        Self { log, noted: Facts::new() }
    }

    /// From here on these facts must survive; those noted already are passed over.
    pub fn keep(&mut self, facts: Facts) {
        let kept: Facts = facts.into_iter().filter(|(key, value)| self.noted.get(key) != Some(value)).collect();
        if !kept.is_empty() {
            self.noted.extend(kept.clone());
            self.write(&Note { kept, released: Vec::new() });
        }
    }

    /// From here on the facts with these keys may be gone or others.
    pub fn release(&mut self, keys: impl IntoIterator<Item = String>) {
        let released: Vec<String> = keys.into_iter().collect();
        released.iter().for_each(|key| drop(self.noted.remove(key)));
        self.write(&Note { kept: Facts::new(), released });
    }

    fn write(&mut self, note: &Note) {
        let text = serde_json::to_vec(note).unwrap();
        let following = u32::try_from(1 + 4 + 8 + 8 + 4 + text.len()).unwrap();
        let mut record = following.to_le_bytes().to_vec();
        record.push(b'K');
        record.extend(std::process::id().to_le_bytes());
        record.extend([0; 8 + 8 + 4]);
        record.extend(text);
        self.log.write_all(&record).unwrap();
    }
}
