//! Payload + file → items. A payload either decodes whole or is a [`FrameError`]: there is no half-read message.

use super::{
    fault::{FrameError, SizeOf},
    field::{Code, Field, Form, Shape, ValueField, Width},
    framer::unsigned,
    framing::{Framing, Kind},
    item::{Decoded, Item, NoValue, hex_words},
    spec::Spec,
};
use crate::domain::{Quantity, Region, reading::QualityFlag};

/// So many bytes of an unknown message are shown in the complaint.
const SHOWN: usize = 8;

impl Spec {
    /// What the device said.
    ///
    /// # Errors
    /// [`FrameError`] when the payload is no message of this protocol.
    pub fn decode_message(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        decode(&self.messages, &self.framing, payload)
    }

    /// What the gateway said; the simulated device's side.
    ///
    /// # Errors
    /// [`FrameError`] when the payload is no command of this protocol.
    pub fn decode_command(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        decode(&self.commands, &self.command_framing, payload)
    }
}

fn decode(shapes: &[Shape], framing: &Framing, payload: &[u8]) -> Result<Decoded, FrameError> {
    if framing.kind == Kind::Delimited { line(shapes, framing, payload) } else { binary(shapes, framing, payload) }
}

fn unknown(payload: &[u8]) -> FrameError {
    FrameError::UnknownMessage { begins: hex_words(&payload[..payload.len().min(SHOWN)]) }
}

fn binary(shapes: &[Shape], framing: &Framing, payload: &[u8]) -> Result<Decoded, FrameError> {
    let shape = shapes.iter().find(|shape| payload.starts_with(&shape.matches)).ok_or_else(|| unknown(payload))?;
    let mut rest = &payload[shape.matches.len()..];
    let expected: usize = shape.fields.iter().filter_map(Field::bytes).sum();
    let open = framing.kind == Kind::FixedLength || shape.fields.iter().any(|field| field.bytes().is_none());
    if rest.len() < expected || (rest.len() > expected && !open) {
        return Err(FrameError::Size {
            message: shape.name.clone(),
            what: SizeOf::Bytes,
            expected: expected + shape.matches.len(),
            found: payload.len(),
        });
    }
    let mut items = Vec::new();
    for field in &shape.fields {
        let (bytes, behind) = rest.split_at(field.bytes().unwrap_or(rest.len()).min(rest.len()));
        items.extend(item(field, bytes).map_err(|problem| in_field(shape, field, problem))?);
        rest = behind;
    }
    Ok(Decoded { name: shape.name.clone(), items })
}

fn line(shapes: &[Shape], framing: &Framing, payload: &[u8]) -> Result<Decoded, FrameError> {
    let (shape, columns) = match framing.separator {
        Some(separator) => {
            let mut columns: Vec<&[u8]> = payload.split(|byte| *byte == separator).collect();
            let first = columns.remove(0);
            (shapes.iter().find(|shape| shape.matches == first), columns)
        }
        None => {
            let shape = shapes.iter().find(|shape| payload.starts_with(&shape.matches));
            let rest = shape.map(|shape| &payload[shape.matches.len()..]).filter(|rest| !rest.is_empty());
            (shape, rest.into_iter().collect())
        }
    };
    let shape = shape.ok_or_else(|| unknown(payload))?;
    if columns.len() != shape.fields.len() {
        return Err(FrameError::Size {
            message: shape.name.clone(),
            what: SizeOf::Columns,
            expected: shape.fields.len(),
            found: columns.len(),
        });
    }
    let mut items = Vec::new();
    for (field, column) in shape.fields.iter().zip(columns) {
        items.extend(item(field, column).map_err(|problem| in_field(shape, field, problem))?);
    }
    Ok(Decoded { name: shape.name.clone(), items })
}

fn in_field(shape: &Shape, field: &Field, problem: String) -> FrameError {
    FrameError::Field { message: shape.name.clone(), field: field.name(), problem }
}

fn item(field: &Field, bytes: &[u8]) -> Result<Option<Item>, String> {
    let item = match field {
        Field::Skip(_) => return Ok(None),
        Field::Constant(wanted) if bytes == wanted => return Ok(None),
        Field::Constant(wanted) => {
            return Err(format!("has {}, the file says {}", hex_words(bytes), hex_words(wanted)));
        }
        Field::Value(field) => Item::Value {
            metric: field.metric.clone(),
            unit: field.unit.clone(),
            region: field.region,
            value: value(field, bytes)?,
        },
        Field::Number { role, form } => Item::Number { role: *role, value: whole(*form, bytes)? },
        Field::Text { role, .. } => Item::Text { role: *role, text: text(bytes)?.to_owned() },
        Field::Bytes { role, .. } => Item::Bytes { role: *role, bytes: bytes.to_vec() },
        Field::Region { form, codes } => Item::Region(region(codes, whole(*form, bytes)?)?),
        Field::Flags { form, bits } => Item::Flags(flags(bits, whole(*form, bytes)?)),
        Field::Array { name, form, first, count } => {
            let each = bytes.len() / (*count).max(1);
            let values: Result<Vec<f32>, String> = bytes.chunks(each.max(1)).map(|slice| real(*form, slice)).collect();
            Item::Array { name: name.clone(), first: *first, values: values? }
        }
    };
    Ok(Some(item))
}

/// A number before scale and offset.
enum Raw<'a> {
    Whole(i128),
    Float(f64),
    Text(&'a str),
}

fn raw(form: Form, bytes: &[u8]) -> Result<Raw<'_>, String> {
    let width = form.width;
    let bits = || unsigned(bytes, width.is_little_endian());
    Ok(match width {
        Width::F32Be | Width::F32Le => Raw::Float(f64::from(f32::from_bits(bits() as u32))),
        Width::Digits => {
            let digits = text(bytes)?;
            let all = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = all.then(|| digits.parse().ok()).flatten();
            Raw::Whole(number.ok_or_else(|| format!("{digits:?} is no whole number"))?)
        }
        Width::Decimal | Width::Ascii => Raw::Text(text(bytes)?),
        _ if width.is_signed() => {
            let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
            Raw::Whole(i128::from((bits() << unused) as i64 >> unused))
        }
        _ => Raw::Whole(i128::from(bits())),
    })
}

/// Printable ASCII without the padding round it.
fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_matches([' ', '\0']));
    text.filter(|text| text.bytes().all(|byte| (0x20..0x7F).contains(&byte)))
        .ok_or_else(|| format!("{} is no printable text", hex_words(&bytes[..bytes.len().min(SHOWN)])))
}

fn whole(form: Form, bytes: &[u8]) -> Result<u64, String> {
    match raw(form, bytes)? {
        Raw::Whole(number) => u64::try_from(number).map_err(|_| format!("{number} is negative")),
        Raw::Float(number) => Err(format!("{number} is no whole number")),
        Raw::Text(text) => Err(format!("{text:?} is no whole number")),
    }
}

/// A place of an array. A reflectance that is no number would poison every quantity derived from it.
fn real(form: Form, bytes: &[u8]) -> Result<f32, String> {
    let number = match raw(form, bytes)? {
        Raw::Whole(number) => number as f32,
        Raw::Float(number) => number as f32,
        Raw::Text(text) => text.parse().map_err(|_| format!("{text:?} is no number"))?,
    };
    if number.is_finite() { Ok(number) } else { Err("holds a place that is no number".to_owned()) }
}

fn value(field: &ValueField, bytes: &[u8]) -> Result<Result<Quantity, NoValue>, String> {
    let raw = raw(field.form, bytes)?;
    let is = |code: &Option<Code>| match (code, &raw) {
        (Some(Code::Number(code)), Raw::Whole(number)) => i128::from(*code) == *number,
        (Some(Code::Text(code)), Raw::Text(text)) => code.trim() == *text,
        _ => false,
    };
    if is(&field.absent) {
        return Ok(Err(NoValue::Absent));
    }
    if is(&field.under_range) {
        return Ok(Err(NoValue::UnderRange));
    }
    if is(&field.over_range) {
        return Ok(Err(NoValue::OverRange));
    }
    let scaled = |number: f64| Quantity::new(number * field.scale + field.offset, field.decimals);
    let quantity = match raw {
        Raw::Float(number) if !number.is_finite() => return Ok(Err(NoValue::Absent)),
        Raw::Float(number) => scaled(number).ok_or_else(|| format!("{number} is beyond any measured value"))?,
        Raw::Whole(number) => scaled(number as f64).ok_or_else(|| format!("{number} is beyond any measured value"))?,
        Raw::Text(text) => text.parse::<Quantity>().map_err(|fault| fault.to_string())?,
    };
    Ok(Ok(quantity))
}

fn region(codes: &[(Region, u64)], code: u64) -> Result<Region, String> {
    let found = codes.iter().find(|(_, known)| *known == code).map(|(region, _)| *region);
    found.ok_or_else(|| format!("{code} is no region of the [codes] table"))
}

/// Bits without a name are the device's own affair.
fn flags(bits: &[(QualityFlag, u8)], word: u64) -> Vec<QualityFlag> {
    bits.iter().filter(|(_, bit)| word >> bit & 1 == 1).map(|(flag, _)| *flag).collect()
}
