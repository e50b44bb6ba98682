//! A model nobody knows yet is tried in a process of its own, which is thrown away: under its own memory limit and a
//! deadline it is loaded and must answer its golden set. What passed is pinned by the digest of its manifest, which holds the
//! digest of its file; anything else in that folder is another model.

use super::{
    child::{ChildError, Recipe, Worker},
    engine,
};
use crate::{
    analysis::{
        job::{Evaluated, FacePlace, Levels, Paired, Reply, Request},
        manifest::Manifest,
    },
    domain::score::Engine,
};
use openssl::sha::sha256;
use std::path::{Path, PathBuf};
use tokio::fs;

/// A manifest above this was not written by a person.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// A model that passed its trial.
#[derive(Debug, Clone)]
pub struct Tried {
    pub engine: Engine,
    pub manifest: Manifest,
    pub(super) folder: PathBuf,
    /// SHA-256 of `manifest.toml` as it was tried.
    pub(super) pinned: String,
}

impl Tried {
    /// SHA-256 of the manifest, lower-case hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.pinned
    }
}

/// Tries models without a store: loads a folder and runs its golden set, as the gateway does before it uses a model.
#[derive(Debug)]
pub struct ModelTrial(Recipe);

impl ModelTrial {
    #[must_use]
    pub const fn new(recipe: Recipe) -> Self {
        Self(recipe)
    }

    /// Blocks as long as loading and the golden set take, at most the recipe's deadline. Cancelling ends the process.
    ///
    /// # Errors
    /// [`ChildError`] with why the model is not used.
    pub async fn run(&self, folder: &Path) -> Result<Tried, ChildError> {
        let (manifest, pinned) = read(folder).await.map_err(ChildError::Refused)?;
        let request = Request::Try { folder: folder.display().to_string(), pinned: Some(pinned.clone()) };
        let mut worker = Worker::new(self.0.clone());
        let mut named = worker.loaded(&request).await;
        if let Err(ChildError::Start(_)) = named {
            // A process that was killed while it was set up says nothing about the model.
            named = worker.loaded(&request).await;
        }
        Ok(Tried { engine: engine(&named?), manifest, folder: folder.to_owned(), pinned })
    }
}

pub(super) async fn read(folder: &Path) -> Result<(Manifest, String), String> {
    let path = folder.join("manifest.toml");
    let unreadable = |e: std::io::Error| format!("{} cannot be read ({e})", path.display());
    let about = fs::metadata(&path).await.map_err(unreadable)?;
    if !about.is_file() || about.len() > MANIFEST_LIMIT {
        return Err(format!("{} is no manifest: it has {} bytes", path.display(), about.len()));
    }
    let text = fs::read_to_string(&path).await.map_err(unreadable)?;
    let manifest = Manifest::parse(&text).map_err(|e| e.to_string())?;
    Ok((manifest, hex::encode(sha256(text.as_bytes()))))
}

/// One model in a process of its own, for as many pictures as one likes.
#[derive(Debug)]
pub struct Evaluator {
    worker: Worker,
    model: String,
}

impl Evaluator {
    /// # Errors
    /// [`ChildError`] where the process does not start, or the folder is not any more what was tried.
    pub async fn start(recipe: Recipe, tried: &Tried) -> Result<Self, ChildError> {
        let mut worker = Worker::new(recipe);
        let model = worker.activate(tried.folder.clone(), tried.pinned.clone()).await?.id;
        Ok(Self { worker, model })
    }

    /// Everything the model tells of a picture's bytes. Cancelling ends the process; the next call starts another.
    ///
    /// # Errors
    /// [`ChildError`]: of this picture; the next one is measured nevertheless.
    pub async fn measure(
        &mut self,
        picture: &[u8],
        face: Option<FacePlace>,
        px_per_mm: Option<f64>,
    ) -> Result<Evaluated, ChildError> {
        let request = Request::Evaluate { model: self.model.clone(), face, px_per_mm };
        match self.worker.ask(&request, &[picture]).await? {
            Reply::Evaluated(evaluated) => Ok(evaluated),
            other => Err(self.worker.garbage(&other)),
        }
    }

    /// What the process answers without the model is no answer of the model's.
    fn answered_by_the_model<T>(&self, answer: T) -> Result<T, ChildError> {
        if self.worker.has(&self.model) {
            return Ok(answer);
        }
        let why = self.worker.why_lost(&self.model).unwrap_or("it is not loaded any more");
        Err(ChildError::Refused(format!(
            "model {} does not measure any more: {why}; start anew with a sound one",
            self.model
        )))
    }

    /// Levels of a photograph, as in use.
    ///
    /// # Errors
    /// [`ChildError`], as [`Self::measure`]; also where the model lost its place meanwhile.
    pub async fn levels(&mut self, view: &str, anchors: [[f64; 2]; 2], picture: &[u8]) -> Result<Levels, ChildError> {
        match self.worker.ask(&Request::Levels { view: view.to_owned(), anchors }, &[picture]).await? {
            Reply::Levels(levels) => self.answered_by_the_model(levels),
            other => Err(self.worker.garbage(&other)),
        }
    }

    /// Paired measures of two photographs, before first, as in use.
    ///
    /// # Errors
    /// [`ChildError`], as [`Self::levels`].
    pub async fn paired(
        &mut self,
        view: &str,
        [before_anchors, after_anchors]: [[[f64; 2]; 2]; 2],
        pictures: [&[u8]; 2],
    ) -> Result<Paired, ChildError> {
        let request = Request::Paired { view: view.to_owned(), before_anchors, after_anchors };
        match self.worker.ask(&request, &pictures).await? {
            Reply::Paired(paired) => self.answered_by_the_model(paired),
            other => Err(self.worker.garbage(&other)),
        }
    }
}
