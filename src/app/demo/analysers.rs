//! The demo's simulated analysers: on pseudo-terminals, with the planted truth, each with a ledger of its own.

use super::{
    plant::{DEVICES, TRUTHS},
    stage::Stage,
    summary::Sent,
};
use crate::{
    app::catalogue,
    domain::{Region, metric::MetricId, scan::Phase},
    sim::{
        device::{Setup, SimDevice},
        serve::{Control, SimHandle, Simulated, serve},
        truth::Truth,
        wire::Wire,
    },
};
use anyhow::{Context, anyhow};
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// A real probe needs a second or more; the demo is to end within 20 s.
const MEASURING: Duration = Duration::from_millis(15);

/// The running analysers.
#[derive(Debug)]
pub struct Analysers {
    handles: Vec<SimHandle>,
    tasks: JoinSet<std::io::Result<()>>,
    stop: CancellationToken,
}

impl Analysers {
    /// Starts all of [`DEVICES`]; their ports appear where the stage's configuration expects them.
    ///
    /// # Errors
    /// When a protocol is missing or broken.
    pub fn start(stage: &Stage, seed: u64) -> anyhow::Result<Self> {
        let folder = stage.places().project.join("firmware-protocols");
        let mut protocols = catalogue::protocols(&folder)?;
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let mut handles = Vec::new();
        for (at, device) in DEVICES.iter().enumerate() {
            let spec = protocols.sound.remove(device.protocol);
            let spec = spec.with_context(|| format!("protocol {} is missing or broken", device.protocol))?;
            let mut setup = Setup::new(device.serial, seed.wrapping_add(at as u64));
            setup.measuring = MEASURING;
            setup.truth = truth()?;
            let simulated = SimDevice::new(spec, setup, Instant::now().into_std());
            let (handle, simulated) = Simulated::new(simulated, Wire::sound(), Wire::sound());
            handles.push(handle);
            let (port, stop) = (stage.device_port(device.protocol), stop.clone());
            tasks.spawn(async move { serve(&port, simulated, stop).await });
        }
        Ok(Self { handles, tasks, stop })
    }

    /// The skin they measure from now on.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn skin(&self, phase: Phase) -> anyhow::Result<()> {
        for handle in &self.handles {
            handle.set_phase(phase).await.map_err(|_| ended())?;
        }
        Ok(())
    }

    /// Where the beautician holds the probes.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn place(&self, region: Region) -> anyhow::Result<()> {
        for handle in &self.handles {
            handle.control(Control::Place(region)).await.map_err(|_| ended())?;
        }
        Ok(())
    }

    /// Somebody presses the button of every one that measures this.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn press(&self, metric: MetricId, region: Region) -> anyhow::Result<()> {
        for handle in &self.handles {
            handle.press(metric.clone(), region).await.map_err(|_| ended())?;
        }
        Ok(())
    }

    /// The numbers of measurements that a device still sends again, since the gateway has not confirmed them.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn unconfirmed(&self) -> anyhow::Result<Vec<(&'static str, u64)>> {
        let mut waiting = Vec::new();
        for (handle, device) in self.handles.iter().zip(DEVICES) {
            let counters = handle.unconfirmed().await.map_err(|_| ended())?;
            waiting.extend(counters.into_iter().map(|counter| (device.protocol, counter)));
        }
        Ok(waiting)
    }

    /// What they sent by their own account.
    ///
    /// # Errors
    /// When one of them has ended.
    pub async fn sent(&self) -> anyhow::Result<Vec<Sent>> {
        let mut sent = Vec::new();
        for (handle, device) in self.handles.iter().zip(DEVICES) {
            let lines = handle.ledger().await.map_err(|_| ended())?;
            sent.extend(lines.into_iter().map(|line| Sent {
                protocol: device.protocol,
                counter: line.counter,
                metric: line.metric,
                value: line.value,
            }));
        }
        Ok(sent)
    }

    /// Ends them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn ended() -> anyhow::Error {
    anyhow!("a simulated analyser has ended")
}

fn truth() -> anyhow::Result<Truth> {
    let mut truth = Truth::default();
    for planted in TRUTHS {
        let (metric, region) = (MetricId::new(planted.metric)?, planted.region.parse()?);
        truth.plant(&metric, region, Phase::Before, planted.before);
        truth.plant(&metric, region, Phase::After, planted.before + planted.change);
    }
    Ok(truth)
}
