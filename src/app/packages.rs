//! Which packages of headquarters a life of the gateway uses, settled where it is built; the rest of their story is
//! [`crate::tasks::packages`]'s.
//!
//! What cannot be read, or does not fit any more, gives way to what was used before, and that to what the gateway was installed
//! with: a package never keeps a gateway from starting.

use super::catalogue;
use crate::{
    analysis::regions::FaceRegions,
    config::{Config, Source},
    domain::metric::Metric,
    faults,
    store::Store,
    sync::package::{self, InUse, Slot},
    tasks::packages::{MOST_STARTS, Reader, Running, Shelf, State},
};
use anyhow::Context as _;
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
}

/// Why a package that was in use cannot be used.
enum Fault {
    /// Its file is not here.
    Lost,
    Unfit(String),
}

/// What is laid over the installer's configuration.
type Laid = (Config, BTreeMap<String, PathBuf>, Running);

/// Reads what is in use. What was put in use last and has let the gateway die at its start too often is refused.
///
/// # Errors
/// When the store does not answer, or the folder of packages cannot be made.
pub async fn begin(source: &Source, own: &Config, metrics: &Arc<[Metric]>, store: &Store) -> anyhow::Result<Begun> {
    let Some(chain) = own.packages.chain.clone() else {
        let (models, state, running) = (BTreeMap::new(), State::default(), Running::new());
        return Ok(Begun { config: own.clone(), models, reader: None, state, running });
    };
    let keys: Result<Vec<_>, _> = catalogue::keys(&own.packages, &source.file).into_iter().collect();
    let shelf = Shelf::open(&own.store.data)
        .with_context(|| format!("cannot make the folder of packages in {}", own.store.data.display()))?;
    let takes = keys.is_ok();
    let keys = keys.unwrap_or_else(|fault| {
        // A key that is not here must not refuse for good what it has signed, nor close the salon.
        error!("no packages are taken from headquarters: {fault}; see `skinlink check`");
        Vec::new()
    });
    let reader = Reader { chain: chain.clone(), keys, shelf, source: source.clone(), metrics: Arc::clone(metrics) };
    let mut state = State::kept(store.packages().await?.as_deref(), &chain);
    another_start(&mut state, store).await;
    faults::point("packages.anew.reading");
    let (config, models, running) = loop {
        match lay(&reader, &state, own) {
            Ok(laid) => break laid,
            Err((slot, package, Fault::Lost)) => {
                warn!(package = %slot, version = package.version, "its file is gone or damaged; it is fetched again");
                state.holdings.lost(&package.sha256);
                state.trying.take_if(|trying| trying.package == package);
            }
            Err((slot, package, Fault::Unfit(reason))) => {
                error!(package = %slot, version = package.version, reason, "it does not work here; the one before is used");
                state.refuse(&slot, &package, &reason);
                keep(&state, store, vec![refused(&slot, &package)]).await;
                continue;
            }
        }
        keep(&state, store, Vec::new()).await;
    };
    for (slot, package) in &running {
        info!(package = %slot, version = package.version, "in use");
    }
    Ok(Begun { config, models, reader: takes.then(|| Arc::new(reader)), state, running })
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

/// For the audit log.
fn refused(slot: &Slot, package: &InUse) -> (&'static str, String) {
    ("package refused", format!("{slot} {}", package.version))
}

/// Without room on the disk the same is decided again at the next start.
async fn keep(state: &State, store: &Store, notes: Vec<(&'static str, String)>) {
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
    let bytes = reader.shelf.read(&package.sha256).map_err(|fault| unfit(&fault))?.ok_or(Fault::Lost)?;
    let (header, contents) = package::read_again(&bytes).map_err(|fault| unfit(&fault))?;
    reader.fits(&header, &contents).map_err(Fault::Unfit)?;
    let folder = reader.shelf.unpack(&package.sha256, &header, &contents).map_err(|fault| unfit(&fault))?;
    let is_settings = |(file, _): &(&package::File, _)| *slot == Slot::Settings && file.path == package::SETTINGS;
    let settings = header.files.iter().zip(&contents).find(is_settings);
    let settings = settings.map_or_else(String::new, |(_, text)| String::from_utf8_lossy(text).into_owned());
    Ok((folder, settings))
}

/// The gateway could not be built, or ended by itself, with what was put in use last: that is refused, and the one before used.
/// Whether there was such a one, so that the gateway can begin anew.
pub async fn blame(store: &Store, chain: Option<&str>, reason: &str) -> bool {
    let Some(mut state) = kept(store, chain).await else { return false };
    let Some(trying) = state.trying.clone() else { return false };
    error!(package = %trying.slot, version = trying.package.version, reason, "the gateway does not run with it; the one before is used");
    state.refuse(&trying.slot, &trying.package, &format!("the gateway does not run with it: {reason}"));
    store.keep_packages(state.text(), vec![refused(&trying.slot, &trying.package)]).await.is_ok()
}

/// Somebody stopped the gateway: what is on trial has done nothing wrong so far.
pub async fn ended_well(store: &Store, chain: Option<&str>) {
    let Some(mut state) = kept(store, chain).await else { return };
    if let Some(trying) = state.trying.as_mut().filter(|trying| trying.starts > 0) {
        trying.starts -= 1;
        keep(&state, store, Vec::new()).await;
    }
}

/// Whether the installer's own files can still be read: the gateway would not come up again without them.
///
/// # Errors
/// The first that cannot, with what to do.
pub fn still_builds(own: &Config) -> Result<(), String> {
    let scan = &own.scan;
    let read = || -> anyhow::Result<()> {
        let metrics = catalogue::metrics_file(&scan.metrics_file)?;
        catalogue::suggestions_file(&scan.suggestions_file, &metrics)?;
        catalogue::treatments_file(&scan.treatments_file)?;
        catalogue::protocols(&scan.protocols)?;
        catalogue::gates_and_cameras(scan)?;
        FaceRegions::parse(&catalogue::read(&scan.regions_file)?)?;
        Ok(())
    };
    read().map_err(|fault| format!("{fault:#}"))
}

async fn kept(store: &Store, chain: Option<&str>) -> Option<State> {
    let text = store.packages().await.ok().flatten();
    Some(State::kept(text.as_deref(), chain?))
}
