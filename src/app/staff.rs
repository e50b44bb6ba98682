//! `skinlink staff list | pin`: who works here, and a way back in for a manager who forgot the PIN. Whoever may run it as the
//! gateway's user has the machine in their hands anyway; the audit log keeps that it was done here.

use super::{
    catalogue,
    machine::{self, Heard},
    print::say,
};
use crate::{
    cli::{ConfigFile, Staff, exit},
    config::Config,
    store::{DATABASE, Options, Store, StoreError, StoreKey},
    web::pin,
};
use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

/// A question about a few rows.
const PATIENCE: Duration = Duration::from_secs(20);
/// As it stands in the audit log.
const WHO: &str = "machine";

/// Does one of them; the answer is an exit code.
///
/// # Errors
/// When neither the gateway nor its database can be reached, or there is no such person.
pub async fn command(command: &Staff) -> anyhow::Result<u8> {
    match command {
        Staff::List(file) => list(file).await,
        Staff::Pin { person, file } => new_pin(person, file).await,
    }
}

async fn list(file: &ConfigFile) -> anyhow::Result<u8> {
    let config = catalogue::config(&file.config)?;
    let people = match machine::get(&config, "/staff", PATIENCE).await? {
        Heard::Said(status, body) if status.is_success() => {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let line = |one: &serde_json::Value| (text(&one["id"]), text(&one["name"]), text(&one["role"]));
            body["staff"].as_array().into_iter().flatten().map(line).collect()
        }
        Heard::Said(status, body) => bail!("the gateway answers {status}: {}", now(&body)),
        Heard::Closed(why) => bail!("the gateway runs and does not answer: {why}"),
        Heard::Nobody => {
            let store = open(&config)?;
            let people = store.people().await?.into_iter();
            people.map(|person| (person.id, person.name, person.role.to_string())).collect::<Vec<_>>()
        }
    };
    if people.is_empty() {
        say!("nobody is registered yet; open Staff and PINs on the gateway's own screen");
    }
    for (id, name, role) in people {
        say!("{id}  {role}  {name}");
    }
    Ok(exit::OK)
}

/// What to do about a refusal, as the gateway says it.
fn now(refusal: &serde_json::Value) -> &str {
    refusal["error"]["now"].as_str().unwrap_or("it does not say why")
}

/// A PIN is made here and shown once, so that none stands on a command line.
async fn new_pin(person: &str, file: &ConfigFile) -> anyhow::Result<u8> {
    let config = catalogue::config(&file.config)?;
    let fresh = pin::fresh();
    let missing = || format!("nobody with the number {person} works here; see `skinlink staff list`");
    match machine::post(&config, &format!("/staff/{person}/save"), &json!({ "pin": fresh }), PATIENCE).await? {
        Heard::Said(status, _) if status.is_success() => {}
        Heard::Said(StatusCode::NOT_FOUND, _) => bail!(missing()),
        Heard::Said(status, body) => bail!("the gateway answers {status}: {}", now(&body)),
        Heard::Closed(why) => bail!("the gateway runs and does not take this: {why}"),
        Heard::Nobody => {
            let store = open(&config)?;
            let digest = pin::hash(fresh.clone()).await.map_err(|_| anyhow::anyhow!("the PIN cannot be hashed"))?;
            match store.set_pin(person.to_owned(), digest, WHO.to_owned()).await {
                Err(StoreError::NotFound { .. }) => bail!(missing()),
                done => done?,
            }
        }
    }
    say!("{person} logs in with the PIN {fresh} from now on. Choose another one on the page Staff and PINs.");
    Ok(exit::OK)
}

/// The database of a gateway that does not run.
pub(super) fn open(config: &Config) -> anyhow::Result<Store> {
    let settings = &config.store;
    if !settings.data.join(DATABASE).exists() {
        bail!("no gateway has run with {} yet: there is nobody to list or to let in", settings.data.display());
    }
    let key = StoreKey::load_or_create(&settings.key_file, &settings.data)?;
    let source = format!("skinlink://{}/{}", settings.address.store, settings.address.gateway);
    let options = Options { data: settings.data.clone(), key, source, min_free: 0, readers: 1 };
    Store::open(options).context("no gateway answers, and its database cannot be opened")
}
