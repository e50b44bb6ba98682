//! One conversation under way: where in its steps it is and how long it waits.

use super::surface::Request;
use crate::domain::metric::MetricId;
use crate::domain::reading::MeasuredValue;
use crate::protocol::NoValue;
use crate::protocol::{
    flow::{self, Step},
    spec::Spec,
};
use std::time::Instant;

/// What a conversation is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Purpose {
    Identify,
    Measure {
        request: Request,
        /// Sent along where the command has a field for it, so that an answer tells which request it is for.
        tag: u64,
    },
    KeepAlive,
    SetClock {
        unix_s: u64,
    },
}

/// A conversation under way.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) purpose: Purpose,
    pub(super) step: usize,
    pub(super) tries: u32,
    pub(super) deadline: Instant,
    /// What came since the step began and is no answer to it; none: nothing came.
    pub(super) instead: Option<NoValue>,
    /// The last frame sent, for another try.
    pub(super) sent: Vec<u8>,
    /// What its frames have given so far.
    pub(super) values: Vec<MeasuredValue>,
    pub(super) without: Vec<(MetricId, NoValue)>,
}

impl Talk {
    pub(super) fn steps<'s>(&self, spec: &'s Spec) -> &'s [Step] {
        match &self.purpose {
            Purpose::Identify => &spec.flow.identify,
            Purpose::SetClock { .. } => &spec.flow.set_clock,
            Purpose::KeepAlive => spec.flow.keep_alive.as_ref().map_or(&[], |alive| &alive.steps),
            Purpose::Measure { request, .. } => spec.measure(&request.metric).map_or(&[], |measure| &measure.steps),
        }
    }

    /// Messages that would be an answer now.
    pub(super) fn awaits<'s>(&self, spec: &'s Spec) -> Vec<&'s str> {
        flow::awaited(self.steps(spec).get(self.step..).unwrap_or_default())
    }

    /// The step that a message of this name ends: this one or a later one that needs no command of ours before it, since a
    /// reply in between may have been lost.
    pub(super) fn step_ended_by(&self, spec: &Spec, message: &str) -> Option<usize> {
        let steps = self.steps(spec);
        let ahead = steps.iter().enumerate().skip(self.step);
        ahead
            .take_while(|(at, step)| *at == self.step || step.send.is_none())
            .find(|(_, step)| step.reply.iter().any(|reply| reply == message))
            .map(|(at, _)| at)
    }
}
