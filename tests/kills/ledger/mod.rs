//! The independent ledger: what was confirmed to people and to devices, held against headquarters' tables.
//!
//! **The rule.** What an answer or a view of the daemon showed as kept, and what a device was told is kept, is *demanded*:
//! it stands at headquarters once, as it was shown. That is each visit with its last state and its treatment steps, each
//! word on a consent, each scan with its state and phase, each reading with its values, photograph, score, comparison and
//! correction, each report picture whole. A call that was cut off before its answer may have been carried out: that, and a
//! value that its device still waits for a word on, is *allowed*, once. Nothing else may stand there: what nobody was shown,
//! no device sent and nobody asked for is a fault like a lost value.
//!
//! Headquarters is not owed three kinds of values that were confirmed: those that lie in the tray, those of a region that
//! somebody asked to measure again before its reading was closed, and those of a scan that somebody gave up. Each is looked
//! for in the store, one by one, by device and number; a value that is neither here nor there is lost. Where the consent to
//! share was taken back, each thing told stands at headquarters either as itself or as redacted, and the two together are
//! as many as there were.
//!
//! Beside all this the rows of headquarters' file are counted by SQL alone, by the devices' own numbers (`counted`).

mod at_hq;
mod counted;
mod rows;
mod told;

use crate::room::Notes;
use at_hq::AtHq;
use openssl::sha::sha256;
use rows::Row;
use serde_json::Value;
use skinlink::{
    app::demo::{stage::GATEWAY, summary::Sent},
    hq::{
        ledger::{Ledger as Tables, Picture},
        shelf::Shelves,
    },
    sim::{LedgerLine, diary::Exchange},
    sync::payload,
};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
};
pub use told::{Asked, Fact};
use told::{Shown, Told, list, word};

/// The one simulated device of the chair that waits for the gateway's word on each value.
const CONFIRMED_PROTOCOL: &str = "derma-reference";

/// What the devices say by their own account.
#[derive(Debug)]
pub struct Devices {
    /// Of the chair.
    pub sent: Vec<Sent>,
    /// What they still wait for a word on.
    pub unconfirmed: Vec<(&'static str, u64)>,
    /// Of the device that measures the store itself.
    pub measured: Vec<LedgerLine>,
    pub measured_confirmed: BTreeSet<u64>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    told: Told,
    hq: AtHq,
    /// What the back room noted.
    pub room: Notes,
    /// Headquarters raises an alarm for each.
    pub epochs_begun: usize,
    /// Pictures that were read and found whole.
    files: HashSet<String>,
}

impl Ledger {
    pub fn note(&mut self, view: &Value) {
        self.told.note(view);
    }

    pub fn note_tray(&mut self, tray: &Value) {
        self.told.note_tray(tray);
    }

    pub fn note_exchanges(&mut self, visit: &str, exchanges: &[Exchange]) {
        self.told.note_exchanges(visit, exchanges);
    }

    /// How many values and photographs were confirmed.
    pub fn counts(&self) -> (usize, usize) {
        let photographs = self.told.visits.values().map(|shown| told::captures(&shown.view).count()).sum();
        (self.told.repeats.len(), photographs)
    }

    /// In what headquarters' tables in `folder` differ from what they must and may hold, in sentences; empty when in
    /// nothing. `data` is the folder of the store.
    ///
    /// # Panics
    /// For what no waiting mends: something twice, another value, an alarm, a refused row.
    pub fn differs(&mut self, folder: &Path, data: &Path, devices: &Devices) -> Vec<String> {
        let tables = Tables::open(folder).expect("headquarters' database");
        self.hq.read_on(&tables);
        let counts = tables.counts().expect("counts");
        let counts = counts.into_iter().find(|counts| counts.gateway == GATEWAY).expect("the gateway was heard");
        let alarms = tables.alarms().expect("alarms");
        assert_eq!((counts.duplicates, counts.refused), (0, 0), "rows twice, rows refused: {counts:?}");
        let unexpected: Vec<_> = alarms.iter().filter(|alarm| !alarm.contains("begins a new epoch")).collect();
        assert!(unexpected.is_empty(), "headquarters raised alarms: {unexpected:?}");
        assert!(alarms.len() <= self.epochs_begun, "a new epoch nobody began: {alarms:?}");
        let mut found = Vec::new();
        if counts.gaps > 0 {
            found.push(format!("{} sequence numbers are missing: {:?}", counts.gaps, tables.gaps()));
        }
        let pictures = self.pictures(folder, &tables);
        for shown in self.told.visits.values() {
            self.visit(shown, &pictures, &mut found);
        }
        self.unexplained(&pictures, &mut found);
        self.facts(&mut found);
        self.values(data, devices, &mut found);
        self.store_itself(devices, &mut found);
        self.room(&pictures, &mut found);
        found.extend(counted::differs((folder, GATEWAY), data, devices));
        found
    }

    /// One visit as it was shown, against what headquarters has of it.
    fn visit(&self, shown: &Shown, pictures: &BTreeMap<String, BTreeSet<String>>, found: &mut Vec<String>) {
        let Shown { view, customer, .. } = shown;
        let id = word(view, "/id");
        found.extend(shown.differs());
        let mut expect = |holds: bool, what: String| {
            if !holds {
                found.push(format!("visit {id}: {what}"));
            }
        };
        let last = self.hq.visits.get(&id).and_then(|versions| versions.last_key_value()).map(|(_, last)| last);
        expect(last.is_some_and(|last| same_visit(last, view)), format!("headquarters has {last:?}, not {view}"));
        if word(view, "/customer/id") == *customer {
            for (purpose, said) in view["consents"].as_object().into_iter().flatten() {
                let there = self.hq.consent(customer, purpose);
                expect(there == said.as_bool(), format!("{purpose} is {there:?} at headquarters, {said} here"));
            }
        }
        for scan in list(view, "scans") {
            let (scan, state, phase) = (word(scan, "/id"), word(scan, "/state"), word(scan, "/phase"));
            let there = self.hq.scan(&scan);
            expect(there == Some((&state, &phase)), format!("scan {scan} is {there:?}, not {state}, {phase}"));
        }
        let mut withheld = 0;
        let mut numbers = |is: Option<Result<(), String>>, what: String| match is {
            Some(Ok(())) => {}
            Some(Err(other)) => found.push(format!("visit {id}: {what} is {other} at headquarters")),
            None if shown.shares("share_numbers") => found.push(format!("visit {id}: {what} is not at headquarters")),
            None => withheld += 1,
        };
        for (scan, reading) in told::readings(view) {
            let there = self.hq.readings.get(&word(reading, "/id"));
            numbers(there.map(|there| same_reading(there, scan, reading)), format!("the reading {reading}"));
        }
        for (key, score) in told::scores(view) {
            let there = self.hq.scores.get(&key);
            numbers(there.map(|there| same_score(there, score)), format!("the score {key:?} {score}"));
        }
        for comparison in list(view, "comparisons") {
            let there = self.hq.comparisons.get(&word(comparison, "/id"));
            numbers(there.map(|there| same_comparison(there, comparison)), format!("the comparison {comparison}"));
        }
        let redacted = self.hq.redacted.get(&id).copied().unwrap_or_default();
        // Its service sheet is told at the end, if numbers are shared then, and redacted with the numbers if they are not any more.
        let steps: BTreeSet<&str> = list(view, "steps").iter().filter_map(Value::as_str).collect();
        let has_sheet = word(view, "/state") == "closed" && !steps.is_empty();
        let sheet = self.hq.sheets.get(&id).map(|told| told.iter().map(String::as_str).collect::<BTreeSet<_>>());
        let shares = shown.shares("share_numbers");
        let demanded = has_sheet && shares && !shown.withdrawn;
        if !sheet.as_ref().map_or(!demanded, |told| has_sheet && *told == steps) {
            found.push(format!("visit {id}: its sheet is {:?} at headquarters: {view}", self.hq.sheets.get(&id)));
        }
        let redacted_sheet = u32::from(has_sheet && shown.withdrawn && sheet.is_none());
        let right = if shares {
            shown.withdrawn || redacted == 0
        } else {
            (withheld..=withheld + redacted_sheet).contains(&redacted)
        };
        if !right {
            found.push(format!("visit {id}: {redacted} numbers were redacted and {withheld} are not there"));
        }
        for (_, capture) in told::captures(view) {
            let capture = word(capture, "/id");
            let redacted = self.hq.redacted.get(&capture).copied().unwrap_or_default();
            let there = self.hq.captures.contains_key(&capture);
            let right = if shown.shares("share_photographs") { there } else { there != (redacted == 1) };
            if !right || (redacted > 0 && !shown.withdrawn) {
                found.push(format!("visit {id}: photograph {capture}: told {there}, {redacted} times redacted"));
            }
            let roles = pictures.get(&capture).map(|roles| roles.iter().map(String::as_str).collect::<Vec<_>>());
            if shown.shares("share_photographs") && roles.as_deref() != Some(&["derivative", "report"]) {
                found.push(format!("visit {id}: pictures of {capture} at headquarters: {roles:?}"));
            }
        }
    }

    /// What stands at headquarters and was shown to nobody.
    fn unexplained(&self, pictures: &BTreeMap<String, BTreeSet<String>>, found: &mut Vec<String>) {
        let shown = |of: &dyn Fn(&Value) -> Vec<String>| -> BTreeSet<String> {
            self.told.visits.values().flat_map(|shown| of(&shown.view)).collect()
        };
        let ids = |of: &'static str| move |view: &Value| list(view, of).iter().map(|one| word(one, "/id")).collect();
        let (scans, comparisons) = (shown(&ids("scans")), shown(&ids("comparisons")));
        let readings = shown(&|view| told::readings(view).map(|(_, reading)| word(reading, "/id")).collect());
        let captures = shown(&|view| told::captures(view).map(|(_, capture)| word(capture, "/id")).collect());
        let scores = shown(&|view| told::scores(view).map(|(key, _)| key.join(" ")).collect());
        let mut look = |what: &str, id: &str, known: bool| {
            if !known {
                found.push(format!("unexplained at headquarters: {what} {id}"));
            }
        };
        let hq = &self.hq;
        let room = |visit: &str| self.is_of_room(visit);
        for (id, versions) in &hq.visits {
            look(
                "visit",
                id,
                self.told.visits.contains_key(id) || versions.values().all(|visit| self.room.owns(visit)),
            );
        }
        for (id, states) in &hq.scans {
            look("scan", id, scans.contains(id) || states.values().all(|scan| room(&scan.visit)));
        }
        for (id, reading) in &hq.readings {
            look("reading", id, readings.contains(id) || room(&reading.visit));
        }
        for (id, capture) in &hq.captures {
            look("capture", id, captures.contains(id) || room(&capture.visit));
        }
        for key in hq.scores.keys() {
            look("score", &key.join(" "), scores.contains(&key.join(" ")));
        }
        for id in hq.sheets.keys() {
            look("sheet of", id, self.told.visits.contains_key(id) || room(id));
        }
        for id in hq.comparisons.keys() {
            look("comparison", id, comparisons.contains(id));
        }
        for capture in pictures.keys() {
            look("picture of", capture, captures.contains(capture) || self.room.knows("capture", capture));
        }
        for subject in hq.redacted.keys() {
            let known = captures.contains(subject) || self.told.visits.contains_key(subject) || self.room.has(subject);
            look("something redacted of", subject, known);
        }
    }

    fn is_of_room(&self, visit: &str) -> bool {
        let states = self.hq.visits.get(visit);
        self.room.has(visit) || states.is_some_and(|states| states.values().all(|visit| self.room.owns(visit)))
    }

    /// Consents, corrections and moves: each as often as it was asked for.
    fn facts(&self, found: &mut Vec<String>) {
        let mut asked = self.told.facts.clone();
        for shown in self.told.visits.values() {
            for (_, reading) in told::readings(&shown.view) {
                let struck = Fact::Struck { what: "reading", id: word(reading, "/id"), restored: false };
                asked.insert(struck, Asked { answered: u32::from(reading["voided"] == true), unanswered: 0 });
            }
        }
        self.room.facts(&mut asked);
        for (fact, asked) in &asked {
            found.extend(asked.differs(self.hq.facts.get(fact).copied().unwrap_or_default(), fact));
        }
        for fact in self.hq.facts.keys().filter(|fact| !asked.contains_key(fact)) {
            let of_room = matches!(fact, Fact::Saved { visit } if self.is_of_room(visit));
            if !of_room {
                found.push(format!("unexplained at headquarters: {fact:?}"));
            }
        }
    }

    /// Values: those of the devices' own accounts, those that were shown, those that answers counted.
    fn values(&self, data: &Path, devices: &Devices, found: &mut Vec<String>) {
        let stored = OnceCell::new();
        let rows = || -> &Vec<Row> { stored.get_or_init(|| rows::read(data)) };
        let excused = |row: &Row| row.is_excused(&self.told) || self.is_withheld(row);
        let Devices { sent, unconfirmed, .. } = devices;
        let mut known = HashSet::new();
        for Sent { protocol, counter, metric, value } in sent {
            let key = ((*protocol).to_owned(), *counter, metric.clone());
            let there = self.hq.counters.get(&key);
            known.insert(key);
            match there {
                Some(there) => assert_eq!(there, value, "{protocol} measured another {metric} under number {counter}"),
                None if *protocol != CONFIRMED_PROTOCOL || unconfirmed.contains(&(protocol, *counter)) => {}
                None => {
                    let this = |row: &&Row| {
                        row.protocol == *protocol && row.counter == Some(*counter) && row.metric == *metric
                    };
                    let kept: Vec<&Row> = rows().iter().filter(this).filter(|row| row.value == *value).collect();
                    if kept.len() != 1 || !excused(kept[0]) {
                        found.push(format!(
                            "{metric} {value}, number {counter}, confirmed to the {protocol}: not at headquarters; in the store: \
                             {kept:?}"
                        ));
                    }
                }
            }
        }
        let unknown = self.hq.counters.keys().filter(|key| !known.contains(*key));
        found.extend(unknown.map(|key| format!("unexplained at headquarters: {key:?} was never sent")));
        for (repeat, value) in &self.told.repeats {
            match self.hq.repeats.get(repeat) {
                Some(there) => assert_eq!(there, value, "repeat {repeat} has another value at headquarters"),
                None if rows().iter().any(|row| row.repeat == *repeat && row.value == *value && excused(row)) => {}
                None => found.push(format!("repeat {repeat}, {value}, was shown")),
            }
        }
        for repeat in self.told.tray.iter().filter(|repeat| !self.hq.repeats.contains_key(*repeat)) {
            if !rows().iter().any(|row| row.repeat == *repeat && excused(row)) {
                found.push(format!("repeat {repeat} was shown in the tray"));
            }
        }
        for (key, have) in &self.told.counted {
            let (scan, metric, region) = key;
            let closed =
                self.hq.readings.values().filter(|one| (&one.scan, &one.metric, &one.region) == (scan, metric, region));
            let closed = closed.map(|one| one.repeats.len()).sum::<usize>() as u64;
            if closed >= *have {
                continue;
            }
            let of = |row: &&Row| row.scan.as_ref() == Some(scan) && row.metric == *metric && row.region == *region;
            let kept = rows().iter().filter(of).filter(|row| excused(row)).count() as u64;
            if closed + kept < *have {
                found.push(format!(
                    "{key:?}: an answer counted {have} values, {closed} are at headquarters, {kept} in the store"
                ));
            }
        }
    }

    /// A value of a reading that was taken back from headquarters; that it was redacted is counted with its visit.
    fn is_withheld(&self, row: &Row) -> bool {
        let of = |shown: &&Shown| told::closed_repeats(&shown.view).any(|repeat| word(repeat, "/id") == row.repeat);
        row.closed && self.told.visits.values().find(of).is_some_and(|shown| !shown.shares("share_numbers"))
    }

    /// What the device that measures the store itself was told.
    fn store_itself(&self, devices: &Devices, found: &mut Vec<String>) {
        let sent: BTreeMap<u64, &str> =
            devices.measured.iter().map(|line| (line.counter, line.value.as_str())).collect();
        for (counter, there) in &self.hq.measured {
            match sent.get(counter) {
                Some(value) => assert_eq!(there, value, "measurement {counter} of the store has another value"),
                None => found.push(format!("unexplained at headquarters: measurement {counter} of the store")),
            }
        }
        let lost = devices.measured_confirmed.iter().filter(|counter| !self.hq.measured.contains_key(counter));
        found.extend(lost.map(|counter| format!("measurement {counter} of the store")));
    }

    /// What the back room was told.
    fn room(&self, pictures: &BTreeMap<String, BTreeSet<String>>, found: &mut Vec<String>) {
        let Self { room, hq, .. } = self;
        let erased = |id: &str| hq.erased.contains(id);
        found.extend(room.of("erasing").filter(|id| !erased(id)).map(|id| format!("the erasure of {id}")));
        found.extend(
            hq.erased.iter().filter(|id| !room.knows("erasing", id)).map(|id| format!("{id} was erased unasked")),
        );
        let lacking = |word: &'static str, there: &dyn Fn(&str) -> bool| -> Vec<String> {
            let demanded = room.demanded(word).filter(|id| !there(id));
            demanded.map(|id| format!("{word} {id} of the back room")).collect()
        };
        found.extend(lacking("visit", &|id| hq.visits.contains_key(id)));
        let closed = |id: &str| hq.visits.get(id).is_some_and(|all| all.values().any(|visit| visit.state == "closed"));
        found.extend(lacking("closed", &closed));
        found.extend(lacking("reading", &|id| hq.readings.contains_key(id)));
        found.extend(lacking("capture", &|id| hq.captures.contains_key(id)));
        found.extend(lacking("picture", &|id| pictures.get(id).is_some_and(|roles| roles.contains("report"))));
    }

    /// Roles of the pictures that are filed whole, by capture; each file is read once and held against its digest.
    fn pictures(&mut self, folder: &Path, tables: &Tables) -> BTreeMap<String, BTreeSet<String>> {
        let mut whole: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let shelves = Shelves::in_folder(folder).expect("headquarters' shelves");
        let mut named = HashSet::new();
        for Picture { capture, role, sha256: digest, state, reason, .. } in tables.pictures().expect("pictures") {
            assert_ne!(state, "refused", "a picture of {capture} was refused: {reason}");
            let name = format!("{capture}-{role}");
            named.insert(name.clone());
            if state != "verified" {
                continue;
            }
            if !self.files.contains(&name) {
                let bytes = tables.picture_bytes(&shelves, (GATEWAY, &capture, &role)).expect("the shelf");
                let bytes = bytes.unwrap_or_else(|| panic!("{name} is gone"));
                assert_eq!(hex::encode(sha256(&bytes)), digest, "{name} is not whole");
                self.files.insert(name);
            }
            assert!(whole.entry(capture.clone()).or_default().insert(role), "{capture} has a role twice");
        }
        for file in fs::read_dir(folder.join("images").join(GATEWAY)).into_iter().flatten() {
            let path = file.expect("the folder of pictures").path();
            // A receiver that is killed leaves what it had begun to write, and what its row does not name yet.
            let begun = path.extension().is_some_and(|ending| ending == "part");
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let known = stem.rsplit_once('-').is_some_and(|(name, _)| named.contains(name));
            assert!(begun || known, "unexplained at headquarters: {}", path.display());
        }
        whole
    }
}

fn same_visit(there: &payload::Visit, view: &Value) -> bool {
    let payload::Visit { visit: _, customer, station, beautician, state, version, steps } = there;
    let shown: Vec<&str> = list(view, "steps").iter().filter_map(Value::as_str).collect();
    *customer == word(view, "/customer/id")
        && *station == word(view, "/station")
        && *beautician == word(view, "/beautician")
        && *state == word(view, "/state")
        && *steps == shown
        && view["version"].as_u64().is_some_and(|shown| *version <= shown)
}

fn alike<T: PartialEq + std::fmt::Debug>(there: &T, shown: &T) -> Result<(), String> {
    if there == shown { Ok(()) } else { Err(format!("{there:?} instead of {shown:?}")) }
}

fn same_reading(there: &payload::Reading, scan: &Value, shown: &Value) -> Result<(), String> {
    let payload::Reading { metric, region, value, unit, repeats, device, .. } = there;
    let repeats: Vec<_> = repeats.iter().map(|one| (one.repeat.clone(), one.value.clone(), one.counter)).collect();
    let there =
        (&there.scan, [metric, region, value, unit, &device.protocol, &device.serial].map(Clone::clone), repeats);
    let shown_repeats: Vec<_> = list(shown, "repeats")
        .iter()
        .map(|one| (word(one, "/id"), word(one, "/value"), one["counter"].as_u64()))
        .collect();
    let words =
        ["/metric", "/region", "/value", "/unit", "/device/protocol", "/device/serial"].map(|at| word(shown, at));
    alike(&there, &(&word(scan, "/id"), words, shown_repeats))
}

fn same_score(there: &payload::Score, shown: &Value) -> Result<(), String> {
    let payload::Score { value, unit, engine, .. } = there;
    let there = [value, unit, &engine.model_version].map(Clone::clone);
    alike(&there, &["/value", "/unit", "/model_version"].map(|at| word(shown, at)))
}

fn same_comparison(there: &payload::Comparison, shown: &Value) -> Result<(), String> {
    let payload::Comparison { comparison: _, visit: _, baseline, before, after, tested, items } = there;
    let verdicts: Vec<_> =
        items.iter().map(|item| [&item.metric, &item.region, &item.verdict].map(Clone::clone)).collect();
    let there = ([baseline, before, after].map(Clone::clone), Some(u64::from(*tested)), verdicts);
    let verdict = |item: &Value| ["/metric", "/region", "/verdict"].map(|at| word(item, at));
    let shown_verdicts: Vec<_> = list(shown, "items").iter().map(verdict).collect();
    let words = ["/baseline", "/before", "/after"].map(|at| word(shown, at));
    alike(&there, &(words, shown["tested"].as_u64(), shown_verdicts))
}
