//! How the models in use do: photographs that each has measured, and those over which it failed. Counted from the moment it comes
//! into use; whoever needs it beyond this life of the gateway adds it up.

use super::Analysis;
use crate::analysis::job::Levels;

/// Of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    pub measured: u64,
    /// It ran out of time, the inference process died of it, or what it gave was no answer.
    pub failed: u64,
}

impl super::AnalysisHandle {
    /// By the models' ids; changes with every photograph that a model has measured or failed over.
    #[must_use]
    pub fn health(&self) -> tokio::sync::watch::Receiver<std::collections::BTreeMap<String, Health>> {
        self.health.clone()
    }
}

impl Analysis {
    pub(super) fn begin_count(&self, id: &str) {
        self.health.send_modify(|all| {
            all.insert(id.to_owned(), Health::default());
        });
    }

    /// A failure without a photograph.
    pub(super) fn count_failure(&self, id: &str) {
        self.health.send_if_modified(|all| match all.get_mut(id) {
            Some(health) => {
                health.failed += 1;
                true
            }
            None => false,
        });
    }

    /// A photograph that shows nothing for a model counts on neither side.
    pub(super) fn count(&self, levels: &Levels) {
        let counted = |id: &str| {
            let failed = levels.failed.iter().any(|model| model == id);
            let measured = !failed && levels.scores.iter().any(|level| level.model.id == id);
            Health { measured: u64::from(measured), failed: u64::from(failed) }
        };
        // One that has just lost its place failed nevertheless.
        self.health.send_modify(|all| {
            for (id, health) in all.iter_mut() {
                let Health { measured, failed } = counted(id);
                health.measured += measured;
                health.failed += failed;
            }
        });
    }
}
