//! Models tried without a store: `skinlink model test` and `eval`.

use super::{
    child::{ChildError, Recipe, Worker},
    engine,
};
use crate::{
    analysis::job::{Levels, Paired, Reply, Request},
    domain::score::Engine,
};
use std::path::Path;

/// Tries models without a store: loads a folder and runs its golden set, as the task does before it uses a model.
#[derive(Debug)]
pub struct ModelTrial(Worker);

impl ModelTrial {
    #[must_use]
    pub const fn new(recipe: Recipe) -> Self {
        Self(Worker::new(recipe))
    }

    /// # Errors
    /// [`ChildError`] with why the model would not be used.
    pub async fn run(&mut self, folder: &Path) -> Result<Engine, ChildError> {
        self.0.activate(folder.to_owned()).await.map(|name| engine(&name))
    }

    /// Levels of a photograph by the models that were tried.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn levels(&mut self, view: &str, anchors: [[f64; 2]; 2], picture: &[u8]) -> Result<Levels, ChildError> {
        match self.0.ask(&Request::Levels { view: view.to_owned(), anchors }, &[picture]).await? {
            Reply::Levels(levels) => Ok(levels),
            other => Err(self.0.garbage(&other)),
        }
    }

    /// Paired measures of two photographs by the models that were tried.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn paired(
        &mut self,
        view: &str,
        [before_anchors, after_anchors]: [[[f64; 2]; 2]; 2],
        pictures: [&[u8]; 2],
    ) -> Result<Paired, ChildError> {
        let request = Request::Paired { view: view.to_owned(), before_anchors, after_anchors };
        match self.0.ask(&request, &pictures).await? {
            Reply::Paired(paired) => Ok(paired),
            other => Err(self.0.garbage(&other)),
        }
    }
}
