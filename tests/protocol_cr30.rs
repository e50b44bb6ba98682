//! The colorimeter replayed from its published capture, by code that knows nothing of our codec: it compares 60 bytes with
//! the captured requests and answers with the captured responses. What our codec and our simulator had both wrong would show
//! here. Needs `../shared/data/protocols/cr30_capture.json` beside the checkout; says so where it is not there.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

#[path = "support/skipped.rs"]
mod skipped;

use skinlink::{
    domain::{Region, metric::MetricId, reading::MeasuredValue},
    protocol::{Event, FrameError, Input, NoValue, Output, Request, Session, Spec},
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

const PACKET: usize = 60;

/// The captured device: request bytes → response bytes.
struct Replay {
    answers: BTreeMap<Vec<u8>, Vec<u8>>,
    received: Vec<u8>,
    displayed: Vec<f64>,
}

impl Replay {
    fn from_capture() -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/protocols/cr30_capture.json");
        let Ok(text) = fs::read_to_string(&path) else {
            skipped::skipped(format_args!("{} is not there", path.display()));
            return None;
        };
        let capture: serde_json::Value = serde_json::from_str(&text).unwrap();
        let bytes = |group: &str, key: &str| hex::decode(capture[group][key].as_str().unwrap()).unwrap();
        // The trigger is answered by the header once the measurement is done.
        let pairs = [("0x0", "0x9"), ("0x10", "0x10"), ("0x11", "0x11"), ("0x12", "0x12")];
        let answers = pairs.map(|(request, response)| (bytes("requests", request), bytes("responses", response)));
        let displayed = capture["published_lab"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap());
        Some(Self { answers: answers.into(), received: Vec::new(), displayed: displayed.collect() })
    }

    fn receive(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.received.extend(bytes);
        let mut replies = Vec::new();
        while self.received.len() >= PACKET {
            let packet: Vec<u8> = self.received.drain(..PACKET).collect();
            let reply = self
                .answers
                .get(&packet)
                .unwrap_or_else(|| panic!("the capture has no request {}", hex::encode(&packet)));
            replies.push(reply.clone());
        }
        replies
    }
}

/// Asks for a colour; `spoil` may change or swallow the n-th reply. Gives all events.
fn measure(replay: &mut Replay, mut spoil: impl FnMut(usize, Vec<u8>) -> Option<Vec<u8>>) -> Vec<Event> {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-protocols/chnspec-cr30/protocol.toml"));
    let spec = Arc::new(Spec::parse("chnspec-cr30", &text.unwrap()).unwrap());
    #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
    let mut now = Instant::now();
    let mut session = Session::new(spec, now);
    let metric = MetricId::new("lightness").unwrap();
    session.handle_input(now, Input::Measure(Request { token: 1, metric, region: Region::LeftCheek }));
    let (mut events, mut count) = (Vec::new(), 0);
    let end = now + Duration::from_secs(30);
    while now < end {
        let mut replies = Vec::new();
        let wake = loop {
            match session.poll_output() {
                Output::Transmit(bytes) => replies.extend(replay.receive(&bytes)),
                Output::Event(event) => events.push(event),
                Output::WaitUntil(wake) => break wake,
            }
        };
        if replies.is_empty() {
            now = wake;
            session.handle_input(now, Input::Tick);
        }
        for reply in replies {
            count += 1;
            // Sixteen bytes at a time, as a USB adapter hands them over.
            for slice in spoil(count, reply).unwrap_or_default().chunks(16) {
                now += Duration::from_millis(2);
                session.handle_input(now, Input::Bytes(slice));
            }
        }
    }
    events
}

fn values(events: &[Event]) -> &[MeasuredValue] {
    let measured: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Measured(measurement) if measurement.token == Some(1) => Some(measurement.values.as_slice()),
            _ => None,
        })
        .collect();
    let [values] = measured.as_slice() else { panic!("not one measurement: {events:?}") };
    values
}

fn assert_displayed(replay: &Replay, events: &[Event]) {
    let values = values(events);
    for (metric, displayed) in ["lightness", "redness-axis", "yellowness-axis"].iter().zip(&replay.displayed) {
        let value = values.iter().find(|value| value.metric.as_str() == *metric).unwrap();
        assert!((value.value.value() - displayed).abs() <= 0.0201, "{metric}: {} instead of {displayed}", value.value);
        assert_eq!((value.value.decimals(), value.region), (2, Some(Region::LeftCheek)));
    }
    assert!(values.iter().any(|value| value.metric.as_str() == "skin-tone-angle" && value.unit == "°"));
}

#[test]
fn the_captured_exchange_gives_the_colour_the_device_displayed() {
    let Some(mut replay) = Replay::from_capture() else { return };
    let events = measure(&mut replay, |_, reply| Some(reply));
    assert!(matches!(&events[0], Event::Identified(identity) if identity.serial.is_empty()));
    assert_displayed(&replay, &events);
}

#[test]
fn a_lost_packet_is_asked_for_again() {
    let Some(mut replay) = Replay::from_capture() else { return };
    for lost in 2..=4 {
        let events = measure(&mut replay, |count, reply| (count != lost).then_some(reply));
        assert_displayed(&replay, &events);
    }
}

#[test]
fn a_spoilt_packet_is_dropped_and_asked_for_again() {
    let Some(mut replay) = Replay::from_capture() else { return };
    for at in 0..PACKET {
        let events = measure(&mut replay, |count, mut reply| {
            if count == 3 {
                reply[at] ^= 0x10;
            }
            Some(reply)
        });
        assert_displayed(&replay, &events);
        let told = events.iter().any(|event| matches!(event, Event::BadFrame(_)));
        assert!(told, "byte {at} was spoilt and nobody said so");
    }
}

#[test]
fn a_device_that_never_measures_is_refused() {
    let Some(mut replay) = Replay::from_capture() else { return };
    let events = measure(&mut replay, |_, _| None);
    let refused = |event: &Event| matches!(event, Event::Refused { token: Some(1), reason: NoValue::NoReply, .. });
    assert_eq!(events.iter().filter(|event| refused(event)).count(), 1, "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::BadFrame(FrameError::Checksum { .. }))));
}
