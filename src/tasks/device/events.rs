//! What a device's session tells, and what becomes of it: the state that everyone sees, the observations of the station.

use super::{Device, Observation, advice};
use crate::{
    domain::device::DeviceIdentity,
    ports::LinkError,
    protocol::{Event, NoValue},
};
use std::{mem, sync::Arc};
use tracing::{debug, info, warn};

/// So many bad frames without a good one between are no disturbance any more.
const UNREADABLE_AFTER: u32 = 5;

/// Events of a device that has not said yet who it is; what comes beyond is dropped, for it is unconfirmed.
const EARLY: usize = 64;

/// One connection: what is known of the device at its other end.
pub(super) struct Call {
    /// Names the device where it does not tell its own serial number.
    serial: String,
    /// What it must call itself.
    wanted: Option<String>,
    /// What it calls itself instead: nothing of it is taken.
    pub stranger: Option<LinkError>,
    pub identity: Option<Arc<DeviceIdentity>>,
    early: Vec<Event>,
    bad_in_a_row: u32,
    pub clock_due: bool,
}

impl Call {
    pub const fn new(serial: String, wanted: Option<String>) -> Self {
        Self { serial, wanted, stranger: None, identity: None, early: Vec::new(), bad_in_a_row: 0, clock_due: false }
    }

    fn is_stranger(&self, identity: &DeviceIdentity) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| *wanted != identity.serial)
    }

    /// Completes what the device said of itself.
    fn identified(&mut self, mut identity: DeviceIdentity) -> Arc<DeviceIdentity> {
        if identity.serial.is_empty() {
            self.serial.clone_into(&mut identity.serial);
        }
        self.bad_in_a_row = 0;
        self.clock_due = true;
        Arc::clone(self.identity.insert(Arc::new(identity)))
    }
}

impl Device {
    /// Takes one event of the session: into the state, and on to the station.
    pub(super) fn note(&mut self, event: Event, call: &mut Call) {
        match event {
            Event::Identified(identity) if call.is_stranger(&identity) => {
                let (port, wanted) = (self.state.borrow().port.clone(), call.wanted.clone().unwrap_or_default());
                call.stranger = Some(LinkError::Stranger { port, wanted, found: identity.serial });
            }
            Event::Identified(identity) => {
                let identity = call.identified(identity);
                info!(protocol = identity.protocol, serial = identity.serial, "device identified");
                self.last_report.clear();
                self.state.send_modify(|state| {
                    state.connected = true;
                    state.last_fault = None;
                    state.identity = Some((*identity).clone());
                });
                self.tell(&identity, Event::Identified((*identity).clone()));
                for event in mem::take(&mut call.early) {
                    self.tell(&identity, event);
                }
            }
            Event::Battery(percent) => self.state.send_modify(|state| state.battery_percent = Some(percent)),
            Event::BadFrame(error) => {
                debug!(protocol = self.spec.id, %error, "bad frame");
                call.bad_in_a_row = call.bad_in_a_row.saturating_add(1);
                let unreadable = call.bad_in_a_row == UNREADABLE_AFTER;
                self.state.send_modify(|state| {
                    state.bad_frames += 1;
                    if unreadable {
                        state.last_fault = Some(advice::unreadable());
                    }
                });
            }
            Event::Silent => {
                self.report("the device does not answer");
                self.state.send_modify(|state| {
                    state.connected = false;
                    state.last_fault = Some(advice::silent());
                });
                call.identity.clone().into_iter().for_each(|identity| self.tell(&identity, Event::Silent));
            }
            event => match call.identity.clone() {
                Some(identity) => {
                    call.bad_in_a_row = 0;
                    self.settle(&event);
                    self.tell(&identity, event);
                }
                None if call.early.len() < EARLY => call.early.push(event),
                None => warn!(protocol = self.spec.id, "dropped what came before the device said who it is"),
            },
        }
    }

    /// The fault shown follows what the device last managed or failed to do.
    fn settle(&mut self, event: &Event) {
        let fault = match event {
            Event::Measured(_) | Event::Picture { .. } => None,
            Event::Refused {
                reason: NoValue::NoReply | NoValue::NotUnderstood | NoValue::DeviceError { .. },
                advice,
                ..
            } => Some(advice.clone()),
            _ => return,
        };
        self.state.send_if_modified(|state| {
            let changed = state.last_fault != fault;
            state.last_fault = fault;
            changed
        });
    }

    fn tell(&mut self, device: &Arc<DeviceIdentity>, event: Event) {
        let answered = match &event {
            Event::Measured(measurement) => measurement.token,
            Event::Refused { token, .. } => *token,
            Event::Busy { token } => Some(*token),
            _ => None,
        };
        self.unanswered.retain(|token| Some(*token) != answered);
        self.outgoing.push_back(Observation { device: Arc::clone(device), event });
    }

    /// The connection is over: what was asked is answered, and everyone sees why.
    pub(super) fn lost(&mut self, fault: &LinkError) {
        self.report(&fault.to_string());
        let label = fault.advice();
        let identity = self.state.borrow().identity.clone();
        if let Some(identity) = identity.map(Arc::new) {
            for token in mem::take(&mut self.unanswered) {
                let event = Event::Refused { token: Some(token), reason: NoValue::NoReply, advice: label.clone() };
                self.tell(&identity, event);
            }
        }
        self.state.send_if_modified(|state| {
            let changed = state.connected || state.last_fault.as_ref() != Some(&label);
            state.connected = false;
            state.last_fault = Some(label);
            changed
        });
    }

    /// Logs a fault once, not once a second.
    fn report(&mut self, what: &str) {
        if self.last_report != what {
            warn!(protocol = self.spec.id, "{what}");
            what.clone_into(&mut self.last_report);
        }
    }
}
