//! Whether a package that is here may be used: held against signature, rules and what this gateway is, then tried.

use super::{
    Shelf,
    exchange::{self, Why},
};
use crate::{
    analysis::manifest::Manifest,
    clock,
    config::{Config, Source, suggestions, treatments},
    domain::{ClockState, metric::Metric},
    sync::package::{self, Header, Holdings, PublicKey, Refusal, Slot, Wish},
    tasks::analysis::AnalysisHandle,
};
use std::{io, path::PathBuf, sync::Arc};

/// What packages are held against.
#[derive(Debug)]
pub struct Reader {
    pub chain: String,
    pub keys: Vec<PublicKey>,
    pub shelf: Shelf,
    /// The gateway's own configuration, over which settings are laid.
    pub source: Source,
    /// Of the house.
    pub metrics: Arc<[Metric]>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Taken {
    /// Rules or settings, fit to be used from the next beginning on.
    Sound,
    /// A model, and in use now.
    Exchanged,
    Refused(Refusal),
    /// Nothing is wrong with it; it cannot be tried now.
    Later(String),
    /// It is not on the disk any more.
    Gone,
}

/// A package that is here, found sound as far as it can be without running it: the folder of its files, where that is a model's.
enum Read {
    Rules,
    Model(PathBuf),
}

/// Reads and tries a package that was fetched.
pub(super) async fn take(reader: Arc<Reader>, analysis: &AnalysisHandle, holdings: Holdings, wish: Wish) -> Taken {
    let read = tokio::task::spawn_blocking(move || reader.read(&holdings, &wish)).await;
    match read {
        Err(fault) => Taken::Refused(Refusal::Unfit(format!("reading it failed ({fault})"))),
        Ok(Err(taken)) => taken,
        Ok(Ok(Read::Rules)) => Taken::Sound,
        Ok(Ok(Read::Model(folder))) => match exchange::into(analysis, &folder).await {
            Ok(()) => Taken::Exchanged,
            Err(Why::Refused(reason)) => Taken::Refused(Refusal::Unfit(reason)),
            Err(Why::Later(reason)) => Taken::Later(reason),
            Err(Why::Gone) => Taken::Gone,
        },
    }
}

impl Reader {
    fn read(&self, holdings: &Holdings, wish: &Wish) -> Result<Read, Taken> {
        let on_disk = |fault: io::Error| Taken::Later(format!("the disk does not answer ({fault}); it is tried again"));
        let package = self.shelf.read(&wish.sha256).map_err(on_disk)?.ok_or(Taken::Gone)?;
        let unfit = |reason: String| Taken::Refused(Refusal::Unfit(super::state::short(&reason)));
        let (header, contents) = package::read(&package, &self.keys).map_err(|fault| unfit(fault.to_string()))?;
        let now = clock::now();
        holdings.judge(wish, &header, &self.chain, now.wall).map_err(|refusal| match refusal {
            // Refused for good it would be lost to a gateway whose clock was only not set yet.
            Refusal::Over { .. } if now.clock != ClockState::Synced => Taken::Later(format!(
                "{refusal}, if the clock here is right, which no time source has set yet; it is tried again"
            )),
            refusal => Taken::Refused(refusal),
        })?;
        self.fits(&header, &contents).map_err(unfit)?;
        let folder = self.shelf.unpack(&wish.sha256, &header, &contents).map_err(on_disk)?;
        Ok(if let Slot::Model(_) = wish.slot { Read::Model(folder) } else { Read::Rules })
    }

    /// Whether the files of a package can be understood by this gateway, and agree with what it has.
    ///
    /// # Errors
    /// Why not, with what to do.
    pub fn fits(&self, header: &Header, contents: &[&[u8]]) -> Result<(), String> {
        match &header.slot {
            Slot::Model(id) => {
                let text = text(header, contents, "manifest.toml")?;
                let manifest = Manifest::parse(text).map_err(|fault| fault.to_string())?;
                if manifest.id == *id {
                    return Ok(());
                }
                Err(format!("its manifest is of the model {}; sign it for the slot model/{0}", manifest.id))
            }
            Slot::Suggestions => {
                let text = text(header, contents, package::SUGGESTIONS)?;
                let read = suggestions::parse(text, package::SUGGESTIONS, &self.metrics);
                read.map(drop).map_err(|fault| fault.to_string())
            }
            Slot::Treatments => {
                let text = text(header, contents, package::TREATMENTS)?;
                treatments::parse(text, package::TREATMENTS).map(drop).map_err(|fault| fault.to_string())
            }
            Slot::Settings => self.with_settings(text(header, contents, package::SETTINGS)?).map(drop),
        }
    }

    /// The gateway's configuration with the settings of a package.
    ///
    /// # Errors
    /// Every complaint, with its line in `settings.toml`.
    pub fn with_settings(&self, settings: &str) -> Result<Config, String> {
        let config = self.source.with_settings(settings, package::SETTINGS).map_err(|fault| fault.to_string())?;
        let unknown = config.scan.metrics.iter().find(|id| self.metrics.iter().all(|metric| metric.id != **id));
        match unknown {
            Some(id) => Err(format!(
                "{}: scan.metrics names {id}, which this gateway's metrics do not know; take it out, or add the metric here first",
                package::SETTINGS
            )),
            None => Ok(config),
        }
    }
}

/// A file of a package, as text.
fn text<'a>(header: &Header, contents: &[&'a [u8]], name: &str) -> Result<&'a str, String> {
    let found = header.files.iter().zip(contents).find(|(file, _)| file.path == name);
    let (_, content) = found.ok_or_else(|| format!("it holds no {name}; a package for {} has one", header.slot))?;
    std::str::from_utf8(content).map_err(|_| format!("{name} is no text; write it in UTF-8"))
}
