//! From TOML to what was typed, with its line: every value is read on its own, so that one mistake hides no other.
//!
//! Serde's derive stops at the first mistake and knows no lines, hence these few lines of our own. [`table!`] takes the
//! keys from the struct's fields: there is no second list that could disagree.

use super::complaint::{Complaint, Complaints};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value as typed, with where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub value: T,
    pub line: usize,
    /// Dotted path of the key: `sync.window`.
    pub key: String,
}

/// Collects complaints while a file is read and while its meaning is worked out.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Every table of the file with its keys, to tell where a misplaced key belongs.
    tables: &'static [(&'static str, &'static [&'static str])],
    list: Vec<Complaint>,
}

/// What can stand as a value (or table) of a file.
pub(super) trait Typed: Sized {
    /// Keys of a table; none for a plain value.
    const KEYS: &'static [&'static str] = &[];
    /// The same with the keys of the tables behind them.
    const TABLES: &'static [(&'static str, &'static [&'static str])] = &[];

    /// `None` after a complaint.
    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self>;
}

impl<'a> Reader<'a> {
    /// Reads a whole file. What could be read is returned even beside complaints, so that its meaning can be checked too;
    /// a file that is no TOML is complained about and read as far as it goes.
    pub fn read<T: Typed>(text: &'a str) -> (Self, Option<T>) {
        let mut reader = Self { text, tables: T::TABLES, list: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = reader.line(error.span().map_or(0, |span| span.start));
            reader.complain(line, "", error.message().replace('\n', "; "));
        }
        let span = table.span();
        let whole = Spanned::new(span, DeValue::Table(table.into_inner()));
        let read = T::read(&whole, "", &mut reader);
        (reader, read)
    }

    pub fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    pub fn complain(&mut self, line: usize, key: &str, what: impl Into<String>) {
        self.list.push(Complaint { line, key: key.to_owned(), what: what.into() });
    }

    /// Whether something at `key` was complained about.
    pub fn complained(&self, key: &str) -> bool {
        self.list.iter().any(|complaint| complaint.key == key)
    }

    /// Says of `key`, where it was complained about, what is more to the point.
    pub fn explain(&mut self, key: &str, what: &str) {
        for complaint in self.list.iter_mut().filter(|complaint| complaint.key == key) {
            what.clone_into(&mut complaint.what);
        }
    }

    pub fn complain_at<T>(&mut self, at: &At<T>, what: impl Into<String>) {
        self.complain(at.line, &at.key, what);
    }

    /// Complains that a required key is missing from the table at `line`, unless what stands there was complained about.
    pub fn missing(&mut self, line: usize, key: &str, remedy: &str) {
        if !self.list.iter().any(|complaint| complaint.key == key && complaint.line >= line) {
            self.complain(line, key, format!("is missing; {remedy}"));
        }
    }

    /// Complains where a file is of another layout than `known`, or does not say of which.
    pub fn schema(&mut self, typed: Option<&At<u64>>, known: u64) {
        match typed {
            Some(at) if at.value != known => {
                self.complain_at(at, format!("is {}; this gateway reads {known}", at.value));
            }
            Some(_) => {}
            None => self.missing(1, "schema", &format!("write schema = {known}")),
        }
    }

    pub fn wrong(&mut self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) {
        let line = self.line(value.span().start);
        self.complain(line, key, format!("expects {expected}, found {}", kind(value.get_ref())));
    }

    pub fn unknown(&mut self, offset: usize, key: &str, known: &[&str]) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let nearest = known
            .iter()
            .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
            .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
            .min();
        let elsewhere = self.tables.iter().find(|(_, keys)| keys.contains(&name));
        let remedy = match (nearest, elsewhere) {
            (Some((_, candidate)), _) => format!("did you mean {candidate}?"),
            (None, Some((table, _))) => format!("it belongs into [{table}]"),
            (None, None) => format!("known here are {}", known.join(", ")),
        };
        let line = self.line(offset);
        self.complain(line, key, format!("no such key; {remedy}"));
    }

    /// # Errors
    /// All complaints so far, by line; `Ok` where there are none.
    pub fn finish(mut self, file: &str) -> Result<(), Complaints> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list.sort();
        self.list.dedup();
        Err(Complaints { file: file.to_owned(), list: self.list })
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl Typed for String {
    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            reader.wrong(value, key, "text in quotes");
        }
        text
    }
}

impl Typed for bool {
    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            reader.wrong(value, key, "true or false");
        }
        flag
    }
}

/// A whole number; no key of ours is ever negative.
impl Typed for u64 {
    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let number = value.get_ref().as_integer();
        let parsed = number.and_then(|number| Self::from_str_radix(number.as_str(), number.radix()).ok());
        if parsed.is_none() {
            match number {
                Some(number) => {
                    let line = reader.line(value.span().start);
                    let text = format!("expects a whole number of 0 or more, found {}", number.as_str());
                    reader.complain(line, key, text);
                }
                None => reader.wrong(value, key, "a whole number without quotes"),
            }
        }
        parsed
    }
}

impl Typed for f64 {
    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number: &Self| number.is_finite());
        if number.is_none() {
            reader.wrong(value, key, "a finite number such as 12.5");
        }
        number
    }
}

impl<T: Typed> Typed for Vec<At<T>> {
    const KEYS: &'static [&'static str] = T::KEYS;

    fn read(value: &Spanned<DeValue<'_>>, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(list) = value.get_ref().as_array() else {
            let expected =
                if T::KEYS.is_empty() { "a list in brackets".to_owned() } else { format!("tables headed [[{key}]]") };
            reader.wrong(value, key, &expected);
            return None;
        };
        let mut read = Self::new();
        for item in list.iter() {
            let line = reader.line(item.span().start);
            read.extend(T::read(item, key, reader).map(|value| At { value, line, key: key.to_owned() }));
        }
        Some(read)
    }
}

/// Defines a table of a file: its fields are its keys, each optional and read on its own.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name { $(pub $field: Option<$crate::config::typed::At<$type>>),+ }

        impl $crate::config::typed::Typed for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];
            const TABLES: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($field), <$type as $crate::config::typed::Typed>::KEYS)),+];

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                place: &str,
                reader: &mut $crate::config::typed::Reader<'_>,
            ) -> Option<Self> {
                use $crate::config::typed::{At, Typed};
                let Some(table) = value.get_ref().as_table() else {
                    reader.wrong(value, place, "a table");
                    return None;
                };
                let mut read = Self::default();
                for (name, value) in table.iter() {
                    let dot = if place.is_empty() { "" } else { "." };
                    let key = format!("{place}{dot}{}", name.get_ref());
                    let line = reader.line(name.span().start);
                    match name.get_ref().as_ref() {
                        $(stringify!($field) => {
                            read.$field = <$type as Typed>::read(value, &key, reader).map(|value| At { value, line, key });
                        })+
                        _ => reader.unknown(name.span().start, &key, Self::KEYS),
                    }
                }
                Some(read)
            }
        }
    };
}
pub(super) use table;
