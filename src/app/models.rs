//! `skinlink model list | test | eval`.

use super::{catalogue, print::say, runtime};
use crate::{
    cli::{Model, ModelFolder, exit},
    tasks::analysis::{ModelTrial, Recipe},
};
use anyhow::Context;
use std::{path::Path, time::Duration};

/// Limits of a trial: the daemon's defaults.
const MEMORY_MIB: u32 = 3072;
const DEADLINE: Duration = Duration::from_secs(60);

/// Prints what models there are.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &ModelFolder) -> anyhow::Result<u8> {
    let mut fault = false;
    for (id, model) in catalogue::models(&folder.models)? {
        match model {
            Ok(manifest) => {
                let metrics: Vec<&str> = manifest.scores.iter().map(|score| score.metric.as_str()).collect();
                let digest: String = manifest.sha256.chars().take(12).collect();
                say!(
                    "{id:20} {:8} {} · {}  [{}]  {digest}…",
                    manifest.version,
                    manifest.title.zh,
                    manifest.title.en,
                    metrics.join(", ")
                );
            }
            Err(broken) => {
                fault = true;
                say!("{id:20} BROKEN\n{broken}");
            }
        }
    }
    Ok(if fault { exit::FAULT } else { exit::OK })
}

/// Runs models against their golden sets, in the inference process and under its limits, as the daemon does before it
/// uses one.
///
/// # Errors
/// When the library or the folder cannot be found.
pub async fn command(command: &Model) -> anyhow::Result<u8> {
    match command {
        Model::List(folder) => list(folder),
        Model::Test { id, folder } => test(id.as_deref(), folder).await,
        Model::Eval(options) => super::repeatability::run(options).await,
    }
}

async fn test(only: Option<&str>, folder: &ModelFolder) -> anyhow::Result<u8> {
    let regions = catalogue::read(Path::new("config/face-regions.toml")).context("run this in the project's folder")?;
    let mut trial = ModelTrial::new(Recipe {
        program: std::env::current_exe()?,
        onnxruntime: runtime::find(folder.onnxruntime.as_deref())?,
        memory_mib: MEMORY_MIB,
        regions,
        deadline: DEADLINE,
    });
    let folders = catalogue::folders_with(&folder.models, "manifest.toml")?;
    let chosen: Vec<_> = folders.iter().filter(|(id, _)| only.is_none_or(|only| only == id)).collect();
    anyhow::ensure!(!chosen.is_empty(), "there is no such model; see `skinlink model list`");
    let mut fault = false;
    for (id, manifest) in chosen {
        match trial.run(manifest.parent().unwrap_or(Path::new("."))).await {
            Ok(engine) => {
                say!("{id}: its golden set holds ({} {}, {})", engine.model, engine.model_version, engine.provider)
            }
            Err(reason) => {
                fault = true;
                say!("{id}: REFUSED: {reason}");
            }
        }
    }
    Ok(if fault { exit::FAULT } else { exit::OK })
}
