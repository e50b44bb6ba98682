//! A model into the gateway's folder and into use, while it runs: tried here first, put in place of the old one, and told to the
//! gateway, which tries it again. Refused, the old one is put back, and the gateway told of it: it may have started its inference
//! process meanwhile, found another model under the old one's name and put that out of use. Where nobody knows what the gateway did, both stay: it may
//! have taken the new one, whose files must not be exchanged under it then.

use super::{find, place::Place};
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
use std::{collections::BTreeSet, path::Path, time::Duration};

/// How it came out.
enum Outcome {
    InUse,
    /// The model is in place for the gateway's next start; why not now.
    NextStart(String),
    /// The one before is in place; what of it, and why.
    Refused(String),
    /// It lies in place; whether the gateway has taken it is not known.
    Unknown(String),
}

pub(super) async fn activate(options: &Activate) -> anyhow::Result<u8> {
    let config = catalogue::config(&options.file.config)?;
    let source = find(&options.model, &config.scan.models)?;
    let metrics = catalogue::metrics_file(&config.scan.metrics_file)?;
    let tried = ModelTrial::new(recipe(&config)?).run(&source).await.map_err(|error| error.to_string());
    let tried = tried.and_then(|tried| tried.manifest.agrees(&metrics).map(|()| tried));
    let (id, version, outcome) = match tried {
        Err(reason) => (options.model.display().to_string(), None, old_goes_on(&reason)),
        Ok(tried) => {
            let outcome = exchanged(&config, &source, &tried).await?;
            (tried.manifest.id, Some(tried.manifest.version), outcome)
        }
    };
    let told = match &outcome {
        Outcome::InUse => format!("{id} {} is in use", version.as_deref().unwrap_or_default()),
        Outcome::NextStart(why) => format!(
            "{id} {} lies in {}; {why}: the next start of the gateway uses it",
            version.as_deref().unwrap_or_default(),
            config.scan.models.display(),
        ),
        Outcome::Refused(why) => format!("{id}: REFUSED, {why}"),
        Outcome::Unknown(why) => format!(
            "{id} {} lies in {}, and it is not known whether the gateway uses it ({why}); its devices' page says which models \
             measure; the next start uses this one",
            version.as_deref().unwrap_or_default(),
            config.scan.models.display(),
        ),
    };
    if options.json {
        let state = match &outcome {
            Outcome::InUse => "in_use",
            Outcome::NextStart(_) => "next_start",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown(_) => "unknown",
        };
        say!("{}", json!({ "id": id, "version": version, "state": state, "told": told }));
    } else {
        say!("{told}");
    }
    Ok(if matches!(outcome, Outcome::Refused(_) | Outcome::Unknown(_)) { exit::FAULT } else { exit::OK })
}

fn old_goes_on(reason: &str) -> Outcome {
    Outcome::Refused(format!("the old one goes on: {reason}"))
}

/// Puts a model that passed its trial in place and tells the gateway.
async fn exchanged(config: &Config, source: &Path, tried: &Tried) -> anyhow::Result<Outcome> {
    let (id, manifest) = (&tried.manifest.id, &tried.manifest);
    let place = Place::of(&config.scan.models, id);
    let on_disk =
        || format!("the model cannot be put into {}; check its rights and the disk", config.scan.models.display());
    let Some(_alone) = place.alone().with_context(on_disk)? else {
        return Ok(Outcome::Refused(format!("another activation of {id} is under way; wait for it")));
    };
    let moved = place.take(source, &files(manifest), tried.digest()).with_context(on_disk)?;
    let answer = tell(config, id).await;
    if moved && matches!(answer, Ok(Answer::Refused(_) | Answer::Closed(_)) | Err(_)) {
        place.put_back().context("the former model cannot be put back")?;
    } else if moved {
        place.keep().context("the former model cannot be put aside; the next activation does that")?;
    }
    let again = moved && place.has_one();
    Ok(match answer {
        Ok(Answer::InUse) => Outcome::InUse,
        Ok(Answer::Nobody(why)) => Outcome::NextStart(why),
        Ok(Answer::Silent(why)) => Outcome::Unknown(why),
        Ok(Answer::Closed(why)) => old_goes_on(&why),
        Ok(Answer::Refused(reason)) => match told_again(config, id, again).await {
            Ok(()) => old_goes_on(&reason),
            Err(not) => Outcome::Refused(format!("{reason}; {not}")),
        },
        Err(error) => {
            return Err(match told_again(config, id, again).await {
                Ok(()) => error,
                Err(not) => error.context(not),
            });
        }
    })
}

/// Where a model was put back, tells the gateway of it: its inference process may have met the new files under the old one's name. An
/// error, in words: it does not use it, or nobody knows.
async fn told_again(config: &Config, id: &str, again: bool) -> Result<(), String> {
    if !again {
        return Ok(());
    }
    let why = match tell(config, id).await {
        // At its next start it reads what lies there.
        Ok(Answer::InUse | Answer::Nobody(_)) => return Ok(()),
        Ok(Answer::Refused(why) | Answer::Closed(why) | Answer::Silent(why)) => why,
        Err(error) => format!("{error:#}"),
    };
    Err(format!(
        "the old one is in place again, but the gateway did not take it once more ({why}); see its devices' page"
    ))
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

/// What belongs to a model, below its folder.
fn files(manifest: &Manifest) -> Vec<&str> {
    let golden = manifest.golden.iter().flat_map(|golden| [&golden.input, &golden.expect]);
    let all: BTreeSet<&str> = golden.map(String::as_str).chain(["manifest.toml", &manifest.file]).collect();
    all.into_iter().collect()
}

/// What the gateway said.
enum Answer {
    InUse,
    /// No gateway runs.
    Nobody(String),
    /// It runs, and takes no word from here: it does not know of the new folder.
    Closed(String),
    Refused(String),
    /// It may have taken it.
    Silent(String),
}

/// Asks the running gateway to read the model's folder anew. An error: it has said that it did not.
async fn tell(config: &Config, id: &str) -> anyhow::Result<Answer> {
    // Its own trial, after one that may be under way, and the exchange after the photograph that is being measured.
    let patience = config.scan.inference_deadline * 4 + Duration::from_secs(60);
    let heard = match machine::post(config, &format!("/models/{id}/activate"), &json!({}), patience).await {
        Ok(heard) => heard,
        Err(silent) => return Ok(Answer::Silent(format!("{silent:#}"))),
    };
    let (status, body) = match heard {
        Heard::Nobody => return Ok(Answer::Nobody(format!("no gateway answers at http://{}", config.web.listen))),
        Heard::Closed(why) => {
            return Ok(Answer::Closed(format!("the gateway at http://{} is not told: {why}", config.web.listen)));
        }
        Heard::Said(status, body) => (status, body),
    };
    if status.is_success() {
        return Ok(Answer::InUse);
    }
    let reason = body["error"]["now"].as_str().map_or_else(|| status.to_string(), ToOwned::to_owned);
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return Ok(Answer::Refused(reason));
    }
    bail!("the gateway at http://{} answers {status}: {reason}", config.web.listen)
}
