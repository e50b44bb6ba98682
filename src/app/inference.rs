//! The owner of the inference process, started with the models of this life of the gateway: the installer's own, and those that
//! headquarters has rolled out in their place.

use super::{catalogue, runtime, supervisor::Tasks};
use crate::{
    analysis::manifest::Manifest,
    config::Config,
    domain::metric::Metric,
    store::Store,
    tasks::analysis::{self, AnalysisHandle, Recipe},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Starts the owner of the inference process. Without the library photographs are kept and measured once it is there.
///
/// # Errors
/// When a file that it needs cannot be read.
pub fn start(
    config: &Config,
    (metrics, rolled_out): (&[Metric], BTreeMap<String, PathBuf>),
    store: &Store,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> anyhow::Result<AnalysisHandle> {
    let scan = &config.scan;
    let onnxruntime = runtime::find(scan.onnxruntime.as_deref()).unwrap_or_else(|missing| {
        warn!("photographs are kept, but not measured: {missing}");
        scan.onnxruntime.clone().unwrap_or_else(|| runtime::FILE.into())
    });
    let (gates, cameras) = catalogue::gates_and_cameras(scan)?;
    let recipe = Recipe {
        program: runtime::program()?,
        onnxruntime,
        memory_mib: u32::try_from(scan.inference_memory >> 20).unwrap_or(u32::MAX),
        regions: catalogue::read(&scan.regions_file)?,
        gates,
        cameras,
        deadline: scan.inference_deadline,
    };
    let folders = catalogue::folders_with(&scan.models, "manifest.toml")?.into_iter();
    let replaced = |manifest: &Path| {
        let known = catalogue::read(manifest).ok().and_then(|text| Manifest::parse(&text).ok());
        known.is_some_and(|manifest| rolled_out.contains_key(&manifest.id))
    };
    let own = folders.filter(|(_, manifest)| !replaced(manifest));
    let own = own.filter_map(|(_, manifest)| Some(manifest.parent()?.to_owned()));
    let models = own.chain(rolled_out.values().cloned()).collect();
    let settings = analysis::Settings { worker: recipe, models, metrics: metrics.to_vec() };
    let (handle, inbox) = analysis::channel();
    let handle = handle.with_home(&scan.models);
    let (store, stop) = (store.clone(), stop.clone());
    tasks.start("analysis", async move {
        analysis::run(settings, store, inbox, stop).await;
        Ok(())
    });
    Ok(handle)
}
