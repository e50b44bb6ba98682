//! What people and devices were told is kept: from the daemon's views and answers, never from its store.

use serde_json::Value;
use skinlink::sim::diary::{Exchange, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// A change that headquarters hears of once for each time it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A yes or a no of a customer, by purpose.
    Consent {
        customer: String,
        purpose: String,
        given: bool,
    },
    Struck {
        what: &'static str,
        id: String,
        restored: bool,
    },
    /// A scan to a phase, a visit to a customer.
    Moved {
        what: &'static str,
        id: String,
        to: String,
    },
    /// A new state of a visit: opened, treated, closed, struck out, moved.
    Saved {
        visit: String,
    },
}

/// How often something was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// And answered: each of these must be there.
    pub answered: u32,
    /// And cut off before the answer: each of these may be there.
    pub unanswered: u32,
}

impl Asked {
    /// `None` when `there` is within what may be.
    pub fn differs(self, there: u32, what: &impl std::fmt::Debug) -> Option<String> {
        let most = self.answered + self.unanswered;
        let within = (self.answered..=most).contains(&there);
        (!within).then(|| format!("{what:?}: {there} times, not {} to {most}", self.answered))
    }
}

/// A visit as it was shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Whoever it was opened for; it may be moved later.
    pub customer: String,
    /// The newest view.
    pub view: Value,
    /// Everything any view showed as kept, by kind and id: it must be in every later one.
    kept: BTreeSet<(&'static str, String)>,
    /// Values shown before their reading was closed.
    pub open: BTreeSet<String>,
    /// Photographs, scans and comparisons she asked for.
    photographs: Asked,
    scans: Asked,
    comparisons: Asked,
    /// The consent to share was taken back, or this was tried; or the visit was given to another customer.
    pub withdrawn: bool,
}

/// Everything that was told, over all visits.
#[derive(Debug, Default)]
pub struct Told {
    pub visits: BTreeMap<String, Shown>,
    pub facts: BTreeMap<Fact, Asked>,
    /// Values by repeat, with what they were when they were first shown.
    pub repeats: BTreeMap<String, String>,
    /// Values in the tray, by repeat.
    pub tray: BTreeSet<String>,
    /// How many values an answer said a step has: by scan, metric and region.
    pub counted: BTreeMap<(String, String, String), u64>,
    /// Regions somebody asked to measure again, and scans somebody asked to give up, by scan: only there values may be left
    /// behind.
    pub measured_again: BTreeSet<(String, String)>,
    pub given_up: BTreeSet<String>,
}

pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub fn word(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Values that are in a reading.
pub fn closed_repeats(view: &Value) -> impl Iterator<Item = &Value> {
    readings(view).flat_map(|(_, reading)| list(reading, "repeats"))
}

/// Readings with their scan, those struck out included.
pub fn readings(view: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    list(view, "scans").iter().flat_map(|scan| list(scan, "readings").iter().map(move |reading| (scan, reading)))
}

pub fn captures(view: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    list(view, "scans").iter().flat_map(|scan| list(scan, "captures").iter().map(move |capture| (scan, capture)))
}

/// What knows a score: capture, model, metric, region.
pub type ScoreKey = [String; 4];

pub fn scores(view: &Value) -> impl Iterator<Item = (ScoreKey, &Value)> {
    captures(view).flat_map(|(_, capture)| {
        let of = |score: &Value| {
            [word(capture, "/id"), word(score, "/model"), word(score, "/metric"), word(score, "/region")]
        };
        list(capture, "scores").iter().map(move |score| (of(score), score))
    })
}

fn kept(view: &Value) -> BTreeSet<(&'static str, String)> {
    let scans = list(view, "scans").iter().map(|scan| ("scan", word(scan, "/id")));
    let comparisons = list(view, "comparisons").iter().map(|one| ("comparison", word(one, "/id")));
    let readings = readings(view).map(|(_, reading)| ("reading", word(reading, "/id")));
    let repeats = closed_repeats(view).map(|repeat| ("repeat", word(repeat, "/id")));
    let captures = captures(view).map(|(_, capture)| ("capture", word(capture, "/id")));
    let scores = scores(view).map(|(key, _)| ("score", key.join(" ")));
    scans.chain(comparisons).chain(readings).chain(repeats).chain(captures).chain(scores).collect()
}

impl Told {
    /// Notes what the daemon shows of a visit: from now on it must not be lost.
    ///
    /// # Panics
    /// When something shown before is shown no more, or with another value.
    pub fn note(&mut self, view: &Value) {
        for repeat in closed_repeats(view).chain(list(view, "scans").iter().flat_map(|scan| list(scan, "open_repeats")))
        {
            let value = word(repeat, "/value");
            let before = self.repeats.insert(word(repeat, "/id"), value.clone());
            assert!(before.is_none_or(|before| before == value), "a value was edited: {repeat}");
        }
        let shown = self.visits.entry(word(view, "/id")).or_default();
        if shown.customer.is_empty() {
            shown.customer = word(view, "/customer/id");
        }
        let kept = kept(view);
        let gone: Vec<_> = shown.kept.difference(&kept).collect();
        assert!(gone.is_empty(), "shown as kept, and shown no more: {gone:?}");
        shown.kept = kept;
        for scan in list(view, "scans") {
            shown.open.extend(list(scan, "open_repeats").iter().map(|repeat| word(repeat, "/id")));
        }
        shown.view = view.clone();
    }

    /// What lies in the tray now.
    pub fn note_tray(&mut self, tray: &Value) {
        self.tray.extend(list(tray, "tray").iter().map(|item| word(item, "/repeat")));
    }

    /// Notes every change that was asked for while `visit` was played, and what came of it.
    pub fn note_exchanges(&mut self, visit: &str, exchanges: &[Exchange]) {
        for Exchange { call, body, outcome } in exchanges {
            let asked = match outcome {
                Outcome::Answered(answer) => {
                    self.note_counts(answer);
                    Asked { answered: 1, unanswered: 0 }
                }
                Outcome::Unanswered => Asked { answered: 0, unanswered: 1 },
                Outcome::Refused => continue,
            };
            self.note_call(visit, call, body, asked);
        }
    }

    fn note_counts(&mut self, answer: &Value) {
        let scan = &answer["scan"];
        for step in list(scan, "steps") {
            let counted = self.counted.entry((word(scan, "/id"), word(step, "/metric"), word(step, "/region")));
            let have = counted.or_default();
            *have = (*have).max(step["have"].as_u64().unwrap_or_default());
        }
    }

    fn note_call(&mut self, visit: &str, call: &str, body: &Value, asked: Asked) {
        let parts: Vec<&str> = call.split('/').collect();
        let shown = self.visits.entry(visit.to_owned()).or_default();
        let customer = shown.customer.clone();
        let mut facts = Vec::new();
        match parts.as_slice() {
            ["visits", _, "consents"] => {
                for (purpose, given) in body["purposes"].as_object().into_iter().flatten() {
                    let given = given == true;
                    shown.withdrawn |= !given && purpose.starts_with("share_");
                    facts.push(Fact::Consent { customer: customer.clone(), purpose: purpose.clone(), given });
                }
            }
            ["visits", _, "scans"] => add(&mut shown.scans, asked),
            ["visits", _, "captures"] => add(&mut shown.photographs, asked),
            ["visits", _, "comparison"] => add(&mut shown.comparisons, asked),
            ["visits"] | ["visits", _, "steps" | "close"] => {}
            ["visits", _, verb @ ("void" | "restore")] => {
                facts.push(Fact::Struck { what: "visit", id: visit.to_owned(), restored: *verb == "restore" });
            }
            ["visits", _, "reassign"] => {
                shown.withdrawn = true;
                facts.push(Fact::Moved { what: "visit", id: visit.to_owned(), to: word(body, "/customer") });
            }
            ["scans", scan, verb @ ("void" | "restore")] => {
                facts.push(Fact::Struck { what: "scan", id: (*scan).to_owned(), restored: *verb == "restore" });
            }
            ["scans", scan, "reassign"] => {
                facts.push(Fact::Moved { what: "scan", id: (*scan).to_owned(), to: word(body, "/phase") });
            }
            ["scans", scan, "repeat"] => drop(self.measured_again.insert(((*scan).to_owned(), word(body, "/region")))),
            ["scans", scan, "cancel"] => drop(self.given_up.insert((*scan).to_owned())),
            // Known by what it leads to: readings, states of scans.
            ["scans", _, "measure" | "pause" | "resume" | "skip" | "finish"] | ["tray", _, "bind"] | ["customers"] => {}
            _ => panic!("the ledger does not know what {call} promises"),
        }
        if matches!(parts.as_slice(), ["visits"] | ["visits", _, "steps" | "close" | "void" | "restore" | "reassign"]) {
            facts.push(Fact::Saved { visit: visit.to_owned() });
        }
        for fact in facts {
            add(self.facts.entry(fact).or_default(), asked);
        }
    }
}

fn add(to: &mut Asked, more: Asked) {
    to.answered += more.answered;
    to.unanswered += more.unanswered;
}

impl Shown {
    /// Whether headquarters may have the numbers, by the last word on it that was shown.
    pub fn shares(&self, purpose: &str) -> bool {
        self.view["consents"][purpose] == true
    }

    /// Things she asked for that are not in the view as often as they should be.
    pub fn differs(&self) -> Vec<String> {
        let there = |count: usize| u32::try_from(count).expect("a few");
        let visit = word(&self.view, "/id");
        let counts = [
            (self.photographs, captures(&self.view).count(), "photographs"),
            (self.scans, list(&self.view, "scans").len(), "scans"),
            (self.comparisons, list(&self.view, "comparisons").len(), "comparisons"),
        ];
        let differing = counts.into_iter().filter_map(|(asked, count, what)| asked.differs(there(count), &what));
        differing.map(|what| format!("visit {visit} shows {what}")).collect()
    }
}
