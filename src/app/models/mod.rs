//! `skinlink model list | show | test | eval | activate`.

mod activate;
mod eval;
mod place;
mod repeatability;
mod show;

use super::{catalogue, print::say, runtime};
use crate::{
    analysis::manifest::Manifest,
    cli::{Model, ModelFolder, exit},
    tasks::analysis::{ModelTrial, Recipe, Tried},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Limits of a trial: the daemon's defaults.
const MEMORY_MIB: u32 = 3072;
const DEADLINE: Duration = Duration::from_secs(60);

/// Does one of them; the answer is an exit code.
///
/// # Errors
/// When the library or a folder cannot be found, or the named model is not there.
pub async fn command(command: &Model) -> anyhow::Result<u8> {
    match command {
        Model::List { json, folder } => list(folder, *json),
        Model::Show { model, json, folder } => show::show(&find(model, &folder.models)?, *json),
        Model::Test { model, json, folder } => test(model.as_deref(), folder, *json).await,
        Model::Eval(options) if options.retaken.repeatability => repeatability::run(options).await,
        Model::Eval(options) => eval::eval(options).await,
        Model::Activate(options) => activate::activate(options).await,
    }
}

/// A model folder: `model` itself, or the one of this id.
fn find(model: &Path, models: &Path) -> anyhow::Result<PathBuf> {
    let found =
        [model.to_owned(), models.join(model)].into_iter().find(|folder| folder.join("manifest.toml").is_file());
    found.ok_or_else(|| {
        let (model, models) = (model.display(), models.display());
        anyhow::anyhow!("{model} is no model of {models} and no folder with a manifest.toml; see `skinlink model list`")
    })
}

/// How models are tried from the command line.
fn recipe(folder: &ModelFolder) -> anyhow::Result<Recipe> {
    Ok(Recipe {
        program: std::env::current_exe()?,
        onnxruntime: runtime::find(folder.onnxruntime.as_deref())?,
        memory_mib: MEMORY_MIB,
        regions: catalogue::read(&folder.regions)?,
        gates: String::new(),
        cameras: String::new(),
        deadline: DEADLINE,
    })
}

fn list(folder: &ModelFolder, as_json: bool) -> anyhow::Result<u8> {
    let models = catalogue::models(&folder.models)?;
    let fault = models.values().any(Result::is_err);
    if as_json {
        let rows: Vec<Value> = models.iter().map(|(id, model)| row(id, model.as_ref())).collect();
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for (id, model) in &models {
            match model {
                Ok(manifest) => say!("{}", line(id, manifest)),
                Err(broken) => say!("{id:20} BROKEN\n{broken}"),
            }
        }
    }
    Ok(if fault { exit::FAULT } else { exit::OK })
}

fn line(id: &str, manifest: &Manifest) -> String {
    let metrics = manifest.scores.iter().map(|score| score.metric.as_str());
    let told: Vec<&str> = metrics.chain(manifest.detectors.iter().map(|detector| detector.id.as_str())).collect();
    let digest: String = manifest.sha256.chars().take(12).collect();
    let (version, title) = (&manifest.version, &manifest.title);
    format!("{id:20} {version:8} {} · {}  [{}]  {digest}…", title.zh, title.en, told.join(", "))
}

fn row(id: &str, model: Result<&Manifest, &catalogue::BrokenModel>) -> Value {
    match model {
        Ok(manifest) => json!({
            "id": id,
            "version": manifest.version,
            "title": { "zh": manifest.title.zh, "en": manifest.title.en },
            "metrics": manifest.scores.iter().map(|score| score.metric.as_str()).collect::<Vec<_>>(),
            "detectors": manifest.detectors.iter().map(|detector| detector.id.as_str()).collect::<Vec<_>>(),
            "digest": manifest.sha256,
        }),
        Err(broken) => json!({ "id": id, "broken": broken.to_string() }),
    }
}

/// Runs models against their golden sets as the daemon does before it uses one, and holds their scores against the metrics.
async fn test(only: Option<&Path>, folder: &ModelFolder, as_json: bool) -> anyhow::Result<u8> {
    let folders = match only {
        Some(model) => vec![find(model, &folder.models)?],
        None => catalogue::folders_with(&folder.models, "manifest.toml")?
            .into_iter()
            .filter_map(|(_, manifest)| Some(manifest.parent()?.to_owned()))
            .collect(),
    };
    anyhow::ensure!(!folders.is_empty(), "{} holds no model", folder.models.display());
    let (metrics, trial) = (catalogue::metrics_file(&folder.metrics)?, ModelTrial::new(recipe(folder)?));
    let (mut fault, mut rows) = (false, Vec::new());
    for folder in folders {
        let tried = trial.run(&folder).await.map_err(|error| error.to_string());
        let tried = tried.and_then(|tried| tried.manifest.agrees(&metrics).map(|()| tried));
        fault |= tried.is_err();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !as_json {
            match &tried {
                Ok(Tried { engine, .. }) => {
                    say!(
                        "{name}: its golden set holds ({} {}, {})",
                        engine.model,
                        engine.model_version,
                        engine.provider
                    );
                }
                Err(reason) => say!("{name}: REFUSED: {reason}"),
            }
        }
        rows.push(match tried {
            Ok(Tried { engine, .. }) => json!({
                "folder": name, "sound": true, "id": engine.model, "version": engine.model_version,
                "digest": engine.model_digest, "provider": engine.provider,
            }),
            Err(reason) => json!({ "folder": name, "sound": false, "reason": reason }),
        });
    }
    if as_json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(if fault { exit::FAULT } else { exit::OK })
}
