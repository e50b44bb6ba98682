//! Photographs that are measured when nobody asks for anything: what a crash left half done, and open visits after a model was
//! exchanged.

use super::{ActiveModel, Analysis};
use crate::domain::CaptureId;

impl Analysis {
    /// Photographs that a crash or a fault left half done.
    pub(super) async fn list_half_done(&mut self) {
        match self.store.unfinished_captures().await {
            Ok(found) => self.leave(found),
            Err(error) => tracing::error!(%error, "photographs left half done cannot be listed"),
        }
        self.waiting.send_modify(|waiting| waiting.listed = true);
    }

    fn leave(&mut self, captures: Vec<(CaptureId, bool)>) {
        self.waiting.send_modify(|waiting| waiting.captures.extend(captures.iter().map(|(capture, _)| *capture)));
        for (capture, scored) in captures {
            // Several models may miss the same one.
            match self.left.iter_mut().find(|(known, _)| *known == capture) {
                Some((_, known)) => *known &= scored,
                None => self.left.push_back((capture, scored)),
            }
        }
    }

    pub(super) async fn resume(&mut self) {
        let Some((capture, scored)) = self.left.pop_front() else { return };
        tracing::info!(%capture, scored, left = self.left.len(), "finishing a photograph that was left");
        if !scored {
            let _ = self.measured(capture).await;
        }
        self.finish(capture).await;
    }

    /// A before picture measured by one model and an after picture by another do not compare: what was taken in visits that are
    /// still open is measured again by the model that has come.
    pub(super) async fn measure_open_visits_by(&mut self, model: &ActiveModel) {
        // A bare detector is missed nowhere.
        if model.manifest.scores.is_empty() {
            return;
        }
        match self.store.captures_without(model.engine.clone()).await {
            Ok(captures) => self.leave(captures.into_iter().map(|capture| (capture, false)).collect()),
            Err(error) => tracing::error!(%error, "photographs of open visits cannot be listed"),
        }
    }
}
