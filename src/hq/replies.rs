//! What HQ has to say and has not said yet. Answers may be lost without harm (the gateway sends again), so their queue is
//! bounded by dropping the oldest.

use crate::{
    ports::Publish,
    sync::{
        reply::Reply,
        topic::{Address, Lane},
    },
};
use std::collections::VecDeque;
use tracing::warn;

/// Answers waiting to be sent; beyond this the oldest is dropped.
const MAX_REPLIES: usize = 10_000;

/// Answers waiting for the broker.
#[derive(Default)]
pub(super) struct Replies {
    waiting: VecDeque<(String, Reply)>,
    sent: u64,
}

impl Replies {
    /// A newer acknowledgement of the same epoch says all that the older one did and takes its place, unless something else
    /// was said to that gateway since: an alarm or a refusal must not be overtaken by the acknowledgement that follows it.
    pub fn push(&mut self, to: &Address, reply: &Reply) {
        let topic = to.topic(&Lane::Ack);
        if let Reply::Ack { epoch, .. } = reply {
            let last = self.waiting.iter_mut().rev().find(|(waiting, _)| *waiting == topic);
            if let Some((_, older)) = last
                && matches!(older, Reply::Ack { epoch: older, .. } if older == epoch)
            {
                *older = reply.clone();
                return;
            }
        }
        if self.waiting.len() >= MAX_REPLIES {
            warn!("too many answers are waiting; the oldest is dropped, its gateway will send again");
            self.waiting.pop_front();
        }
        self.waiting.push_back((topic, reply.clone()));
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn pop(&mut self) -> Option<Publish> {
        let (topic, reply) = self.waiting.pop_front()?;
        self.sent += 1;
        let payload = serde_json::to_vec(&reply).expect("a reply has only text and numbers");
        Some(Publish { token: self.sent, topic, payload, retain: false })
    }
}
