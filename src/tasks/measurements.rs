//! Takes in what a device measures that belongs to the store and to no customer: makes it durable in batches, then confirms it.
//! One task a device. It knows no visit and no scan, and decides nothing about values: what the device says is kept.
//!
//! - A measurement is confirmed, to the device and to the pages, only after its batch is committed.
//! - While one batch is written, the next gathers: batches grow with the stream and with the disk's slowness.
//! - A store that cannot write is tried again until it can; what has not been confirmed meanwhile is not lost from here.

use super::{
    device::DeviceHandle,
    live::{Live, MeasuredNews, News},
    observation::Observation,
};
use crate::{
    clock, faults,
    protocol::{Event, Measurement, UNNUMBERED},
    store::{NewMeasurement, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// Measurements on their way here. A stream of 15,000 a second may wait a second for its disk; beyond that the device is not
/// read until there is room, and one without flow control loses what its line cannot hold.
pub const QUEUE: usize = 16_384;

/// Measurements of one transaction: a fifth of a second of the fastest stream, so that its first value waits no longer.
const BATCH: usize = 4_096;

/// A stream faster than this many measurements a commit is given time to gather: each commit costs the disk a sync, and
/// headquarters one as well.
const FAST: usize = 4;

/// How long it gathers. A value of a fast stream is confirmed that much later; a slow stream never waits.
const GATHER: Duration = Duration::from_millis(8);

/// Pages are told the newest values so often, however fast the stream.
const NEWS_EVERY: Duration = Duration::from_secs(1);

/// Between two tries to write.
const PAUSE: Duration = Duration::from_secs(1);

/// What one device measures of the store.
#[derive(Debug)]
pub struct Measurements {
    /// Where the device stands.
    pub station: Arc<str>,
    pub device: DeviceHandle,
    /// It sends again what it got no word for.
    pub sends_again: bool,
    pub store: Store,
    pub live: Live,
    pub observations: mpsc::Receiver<Observation>,
}

impl Measurements {
    /// Runs until the device's task has ended and everything it told is durable.
    pub async fn run(mut self) {
        let (mut taken, mut told) = (Vec::new(), None);
        let mut gather = false;
        loop {
            if gather {
                sleep(GATHER).await;
            }
            let count = self.observations.recv_many(&mut taken, BATCH).await;
            if count == 0 {
                return;
            }
            gather = count >= FAST;
            let batch = self.batch(&mut taken);
            let Some(newest) = batch.last().cloned() else { continue };
            faults::point("measurements.received");
            let counters = batch.iter().filter(|_| self.sends_again).map(|one| one.counter.unwrap_or(UNNUMBERED));
            let counters: Vec<u64> = counters.collect();
            self.record(batch.into()).await;
            faults::point("measurements.confirmed");
            for counter in counters {
                self.device.confirm(counter).await;
            }
            if told.is_none_or(|at: Instant| at.elapsed() >= NEWS_EVERY) {
                told = Some(Instant::now());
                self.live.publish(news(&newest)).await;
            }
        }
    }

    fn batch(&self, taken: &mut Vec<Observation>) -> Vec<NewMeasurement> {
        let now = clock::now();
        let measured = taken.drain(..).filter_map(|Observation { device, event }| match event {
            Event::Measured(Measurement { token: _, values, counter, device_time_ms: _, flags }) => {
                Some((device, values, counter, flags))
            }
            Event::Refused { reason, .. } => {
                tracing::info!(serial = device.serial, %reason, "no value");
                None
            }
            _ => None,
        });
        let new = measured.map(|(device, values, counter, flags)| {
            let (station, sends_again) = (Arc::clone(&self.station), self.sends_again);
            NewMeasurement { station, device, counter, sends_again, flags, values, taken: now }
        });
        new.collect()
    }

    /// Until it is durable, or the store has gone for good.
    async fn record(&self, batch: Arc<[NewMeasurement]>) {
        let mut reported = false;
        while let Err(fault) = self.store.record_measurements(Arc::clone(&batch)).await {
            if matches!(fault, crate::store::StoreError::Stopped) {
                return;
            }
            if !std::mem::replace(&mut reported, true) {
                tracing::error!(%fault, measurements = batch.len(), "measurements cannot be kept; trying until they can");
            }
            sleep(PAUSE).await;
        }
    }
}

fn news(newest: &NewMeasurement) -> News {
    let values = newest.values.iter().map(|value| MeasuredNews {
        metric: value.metric.to_string(),
        value: value.value.to_string(),
        unit: value.unit.clone(),
    });
    News::Measured { station: newest.station.to_string(), values: values.collect() }
}
