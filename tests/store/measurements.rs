//! What the store's own devices measure: one event each, in order, and nothing twice.

use crate::salon::Salon;
use skinlink::{
    clock,
    domain::{Region, device::DeviceIdentity, metric::MetricId, reading::MeasuredValue},
    store::NewMeasurement,
    sync::payload,
};
use std::sync::Arc;

pub fn climate(counter: u64, celsius: &str, sends_again: bool) -> NewMeasurement {
    let device = DeviceIdentity {
        protocol: "room-climate".to_owned(),
        protocol_version: "1.0.0".to_owned(),
        serial: "RC-0007".to_owned(),
        probe: String::new(),
        firmware: "1.1".to_owned(),
    };
    let value = |metric: &str, text: &str, unit: &str, region| MeasuredValue {
        metric: MetricId::new(metric).unwrap(),
        region,
        value: text.parse().unwrap(),
        unit: unit.to_owned(),
    };
    NewMeasurement {
        station: "chair-1".into(),
        device: Arc::new(device),
        counter: Some(counter),
        sends_again,
        flags: Vec::new(),
        values: vec![
            value("room-temperature", celsius, "°C", None),
            value("moisture", "48.0", "%", Some(Region::LeftCheek)),
        ],
        taken: clock::now(),
    }
}

#[tokio::test]
async fn a_batch_becomes_one_event_each_in_order_and_without_gaps() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let before = salon.store.last_seq().await.unwrap();
    let batch: Vec<_> = (0..500).map(|counter| climate(counter, "22.40", false)).collect();
    assert_eq!(salon.store.record_measurements(batch.into()).await.unwrap(), 0);
    assert_eq!(salon.store.record_measurements(Arc::default()).await.unwrap(), 0);
    salon.store.set_steps(visit, None, vec!["after".to_owned()], "staff-1".to_owned()).await.unwrap();
    let events = salon.events().await;
    assert_eq!(events.len() as u64, before + 501);
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.seq, at as u64 + 1);
    }
    let measured = &events[usize::try_from(before).unwrap()..][..500];
    for (counter, event) in measured.iter().enumerate() {
        let measurement: payload::Measurement<'_> = serde_json::from_str(event.data.get()).unwrap();
        assert_eq!(measurement.counter, Some(counter as u64));
        let texts: Vec<&str> = measurement.values.iter().map(|value| &*value.value).collect();
        assert_eq!(texts, ["22.40", "48.0"], "2.0 is not 2.00");
        assert_eq!(measurement.values[1].region.as_deref(), Some("left_cheek"));
    }
    assert_eq!(salon.store.backlog().await.unwrap().events, before + 501);
}

/// The gateway was killed after it had stored a measurement and before the device heard so: the device sends it again.
#[tokio::test]
async fn what_a_device_sends_again_is_not_told_twice_even_after_a_restart() {
    let salon = Salon::new().await;
    let first = vec![climate(7, "22.40", true), climate(8, "22.50", true)];
    assert_eq!(salon.store.record_measurements(first.clone().into()).await.unwrap(), 0);
    assert_eq!(salon.store.record_measurements(first.into()).await.unwrap(), 2);
    let salon = salon.reopened().await;
    let again = vec![climate(8, "22.50", true), climate(9, "22.60", true), climate(9, "22.60", true)];
    assert_eq!(salon.store.record_measurements(again.into()).await.unwrap(), 2);
    // A counter that began anew brings other values; one that went once round its slots is another measurement.
    let anew = vec![climate(7, "19.00", true), climate(7 + 64, "19.00", true)];
    assert_eq!(salon.store.record_measurements(anew.into()).await.unwrap(), 0);
    // Who never waits for a word never sends again: equal values are two measurements.
    let plain = vec![climate(1, "20.00", false), climate(1, "20.00", false)];
    assert_eq!(salon.store.record_measurements(plain.into()).await.unwrap(), 0);
    assert_eq!(salon.store.last_seq().await.unwrap(), 3 + 2 + 2);
}
