//! Devices that answer a bare number: what it is, only the question says. And devices that say what is wrong in words, or
//! are asked by the clock. Bytes are written here by hand, after the devices' own papers.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use skinlink::{
    domain::{Region, metric::MetricId},
    protocol::{Event, Input, NoValue, Output, Request, Session, Spec},
};
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

fn text(id: &str) -> String {
    fs::read_to_string(format!("{}/firmware-protocols/{id}/protocol.toml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// One device's line, and time that the test turns.
struct Line {
    session: Session,
    now: Instant,
    sent: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl Line {
    fn to(id: &str) -> Self {
        Self::by(id, &text(id))
    }

    fn by(id: &str, text: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
        let now = Instant::now();
        let spec = Spec::parse(id, text).unwrap_or_else(|faults| panic!("\n{faults}"));
        let mut line = Self { session: Session::new(Arc::new(spec), now), now, sent: Vec::new(), events: Vec::new() };
        line.settle();
        line
    }

    fn settle(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Transmit(bytes) => self.sent.push(bytes),
                Output::Event(event) => self.events.push(event),
                Output::WaitUntil(_) => return,
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.session.handle_input(self.now, Input::Bytes(bytes));
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            self.now += Duration::from_millis(10);
            self.session.handle_input(self.now, Input::Tick);
            self.settle();
        }
    }

    fn ask(&mut self, metric: &str) {
        let metric = MetricId::new(metric).unwrap();
        let request = Request { token: 7, metric, region: Region::LeftCheek };
        self.session.handle_input(self.now, Input::Measure(request));
        self.settle();
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was measured, as `metric value unit`, and for whom.
    fn measured(&mut self) -> Vec<(Option<u64>, Vec<String>)> {
        let events = self.events().into_iter();
        let measured =
            events.filter_map(|event| if let Event::Measured(measured) = event { Some(measured) } else { None });
        let one = |value: &skinlink::domain::reading::MeasuredValue| {
            format!("{} {} {}", value.metric, value.value, value.unit)
        };
        measured.map(|measured| (measured.token, measured.values.iter().map(one).collect())).collect()
    }

    fn refused(&mut self) -> (NoValue, String) {
        let events = self.events();
        let refused = events.iter().find_map(|event| match event {
            Event::Refused { token: Some(7), reason, advice } => Some((reason.clone(), advice.en.clone())),
            _ => None,
        });
        refused.unwrap_or_else(|| panic!("{events:?}"))
    }
}

/// A technician had to write sixteen messages for one number of two bytes, one for each high byte; serial number and
/// temperature could not both be read, for nothing in an answer says which it is.
#[test]
fn two_answers_that_say_nothing_of_themselves_are_known_by_their_questions() {
    let mut line = Line::to("optris-ct");
    assert_eq!(line.sent(), [[0x0E]]);
    line.hear(&[0x01]);
    line.hear(&[0xE2, 0x40]);
    let events = line.events();
    assert!(matches!(&events[..], [Event::Identified(who)] if who.serial == "123456"), "{events:?}");
    for (bytes, text) in [([0x04, 0xD3], "temperature 23.5 °C"), ([0x05, 0x39], "temperature 33.7 °C")] {
        line.ask("temperature");
        assert_eq!(line.sent(), [[0x01]]);
        line.hear(&bytes);
        assert_eq!(line.measured(), [(Some(7), vec![text.to_owned()])]);
    }
}

#[test]
fn what_comes_when_nothing_was_asked_is_no_answer() {
    let mut line = Line::to("optris-ct");
    line.hear(&[0x01, 0xE2, 0x40]);
    line.events();
    // Noise, and then a late second answer of the same two bytes.
    line.hear(&[0x05, 0x39]);
    assert_eq!(line.measured(), []);
    line.ask("temperature");
    line.wait(Duration::from_millis(300));
    line.hear(&[0x05, 0x39]);
    line.hear(&[0x05, 0x3A]);
    assert_eq!(line.measured(), [(Some(7), vec!["temperature 33.7 °C".to_owned()])]);
}

/// Half an answer at any moment, the whole answer to the second try just behind it: the halves made 28.5 °C.
#[test]
fn half_an_answer_is_forgotten_with_the_next_question() {
    for at in (0..=490).step_by(10) {
        let mut line = Line::to("optris-ct");
        line.hear(&[0x01, 0xE2, 0x40]);
        line.ask("temperature");
        line.events();
        line.wait(Duration::from_millis(at));
        line.hear(&[0x05]);
        line.wait(Duration::from_millis(510 - at));
        line.hear(&[0x05, 0x39]);
        assert_eq!(line.measured(), [(Some(7), vec!["temperature 33.7 °C".to_owned()])], "half at {at} ms");
    }
}

/// A byte too many behind the answer that names the device shifted every answer behind it.
#[test]
fn a_stray_byte_behind_an_answer_is_no_part_of_the_next() {
    let mut line = Line::to("optris-ct");
    line.hear(&[0x01, 0xE2, 0x40, 0x05]);
    line.events();
    line.ask("temperature");
    line.hear(&[0x05, 0x39]);
    assert_eq!(line.measured(), [(Some(7), vec!["temperature 33.7 °C".to_owned()])]);
}

/// Two answers in one slice: the second was read as long as the first was awaited, and lay in the tray as the device's own.
#[test]
fn of_two_answers_that_come_together_the_second_is_dropped() {
    let taken = text("optris-ct").replace("unasked  = \"dropped\"", "unasked  = \"taken\"");
    assert!(taken.contains("\"taken\""));
    let mut line = Line::by("optris-ct", &taken);
    line.hear(&[0x01, 0xE2, 0x40]);
    line.events();
    line.hear(&[0x05, 0x39]);
    assert_eq!(line.measured(), []);
    line.ask("temperature");
    line.hear(&[0x05, 0x39, 0x05, 0x3A]);
    assert_eq!(line.measured(), [(Some(7), vec!["temperature 33.7 °C".to_owned()])]);
}

#[test]
fn a_bare_number_among_lines_that_begin_with_something_is_what_no_other_is() {
    let mut line = Line::to("ezo-ph");
    line.hear(b"*OK\r");
    line.hear(b"*OK\r");
    line.hear(b"?I,pH,1.98\r*OK\r");
    line.events();
    line.ask("ph");
    line.hear(b"*WA\r");
    line.hear(b"5.560\r*OK\r");
    assert_eq!(line.measured(), [(Some(7), vec!["ph 5.560 ".to_owned()])]);
    for (text, reason) in
        [("0.000", NoValue::UnderRange), ("14.560", NoValue::OverRange), ("-0.200", NoValue::UnderRange)]
    {
        line.ask("ph");
        line.hear(format!("{text}\r*OK\r").as_bytes());
        assert_eq!(line.refused().0, reason, "{text}");
    }
}

/// "The analyser does not answer; check its cable and power" was said of a device that did answer: it refused the question
/// with a word.
#[test]
fn a_word_for_an_error_brings_its_own_advice() {
    let mut line = Line::to("ezo-ph");
    line.hear(b"*OK\r");
    line.hear(b"*OK\r");
    line.hear(b"?I,pH,1.98\r*OK\r");
    line.events();
    line.ask("ph");
    line.hear(b"*UV\r");
    let (reason, advice) = line.refused();
    assert_eq!(reason, NoValue::DeviceError { code: "supply-too-low".to_owned() });
    assert!(advice.contains("too low a supply voltage"), "{advice}");
}

/// Another circuit of the same maker was plugged in. People were sent to its cable.
#[test]
fn an_answer_that_the_file_does_not_know_is_told_from_none() {
    let mut line = Line::to("ezo-ph");
    line.hear(b"*OK\r");
    line.hear(b"*OK\r");
    line.ask("ph");
    line.hear(b"?I,EC,2.15\r");
    line.wait(Duration::from_secs(4));
    let (reason, advice) = line.refused();
    assert_eq!(reason, NoValue::NotUnderstood);
    assert!(advice.contains("answers, but not as its protocol file says"), "{advice}");
    line.ask("ph");
    line.wait(Duration::from_secs(8));
    assert_eq!(line.refused().0, NoValue::NoReply);
}

/// The wrong end of a line, the wrong baud rate: bytes come, and never make a frame.
#[test]
fn bytes_that_never_become_a_frame_are_no_silence() {
    let other_end = text("ezo-ph").replacen("end         = \"\\r\"", "end         = \"\\r\\n\"", 1);
    let mut line = Line::by("ezo-ph", &other_end);
    line.ask("ph");
    line.hear(b"*OK\r");
    line.wait(Duration::from_secs(4));
    assert_eq!(line.refused().0, NoValue::NotUnderstood);
    let mut line = Line::to("derma-reference");
    line.ask("moisture");
    line.hear(&[0xF8, 0x80, 0x78, 0x00]);
    line.wait(Duration::from_secs(30));
    assert_eq!(line.refused().0, NoValue::NotUnderstood);
}

/// Asked who it is the circuit said that its supply is too low; whoever waited for a value was sent to its cable.
#[test]
fn an_error_while_it_is_asked_who_it_is_is_handed_on() {
    let mut line = Line::to("ezo-ph");
    line.ask("ph");
    line.hear(b"*UV\r");
    line.wait(Duration::from_secs(4));
    assert_eq!(line.refused().0, NoValue::DeviceError { code: "supply-too-low".to_owned() });
}

/// The room sensor, started and known by its marking.
fn known_sensor() -> Line {
    let mut line = Line::to("sensirion-sfa30");
    line.hear(&[0x7E, 0x00, 0x00, 0x00, 0x00, 0xFF, 0x7E]);
    let marking = [b"\x7E\x00\xD0\x00\x7D\x31".as_slice(), b"20365C629F073BE1", &[0x00, 0xA2, 0x7E]].concat();
    line.hear(&marking);
    line
}

/// Values of a room sensor that is asked by the clock vanished as soon as the step named the answer it waits for.
#[test]
fn what_is_asked_by_the_clock_is_told_as_what_comes_by_itself() {
    let mut line = known_sensor();
    let events = line.events();
    assert!(matches!(&events[..], [Event::Identified(who)] if who.serial == "20365C629F073BE1"), "{events:?}");
    line.sent();
    line.wait(Duration::from_millis(60_050));
    line.hear(&[0x7E, 0x00, 0x00, 0x43, 0x00, 0xBC, 0x7E]);
    assert_eq!(line.sent().len(), 2, "started again, then read");
    // The paper's own example, with an escaped 11 in it.
    line.hear(&[0x7E, 0x00, 0x03, 0x00, 0x06, 0x00, 0x63, 0x10, 0x9A, 0x7D, 0x31, 0xBE, 0x1A, 0x7E]);
    let expected = ["formaldehyde 19.8 ppb", "ambient-humidity 42.50 %", "ambient-temperature 22.710 °C"];
    assert_eq!(line.measured(), [(None, expected.map(str::to_owned).to_vec())]);
}

/// The room sensor has no value yet, or has broken down: it answers, and is not called silent, and its own advice stands.
#[test]
fn an_error_is_an_answer_to_what_the_clock_asks() {
    for (answer, code) in [([0x20, 0x00, 0xDC], "32"), ([0x44, 0x00, 0xB8], "68")] {
        let mut line = known_sensor();
        line.wait(Duration::from_millis(60_050));
        line.hear(&[0x7E, 0x00, 0x00, 0x43, 0x00, 0xBC, 0x7E]);
        line.events();
        line.hear(&[[0x7E, 0x00, 0x03].as_slice(), &answer, &[0x7E]].concat());
        line.wait(Duration::from_secs(5));
        let events = line.events();
        let told = |event: &Event| matches!(event, Event::Refused { token: None, reason: NoValue::DeviceError { code: found }, .. } if found == code);
        assert!(events.iter().any(told) && !events.contains(&Event::Silent), "{events:?}");
    }
}

/// What a file may not say, each with the sentence that tells.
#[test]
fn what_could_not_be_told_apart_is_told_to_the_author() {
    let optris = text("optris-ct");
    let cases = [
        (
            "name  = \"serial-number\"",
            "name  = \"serial-number\"\nmatch = \"0E\"",
            "either all messages have one or none",
        ),
        (
            "reply = \"serial-number\"",
            "reply = [\"serial-number\", \"target\"]",
            "\"read-serial-number\" is answered by both",
        ),
        ("width = \"u24be\"", "width = \"ascii\"", "needs fields of a fixed length"),
        (
            "send = \"read-serial-number\", reply = \"serial-number\"",
            "send = \"read-serial-number\"",
            "known only by its question",
        ),
        ("match = \"0E\"", "", "only what a device says can be known by its question"),
        ("gap_ms = 200", "gap_ms = 500", "half an answer would become part of the next"),
        (
            "metrics = [\"temperature\"]",
            "metrics = [\"ambient-temperature\"]\nsteps = [{ send = \"read-target\", reply = \"serial-number\", timeout_ms = 500 }]\n[[flow.measure]]\nmetrics = [\"temperature\"]",
            "\"read-target\" is answered by both",
        ),
    ];
    for (from, to, sentence) in cases {
        assert!(optris.contains(from), "{from}");
        let faults = Spec::parse("optris-ct", &optris.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(faults.contains(sentence), "{to}: {faults}");
    }
    let ezo = text("ezo-ph");
    let cases = [
        ("message = \"unknown-command\"\nadvice", "message = \"nobody\"\nadvice", "no [[message]] of this file"),
        ("message = \"unknown-command\"\nadvice", "message = \"reading\"\nadvice", "an error brings none"),
        ("message = \"unknown-command\"\nadvice", "code = 3\nadvice", "no message has a field with role = \"error\""),
        ("message = \"unknown-command\"\nadvice", "code = -3\nadvice", "0 or more"),
        ("message = \"supply-too-high\"\nadvice", "message = \"unknown-command\"\nadvice", "stands twice"),
    ];
    for (from, to, sentence) in cases {
        assert!(ezo.contains(from), "{from}");
        let faults = Spec::parse("ezo-ph", &ezo.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(faults.contains(sentence), "{to}: {faults}");
    }
}
