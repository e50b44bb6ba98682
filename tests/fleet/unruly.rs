//! A line that delivers twice and out of order: batches of events overtake one another and come again.

use skinlink::ports::{Connector, FromBroker, Publish, Uplink, UplinkError};
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

/// Batches that may wait for others to overtake them.
const HELD: usize = 4;

/// Words for the gateway that may wait.
const WORDS: usize = 64;

/// The same line, unruly.
pub fn unruly(inner: Connector, seed: u64) -> Connector {
    let made = Arc::new(AtomicU64::new(0));
    Arc::new(move || {
        let (inner, seed) = (Arc::clone(&inner), seed.wrapping_add(made.fetch_add(1, Ordering::Relaxed)));
        Box::pin(async move {
            let uplink = inner().await?;
            let (publish, wanted) = mpsc::channel(1);
            let (deliver, arrived) = mpsc::channel(WORDS);
            let line = Unruly {
                dice: fastrand::Rng::with_seed(seed),
                held: VecDeque::new(),
                words: VecDeque::new(),
                copies: HashSet::new(),
            };
            Ok(Uplink { publish, arrived, driver: Box::pin(line.drive(uplink, wanted, deliver)) })
        })
    })
}

struct Unruly {
    dice: fastrand::Rng,
    held: VecDeque<Publish>,
    words: VecDeque<FromBroker>,
    /// Tokens that the gateway does not know.
    copies: HashSet<u64>,
}

impl Unruly {
    async fn drive(
        mut self,
        uplink: Uplink,
        mut wanted: mpsc::Receiver<Publish>,
        deliver: mpsc::Sender<FromBroker>,
    ) -> UplinkError {
        let Uplink { publish, mut arrived, mut driver } = uplink;
        loop {
            tokio::select! {
                reason = &mut driver => return reason,
                Some(message) = wanted.recv(), if self.held.len() < HELD => self.take(message),
                Ok(permit) = publish.reserve(), if !self.held.is_empty() => {
                    if let Some(message) = self.held.pop_front() {
                        permit.send(message);
                    }
                }
                Some(word) = arrived.recv(), if self.words.len() < WORDS => self.hear(word),
                Ok(permit) = deliver.reserve(), if !self.words.is_empty() => {
                    if let Some(word) = self.words.pop_front() {
                        permit.send(word);
                    }
                }
            }
        }
    }

    fn take(&mut self, message: Publish) {
        if !message.topic.ends_with("/events") {
            self.held.push_back(message);
            return;
        }
        if self.dice.u32(..10) == 0 {
            let token = u64::MAX - self.copies.len() as u64;
            self.copies.insert(token);
            let Publish { topic, payload, retain, token: _ } = &message;
            self.held.push_back(Publish { token, topic: topic.clone(), payload: payload.clone(), retain: *retain });
        }
        // Not before a hello: what it says would no longer be true.
        let after_hello = self.held.iter().rposition(|held| !held.topic.ends_with("/events")).map_or(0, |at| at + 1);
        self.held.insert(self.dice.usize(after_hello..=self.held.len()), message);
    }

    fn hear(&mut self, word: FromBroker) {
        let copy = matches!(&word, FromBroker::Word { token, .. } if self.copies.contains(token));
        if !copy {
            self.words.push_back(word);
        }
    }
}
