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
    /// Runs until the device's task has ended and everything it told is durable, or the store has gone.
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
            let batch: Arc<[NewMeasurement]> = batch.into();
            if !self.record(Arc::clone(&batch)).await {
                return;
            }
            faults::point("measurements.confirmed");
            self.confirm(&batch).await;
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

    /// Tells the device that is there now, and only of what it measured itself: another has counters of its own.
    async fn confirm(&self, batch: &[NewMeasurement]) {
        let device = self.device.identity();
        for one in batch.iter().filter(|one| self.sends_again && device.as_ref() == Some(&*one.device)) {
            self.device.confirm(one.counter.unwrap_or(UNNUMBERED)).await;
        }
    }

    /// Until it is durable; `false` when the store has gone for good before.
    async fn record(&self, batch: Arc<[NewMeasurement]>) -> bool {
        let mut reported = false;
        while let Err(fault) = self.store.record_measurements(Arc::clone(&batch)).await {
            if matches!(fault, crate::store::StoreError::Stopped) {
                return false;
            }
            if !std::mem::replace(&mut reported, true) {
                tracing::error!(%fault, measurements = batch.len(), "measurements cannot be kept; trying until they can");
            }
            sleep(PAUSE).await;
        }
        true
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{device::DeviceIdentity, metric::MetricId, reading::MeasuredValue},
        protocol::Spec,
        store::{dead_store, store_for_test},
        tasks::{device::Device, live},
    };
    use std::path::Path;

    /// More than fit on the way to the device's task.
    const MANY: u64 = 64;

    fn observation(counter: u64) -> Observation {
        let device = DeviceIdentity {
            protocol: "room-climate".to_owned(),
            protocol_version: "1".to_owned(),
            serial: "RC-0007".to_owned(),
            probe: String::new(),
            firmware: String::new(),
        };
        let value = MeasuredValue {
            metric: MetricId::new("room-temperature").unwrap(),
            region: None,
            value: "22.40".parse().unwrap(),
            unit: "°C".to_owned(),
        };
        let (token, device_time_ms, flags) = (None, None, Vec::new());
        let measured = Measurement { token, values: vec![value], counter: Some(counter), device_time_ms, flags };
        Observation { device: device.into(), event: Event::Measured(measured) }
    }

    /// Takes in [`MANY`] values for a device whose task does not take words: whoever tells it anything waits for ever.
    /// Whether the pages were told.
    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    async fn takes_in(store: Store) -> bool {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols/derma-reference/protocol.toml");
        let text = std::fs::read_to_string(file).unwrap();
        let spec = Spec::parse("derma-reference", &text).unwrap_or_else(|faults| panic!("{faults}"));
        let (unused, _) = mpsc::channel(1);
        let (device, _task) = Device::new(Arc::new(spec), unused);
        let (live, ring) = live::live("run");
        tokio::spawn(ring.run());
        let mut news = live.subscribe(None).await.unwrap().coming;
        let (sender, observations) = mpsc::channel(QUEUE);
        for counter in 1..=MANY {
            sender.send(observation(counter)).await.unwrap();
        }
        drop(sender);
        let station = "chair-1".into();
        let task = Measurements { station, device, sends_again: true, store, live, observations };
        tokio::time::timeout(Duration::from_secs(30), task.run()).await.expect("no word goes to the device");
        // The task held the last way to the ring: its news ends.
        news.recv().await.is_some()
    }

    /// The story of a job that panicked: the writer was gone, and the device was told that its values are durable.
    #[tokio::test]
    async fn nobody_is_told_of_what_a_dead_store_did_not_keep() {
        let (_folder, store) = dead_store().await;
        assert!(!takes_in(store).await, "the pages were told");
    }

    /// The story of a sensor that was exchanged while its values were being written: the new one was told that its own, under
    /// the same counters, are durable.
    #[tokio::test]
    async fn another_device_is_not_told_of_what_the_one_before_it_measured() {
        let (_folder, store) = store_for_test();
        assert!(takes_in(store.clone()).await, "the pages are told");
        assert_eq!(store.last_seq().await.unwrap(), MANY);
    }
}
