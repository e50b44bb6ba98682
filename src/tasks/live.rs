//! What the pages are told as it happens. One task owns a ring of the latest news and everybody who listens.
//!
//! Invariants: news is published only after what it tells is durable; ids grow without gaps within one run of the daemon
//! and name that run, so that a page that was away gets either exactly what it missed or a `reset`; a slow listener is
//! dropped and comes back by its last id, it never holds up a scan.

use serde::Serialize;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// News kept for pages that come back: some minutes of a busy scan.
const RING: usize = 512;
/// News on its way to the owner. It never waits for anything, so this fills only for an instant; senders then wait.
const INBOX: usize = 256;
/// News on its way to one listener; a page that lags further behind is dropped and reconnects with its last id.
const LISTENER: usize = 128;
/// Listeners at once: screens, tablets and mirrors of one salon, many times over.
const LISTENERS: usize = 64;

/// One thing that happened. Serialized as `{"kind": …, …}`; numbers with a precision are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A value is durable and counts for a step.
    Repeat {
        station: String,
        visit: String,
        scan: String,
        repeat: String,
        metric: String,
        region: String,
        value: String,
        unit: String,
        flags: Vec<String>,
        have: u8,
        need: u8,
    },
    /// A metric × region is closed.
    Reading {
        station: String,
        visit: String,
        scan: String,
        metric: String,
        region: String,
        value: String,
        unit: String,
        spread: Option<String>,
    },
    /// Where a scan stands now; enough to draw the whole screen.
    Scan { station: String, visit: String, version: u64, scan: super::scan_view::ScanView },
    /// A visit changed; read it again.
    Visit { visit: String, station: String, version: u64, state: String },
    /// Something to do for the beautician.
    Advice { station: String, zh: String, en: String },
    /// A device came, went, or is busy.
    Device { station: String, device: String, state: String, zh: String, en: String },
    /// A photograph is kept, or its analysis is through.
    Capture { visit: String, scan: String, capture: String, state: String },
    /// The newest values of a device that measures the store itself; at most one a second and device.
    Measured { station: String, values: Vec<MeasuredNews> },
    /// Readings wait unassigned.
    Tray { station: String, waiting: u64 },
    /// The day changed: somebody was booked, came or did not come.
    Day {},
}

/// One value of [`News::Measured`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeasuredNews {
    pub metric: String,
    pub value: String,
    pub unit: String,
}

impl News {
    /// The station it concerns; `None` concerns all.
    #[must_use]
    pub fn station(&self) -> Option<&str> {
        match self {
            Self::Repeat { station, .. }
            | Self::Reading { station, .. }
            | Self::Scan { station, .. }
            | Self::Visit { station, .. }
            | Self::Advice { station, .. }
            | Self::Device { station, .. }
            | Self::Measured { station, .. }
            | Self::Tray { station, .. } => Some(station),
            Self::Capture { .. } | Self::Day {} => None,
        }
    }
}

/// News with its place in this run.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    pub news: Arc<News>,
}

/// What a listener starts with.
#[derive(Debug)]
pub struct Subscription {
    /// True when something after the given last id is no longer in the ring: the page must read its state anew.
    pub reset: bool,
    /// What was missed, oldest first.
    pub missed: Vec<Item>,
    /// What comes; ends when the daemon stops or the listener lags too far behind.
    pub coming: mpsc::Receiver<Item>,
    /// Id of the newest news at this moment, to come back with.
    pub last_id: String,
}

#[derive(Debug)]
enum Command {
    Publish(Arc<News>),
    Subscribe { last_id: Option<String>, reply: oneshot::Sender<Subscription> },
}

/// The daemon is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is stopping; try again when it is back")]
pub struct Stopped;

/// Publishes and listens. Cloneable.
#[derive(Debug, Clone)]
pub struct Live(mpsc::Sender<Command>);

/// The owner of the ring, to be run by the supervisor until every [`Live`] is dropped.
#[derive(Debug)]
pub struct Ring {
    run: String,
    inbox: mpsc::Receiver<Command>,
    newest: u64,
    kept: VecDeque<Item>,
    listeners: Vec<mpsc::Sender<Item>>,
}

/// A ring for this run; `run` must differ from every earlier run (a fresh id).
#[must_use]
pub fn live(run: impl Into<String>) -> (Live, Ring) {
    let (sender, inbox) = mpsc::channel(INBOX);
    let ring = Ring { run: run.into(), inbox, newest: 0, kept: VecDeque::new(), listeners: Vec::new() };
    (Live(sender), ring)
}

impl Live {
    /// Tells everybody. Waits only while the inbox is full; lost without a word when the daemon stops.
    pub async fn publish(&self, news: News) {
        let _ = self.0.send(Command::Publish(Arc::new(news))).await;
    }

    /// Starts listening after `last_id`; without one, from now on.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn subscribe(&self, last_id: Option<String>) -> Result<Subscription, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Command::Subscribe { last_id, reply }).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

impl Ring {
    /// Runs until the last handle is gone.
    pub async fn run(mut self) {
        while let Some(command) = self.inbox.recv().await {
            match command {
                Command::Publish(news) => self.publish(news),
                Command::Subscribe { last_id, reply } => {
                    let _ = reply.send(self.subscribe(last_id.as_deref()));
                }
            }
        }
    }

    fn publish(&mut self, news: Arc<News>) {
        self.newest += 1;
        let item = Item { id: self.id(self.newest), news };
        self.listeners.retain(|listener| listener.try_send(item.clone()).is_ok());
        if self.kept.len() == RING {
            self.kept.pop_front();
        }
        self.kept.push_back(item);
    }

    fn subscribe(&mut self, last_id: Option<&str>) -> Subscription {
        let (sender, coming) = mpsc::channel(LISTENER);
        if self.listeners.len() == LISTENERS {
            self.listeners.remove(0);
        }
        self.listeners.push(sender);
        let seen = match last_id {
            None => Some(self.newest),
            Some(text) => self.number(text),
        };
        let oldest = self.newest - self.kept.len() as u64;
        let last_id = self.id(self.newest);
        match seen {
            Some(seen) if (oldest..=self.newest).contains(&seen) => {
                let missed = self.kept.iter().skip((seen - oldest) as usize).cloned().collect();
                Subscription { reset: false, missed, coming, last_id }
            }
            _ => Subscription { reset: true, missed: Vec::new(), coming, last_id },
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}.{number}", self.run)
    }

    /// The number in an id of this run.
    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(self.run.as_str())?.strip_prefix('.')?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(n: u64) -> Arc<News> {
        Arc::new(News::Tray { station: "chair-1".into(), waiting: n })
    }

    fn ring_with(count: u64) -> Ring {
        let (_, mut ring) = live("run1");
        (1..=count).for_each(|n| ring.publish(news(n)));
        ring
    }

    #[test]
    fn a_page_that_comes_back_gets_exactly_what_it_missed() {
        let mut ring = ring_with(10);
        for seen in 0..=10 {
            let back = ring.subscribe(Some(&format!("run1.{seen}")));
            let ids: Vec<String> = back.missed.iter().map(|item| item.id.clone()).collect();
            let wanted: Vec<String> = (seen + 1..=10).map(|n| format!("run1.{n}")).collect();
            assert_eq!((back.reset, ids), (false, wanted), "after {seen}");
        }
    }

    #[test]
    fn a_page_from_another_run_or_from_too_long_ago_starts_anew() {
        let mut ring = ring_with(RING as u64 + 5);
        for id in ["run0.3", "run1.4", "run1.", "run1", "", "run1.99999", "run1.-1", "x"] {
            assert!(ring.subscribe(Some(id)).reset, "{id:?}");
        }
        let back = ring.subscribe(Some("run1.5"));
        assert_eq!((back.reset, back.missed.len()), (false, RING));
        assert!(!ring.subscribe(None).reset);
    }

    #[test]
    fn a_listener_that_does_not_listen_is_dropped_and_holds_up_nobody() {
        let mut ring = ring_with(0);
        let mut deaf = ring.subscribe(None);
        (0..=LISTENER as u64).for_each(|n| ring.publish(news(n)));
        assert!(ring.listeners.is_empty());
        let mut heard = 0;
        while deaf.coming.try_recv().is_ok() {
            heard += 1;
        }
        assert_eq!(heard, LISTENER);
    }
}
