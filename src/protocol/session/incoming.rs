//! What the device sends: replies, measurements of its own, errors, pictures.

use super::{
    Session,
    seen::Verdict,
    surface::{Event, Measurement, Output, UNNUMBERED},
    talk::{Purpose, Talk},
};
use crate::domain::{
    device::DeviceIdentity,
    reading::{MeasuredValue, QualityFlag},
};
use crate::protocol::{
    FrameError, Spec,
    derive::Taken,
    flow::Unasked,
    framing::Kind,
    item::{Decoded, NoValue, Role},
    picture::{Incoming, Next},
};

/// A sound message, with its payload where that tells whether it comes again.
struct Heard {
    decoded: Decoded,
    payload: Vec<u8>,
}

impl Heard {
    fn of(spec: &Spec, awaited: &[&str], result: Result<&[u8], FrameError>) -> Result<Self, FrameError> {
        let payload = result?;
        let decoded = spec.decode_reply(payload, awaited)?;
        let counts = spec.flow.acknowledge.is_some() || decoded.number(Role::Counter).is_some();
        Ok(Self { decoded, payload: if counts { payload.to_vec() } else { Vec::new() } })
    }
}

impl Session {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // A frame that stopped before a long pause must not swallow what comes now.
        if self.framer.is_waiting() && self.now >= self.last_byte + self.spec.framing.gap {
            self.frame_stopped();
        }
        self.last_byte = self.now;
        self.came_instead(NoValue::NotUnderstood);
        let (spec, mut heard) = (self.spec.clone(), Vec::new());
        let awaited = self.talk.as_ref().map_or_else(Vec::new, |talk| talk.awaits(&spec));
        self.framer.expect(spec.bare_bytes(&awaited));
        self.framer.feed(bytes, &mut |result| heard.push(Heard::of(&spec, &awaited, result)));
        self.heard(heard);
    }

    /// Where only the question tells what an answer is, nothing that came before the question may be a part of it.
    pub(super) fn forget_what_came(&mut self) {
        let awaited = self.talk.as_ref().map_or_else(Vec::new, |talk| talk.awaits(&self.spec));
        if self.spec.framing.kind == Kind::Silence && self.spec.bare_bytes(&awaited).is_some() {
            let mut faults = Vec::new();
            self.framer.expect(None);
            self.framer.give_up(&mut |result| faults.extend(result.err()));
            faults.into_iter().for_each(|fault| self.event(Event::BadFrame(fault)));
        }
    }

    pub(super) fn frame_stopped(&mut self) {
        let (spec, mut heard) = (self.spec.clone(), Vec::new());
        let awaited = self.talk.as_ref().map_or_else(Vec::new, |talk| talk.awaits(&spec));
        self.framer.give_up(&mut |result| heard.push(Heard::of(&spec, &awaited, result)));
        self.heard(heard);
    }

    fn heard(&mut self, heard: Vec<Result<Heard, FrameError>>) {
        let mut refuse = self.spec.flow.refuse.clone();
        for result in heard {
            match result {
                Ok(Heard { decoded, payload }) => self.message(&decoded, &payload),
                Err(fault) => {
                    // Once for all that came together: one spoilt frame may show as several faults.
                    if let Some(command) = refuse.take_if(|_| fault.spoilt_a_frame()) {
                        self.send(&command, &[]);
                    }
                    self.event(Event::BadFrame(fault));
                }
            }
        }
    }

    /// The device speaks: if no answer comes of it, "does not answer" would send people to its cable.
    fn came_instead(&mut self, what: NoValue) {
        if let Some(talk) = &mut self.talk {
            talk.instead = Some(what);
        }
    }

    fn message(&mut self, decoded: &Decoded, payload: &[u8]) {
        if self.silent && self.spec.flow.identify.is_empty() {
            self.identified(None);
        }
        if let Some(percent) = decoded.number(Role::Battery).and_then(|percent| u8::try_from(percent).ok())
            && percent <= 100
        {
            self.event(Event::Battery(percent));
        }
        // Two answers came together: the first one ended the question by which the second was read.
        if self.spec.is_known_by_its_question(&decoded.name) && self.awaited(decoded).is_none() {
            return;
        }
        let answers = self.spec.clone();
        for answer in answers.flow.answers.iter().filter(|answer| answer.to == decoded.name) {
            self.send(&answer.send, &[]);
        }
        if self
            .spec
            .flow
            .picture
            .as_ref()
            .is_some_and(|flow| flow.announce == decoded.name || flow.chunk == decoded.name)
        {
            self.picture_part(decoded);
        } else if let Some(code) = self.error_in(decoded) {
            self.device_error(decoded, code);
        } else if self.spec.message(&decoded.name).is_some_and(|shape| shape.measures) {
            self.values(decoded, payload);
        } else if let Some(step) = self.awaited(decoded) {
            self.replied(step, decoded);
        }
    }

    fn error_in(&self, decoded: &Decoded) -> Option<String> {
        let number = decoded.number(Role::Error).map(|code| code.to_string());
        let said = || self.spec.error_said_by(&decoded.name).map(|error| error.sign.word());
        number.or_else(|| decoded.text(Role::Error).map(str::to_owned)).or_else(said)
    }

    /// The step of the conversation that this message ends, if it is meant for it.
    fn awaited(&self, decoded: &Decoded) -> Option<usize> {
        let talk = self.talk.as_ref()?;
        if let Purpose::Measure { request, tag } = &talk.purpose {
            let other_request = decoded.number(Role::Request).is_some_and(|found| found != *tag);
            let other_region = decoded.region().is_some_and(|found| found != request.region);
            if other_request || other_region {
                return None;
            }
        }
        talk.step_ended_by(&self.spec, &decoded.name)
    }

    fn replied(&mut self, step: usize, decoded: &Decoded) {
        let Some(talk) = &mut self.talk else { return };
        talk.step = step + 1;
        if talk.step < talk.steps(&self.spec).len() {
            self.enter_step();
            return;
        }
        match self.talk.take() {
            Some(Talk { purpose: Purpose::Identify, values, without, .. }) => {
                self.identified(Some(decoded));
                self.measured_by_the_way(Taken { values, without }, decoded);
            }
            Some(Talk { purpose: Purpose::Measure { request, .. }, values, without, .. }) => {
                self.measured_for(&request, Taken { values, without }, decoded);
            }
            Some(Talk { values, without, .. }) => self.measured_by_the_way(Taken { values, without }, decoded),
            None => {}
        }
    }

    pub(super) fn identified(&mut self, reply: Option<&Decoded>) {
        self.identified = true;
        self.silent = false;
        let text = |role| reply.and_then(|reply| reply.text(role)).unwrap_or_default().to_owned();
        self.event(Event::Identified(DeviceIdentity {
            protocol: self.spec.id.clone(),
            protocol_version: self.spec.version.clone(),
            serial: text(Role::Serial),
            probe: text(Role::Probe),
            firmware: text(Role::Firmware),
        }));
    }

    fn device_error(&mut self, decoded: &Decoded, code: String) {
        let reason = NoValue::DeviceError { code };
        let token = match &self.talk {
            Some(Talk { purpose: Purpose::Measure { request, tag }, .. })
                if decoded.number(Role::Request).is_none_or(|found| found == *tag) =>
            {
                Some(request.token)
            }
            _ => None,
        };
        // An error is an answer to whatever the clock asks; who it is it still has to say.
        let asked_by_the_clock = |talk: &Talk| matches!(talk.purpose, Purpose::KeepAlive | Purpose::SetClock { .. });
        if token.is_some() || self.talk.as_ref().is_some_and(asked_by_the_clock) {
            self.talk = None;
        }
        self.came_instead(reason.clone());
        self.refuse(token, reason);
    }

    fn values(&mut self, decoded: &Decoded, payload: &[u8]) {
        let counter = self.receipt(decoded);
        // Without an acknowledge the device has nothing to wait for: it never sends again.
        let again = counter.filter(|_| self.spec.flow.acknowledge.is_some());
        let verdict = again.map_or(Verdict::Report, |counter| self.seen.came(self.now, counter, payload));
        let awaited = self.awaited(decoded);
        match (verdict, counter) {
            (Verdict::UnderWay, _) => return self.told_before(awaited, decoded),
            (Verdict::Acknowledge, Some(counter)) => {
                self.acknowledge(counter);
                return self.told_before(awaited, decoded);
            }
            _ => {}
        }
        if awaited.is_none() && self.spec.flow.unasked == Unasked::Dropped {
            return;
        }
        let asked_at = match &self.talk {
            Some(Talk { purpose: Purpose::Measure { request, .. }, .. }) if awaited.is_some() => Some(request.region),
            _ => None,
        };
        let taken = self.assembler.take(&self.spec.clone(), decoded, decoded.region().or(asked_at));
        match (awaited, &mut self.talk) {
            (Some(step), Some(talk)) => {
                talk.values.extend(taken.values);
                talk.without.extend(taken.without);
                self.replied(step, decoded);
            }
            _ => self.measured_unasked(taken, decoded),
        }
    }

    /// The same measurement again: nothing new, but to the clock's question it is an answer.
    fn told_before(&mut self, awaited: Option<usize>, decoded: &Decoded) {
        let asked = self.talk.as_ref().is_some_and(|talk| matches!(talk.purpose, Purpose::KeepAlive));
        if let Some(step) = awaited.filter(|_| asked) {
            self.replied(step, decoded);
        }
    }

    /// Values of a conversation that nobody waits for: the clock asked, or the device said them with its name.
    fn measured_by_the_way(&mut self, taken: Taken, last: &Decoded) {
        let Taken { values, mut without } = taken;
        let reason = without.pop().map(|(_, reason)| reason);
        match (values.is_empty(), reason) {
            (true, None) => return,
            (true, Some(reason)) => self.refuse(None, reason),
            (false, _) => {}
        }
        self.report(None, values, last.flags(), last);
    }

    /// The conversation of `request` has ended; the last frame says counter, time and flags.
    fn measured_for(&mut self, request: &super::Request, taken: Taken, last: &Decoded) {
        let found = taken.values.iter().any(|value| value.metric == request.metric);
        if !found {
            let reason = taken.without.into_iter().find(|(metric, _)| *metric == request.metric);
            self.refuse(Some(request.token), reason.map_or(NoValue::Absent, |(_, reason)| reason));
        }
        let token = found.then_some(request.token);
        self.report(token, taken.values, last.flags(), last);
    }

    fn measured_unasked(&mut self, taken: Taken, decoded: &Decoded) {
        let mut flags = decoded.flags();
        // A tag that is not ours now says: the late answer to an earlier request. Without one, the device began by itself.
        let late = decoded.number(Role::Request).is_some_and(|tag| tag != 0);
        if !late && !flags.contains(&QualityFlag::DeviceStarted) {
            flags.push(QualityFlag::DeviceStarted);
        }
        if taken.values.is_empty()
            && let Some((_, reason)) = taken.without.into_iter().next()
        {
            self.refuse(None, reason);
        }
        self.report(None, taken.values, flags, decoded);
    }

    /// Tells of values; where there are none, nothing has to become durable and the device may forget it at once.
    fn report(&mut self, token: Option<u64>, values: Vec<MeasuredValue>, flags: Vec<QualityFlag>, decoded: &Decoded) {
        let counter = decoded.number(Role::Counter);
        if !values.is_empty() {
            let device_time_ms = decoded.number(Role::DeviceTime);
            self.event(Event::Measured(Measurement { token, values, counter, device_time_ms, flags }));
        } else if let Some(receipt) = self.receipt(decoded) {
            self.confirmed(receipt);
        }
    }

    /// Under which number a measurement is confirmed; `None` where the device waits for no word of ours and counts nothing.
    fn receipt(&self, decoded: &Decoded) -> Option<u64> {
        let waits = self.spec.flow.acknowledge.is_some();
        decoded.number(Role::Counter).or_else(|| waits.then_some(UNNUMBERED))
    }

    fn picture_part(&mut self, decoded: &Decoded) {
        let Some(flow) = self.spec.clone().flow.picture.clone() else { return };
        if flow.chunk == decoded.name {
            let next = self.picture.as_mut().map(|picture| picture.chunk(&flow, decoded, self.now));
            self.picture_next(next.unwrap_or(Next::Wait));
            return;
        }
        match Incoming::announced(&flow, decoded, self.now) {
            None => self.event(Event::BadFrame(FrameError::Field {
                message: decoded.name.clone(),
                field: Role::PictureBytes.to_string(),
                problem: format!("no picture of 1 to {} bytes in chunks", flow.max_bytes),
            })),
            Some(new) if self.picture_owed == Some(new.id) => {}
            Some(new) if self.picture_stored == Some(new.id) => self.picture_done(new.id.counter),
            Some(new) if self.picture.as_ref().is_some_and(|old| old.id == new.id) => {}
            Some(new) => {
                let next = self.picture.insert(new).ask(&flow, self.now);
                self.picture_next(next);
            }
        }
    }

    pub(super) fn picture_late(&mut self) {
        let Some(flow) = self.spec.clone().flow.picture.clone() else { return };
        let next = self.picture.as_mut().map(|picture| picture.late(&flow, self.now));
        self.picture_next(next.unwrap_or(Next::Wait));
    }

    fn picture_next(&mut self, next: Next) {
        let Some(flow) = self.spec.clone().flow.picture.clone() else { return };
        match next {
            Next::Wait => {}
            Next::Ask(items) => self.send(&flow.request, &items),
            Next::GaveUp => {
                self.picture = None;
                self.event(Event::BadFrame(FrameError::Unfinished { bytes: 0 }));
            }
            Next::Whole { bytes, id } => {
                let counter = id.counter;
                self.picture = None;
                self.picture_owed = Some(id);
                self.outputs.push_back(Output::Event(Event::Picture { bytes, counter }));
            }
        }
    }

    pub(super) fn picture_done(&mut self, counter: Option<u64>) {
        let Some(flow) = self.spec.clone().flow.picture.clone() else { return };
        let items: Vec<_> =
            counter.map(|value| super::Item::Number { role: Role::Counter, value }).into_iter().collect();
        self.send(&flow.done, &items);
    }
}
