//! What devices report: values become durable, then everybody learns of them.

use super::{
    StationError,
    chair::{Asked, Station},
    scan::UnderWay,
};
use crate::{
    clock,
    domain::{
        Region, ScanId,
        device::DeviceIdentity,
        metric::{Label, Metric, MetricId, OutOfScale},
        plan::{Progress, StepState},
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
        let kept = self.keep(device, asked.as_ref(), values, (&flags, counter)).await;
        if let Ok(()) | Err(Lost::NoSkin(_)) = &kept
            && let Some(fitted) = self.devices.iter().find(|fitted| fitted.is(device))
        {
            fitted.handle.confirm(counter.unwrap_or(UNNUMBERED)).await;
            faults::point("station.device.told");
        }
        self.go_on(asked, kept).await;
    }

    /// Makes all values of one measurement durable together, or none of them: a device that is not told sends all of it again, and
    /// one that does not must not leave half a measurement behind. A value outside its metric's range is no value.
    async fn keep(
        &mut self,
        device: &DeviceIdentity,
        asked: Option<&Asked>,
        values: Vec<MeasuredValue>,
        (flags, counter): (&[QualityFlag], Option<u64>),
    ) -> Result<(), Lost> {
        let (taken, mut no_value) = (clock::now(), Ok(()));
        let mut places = Places::of(self.under_way.as_ref());
        let mut together = Vec::new();
        for (nth, value) in (0..).zip(values) {
            let metric = self.settings.metrics.iter().find(|m| m.id == value.metric);
            let accepted = match metric.map(|metric| metric.accept(value.value).map_err(|off| no_skin(metric, &off))) {
                Some(Ok(accepted)) => accepted,
                Some(Err(advice)) => {
                    no_value = no_value.and(Err(Lost::NoSkin(advice)));
                    continue;
                }
                // A metric that this house does not know: nobody can say what is skin. It lies in the tray as it came.
                None => value.value,
            };
            let place = metric.and_then(|_| places.take(asked, &value));
            together.push(NewRepeat {
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
                taken,
            });
        }
        for new in &together {
            if let (Some(scan), Some(region)) = (new.scan, new.region) {
                self.drop_values_of_another_device(scan, &new.metric, region, device).await.map_err(Lost::Store)?;
            }
        }
        if together.is_empty() {
            return no_value;
        }
        let recorded = self.store.record_repeats(together.clone()).await.map_err(|fault| Lost::Store(fault.into()))?;
        faults::point("station.repeat.confirmed");
        for (new, recorded) in together.into_iter().zip(recorded) {
            if !recorded.again {
                self.tell_value(new, recorded).await;
            }
        }
        no_value
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

    async fn tell_value(&mut self, new: NewRepeat, recorded: Recorded) {
        let station = self.settings.id.clone();
        let place = new.scan.zip(new.region);
        let (Some(under_way), Some((scan, region)), false) = (&mut self.under_way, place, recorded.in_tray) else {
            let waiting = self.store.tray(station.clone()).await.map_or(1, |tray| tray.len() as u64);
            faults::point("station.tray.kept");
            self.live.publish(News::Tray { station, waiting }).await;
            return;
        };
        let NewRepeat { metric, value, unit, flags, device, device_counter, taken, .. } = new;
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

/// The places that a scan has for the values of one measurement. They are all of one touch: of the region that waited when it came.
struct Places {
    scan: Option<(ScanId, Progress)>,
    touched: Option<Region>,
}

impl Places {
    fn of(under_way: Option<&UnderWay>) -> Self {
        let scan = under_way.filter(|u| u.runs()).map(|u| (u.scan.id, u.progress.clone()));
        let touched = scan.as_ref().and_then(|(_, progress)| Some(progress.current()?.step.region));
        Self { scan, touched }
    }

    /// The scan and region a value belongs to, taken from now on; `None` for the tray.
    fn take(&mut self, asked: Option<&Asked>, value: &MeasuredValue) -> Option<(ScanId, Region)> {
        let (scan, progress) = self.scan.as_mut()?;
        let region = match asked.filter(|asked| asked.metric == value.metric) {
            Some(asked) => asked.region,
            None => self.touched.filter(|touched| value.region.is_none_or(|said| said == *touched))?,
        };
        // A value sent again after a restart, or by the probe's own button, may have completed the step meanwhile.
        let step = progress.find(&value.metric, region)?;
        let waits = match asked {
            Some(asked) if asked.metric == value.metric => step.have < step.step.repeats,
            _ => step.state() == StepState::Waiting,
        };
        waits.then(|| progress.count(&value.metric, region)).flatten()?;
        Some((*scan, region))
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

#[cfg(test)]
mod tests {
    use crate::{
        clock,
        domain::{
            CustomerId, Region, ScanId,
            consent::{Channel, Purpose},
            customer::Customer,
            device::DeviceIdentity,
            metric::{Direction, Label, Metric, MetricId},
            reading::MeasuredValue,
            scan::{Phase, Step},
        },
        protocol::{Event, Measurement},
        store::{NewConsent, Store, store_for_test},
        tasks::{
            live,
            observation::{self, Observation},
            station::{Settings, station},
        },
    };
    use rusqlite::Connection;
    use std::{fs, path::Path};

    fn value(metric: &str, text: &str) -> MeasuredValue {
        let (metric, value) = (MetricId::new(metric).unwrap(), text.parse().unwrap());
        MeasuredValue { metric, region: None, value, unit: "%".to_owned() }
    }

    fn moisture_and_sebum() -> Vec<Metric> {
        let metric = |id: &str| Metric {
            id: MetricId::new(id).unwrap(),
            label: Label { zh: id.to_owned(), en: id.to_owned() },
            unit: "%".to_owned(),
            direction: Direction::HigherIsBetter,
            target: None,
            decimals: 1,
            range: 0.0..=100.0,
            by_colour: false,
        };
        vec![metric("moisture"), metric("sebum")]
    }

    fn house() -> Settings {
        Settings {
            id: "chair-1".to_owned(),
            label: Label { zh: String::new(), en: String::new() },
            metrics: moisture_and_sebum().into(),
            plan: Vec::new(),
            specs: Vec::new(),
        }
    }

    /// One measurement of a station that no device is fitted to; what lies in its tray afterwards.
    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    async fn tray_after(store: &Store, values: Vec<MeasuredValue>) -> Vec<(String, String)> {
        let (live, ring) = live::live("run");
        tokio::spawn(ring.run());
        let (sender, observations) = observation::queue();
        let (handle, task) = station(house(), store.clone(), live, Vec::new(), observations);
        let running = tokio::spawn(task.run());
        let device = DeviceIdentity {
            protocol: "pen".to_owned(),
            protocol_version: "1".to_owned(),
            serial: "P-1".to_owned(),
            probe: String::new(),
            firmware: String::new(),
        };
        let (token, counter, device_time_ms, flags) = (None, Some(1), None, Vec::new());
        let event = Event::Measured(Measurement { token, values, counter, device_time_ms, flags });
        sender.send(Observation { device: device.into(), event }).await.unwrap();
        drop(sender);
        // Commands go first; this one is answered again once what was observed is dealt with.
        for _ in 0..3 {
            tokio::task::yield_now().await;
            handle.view().await.unwrap();
        }
        drop(handle);
        running.await.unwrap().unwrap();
        let tray = store.tray("chair-1".to_owned()).await.unwrap();
        tray.into_iter().map(|one| (one.metric.to_string(), one.repeat.value.to_string())).collect()
    }

    /// The story of a pen whose protocol names a metric that nobody had entered in the house's list: the device was told that the
    /// value is kept, and it was nowhere.
    #[tokio::test]
    async fn a_value_of_a_metric_that_the_house_does_not_know_lies_in_the_tray() {
        let (_folder, store) = store_for_test();
        let tray = tray_after(&store, vec![value("glow", "1234.5"), value("moisture", "41.0")]).await;
        let expected = [("glow", "1234.5"), ("moisture", "41.0")].map(|(m, v)| (m.to_owned(), v.to_owned()));
        assert_eq!(tray, expected);
    }

    /// Bound to a scan it would be in no reading, and stand in the way of the scan's end for ever.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    async fn a_value_of_a_metric_that_the_house_does_not_know_is_bound_to_no_scan() {
        let (_folder, store) = store_for_test();
        tray_after(&store, vec![value("glow", "1234.5"), value("moisture", "41.0")]).await;
        let customer = clock::mint(CustomerId::from_bits);
        let [name, phone, skin_type, notes] = [(); 4].map(|()| String::new());
        let staff = || "staff-1".to_owned();
        store.save_customer(Customer { id: customer, name, phone, skin_type, notes }, staff()).await.unwrap();
        let (text_version, signature) = ("1".to_owned(), String::new());
        let (purpose, given, channel) = (Purpose::Measure, true, Channel::Station);
        let consent = NewConsent { customer, purpose, given, text_version, channel, staff: staff(), signature };
        store.record_consent(consent).await.unwrap();
        let visit = store.open_visit(customer, "chair-1".to_owned(), staff()).await.unwrap();
        let step = Step { metric: MetricId::new("moisture").unwrap(), region: Region::Nose, repeats: 2 };
        let settings = Settings { plan: vec![step], ..house() };
        let (live, ring) = live::live("run");
        tokio::spawn(ring.run());
        let (_sender, observations) = observation::queue();
        let (handle, task) = station(settings, store.clone(), live, Vec::new(), observations);
        let running = tokio::spawn(task.run());
        let begun = handle.begin(visit.id, visit.version, Phase::Before).await.unwrap();
        let scan: ScanId = begun.scan.id.parse().unwrap();
        let tray = store.tray("chair-1".to_owned()).await.unwrap();
        let [glow, moisture] = [0, 1].map(|at: usize| tray[at].repeat.id);
        let refused = handle.bind(glow, scan, Region::Nose, begun.version, staff()).await.unwrap_err();
        assert!(refused.to_string().contains("glow") && refused.to_string().contains("metrics file"), "{refused}");
        handle.bind(moisture, scan, Region::Nose, begun.version, staff()).await.unwrap();
        assert_eq!(store.tray("chair-1".to_owned()).await.unwrap().len(), 1, "it stays where it can be seen");
        drop(handle);
        running.await.unwrap().unwrap();
    }

    /// The story of a measurement of two values of which the second could not be written: the first stood alone, and no one knew
    /// that it is half of something.
    #[tokio::test]
    async fn of_one_measurement_all_values_are_kept_or_none() {
        let (folder, store) = store_for_test();
        let both = || vec![value("moisture", "41.0"), value("sebum", "20.0")];
        let other = keyed(&folder.path().join("data"));
        other
            .execute_batch(
                "CREATE TRIGGER no_sebum BEFORE INSERT ON repeats WHEN NEW.metric = 'sebum'
                 BEGIN SELECT RAISE(ABORT, 'it cannot be written'); END",
            )
            .unwrap();
        assert_eq!(tray_after(&store, both()).await, [], "half of it stands alone");
        other.execute_batch("DROP TRIGGER no_sebum").unwrap();
        assert_eq!(tray_after(&store, both()).await.len(), 2);
    }

    fn keyed(data: &Path) -> Connection {
        let conn = Connection::open(data.join(crate::store::DATABASE)).unwrap();
        let hex = fs::read_to_string(data.join("store.key")).unwrap();
        conn.execute_batch(&format!("PRAGMA key = \"x'{}'\"; PRAGMA busy_timeout = 5000;", hex.trim())).unwrap();
        conn
    }
}
