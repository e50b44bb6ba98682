//! Models exchanged while photographs are measured: a new one comes into use between two of them, an old one goes out of use.

use super::{ActiveModel, Analysis, AnalysisError, AnalysisHandle, Command, ModelTrial, Tried, not_used};
use crate::{
    analysis::manifest::Manifest,
    domain::{metric::MetricId, score::Engine},
};
use std::{path::Path, sync::Arc};
use tokio::sync::watch;

impl AnalysisHandle {
    /// Loads a model folder while the gateway runs: tried in a process of its own first, while photographs go on being
    /// measured; then exchanged between two of them. On any failure the old model of that id goes on.
    ///
    /// # Errors
    /// [`AnalysisError::Child`], [`AnalysisError::Metrics`] with the reason.
    pub async fn activate(&self, folder: &Path) -> Result<ActiveModel, AnalysisError> {
        let recipe = self.recipe.clone().wait_for(Option::is_some).await.map_err(|_| AnalysisError::Stopped)?.clone();
        let recipe = recipe.ok_or(AnalysisError::Stopped)?;
        let _turn = self.trials.acquire().await.map_err(|_| AnalysisError::Stopped)?;
        let tried = ModelTrial::new(recipe).run(folder).await.inspect_err(|error| not_used(folder, error))?;
        self.ask(|reply| Command::Activate { tried: Box::new(tried), reply }).await
    }

    /// The same for a folder of the gateway's own models.
    ///
    /// # Errors
    /// [`AnalysisError::NoModel`] too.
    pub async fn activate_by_id(&self, id: &str) -> Result<ActiveModel, AnalysisError> {
        let home = self.home.as_ref().filter(|_| MetricId::new(id).is_ok());
        let folder = home.map(|home| home.join(id)).filter(|folder| folder.join("manifest.toml").is_file());
        let folder = folder.ok_or_else(|| AnalysisError::NoModel(id.chars().take(60).collect()))?;
        self.activate(&folder).await
    }

    /// Waits until the models of the start are in use, or were found not to be sound.
    ///
    /// # Errors
    /// [`AnalysisError::Stopped`].
    pub async fn started(&self) -> Result<(), AnalysisError> {
        let mut recipe = self.recipe.clone();
        recipe.wait_for(Option::is_some).await.map(drop).map_err(|_| AnalysisError::Stopped)
    }

    /// The models in use, told again with every change.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Vec<Arc<ActiveModel>>> {
        self.models.clone()
    }

    /// Puts a model out of use, after the photograph under way; one that is not in use stays so.
    ///
    /// # Errors
    /// [`AnalysisError::Stopped`].
    pub async fn retire(&self, id: &str) -> Result<(), AnalysisError> {
        self.ask(|reply| Command::Retire { id: id.to_owned(), reply }).await
    }
}

impl Analysis {
    /// Exchanges a model between two jobs.
    pub(super) async fn activate(&mut self, tried: Tried) -> Result<ActiveModel, AnalysisError> {
        let Tried { engine, manifest, folder, pinned } = tried;
        let agreed = manifest.agrees(&self.metrics).map_err(AnalysisError::Metrics);
        let agreed = agreed.and_then(|()| self.says_what_it_said(&engine, &manifest));
        let loaded = match agreed {
            Ok(()) => self.worker.activate(folder.clone(), pinned).await.map_err(AnalysisError::from),
            Err(differs) => Err(differs),
        };
        if let Err(error) = loaded {
            not_used(&folder, &error);
            return Err(error);
        }
        let model = ActiveModel { engine, manifest };
        tracing::info!(model = model.engine.model, version = model.engine.model_version, "model in use");
        self.models.retain(|old| old.engine.model != model.engine.model);
        self.models.push(Arc::new(model.clone()));
        self.paired.clear();
        self.found_again(&model.engine.model);
        // While its manifest could not be read it was told by its folder's name.
        if let Some(name) = folder.file_name() {
            self.found_again(&name.to_string_lossy());
        }
        self.begin_count(&model.engine.model);
        self.publish.send_replace(self.models.clone());
        Ok(model)
    }

    /// Scores are held against each other by a model's name, version and file: what else decides on a score must not change under
    /// them.
    fn says_what_it_said(&self, engine: &Engine, manifest: &Manifest) -> Result<(), AnalysisError> {
        let (one, all) = (manifest.limits.deadline, self.worker.deadline());
        if one > all {
            return Err(AnalysisError::Metrics(format!(
                "limits.deadline_ms = {} lets one inference take longer than a whole photograph may ({} s, scan.inference_deadline_s); \
                 lower the one or raise the other",
                one.as_millis(),
                all.as_secs()
            )));
        }
        let same = self.models.iter().find(|active| active.engine == *engine);
        if same.is_none_or(|active| active.manifest.computes_as(manifest)) {
            return Ok(());
        }
        Err(AnalysisError::Metrics(format!(
            "model {} {} is in use with other inputs, outputs or score rules; give the manifest a new version",
            engine.model, engine.model_version
        )))
    }

    pub(super) fn retire(&mut self, id: &str) {
        if self.worker.retire(id) {
            tracing::info!(model = id, "model out of use");
            // One that had lost its place before stays told: nobody measures in its stead.
            self.found_again(id);
        }
        self.paired.clear();
        self.give_up_lost_models();
    }
}
