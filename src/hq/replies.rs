//! What HQ has to say and has not said yet. Answers may be lost without harm (the gateway sends again), so their queue is
//! bounded by dropping the oldest, words on pictures before all others.

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
    /// Slices among those that wait: each is as large as a publish may be.
    slices: usize,
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
            // A word on a picture first: it is said again whenever the picture is offered, while the others wait for the rest.
            let least = self.waiting.iter().position(|(_, reply)| matches!(reply, Reply::Image { .. }));
            warn!("too many answers are waiting; the oldest is dropped, its gateway will send again");
            let dropped = self.waiting.remove(least.unwrap_or(0));
            self.slices -= usize::from(dropped.is_some_and(|(_, reply)| matches!(reply, Reply::Slice { .. })));
        }
        self.slices += usize::from(matches!(reply, Reply::Slice { .. }));
        self.waiting.push_back((topic, reply.clone()));
    }

    /// Slices that wait for the broker.
    pub const fn slices(&self) -> usize {
        self.slices
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn pop(&mut self) -> Option<Publish> {
        let (topic, reply) = self.waiting.pop_front()?;
        self.sent += 1;
        self.slices -= usize::from(matches!(reply, Reply::Slice { .. }));
        let payload = serde_json::to_vec(&reply).expect("a reply has only text and numbers");
        Some(Publish { token: self.sent, topic, payload, retain: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::reply::ImageState;

    /// Whoever has come back after an outage waits for the word where it stands; a question for a picture is asked again by itself.
    #[test]
    fn where_there_is_no_room_a_word_on_a_picture_goes_first() {
        let (mut replies, to) = (Replies::default(), Address { store: "sh-001".into(), gateway: "sh-001-g1".into() });
        let standing = |at: u64| Reply::Ack { epoch: format!("epoch {at}"), upto: at, ranges: Vec::new() };
        let picture = |at: u64| Reply::Image {
            capture: format!("capture {at}"),
            sha256: String::new(),
            state: ImageState::Wanted,
            missing: Vec::new(),
            reason: String::new(),
        };
        let many = MAX_REPLIES as u64;
        (0..many).for_each(|at| replies.push(&to, &if at % 10 == 9 { picture(at) } else { standing(at) }));
        (many..many + many / 10).for_each(|at| replies.push(&to, &standing(at)));
        let left: Vec<&Reply> = replies.waiting.iter().map(|(_, reply)| reply).collect();
        assert_eq!(left.len(), MAX_REPLIES);
        assert!(left.iter().all(|reply| matches!(reply, Reply::Ack { .. })), "no standing went for a picture");
        replies.push(&to, &standing(2 * many));
        assert!(!replies.waiting.iter().any(|(_, reply)| *reply == standing(0)), "then the oldest");
    }
}
