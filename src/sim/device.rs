//! A simulated analyser from a protocol file: speaks through the gateway's own codec from the other side. Sans-IO, like the
//! session: bytes and instants in, bytes and ledger lines out.
//!
//! It answers each command with the reply that the file's conversations name, measures what [`Truth`] plants with noise drawn
//! from the file's own repeatability (one draw per value, one per placement of the probe), counts its measurements, writes
//! each into its ledger before it sends it, and sends it again until it is acknowledged where the protocol has that.
//!
//! Because both sides share the codec, it cannot find a mistake that is the same on both: that is what vectors are for.

use super::{arrays::Arrays, fill, ledger::LedgerLine, pictures::Outgoing, truth::Truth};
use crate::{
    domain::{Quantity, Region, metric::MetricId, reading::QualityFlag, scan::Phase},
    protocol::{
        Item, NoValue, Role, Spec,
        field::{Code, Field, Shape, ValueField},
        flow::Step,
        framer::Framer,
        framing::Framing,
        item::Decoded,
        spec::Sign,
        width::Form,
    },
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// An unacknowledged measurement is sent again after this.
const RESEND: Duration = Duration::from_secs(1);

/// Real probes keep a few hundred measurements; the oldest is forgotten first.
const MEMORY: usize = 256;

/// The code of "probe lifted" in protocols that report errors.
const LIFTED: u64 = 1;

/// Who it is and how it behaves.
#[derive(Debug, Clone)]
pub struct Setup {
    pub serial: String,
    pub probe: String,
    pub firmware: String,
    /// How full its battery says it is, in percent.
    pub battery: u8,
    /// Of its noise. The same seed and the same questions give the same values.
    pub seed: u64,
    /// How long a measurement takes.
    pub measuring: Duration,
    pub truth: Truth,
}

impl Setup {
    #[must_use]
    pub fn new(serial: &str, seed: u64) -> Self {
        Self {
            serial: serial.to_owned(),
            probe: "P-22".to_owned(),
            firmware: "1.4.2".to_owned(),
            battery: 87,
            seed,
            measuring: Duration::from_millis(300),
            truth: Truth::plausible(),
        }
    }
}

/// What happens to the device.
#[derive(Debug)]
pub enum SimInput<'a> {
    Bytes(&'a [u8]),
    Tick,
    Phase(Phase),
    /// The probe is held to a region.
    Place(Region),
    /// Its own button or contact switch.
    Press {
        metric: MetricId,
        region: Region,
    },
    /// Lifted off the skin: it refuses to measure.
    Lift(bool),
    /// It has taken a picture and wants to send it.
    Picture(Vec<u8>),
}

/// What the device does.
#[derive(Debug, PartialEq)]
pub enum SimOutput {
    /// Comes before the measurement is sent for the first time.
    Record(LedgerLine),
    Transmit(Vec<u8>),
    WaitUntil(Instant),
}

/// A measurement that has begun.
#[derive(Debug)]
struct Begun {
    message: String,
    region: Region,
    /// 0: by itself.
    tag: u64,
    ready: Instant,
}

/// A measurement that was sent.
#[derive(Debug)]
struct Sent {
    counter: u64,
    tag: u64,
    frame: Vec<u8>,
    again: Option<Instant>,
}

/// The simulated analyser.
#[derive(Debug)]
pub struct SimDevice {
    spec: Arc<Spec>,
    setup: Setup,
    framer: Framer,
    rng: fastrand::Rng,
    switched_on: Instant,
    now: Instant,
    phase: Phase,
    at: Region,
    lifted: bool,
    counter: u64,
    /// Offset of the present placement of the probe.
    placed: Option<(MetricId, Region, Phase, f64)>,
    begun: VecDeque<Begun>,
    sent: VecDeque<Sent>,
    picture: Option<Outgoing>,
    arrays: Arrays,
    /// How often it gives another serial number, and what decides it.
    lying: (f64, fastrand::Rng),
    outputs: VecDeque<SimOutput>,
}

impl SimDevice {
    #[must_use]
    pub fn new(spec: Arc<Spec>, setup: Setup, now: Instant) -> Self {
        Self {
            framer: Framer::new(spec.command_framing.clone()),
            rng: fastrand::Rng::with_seed(setup.seed),
            arrays: Arrays::new(setup.seed),
            spec,
            setup,
            switched_on: now,
            now,
            phase: Phase::Before,
            at: Region::LeftCheek,
            lifted: false,
            counter: 0,
            placed: None,
            begun: VecDeque::new(),
            sent: VecDeque::new(),
            picture: None,
            lying: (0.0, fastrand::Rng::new()),
            outputs: VecDeque::new(),
        }
    }

    /// It gives another serial number than its own so often.
    #[must_use]
    pub fn lying(mut self, often: f64) -> Self {
        self.lying = (often, fastrand::Rng::with_seed(self.setup.seed ^ 3));
        self
    }

    /// How frames lie on the wire from it and to it.
    #[must_use]
    pub fn framings(&self) -> (Framing, Framing) {
        (self.spec.framing.clone(), self.spec.command_framing.clone())
    }

    pub fn handle_input(&mut self, now: Instant, input: SimInput<'_>) {
        self.now = self.now.max(now);
        match input {
            SimInput::Bytes(bytes) => self.bytes(bytes),
            SimInput::Tick => {}
            SimInput::Phase(phase) => self.phase = phase,
            SimInput::Place(region) => self.at = region,
            SimInput::Lift(lifted) => self.lifted = lifted,
            SimInput::Press { metric, region } => self.pressed(&metric, region),
            SimInput::Picture(bytes) => self.picture_taken(bytes),
        }
        self.go_on();
    }

    /// Numbers of the measurements it still sends again.
    pub fn unconfirmed(&self) -> impl Iterator<Item = u64> {
        self.sent.iter().filter(|sent| sent.again.is_some()).map(|sent| sent.counter)
    }

    /// The next thing it does; call until it waits.
    pub fn poll_output(&mut self) -> SimOutput {
        self.outputs.pop_front().unwrap_or_else(|| SimOutput::WaitUntil(self.next_wake()))
    }

    fn next_wake(&self) -> Instant {
        let ready = self.begun.iter().map(|begun| begun.ready);
        let again = self.sent.iter().filter_map(|sent| sent.again);
        let picture = self.picture.as_ref().map(|picture| picture.again);
        ready.chain(again).chain(picture).min().unwrap_or(self.now + Duration::from_secs(60))
    }

    fn go_on(&mut self) {
        while let Some(at) = self.begun.iter().position(|begun| begun.ready <= self.now) {
            let begun = self.begun.remove(at).expect("the position was just found");
            self.measured(&begun);
        }
        for sent in self.sent.iter_mut().filter(|sent| sent.again.is_some_and(|again| again <= self.now)) {
            sent.again = Some(self.now + RESEND);
            self.outputs.push_back(SimOutput::Transmit(sent.frame.clone()));
        }
        if self.picture.as_ref().is_some_and(|picture| picture.again <= self.now) {
            self.announce_picture();
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (spec, mut found) = (self.spec.clone(), Vec::new());
        // What it does not understand a device ignores.
        self.framer.feed(bytes, &mut |result| found.extend(result.and_then(|payload| spec.decode_command(payload))));
        for command in &found {
            self.command(command);
        }
    }

    fn command(&mut self, command: &Decoded) {
        let spec = self.spec.clone();
        if spec.flow.acknowledge.as_ref() == Some(&command.name) {
            self.acknowledged(command.number(Role::Counter));
        } else if spec.flow.refuse.as_ref() == Some(&command.name) {
            self.sent.iter_mut().filter(|sent| sent.again.is_some()).for_each(|sent| sent.again = Some(self.now));
        } else if spec.flow.picture.as_ref().is_some_and(|flow| flow.request == command.name) {
            self.chunks_wanted(command);
        } else if spec.flow.picture.as_ref().is_some_and(|flow| flow.done == command.name) {
            self.picture = None;
        } else if let Some(steps) = spec.flow.steps_after(&command.name) {
            self.arrays.asked(&spec, &command.name);
            self.answer(command, steps);
        }
    }

    /// Without a counter it is the measurement under way, which is the oldest.
    fn acknowledged(&mut self, counter: Option<u64>) {
        let waiting = |sent: &&mut Sent| sent.again.is_some() && counter.is_none_or(|counter| counter == sent.counter);
        if let Some(sent) = self.sent.iter_mut().find(waiting) {
            sent.again = None;
        }
    }

    /// Sends the reply of the step that sent this command; what comes without a further command follows by itself.
    fn answer(&mut self, command: &Decoded, steps: &[Step]) {
        let tag = command.number(Role::Request).unwrap_or(0);
        let region = command.region().unwrap_or(self.at);
        let replies = steps.iter().take(1).chain(steps.iter().skip(1).take_while(|step| step.send.is_none()));
        let replies: Vec<String> = replies.filter_map(|step| step.reply.first().cloned()).collect();
        // Arrays are said at once: they belong to the measurement that was begun before.
        let measures = |spec: &Spec, name: &str| spec.message(name).is_some_and(|shape| !shape.values().is_empty());
        if self.lifted && replies.iter().any(|name| measures(&self.spec, name)) && self.refused(tag) {
            return;
        }
        for name in &replies {
            if !measures(&self.spec, name) {
                self.say(name, &[Item::Number { role: Role::Request, value: tag }]);
            } else if !self.repeated(tag) {
                self.at = region;
                let ready = self.now + self.setup.measuring;
                self.begun.push_back(Begun { message: name.clone(), region, tag, ready });
            }
        }
    }

    /// A request number that comes again is the same request: nothing is measured anew.
    fn repeated(&mut self, tag: u64) -> bool {
        if tag == 0 {
            return false;
        }
        if self.begun.iter().any(|begun| begun.tag == tag) {
            return true;
        }
        let Some(sent) = self.sent.back().filter(|sent| sent.tag == tag && sent.again.is_some()) else { return false };
        self.outputs.push_back(SimOutput::Transmit(sent.frame.clone()));
        true
    }

    fn refused(&mut self, tag: u64) -> bool {
        let spec = self.spec.clone();
        let with_code = spec.messages.iter().find(|shape| shape.has(Role::Error)).map(|shape| shape.name.as_str());
        let as_message = spec.errors.iter().find_map(|error| match &error.sign {
            Sign::Message(name) => Some(name.as_str()),
            Sign::Code(_) => None,
        });
        let Some(name) = with_code.or(as_message) else { return false };
        let word = spec.errors.iter().find_map(|error| match &error.sign {
            Sign::Code(Code::Text(word)) => Some(word.clone()),
            _ => None,
        });
        let code = match word {
            Some(text) => Item::Text { role: Role::Error, text },
            None => Item::Number { role: Role::Error, value: LIFTED },
        };
        self.say(name, &[Item::Number { role: Role::Request, value: tag }, code]);
        true
    }

    fn pressed(&mut self, metric: &MetricId, region: Region) {
        let brings = |shape: &&Shape| shape.values().iter().any(|field| field.metric == *metric);
        let message = self.spec.messages.iter().find(brings).map(|shape| shape.name.clone());
        if self.lifted && self.refused(0) {
            return;
        }
        if let Some(message) = message {
            self.at = region;
            self.begun.push_back(Begun { message, region, tag: 0, ready: self.now + self.setup.measuring });
        }
    }

    fn measured(&mut self, begun: &Begun) {
        let spec = self.spec.clone();
        let Some(shape) = spec.message(&begun.message) else { return };
        self.counter = next_counter(shape, self.counter);
        let mut items = self.context(begun);
        items.extend(self.identity(&self.setup.serial.clone()));
        let mut lines = Vec::new();
        for field in shape.values() {
            let value = self.draw(field, begun.region);
            let text = value.as_ref().map_or_else(ToString::to_string, ToString::to_string);
            let place = (begun.region, self.phase);
            lines.push(LedgerLine::new(&self.setup.serial, self.counter, &field.metric, place, text, &field.unit));
            let (metric, unit) = (field.metric.clone(), field.unit.clone());
            items.push(Item::Value { metric, unit, region: None, value });
        }
        fill::fill(shape, &mut items, begun.region);
        let Ok(frame) = spec.encode_message(&begun.message, &items) else { return };
        self.outputs.extend(lines.into_iter().map(SimOutput::Record));
        self.outputs.push_back(SimOutput::Transmit(frame.clone()));
        let again = spec.flow.acknowledge.is_some().then(|| self.now + RESEND);
        self.sent.push_back(Sent { counter: self.counter, tag: begun.tag, frame, again });
        if self.sent.len() > MEMORY {
            self.sent.pop_front();
        }
    }

    fn context(&self, begun: &Begun) -> Vec<Item> {
        let number = |role, value| Item::Number { role, value };
        let since = self.now.duration_since(self.switched_on).as_millis();
        vec![
            number(Role::Counter, self.counter),
            number(Role::DeviceTime, u64::try_from(since).unwrap_or(0)),
            number(Role::Request, begun.tag),
            Item::Region(begun.region),
            Item::Flags(if begun.tag == 0 { vec![QualityFlag::DeviceStarted] } else { Vec::new() }),
        ]
    }

    fn draw(&mut self, field: &ValueField, region: Region) -> Result<Quantity, NoValue> {
        if self.lifted {
            return Err(NoValue::Absent);
        }
        let truth = &self.setup.truth;
        let unplanned = (!truth.knows(&field.metric)).then(|| fill::usual_mean(field));
        let mean = truth.mean(&field.metric, region, self.phase).or(unplanned).ok_or(NoValue::Absent)?;
        let declared = self.spec.repeatability(&field.metric);
        let undeclared = unplanned.map_or(0.0, fill::usual_spread);
        let (repeat_sd, placement_sd) = declared.map_or((undeclared, 0.0), |r| (r.repeat_sd, r.placement_sd));
        let place = (field.metric.clone(), region, self.phase);
        let offset = match &self.placed {
            Some((metric, region, phase, offset)) if (metric, region, phase) == (&place.0, &place.1, &place.2) => {
                *offset
            }
            _ => placement_sd * normal(&mut self.rng),
        };
        self.placed = Some((place.0, place.1, place.2, offset));
        let value = mean + offset + repeat_sd * normal(&mut self.rng);
        let (least, most) = field.range.unwrap_or((0.0, f64::MAX));
        // The ledger says what the wire can say.
        let steps = ((value.clamp(least, most) - field.offset) / field.scale).round();
        let value = if field.form.limits().is_some() { steps * field.scale + field.offset } else { value };
        Quantity::new(value.clamp(least, most), decimals(field)).ok_or(NoValue::Absent)
    }

    /// What it says of itself, in whatever message has a field for it.
    fn identity(&self, serial: &str) -> [Item; 4] {
        let text = |role, text: &str| Item::Text { role, text: self.cut(role, text) };
        let Setup { probe, firmware, battery, .. } = &self.setup;
        let battery = Item::Number { role: Role::Battery, value: u64::from(*battery) };
        [text(Role::Serial, serial), text(Role::Probe, probe), text(Role::Firmware, firmware), battery]
    }

    /// As much of a text as the protocol has places for.
    fn cut(&self, wanted: Role, text: &str) -> String {
        let fields = self.spec.messages.iter().flat_map(Shape::all_fields);
        let forms = fields.filter_map(|field| match field {
            Field::Text { role, form } if *role == wanted => Some(*form),
            _ => None,
        });
        let forms: Vec<Form> = forms.collect();
        if let Some((_, most)) = forms.iter().find_map(|form| form.limits()) {
            // A number: the text's digits, as far as they fit.
            let number: i128 = text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
            return (number % (most + 1)).to_string();
        }
        let places = forms.iter().filter_map(|form| form.length);
        text.chars().take(places.min().unwrap_or(text.len())).collect()
    }

    /// Sends a message that is no measurement.
    pub(super) fn say(&mut self, name: &str, items: &[Item]) {
        let spec = self.spec.clone();
        let Some(shape) = spec.message(name) else { return };
        let serial = self.serial_given(shape);
        let mut items = items.to_vec();
        items.extend(self.identity(&serial));
        items.extend(self.arrays.items(&spec, shape));
        fill::fill(shape, &mut items, self.at);
        if let Ok(frame) = spec.encode_message(name, &items) {
            self.record_derived(&Decoded { name: name.to_owned(), items });
            self.outputs.push_back(SimOutput::Transmit(frame));
        }
    }

    fn serial_given(&mut self, shape: &Shape) -> String {
        let (often, rng) = &mut self.lying;
        let lies = shape.has(Role::Serial) && *often > 0.0 && rng.f64() < *often;
        if lies { fill::a_lie(&self.setup.serial, rng) } else { self.setup.serial.clone() }
    }

    fn record_derived(&mut self, said: &Decoded) {
        let place = (self.at, self.phase);
        for value in self.arrays.derived(&self.spec, said, self.at) {
            let (serial, number) = (&self.setup.serial, self.arrays.number);
            let line = LedgerLine::new(serial, number, &value.metric, place, value.value.to_string(), &value.unit);
            self.outputs.push_back(SimOutput::Record(line));
        }
    }

    fn picture_taken(&mut self, bytes: Vec<u8>) {
        if self.spec.flow.picture.is_some() {
            self.counter += 1;
            self.picture = Some(Outgoing::new(self.counter, bytes, self.now));
        }
    }

    fn announce_picture(&mut self) {
        let spec = self.spec.clone();
        let (Some(flow), Some(picture)) = (&spec.flow.picture, &mut self.picture) else { return };
        picture.again = self.now + RESEND;
        let items = picture.announcement(flow);
        self.say(&flow.announce, &items);
    }

    fn chunks_wanted(&mut self, command: &Decoded) {
        let spec = self.spec.clone();
        let (Some(flow), Some(picture)) = (&spec.flow.picture, &mut self.picture) else { return };
        picture.again = self.now + RESEND;
        for items in picture.chunks(command) {
            self.say(&flow.chunk, &items);
        }
    }
}

/// The counter after `last`, beginning anew where its field is full.
fn next_counter(shape: &Shape, last: u64) -> u64 {
    let fields = shape.all_fields();
    let form = fields.iter().find_map(|field| match field {
        Field::Number { role: Role::Counter, form } => Some(form),
        _ => None,
    });
    let most = form.and_then(|form| form.limits()).and_then(|(_, most)| u64::try_from(most).ok());
    let places = most.and_then(|most| most.checked_add(1)).unwrap_or(u64::MAX);
    (last + 1) % places
}

/// A text value is written as finely as the text for "absent": `---.-` has one decimal.
fn decimals(field: &ValueField) -> u8 {
    let own = || match field.codes.absent.first() {
        Some(Code::Text(text)) => text.split_once('.').map_or(0, |(_, part)| part.len() as u8),
        _ => 1,
    };
    field.decimals.unwrap_or_else(own)
}

/// Standard normal deviate (Box and Muller).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
