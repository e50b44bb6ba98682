//! `field = [ … ]` of a message or command, in wire order.

use super::{
    codes::{Codes, code},
    framing, metric_id,
};
use crate::domain::{Region, metric::MetricId, reading::QualityFlag};
use crate::protocol::{
    field::{Code, Doubt, Field, NoValueCodes, Status, Times, ValueField},
    framing::Framing,
    item::{NoValue, Role},
    reader::Reader,
    width::{Form, Sort, Width},
};
use std::{str::FromStr, sync::Arc};
use toml::Value;

/// What surrounds a list of fields.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    codes: &'c Codes,
    /// Payloads are text.
    text: bool,
    /// Each field takes a column.
    columns: bool,
    /// Fields share the bits of one number.
    packed: bool,
}

impl<'c> Context<'c> {
    pub(super) fn of(framing: &Framing, codes: &'c Codes) -> Self {
        Self { codes, text: framing.is_text(), columns: framing.separator.is_some(), packed: false }
    }
}

/// The kinds of field there are, each named by its key.
const KINDS: [&str; 8] = ["metric", "role", "array", "skip", "constant", "packed", "repeat", "field"];

pub(super) fn read(table: &Reader<'_>, key: &'static str, context: &Context<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    for one in table.tables(key) {
        let before_is_open = fields.last().is_some_and(is_open);
        if before_is_open && !context.columns {
            one.complain("", "stands behind a field without a length; only the last one may be without");
        }
        fields.extend(field(&one, context));
    }
    fields
}

/// Whether a field takes all that is left.
fn is_open(field: &Field) -> bool {
    match field {
        Field::When { .. } | Field::Group { times: Times::Fixed(_) | Times::Counted, .. } => {
            field.inner().iter().any(is_open)
        }
        Field::Group { times: Times::Rest, .. } => true,
        // Bits know their length.
        Field::Value(ValueField { form, .. }) | Field::Number { form, .. } if form.width.is_bits() => false,
        Field::Region { form, .. } | Field::Status { form, .. } | Field::Flags { form, .. } if form.width.is_bits() => {
            false
        }
        other => other.bytes().is_none(),
    }
}

fn field(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let inner = plain(table, context)?;
    let bit = |key| table.opt_within(key, 0, 63).map(|bit| bit as u8);
    match (bit("if_bit"), bit("unless_bit")) {
        (None, None) => Some(inner),
        (Some(bit), None) => Some(Field::When { bit, set: true, field: Box::new(inner) }),
        (None, Some(bit)) => Some(Field::When { bit, set: false, field: Box::new(inner) }),
        (Some(_), Some(_)) => {
            table.complain("if_bit", "cannot stand beside unless_bit; one bit decides");
            None
        }
    }
}

fn plain(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let mut present: Vec<&str> = KINDS.into_iter().filter(|key| table.has(key)).collect();
    if present.len() == 2 && present[1] == "field" && matches!(present[0], "packed" | "repeat") {
        present.pop();
    }
    match present.as_slice() {
        ["metric"] if table.has("always") => always(table),
        ["metric"] => value(table, context),
        ["role"] => role(table, context),
        ["array"] => {
            let field = Field::Array {
                name: table.text("array"),
                form: form(table, context)?,
                first: table.within("first", 0, 4095),
                count: table.within("count", 1, 4096),
            };
            Some(field)
        }
        ["skip"] => Some(Field::Skip(table.within("skip", 1, if context.packed { 63 } else { 4096 }))),
        ["constant"] if context.text => Some(Field::Constant(table.text("constant").into_bytes())),
        ["constant"] => Some(Field::Constant(framing::hex(table, "constant"))),
        ["packed"] => packed(table, context),
        ["repeat"] => group(table, context),
        ["field"] if context.columns => {
            Some(Field::Column(read(table, "field", &Context { columns: false, ..*context })))
        }
        ["field"] => {
            table.complain(
                "field",
                "fields share a column; this framing has no separator, so let them stand by themselves",
            );
            None
        }
        _ => {
            table.complain("", format!("a field is exactly one of {}; this one names {present:?}", KINDS.join(", ")));
            None
        }
    }
}

fn packed(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let width = table.word::<Width>("packed")?;
    let fields = read(table, "field", &Context { packed: true, ..*context });
    if context.text || width.sort() != Sort::Unsigned || width.is_bits() {
        table.complain(
            "packed",
            format!("{width} cannot be shared out; use an unsigned width of binary frames, such as u16be"),
        );
        return None;
    }
    let bits = |field: &Field| match field {
        Field::Skip(bits) => *bits,
        Field::Value(ValueField { form, .. })
        | Field::Number { form, .. }
        | Field::Region { form, .. }
        | Field::Status { form, .. }
        | Field::Flags { form, .. } => form.length.unwrap_or(0),
        _ => 0,
    };
    let (used, there) = (fields.iter().map(bits).sum::<usize>(), 8 * width.bytes().unwrap_or(0));
    if used != there {
        table.complain("field", format!("takes {used} of the {there} bits of {width}; name the others with skip"));
    }
    Some(Field::Packed { width, fields })
}

fn group(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let fields = read(table, "field", context);
    let sized = |field: &Field| field.bytes() != Some(0);
    if !fields.iter().any(sized) {
        table.complain("field", "needs at least one field that takes bytes or a column");
        return None;
    }
    let times = match table.get("repeat") {
        Some(Value::Integer(times @ 1..=1024)) => Times::Fixed(*times as usize),
        Some(Value::String(word)) if word == "count" => Times::Counted,
        Some(Value::String(word)) if word == "rest" => Times::Rest,
        _ => {
            table.complain(
                "repeat",
                "must be a number up to 1024, \"count\" (as the field with role = \"count\" says) or \"rest\"",
            );
            return None;
        }
    };
    Some(Field::Group { times, fields })
}

fn form(table: &Reader<'_>, context: &Context<'_>) -> Option<Form> {
    let length = table.opt_within("length", 1, 255);
    let width = table.word::<Width>("width")?;
    let form = Form { width, length };
    let problem = if context.packed != width.is_bits() {
        let wanted = if context.packed { "has bits or signed-bits here" } else { "stands only inside a packed field" };
        Some(("width", format!("{width}: a field of a packed number {wanted}")))
    } else if context.text && !width.is_text() {
        Some(("width", format!("{width} is binary; a line of text has digits, hex, decimal or ascii")))
    } else if width.bytes().is_some() && length.is_some() {
        Some(("length", format!("{width} has its own length; leave it out")))
    } else if width.bytes().is_none() && length.is_none() && !context.text && width != Width::Ascii {
        let unit = if width.is_bits() { "bits" } else { "bytes" };
        Some(("length", format!("is missing: how many {unit} does this {width} take?")))
    } else if (width.is_bits() && length > Some(63)) || (width == Width::Bcd && length > Some(8)) {
        Some(("length", format!("is more than {width} can hold")))
    } else {
        None
    };
    match problem {
        None => Some(form),
        Some((key, problem)) => {
            table.complain(key, problem);
            None
        }
    }
}

fn always(table: &Reader<'_>) -> Option<Field> {
    let metric = metric_id(table, "metric", &table.text("metric"));
    let unit: Arc<str> = table.opt_text("unit").unwrap_or_default().into();
    let region = table.opt_word::<Region>("region");
    let reason = table.word::<Status>("always").and_then(Status::reason);
    if reason.is_none() {
        table.complain("always", "must say why there is no value: absent, under_range or over_range");
    }
    Some(Field::Always { metric: metric?, unit, region, reason: reason? })
}

fn value(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let metric = metric_id(table, "metric", &table.text("metric"));
    let form = form(table, context);
    let scale = table.opt_float("scale").unwrap_or(1.0);
    if scale == 0.0 {
        table.complain("scale", "must not be 0");
    }
    let offset = table.opt_float("offset").unwrap_or(0.0);
    let stated = table.opt_within("decimals", 0, 9).map(|decimals| decimals as u8);
    let region = table.opt_word::<Region>("region");
    let [absent, under_range, over_range] =
        ["absent", "under_range", "over_range"].map(|key| no_value_codes(table, key, form));
    let range = range(table);
    let unit: Arc<str> = table.opt_text("unit").unwrap_or_default().into();
    let form = form?;
    let sort = form.width.sort();
    if sort == Sort::Float && stated.is_none() {
        table.complain("decimals", "is missing: a float does not say how finely the device measures");
    }
    if sort == Sort::Ascii {
        table.complain("width", "a measured value in text is decimal, digits or hex");
    }
    if sort == Sort::Decimal && (stated.is_some() || scale != 1.0 || offset != 0.0) {
        table.complain("scale", "decimal text brings its own decimals; leave scale, offset and decimals out");
    }
    let implied = decimals_of(scale).max(decimals_of(offset));
    let decimals = if form.width.brings_decimals() { stated } else { Some(stated.unwrap_or(implied)) };
    let codes = NoValueCodes { absent, under_range, over_range };
    Some(Field::Value(ValueField { metric: metric?, unit, region, form, scale, offset, decimals, range, codes }))
}

/// A scale of 0.1 means one decimal, 0.05 two.
fn decimals_of(number: f64) -> u8 {
    let text = number.to_string();
    text.split_once('.').map_or(0, |(_, part)| u8::try_from(part.len()).unwrap_or(9).min(9))
}

fn range(table: &Reader<'_>) -> Option<(f64, f64)> {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let value = table.get("range")?;
    let ends: Option<Vec<f64>> = value.as_array().and_then(|ends| ends.iter().map(number).collect());
    match ends.as_deref() {
        Some([least, most]) if least < most => Some((*least, *most)),
        _ => {
            table.complain("range", format!("{value} must be the least and the greatest value, such as [0.0, 100.0]"));
            None
        }
    }
}

/// One code or a list of them.
fn no_value_codes(table: &Reader<'_>, key: &'static str, form: Option<Form>) -> Vec<Code> {
    let Some(value) = table.get(key) else { return Vec::new() };
    let all = match value {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let codes: Option<Vec<Code>> = all.iter().map(code).collect();
    let Some(codes) = codes else {
        table.complain(key, format!("{value} must be the raw whole number, or the text in quotes, or a list of these"));
        return Vec::new();
    };
    if let Some(form) = form
        && !codes.iter().all(|code| fits(code, form))
    {
        table.complain(key, "must be of the field's own kind: text for decimal, a whole number that fits otherwise");
    }
    codes
}

fn fits(code: &Code, form: Form) -> bool {
    match (code, form.width.sort()) {
        (Code::Text(_), Sort::Decimal | Sort::Ascii) => true,
        (Code::Number(number), Sort::Bcd) => *number >= 0,
        (Code::Number(number), _) => {
            form.limits().is_some_and(|(least, most)| (least..=most).contains(&i128::from(*number)))
        }
        (Code::Text(_), _) => false,
    }
}

fn role(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let role = table.word::<Role>("role")?;
    match role {
        Role::Data | Role::Unknown => {
            let length = table.opt_within("length", 1, 4096);
            if context.text || context.packed {
                table.complain("role", format!("{role} is for bytes of binary frames"));
            }
            Some(Field::Bytes { role, length })
        }
        Role::Serial | Role::Probe | Role::Firmware => {
            let form = form(table, context)?;
            if form.width.is_text() && form.width != Width::Ascii {
                table.complain("width", format!("{role} in text is ascii: leading zeros belong to it"));
            }
            let form = if form.width.is_text() { form } else { unsigned(table, form)? };
            Some(Field::Text { role, form })
        }
        Role::Mode | Role::Error => {
            let form = form(table, context)?;
            if form.width == Width::Ascii {
                Some(Field::Text { role, form })
            } else {
                Some(Field::Number { role, form: unsigned(table, form)? })
            }
        }
        Role::Region => {
            let codes = context.codes.named::<Region>(table);
            let form = form(table, context)?;
            Some(Field::Region { form, codes: coded(table, form, codes?)? })
        }
        Role::Status => {
            let codes = context.codes.named::<Status>(table);
            let of = table.opt_text("of").and_then(|text| metric_id(table, "of", &text));
            let form = form(table, context)?;
            Some(Field::Status { form, codes: coded(table, form, codes?)?, of })
        }
        Role::Flags => flags(table, context),
        _ => {
            let form = form(table, context)?;
            Some(Field::Number { role, form: unsigned(table, form)? })
        }
    }
}

fn coded<T>(table: &Reader<'_>, form: Form, codes: Vec<(T, Code)>) -> Option<Vec<(T, Code)>> {
    if codes.iter().all(|(_, code)| fits(code, form)) {
        return Some(codes);
    }
    table.complain(
        "codes",
        format!("has codes that {} cannot hold: text stands in ascii, numbers in the others", form.width),
    );
    None
}

/// An unsigned whole number.
fn unsigned(table: &Reader<'_>, form: Form) -> Option<Form> {
    if matches!(form.width.sort(), Sort::Unsigned | Sort::Digits | Sort::Hex | Sort::Bcd) {
        return Some(form);
    }
    let wanted = if form.width.is_text() { "digits or hex" } else { "an unsigned width such as u16be" };
    table.complain("width", format!("{} cannot hold this; use {wanted}", form.width));
    None
}

fn flags(table: &Reader<'_>, context: &Context<'_>) -> Option<Field> {
    let form = form(table, context).and_then(|form| unsigned(table, form));
    let mut bits = Vec::new();
    if let Some(named) = table.table("bits") {
        for (word, bit) in named.entries() {
            match (QualityFlag::from_str(word), bit.as_integer().filter(|bit| (0..64).contains(bit))) {
                (Ok(flag), Some(bit)) => bits.push((flag, bit as u8)),
                (Err(unknown), _) => named.complain(word, unknown.to_string()),
                (_, None) => named.complain(word, "needs the number of its bit, 0 the lowest"),
            }
        }
        named.keys_are_data();
    }
    bits.sort_by_key(|(_, bit)| *bit);
    let doubts: Vec<Doubt> = table.tables("no_value").iter().filter_map(doubt).collect();
    if bits.is_empty() && doubts.is_empty() {
        table
            .complain("bits", "names no bit; write bits = { weak_contact = 0 }, no_value = [ … ], or skip these bytes");
    }
    Some(Field::Flags { form: form?, bits, doubts })
}

fn doubt(table: &Reader<'_>) -> Option<Doubt> {
    let metric: Option<MetricId> = table.opt_text("metric").and_then(|text| metric_id(table, "metric", &text));
    let reason: Option<NoValue> = table.word::<Status>("reason").and_then(Status::reason);
    if reason.is_none() {
        table.complain("reason", "must be absent, under_range or over_range");
    }
    let bit = |key| table.opt_within(key, 0, 63).map(|bit| bit as u8);
    match (bit("if_bit"), bit("unless_bit")) {
        (Some(bit), None) => Some(Doubt { bit, set: true, metric, reason: reason? }),
        (None, Some(bit)) => Some(Doubt { bit, set: false, metric, reason: reason? }),
        _ => {
            table.complain("if_bit", "needs the number of its bit: either if_bit or unless_bit");
            None
        }
    }
}
