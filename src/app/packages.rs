//! Which packages of headquarters a life of the gateway uses, settled where it is built; the rest of their story is
//! [`crate::tasks::packages`]'s.
//!
//! What cannot be read, or does not fit any more, gives way to what was used before, and that to what the gateway was installed
//! with: a package never keeps a gateway from starting.

use super::{catalogue, look, zone};
use crate::{
    analysis::regions::FaceRegions,
    config::{Config, Source},
    domain::metric::Metric,
    faults,
    store::Store,
    sync::package::{self, InUse, Slot},
    tasks::packages::{Aside, MOST_STARTS, Reader, Running, Shelf, State, Trying},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tracing::{error, info, warn};

/// What the gateway is built from.
#[derive(Debug)]
pub struct Begun {
    /// The installer's, with what is in use laid over it.
    pub config: Config,
    /// Folders of models in use that came as packages, by id.
    pub models: BTreeMap<String, PathBuf>,
    /// `None` where no packages are taken.
    pub reader: Option<Arc<Reader>>,
    pub state: State,
    pub running: Running,
    pub aside: Aside,
    /// What was on trial is refused, for the gateway can be built without it: to be written down once it was. For the audit log.
    pub refused: Option<Note>,
}

/// A line of the audit log.
pub type Note = (&'static str, String);

/// Why a package that was in use cannot be used.
enum Fault {
    /// Its file is not here.
    Lost,
    /// The disk does not answer.
    Unread(String),
    Unfit(String),
}

/// What is laid over the installer's configuration.
type Laid = (Config, BTreeMap<String, PathBuf>, Running);

impl Begun {
    /// Without any package.
    fn bare(own: &Config, state: State) -> Self {
        let (models, running, aside) = (BTreeMap::new(), Running::new(), Aside::new());
        Self { config: own.clone(), models, reader: None, state, running, aside, refused: None }
    }

    /// The gateway is built: what it was blamed for is known now not to be its own fault.
    pub async fn proven(&mut self, store: &Store) {
        if let Some(note) = self.refused.take() {
            error!("it is built without what was on trial, so that is refused: {}", note.1);
            keep(&self.state, store, vec![note]).await;
        }
    }
}

/// Reads what is in use. What was put in use last and has let the gateway die at its start too often is refused; so is, if the
/// gateway can be built without it, what it was `blamed` for. What does not fit any more for another reason is laid aside until the
/// next start: the installer's own files may be in the making.
///
/// # Errors
/// When the store does not answer.
pub async fn begin(
    source: &Source,
    own: &Config,
    metrics: &Arc<[Metric]>,
    store: &Store,
    blamed: Option<&str>,
) -> anyhow::Result<Begun> {
    let Some(chain) = own.packages.chain.clone() else { return Ok(Begun::bare(own, State::default())) };
    let keys: Result<Vec<_>, _> = catalogue::keys(&own.packages, &source.file).into_iter().collect();
    let mut state = State::kept(store.packages().await?.as_deref(), &chain);
    let shelf = match Shelf::open(&own.store.data) {
        Ok(shelf) => shelf,
        Err(fault) => {
            let data = own.store.data.display();
            error!(
                "no package is used: the folder of packages cannot be made in {data} ({fault}); check its rights, start again"
            );
            return Ok(Begun::bare(own, state));
        }
    };
    let takes = keys.is_ok();
    let keys = keys.unwrap_or_else(|fault| {
        // A key that is not here must not refuse for good what it has signed, nor close the salon.
        error!("no packages are taken from headquarters: {fault}; see `skinlink check`");
        Vec::new()
    });
    let reader = Reader { chain: chain.clone(), keys, shelf, source: source.clone(), metrics: Arc::clone(metrics) };
    let mut refused_now = None;
    match (blamed, state.trying.clone()) {
        (Some(reason), Some(Trying { slot, package, .. })) => {
            state.refuse(&slot, &package, &format!("the gateway does not run with it: {reason}"));
            refused_now = Some(refused(&slot, &package));
        }
        _ => another_start(&mut state, store).await,
    }
    let mut aside = Aside::new();
    faults::point("packages.anew.reading");
    let (config, models, running) = loop {
        let mut life = state.clone();
        aside.iter().for_each(|(_, package, _): &(Slot, InUse, String)| life.holdings.lost(&package.sha256));
        match lay(&reader, &life, own) {
            Ok(laid) => break laid,
            Err((slot, package, Fault::Lost)) => {
                warn!(package = %slot, version = package.version, "its file is gone or damaged; it is fetched again");
                state.holdings.lost(&package.sha256);
                state.trying.take_if(|trying| trying.package == package);
            }
            Err((slot, package, Fault::Unfit(reason))) if on_trial(&state, &slot, &package) => {
                error!(package = %slot, version = package.version, reason, "it does not work here; the one before is used");
                state.refuse(&slot, &package, &reason);
                keep(&state, store, vec![refused(&slot, &package)]).await;
                continue;
            }
            Err((slot, package, Fault::Unfit(reason) | Fault::Unread(reason))) => {
                let reason =
                    format!("it cannot be used since the last start, and is tried again at the next one: {reason}");
                error!(package = %slot, version = package.version, reason, "the one before is used meanwhile");
                if on_trial(&state, &slot, &package) {
                    state.trying = None;
                    state.holdings.waits_again(&slot);
                }
                aside.push((slot, package, reason));
            }
        }
        // What it is blamed for is not written down before that is known to be so.
        if refused_now.is_none() {
            keep(&state, store, Vec::new()).await;
        }
    };
    for (slot, package) in &running {
        info!(package = %slot, version = package.version, "in use");
    }
    let reader = takes.then(|| Arc::new(reader));
    Ok(Begun { config, models, reader, state, running, aside, refused: refused_now })
}

/// Counts one more start with what is on trial, before it can do any harm.
async fn another_start(state: &mut State, store: &Store) {
    let used = state.trying.as_ref().map(|trying| state.holdings.in_use(&trying.slot) == Some(&trying.package));
    match (&mut state.trying, used) {
        (Some(trying), Some(true)) if trying.starts < MOST_STARTS => trying.starts += 1,
        (Some(trying), Some(true)) => {
            let (slot, package, starts) = (trying.slot.clone(), trying.package.clone(), trying.starts);
            let reason = format!("the gateway died {starts} times while it started with it");
            error!(package = %slot, version = package.version, reason, "refused; the one before is used");
            state.refuse(&slot, &package, &reason);
            return keep(state, store, vec![refused(&slot, &package)]).await;
        }
        (Some(_), _) => state.trying = None,
        (None, _) => return,
    }
    keep(state, store, Vec::new()).await;
}

fn on_trial(state: &State, slot: &Slot, package: &InUse) -> bool {
    state.trying.as_ref().is_some_and(|trying| trying.slot == *slot && trying.package == *package)
}

fn refused(slot: &Slot, package: &InUse) -> Note {
    ("package refused", format!("{slot} {}", package.version))
}

/// Without room on the disk the same is decided again at the next start.
async fn keep(state: &State, store: &Store, notes: Vec<Note>) {
    if let Err(fault) = store.keep_packages(state.text(), notes).await {
        warn!(%fault, "what became of a package cannot be written down");
    }
}

fn lay(reader: &Reader, state: &State, own: &Config) -> Result<Laid, (Slot, InUse, Fault)> {
    let (mut config, mut models, mut running) = (own.clone(), BTreeMap::new(), Running::new());
    let mut files = Vec::new();
    for (slot, package) in state.holdings.all_in_use() {
        let at = |fault| (slot.clone(), package.clone(), fault);
        let (folder, settings) = read(reader, slot, package).map_err(at)?;
        match (slot, slot.file()) {
            (Slot::Model(id), _) => drop(models.insert(id.clone(), folder)),
            // These alone make another configuration; the paths are put into it afterwards.
            (Slot::Settings, _) => config = reader.with_settings(&settings).map_err(Fault::Unfit).map_err(at)?,
            (slot, Some(file)) => files.push((slot, folder.join(file))),
            (_, None) => {}
        }
        running.insert(slot.clone(), package.clone());
    }
    for (slot, path) in files {
        let place = if *slot == Slot::Suggestions {
            &mut config.scan.suggestions_file
        } else {
            &mut config.scan.treatments_file
        };
        *place = path;
    }
    Ok((config, models, running))
}

/// A package that is in use: the folder of its files, and the text of its settings if it has any.
fn read(reader: &Reader, slot: &Slot, package: &InUse) -> Result<(PathBuf, String), Fault> {
    let unfit = |fault: &dyn std::fmt::Display| Fault::Unfit(fault.to_string());
    let unread = |fault: std::io::Error| Fault::Unread(format!("the disk does not answer ({fault})"));
    let bytes = reader.shelf.read(&package.sha256).map_err(unread)?.ok_or(Fault::Lost)?;
    let (header, contents) = package::read_again(&bytes).map_err(|fault| unfit(&fault))?;
    reader.fits(&header, &contents).map_err(Fault::Unfit)?;
    let folder = reader.shelf.unpack(&package.sha256, &header, &contents).map_err(unread)?;
    let is_settings = |(file, _): &(&package::File, _)| *slot == Slot::Settings && file.path == package::SETTINGS;
    let settings = header.files.iter().zip(&contents).find(is_settings);
    let settings = settings.map_or_else(String::new, |(_, text)| String::from_utf8_lossy(text).into_owned());
    Ok((folder, settings))
}

/// The gateway could not be built, or ended by itself. Whether something is on trial, so that it is worth while to build it without
/// that: only where this succeeds that is to blame.
pub async fn suspects(store: &Store, chain: Option<&str>, reason: &str) -> bool {
    let Some(trying) = kept(store, chain).await.and_then(|state| state.trying) else { return false };
    warn!(package = %trying.slot, version = trying.package.version, reason, "the gateway does not run with it; it is built without it");
    true
}

/// Somebody stopped the gateway, or it can be built neither with nor without what is on trial: that has done nothing wrong so far.
pub async fn ended_well(store: &Store, chain: Option<&str>) {
    let Some(mut state) = kept(store, chain).await else { return };
    if let Some(trying) = state.trying.as_mut().filter(|trying| trying.starts > 0) {
        trying.starts -= 1;
        keep(&state, store, Vec::new()).await;
    }
}

/// Whether the installer's own files, those of `file`, can still be read: the gateway would not come up again without them, and
/// without a key it would take no packages any more.
///
/// # Errors
/// The first that cannot, with what to do.
pub fn still_builds(own: &Config, file: &str) -> Result<(), String> {
    let scan = &own.scan;
    let read = || -> anyhow::Result<()> {
        let metrics = catalogue::metrics_file(&scan.metrics_file)?;
        catalogue::suggestions_file(&scan.suggestions_file, &metrics)?;
        catalogue::treatments_file(&scan.treatments_file)?;
        let protocols = catalogue::protocols(&scan.protocols)?;
        super::build::named(own, &metrics, &protocols)?;
        catalogue::gates_and_cameras(scan)?;
        FaceRegions::parse(&catalogue::read(&scan.regions_file)?)?;
        catalogue::folders_with(&scan.models, "manifest.toml")?;
        look::of(&own.report)?;
        zone::calendar(&own.calendar)?;
        own.store.escrow_key.as_ref().map(|path| catalogue::read(path)).transpose()?;
        for key in own.devices.iter().filter_map(|device| device.key_file.as_deref()) {
            super::devices::key(key)?;
        }
        super::lan::can_be_read(own)?;
        let keys: Result<Vec<_>, _> = catalogue::keys(&own.packages, file).into_iter().collect();
        keys.map(drop).map_err(anyhow::Error::msg)
    };
    read().map_err(|fault| format!("{fault:#}"))
}

async fn kept(store: &Store, chain: Option<&str>) -> Option<State> {
    let text = store.packages().await.ok().flatten();
    Some(State::kept(text.as_deref(), chain?))
}
