//! A hostile device on the other end: whatever it sends and whenever, the session comes to rest, says how long to wait, answers
//! every request exactly once, and tells no measurement without values.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::{
    chosen,
    domain::Region,
    protocol::{Event, Input, Output, Request, Session},
};
use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Everything it does at one instant.
fn rest(session: &mut Session, now: Instant, answers: &mut BTreeMap<u64, u32>) {
    for _ in 0..10_000 {
        match session.poll_output() {
            Output::WaitUntil(wake) => {
                assert!(wake > now, "would spin");
                return;
            }
            Output::Transmit(bytes) => assert!(!bytes.is_empty(), "sends nothing"),
            Output::Event(event) => {
                let token = match &event {
                    Event::Measured(measurement) => {
                        assert!(!measurement.values.is_empty(), "a measurement of nothing");
                        measurement.token
                    }
                    Event::Refused { token, .. } => *token,
                    Event::Busy { token } => Some(*token),
                    _ => None,
                };
                token.into_iter().for_each(|token| *answers.entry(token).or_default() += 1);
            }
        }
    }
    panic!("never comes to rest");
}

fuzz_target!(|data: &[u8]| {
    let Some((device, mut bytes)) = chosen(data) else { return };
    let mut now = *START;
    let mut session = Session::new(device.spec.clone(), now);
    let metrics: Vec<_> = device.spec.flow.measure.iter().flat_map(|measure| &measure.metrics).collect();
    let (mut answers, mut asked) = (BTreeMap::new(), 0_u64);
    while let [length, pause, rest_of_it @ ..] = bytes {
        let (slice, behind) = rest_of_it.split_at(usize::from(*length).min(rest_of_it.len()));
        bytes = behind;
        now += Duration::from_millis(u64::from(*pause) * 7);
        session.handle_input(now, Input::Tick);
        if pause % 8 == 0 && !metrics.is_empty() {
            let metric = metrics[asked as usize % metrics.len()].clone();
            let region = Region::ALL[usize::from(*length) % Region::ALL.len()];
            asked += 1;
            session.handle_input(now, Input::Measure(Request { token: asked, metric, region }));
            rest(&mut session, now, &mut answers);
        }
        match pause % 16 {
            3 => session.handle_input(now, Input::Cancel),
            5 => session.handle_input(now, Input::SetClock { unix_s: u64::from(*length) }),
            7 => session.handle_input(now, Input::Confirmed(u64::from(*length))),
            _ => {}
        }
        rest(&mut session, now, &mut answers);
        session.handle_input(now, Input::Bytes(slice));
        rest(&mut session, now, &mut answers);
        session.handle_input(now, Input::Tick);
        rest(&mut session, now, &mut answers);
    }
    session.handle_input(now, Input::Cancel);
    rest(&mut session, now, &mut answers);
    for token in 1..=asked {
        assert_eq!(answers.get(&token), Some(&1), "request {token}");
    }
});
