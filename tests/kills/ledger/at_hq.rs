//! What headquarters' tables hold, read as they grow, by what it is about.

use super::told::{Fact, ScoreKey};
use skinlink::{
    hq::ledger::{Ledger as Tables, Stored},
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload::{self, kind},
        sheet::Report,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry},
    fmt::Debug,
};

/// Rows of headquarters read at once.
const ROWS: u32 = 10_000;

/// Epoch, in the order of arrival, and number: what was said later stands later.
type Place = (usize, u64);

/// One value by device, number and metric.
pub type Counter = (String, u64, String);

#[derive(Debug, Default)]
pub struct AtHq {
    /// Number of the last row read.
    read: u64,
    epochs: Vec<String>,
    /// Each told event by its id; the same under another number is known by it.
    events: HashSet<String>,
    redactions: HashSet<String>,
    /// Redacted events by subject: a visit, a capture, a customer.
    pub redacted: BTreeMap<String, u32>,
    /// States of each visit by version.
    pub visits: BTreeMap<String, BTreeMap<u64, payload::Visit>>,
    pub scans: BTreeMap<String, BTreeMap<Place, payload::Scan>>,
    /// Phases that scans were moved to.
    moves: BTreeMap<String, BTreeMap<Place, String>>,
    pub readings: BTreeMap<String, payload::Reading>,
    pub repeats: HashMap<String, String>,
    pub counters: HashMap<Counter, String>,
    pub captures: BTreeMap<String, payload::Capture>,
    pub scores: BTreeMap<ScoreKey, payload::Score>,
    pub comparisons: BTreeMap<String, payload::Comparison>,
    pub facts: BTreeMap<Fact, u32>,
    /// The last word by customer and purpose.
    consents: BTreeMap<(String, String), (Place, bool)>,
    pub erased: BTreeSet<String>,
    /// Treatment steps of the service sheet of each visit, told when it is closed.
    pub sheets: BTreeMap<String, Vec<String>>,
    /// States of each report under its link.
    reports: BTreeMap<String, BTreeMap<Place, String>>,
    /// What customers said, by id and state.
    said: BTreeMap<(String, String), payload::Feedback>,
    /// Values of the device that measures the store itself, by number.
    pub measured: HashMap<u64, String>,
}

impl AtHq {
    /// Reads what has come since the last time.
    ///
    /// # Panics
    /// When something stands there twice: no waiting mends that.
    pub fn read_on(&mut self, tables: &Tables) {
        loop {
            let rows = tables.events_after(self.read, ROWS).expect("events");
            let Some(last) = rows.last() else { return };
            self.read = last.n;
            for row in rows.iter().filter(|row| row.refused.is_none()) {
                if row.kind.ends_with(kind::REDACTED) {
                    // What was redacted may have been told before under its id, or be told again.
                    if self.redactions.insert(row.id.clone()) {
                        *self.redacted.entry(row.subject.clone()).or_default() += 1;
                    }
                } else if self.events.insert(row.id.clone()) {
                    let place = self.place(row);
                    self.take(row, place);
                }
            }
        }
    }

    fn place(&mut self, row: &Stored) -> Place {
        let known = self.epochs.iter().position(|epoch| *epoch == row.epoch);
        let epoch = known.unwrap_or_else(|| {
            self.epochs.push(row.epoch.clone());
            self.epochs.len() - 1
        });
        (epoch, row.seq)
    }

    fn take(&mut self, row: &Stored, place: Place) {
        let mut fact = |fact| *self.facts.entry(fact).or_default() += 1;
        match row.kind.strip_prefix(TYPE_PREFIX).unwrap_or_default() {
            kind::READING => {
                let reading: payload::Reading = row.data().expect("a reading");
                self.take_reading(reading);
            }
            kind::MEASUREMENT => {
                let event: Event = serde_json::from_str(&row.body).expect("an event");
                let payload::Measurement { counter, values, .. } =
                    serde_json::from_str(event.data.get()).expect("a measurement");
                let counter = counter.expect("the analyser numbers its values");
                let before = self.measured.insert(counter, values[0].value.to_string());
                assert_eq!(before, None, "measurement {counter} of the store stands at headquarters twice");
            }
            kind::CAPTURE => {
                let capture: payload::Capture = row.data().expect("a capture");
                once(&mut self.captures, capture.capture.clone(), capture);
            }
            kind::SCORE => {
                let score: payload::Score = row.data().expect("a score");
                let payload::Score { capture, engine, metric, region, .. } = &score;
                let key = [capture.clone(), engine.model.clone(), metric.clone(), region.clone()];
                once(&mut self.scores, key, score);
            }
            kind::COMPARISON => {
                let comparison: payload::Comparison = row.data().expect("a comparison");
                once(&mut self.comparisons, comparison.comparison.clone(), comparison);
            }
            kind::VISIT => {
                let visit: payload::Visit = row.data().expect("a visit");
                fact(Fact::Saved { visit: visit.visit.clone() });
                once(self.visits.entry(visit.visit.clone()).or_default(), visit.version, visit);
            }
            kind::SCAN => {
                let scan: payload::Scan = row.data().expect("a scan");
                once(self.scans.entry(scan.scan.clone()).or_default(), place, scan);
            }
            kind::CONSENT => {
                let payload::Consent { customer, purpose, given, .. } = row.data().expect("a consent");
                fact(Fact::Consent { customer: customer.clone(), purpose: purpose.clone(), given });
                let last = self.consents.entry((customer, purpose)).or_insert((place, given));
                *last = (*last).max((place, given));
            }
            kind::VOIDED => {
                let payload::Voided { what, id, restored, .. } = row.data().expect("something struck out");
                let known = ["visit", "scan", "reading", "capture"].into_iter().find(|known| *known == what);
                fact(Fact::Struck { what: known.expect("something that can be struck out"), id, restored });
            }
            kind::REASSIGNED => {
                let payload::Reassigned { what, id, customer, phase, .. } = row.data().expect("something moved");
                let to = phase.clone().or(customer).expect("where it was moved to");
                let what = if what == "scan" { "scan" } else { "visit" };
                self.moves.entry(id.clone()).or_default().extend(phase.map(|phase| (place, phase)));
                fact(Fact::Moved { what, id, to });
            }
            kind::ERASED => {
                self.erased.insert(row.data::<payload::Erased>().expect("an erasure").customer);
            }
            kind::REPORT => {
                let told: Report = row.data().expect("a report");
                assert_eq!(told.sheet.is_some(), told.state == "open", "{told:?}");
                once(self.reports.entry(told.report).or_default(), place, told.state);
            }
            kind::FEEDBACK => {
                let said: payload::Feedback = row.data().expect("something that was said");
                once(&mut self.said, (said.feedback.clone(), said.state.clone()), said);
            }
            kind::SHEET => {
                let sheet: payload::ServiceSheet = row.data().expect("a service sheet");
                once(&mut self.sheets, sheet.visit, sheet.steps.into_iter().map(|step| step.step).collect());
            }
            kind::CLOCK | kind::ALIAS => {}
            other => panic!("headquarters has an event of kind {other:?}, which the ledger does not know: {row:?}"),
        }
    }

    fn take_reading(&mut self, reading: payload::Reading) {
        let payload::Reading { device, repeats, metric, .. } = &reading;
        for repeat in repeats {
            let before = self.repeats.insert(repeat.repeat.clone(), repeat.value.clone());
            assert_eq!(before, None, "repeat {} stands at headquarters twice", repeat.repeat);
            if let Some(counter) = repeat.counter {
                let key = (device.protocol.clone(), counter, metric.clone());
                let before = self.counters.insert(key, repeat.value.clone());
                assert_eq!(before, None, "{} {counter} stands at headquarters twice", device.protocol);
            }
        }
        once(&mut self.readings, reading.reading.clone(), reading);
    }

    /// State and phase of a scan, by the last words on them.
    pub fn scan(&self, id: &str) -> Option<(&str, &str)> {
        let (said, last) = self.scans.get(id)?.last_key_value()?;
        let moved = self.moves.get(id).and_then(BTreeMap::last_key_value).filter(|(place, _)| *place > said);
        Some((&last.state, moved.map_or(&last.phase, |(_, phase)| phase)))
    }

    /// The last word of a customer on a purpose.
    pub fn consent(&self, customer: &str, purpose: &str) -> Option<bool> {
        self.consents.get(&(customer.to_owned(), purpose.to_owned())).map(|(_, given)| *given)
    }
}

fn once<K: Ord + Debug, V: Debug>(all: &mut BTreeMap<K, V>, key: K, value: V) {
    match all.entry(key) {
        Entry::Vacant(free) => drop(free.insert(value)),
        Entry::Occupied(taken) => {
            panic!("{:?} stands at headquarters twice: {:?}, {value:?}", taken.key(), taken.get())
        }
    }
}
