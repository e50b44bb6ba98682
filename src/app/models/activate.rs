//! A model into the gateway's folder and into use, while it runs: tried here first, put in place of the old one, and told to the
//! gateway, which tries it again. Refused, the old one is put back.

use super::find;
use crate::{
    analysis::manifest::Manifest,
    app::{
        catalogue,
        machine::{self, Heard},
        print::say,
        runtime,
    },
    cli::{Activate, exit},
    config::Config,
    tasks::analysis::{ModelTrial, Recipe, Tried},
};
use anyhow::{Context, bail};
use reqwest::StatusCode;
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How it came out.
enum Outcome {
    InUse,
    /// The model is in place for the gateway's next start; why not now.
    NextStart(String),
    Refused(String),
}

pub(super) async fn activate(options: &Activate) -> anyhow::Result<u8> {
    let config = catalogue::config(&options.file.config)?;
    let source = find(&options.model, &config.scan.models)?;
    let metrics = catalogue::metrics_file(&config.scan.metrics_file)?;
    let tried = ModelTrial::new(recipe(&config)?).run(&source).await.map_err(|error| error.to_string());
    let tried = tried.and_then(|tried| tried.manifest.agrees(&metrics).map(|()| tried));
    let (id, version, outcome) = match tried {
        Err(reason) => (options.model.display().to_string(), None, Outcome::Refused(reason)),
        Ok(Tried { manifest, .. }) => {
            let place = Place::of(&config.scan.models, &manifest.id);
            let moved = place.take(&source, &manifest).with_context(|| {
                format!("the model cannot be put into {}; check its rights and the disk", config.scan.models.display())
            })?;
            let outcome = tell(&config, &manifest.id).await;
            if moved && matches!(outcome, Ok(Outcome::Refused(_)) | Err(_)) {
                place.put_back().context("the former model cannot be put back")?;
            }
            (manifest.id.clone(), Some(manifest.version), outcome?)
        }
    };
    let told = match &outcome {
        Outcome::InUse => format!("{id} {} is in use", version.as_deref().unwrap_or_default()),
        Outcome::NextStart(why) => format!(
            "{id} {} lies in {}; {why}: the next start of the gateway uses it",
            version.as_deref().unwrap_or_default(),
            config.scan.models.display(),
        ),
        Outcome::Refused(reason) => format!("{id}: REFUSED, the old one goes on: {reason}"),
    };
    if options.json {
        let state = match &outcome {
            Outcome::InUse => "in_use",
            Outcome::NextStart(_) => "next_start",
            Outcome::Refused(_) => "refused",
        };
        say!("{}", json!({ "id": id, "version": version, "state": state, "told": told }));
    } else {
        say!("{told}");
    }
    Ok(if matches!(outcome, Outcome::Refused(_)) { exit::FAULT } else { exit::OK })
}

fn recipe(config: &Config) -> anyhow::Result<Recipe> {
    let scan = &config.scan;
    let (gates, cameras) = catalogue::gates_and_cameras(scan)?;
    Ok(Recipe {
        program: std::env::current_exe()?,
        onnxruntime: runtime::find(scan.onnxruntime.as_deref())?,
        memory_mib: u32::try_from(scan.inference_memory >> 20).unwrap_or(u32::MAX),
        regions: catalogue::read(&scan.regions_file)?,
        gates,
        cameras,
        deadline: scan.inference_deadline,
    })
}

/// Where a model lies among the gateway's, and what lay there before. Names that begin with a dot are read by nobody.
struct Place {
    models: PathBuf,
    own: PathBuf,
    coming: PathBuf,
    former: PathBuf,
}

impl Place {
    fn of(models: &Path, id: &str) -> Self {
        let [coming, former] = ["coming", "former"].map(|what| models.join(format!(".{id}.{what}")));
        Self { models: models.to_owned(), own: models.join(id), coming, former }
    }

    /// Copies the model in, unless it lies there already; whether anything was changed. The one before stays beside it.
    fn take(&self, source: &Path, manifest: &Manifest) -> io::Result<bool> {
        if self.own.exists() && fs::canonicalize(source)? == fs::canonicalize(&self.own)? {
            return Ok(false);
        }
        remove(&self.coming)?;
        let golden = manifest.golden.iter().flat_map(|golden| [&golden.input, &golden.expect]);
        let files: BTreeSet<&str> = golden.map(String::as_str).chain(["manifest.toml", &manifest.file]).collect();
        for file in files {
            let (from, to) = (source.join(file), self.coming.join(file));
            fs::create_dir_all(to.parent().unwrap_or(&self.coming))?;
            fs::copy(&from, &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
        remove(&self.former)?;
        if self.own.exists() {
            fs::rename(&self.own, &self.former)?;
        }
        fs::rename(&self.coming, &self.own)?;
        fs::File::open(&self.models)?.sync_all()?;
        Ok(true)
    }

    fn put_back(&self) -> io::Result<()> {
        remove(&self.own)?;
        if self.former.exists() { fs::rename(&self.former, &self.own) } else { Ok(()) }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks the running gateway to read the model's folder anew.
async fn tell(config: &Config, id: &str) -> anyhow::Result<Outcome> {
    // Its own trial, after one that may be under way, and the exchange after the photograph that is being measured.
    let patience = config.scan.inference_deadline * 4 + Duration::from_secs(60);
    let (status, body) = match machine::post(config, &format!("/models/{id}/activate"), &json!({}), patience).await? {
        Heard::Nobody => return Ok(Outcome::NextStart(format!("no gateway answers at http://{}", config.web.listen))),
        Heard::Closed(why) => {
            let listen = config.web.listen;
            return Ok(Outcome::NextStart(format!("the gateway at http://{listen} goes on with the old one ({why})")));
        }
        Heard::Said(status, body) => (status, body),
    };
    if status.is_success() {
        return Ok(Outcome::InUse);
    }
    let reason = body["error"]["now"].as_str().map_or_else(|| status.to_string(), ToOwned::to_owned);
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return Ok(Outcome::Refused(reason));
    }
    bail!("the gateway at http://{} answers {status}: {reason}", config.web.listen)
}
