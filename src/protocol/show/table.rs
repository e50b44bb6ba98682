//! The tables of fields, as they stand in a manual: offset, width, meaning.

use super::line;
use crate::protocol::{
    field::{Code, Doubt, Field, NoValueCodes, Shape, Times, ValueField},
    framing::Framing,
    item::hex_words,
    width::Form,
};
use std::fmt::Write;

pub(super) fn shapes(page: &mut String, title: &str, shapes: &[Shape], framing: &Framing) {
    line!(page, "## {title}\n");
    for shape in shapes {
        let begins = match framing.is_text() {
            _ if shape.is_bare() => "begins with nothing of its own".to_owned(),
            true => format!("`{}`", shape.matches.escape_ascii()),
            false => format!("`{}`", hex_words(&shape.matches)),
        };
        line!(page, "### {} · {begins}\n", shape.name);
        if shape.fields.is_empty() {
            continue;
        }
        let columns = framing.separator.is_some();
        let place = if columns { "column" } else { "payload byte, from 0" };
        line!(page, "| {place} | width | field |\n| --- | --- | --- |");
        let mut rows = Rows { page, columns };
        let first = if columns { usize::from(!shape.is_bare()) } else { shape.matches.len() };
        rows.fields(&shape.fields, Some(first), "");
        line!(page, "");
    }
}

struct Rows<'p> {
    page: &'p mut String,
    columns: bool,
}

impl Rows<'_> {
    /// `at` is where the first stands, as long as that is the same in every frame.
    fn fields(&mut self, fields: &[Field], mut at: Option<usize>, inset: &str) {
        for field in fields {
            let place = at.map_or_else(|| "…".to_owned(), |at| at.to_string());
            line!(self.page, "| {place} | {inset}{} | {inset}{} |", width(field), meaning(field));
            let size = if self.columns { field.columns() } else { field.bytes() };
            match field {
                Field::When { .. } => {}
                Field::Group { .. } => self.fields(field.inner(), at, &format!("{inset}· ")),
                _ => self.parts(field.inner(), inset),
            }
            at = at.zip(size).map(|(at, size)| at + size);
        }
    }

    /// What shares a column or a number.
    fn parts(&mut self, fields: &[Field], inset: &str) {
        for field in fields {
            line!(self.page, "| | {inset}· {} | {inset}· {} |", width(field), meaning(field));
        }
    }
}

fn width(field: &Field) -> String {
    let of = |form: &Form| match form.length {
        Some(length) => format!("{} × {length}", form.width),
        None => form.width.to_string(),
    };
    match field {
        Field::Skip(count) => format!("× {count}"),
        Field::Constant(bytes) => format!("× {}", bytes.len()),
        Field::Value(ValueField { form, .. })
        | Field::Number { form, .. }
        | Field::Text { form, .. }
        | Field::Region { form, .. }
        | Field::Status { form, .. }
        | Field::Flags { form, .. } => of(form),
        Field::Bytes { length, .. } => length.map_or_else(|| "the rest".to_owned(), |length| format!("{length} bytes")),
        Field::Array { form, count, .. } => format!("{} × {count}", form.width),
        Field::Packed { width, .. } => width.to_string(),
        Field::When { field, .. } => width(field),
        Field::Always { .. } | Field::Column(_) | Field::Group { .. } => String::new(),
    }
}

fn meaning(field: &Field) -> String {
    match field {
        Field::Skip(_) => "not used".to_owned(),
        Field::Constant(bytes) => format!("always `{}`", bytes.escape_ascii()),
        Field::Value(value) => value_meaning(value),
        Field::Always { metric, reason, .. } => format!("**{metric}** is {reason}: the message says so"),
        Field::Region { codes, .. } => {
            format!("region: {}", list(codes, |(region, code)| format!("{} {region}", shown(code))))
        }
        Field::Status { codes, of, .. } => {
            let of = of.as_ref().map_or_else(|| "the values".to_owned(), |metric| format!("**{metric}**"));
            format!("status of {of}: {}", list(codes, |(status, code)| format!("{} {status}", shown(code))))
        }
        Field::Flags { bits, doubts, .. } => {
            let bits = list(bits, |(flag, bit)| format!("bit {bit} {flag}"));
            let doubts = list(doubts, doubt);
            let parts: Vec<String> = [bits, doubts].into_iter().filter(|part| !part.is_empty()).collect();
            format!("flags: {}", parts.join(", "))
        }
        Field::Array { name, first, count, .. } => format!("{name}, places {first} to {}", first + count - 1),
        Field::Column(_) => "one column:".to_owned(),
        Field::Packed { .. } => "from the highest bit down:".to_owned(),
        Field::Group { times, .. } => match times {
            Times::Fixed(times) => format!("{times} times:"),
            Times::Counted => "as often as `count` says:".to_owned(),
            Times::Rest => "until the payload ends:".to_owned(),
        },
        Field::When { bit, set, field } => {
            let state = if *set { "set" } else { "not set" };
            format!("{} (there if bit {bit} of `presence` is {state})", meaning(field))
        }
        Field::Number { .. } | Field::Text { .. } | Field::Bytes { .. } => field.name(),
    }
}

fn list<T>(all: &[T], one: impl Fn(&T) -> String) -> String {
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn doubt(doubt: &Doubt) -> String {
    let Doubt { bit, set, metric, reason } = doubt;
    let of = metric.as_ref().map_or_else(String::new, |metric| format!("{metric} "));
    format!("bit {bit} {}: {of}{reason}", if *set { "set" } else { "not set" })
}

fn shown(code: &Code) -> String {
    match code {
        Code::Number(code) => format!("{code}"),
        Code::Text(code) => format!("`{code}`"),
    }
}

fn value_meaning(value: &ValueField) -> String {
    let mut text = format!("**{}**", value.metric);
    if !value.unit.is_empty() {
        text.push_str(&format!(" in {}", value.unit));
    }
    text.extend(value.region.map(|region| format!(" at {region}")));
    if value.scale != 1.0 || value.offset != 0.0 {
        text.push_str(&format!(", times {} plus {}", value.scale, value.offset));
    }
    text.extend(value.range.map(|(least, most)| format!(", from {least} to {most}")));
    let NoValueCodes { absent, under_range, over_range } = &value.codes;
    for (word, codes) in [("absent", absent), ("under range", under_range), ("over range", over_range)] {
        for code in codes {
            match code {
                Code::Number(code) => text.push_str(&format!(", {code:#X} {word}")),
                Code::Text(code) => text.push_str(&format!(", `{code}` {word}")),
            }
        }
    }
    text
}
