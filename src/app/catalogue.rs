//! Reads what is data from disk and hands its text to the pure parsers: configuration, metrics, face regions, protocols.
//!
//! A broken protocol never stops the others: it is listed with what is wrong with it.

use crate::{
    analysis::{
        cameras::Cameras,
        gates::Gates,
        manifest::{Manifest, ManifestError},
    },
    config::{self, Complaints, Config, KeyFile, Source, metrics, suggestions, treatments},
    domain::{metric::Metric, suggestion::Rule, treatment::Treatment},
    protocol::{Spec, SpecFaults},
    sync::package::PublicKey,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why something on disk could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("cannot read {path}: {reason}; check the path and its rights", path = .path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{0}")]
    Wrong(#[from] Complaints),
}

/// Text of a file, or which file and why not.
///
/// # Errors
/// [`CatalogueError::Unreadable`].
pub fn read(path: &Path) -> Result<String, CatalogueError> {
    fs::read_to_string(path).map_err(|reason| CatalogueError::Unreadable { path: path.to_owned(), reason })
}

/// Reads `gateway.toml`.
///
/// # Errors
/// Unreadable, or everything that is wrong with it in one report.
pub fn config(path: &Path) -> Result<Config, CatalogueError> {
    Ok(source(path)?.config()?)
}

/// Reads `gateway.toml` as it is written.
///
/// # Errors
/// [`CatalogueError::Unreadable`].
pub fn source(path: &Path) -> Result<Source, CatalogueError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Source { text: read(path)?, file: path.display().to_string(), folder: folder.to_owned() })
}

/// Text of the trusted keys' files, read: each key, or what is wrong with its file and what to do.
#[must_use]
pub fn keys(packages: &config::Packages, file: &str) -> Vec<Result<PublicKey, String>> {
    let key = |KeyFile { path, line }: &KeyFile| {
        let place = format!("{file}:{line}: packages.keys: {}", path.display());
        let pem = fs::read(path).map_err(|reason| format!("{place}: {reason}; check the path and its rights"))?;
        PublicKey::from_pem(&pem).map_err(|fault| format!("{place}: {fault}"))
    };
    packages.keys.iter().map(key).collect()
}

/// Reads `metrics.toml`.
///
/// # Errors
/// Unreadable, or everything that is wrong with it in one report.
pub fn metrics_file(path: &Path) -> Result<Vec<Metric>, CatalogueError> {
    Ok(metrics::parse(&read(path)?, &path.display().to_string())?)
}

/// Reads `suggestions.toml`; no rules where there is no such file.
///
/// # Errors
/// Unreadable, or everything that is wrong with it in one report.
pub fn suggestions_file(path: &Path, metrics: &[Metric]) -> Result<Vec<Rule>, CatalogueError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(suggestions::parse(&read(path)?, &path.display().to_string(), metrics)?)
}

/// Reads `treatments.toml`; where there is no such file, the one this program was built with.
///
/// # Errors
/// Unreadable, or everything that is wrong with it in one report.
pub fn treatments_file(path: &Path) -> Result<Vec<Treatment>, CatalogueError> {
    let text = if path.exists() { read(path)? } else { include_str!("../../config/treatments.toml").to_owned() };
    Ok(treatments::parse(&text, &path.display().to_string())?)
}

/// The protocols of a folder.
#[derive(Debug, Default)]
pub struct Protocols {
    pub sound: BTreeMap<String, Arc<Spec>>,
    pub broken: BTreeMap<String, BrokenProtocol>,
}

/// Why a protocol folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokenProtocol {
    #[error("{0}")]
    Unreadable(#[from] CatalogueError),
    #[error("{0}")]
    Faults(#[from] SpecFaults),
}

impl BrokenProtocol {
    /// For someone with the file open: each complaint with its line.
    #[must_use]
    pub fn with_lines(&self) -> String {
        match self {
            Self::Unreadable(error) => error.to_string(),
            Self::Faults(faults) => faults.with_lines(),
        }
    }
}

/// Reads every folder of `folder` that holds a `protocol.toml`.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn protocols(folder: &Path) -> Result<Protocols, CatalogueError> {
    let mut found = Protocols::default();
    for (id, path) in folders_with(folder, "protocol.toml")? {
        match protocol(&id, &path) {
            Ok(spec) => drop(found.sound.insert(id, Arc::new(spec))),
            Err(broken) => drop(found.broken.insert(id, broken)),
        }
    }
    Ok(found)
}

fn protocol(id: &str, path: &Path) -> Result<Spec, BrokenProtocol> {
    Ok(Spec::parse_file(&path.display().to_string(), id, &read(path)?)?)
}

/// The vectors of one protocol: file name without ending, and text; by name.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn vectors(protocols: &Path, id: &str) -> Result<Vec<(String, String)>, CatalogueError> {
    let folder = protocols.join(id).join("vectors");
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for path in entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        found.push((name, read(&path)?));
    }
    Ok(found)
}

/// Folders directly under `folder` that hold `file`: name and path of the file, by name. One whose name begins with a dot is
/// put aside, and none of them.
///
/// # Errors
/// When the folder cannot be read.
pub fn folders_with(folder: &Path, file: &str) -> Result<Vec<(String, PathBuf)>, CatalogueError> {
    let candidates = entries(folder)?.into_iter().map(|path| (path.clone(), path.join(file)));
    Ok(candidates
        .filter(|(_, path)| path.is_file())
        .map(|(folder, path)| (folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CatalogueError> {
    let unreadable = |reason| CatalogueError::Unreadable { path: folder.to_owned(), reason };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Why a model folder cannot be used, as far as that can be told without running it.
#[derive(Debug, thiserror::Error)]
pub enum BrokenModel {
    #[error("{0}")]
    Unreadable(#[from] CatalogueError),
    #[error("{0}")]
    Manifest(#[from] ManifestError),
}

/// Texts of the quality gates and of the known cameras, each checked; empty where none is named.
///
/// # Errors
/// Unreadable, or everything that is wrong with one of them.
pub fn gates_and_cameras(scan: &config::Scan) -> anyhow::Result<(String, String)> {
    let text = |path: &Option<PathBuf>| path.as_ref().map_or_else(|| Ok(String::new()), |path| read(path));
    let (gates, cameras) = (text(&scan.gates_file)?, text(&scan.cameras_file)?);
    if !gates.is_empty() {
        Gates::parse(&gates)?;
    }
    if !cameras.is_empty() {
        Cameras::parse(&cameras)?;
    }
    Ok((gates, cameras))
}

/// The quality gates in use: those of this program where no file is named.
///
/// # Errors
/// When the file cannot be read or says what cannot be.
pub fn gates(scan: &config::Scan) -> anyhow::Result<Gates> {
    let (text, _) = gates_and_cameras(scan)?;
    Ok(if text.is_empty() { Gates::usual() } else { Gates::parse(&text)? })
}

/// The models of a folder, by folder name.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn models(folder: &Path) -> Result<BTreeMap<String, Result<Manifest, BrokenModel>>, CatalogueError> {
    let manifest = |path: &Path| Ok(Manifest::parse(&read(path)?)?);
    Ok(folders_with(folder, "manifest.toml")?.into_iter().map(|(id, path)| (id, manifest(&path))).collect())
}
