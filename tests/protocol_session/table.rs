//! The table at which the session and the simulated analyser sit: wires between them, and time that the test turns.

use skinlink::{
    domain::{Region, metric::MetricId},
    protocol::{Event, Input, Measurement, Output, Request, Session, Spec, UNNUMBERED},
    sim::{Faults, LedgerLine, Setup, SimDevice, SimInput, SimOutput, Wire},
};
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

pub fn spec(id: &str) -> Arc<Spec> {
    let path = format!("{}/firmware-protocols/{id}/protocol.toml", env!("CARGO_MANIFEST_DIR"));
    Arc::new(Spec::parse(id, &fs::read_to_string(path).unwrap()).unwrap_or_else(|faults| panic!("\n{faults}")))
}

pub fn metric(name: &str) -> MetricId {
    MetricId::new(name).unwrap()
}

pub const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Both sides on one table, with the wires between them.
pub struct Table {
    pub now: Instant,
    pub session: Session,
    pub device: SimDevice,
    pub up: Wire,
    pub down: Wire,
    pub under_way: Vec<(Instant, bool, Vec<u8>)>,
    pub device_wake: Instant,
    pub events: Vec<Event>,
    pub ledger: Vec<LedgerLine>,
    /// The store: what was confirmed.
    pub confirm: bool,
    pub unplugged: bool,
}

impl Table {
    pub fn set(spec: &Arc<Spec>, setup: Setup, faults: Faults) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
        let now = Instant::now();
        let seed = setup.seed;
        Self {
            now,
            session: Session::new(spec.clone(), now),
            device: SimDevice::new(spec.clone(), setup, now),
            up: Wire::new(faults, seed ^ 1),
            down: Wire::new(faults, seed ^ 2),
            under_way: Vec::new(),
            device_wake: now,
            events: Vec::new(),
            ledger: Vec::new(),
            confirm: true,
            unplugged: false,
        }
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.session.handle_input(self.now, input);
    }

    pub fn device_input(&mut self, input: SimInput<'_>) {
        self.device.handle_input(self.now, input);
    }

    /// Lets both sides do what they have to do now; gives the time of the next thing.
    pub fn settle(&mut self) -> Instant {
        let session_wake = loop {
            match self.session.poll_output() {
                Output::Transmit(bytes) => {
                    let pieces = self.down.carry(self.now, &bytes);
                    self.under_way.extend(pieces.into_iter().map(|(at, piece)| (at, false, piece)));
                }
                Output::Event(event) => {
                    let durable = match &event {
                        Event::Measured(measurement) => Some(measurement.counter.unwrap_or(UNNUMBERED)),
                        Event::Picture { counter, .. } => *counter,
                        _ => None,
                    };
                    self.events.push(event);
                    if let (true, Some(counter)) = (self.confirm, durable) {
                        self.session.handle_input(self.now, Input::Confirmed(counter));
                    }
                }
                Output::WaitUntil(wake) => break wake,
            }
        };
        self.device_wake = loop {
            match self.device.poll_output() {
                SimOutput::Record(line) => self.ledger.push(line),
                SimOutput::Transmit(bytes) => {
                    let pieces = self.up.carry(self.now, &bytes);
                    self.under_way.extend(pieces.into_iter().map(|(at, piece)| (at, true, piece)));
                }
                SimOutput::WaitUntil(wake) => break wake,
            }
        };
        if self.unplugged {
            self.under_way.clear();
        }
        self.under_way.iter().map(|(at, ..)| *at).chain([session_wake, self.device_wake]).min().unwrap()
    }

    /// Turns time on until `until`, or until `done` says so.
    pub fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        for step in 0.. {
            assert!(step < 1_000_000, "the two sides never come to rest");
            let next = self.settle();
            if done(self) {
                return true;
            }
            if next > end {
                self.now = end;
                return false;
            }
            self.now = self.now.max(next);
            let (due, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.under_way).into_iter().partition(|(at, ..)| *at <= self.now);
            self.under_way = rest;
            for (_, up, bytes) in due {
                if up { self.input(Input::Bytes(&bytes)) } else { self.device_input(SimInput::Bytes(&bytes)) }
            }
            self.input(Input::Tick);
            self.device_input(SimInput::Tick);
        }
        unreachable!()
    }

    pub fn identify(&mut self) {
        let done = |table: &Self| table.events.iter().any(|event| matches!(event, Event::Identified(_)));
        assert!(self.run(ms(60_000), done), "not identified within a minute: {:?}", self.events);
    }

    /// Asks and gives the one answer.
    pub fn ask(&mut self, token: u64, name: &str, region: Region) -> Event {
        self.input(Input::Measure(Request { token, metric: metric(name), region }));
        let answers = |table: &Self| table.events.iter().filter(|event| answers(event, token)).count();
        assert!(self.run(ms(60_000), |table| answers(table) > 0), "request {token} has no answer within a minute");
        self.events.iter().find(|event| answers_one(event, token)).unwrap().clone()
    }

    pub fn measurements(&self) -> Vec<&Measurement> {
        self.events.iter().filter_map(|event| if let Event::Measured(m) = event { Some(m) } else { None }).collect()
    }
}

pub fn answers(event: &Event, token: u64) -> bool {
    answers_one(event, token)
}

pub fn answers_one(event: &Event, wanted: u64) -> bool {
    match event {
        Event::Measured(measurement) => measurement.token == Some(wanted),
        Event::Refused { token, .. } => *token == Some(wanted),
        Event::Busy { token } => *token == wanted,
        _ => false,
    }
}

pub fn value_of(event: &Event) -> (String, Option<Region>, String) {
    let Event::Measured(measurement) = event else { panic!("no measurement: {event:?}") };
    let [value] = measurement.values.as_slice() else { panic!("not one value: {measurement:?}") };
    (value.metric.to_string(), value.region, value.value.to_string())
}
