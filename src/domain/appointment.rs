//! A place in the day: booked, or walked in; the waiting time counts from the arrival.

use super::{AppointmentId, CustomerId, Timestamp, VisitId, word::words};

words! {
    /// Who made it.
    pub enum Origin as "origin" { Headquarters = "hq", Store = "store", WalkIn = "walk_in" }
}

words! {
    /// Where it stands.
    pub enum AppointmentState as "appointment state" {
        Booked = "booked",
        /// In the shop, waiting for a chair.
        Waiting = "waiting",
        /// In a chair, or home again.
        Seated = "seated",
        Missed = "missed",
    }
}

/// One appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    pub id: AppointmentId,
    pub customer: CustomerId,
    pub starts: Timestamp,
    pub minutes: u32,
    /// The chair it is meant for; empty for any.
    pub station: String,
    /// What was booked, in the salon's words.
    pub service: String,
    pub origin: Origin,
    pub state: AppointmentState,
    pub arrived: Option<Timestamp>,
    pub visit: Option<VisitId>,
}

impl Appointment {
    /// Whole minutes since the arrival of someone who still waits.
    #[must_use]
    pub fn waited_min(&self, now: Timestamp) -> Option<i64> {
        let arrived = self.arrived.filter(|_| self.state == AppointmentState::Waiting)?;
        Some((now.unix_ms() - arrived.unix_ms()).max(0) / 60_000)
    }
}
