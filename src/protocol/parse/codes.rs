//! `[codes.…]`: tables that give the house's words for a device's codes.

use crate::protocol::{field::Code, reader::Reader};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};
use toml::Value;

/// Tables by name. A table that no field names is a mistake, as a key that no rule knows.
#[derive(Debug, Default)]
pub(super) struct Codes {
    tables: BTreeMap<String, Vec<(String, Code)>>,
    used: RefCell<BTreeSet<String>>,
}

/// A raw number or text.
pub(super) fn code(value: &Value) -> Option<Code> {
    match value {
        Value::Integer(number) => Some(Code::Number(*number)),
        Value::String(text) => Some(Code::Text(text.clone())),
        _ => None,
    }
}

impl Codes {
    pub(super) fn read(file: &Reader<'_>) -> Self {
        let mut found = Self::default();
        let Some(all) = file.table("codes") else { return found };
        for (name, value) in all.entries() {
            let Some(table) = value.as_table() else {
                all.complain(name, "must be a table of word = code");
                continue;
            };
            let mut pairs: Vec<(String, Code)> = Vec::new();
            for (word, value) in table {
                let place = format!("{name}.{word}");
                match code(value) {
                    None => all.complain(&place, format!("{value} must be a whole number, or text in quotes")),
                    Some(code) if pairs.iter().any(|(_, known)| *known == code) => {
                        all.complain(&place, format!("{value} stands for another word of this table already"));
                    }
                    Some(code) => pairs.push((word.clone(), code)),
                }
            }
            found.tables.insert(name.to_owned(), pairs);
        }
        all.keys_are_data();
        found
    }

    /// The table that `codes = "name"` of a field means, its words read as those of `T`.
    pub(super) fn named<T: FromStr<Err: ToString>>(&self, field: &Reader<'_>) -> Option<Vec<(T, Code)>> {
        let name = field.text("codes");
        let Some(table) = self.tables.get(&name) else {
            field.complain("codes", format!("{name:?} is not defined; add a table [codes.{name}]"));
            return None;
        };
        self.used.borrow_mut().insert(name.clone());
        let word = |word: &str| {
            word.parse()
                .map_err(|unknown: T::Err| field.complain_at(format!("codes.{name}.{word}"), unknown.to_string()))
        };
        Some(table.iter().filter_map(|(text, code)| Some((word(text).ok()?, code.clone()))).collect())
    }

    pub(super) fn complain_of_unused(&self, file: &Reader<'_>) {
        for name in self.tables.keys().filter(|name| !self.used.borrow().contains(*name)) {
            file.complain(
                &format!("codes.{name}"),
                "no field uses this table; name it with codes = \"…\" or remove it",
            );
        }
    }
}
