//! The gateway's side of the conversation with one device: identify, measure, acknowledge, keep alive, pictures.
//!
//! Sans-IO: after every input poll [`Session::poll_output`] until it says how long to wait. One conversation at a time; a
//! request that comes while another short one runs waits for it, a second request is told [`Event::Busy`]. What the device
//! sends by itself is taken at any time.
//!
//! Kept: every [`Request`] is answered exactly once; a measurement is acknowledged only after [`Input::Confirmed`]; the same
//! counter with the same bytes is reported once while its first report may still be on its way into the store; memory is
//! bounded by one frame, one picture and 64 counters, whatever the device sends, as long as the output is polled.

mod advice;
mod incoming;
mod seen;
mod surface;
mod talk;

pub use surface::{Event, Input, Measurement, Output, Request, UNNUMBERED};

use super::{
    derive::Assembler,
    encode::EncodeError,
    framer::Framer,
    item::{Item, NoValue, Role},
    picture::{Incoming, PictureId},
    spec::Spec,
};
use seen::Seen;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use talk::{Purpose, Talk};

/// A device that does not say who it is gets asked again after this: soon enough to serve a replug within 3 s.
const IDENTIFY_AGAIN_AFTER: Duration = Duration::from_millis(1_500);

/// With nothing to wait for, a tick does nothing; this only keeps the caller's loop simple.
const IDLE: Duration = Duration::from_secs(60);

/// The conversation with one connected device. Make a new one after each reconnection.
#[derive(Debug)]
pub struct Session {
    spec: Arc<Spec>,
    framer: Framer,
    outputs: VecDeque<Output>,
    now: Instant,
    last_byte: Instant,
    identified: bool,
    /// Silence has been reported and has not ended.
    silent: bool,
    identify_at: Instant,
    talk: Option<Talk>,
    /// A request that waits for a short conversation to end.
    waiting: Option<Request>,
    clock: Option<u64>,
    tag: u64,
    assembler: Assembler,
    picture: Option<Incoming>,
    /// A picture that has been handed out and is not confirmed.
    picture_owed: Option<PictureId>,
    /// The last one that was confirmed: if it is announced again, the device missed our word.
    picture_stored: Option<PictureId>,
    seen: Seen,
}

impl Session {
    /// Starts with identify.
    #[must_use]
    pub fn new(spec: Arc<Spec>, now: Instant) -> Self {
        let mut session = Self {
            framer: Framer::new(spec.framing.clone()),
            spec,
            outputs: VecDeque::new(),
            now,
            last_byte: now,
            identified: false,
            silent: false,
            identify_at: now,
            talk: None,
            waiting: None,
            clock: None,
            tag: 0,
            assembler: Assembler::default(),
            picture: None,
            picture_owed: None,
            picture_stored: None,
            seen: Seen::default(),
        };
        session.go_on();
        session
    }

    /// Takes one input. Never fails: what is wrong with it becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Bytes(bytes) => self.bytes(bytes),
            Input::Tick => {}
            Input::Measure(request) => self.asked(request),
            Input::Cancel => self.cancel(),
            Input::Confirmed(counter) => self.confirmed(counter),
            Input::SetClock { unix_s } => self.clock = Some(unix_s),
        }
        self.go_on();
    }

    /// The next thing to do; call until it is [`Output::WaitUntil`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::WaitUntil(self.next_wake()))
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn refuse(&mut self, token: Option<u64>, reason: NoValue) {
        let advice = advice::advice(&self.spec, &reason);
        self.event(Event::Refused { token, reason, advice });
    }

    fn next_wake(&self) -> Instant {
        let framer = self.framer.is_waiting().then(|| self.last_byte + self.spec.framing.gap);
        let next = match &self.talk {
            Some(talk) => Some(talk.deadline),
            None if !self.identified => Some(self.identify_at),
            None => self.spec.flow.keep_alive.as_ref().map(|alive| self.last_byte + alive.every),
        };
        let picture = self.picture.as_ref().map(|picture| picture.deadline);
        [framer, next, picture].into_iter().flatten().min().unwrap_or(self.now + IDLE)
    }

    /// Everything that is due: frames that stopped, steps that got no reply, the next conversation.
    fn go_on(&mut self) {
        if self.framer.is_waiting() && self.now >= self.last_byte + self.spec.framing.gap {
            self.frame_stopped();
        }
        if self.talk.as_ref().is_some_and(|talk| self.now >= talk.deadline) {
            self.no_reply();
        }
        if self.picture.as_ref().is_some_and(|picture| self.now >= picture.deadline) {
            self.picture_late();
        }
        if self.talk.is_none() {
            self.next_talk();
        }
    }

    fn next_talk(&mut self) {
        if !self.identified {
            if self.spec.flow.identify.is_empty() {
                self.identified(None);
            } else if self.now >= self.identify_at {
                self.begin(Purpose::Identify);
                return;
            } else {
                return;
            }
        }
        if let Some(unix_s) = self.clock.take().filter(|_| !self.spec.flow.set_clock.is_empty()) {
            self.begin(Purpose::SetClock { unix_s });
        } else if let Some(request) = self.waiting.take() {
            self.begin_measure(request);
        } else if self.spec.flow.keep_alive.as_ref().is_some_and(|alive| self.now >= self.last_byte + alive.every) {
            self.begin(Purpose::KeepAlive);
        }
    }

    fn asked(&mut self, request: Request) {
        let measuring = self.talk.as_ref().is_some_and(|talk| matches!(talk.purpose, Purpose::Measure { .. }));
        if measuring || self.waiting.is_some() {
            self.event(Event::Busy { token: request.token });
        } else if self.spec.measure(&request.metric).is_none() {
            self.refuse(Some(request.token), NoValue::NotMeasuredHere);
        } else {
            self.waiting = Some(request);
        }
    }

    fn cancel(&mut self) {
        if let Some(request) = self.waiting.take() {
            self.refuse(Some(request.token), NoValue::Cancelled);
        }
        if let Some(Talk { purpose: Purpose::Measure { request, .. }, .. }) = &self.talk {
            let token = request.token;
            self.talk = None;
            self.refuse(Some(token), NoValue::Cancelled);
        }
    }

    fn confirmed(&mut self, counter: u64) {
        if self.picture_owed.is_some_and(|owed| owed.counter == Some(counter)) {
            self.picture_stored = self.picture_owed.take();
            self.picture_done(Some(counter));
            return;
        }
        self.seen.confirmed(self.now, counter);
        self.acknowledge(counter);
    }

    fn acknowledge(&mut self, counter: u64) {
        if let Some(name) = self.spec.flow.acknowledge.clone() {
            self.send(&name, &[Item::Number { role: Role::Counter, value: counter }]);
        }
    }

    /// Sends a command that is no step of a conversation.
    fn send(&mut self, name: &str, items: &[Item]) {
        // What such commands need is checked when the file is read; a counter too wide for its field is the device's fault.
        if let Ok(frame) = self.spec.encode_command(name, items) {
            self.outputs.push_back(Output::Transmit(frame));
        }
    }

    fn begin_measure(&mut self, request: Request) {
        self.tag = self.tag % u64::from(u8::MAX) + 1;
        self.begin(Purpose::Measure { request, tag: self.tag });
    }

    fn begin(&mut self, purpose: Purpose) {
        // Parts of an array belong to one conversation.
        self.assembler.clear();
        self.talk = Some(Talk {
            purpose,
            step: 0,
            tries: 0,
            deadline: self.now,
            instead: None,
            sent: Vec::new(),
            values: Vec::new(),
            without: Vec::new(),
        });
        self.enter_step();
    }

    /// Sends what the step sends and starts its clock.
    fn enter_step(&mut self) {
        let Some(talk) = &mut self.talk else { return };
        let Some(step) = talk.steps(&self.spec).get(talk.step) else { return };
        talk.deadline = self.now + step.timeout;
        talk.tries = 0;
        talk.instead = None;
        let Some(name) = &step.send else { return };
        let items = items_of(&talk.purpose);
        let (waits, last) = (!step.reply.is_empty(), talk.step + 1 == talk.steps(&self.spec).len());
        match self.spec.encode_command(name, &items) {
            Ok(frame) => {
                talk.sent.clone_from(&frame);
                // Without a reply the next step is under way at once.
                talk.step += usize::from(!waits && !last);
                self.forget_what_came();
                self.outputs.push_back(Output::Transmit(frame));
            }
            Err(fault) => return self.cannot_ask(&fault),
        }
        if !waits && !last {
            self.enter_step();
        } else if !waits {
            self.nothing_awaited();
        }
    }

    /// The last step waits for no reply.
    fn nothing_awaited(&mut self) {
        match self.talk.take().map(|talk| talk.purpose) {
            Some(Purpose::Identify) => self.identified(None),
            // What is measured comes by itself, or not.
            Some(Purpose::Measure { request, .. }) => self.refuse(Some(request.token), NoValue::NoReply),
            Some(Purpose::KeepAlive | Purpose::SetClock { .. }) | None => {}
        }
    }

    /// A region the device has no code for; every other fault of encoding is found when the file is read.
    fn cannot_ask(&mut self, _fault: &EncodeError) {
        if let Some(Talk { purpose: Purpose::Measure { request, .. }, .. }) = self.talk.take() {
            self.refuse(Some(request.token), NoValue::NotMeasuredHere);
        }
    }

    fn no_reply(&mut self) {
        let Some(talk) = &mut self.talk else { return };
        let Some(step) = talk.steps(&self.spec).get(talk.step) else { return };
        if talk.tries < step.retries {
            talk.tries += 1;
            talk.deadline = self.now + step.timeout;
            let again = talk.sent.clone();
            self.forget_what_came();
            self.outputs.push_back(Output::Transmit(again));
            return;
        }
        let reason = talk.instead.clone().unwrap_or(NoValue::NoReply);
        match self.talk.take().map(|talk| talk.purpose) {
            Some(Purpose::Measure { request, .. }) => self.refuse(Some(request.token), reason),
            Some(Purpose::Identify) => {
                self.fell_silent(IDENTIFY_AGAIN_AFTER);
                if let Some(request) = self.waiting.take() {
                    self.refuse(Some(request.token), reason);
                }
            }
            Some(Purpose::KeepAlive) => self.fell_silent(Duration::ZERO),
            Some(Purpose::SetClock { .. }) | None => {}
        }
    }

    fn fell_silent(&mut self, ask_again_after: Duration) {
        self.identified = false;
        self.identify_at = self.now + ask_again_after;
        if !std::mem::replace(&mut self.silent, true) {
            self.event(Event::Silent);
        }
        // Without an identify to ask again, its next byte says that it is back.
        if self.spec.flow.identify.is_empty() {
            self.identified = true;
            self.last_byte = self.now;
        }
    }
}

/// What a command of this conversation may carry; each takes what it has fields for.
fn items_of(purpose: &Purpose) -> Vec<Item> {
    match purpose {
        Purpose::Identify | Purpose::KeepAlive => Vec::new(),
        Purpose::SetClock { unix_s } => vec![Item::Number { role: Role::Clock, value: *unix_s }],
        Purpose::Measure { request, tag } => {
            vec![Item::Number { role: Role::Request, value: *tag }, Item::Region(request.region)]
        }
    }
}
