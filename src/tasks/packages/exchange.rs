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
}

/// Tries the model of a folder and puts it in use.
pub(super) async fn into(analysis: &AnalysisHandle, folder: &Path) -> Result<(), Why> {
    let mut again = true;
    loop {
        return match analysis.activate(folder).await {
            Ok(_) => Ok(()),
            // The machine may have been busy with a customer's photographs.
            Err(AnalysisError::Child(ChildError::TimedOut(_) | ChildError::Died(_))) if again => {
                again = false;
                continue;
            }
            Err(error @ (AnalysisError::Stopped | AnalysisError::Store(_))) => Err(Why::Later(error.to_string())),
            Err(AnalysisError::Child(error @ ChildError::Start(_))) => Err(Why::Later(error.to_string())),
            Err(error) => Err(Why::Refused(error.to_string())),
        };
    }
}

/// Puts in use what shall be used of a model: `wanted`, or what the gateway was installed with.
pub(super) async fn back(shelf: &Shelf, analysis: &AnalysisHandle, id: &str, wanted: Option<InUse>) -> Result<(), Why> {
    let Some(wanted) = wanted else { return installed(analysis, id).await };
    let shelf = shelf.clone();
    let folder = tokio::task::spawn_blocking(move || unpacked(&shelf, &wanted.sha256)).await;
    match folder {
        Ok(Ok(folder)) => into(analysis, &folder).await,
        Ok(Err(reason)) => Err(Why::Refused(reason)),
        Err(fault) => Err(Why::Refused(fault.to_string())),
    }
}

/// The installed model of this id, else none of it.
async fn installed(analysis: &AnalysisHandle, id: &str) -> Result<(), Why> {
    let why = match analysis.activate_by_id(id).await {
        Ok(_) => return Ok(()),
        Err(AnalysisError::Stopped) => return Err(Why::Later(AnalysisError::Stopped.to_string())),
        Err(AnalysisError::NoModel(_)) => None,
        Err(error) => Some(error),
    };
    if let Some(error) = why {
        tracing::error!(model = id, %error, "the installed model is not used either; nothing measures in its place");
    }
    analysis.retire(id).await.map_err(|error| Why::Later(error.to_string()))
}

/// The folder of a package that was taken before.
fn unpacked(shelf: &Shelf, sha256: &str) -> Result<PathBuf, String> {
    let gone = || "its file is gone or damaged; it is fetched again when headquarters wishes it".to_owned();
    let package = shelf.read(sha256).map_err(|fault| fault.to_string())?.ok_or_else(gone)?;
    let (header, contents) = read_again(&package).map_err(|fault| fault.to_string())?;
    shelf.unpack(sha256, &header, &contents).map_err(|fault| fault.to_string())
}

/// After the start: packages whose model is not in use, since it did not pass its trial; there the installed one is put in use.
pub(super) async fn started(analysis: &AnalysisHandle, running: &Running) -> Vec<Slot> {
    if analysis.started().await.is_err() {
        return Vec::new();
    }
    let in_use = analysis.models();
    let mut missing = Vec::new();
    for slot in running.keys() {
        let Slot::Model(id) = slot else { continue };
        if in_use.iter().all(|model| model.engine.model != *id) {
            let _ = installed(analysis, id).await;
            missing.push(slot.clone());
        }
    }
    missing
}
