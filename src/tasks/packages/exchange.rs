//! Models into use and out of it, by the task that measures.

use super::{Running, Shelf};
use crate::{
    sync::package::{InUse, Slot, read_again},
    tasks::analysis::{AnalysisError, AnalysisHandle, ChildError},
};
use std::path::{Path, PathBuf};

/// Why a model is not in use.
#[derive(Debug)]
pub(super) enum Why {
    /// It does not work here.
    Refused(String),
    /// It could not be tried.
    Later(String),
    /// Its file is not here any more, or damaged.
    Gone,
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    Folder(&'a Path),
    Installed(&'a str),
}

/// Tries a model and puts it in use.
async fn tried(analysis: &AnalysisHandle, from: Origin<'_>) -> Result<(), AnalysisError> {
    let mut again = true;
    loop {
        let outcome = match from {
            Origin::Folder(folder) => analysis.activate(folder).await,
            Origin::Installed(id) => analysis.activate_by_id(id).await,
        };
        match outcome {
            // The machine may have been busy with a customer's photographs.
            Err(AnalysisError::Child(ChildError::TimedOut(_) | ChildError::Died(_))) if again => again = false,
            outcome => return outcome.map(drop),
        }
    }
}

/// Whether a failure says nothing about the model.
const fn says_nothing(error: &AnalysisError) -> bool {
    matches!(error, AnalysisError::Stopped | AnalysisError::Store(_) | AnalysisError::Child(ChildError::Start(_)))
}

/// Tries the model of a folder and puts it in use.
pub(super) async fn into(analysis: &AnalysisHandle, folder: &Path) -> Result<(), Why> {
    tried(analysis, Origin::Folder(folder)).await.map_err(|error| match error {
        error if says_nothing(&error) => Why::Later(error.to_string()),
        error => Why::Refused(error.to_string()),
    })
}

/// Puts in use what shall be used of a model: `wanted`, or what the gateway was installed with.
pub(super) async fn back(shelf: &Shelf, analysis: &AnalysisHandle, id: &str, wanted: Option<InUse>) -> Result<(), Why> {
    let Some(wanted) = wanted else { return installed(analysis, id).await };
    let shelf = shelf.clone();
    let folder = tokio::task::spawn_blocking(move || unpacked(&shelf, &wanted.sha256)).await;
    into(analysis, &folder.map_err(|fault| Why::Refused(fault.to_string()))??).await
}

/// The installed model of this id, else none of it. Where it could not be tried, what is in use stays: a store without any model is
/// worse than one with the model of before for another minute.
async fn installed(analysis: &AnalysisHandle, id: &str) -> Result<(), Why> {
    match tried(analysis, Origin::Installed(id)).await {
        Ok(()) => return Ok(()),
        Err(AnalysisError::NoModel(_)) => {}
        Err(error @ AnalysisError::Child(ChildError::TimedOut(_) | ChildError::Died(_))) => {
            return Err(Why::Later(error.to_string()));
        }
        Err(error) if says_nothing(&error) => return Err(Why::Later(error.to_string())),
        Err(error) => {
            tracing::error!(model = id, %error, "the installed model is not used either; nothing measures in its place");
        }
    }
    analysis.retire(id).await.map_err(|error| Why::Later(error.to_string()))
}

/// The folder of a package that was taken before.
fn unpacked(shelf: &Shelf, sha256: &str) -> Result<PathBuf, Why> {
    let on_disk = |fault: std::io::Error| Why::Later(format!("the disk does not answer ({fault}); it is tried again"));
    let package = shelf.read(sha256).map_err(on_disk)?.ok_or(Why::Gone)?;
    let (header, contents) = read_again(&package).map_err(|fault| Why::Refused(fault.to_string()))?;
    shelf.unpack(sha256, &header, &contents).map_err(on_disk)
}

/// A package whose model did not pass its trial at the start.
#[derive(Debug)]
pub(super) struct Missing {
    pub slot: Slot,
    /// Whether the installed model measures in its place.
    pub replaced: bool,
}

/// After the start: packages whose model is not in use, since it did not pass its trial; there the installed one is put in use.
pub(super) async fn started(analysis: &AnalysisHandle, running: &Running) -> Vec<Missing> {
    if analysis.started().await.is_err() {
        return Vec::new();
    }
    let in_use = analysis.models();
    let mut missing = Vec::new();
    for slot in running.keys() {
        let Slot::Model(id) = slot else { continue };
        if in_use.iter().all(|model| model.engine.model != *id) {
            let outcome = installed(analysis, id).await;
            let replaced = outcome.is_ok() && analysis.models().iter().any(|model| model.engine.model == *id);
            missing.push(Missing { slot: slot.clone(), replaced });
        }
    }
    missing
}
