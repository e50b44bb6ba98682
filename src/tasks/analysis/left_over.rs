//! Photographs that are measured when nobody asks for anything: what a crash left half done, and open visits after a model was
//! exchanged. How far the latter is can be watched, and it can be called off: what was not reached stays as it was measured.

use super::{ActiveModel, Analysis, AnalysisError, AnalysisHandle, Command};
use crate::domain::CaptureId;
use std::{collections::VecDeque, time::Duration};
use tokio::{sync::watch, time::Instant};

/// Photographs of open visits that are measured again by a model that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remeasuring {
    pub done: usize,
    /// Of how many.
    pub total: usize,
    /// By the mean of those that are done; `None` before the first one is.
    pub left: Option<Duration>,
}

/// One photograph, once, whatever it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    capture: CaptureId,
    /// What a crash or a fault left half done, and whether its scores stand.
    half_done: Option<bool>,
    /// Its scores stand, and a model that has come is to measure it again.
    again: bool,
}

/// What is left over, in its order, and how far the measuring anew is.
#[derive(Debug)]
pub(super) struct LeftOver {
    queue: VecDeque<Left>,
    /// Of those to be measured again since there were none.
    done: usize,
    spent: Duration,
    told: watch::Sender<Option<Remeasuring>>,
}

impl LeftOver {
    pub(super) const fn new(told: watch::Sender<Option<Remeasuring>>) -> Self {
        Self { queue: VecDeque::new(), done: 0, spent: Duration::ZERO, told }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds photographs that were left half done, each with whether its scores stand.
    fn add_half_done(&mut self, captures: Vec<(CaptureId, bool)>) {
        for (capture, scored) in captures {
            let known = self.entry(capture);
            known.half_done = Some(known.half_done.unwrap_or(true) && scored);
        }
    }

    /// Several models may miss the same one: it is measured by all of them at once.
    fn add_again(&mut self, captures: Vec<CaptureId>) {
        for capture in captures {
            self.entry(capture).again = true;
        }
        self.tell();
    }

    fn entry(&mut self, capture: CaptureId) -> &mut Left {
        let at = self.queue.iter().position(|known| known.capture == capture).unwrap_or_else(|| {
            self.queue.push_back(Left { capture, half_done: None, again: false });
            self.queue.len() - 1
        });
        &mut self.queue[at]
    }

    fn next(&mut self) -> Option<Left> {
        self.queue.pop_front()
    }

    /// One that was to be measured again is, or could not be.
    fn was_done(&mut self, took: Duration) {
        self.done += 1;
        self.spent += took;
        self.tell();
    }

    /// Nothing is measured again; answers whose scores stay as they are. What is half done stays to be finished.
    fn leave_as_measured(&mut self) -> Vec<CaptureId> {
        let mut left = Vec::new();
        for one in &mut self.queue {
            if one.again {
                one.again = false;
                left.push(one.capture);
            }
        }
        self.queue.retain(|one| one.half_done.is_some());
        left.retain(|capture| self.queue.iter().all(|one| one.capture != *capture));
        self.tell();
        left
    }

    fn tell(&mut self) {
        let waiting = self.queue.iter().filter(|one| one.again).count();
        if waiting == 0 {
            (self.done, self.spent) = (0, Duration::ZERO);
        }
        let mean = u32::try_from(self.done).ok().filter(|done| *done > 0).map(|done| self.spent / done);
        let left = mean.map(|mean| mean.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX)));
        let now = (waiting > 0).then(|| Remeasuring { done: self.done, total: self.done + waiting, left });
        self.told.send_if_modified(|told| std::mem::replace(told, now) != now);
    }
}

impl AnalysisHandle {
    /// How far the measuring anew after an exchange is; `None` while nothing is measured anew.
    #[must_use]
    pub fn remeasuring(&self) -> watch::Receiver<Option<Remeasuring>> {
        self.remeasuring.clone()
    }

    /// Calls the measuring anew off, after the photograph under way: the others stay as they were measured, until a model comes
    /// again or the gateway starts anew. Answers how many.
    ///
    /// # Errors
    /// [`AnalysisError::Stopped`].
    pub async fn leave_as_measured(&self) -> Result<usize, AnalysisError> {
        if self.remeasuring.borrow().is_none() {
            return Ok(0);
        }
        self.ask(|reply| Command::LeaveAsMeasured { reply }).await
    }
}

impl Analysis {
    /// Photographs that a crash or a fault left half done.
    pub(super) async fn list_half_done(&mut self) {
        match self.store.unfinished_captures().await {
            Ok(found) => {
                self.await_all(found.iter().map(|(capture, _)| *capture));
                self.left.add_half_done(found);
            }
            Err(error) => tracing::error!(%error, "photographs left half done cannot be listed"),
        }
        self.waiting.send_modify(|waiting| waiting.listed = true);
    }

    fn await_all(&self, captures: impl Iterator<Item = CaptureId>) {
        self.waiting.send_modify(|waiting| waiting.captures.extend(captures));
    }

    pub(super) async fn resume(&mut self) {
        let Some(Left { capture, half_done, again }) = self.left.next() else { return };
        tracing::info!(%capture, again, left = self.left.queue.len(), "finishing a photograph that was left");
        let begun = Instant::now();
        if again || half_done == Some(false) {
            let _ = self.measured(capture).await;
        }
        self.finish(capture).await;
        if again {
            self.left.was_done(begun.elapsed());
        }
    }

    /// A before picture measured by one model and an after picture by another do not compare: what was taken in visits that are
    /// still open is measured again by the model that has come.
    pub(super) async fn measure_open_visits_by(&mut self, model: &ActiveModel) {
        // A bare detector is missed nowhere.
        if model.manifest.scores.is_empty() {
            return;
        }
        match self.store.captures_without(model.engine.clone()).await {
            Ok(captures) => {
                self.await_all(captures.iter().copied());
                self.left.add_again(captures);
            }
            Err(error) => tracing::error!(%error, "photographs of open visits cannot be listed"),
        }
    }

    pub(super) fn leave_as_measured(&mut self) -> usize {
        let left = self.left.leave_as_measured();
        if !left.is_empty() {
            tracing::info!(photographs = left.len(), "they stay as they were measured");
        }
        // Pages wait for them no more.
        self.waiting.send_modify(|waiting| {
            for capture in &left {
                waiting.captures.remove(capture);
            }
        });
        left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(n: u128) -> CaptureId {
        CaptureId::from_bits(n)
    }

    #[test]
    fn it_is_told_how_far_it_is_and_how_long_it_will_take() {
        let (told, seen) = watch::channel(None);
        let mut left = LeftOver::new(told);
        assert_eq!(*seen.borrow(), None);
        left.add_again(vec![capture(1), capture(2), capture(3)]);
        // Another model misses one of the same.
        left.add_again(vec![capture(3)]);
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 0, total: 3, left: None }));
        assert_eq!(left.next().map(|one| one.capture), Some(capture(1)));
        left.was_done(Duration::from_secs(4));
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 1, total: 3, left: Some(Duration::from_secs(8)) }));
        left.next();
        left.was_done(Duration::from_secs(2));
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 2, total: 3, left: Some(Duration::from_secs(3)) }));
        left.next();
        left.was_done(Duration::from_secs(2));
        assert_eq!(*seen.borrow(), None);
        // The next batch begins with its own count.
        left.add_again(vec![capture(4)]);
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 0, total: 1, left: None }));
    }

    #[test]
    fn what_is_called_off_stays_and_what_is_half_done_is_finished_all_the_same() {
        let (told, seen) = watch::channel(None);
        let mut left = LeftOver::new(told);
        left.add_half_done(vec![(capture(1), true), (capture(2), false)]);
        left.add_again(vec![capture(1), capture(3)]);
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 0, total: 2, left: None }));
        assert_eq!(left.leave_as_measured(), [capture(3)]);
        assert_eq!(*seen.borrow(), None);
        let rest: Vec<Left> = std::iter::from_fn(|| left.next()).collect();
        let half = |n, scored| Left { capture: capture(n), half_done: Some(scored), again: false };
        assert_eq!(rest, [half(1, true), half(2, false)]);
    }
}
