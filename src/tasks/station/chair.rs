//! The loop of one station and its verbs.

use super::{
    Command, Reply, Settings, StationError, StationView, Told, Verb,
    devices::{self, Fitted},
    scan::{self, UnderWay},
};
use crate::{
    clock,
    domain::{
        ReadingId, Region, RepeatId, ScanId, VisitId,
        consent::Purpose,
        metric::{Label, MetricId},
        scan::{Phase, ScanState},
    },
    faults,
    protocol::Request,
    store::{Store, StoreError},
    tasks::{
        live::{Live, News},
        observation::Observation,
    },
};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::WatchStream;

/// A value the device was asked for, and who waits for the whole step.
#[derive(Debug)]
pub(super) struct Asked {
    pub token: u64,
    pub metric: MetricId,
    pub region: Region,
    pub reply: Reply,
}

/// The owner of one chair's scan, to be run by the supervisor.
#[derive(Debug)]
pub struct Station {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) live: Live,
    pub(super) devices: Vec<Fitted>,
    inbox: mpsc::Receiver<Command>,
    observations: mpsc::Receiver<Observation>,
    pub(super) under_way: Option<UnderWay>,
    pub(super) asked: Option<Asked>,
    next_token: u64,
}

impl Station {
    pub(super) fn new(
        settings: Settings,
        store: Store,
        live: Live,
        devices: Vec<Fitted>,
        inbox: mpsc::Receiver<Command>,
        observations: mpsc::Receiver<Observation>,
    ) -> Self {
        Self { settings, store, live, devices, inbox, observations, under_way: None, asked: None, next_token: 1 }
    }

    /// Runs until the last handle is dropped; then parks the scan.
    ///
    /// # Errors
    /// When the store cannot tell at the start where the scan stands.
    pub async fn run(mut self) -> Result<(), StationError> {
        self.come_back().await?;
        let states = self.devices.iter().enumerate().map(|(at, d)| WatchStream::new(d.handle.state()).map(move |_| at));
        let mut states = stream::select_all(states.collect::<Vec<_>>());
        let mut observed = true;
        loop {
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                observation = self.observations.recv(), if observed => match observation {
                    Some(observation) => self.observed(observation).await,
                    // The gateway is stopping and the devices went first: nobody will answer any more.
                    None => {
                        observed = false;
                        if let Some(asked) = self.asked.take() {
                            let _ = asked.reply.send(Err(StationError::Stopped));
                        }
                    }
                },
                Some(at) = states.next() => self.device_changed(at).await,
            }
        }
        self.park().await
    }

    /// After a start: a scan that ran is paused, since nobody knows how long the probe was away.
    async fn come_back(&mut self) -> Result<(), StationError> {
        self.reload().await?;
        self.park().await?;
        self.close_ready(false).await
    }

    async fn park(&mut self) -> Result<(), StationError> {
        if self.under_way.as_ref().is_some_and(UnderWay::runs) {
            self.set_state(ScanState::Paused).await?;
            faults::point("station.parked");
        }
        Ok(())
    }

    /// Takes the scan under way from the store.
    async fn reload(&mut self) -> Result<(), StationError> {
        let stored = self.store.scan_in_progress(self.settings.id.clone()).await?;
        let last = self.under_way.take().filter(|old| stored.as_ref().is_some_and(|s| s.scan.id == old.scan.id));
        self.under_way = stored.map(UnderWay::new).map(|new| UnderWay { last: last.and_then(|old| old.last), ..new });
        Ok(())
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone meanwhile; what was done stays done.
        match command {
            Command::Begin { visit, seen, phase, reply } => {
                let _ = reply.send(self.begin(visit, seen, phase).await);
            }
            Command::Measure { scan, seen, reply } => self.measure(scan, seen, reply).await,
            Command::Do { scan, seen, verb, reply } => {
                let _ = reply.send(self.act(scan, seen, verb).await);
            }
            Command::Bind { repeat, scan, region, seen, staff, reply } => {
                let _ = reply.send(self.bind(repeat, scan, region, seen, staff).await);
            }
            Command::View { reply } => {
                let _ = reply.send(self.view().await);
            }
            Command::Changed { done } => {
                self.catch_up().await;
                let _ = done.send(());
            }
        }
    }

    async fn begin(&mut self, visit: VisitId, seen: u64, phase: Phase) -> Result<Told, StationError> {
        self.require_consent(visit).await?;
        let scan = self.store.begin_scan(visit, Some(seen), phase, self.settings.plan.clone()).await?;
        faults::point("station.scan.begun");
        self.under_way = Some(UnderWay::new(self.store.scan_view(scan.id).await?));
        self.tell().await
    }

    async fn require_consent(&self, visit: VisitId) -> Result<(), StationError> {
        let customer = self.store.visit(visit).await?.customer;
        let consents = self.store.consents(customer).await?;
        let agreed = consents.get(&Purpose::Measure).is_some_and(|consent| consent.given);
        if agreed { Ok(()) } else { Err(StationError::NoConsent) }
    }

    /// The scan under way, if it is `scan` and the caller saw its visit as it is.
    async fn check(&self, scan: ScanId, seen: u64) -> Result<&UnderWay, StationError> {
        let found = self.under_way.as_ref().filter(|u| u.scan.id == scan).ok_or(StationError::NotUnderWay(scan))?;
        match self.store.visit(found.visit()).await?.version {
            version if version == seen => Ok(found),
            version => Err(StationError::Stale(version)),
        }
    }

    async fn act(&mut self, scan: ScanId, seen: u64, verb: Verb) -> Result<Told, StationError> {
        let visit = self.check(scan, seen).await?.visit();
        if verb == Verb::Resume {
            self.require_consent(visit).await?;
        }
        match verb {
            Verb::Pause => {
                self.set_state(ScanState::Paused).await?;
                faults::point("station.scan.paused");
            }
            Verb::Resume => {
                self.set_state(ScanState::Running).await?;
                faults::point("station.scan.resumed");
            }
            Verb::Skip(region) => self.skip(scan, region).await?,
            Verb::Repeat(region) => self.repeat(scan, region).await?,
            Verb::Cancel | Verb::Finish => return self.end(scan, verb).await,
        }
        self.tell().await
    }

    async fn set_state(&mut self, state: ScanState) -> Result<(), StationError> {
        if let Some(under_way) = &mut self.under_way {
            under_way.scan.state = self.store.set_scan_state(under_way.scan.id, state).await?.state;
        }
        if state != ScanState::Running {
            self.give_up_asking().await;
        }
        Ok(())
    }

    async fn skip(&mut self, scan: ScanId, region: Region) -> Result<(), StationError> {
        self.has_region(region)?;
        self.store.skip_region(scan, region).await?;
        faults::point("station.region.skipped");
        self.give_up_asking().await;
        self.reload().await?;
        self.close_ready(false).await
    }

    async fn repeat(&mut self, scan: ScanId, region: Region) -> Result<(), StationError> {
        self.has_region(region)?;
        self.store.supersede_region(scan, region, self.settings.id.clone()).await?;
        faults::point("station.region.repeated");
        self.give_up_asking().await;
        self.reload().await
    }

    fn has_region(&self, region: Region) -> Result<(), StationError> {
        let plan = self.under_way.iter().flat_map(|u| &u.scan.plan);
        if plan.into_iter().any(|step| step.region == region) {
            return Ok(());
        }
        Err(StationError::NoSuchRegion(region))
    }

    /// Ends the scan. What was measured is closed first when it is finished; a cancelled one keeps its values as they are.
    async fn end(&mut self, scan: ScanId, verb: Verb) -> Result<Told, StationError> {
        self.give_up_asking().await;
        let state = if verb == Verb::Finish {
            self.close_ready(true).await?;
            ScanState::Finished
        } else {
            ScanState::Cancelled
        };
        self.set_state(state).await?;
        faults::point(if verb == Verb::Finish { "station.scan.finished" } else { "station.scan.cancelled" });
        let told = self.tell().await;
        tracing::info!(%scan, state = state.as_str(), "scan ended");
        self.under_way = None;
        told
    }

    async fn measure(&mut self, scan: ScanId, seen: u64, reply: Reply) {
        let asked = match self.may_measure(scan, seen).await {
            Ok((metric, region)) => self.ask_device(Asked { token: 0, metric, region, reply }).await,
            Err(refused) => Err((refused, reply)),
        };
        match asked {
            Ok(()) => self.tell_quietly().await,
            Err((refused, reply)) => {
                let _ = reply.send(Err(refused));
            }
        }
    }

    async fn may_measure(&self, scan: ScanId, seen: u64) -> Result<(MetricId, Region), StationError> {
        let under_way = self.check(scan, seen).await?;
        if !under_way.runs() {
            return Err(StationError::NotRunning(under_way.scan.state));
        }
        if self.asked.is_some() {
            return Err(StationError::Measuring);
        }
        let step = &under_way.progress.current().ok_or(StationError::NothingWaits)?.step;
        Ok((step.metric.clone(), step.region))
    }

    /// Asks the device for one value of the step; gives the caller back when it cannot be asked.
    pub(super) async fn ask_device(&mut self, mut asked: Asked) -> Result<(), (StationError, Reply)> {
        let metric = asked.metric.clone();
        let Some((device, state)) = devices::for_metric(&self.devices, &metric) else {
            return Err((StationError::NoDevice(metric), asked.reply));
        };
        asked.token = self.next_token;
        self.next_token += 1;
        let request = Request { token: asked.token, metric: metric.clone(), region: asked.region };
        match device.handle.measure(request).await {
            Ok(()) => {
                self.asked = Some(asked);
                Ok(())
            }
            Err(fault) => {
                tracing::info!(%fault, %metric, "the device was not asked");
                Err((StationError::Away { metric, advice: devices::away_advice(&state) }, asked.reply))
            }
        }
    }

    /// The step is left: the device need not answer any more, and the caller is told.
    async fn give_up_asking(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        if let Some((device, _)) = devices::for_metric(&self.devices, &asked.metric) {
            device.handle.cancel().await;
        }
        let advice = Label { zh: "测量已中止。".to_owned(), en: "The measurement was stopped.".to_owned() };
        let _ = asked.reply.send(Err(StationError::NoValue { metric: asked.metric, advice }));
    }

    async fn bind(
        &mut self,
        repeat: RepeatId,
        scan: ScanId,
        region: Region,
        seen: u64,
        staff: String,
    ) -> Result<Told, StationError> {
        self.check(scan, seen).await?;
        self.has_region(region)?;
        self.knows_metric_of(repeat).await?;
        self.store.bind(repeat, scan, region, staff).await?;
        faults::point("station.tray.bound");
        self.reload().await?;
        self.close_ready(false).await?;
        self.tell().await
    }

    /// A value of a metric that the house does not know can be in no reading: nobody could say what it means.
    async fn knows_metric_of(&self, repeat: RepeatId) -> Result<(), StationError> {
        let tray = self.store.tray(self.settings.id.clone()).await?;
        let Some(value) = tray.iter().find(|value| value.repeat.id == repeat) else { return Ok(()) };
        if self.settings.metrics.iter().any(|metric| metric.id == value.metric) {
            return Ok(());
        }
        let metric = &value.metric;
        let why =
            format!("this house does not know the metric {metric}; add it to the metrics file, restart, then bind it");
        Err(StationError::Store(StoreError::Refused(why)))
    }

    /// Closes every step whose values are complete (or, with `all`, that has any).
    pub(super) async fn close_ready(&mut self, all: bool) -> Result<(), StationError> {
        let Some(ready) = self.under_way.as_ref().map(|u| u.ready_to_close(all)) else { return Ok(()) };
        for (metric, region) in ready {
            self.close_step(&metric, region).await?;
        }
        Ok(())
    }

    async fn close_step(&mut self, metric: &MetricId, region: Region) -> Result<(), StationError> {
        let Some(under_way) = &mut self.under_way else { return Ok(()) };
        let values = under_way.open_at(metric, region);
        let id = clock::mint(ReadingId::from_bits);
        let specs = &self.settings.specs;
        let Some(reading) = scan::close(id, &under_way.scan, region, &values, specs, clock::now()) else {
            return Ok(());
        };
        self.store.close_reading(reading.clone()).await?;
        faults::point("station.reading.closed");
        under_way.open.retain(|r| !(r.metric == *metric && r.region == Some(region)));
        under_way.closed.push((metric.clone(), region));
        let decimals = usize::from(reading.value.decimals());
        let news = News::Reading {
            station: self.settings.id.clone(),
            visit: under_way.visit().to_string(),
            scan: under_way.scan.id.to_string(),
            metric: metric.to_string(),
            region: region.to_string(),
            value: reading.value.to_string(),
            unit: reading.unit,
            spread: reading.spread.map(|spread| format!("{spread:.decimals$}")),
        };
        self.live.publish(news).await;
        Ok(())
    }

    /// Where the scan stands, told to everybody and returned to the caller.
    pub(super) async fn tell(&self) -> Result<Told, StationError> {
        let told = self.told().await?.ok_or(StationError::Stopped)?;
        let Told { visit, version, scan } = told.clone();
        self.live.publish(News::Scan { station: self.settings.id.clone(), visit, version, scan }).await;
        Ok(told)
    }

    pub(super) async fn tell_quietly(&self) {
        if self.under_way.is_some()
            && let Err(fault) = self.tell().await
        {
            tracing::warn!(%fault, "where the scan stands could not be told");
        }
    }

    async fn told(&self) -> Result<Option<Told>, StationError> {
        let Some(under_way) = &self.under_way else { return Ok(None) };
        let version = self.store.visit(under_way.visit()).await?.version;
        let device = match under_way.progress.current() {
            None => "none",
            Some(step) => match devices::for_metric(&self.devices, &step.step.metric) {
                None => "none",
                Some((_, state)) if state.connected => "ready",
                Some(_) => "away",
            },
        };
        let scan = under_way.view(self.asked.is_some(), device);
        Ok(Some(Told { visit: under_way.visit().to_string(), version, scan }))
    }

    async fn view(&self) -> StationView {
        let scan = self.told().await.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "where the scan stands could not be read");
            None
        });
        StationView { devices: self.devices.iter().map(Fitted::view).collect(), scan }
    }

    /// Someone else changed something in the store.
    async fn catch_up(&mut self) {
        let before = self.under_way.as_ref().map(|u| u.scan.id);
        if let Err(fault) = self.reload().await {
            tracing::warn!(%fault, "what was changed elsewhere could not be read");
        }
        // Ended there, or paused by a withdrawn consent: nothing more is asked of the device.
        let goes_on = self.under_way.as_ref().is_some_and(|u| u.runs() && Some(u.scan.id) == before);
        if !goes_on {
            self.give_up_asking().await;
        }
        self.tell_quietly().await;
    }

    async fn device_changed(&mut self, at: usize) {
        let Some(view) = self.devices.get(at).map(Fitted::view) else { return };
        let news = News::Device {
            station: self.settings.id.clone(),
            device: view.serial,
            state: view.state.to_owned(),
            zh: view.zh,
            en: view.en,
        };
        self.live.publish(news).await;
        self.tell_quietly().await;
    }
}
