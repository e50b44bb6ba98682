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
        /// Headquarters called it off, or moved it to a day that it has not told yet.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a person says of an appointment.
    pub enum Deed as "deed" {
        Arrive = "arrive",
        /// Did not come, or left without a chair.
        Miss = "miss",
        /// The last of these was a slip of the finger.
        Undo = "undo",
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
    /// The beautician it is meant for, staff number or name; empty for any.
    pub staff: String,
    pub origin: Origin,
    pub state: AppointmentState,
    pub arrived: Option<Timestamp>,
    pub visit: Option<VisitId>,
}

impl Appointment {
    /// State and arrival after `deed`; `None` where it cannot be. Who was missed keeps the arrival: so a slip of the finger
    /// gives the customer back the place and the time already waited.
    #[must_use]
    pub fn after(&self, deed: Deed, now: Timestamp) -> Option<(AppointmentState, Option<Timestamp>)> {
        use AppointmentState::{Booked, Missed, Waiting};
        if self.visit.is_some() {
            return None;
        }
        match (deed, self.state) {
            (Deed::Arrive, Waiting) => Some((Waiting, self.arrived)),
            (Deed::Arrive, _) => Some((Waiting, Some(now))),
            (Deed::Miss, _) => Some((Missed, self.arrived)),
            (Deed::Undo, Missed) if self.arrived.is_some() => Some((Waiting, self.arrived)),
            (Deed::Undo, _) if self.origin == Origin::WalkIn => None,
            (Deed::Undo, _) => Some((Booked, None)),
        }
    }

    /// Whole minutes since the arrival of someone who still waits.
    #[must_use]
    pub fn waited_min(&self, now: Timestamp) -> Option<i64> {
        let arrived = self.arrived.filter(|_| self.state == AppointmentState::Waiting)?;
        Some((now.unix_ms() - arrived.unix_ms()).max(0) / 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(min: i64) -> Timestamp {
        Timestamp::from_unix_ms(min * 60_000)
    }

    fn one(origin: Origin, state: AppointmentState, arrived: Option<i64>) -> Appointment {
        Appointment {
            id: AppointmentId::from_bits(1),
            customer: CustomerId::from_bits(2),
            starts: at(600),
            minutes: 60,
            station: String::new(),
            service: String::new(),
            staff: String::new(),
            origin,
            state,
            arrived: arrived.map(at),
            visit: None,
        }
    }

    #[test]
    fn every_deed_is_undone_to_where_it_came_from() {
        use AppointmentState::{Booked, Missed, Waiting};
        let then = |of: &Appointment, deed| of.after(deed, at(630));
        let follow = |of: &Appointment, deed| {
            let (state, arrived) = then(of, deed).expect("can be");
            Appointment { state, arrived, ..of.clone() }
        };
        let booked = one(Origin::Store, Booked, None);
        assert_eq!(follow(&follow(&booked, Deed::Arrive), Deed::Undo), booked);
        assert_eq!(follow(&follow(&booked, Deed::Miss), Deed::Undo), booked);
        for origin in [Origin::Store, Origin::WalkIn] {
            let waits = one(origin, Waiting, Some(590));
            let left = follow(&waits, Deed::Miss);
            assert_eq!((left.state, left.waited_min(at(630))), (Missed, None));
            assert_eq!(follow(&left, Deed::Undo), waits, "with the time already waited");
            assert_eq!(follow(&left, Deed::Arrive).arrived, Some(at(630)), "back again: waits from now on");
            assert_eq!(follow(&waits, Deed::Arrive), waits, "a second tap changes nothing");
        }
        assert_eq!(then(&one(Origin::WalkIn, Waiting, Some(590)), Deed::Undo), None, "there is nothing before it");
        let seated = Appointment { visit: Some(VisitId::from_bits(3)), ..booked };
        assert!(Deed::ALL.iter().all(|deed| then(&seated, *deed).is_none()), "the visit is corrected instead");
    }
}
