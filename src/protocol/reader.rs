//! Reads a TOML table key by key and collects every complaint, so that a file's author sees all of them at once.
//!
//! Not serde: it stops at the first mistake, and a protocol file is written by someone without a compiler at hand. A key that
//! no parser asked for is an error when its [`Reader`] is dropped, so no parser can forget to check.

use super::place::{self, Part, Place};
use crate::domain::{UnknownWord, metric::Label};
use std::{cell::RefCell, collections::BTreeSet, fmt, str::FromStr};
use toml::{Table, Value};

/// One thing wrong with a file: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `message "sebum".field[2].width`; empty where the text is no TOML.
    pub field: String,
    pub problem: String,
    /// Where that stands; `None` where nothing of it is there.
    pub place: Option<Place>,
}

impl Complaint {
    fn located(mut self, text: &str) -> Self {
        let part = if self.problem.starts_with(UNKNOWN_KEY) { Part::Key } else { Part::Value };
        self.place = place::find(text, &self.field, part);
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, problem, place: _ } = self;
        if field.is_empty() { f.write_str(problem) } else { write!(f, "{field}: {problem}") }
    }
}

/// How a complaint about an unknown key begins.
const UNKNOWN_KEY: &str = "is no key of this table";

/// Everything wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFaults {
    /// The file.
    pub id: String,
    pub complaints: Vec<Complaint>,
}

impl fmt::Display for SpecFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, complaint) in self.complaints.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            let line = complaint.place.as_ref().map(|place| format!(":{}", place.line)).unwrap_or_default();
            write!(f, "{line_break}{}{line}: {complaint}", self.id)?;
        }
        Ok(())
    }
}

impl SpecFaults {
    /// Says of each complaint where in `text` it belongs; in the order of the lines.
    pub(super) fn located(mut self, text: &str) -> Self {
        self.complaints = self.complaints.into_iter().map(|complaint| complaint.located(text)).collect();
        self.complaints.sort_by_key(|complaint| complaint.place.as_ref().map(|place| (place.line, place.column)));
        self
    }

    /// For someone with the file open: each complaint with its line and a mark under what is meant.
    #[must_use]
    pub fn with_lines(&self) -> String {
        let shown = self.complaints.iter().map(|complaint| match &complaint.place {
            Some(place) => format!("{}:{}:{}: {complaint}\n{place}", self.id, place.line, place.column),
            None => format!("{}: {complaint}", self.id),
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

impl std::error::Error for SpecFaults {}

/// Collects complaints about one file, and the keys that were asked for.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    list: RefCell<Vec<Complaint>>,
    asked: RefCell<BTreeSet<String>>,
}

impl Complaints {
    pub(super) fn add(&self, field: impl Into<String>, problem: impl Into<String>) {
        self.list.borrow_mut().push(Complaint { field: field.into(), problem: problem.into(), place: None });
    }

    /// Every key that was asked for, tables of a list as `message[].field[].width`.
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// `Ok(value)` when nothing was complained about.
    pub(super) fn settle<T>(self, id: &str, value: T) -> Result<T, SpecFaults> {
        let mut complaints = self.list.into_inner();
        complaints.dedup();
        if complaints.is_empty() { Ok(value) } else { Err(SpecFaults { id: id.to_owned(), complaints }) }
    }
}

/// TOML text as a table.
pub(super) fn table_of(id: &str, text: &str) -> Result<Table, SpecFaults> {
    text.parse::<Table>().map_err(|fault| {
        let place = Some(Place::of(text, fault.span().unwrap_or(0..0)));
        let problem = fault.message().replace('\n', "; ");
        let complaint = Complaint { field: String::new(), problem, place };
        SpecFaults { id: id.to_owned(), complaints: vec![complaint] }
    })
}

/// One table of the file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    path: String,
    table: &'a Table,
    complaints: &'a Complaints,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: impl Into<String>, table: &'a Table, complaints: &'a Complaints) -> Self {
        Self { path: path.into(), table, complaints, asked: RefCell::default() }
    }

    pub(super) fn path(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// The path with every place of a list as `[]`.
    fn pattern(&self, key: &str) -> String {
        let (mut pattern, mut rest) = (String::new(), self.path(key));
        while let Some(at) = rest.find([' ', '[']) {
            let end = if rest[at..].starts_with(' ') {
                rest[at + 2..].find('"').map(|end| at + 3 + end)
            } else {
                rest[at..].find(']').map(|end| at + end + 1)
            };
            pattern.push_str(&rest[..at]);
            pattern.push_str("[]");
            rest = rest[end.unwrap_or(rest.len())..].to_owned();
        }
        pattern + &rest
    }

    pub(super) fn complain(&self, key: &str, problem: impl Into<String>) {
        self.complaints.add(self.path(key), problem);
    }

    /// Complains about another place of the file.
    pub(super) fn complain_at(&self, path: impl Into<String>, problem: impl Into<String>) {
        self.complaints.add(path, problem);
    }

    /// The value of `key`, which counts as known from now on.
    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(key);
        self.complaints.asked.borrow_mut().insert(self.pattern(key));
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    fn read<T>(&self, key: &'static str, wanted: &str, take: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let taken = take(value);
        if taken.is_none() {
            self.complain(key, format!("{value} is not {wanted}"));
        }
        taken
    }

    fn required<T: Default>(&self, key: &'static str, wanted: &str, read: Option<T>) -> T {
        if read.is_none() && !self.table.contains_key(key) {
            self.complain(key, format!("is missing; write {key} = {wanted}"));
        }
        read.unwrap_or_default()
    }

    pub(super) fn opt_text(&self, key: &'static str) -> Option<String> {
        self.read(key, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn text(&self, key: &'static str) -> String {
        let read = self.opt_text(key);
        self.required(key, "\"…\"", read)
    }

    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        let all = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        self.read(key, "a list of texts such as [\"…\"]", all).unwrap_or_default()
    }

    pub(super) fn opt_int(&self, key: &'static str) -> Option<i64> {
        self.read(key, "a whole number", Value::as_integer)
    }

    /// A whole number within `least..=most`.
    pub(super) fn opt_within(&self, key: &'static str, least: i64, most: i64) -> Option<usize> {
        let found = self.opt_int(key)?;
        if !(least..=most).contains(&found) {
            self.complain(key, format!("{found} is outside {least} to {most}"));
            return None;
        }
        usize::try_from(found).ok()
    }

    pub(super) fn within(&self, key: &'static str, least: i64, most: i64) -> usize {
        let read = self.opt_within(key, least, most);
        self.required(key, &format!("{least} … {most}"), read)
    }

    pub(super) fn opt_float(&self, key: &'static str) -> Option<f64> {
        let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        self.read(key, "a number", number).filter(|number| number.is_finite())
    }

    /// A word of a closed vocabulary; an unknown one is answered with the nearest known.
    pub(super) fn opt_word<T: FromStr<Err = UnknownWord>>(&self, key: &'static str) -> Option<T> {
        let text = self.opt_text(key)?;
        match text.parse() {
            Ok(word) => Some(word),
            Err(unknown) => {
                let hint = meant(&text, unknown.known.iter().copied());
                self.complain(key, format!("{unknown}{hint}"));
                None
            }
        }
    }

    pub(super) fn word<T: FromStr<Err = UnknownWord>>(&self, key: &'static str) -> Option<T> {
        let word = self.opt_word(key);
        if word.is_none() && !self.table.contains_key(key) {
            self.complain(key, "is missing");
        }
        word
    }

    /// `{ zh = "…", en = "…" }`.
    pub(super) fn label(&self, key: &'static str) -> Label {
        let empty = Label { zh: String::new(), en: String::new() };
        match self.table(key) {
            Some(label) => Label { zh: label.text("zh"), en: label.text("en") },
            None => {
                if !self.table.contains_key(key) {
                    self.complain(key, format!("is missing; write {key} = {{ zh = \"…\", en = \"…\" }}"));
                }
                empty
            }
        }
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let table = self.read(key, "a table", Value::as_table)?;
        Some(Reader::new(self.path(key), table, self.complaints))
    }

    /// `[[key]]` or `key = [{ … }]`; a table that has a name is shown by it.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Reader<'a>> {
        let all =
            |value: &'a Value| -> Option<Vec<&'a Table>> { value.as_array()?.iter().map(Value::as_table).collect() };
        let tables = self.read(key, "a list of tables", all).unwrap_or_default();
        let readers = tables.into_iter().enumerate().map(|(at, table)| {
            let place = match table.get("name").or_else(|| table.get("id")).and_then(Value::as_str) {
                Some(name) => format!("{} {name:?}", self.path(key)),
                None => format!("{}[{at}]", self.path(key)),
            };
            Reader::new(place, table, self.complaints)
        });
        readers.collect()
    }

    /// Key and value of a table whose keys are data.
    pub(super) fn entries(&self) -> Vec<(&'a str, &'a Value)> {
        self.table.iter().map(|(key, value)| (key.as_str(), value)).collect()
    }

    /// Says that keys of this table are data.
    pub(super) fn keys_are_data(self) {
        std::mem::forget(self);
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|key| !asked.contains(&key.as_str())) {
            self.complain(key, format!("{UNKNOWN_KEY}{}", meant(key, asked.iter().copied())));
        }
    }
}

/// `; did you mean "width"?`, or nothing where no known word is near.
pub(super) fn meant<'w>(found: &str, known: impl Iterator<Item = &'w str>) -> String {
    nearest(found, known).map_or_else(String::new, |word| format!("; did you mean {word:?}?"))
}

/// The word that was probably meant; `None` where none is near.
pub fn nearest<'w>(found: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let best = known.map(|word| (strsim::damerau_levenshtein(found, word), word)).min();
    best.filter(|(distance, _)| *distance <= 2.max(found.len() / 3)).map(|(_, word)| word)
}
