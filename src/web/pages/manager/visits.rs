//! The visits of a day, and those that nobody has closed.

use super::{called, hours, refused};
use crate::{
    domain::{Timestamp, staff::Person, visit::VisitState},
    report::Lang,
    store::DayVisit,
    web::{
        AppState,
        api::{self, reports::promised},
        error::WebError,
        pages::rail,
    },
};

/// A treatment rarely takes longer: from here on somebody should look.
const LONG_H: i64 = 4;

/// A visit of the day.
#[derive(Debug)]
pub struct Line {
    pub id: String,
    pub opened: String,
    /// Empty while it is open.
    pub closed: String,
    pub customer: String,
    pub customer_id: String,
    pub chair: String,
    /// Where it goes on; empty once it is closed.
    pub station: String,
    pub beautician: String,
    pub steps: String,
    pub class: &'static str,
    pub state: &'static str,
    pub report_class: &'static str,
    /// Empty while the visit is open, and where it was struck out.
    pub report: &'static str,
    pub voided: bool,
}

/// A visit that is open.
#[derive(Debug)]
pub struct Unfinished {
    pub opened: String,
    pub customer: String,
    pub chair: String,
    pub station: String,
    pub beautician: String,
    /// The step at which it stands.
    pub step: &'static str,
    /// Opened on an earlier day.
    pub forgotten: bool,
    pub class: &'static str,
    pub state: String,
}

/// All that count, and those of them that were closed.
pub fn counts(visits: &[DayVisit]) -> (usize, usize) {
    let of = |state| visits.iter().filter(|one| one.visit.state == state).count();
    let closed = of(VisitState::Closed);
    (of(VisitState::Open) + closed, closed)
}

fn chair(state: &AppState, lang: Lang, id: &str) -> String {
    state.station(id).map_or_else(|| id.to_owned(), |station| lang.label(station.label()).to_owned())
}

pub fn line(state: &AppState, lang: Lang, people: &[Person], of: &DayVisit, now: Timestamp) -> Line {
    let visit = &of.visit;
    let (class, words) = match visit.state {
        VisitState::Open => ("warn", lang.pick("进行中", "open")),
        VisitState::Closed => ("good", lang.pick("已结束", "closed")),
        VisitState::Voided => ("bad", lang.pick("已作废", "voided")),
    };
    let (report_class, report) = report(lang, of, now);
    let steps: Vec<&str> = visit.steps.iter().map(String::as_str).collect();
    Line {
        id: visit.id.to_string(),
        opened: visit.opened.wall.to_string(),
        closed: visit.closed.map_or_else(String::new, |at| at.wall.to_string()),
        customer: of.customer.name.clone(),
        customer_id: of.customer.id.to_string(),
        chair: chair(state, lang, &visit.station),
        station: if visit.state == VisitState::Open { visit.station.clone() } else { String::new() },
        beautician: called(lang, people, &visit.beautician),
        steps: lang.list(&steps),
        class,
        state: words,
        report_class,
        report,
        voided: visit.state == VisitState::Voided,
    }
}

/// How far the report of a closed visit came, held against the two hours that were promised.
fn report(lang: Lang, of: &DayVisit, now: Timestamp) -> (&'static str, &'static str) {
    if of.visit.state != VisitState::Closed {
        return ("", "");
    }
    let promised = promised(&of.visit);
    let late = |at: Timestamp| promised.is_some_and(|until| until < at);
    match of.reported {
        Some(at) if late(at) => ("warn", lang.pick("报告已发，晚了", "report delivered late")),
        Some(_) => ("good", lang.pick("报告已发", "report delivered")),
        None if !of.wants_report => ("plain", lang.pick("不要报告", "no report wanted")),
        None if late(now) => ("bad", lang.pick("报告已过两小时", "report over two hours")),
        None => ("warn", lang.pick("报告等着发", "report to deliver")),
    }
}

pub async fn unfinished(
    state: &AppState,
    lang: Lang,
    people: &[Person],
    of: &DayVisit,
    now: Timestamp,
) -> Result<Unfinished, WebError> {
    let visit = &of.visit;
    let view = api::view(&state.store, visit.id).await?;
    let sheet = state.store.sheet(visit.id).await.map_err(|fault| refused::store(&fault))?;
    let items = rail::items(lang, &view, &sheet);
    let next = rail::next(&items);
    let zone = state.about.calendar.zone;
    let forgotten = zone.day(visit.opened.wall) < zone.day(now);
    let so_long = hours(visit.opened.wall, now);
    let (class, words) = if forgotten {
        ("bad", lang.pick("以前留下的", "left open before today").to_owned())
    } else if so_long > LONG_H {
        ("warn", lang.sentence(&format!("已开 {so_long} 小时"), &format!("open for {so_long} h")))
    } else {
        ("good", lang.pick("护理中", "in the chair").to_owned())
    };
    Ok(Unfinished {
        opened: visit.opened.wall.to_string(),
        customer: of.customer.name.clone(),
        chair: chair(state, lang, &visit.station),
        station: visit.station.clone(),
        beautician: called(lang, people, &visit.beautician),
        step: items.iter().find(|item| item.key == next).map_or("", |item| item.title),
        forgotten,
        class,
        state: words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BootId, ClockState, CustomerId, Stamp, VisitId, customer::Customer, visit::Visit};

    fn stamp(hours: i64) -> Stamp {
        let wall = Timestamp::from_unix_ms(hours * 3_600_000);
        Stamp { boot: BootId::from_bits(1), monotonic_ns: 0, wall, clock: ClockState::Synced }
    }

    fn of(state: VisitState, wants_report: bool, reported: Option<i64>) -> DayVisit {
        let id = CustomerId::from_bits(7);
        let text = String::new;
        let closed = (state == VisitState::Closed).then(|| stamp(10));
        DayVisit {
            visit: Visit {
                id: VisitId::from_bits(1),
                customer: id,
                station: text(),
                beautician: text(),
                state,
                steps: Vec::new(),
                version: 1,
                opened: stamp(8),
                closed,
            },
            customer: Customer { id, name: text(), phone: text(), skin_type: text(), notes: text() },
            wants_report,
            reported: reported.map(|hours| stamp(hours).wall),
        }
    }

    #[test]
    fn a_report_is_late_two_hours_after_the_visit() {
        use VisitState::{Closed, Open, Voided};
        let found = |state, wants, reported, now| report(Lang::En, &of(state, wants, reported), stamp(now).wall).1;
        assert_eq!(found(Closed, true, None, 11), "report to deliver");
        assert_eq!(found(Closed, true, None, 13), "report over two hours");
        assert_eq!(found(Closed, true, Some(11), 20), "report delivered");
        assert_eq!(found(Closed, true, Some(13), 20), "report delivered late");
        assert_eq!(found(Closed, false, None, 20), "no report wanted");
        assert_eq!([found(Open, true, None, 20), found(Voided, true, None, 20)], ["", ""]);
    }

    #[test]
    fn what_was_struck_out_counts_for_nothing() {
        let day = [VisitState::Open, VisitState::Closed, VisitState::Voided].map(|state| of(state, true, None));
        assert_eq!(counts(&day), (2, 1));
    }
}
