//! `[[message]]`, `[[command]]` and their fields, `[codes]`.

use super::{framing, metric_id};
use crate::domain::{Region, reading::QualityFlag};
use crate::protocol::{
    field::{Code, Field, Form, Shape, ValueField, Width},
    framing::{Framing, Kind},
    item::Role,
    reader::Reader,
};
use std::{collections::BTreeMap, str::FromStr};
use toml::Value;

/// Tables of codes by name, each region with its code.
pub(super) type Codes = BTreeMap<String, Vec<(Region, u64)>>;

pub(super) fn codes(file: &Reader<'_>) -> Codes {
    let Some(all) = file.table("codes") else { return Codes::new() };
    let mut found = Codes::new();
    for (name, value) in all.entries() {
        let Some(table) = value.as_table() else {
            all.complain(name, "must be a table of region = code");
            continue;
        };
        let pairs = table.iter().filter_map(|(word, code)| {
            let pair = Region::from_str(word).map_err(|unknown| unknown.to_string()).and_then(|region| {
                let code = code.as_integer().and_then(|code| u64::try_from(code).ok());
                code.map(|code| (region, code)).ok_or_else(|| "needs a whole number, 0 or more".to_owned())
            });
            pair.map_err(|problem| all.complain(&format!("{name}.{word}"), problem)).ok()
        });
        found.insert(name.to_owned(), pairs.collect());
    }
    all.keys_are_data();
    found
}

pub(super) fn read(file: &Reader<'_>, key: &'static str, framing: &Framing, codes: &Codes) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for table in file.tables(key) {
        let name = table.text("name");
        let matches = begins(&table, framing);
        let fields: Vec<Field> =
            table.tables("field").iter().filter_map(|field| read_field(field, framing, codes)).collect();
        if let Some(twin) = shapes.iter().find(|shape| shape.name == name) {
            table.complain("name", format!("{:?} stands twice; every {key} needs its own name", twin.name));
        }
        if let Some(twin) = shapes.iter().find(|shape| confusable(&shape.matches, &matches, framing)) {
            table.complain("match", format!("cannot be told from {:?}, which begins alike", twin.name));
        }
        if framing.kind == Kind::Delimited && framing.separator.is_none() && fields.len() > 1 {
            table.complain(
                "field",
                "a line without separator has one field at most; add separator = \",\" to the framing",
            );
        }
        let open = fields.iter().rev().skip(1).any(|field| framing.kind != Kind::Delimited && field.bytes().is_none());
        if open {
            table.complain("field", "only the last field may be without a length");
        }
        let least: usize = matches.len() + fields.iter().filter_map(Field::bytes).sum::<usize>();
        if framing.kind != Kind::Delimited && least > framing.max_payload {
            table.complain("field", format!("takes {least} bytes, the framing allows {}", framing.max_payload));
        }
        shapes.push(Shape { name, matches, fields });
    }
    shapes
}

fn begins(table: &Reader<'_>, framing: &Framing) -> Vec<u8> {
    let bytes =
        if framing.kind == Kind::Delimited { table.text("match").into_bytes() } else { framing::hex(table, "match") };
    if bytes.is_empty() {
        table.complain("match", "needs the first bytes of the payload in hex (or the first column of a line)");
    }
    bytes
}

fn confusable(one: &[u8], other: &[u8], framing: &Framing) -> bool {
    if framing.kind == Kind::Delimited && framing.separator.is_some() {
        return one == other;
    }
    one.starts_with(other) || other.starts_with(one)
}

fn read_field(table: &Reader<'_>, framing: &Framing, codes: &Codes) -> Option<Field> {
    const KINDS: [&str; 5] = ["metric", "role", "array", "skip", "constant"];
    let present: Vec<&str> = KINDS.into_iter().filter(|key| table.has(key)).collect();
    match present.as_slice() {
        ["metric"] => value(table, framing),
        ["role"] => role(table, framing, codes),
        ["array"] => {
            let field = Field::Array {
                name: table.text("array"),
                form: form(table, framing)?,
                first: table.within("first", 0, 4095),
                count: table.within("count", 1, 4096),
            };
            Some(field)
        }
        ["skip"] => Some(Field::Skip(table.within("skip", 1, 4096))),
        ["constant"] if framing.kind == Kind::Delimited => Some(Field::Constant(table.text("constant").into_bytes())),
        ["constant"] => Some(Field::Constant(framing::hex(table, "constant"))),
        _ => {
            table.complain("", format!("a field is exactly one of {}; this one names {present:?}", KINDS.join(", ")));
            None
        }
    }
}

fn form(table: &Reader<'_>, framing: &Framing) -> Option<Form> {
    let length = table.opt_within("length", 1, 255);
    let width = table.word::<Width>("width")?;
    let text = width.bytes().is_none();
    if !text && length.is_some() {
        table.complain("length", format!("{width} has its own length; leave it out"));
    }
    if framing.kind == Kind::Delimited && !text {
        table.complain("width", format!("{width} is binary; a line of text has digits, decimal or ascii"));
    }
    if framing.kind != Kind::Delimited && text && length.is_none() {
        table.complain("length", format!("is missing: how many bytes does this {width} take?"));
    }
    Some(Form { width, length })
}

fn value(table: &Reader<'_>, framing: &Framing) -> Option<Field> {
    let metric = metric_id(table, "metric", &table.text("metric"));
    let form = form(table, framing);
    let scale = table.opt_float("scale").unwrap_or(1.0);
    if scale == 0.0 {
        table.complain("scale", "must not be 0");
    }
    let offset = table.opt_float("offset").unwrap_or(0.0);
    let stated = table.opt_within("decimals", 0, 9).map(|decimals| decimals as u8);
    let region = table.opt_word::<Region>("region");
    let [absent, under_range, over_range] = ["absent", "under_range", "over_range"].map(|key| code(table, key, form));
    let unit = table.opt_text("unit").unwrap_or_default();
    let form = form?;
    if form.width.is_float() && stated.is_none() {
        table.complain("decimals", "is missing: a float does not say how finely the device measures");
    }
    if matches!(form.width, Width::Ascii | Width::Digits) {
        table.complain("width", "a measured value in text is `decimal`");
    }
    if form.width == Width::Decimal && (stated.is_some() || scale != 1.0 || offset != 0.0) {
        table.complain("scale", "decimal text brings its own decimals; leave scale, offset and decimals out");
    }
    let decimals = stated.unwrap_or_else(|| decimals_of(scale).max(decimals_of(offset)));
    Some(Field::Value(ValueField {
        metric: metric?,
        unit,
        region,
        form,
        scale,
        offset,
        decimals,
        absent,
        under_range,
        over_range,
    }))
}

/// A scale of 0.1 means one decimal, 0.05 two.
fn decimals_of(number: f64) -> u8 {
    let text = number.to_string();
    text.split_once('.').map_or(0, |(_, part)| u8::try_from(part.len()).unwrap_or(9).min(9))
}

fn code(table: &Reader<'_>, key: &'static str, form: Option<Form>) -> Option<Code> {
    let code = match table.get(key)? {
        Value::Integer(number) => Code::Number(*number),
        Value::String(text) => Code::Text(text.clone()),
        other => {
            table.complain(key, format!("{other} must be the raw whole number, or the text of the column in quotes"));
            return None;
        }
    };
    let text_wanted = form.is_some_and(|form| form.width == Width::Decimal);
    if form.is_some() && text_wanted != matches!(code, Code::Text(_)) {
        table.complain(key, "must be of the field's own kind: text for decimal, a whole number otherwise");
    }
    Some(code)
}

fn role(table: &Reader<'_>, framing: &Framing, codes: &Codes) -> Option<Field> {
    let role = table.word::<Role>("role")?;
    match role {
        Role::Data | Role::Unknown => {
            let length = table.opt_within("length", 1, 4096);
            if framing.kind == Kind::Delimited {
                table.complain("role", format!("{role} is for binary frames"));
            }
            Some(Field::Bytes { role, length })
        }
        Role::Serial | Role::Probe | Role::Firmware => {
            let form = form(table, framing)?;
            if form.width != Width::Ascii {
                table.complain("width", format!("{role} is text: width = \"ascii\""));
            }
            Some(Field::Text { role, form })
        }
        Role::Region => {
            let named = table.text("codes");
            let found = codes.get(&named).cloned();
            if found.is_none() {
                table.complain("codes", format!("{named:?} is not defined; add a table [codes.{named}]"));
            }
            Some(Field::Region { form: whole(table, framing)?, codes: found? })
        }
        Role::Flags => flags(table, framing),
        _ => Some(Field::Number { role, form: whole(table, framing)? }),
    }
}

/// An unsigned whole number.
fn whole(table: &Reader<'_>, framing: &Framing) -> Option<Form> {
    let form = form(table, framing)?;
    if form.width.is_float() || form.width.is_signed() || matches!(form.width, Width::Ascii | Width::Decimal) {
        table.complain("width", format!("{} cannot hold this; use an unsigned width or digits", form.width));
        return None;
    }
    Some(form)
}

fn flags(table: &Reader<'_>, framing: &Framing) -> Option<Field> {
    let form = whole(table, framing);
    let bits_table = table.table("bits")?;
    let mut bits = Vec::new();
    for (word, bit) in bits_table.entries() {
        match (QualityFlag::from_str(word), bit.as_integer().filter(|bit| (0..64).contains(bit))) {
            (Ok(flag), Some(bit)) => bits.push((flag, bit as u8)),
            (Err(unknown), _) => bits_table.complain(word, unknown.to_string()),
            (_, None) => bits_table.complain(word, "needs the number of its bit, 0 the lowest"),
        }
    }
    bits_table.keys_are_data();
    bits.sort_by_key(|(_, bit)| *bit);
    Some(Field::Flags { form: form?, bits })
}
