//! The independent ledger: what was confirmed to people and to devices, held against headquarters' tables.

use openssl::sha::sha256;
use serde_json::Value;
use skinlink::{
    app::demo::{stage::GATEWAY, summary::Sent},
    hq::{
        ledger::{Ledger as Tables, Picture, Stored},
        shelf::Shelves,
    },
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload::{self, kind},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

/// Rows of headquarters read at once.
const ROWS: u32 = 10_000;

/// What must be at headquarters.
#[derive(Debug, Default)]
pub struct Confirmed {
    /// Repeats that an answer of the daemon showed, with their values.
    repeats: BTreeMap<String, String>,
    /// Repeats shown before their reading was closed: a reading must hold them in the end.
    open: BTreeSet<String>,
    captures: BTreeSet<String>,
    comparisons: BTreeSet<String>,
    closed_visits: BTreeSet<String>,
    /// Customers whose erasure was confirmed or had begun.
    pub erased: BTreeSet<String>,
    /// Values lying in the tray, by protocol, metric and value: kept, and told to nobody.
    tray: HashSet<(String, String, String)>,
    /// What was taken back before headquarters may have had it: it may be there once or not at all.
    forgiven: HashSet<String>,
    forgiven_counters: HashSet<(&'static str, u64)>,
    /// What the analyser of the store itself was told is kept: values by number.
    pub measured: BTreeMap<u64, String>,
    pub visits: u32,
    /// Headquarters raises an alarm for each.
    pub epochs_begun: usize,
}

impl Confirmed {
    /// Notes what the daemon shows of a visit as kept: from now on it must not be lost.
    pub fn note(&mut self, view: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let id = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
        for scan in list(&view["scans"]) {
            for repeat in list(&scan["readings"]).iter().flat_map(|reading| list(&reading["repeats"])) {
                let value = repeat["value"].as_str().unwrap_or_default().to_owned();
                let before = self.repeats.insert(id(&repeat), value.clone());
                assert!(before.is_none_or(|before| before == value), "a value was edited: {repeat}");
            }
            if scan["state"] == "running" || scan["state"] == "paused" {
                self.open.extend(list(&scan["open_repeats"]).iter().map(id));
            }
            self.captures.extend(list(&scan["captures"]).iter().map(id));
        }
        self.comparisons.extend(list(&view["comparisons"]).iter().map(id));
        if view["state"] == "closed" {
            self.closed_visits.insert(id(view));
        }
    }

    /// What lies in the tray now.
    pub fn note_tray(&mut self, tray: &Value) {
        for item in tray["tray"].as_array().into_iter().flatten() {
            let word = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.tray.insert((word("/device/protocol"), word("/metric"), word("/value")));
        }
    }

    /// The visit is over: what was shown open must have become part of a reading, unless it was measured again or its
    /// scan given up.
    pub fn settle_open(&mut self, dropped: bool) {
        let open = std::mem::take(&mut self.open);
        let lost: Vec<_> = open.iter().filter(|id| !self.repeats.contains_key(*id)).collect();
        assert!(dropped || lost.is_empty(), "values shown as kept are in no reading: {lost:?}");
    }

    /// Consent to share was taken back, or the visit given to another customer: what headquarters had not got yet need not
    /// come any more. It must still not come twice.
    pub fn forgive(&mut self, view: &Value) {
        let mut of_visit = Self::default();
        of_visit.note(view);
        self.forgiven.extend(of_visit.repeats.into_keys());
        self.forgiven.extend(of_visit.captures.into_iter().chain(of_visit.comparisons));
    }

    /// Measurements of a scan that was given up or begun again: kept, and told to nobody.
    pub fn forgive_counters(&mut self, sent: &[Sent], before: &[Sent]) {
        let of_this_visit = sent.iter().filter(|line| !before.contains(line));
        self.forgiven_counters.extend(of_this_visit.map(|line| (line.protocol, line.counter)));
    }

    pub fn values(&self) -> usize {
        self.repeats.len()
    }

    pub fn photographs(&self) -> usize {
        self.captures.len()
    }
}

/// What headquarters' tables hold, read as it grows.
#[derive(Debug, Default)]
pub struct AtHq {
    /// Number of the last row read.
    read: u64,
    events: HashSet<String>,
    /// Repeats with their values.
    repeats: HashMap<String, String>,
    counters: HashMap<(String, u64, String), String>,
    comparisons: HashSet<String>,
    closed_visits: HashSet<String>,
    erased: HashSet<String>,
    measured: HashMap<u64, String>,
    /// Pictures that were read and found whole.
    files: HashSet<String>,
}

impl AtHq {
    /// What is still lacking, in sentences; empty when headquarters holds all it must. `sent` is the devices' own account
    /// and `unconfirmed` what they still wait for a word on.
    ///
    /// # Panics
    /// For what no waiting mends: something twice, another value, an alarm, a refused row.
    pub fn lacks(
        &mut self,
        folder: &Path,
        confirmed: &Confirmed,
        sent: &[Sent],
        unconfirmed: &[(&'static str, u64)],
    ) -> Vec<String> {
        let tables = Tables::open(folder).expect("headquarters' database");
        self.read_on(&tables);
        let counts = tables.counts().expect("counts");
        let counts = counts.into_iter().find(|counts| counts.gateway == GATEWAY).expect("the gateway was heard");
        let alarms = tables.alarms().expect("alarms");
        assert_eq!((counts.duplicates, counts.refused), (0, 0), "rows twice, rows refused: {counts:?}");
        let unexpected: Vec<_> = alarms.iter().filter(|alarm| !alarm.contains("begins a new epoch")).collect();
        assert!(unexpected.is_empty(), "headquarters raised alarms: {unexpected:?}");
        assert!(alarms.len() <= confirmed.epochs_begun, "a new epoch nobody began: {alarms:?}");
        let mut lacks = Vec::new();
        let mut lack = |what: String| lacks.push(what);
        if counts.gaps > 0 {
            lack(format!("{} sequence numbers are missing: {:?}", counts.gaps, tables.gaps()));
        }
        for (repeat, value) in &confirmed.repeats {
            match self.repeats.get(repeat) {
                Some(there) => assert_eq!(there, value, "repeat {repeat} has another value at headquarters"),
                None if confirmed.forgiven.contains(repeat) => {}
                None => lack(format!("repeat {repeat}")),
            }
        }
        self.devices(confirmed, sent, unconfirmed, &mut lack);
        for (counter, value) in &confirmed.measured {
            match self.measured.get(counter) {
                Some(there) => assert_eq!(there, value, "measurement {counter} of the store has another value"),
                None => lack(format!("measurement {counter} of the store")),
            }
        }
        let missing = |wanted: &BTreeSet<String>, there: &HashSet<String>, what: &str| {
            let lost = wanted.iter().filter(|id| !there.contains(*id) && !confirmed.forgiven.contains(*id));
            lost.map(|id| format!("{what} {id}")).collect::<Vec<_>>()
        };
        lacks.extend(missing(&confirmed.comparisons, &self.comparisons, "comparison"));
        lacks.extend(missing(&confirmed.closed_visits, &self.closed_visits, "the end of visit"));
        lacks.extend(missing(&confirmed.erased, &self.erased, "the erasure of"));
        lacks.extend(missing(&confirmed.captures, &self.whole_pictures(folder, &tables), "the picture of capture"));
        lacks
    }

    /// Captures whose picture is filed; each file is read once and held against its digest.
    fn whole_pictures(&mut self, folder: &Path, tables: &Tables) -> HashSet<String> {
        let mut whole = HashSet::new();
        let shelves = Shelves::in_folder(folder).expect("headquarters' shelves");
        for Picture { capture, role, sha256: digest, state, reason, .. } in tables.pictures().expect("pictures") {
            assert_ne!(state, "refused", "a picture of {capture} was refused: {reason}");
            if state != "verified" {
                continue;
            }
            let name = format!("{capture}-{role}");
            if !self.files.contains(&name) {
                let bytes = tables.picture_bytes(&shelves, (GATEWAY, &capture, &role)).expect("the shelf");
                let bytes = bytes.unwrap_or_else(|| panic!("{name} is gone"));
                assert_eq!(hex::encode(sha256(&bytes)), digest, "{name} is not whole");
                self.files.insert(name);
            }
            whole.insert(capture);
        }
        whole
    }

    /// Whatever the gateway confirmed to a device is at headquarters, or in the tray.
    fn devices(
        &self,
        confirmed: &Confirmed,
        sent: &[Sent],
        unconfirmed: &[(&'static str, u64)],
        lack: &mut impl FnMut(String),
    ) {
        for Sent { protocol, counter, metric, value } in sent {
            match self.counters.get(&((*protocol).to_owned(), *counter, metric.clone())) {
                Some(there) => assert_eq!(there, value, "{protocol} measured another {metric} under number {counter}"),
                None if *protocol != CONFIRMED_PROTOCOL || unconfirmed.contains(&(protocol, *counter)) => {}
                None if confirmed.forgiven_counters.contains(&(protocol, *counter)) => {}
                None if confirmed.tray.contains(&((*protocol).to_owned(), metric.clone(), value.clone())) => {}
                None => lack(format!("{metric} {value}, number {counter}, confirmed to the {protocol}")),
            }
        }
    }

    fn read_on(&mut self, tables: &Tables) {
        loop {
            let rows = tables.events_after(self.read, ROWS).expect("events");
            let Some(last) = rows.last() else { return };
            self.read = last.n;
            for row in &rows {
                // The same event under another number is known by its id; what was redacted may be told again under it.
                let redacted = row.kind.ends_with(kind::REDACTED);
                if row.refused.is_none() && !redacted && self.events.insert(row.id.clone()) {
                    self.take(row);
                }
            }
        }
    }

    fn take(&mut self, row: &Stored) {
        match row.kind.strip_prefix(TYPE_PREFIX).unwrap_or_default() {
            kind::READING => {
                let payload::Reading { device, repeats, metric, .. } = row.data().expect("a reading");
                for repeat in repeats {
                    let before = self.repeats.insert(repeat.repeat.clone(), repeat.value.clone());
                    assert_eq!(before, None, "repeat {} stands at headquarters twice", repeat.repeat);
                    if let Some(counter) = repeat.counter {
                        let key = (device.protocol.clone(), counter, metric.clone());
                        let before = self.counters.insert(key, repeat.value);
                        assert_eq!(before, None, "{} {counter} stands at headquarters twice", device.protocol);
                    }
                }
            }
            kind::MEASUREMENT => {
                let event: Event = serde_json::from_str(&row.body).expect("an event");
                let payload::Measurement { counter, values, .. } =
                    serde_json::from_str(event.data.get()).expect("a measurement");
                let counter = counter.expect("the analyser numbers its values");
                let before = self.measured.insert(counter, values[0].value.to_string());
                assert_eq!(before, None, "measurement {counter} of the store stands at headquarters twice");
            }
            kind::COMPARISON => {
                self.comparisons.insert(row.data::<payload::Comparison>().expect("a comparison").comparison);
            }
            kind::VISIT => {
                let visit: payload::Visit = row.data().expect("a visit");
                if visit.state == "closed" {
                    self.closed_visits.insert(visit.visit);
                }
            }
            kind::ERASED => {
                self.erased.insert(row.data::<payload::Erased>().expect("an erasure").customer);
            }
            _ => {}
        }
    }
}

/// The one simulated device that waits for the gateway's word on each value.
const CONFIRMED_PROTOCOL: &str = "derma-reference";
