//! From a configuration to running tasks: opens the store, reads the catalogues, connects the handles.

use super::{
    about::Watched,
    catalogue, headquarters, housekeeping, inference, look,
    packages::{self, Begun},
    recognise::{Opener, Recognise, recognised_by},
    supervisor::Tasks,
};
use crate::{
    adapters::{
        ble::{self, Air},
        discovery::Discovery,
        hotplug::{Plugged, Watcher},
        serial::SerialLink,
    },
    analysis::regions::FaceRegions,
    clock,
    config::{self, Config, Measures, Port, Source},
    desk::Press,
    domain::{BootId, metric::Metric, plan},
    ports::{LinkError, Opened},
    protocol::Spec,
    store::Store,
    tasks::{
        self,
        comparison::Judges,
        device::Device,
        live::{Live, live},
        measurements::{self, Measurements},
        observation,
        packages::{StillBuilds, TakingIn},
        station::{self, Fitted, StationHandle, station},
    },
    web::{self, About, AppState, Guide, Links, folder},
};
use anyhow::Context;
use std::{collections::BTreeMap, path::Path, pin::Pin, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc, watch},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The daemon, built and not yet waited for.
#[derive(Debug)]
pub struct App {
    pub tasks: Tasks,
    pub store: Store,
    /// Cancelled where it shall begin anew inside its process, for what headquarters has rolled out.
    pub anew: CancellationToken,
}

/// What building came to.
#[derive(Debug)]
pub enum Built {
    App(Box<App>),
    /// It could not be built with what headquarters had rolled out last, for this reason. It is to be built once more, without that.
    Again(String),
}

/// A device on its way to being open.
type Opening = Pin<Box<dyn Future<Output = Result<Opened<SerialLink>, LinkError>> + Send>>;

/// Through the air, if that is how a configured device is reached.
#[must_use]
pub fn in_the_air(device: &config::Device, spec: &Spec) -> Option<ble::Pinned> {
    let address = match &device.port {
        Port::Address(address) => Some(address.clone()),
        Port::UsbIds if spec.serial.is_none() => None,
        Port::Path(_) | Port::UsbSerial(_) | Port::UsbIds => return None,
    };
    Some(ble::Pinned { address, ble: spec.ble.clone()? })
}

/// A device that is never connected, with its key.
///
/// # Errors
/// Where the key's file cannot be read, or holds no key.
fn only_heard(device: &config::Device, spec: &Arc<Spec>) -> anyhow::Result<Option<ble::Overheard>> {
    let broadcasts = spec.ble.as_ref().is_some_and(|ble| ble.broadcast.is_some());
    let (true, Port::Address(address)) = (broadcasts, &device.port) else { return Ok(None) };
    let key = device.key_file.as_deref().map(super::devices::key).transpose()?;
    Ok(Some(ble::Overheard { address: address.clone(), key, spec: Arc::clone(spec) }))
}

/// Builds everything that `source`, read from `file`, asks for, which means `own` by itself, and starts its tasks; they end when `stop` is cancelled.
/// Where the gateway did not run with what is on trial, it is built without that; `blamed` says how it failed.
///
/// # Errors
/// The first part that cannot be built, with what to do; nothing was changed then but the store's own files.
pub async fn build(
    (source, file): (&Source, &Path),
    own: &Config,
    blamed: Option<&str>,
    stop: &CancellationToken,
) -> anyhow::Result<Built> {
    // The port first: a second daemon on the same data is refused before it touches anything.
    let listener = TcpListener::bind(own.web.listen).await.with_context(|| {
        format!("cannot serve the pages on {}; is the gateway running already, or change web.listen", own.web.listen)
    })?;
    let metrics: Arc<[Metric]> = catalogue::metrics_file(&own.scan.metrics_file)?.into();
    let protocols = catalogue::protocols(&own.scan.protocols)?;
    named(own, &metrics, &protocols)?;
    for (id, broken) in &protocols.broken {
        warn!(protocol = id, "left out: {broken}");
    }
    let store = super::store::open(&own.store)?;
    let begun = packages::begin(source, own, &metrics, &store, blamed).await?;
    let anew = CancellationToken::new();
    let (installed, named) = (own.clone(), source.file.clone());
    let still_builds: StillBuilds = Arc::new(move || packages::still_builds(&installed, &named));
    let parts = Parts { listener, metrics, protocols, file, anew: anew.clone(), still_builds };
    match assemble(parts, begun, &store, stop).await {
        Ok(tasks) => Ok(Built::App(Box::new(App { tasks, store, anew }))),
        Err(fault) => {
            stop.cancel();
            let (chain, reason) = (own.packages.chain.as_deref(), format!("{fault:#}"));
            let again = blamed.is_none() && packages::suspects(&store, chain, &reason).await;
            if !again {
                packages::ended_well(&store, chain).await;
            }
            // What was started already lets go of the store as it is dropped.
            if store.close(super::CLOSING).await && again { Ok(Built::Again(reason)) } else { Err(fault) }
        }
    }
}

/// What is there before anything of headquarters' is looked at.
struct Parts<'a> {
    listener: TcpListener,
    metrics: Arc<[Metric]>,
    protocols: catalogue::Protocols,
    /// Of the configuration.
    file: &'a Path,
    anew: CancellationToken,
    still_builds: StillBuilds,
}

async fn assemble(
    parts: Parts<'_>,
    mut begun: Begun,
    store: &Store,
    stop: &CancellationToken,
) -> anyhow::Result<Tasks> {
    let Parts { listener, metrics, protocols, file, anew, still_builds } = parts;
    let config = begun.config.clone();
    let models = std::mem::take(&mut begun.models);
    named(&config, &metrics, &protocols)?;
    let lan = super::lan::listener(&config).await?;
    let mut tasks = Tasks::default();
    let (live, ring) = live(clock::mint(BootId::from_bits).to_string());
    tasks.start("live news", async move {
        ring.run().await;
        Ok(())
    });
    let plugged = watch_plugs(&config, &mut tasks, stop);
    let air = start_air(&config, &protocols.sound, &mut tasks, stop);
    let house = House { config: &config, metrics: Arc::clone(&metrics), specs: &protocols.sound, plugged, air };
    let mut watched = Vec::new();
    let stations: Arc<[StationHandle]> = house.stations(store, &live, &mut watched, &mut tasks, stop)?.into();
    let (taker, inbox) = tasks::packages::channel(&begun.state, &begun.running);
    let taker = begun.reader.is_some().then_some(taker);
    let admissions = watch::Sender::new(0);
    let concerned = headquarters::House {
        file,
        devices: watched,
        live: &live,
        stations: &stations,
        packages: taker.clone(),
        admissions: admissions.clone(),
    };
    let sync_status = headquarters::start(&config, store, concerned, &mut tasks, stop);
    let analysis = inference::start(&config, (&metrics, models), store, &mut tasks, stop)?;
    let taking_in = TakingIn::default();
    let (measures, chairs, coming_in) = (analysis.clone(), Arc::clone(&stations), taking_in.clone());
    let judges = Judges {
        metrics: Arc::clone(&metrics),
        specs: protocols.sound.values().cloned().collect(),
        manifests: Vec::new(),
        colours: catalogue::gates(&config.scan)?.colour.into(),
    };
    // One for the chairs and the customers: what is made at the same time is made one after another.
    let press = Press::beside();
    let state = AppState {
        stations,
        store: store.clone(),
        live,
        about: Arc::new(house.about()?),
        judges: Arc::new(judges),
        analysis,
        packages: taker,
        taking_in,
        press: press.clone(),
        sync: sync_status,
        log_ins: Arc::new(tokio::sync::Semaphore::new(1)),
        enrolments: Arc::new(tokio::sync::Semaphore::new(1)),
        mirrors: web::mirror::Mirrors::default(),
        admissions,
        machine: Some(super::machine::issue(&config.store.data)?),
        folders: folders(&config),
        trust: lan.as_ref().map(|lan| Arc::new(lan.trust.clone())),
        lan: None,
        stop: stop.clone(),
    };
    for source in state.folders.iter().cloned() {
        let (state, stop) = (state.clone(), stop.clone());
        tasks.start(format!("photographs {}", source.station), async move {
            folder::run(state, source, stop).await;
            Ok(())
        });
    }
    super::lan::start(lan, &config, &state, &mut tasks, stop);
    let stopped = stop.clone();
    tasks.start("web", async move { Ok(web::serve(listener, state, stopped).await?) });
    super::desk::start(&config.report, store, press, &mut tasks, stop).await?;
    // Last, when nothing can fail any more: who is blamed for what is written down before its task may write.
    begun.proven(store).await;
    let Begun { reader, state, running, aside, .. } = begun;
    if let Some(reader) = reader {
        let settings = tasks::packages::Settings {
            reader,
            state,
            running,
            aside,
            analysis: measures,
            stations: chairs,
            taking_in: coming_in,
            anew,
            still_builds,
        };
        let (store, stop) = (store.clone(), stop.clone());
        tasks.start("packages", async move { Ok(tasks::packages::run(settings, store, inbox, stop).await?) });
    }
    tasks.start("housekeeping", housekeeping::run(store.clone(), config.retention, stop.clone()));
    info!(listen = %config.web.listen, "the gateway serves its pages");
    Ok(tasks)
}

fn folders(config: &Config) -> Arc<[folder::Source]> {
    let watched = |station: &config::Station| {
        let folder = station.pictures_from.clone()?;
        Some(folder::Source { station: station.id.clone(), folder, um_per_px: station.um_per_px })
    };
    config.stations.iter().filter_map(watched).collect()
}

/// What the configuration names must be there. A protocol that is there but broken only takes its device out.
pub(super) fn named(config: &Config, metrics: &[Metric], protocols: &catalogue::Protocols) -> anyhow::Result<()> {
    let metric = config.scan.metrics.iter().find(|id| metrics.iter().all(|metric| metric.id != **id));
    if let Some(id) = metric {
        let file = config.scan.metrics_file.display();
        anyhow::bail!("scan.metrics names {id}, which {file} does not know; correct it, or add the metric there");
    }
    let known = |id: &str| protocols.sound.contains_key(id) || protocols.broken.contains_key(id);
    if let Some(device) = config.devices.iter().find(|device| !known(&device.protocol)) {
        let (id, folder) = (&device.protocol, config.scan.protocols.display());
        anyhow::bail!(
            "a [[device]] names the protocol {id}, which {folder} does not have; see `skinlink protocol list`"
        );
    }
    for device in &config.devices {
        let Some(spec) = protocols.sound.get(&device.protocol) else { continue };
        let (key, lacks) = match device.port {
            Port::Address(_) if spec.ble.is_none() => ("address", "ble"),
            Port::Path(_) | Port::UsbSerial(_) if spec.serial.is_none() => ("path or serial_number", "serial"),
            _ => continue,
        };
        anyhow::bail!(
            "a [[device]] has {key}, but its protocol {} has no [transport.{lacks}]; take the key out",
            spec.id
        );
    }
    Ok(())
}

/// Metrics that `spec` measures and `known` does not have, as one text; empty where there are none.
pub(super) fn unknown_metrics(spec: &Spec, known: &[Metric]) -> String {
    let unknown = spec.metrics.iter().filter(|declared| known.iter().all(|metric| metric.id != declared.id));
    unknown.map(|declared| declared.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// Starts the watch over what is plugged in; without it missing devices are looked for by the clock.
fn watch_plugs(config: &Config, tasks: &mut Tasks, stop: &CancellationToken) -> Option<Plugged> {
    let named = config.devices.iter().filter_map(|device| match &device.port {
        Port::Path(path) => Some(path.parent()?.to_owned()),
        _ => None,
    });
    let watching = Watcher::new(Discovery::system().folders().into_iter().chain(named));
    let (plugged, watcher) = watching
        .inspect_err(|error| warn!(%error, "what is plugged in is not told; it is looked for by the clock"))
        .ok()?;
    let stop = stop.clone();
    tasks.start("plugs", async move {
        if let Err(error) = watcher.run(stop.clone()).await {
            warn!(%error, "what is plugged in is told no more; it is looked for by the clock");
            stop.cancelled().await;
        }
        Ok(())
    });
    Some(plugged)
}

/// Opens the air, where a device wants it: elsewhere Bluetooth costs nothing and need not be there.
fn start_air(
    config: &Config,
    specs: &BTreeMap<String, Arc<Spec>>,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Option<Air> {
    let wanted = |device: &config::Device| in_the_air(device, specs.get(&device.protocol)?);
    config.devices.iter().find_map(wanted)?;
    let (air, task) = ble::air();
    let stop = stop.clone();
    tasks.start("air", async move {
        task.run(stop).await;
        Ok(())
    });
    Some(air)
}

/// What stations and devices are made from.
struct House<'a> {
    config: &'a Config,
    metrics: Arc<[Metric]>,
    specs: &'a BTreeMap<String, Arc<Spec>>,
    plugged: Option<Plugged>,
    air: Option<Air>,
}

impl House<'_> {
    fn stations(
        &self,
        store: &Store,
        live: &Live,
        watched: &mut Vec<Watched>,
        tasks: &mut Tasks,
        stop: &CancellationToken,
    ) -> anyhow::Result<Vec<StationHandle>> {
        let mut handles = Vec::new();
        for chair in &self.config.stations {
            let (sender, observations) = observation::queue();
            let mut fitted = Vec::new();
            for device in self.config.devices.iter().filter(|device| device.station == chair.id) {
                let Some(spec) = self.specs.get(&device.protocol) else {
                    warn!(protocol = device.protocol, "no such protocol; the device is left out until there is");
                    continue;
                };
                let mut watch = |state| {
                    let (station, protocol) = (chair.id.clone(), spec.id.clone());
                    watched.push(Watched { station, protocol, state });
                };
                let task = match device.measures {
                    Measures::Customers => {
                        let unknown = unknown_metrics(spec, &self.metrics);
                        if !unknown.is_empty() {
                            warn!(
                                protocol = spec.id,
                                metrics = unknown,
                                "this protocol measures what the house does not know: such values lie in the tray and can be bound \
                                 to no scan until scan.metrics_file names their metrics"
                            );
                        }
                        let (handle, task) = Device::new(Arc::clone(spec), sender.clone());
                        watch(handle.state());
                        fitted.push(Fitted { handle, protocol: spec.id.clone(), title: spec.title.clone() });
                        task
                    }
                    Measures::Store => {
                        let (sender, observations) = mpsc::channel(measurements::QUEUE);
                        let (handle, task) = Device::new(Arc::clone(spec), sender);
                        watch(handle.state());
                        let measurements = Measurements {
                            station: chair.id.as_str().into(),
                            device: handle,
                            sends_again: spec.flow.acknowledge.is_some(),
                            store: store.clone(),
                            live: live.clone(),
                            observations,
                        };
                        tasks.start(format!("measurements {}", device.protocol), async move {
                            measurements.run().await;
                            Ok(())
                        });
                        task
                    }
                };
                self.start(task, device, spec, tasks, stop)?;
            }
            let settings = station::Settings {
                id: chair.id.clone(),
                label: chair.label.clone(),
                metrics: Arc::clone(&self.metrics),
                plan: self.plan(),
                specs: self.specs.values().cloned().collect(),
            };
            let (handle, task) = station(settings, store.clone(), live.clone(), fitted, observations);
            tasks.start(format!("station {}", chair.id), async move { Ok(task.run().await?) });
            handles.push(handle);
        }
        Ok(handles)
    }

    /// Starts a device's task on the way by which it is reached.
    fn start(
        &self,
        task: Device,
        device: &config::Device,
        spec: &Arc<Spec>,
        tasks: &mut Tasks,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (name, stop) = (format!("device {}", device.protocol), stop.clone());
        if let (Some(overheard), Some(air)) = (only_heard(device, spec)?, &self.air) {
            let listener = ble::listener(air.clone(), overheard);
            tasks.start(name, async move {
                task.run(listener, stop).await;
                Ok(())
            });
            return Ok(());
        }
        if let (Some(pinned), Some(air)) = (in_the_air(device, spec), &self.air) {
            let opener = ble::opener(air.clone(), pinned);
            tasks.start(name, async move {
                task.run(opener, stop).await;
                Ok(())
            });
        } else if let Some(opener) = self.opener(device, spec) {
            tasks.start(name, async move {
                task.run(opener, stop).await;
                Ok(())
            });
        }
        Ok(())
    }

    fn plan(&self) -> Vec<crate::domain::scan::Step> {
        let scan = &self.config.scan;
        plan::plan(&scan.metrics, &scan.regions, scan.repeats)
    }

    /// Finds and opens a device, whenever its task asks; `None` where its protocol has no serial line.
    fn opener(&self, device: &config::Device, spec: &Arc<Spec>) -> Option<impl FnMut() -> Opening + Send + 'static> {
        let mut line = spec.serial.clone()?;
        let others = self.config.devices.iter().filter(|other| *other != device);
        let others =
            others.filter_map(|other| Some(recognised_by(&other.port, self.specs.get(&other.protocol)?))).collect();
        line.baud = device.baud.unwrap_or(line.baud);
        let wanted = recognised_by(&device.port, spec);
        let what = Recognise { discovery: Discovery::system(), wanted, others, spec: Arc::clone(spec), line };
        // One task calls it, one call at a time; the lock only says so to the compiler.
        let opener = Arc::new(Mutex::new(Opener::new(what, self.plugged.clone())));
        Some(move || {
            let opener = Arc::clone(&opener);
            Box::pin(async move { opener.lock().await.open().await }) as Opening
        })
    }

    fn about(&self) -> anyhow::Result<About> {
        let (scan, report) = (&self.config.scan, &self.config.report);
        let regions = FaceRegions::parse(&catalogue::read(&scan.regions_file)?)
            .with_context(|| scan.regions_file.display().to_string())?;
        let wanted = scan.views.iter().filter_map(|view| regions.view(*view));
        let views = wanted
            .map(|view| Guide { view: view.view, anchors: view.guide, anchor_distance_mm: view.anchor_distance_mm })
            .collect();
        Ok(About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store_name: report.store_name.clone(),
            look: look::of(report)?,
            metrics: Arc::clone(&self.metrics),
            suggestions: catalogue::suggestions_file(&scan.suggestions_file, &self.metrics)?.into(),
            treatments: catalogue::treatments_file(&scan.treatments_file)?.into(),
            plan: self.plan(),
            views,
            faces: Arc::new(regions),
            calendar: super::zone::calendar(&self.config.calendar)?,
            scopes: self.config.stations.iter().filter_map(|at| Some((at.id.clone(), at.um_per_px?))).collect(),
            links: (report.public_url.is_some() || report.local_url.is_some()).then(|| Links {
                public: report.public_url.clone(),
                local: report.local_url.clone(),
                valid_days: report.valid_days,
            }),
        })
    }
}
