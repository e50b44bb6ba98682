//! The gateway's session and a simulated analyser talk over a wire, on time that the test turns itself: nothing waits.
//! Every request is answered once, nothing the device wrote into its ledger is lost or told twice where the protocol can
//! acknowledge, and a wire that lies never makes a value.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod table;

use skinlink::{
    domain::{Region, scan::Phase},
    protocol::{Event, Input, NoValue, Output, Request, Spec, UNNUMBERED, flow::Unasked},
    sim::{Faults, Setup, SimInput, Truth},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use table::{Table, answers, metric, ms, spec, value_of};

/// Every file of the catalogue can be played: what it measures on request comes, and what its button starts comes too.
#[test]
fn every_protocol_is_played_from_its_file() {
    let folders = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-protocols")).unwrap();
    let mut played = Vec::new();
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let spec = spec(folder.file_name().unwrap().to_str().unwrap());
        if !spec.arrays.is_empty() {
            // A spectrum needs a surface; it is replayed from its capture in protocol_cr30.rs.
            continue;
        }
        let mut truth = Truth::plausible();
        for metric in &spec.metrics {
            for region in Region::ALL {
                if truth.mean(&metric.id, *region, Phase::Before).is_none() {
                    truth.plant(&metric.id, *region, Phase::Before, 31.5);
                }
            }
        }
        let mut table = Table::set(&spec, Setup { truth, ..Setup::new("SER-17", 9) }, Faults::NONE);
        table.identify();
        for (at, measure) in spec.flow.measure.iter().enumerate() {
            for metric in &measure.metrics {
                // Whoever only waits for the device's own button has it pressed now.
                if measure.steps[0].send.is_none() {
                    table.device_input(SimInput::Press { metric: metric.clone(), region: Region::Chin });
                }
                let answer = table.ask(10 * at as u64 + 1, metric.as_str(), Region::Chin);
                let Event::Measured(measurement) = &answer else { panic!("{}: {answer:?}", spec.id) };
                let found = measurement.values.iter().find(|value| value.metric == *metric).unwrap();
                assert!(
                    table.ledger.iter().any(|line| line.value == found.value.to_string()),
                    "{}: {found:?}",
                    spec.id
                );
                table.events.clear();
            }
        }
        let before = table.ledger.len();
        table.device_input(SimInput::Press { metric: spec.metrics[0].id.clone(), region: Region::Chin });
        table.run(ms(3_000), |_| false);
        assert!(table.ledger.len() > before, "{}: its button does nothing", spec.id);
        let told = table.measurements().iter().any(|measurement| measurement.token.is_none());
        assert_eq!(told, spec.flow.unasked == Unasked::Taken, "{}: {:?}", spec.id, table.events);
        assert!(
            !table.events.iter().any(|event| matches!(event, Event::BadFrame(_))),
            "{}: {:?}",
            spec.id,
            table.events
        );
        played.push(spec.id.clone());
    }
    assert!(played.len() >= 9, "{played:?}");
}

/// A meter that counts nothing and waits for ACK: the word goes out only when the value is durable, a line that comes spoilt is
/// asked for again, and the same value measured twice is two values.
#[test]
fn a_handshake_without_numbers_acknowledges_what_is_durable() {
    let spec = spec("sanko-mr300");
    let mut truth = Truth::default();
    truth.plant(&metric("moisture"), Region::Chin, Phase::Before, 12.3);
    let mut table = Table::set(&spec, Setup { truth, ..Setup::new("", 3) }, Faults::NONE);
    table.identify();
    table.confirm = false;
    let press = |table: &mut Table| {
        table.device_input(SimInput::Press { metric: metric("moisture"), region: Region::Chin });
        table.run(ms(3_500), |_| false);
    };
    press(&mut table);
    assert_eq!(table.measurements().len(), 1, "sent again, told once");
    table.input(Input::Confirmed(UNNUMBERED));
    table.run(ms(10_000), |_| false);
    assert_eq!(table.measurements().len(), 1, "acknowledged, it is not sent again");
    table.confirm = true;
    press(&mut table);
    let values: Vec<String> = table.measurements().iter().map(|m| m.values[0].value.to_string()).collect();
    assert_eq!(values, ["12.3", "12.3"]);

    let now = table.now;
    table.session.handle_input(now, Input::Bytes(b"\x02$: 1?.3\x03\x04"));
    let mut sent = Vec::new();
    loop {
        match table.session.poll_output() {
            Output::Transmit(bytes) => sent.push(bytes),
            Output::Event(_) => {}
            Output::WaitUntil(_) => break,
        }
    }
    assert_eq!(sent, [vec![0x15], vec![0x06]], "NAK for the spoilt line, ACK for EOT");
}

#[test]
fn the_analyser_says_who_it_is_and_measures_on_request() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 1), Faults::NONE);
    table.identify();
    let Event::Identified(identity) = &table.events[0] else { panic!("{:?}", table.events) };
    assert_eq!(
        (identity.serial.as_str(), identity.probe.as_str(), identity.firmware.as_str()),
        ("DR-0417", "P-22", "1.4.2")
    );
    for (token, name) in [(1, "moisture"), (2, "sebum"), (3, "elasticity")] {
        let (metric, region, value) = value_of(&table.ask(token, name, Region::Nose));
        assert_eq!((metric.as_str(), region), (name, Some(Region::Nose)));
        assert_eq!(value, table.ledger.last().unwrap().value, "precision survives");
    }
}

#[test]
fn a_simple_pen_measures_on_request_and_by_its_button() {
    let mut table = Table::set(&spec("moist-line"), Setup::new("", 2), Faults::NONE);
    table.identify();
    let (_, region, value) = value_of(&table.ask(1, "moisture", Region::Chin));
    assert_eq!((region, &value), (Some(Region::Chin), &table.ledger[0].value));
    assert!(value.contains('.'), "{value} keeps its decimal");
    table.device_input(SimInput::Press { metric: metric("moisture"), region: Region::Neck });
    table.run(ms(2_000), |_| false);
    let unasked = *table.measurements().last().unwrap();
    assert_eq!((unasked.token, unasked.counter), (None, Some(2)));
    assert_eq!(unasked.flags.len(), 1, "marked as started by the device");
}

/// The store is slow, then breaks down, then is back: the analyser keeps sending, the gateway tells again after a while, and
/// nothing is acknowledged before it is confirmed.
#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 3), Faults::NONE);
    table.confirm = false;
    table.identify();
    table.device_input(SimInput::Press { metric: metric("sebum"), region: Region::Chin });
    table.run(ms(4_000), |_| false);
    assert_eq!(table.measurements().len(), 1, "told once while it may still be on its way into the store");
    table.run(ms(6_000), |_| false);
    assert!(table.measurements().len() > 1, "never confirmed, so it is told again");
    table.input(Input::Confirmed(1));
    table.run(ms(2_000), |_| false);
    let told = table.measurements().len();
    table.run(ms(30_000), |_| false);
    assert_eq!(table.measurements().len(), told, "acknowledged, the analyser is silent about it");
}

/// An analyser missed our word and asks for it at intervals: one measurement. Then it is switched off and on, counts from 1
/// again, and finds the same value: whether that is a new one only the store can tell, which also knows what came since.
#[test]
fn equal_bytes_long_after_are_left_to_the_store() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 3), Faults::NONE);
    table.identify();
    table.device_input(SimInput::Press { metric: metric("sebum"), region: Region::Chin });
    let on_the_wire = |table: &Table| table.under_way.iter().any(|(_, up, _)| *up);
    assert!(table.run(ms(10_000), on_the_wire), "the analyser measures");
    let frame = table.under_way.iter().find_map(|(_, up, bytes)| up.then(|| bytes.clone())).unwrap();
    for _ in 0..5 {
        table.run(ms(9_000), |_| false);
        table.input(Input::Bytes(&frame));
    }
    assert_eq!(table.measurements().len(), 1, "it is still asking for our word");
    table.run(ms(60_000), |_| false);
    table.input(Input::Bytes(&frame));
    table.run(ms(1_000), |_| false);
    assert_eq!(table.measurements().len(), 2, "a minute of silence later");
}

/// A pen that cannot be told that its value is stored never sends one again: what it sends, it has measured.
#[test]
fn what_a_pen_without_an_acknowledge_sends_is_told_each_time() {
    let mut table = Table::set(&spec("moist-line"), Setup::new("", 2), Faults::NONE);
    table.identify();
    for _ in 0..2 {
        table.input(Input::Bytes(b"M,0042,35.2,%*58\r\n"));
        table.run(ms(1_000), |_| false);
    }
    assert_eq!(table.measurements().len(), 2, "{:?}", table.events);
}

#[test]
fn a_lifted_probe_is_refused_with_what_to_do() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 4), Faults::NONE);
    table.identify();
    table.device_input(SimInput::Lift(true));
    let Event::Refused { reason, advice, .. } = table.ask(1, "moisture", Region::Chin) else { panic!("not refused") };
    assert_eq!(reason, NoValue::DeviceError { code: "1".to_owned() });
    assert!(advice.en.contains("touch the skin again") && !advice.zh.is_empty());
    let mut pen = Table::set(&spec("moist-line"), Setup::new("", 4), Faults::NONE);
    pen.identify();
    pen.device_input(SimInput::Lift(true));
    let Event::Refused { reason, .. } = pen.ask(1, "moisture", Region::Chin) else { panic!("not refused") };
    assert_eq!(reason, NoValue::Absent);
}

#[test]
fn what_the_analyser_cannot_measure_is_refused_at_once() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 5), Faults::NONE);
    table.identify();
    for (token, name, region) in [(1, "pores", Region::Nose), (2, "moisture", Region::Lips)] {
        let Event::Refused { reason, .. } = table.ask(token, name, region) else { panic!("not refused") };
        assert_eq!(reason, NoValue::NotMeasuredHere, "{name} {region}");
    }
    value_of(&table.ask(3, "moisture", Region::Nose));
}

#[test]
fn a_second_request_is_told_busy_and_a_cancelled_one_is_answered() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 6), Faults::NONE);
    table.identify();
    table.input(Input::Measure(Request { token: 1, metric: metric("moisture"), region: Region::Nose }));
    table.run(ms(50), |_| false);
    assert_eq!(table.ask(2, "moisture", Region::Chin), Event::Busy { token: 2 });
    table.input(Input::Cancel);
    table.run(ms(3_000), |_| false);
    let answers: Vec<_> = table.events.iter().filter(|event| answers(event, 1)).collect();
    assert!(matches!(answers.as_slice(), [Event::Refused { reason: NoValue::Cancelled, .. }]), "{answers:?}");
    assert_eq!(table.measurements().len(), 1, "the value came late and is kept without a token");
    assert_eq!(table.measurements()[0].token, None);
}

#[test]
fn a_silent_analyser_is_reported_once_and_greeted_when_it_is_back() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 7), Faults::NONE);
    table.identify();
    table.unplugged = true;
    table.run(ms(60_000), |_| false);
    assert_eq!(table.events.iter().filter(|event| **event == Event::Silent).count(), 1);
    let Event::Refused { reason, .. } = table.ask(1, "moisture", Region::Nose) else { panic!("not refused") };
    assert_eq!(reason, NoValue::NoReply);
    table.unplugged = false;
    table.run(ms(5_000), |_| false);
    assert!(matches!(table.events.last(), Some(Event::Identified(_))), "{:?}", table.events.last());
    value_of(&table.ask(2, "moisture", Region::Nose));
}

#[test]
fn the_clock_is_set_and_a_quiet_line_is_asked_after() {
    let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", 8), Faults::NONE);
    table.identify();
    table.input(Input::SetClock { unix_s: 1_767_225_600 });
    table.run(ms(120_000), |_| false);
    assert!(!table.events.contains(&Event::Silent), "keep-alives are answered: {:?}", table.events);
}

/// Whatever the cable does, each request has one answer, each value told is one the device measured, and everything it
/// measured arrives in the end.
#[test]
fn over_a_hostile_wire_nothing_is_lost_doubled_or_invented() {
    for seed in 0..40_u64 {
        let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", seed), Faults::HOSTILE);
        table.identify();
        let regions = [Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];
        for token in 1..=30_u64 {
            let region = regions[token as usize % regions.len()];
            if token % 5 == 0 {
                table.device_input(SimInput::Press { metric: metric("sebum"), region });
            }
            let answer = table.ask(token, "moisture", region);
            if let Event::Measured(_) = &answer {
                assert_eq!(value_of(&answer).1, Some(region), "seed {seed}, request {token}");
            }
        }
        table.run(ms(60_000), |_| false);
        for token in 1..=30 {
            let count = table.events.iter().filter(|event| answers(event, token)).count();
            assert_eq!(count, 1, "seed {seed}: request {token} has {count} answers");
        }
        let mut told = BTreeMap::new();
        for measurement in table.measurements() {
            let value = &measurement.values[0];
            let line = (value.metric.to_string(), value.region.unwrap().to_string(), value.value.to_string());
            let before = told.insert(measurement.counter.unwrap(), line);
            assert!(before.is_none(), "seed {seed}: counter {:?} was told twice", measurement.counter);
        }
        let measured: BTreeMap<_, _> = table
            .ledger
            .iter()
            .map(|line| (line.counter, (line.metric.clone(), line.region.clone(), line.value.clone())))
            .collect();
        assert_eq!(told, measured, "seed {seed}");
    }
}

/// The pen acknowledges nothing, so lines may be lost; but none is invented.
#[test]
fn over_a_hostile_wire_the_pen_never_makes_a_value() {
    for seed in 0..40_u64 {
        let mut table = Table::set(&spec("moist-line"), Setup::new("", seed), Faults::HOSTILE);
        table.identify();
        for token in 1..=20 {
            table.ask(token, "moisture", Region::Chin);
        }
        let measured: BTreeSet<_> = table.ledger.iter().map(|line| (line.counter, line.value.clone())).collect();
        for measurement in table.measurements() {
            let pair = (measurement.counter.unwrap(), measurement.values[0].value.to_string());
            assert!(measured.contains(&pair), "seed {seed}: {pair:?} was never measured");
        }
    }
}

#[test]
fn a_picture_comes_whole_over_a_hostile_wire() {
    for seed in 0..4_u64 {
        let mut table = Table::set(&spec("derma-reference"), Setup::new("DR-0417", seed), Faults::HOSTILE);
        table.identify();
        let mut rng = fastrand::Rng::with_seed(seed);
        let picture: Vec<u8> = (0..30_000 + seed as usize).map(|_| rng.u8(..)).collect();
        table.device_input(SimInput::Picture(picture.clone()));
        let came = |table: &Table| table.events.iter().any(|event| matches!(event, Event::Picture { .. }));
        assert!(table.run(ms(600_000), came), "seed {seed}: no picture within ten minutes of line");
        table.run(ms(20_000), |_| false);
        let pictures: Vec<_> = table
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Picture { bytes, .. } => Some(bytes),
                _ => None,
            })
            .collect();
        assert!(pictures.len() == 1 && *pictures[0] == picture, "seed {seed}: {} pictures", pictures.len());
    }
}

/// The noise is the declared one: what the comparison relies on holds for the simulated analyser.
#[test]
fn the_simulated_noise_is_the_declared_repeatability() {
    let spec = spec("derma-reference");
    let moisture = metric("moisture");
    let declared = spec.repeatability(&moisture).unwrap().clone();
    let mut truth = Truth::default();
    truth.plant(&moisture, Region::Chin, Phase::Before, 50.0);
    truth.plant(&moisture, Region::Nose, Phase::Before, 50.0);
    let mut table = Table::set(&spec, Setup { truth, ..Setup::new("DR-0417", 11) }, Faults::NONE);
    table.identify();
    let (mut within, mut means) = (Vec::new(), Vec::new());
    for placement in 0..300_u64 {
        let region = if placement % 2 == 0 { Region::Chin } else { Region::Nose };
        let values: Vec<f64> = (0..4)
            .map(|n| value_of(&table.ask(placement * 4 + n, "moisture", region)).2.parse::<f64>().unwrap())
            .collect();
        let mean = values.iter().sum::<f64>() / 4.0;
        within.push(values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 3.0);
        means.push(mean);
    }
    let repeat_sd = (within.iter().sum::<f64>() / 300.0).sqrt();
    let grand = means.iter().sum::<f64>() / 300.0;
    let between = means.iter().map(|mean| (mean - grand).powi(2)).sum::<f64>() / 299.0;
    let placement_sd = (between - repeat_sd.powi(2) / 4.0).sqrt();
    assert!((repeat_sd / declared.repeat_sd - 1.0).abs() < 0.1, "repeat SD {repeat_sd}");
    assert!((placement_sd / declared.placement_sd - 1.0).abs() < 0.15, "placement SD {placement_sd}");
    assert!((grand - 50.0).abs() < 0.2, "mean {grand}");
}

/// A device whose pictures had no number was told at once that its picture was safe, though nobody had taken it in: it could delete the only
/// copy.
#[test]
fn pictures_without_a_number_are_no_protocol() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-protocols/derma-reference/protocol.toml");
    let whole = fs::read_to_string(file).expect("the reference protocol");
    let announce = whole.replace(
        "match = \"30\"\nfield = [\n  { role = \"counter\",       width = \"u32be\" },",
        "match = \"30\"\nfield = [",
    );
    let done = whole.replace(
        "name  = \"picture-received\"\nmatch = \"B1\"\nfield = [{ role = \"counter\", width = \"u32be\" }]",
        "name  = \"picture-received\"\nmatch = \"B1\"",
    );
    for (text, key) in [(announce, "flow.picture.announce"), (done, "flow.picture.done")] {
        assert_ne!(text, whole, "{key}");
        let faults = Spec::parse("derma-reference", &text).expect_err("it has no number").to_string();
        assert!(faults.contains(key) && faults.contains("role = \"counter\""), "{faults}");
    }
}
