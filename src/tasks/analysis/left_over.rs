//! Photographs that are measured when nobody asks for anything: what a crash left half done, and open visits after a model was
//! exchanged. How far the latter is can be watched, and it can be called off: what was not reached stays as it was measured.

use super::{ActiveModel, Analysis, AnalysisError, AnalysisHandle, Command};
use crate::domain::CaptureId;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Photographs that are still to be measured.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Until what a crash left behind has been listed, every photograph without scores may be one of them.
    pub listed: bool,
    /// How often each is waited for: an analysis that was asked for, what a crash left and what is measured again count apart.
    pub captures: BTreeMap<CaptureId, usize>,
}

impl Waiting {
    pub fn enter(&mut self, capture: CaptureId) {
        *self.captures.entry(capture).or_default() += 1;
    }

    pub fn leave(&mut self, capture: CaptureId) {
        let Some(count) = self.captures.get_mut(&capture) else { return };
        *count -= 1;
        if *count == 0 {
            self.captures.remove(&capture);
        }
    }
}

/// Photographs of open visits that are measured again: a model has come, or one that is in use was missing when they were measured.
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

    /// Adds photographs that were left half done, each with whether its scores stand. Answers those that were not left over before.
    fn add_half_done(&mut self, captures: Vec<(CaptureId, bool)>) -> Vec<CaptureId> {
        let new = captures.iter().map(|(capture, _)| *capture).filter(|capture| !self.has(*capture)).collect();
        for (capture, scored) in captures {
            let known = self.entry(capture);
            known.half_done = Some(known.half_done.unwrap_or(true) && scored);
        }
        new
    }

    /// Several models may miss the same one: it is measured by all of them at once, as is one that is half done and has no scores
    /// anyway. Answers those that were not left over before.
    fn add_again(&mut self, captures: Vec<CaptureId>) -> Vec<CaptureId> {
        let new = captures.iter().copied().filter(|capture| !self.has(*capture)).collect();
        for capture in captures {
            let known = self.entry(capture);
            known.again |= known.half_done != Some(false);
        }
        self.tell();
        new
    }

    fn has(&self, capture: CaptureId) -> bool {
        self.queue.iter().any(|known| known.capture == capture)
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
                let new = self.left.add_half_done(found);
                self.await_all(&new);
            }
            Err(error) => tracing::error!(%error, "photographs left half done cannot be listed"),
        }
        self.waiting.send_modify(|waiting| waiting.listed = true);
    }

    fn await_all(&self, captures: &[CaptureId]) {
        self.waiting.send_modify(|waiting| captures.iter().for_each(|capture| waiting.enter(*capture)));
    }

    /// What was waited for is done.
    pub(super) fn awaits_no_more(&self, capture: CaptureId) {
        self.waiting.send_modify(|waiting| waiting.leave(capture));
    }

    pub(super) async fn resume(&mut self) {
        let Some(Left { capture, half_done, again }) = self.left.next() else { return };
        tracing::info!(%capture, again, left = self.left.queue.len(), "finishing a photograph that was left");
        let begun = Instant::now();
        if again || half_done == Some(false) {
            let _ = self.measured(capture).await;
        }
        self.finish(capture).await;
        self.awaits_no_more(capture);
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
            Ok(mut captures) => {
                {
                    // Somebody asked for these, and all models in use will measure them.
                    let waiting = self.waiting.borrow();
                    captures.retain(|capture| self.left.has(*capture) || !waiting.captures.contains_key(capture));
                }
                let new = self.left.add_again(captures);
                self.await_all(&new);
            }
            Err(error) => tracing::error!(%error, "photographs of open visits cannot be listed"),
        }
    }

    pub(super) fn leave_as_measured(&mut self) -> usize {
        let left = self.left.leave_as_measured();
        if !left.is_empty() {
            tracing::info!(photographs = left.len(), "they stay as they were measured");
        }
        // Pages wait for them no more, unless an analysis was asked for besides.
        self.waiting.send_modify(|waiting| {
            for capture in &left {
                waiting.leave(*capture);
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

    /// A photograph that was to be measured again was not waited for any more once that was called off, although somebody had asked
    /// for its analysis besides.
    #[test]
    fn a_photograph_is_waited_for_as_often_as_it_will_be_measured() {
        let mut waiting = Waiting::default();
        waiting.enter(capture(1));
        waiting.enter(capture(1));
        waiting.leave(capture(1));
        assert!(waiting.captures.contains_key(&capture(1)), "once more");
        waiting.leave(capture(1));
        waiting.leave(capture(1));
        assert!(waiting.captures.is_empty());
    }

    /// One that a crash had left without any score was told as one that is measured again.
    #[test]
    fn what_has_no_scores_yet_is_not_measured_again() {
        let (told, seen) = watch::channel(None);
        let mut left = LeftOver::new(told);
        assert_eq!(left.add_half_done(vec![(capture(1), true), (capture(2), false)]), [capture(1), capture(2)]);
        assert_eq!(
            left.add_again(vec![capture(1), capture(2), capture(3)]),
            [capture(3)],
            "the others were left over before"
        );
        assert_eq!(*seen.borrow(), Some(Remeasuring { done: 0, total: 2, left: None }));
        let second = left.queue[1];
        assert_eq!((second.capture, second.half_done, second.again), (capture(2), Some(false), false));
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
