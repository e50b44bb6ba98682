//! When the inference process dies or runs out of time over a photograph, its models are asked one by one: whichever it dies of
//! loses its own scores, and after a few such photographs its place.

use super::{Analysis, AnalysisError, ChildError};
use crate::analysis::job::{Levels, Paired, PairedMeasure, Reply, Request};

/// Whether it may have been a model, not the picture or the machine.
pub(super) const fn is_lethal(error: &AnalysisError) -> bool {
    matches!(error, AnalysisError::Child(ChildError::Died(_) | ChildError::TimedOut(_)))
}

impl Analysis {
    /// Levels of all models in use, and what the colours say.
    pub(super) async fn levels_of(
        &mut self,
        view: String,
        anchors: [[f64; 2]; 2],
        camera: String,
        picture: &[u8],
    ) -> Result<Levels, AnalysisError> {
        let whole = Request::Measure { view: view.clone(), anchors, camera: camera.clone() };
        if !self.worker.has_strikes() {
            match self.levels(&whole, picture).await {
                Err(error) if is_lethal(&error) && !self.models.is_empty() => {}
                other => return other,
            }
        }
        let by = |models| Request::MeasureBy { view: view.clone(), anchors, camera: camera.clone(), models };
        let mut levels = self.levels(&by(Vec::new()), picture).await?;
        for id in self.ids() {
            match self.levels(&by(vec![id.clone()]), picture).await {
                Ok(alone) => {
                    self.survived(&id);
                    levels.scores.extend(alone.scores);
                    levels.skipped.extend(alone.skipped);
                    levels.failed.extend(alone.failed);
                }
                Err(error) if is_lethal(&error) => {
                    levels.skipped.push(format!("{id}: {error}"));
                    levels.failed.push(id.clone());
                    self.died_of(&id, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(levels)
    }

    /// Paired measures of all models in use, by `whole`, else by `by` for one model after the other.
    pub(super) async fn measures_of(
        &mut self,
        whole: Request,
        by: impl Fn(Vec<String>) -> Request,
        pictures: [&[u8]; 2],
    ) -> Result<Vec<PairedMeasure>, AnalysisError> {
        if !self.worker.has_strikes() {
            match self.paired(&whole, pictures).await {
                Err(error) if is_lethal(&error) && !self.models.is_empty() => {}
                other => return other,
            }
        }
        let mut measures = Vec::new();
        for id in self.ids() {
            match self.paired(&by(vec![id.clone()]), pictures).await {
                Ok(alone) => {
                    self.survived(&id);
                    measures.extend(alone);
                }
                Err(error) if is_lethal(&error) => self.died_of(&id, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(measures)
    }

    async fn paired(&mut self, request: &Request, pictures: [&[u8]; 2]) -> Result<Vec<PairedMeasure>, AnalysisError> {
        match self.worker.ask(request, &pictures).await? {
            Reply::Paired(Paired { measures }) => Ok(measures),
            other => Err(self.worker.garbage(&other).into()),
        }
    }

    /// Of the models that give scores; a bare detector is asked elsewhere.
    fn ids(&self) -> Vec<String> {
        let scoring = self.models.iter().filter(|model| !model.manifest.scores.is_empty());
        scoring.map(|model| model.engine.model.clone()).collect()
    }

    fn survived(&mut self, id: &str) {
        self.worker.strike(id, false);
    }

    pub(super) fn died_of(&mut self, id: &str, error: &AnalysisError) {
        tracing::warn!(model = id, %error, "a photograph has no score of this model");
        self.worker.strike(id, true);
    }
}
