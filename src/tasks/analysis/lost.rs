//! Models that are in use no more although nobody put them out of use: their files became others, the inference process died of
//! them too often, or they were no sound ones at the start. Whoever asks for the models sees them apart, with the reason; a
//! photograph that is measured meanwhile says so, and keeps what they had given it.

use super::{Analysis, AnalysisHandle, child::Lost, trial};
use crate::analysis::job::Levels;
use std::{collections::BTreeMap, path::Path};
use tokio::sync::watch;

impl AnalysisHandle {
    /// By the models' ids (of a manifest that cannot be read the name of its folder), each with the reason, for people.
    #[must_use]
    pub fn lost(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.lost.clone()
    }
}

impl Analysis {
    /// Whoever asks from now on sees only models that measure. A model that is lost without a photograph under way has failed
    /// once nevertheless: whoever watches over a rollout must hear of it.
    pub(super) fn give_up_lost_models(&mut self) {
        let lost = self.worker.take_lost();
        self.forget_lost(&lost);
        for Lost { id, .. } in &lost {
            self.count_failure(id);
        }
    }

    /// The same in the middle of a photograph, which says of whom it has no scores.
    pub(super) fn give_up_over(&mut self, levels: &mut Levels) {
        let lost = self.worker.take_lost();
        self.forget_lost(&lost);
        for Lost { id, why } in lost {
            // Whoever died of this very photograph has said so.
            if !levels.failed.contains(&id) {
                levels.skipped.push(format!("{id}: {why}"));
                levels.failed.push(id);
            }
        }
    }

    fn forget_lost(&mut self, lost: &[Lost]) {
        if !lost.is_empty() {
            // A pair measured ahead may hold what nobody measures any more.
            self.paired.clear();
            self.lost.send_modify(|all| all.extend(lost.iter().map(|one| (one.id.clone(), one.why.clone()))));
        }
        let before = self.models.len();
        self.models.retain(|model| self.worker.has(&model.engine.model));
        if self.models.len() < before {
            self.publish.send_replace(self.models.clone());
        }
    }

    /// One that was not sound at the start.
    pub(super) async fn never_began(&self, folder: &Path, why: String) {
        let id = match trial::read(folder).await {
            Ok((manifest, _)) => manifest.id,
            Err(_) => folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        // Another folder of the same id is in use.
        if self.worker.has(&id) {
            return;
        }
        self.lost.send_modify(|all| {
            all.insert(id, why);
        });
    }

    /// It is in use again, or was put out of use by somebody.
    pub(super) fn found_again(&self, id: &str) {
        self.lost.send_if_modified(|all| all.remove(id).is_some());
    }

    /// Models whose earlier scores of a photograph stand although it is measured anew without them.
    pub(super) fn without_answer(&self, levels: &Levels) -> Vec<String> {
        levels.failed.iter().chain(self.lost.borrow().keys()).cloned().collect()
    }
}
