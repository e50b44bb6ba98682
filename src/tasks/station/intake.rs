//! What devices report: values become durable, then everybody learns of them.

use super::{
    StationError,
    chair::{Asked, Station},
    scan::UnderWay,
};
use crate::{
    clock,
    domain::{
        Quantity, Region, ScanId,
        device::DeviceIdentity,
        metric::{Label, Metric, MetricId, OutOfScale},
        reading::{MeasuredValue, QualityFlag, Repeat},
    },
    faults,
    protocol::{Event, Measurement, UNNUMBERED},
    store::{NewRepeat, Recorded, StoredRepeat},
    tasks::{live::News, observation::Observation, scan_view::LastValue},
};

impl Station {
    pub(super) async fn observed(&mut self, observation: Observation) {
        let Observation { device, event } = observation;
        match event {
            Event::Measured(measurement) => self.measured(&device, measurement).await,
            Event::Refused { token, reason, advice } => {
                tracing::info!(serial = device.serial, %reason, "no value");
                self.no_value(token, advice).await;
            }
            Event::Busy { token } => self.no_value(Some(token), busy()).await,
            Event::Picture { bytes, counter: _ } => {
                // Not confirmed: the device keeps it until a gateway can say which view it shows.
                tracing::warn!(serial = device.serial, bytes = bytes.len(), "a device sent a picture; not taken in");
            }
            // Shown through the device's state.
            Event::Identified(_) | Event::Battery(_) | Event::Silent | Event::BadFrame(_) => {}
        }
    }

    async fn measured(&mut self, device: &DeviceIdentity, measurement: Measurement) {
        faults::point("station.repeat.received");
        let Measurement { token, values, counter, device_time_ms: _, mut flags } = measurement;
        let asked = self.asked.take_if(|asked| Some(asked.token) == token);
        if token.is_none() && !flags.contains(&QualityFlag::DeviceStarted) {
            flags.push(QualityFlag::DeviceStarted);
        }
        let mut kept = Ok(());
        for (nth, value) in (0..).zip(values) {
            let place = self.place(asked.as_ref(), &value);
            let one = self.keep(device, (nth, value), place, &flags, counter).await;
            kept = graver(kept, one);
        }
        if let Ok(()) | Err(Lost::NoSkin(_)) = &kept
            && let Some(fitted) = self.devices.iter().find(|fitted| fitted.is(device))
        {
            fitted.handle.confirm(counter.unwrap_or(UNNUMBERED)).await;
            faults::point("station.device.told");
        }
        self.go_on(asked, kept).await;
    }

    /// The scan and region a value belongs to; `None` for the tray.
    fn place(&self, asked: Option<&Asked>, value: &MeasuredValue) -> Option<(ScanId, Region)> {
        let under_way = self.under_way.as_ref().filter(|u| u.runs())?;
        if let Some(asked) = asked.filter(|asked| asked.metric == value.metric) {
            // A value sent again after a restart, or by the probe's own button, may have completed the step meanwhile.
            let step = under_way.progress.find(&asked.metric, asked.region)?;
            return (step.have < step.step.repeats).then_some((under_way.scan.id, asked.region));
        }
        let region = under_way.progress.waiting_for(&value.metric)?.step.region;
        let agrees = value.region.is_none_or(|said| said == region);
        agrees.then_some((under_way.scan.id, region))
    }

    async fn keep(
        &mut self,
        device: &DeviceIdentity,
        (nth, value): (u16, MeasuredValue),
        place: Option<(ScanId, Region)>,
        flags: &[QualityFlag],
        counter: Option<u64>,
    ) -> Result<(), Lost> {
        let Some(metric) = self.settings.metrics.iter().find(|m| m.id == value.metric) else {
            tracing::debug!(metric = %value.metric, "a metric this house does not know was left out");
            return Ok(());
        };
        let accepted = metric.accept(value.value).map_err(|off| Lost::NoSkin(no_skin(metric, &off)))?;
        let new = NewRepeat {
            station: self.settings.id.clone(),
            scan: place.map(|(scan, _)| scan),
            metric: value.metric,
            region: place.map(|(_, region)| region).or(value.region),
            value: accepted,
            unit: value.unit,
            flags: flags.to_vec(),
            device: device.clone(),
            device_counter: counter,
            nth,
            taken: clock::now(),
        };
        if let Some((scan, region)) = place {
            self.drop_values_of_another_device(scan, &new.metric, region, device).await.map_err(Lost::Store)?;
        }
        let recorded = self.store.record_repeat(new.clone()).await.map_err(|fault| Lost::Store(fault.into()))?;
        faults::point("station.repeat.confirmed");
        if !recorded.again {
            self.tell_value(new, recorded, accepted, place).await;
        }
        Ok(())
    }

    /// Values of two devices are never mixed in one reading: the region starts again with the device that is there now.
    async fn drop_values_of_another_device(
        &mut self,
        scan: ScanId,
        metric: &MetricId,
        region: Region,
        device: &DeviceIdentity,
    ) -> Result<(), StationError> {
        let Some(under_way) = &mut self.under_way else { return Ok(()) };
        if under_way.open_at(metric, region).iter().all(|open| open.device == *device) {
            return Ok(());
        }
        self.store.supersede_region(scan, region, self.settings.id.clone()).await?;
        *under_way = UnderWay::new(self.store.scan_view(scan).await?);
        self.advise(Label {
            zh: "换了仪器，这个部位从头测。".to_owned(),
            en: "Another device answers; this region starts again.".to_owned(),
        })
        .await;
        Ok(())
    }

    async fn tell_value(
        &mut self,
        new: NewRepeat,
        recorded: Recorded,
        value: Quantity,
        place: Option<(ScanId, Region)>,
    ) {
        let station = self.settings.id.clone();
        let (Some(under_way), Some((scan, region)), false) = (&mut self.under_way, place, recorded.in_tray) else {
            let waiting = self.store.tray(station.clone()).await.map_or(1, |tray| tray.len() as u64);
            faults::point("station.tray.kept");
            self.live.publish(News::Tray { station, waiting }).await;
            return;
        };
        let NewRepeat { metric, unit, flags, device, device_counter, taken, .. } = new;
        let counted = under_way.progress.count(&metric, region).map(|step| (step.have, step.step.repeats));
        let (have, need) = counted.unwrap_or((1, 1));
        let (metric_text, region_text) = (metric.to_string(), region.to_string());
        under_way.last = Some(LastValue {
            metric: metric_text.clone(),
            region: region_text.clone(),
            value: value.to_string(),
            unit: unit.clone(),
        });
        let flag_words = flags.iter().map(ToString::to_string).collect();
        let repeat = Repeat { id: recorded.id, value, flags, device_counter, taken };
        under_way.open.push(StoredRepeat {
            repeat,
            station: station.clone(),
            scan: Some(scan),
            reading: None,
            metric,
            region: Some(region),
            unit: unit.clone(),
            device,
        });
        let news = News::Repeat {
            station,
            visit: under_way.visit().to_string(),
            scan: scan.to_string(),
            repeat: recorded.id.to_string(),
            metric: metric_text,
            region: region_text,
            value: value.to_string(),
            unit,
            flags: flag_words,
            have,
            need,
        };
        self.live.publish(news).await;
    }

    /// After a measurement: closes what is complete, asks for the next value of the step, or answers.
    async fn go_on(&mut self, asked: Option<Asked>, kept: Result<(), Lost>) {
        let closed = self.close_ready(false).await;
        let outcome = kept.and(closed.map_err(Lost::Store));
        if let Err(lost) = &outcome {
            self.advise(lost.advice()).await;
        }
        let Some(asked) = asked else {
            self.tell_quietly().await;
            return;
        };
        let lacks = |u: &UnderWay| {
            let step = u.progress.find(&asked.metric, asked.region);
            u.runs() && step.is_some_and(|step| step.have < step.step.repeats && !step.skipped)
        };
        let refused = match outcome {
            Ok(()) if self.under_way.as_ref().is_some_and(lacks) => match self.ask_device(asked).await {
                Ok(()) => {
                    self.tell_quietly().await;
                    return;
                }
                Err((refused, reply)) => (Err(refused), reply),
            },
            Ok(()) => (self.tell().await, asked.reply),
            Err(lost) => (Err(lost.into_error(asked.metric)), asked.reply),
        };
        let (answer, reply) = refused;
        if answer.is_err() {
            self.tell_quietly().await;
        }
        let _ = reply.send(answer);
    }

    async fn no_value(&mut self, token: Option<u64>, advice: Label) {
        self.advise(advice.clone()).await;
        if let Some(asked) = self.asked.take_if(|asked| Some(asked.token) == token) {
            let _ = asked.reply.send(Err(StationError::NoValue { metric: asked.metric, advice }));
        }
        self.tell_quietly().await;
    }

    pub(super) async fn advise(&self, advice: Label) {
        let Label { zh, en } = advice;
        self.live.publish(News::Advice { station: self.settings.id.clone(), zh, en }).await;
    }
}

/// Of several values of one measurement the gravest outcome counts: one that is not durable must come again.
fn graver(one: Result<(), Lost>, other: Result<(), Lost>) -> Result<(), Lost> {
    match (one, other) {
        (Err(Lost::Store(fault)), _) | (_, Err(Lost::Store(fault))) => Err(Lost::Store(fault)),
        (one, other) => one.and(other),
    }
}

/// Why a value was not kept.
#[derive(Debug)]
enum Lost {
    /// Outside the metric's range: the probe was off the skin. Dealt with, so the device may forget it.
    NoSkin(Label),
    /// Not durable: the device is not told, and sends it again.
    Store(StationError),
}

impl Lost {
    fn advice(&self) -> Label {
        match self {
            Self::NoSkin(advice) => advice.clone(),
            Self::Store(fault) => {
                tracing::error!(%fault, "a value could not be kept");
                Label {
                    zh: "这个值没有保存成功，请再测一次；若仍出错请联系技术人员。".to_owned(),
                    en: "This value could not be kept; measure again, else call the technician.".to_owned(),
                }
            }
        }
    }

    fn into_error(self, metric: MetricId) -> StationError {
        match self {
            Self::NoSkin(advice) => StationError::NoValue { metric, advice },
            Self::Store(fault) => fault,
        }
    }
}

fn no_skin(metric: &Metric, off: &OutOfScale) -> Label {
    let Metric { label, unit, .. } = metric;
    Label {
        zh: format!("{} {} {unit} 不是皮肤的读数：请抬起探头，重新轻贴。", label.zh, off.found),
        en: format!("{} {} {unit} is no skin: lift the probe and touch again.", label.en, off.found),
    }
}

fn busy() -> Label {
    Label {
        zh: "仪器正忙，请稍候再测。".to_owned(), en: "The device is busy; try again in a moment.".to_owned()
    }
}
