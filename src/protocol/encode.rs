//! Items + file → frame: commands of the gateway and messages of the simulated device, from the same tables as decoding.

use super::{
    field::{Code, Field, Form, Shape, ValueField, Width},
    framer::to_bytes,
    framing::{Framing, Kind},
    item::{Item, NoValue},
    spec::Spec,
};
use crate::domain::{Quantity, Region};

/// Why items do not make a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("the protocol file has no {0:?}")]
    NoSuchShape(String),
    #[error("{shape:?} needs a value for {field}")]
    Missing { shape: String, field: String },
    /// The device has no code for it: it does not measure there.
    #[error("{shape:?} has no code for the region {region}")]
    NoCode { shape: String, region: Region },
    #[error("{shape:?}, field {field}: {value} does not fit")]
    DoesNotFit { shape: String, field: String, value: String },
}

impl Spec {
    /// A whole frame from the gateway to the device. Items the command has no field for are left aside.
    ///
    /// # Errors
    /// [`EncodeError`] when an item is missing or does not fit.
    pub fn encode_command(&self, name: &str, items: &[Item]) -> Result<Vec<u8>, EncodeError> {
        let shape = self.command(name).ok_or_else(|| EncodeError::NoSuchShape(name.to_owned()))?;
        Ok(self.command_framing.wrap(&payload(shape, &self.command_framing, items)?))
    }

    /// A whole frame from the device to the gateway.
    ///
    /// # Errors
    /// [`EncodeError`] when an item is missing or does not fit.
    pub fn encode_message(&self, name: &str, items: &[Item]) -> Result<Vec<u8>, EncodeError> {
        let shape = self.message(name).ok_or_else(|| EncodeError::NoSuchShape(name.to_owned()))?;
        Ok(self.framing.wrap(&payload(shape, &self.framing, items)?))
    }
}

fn payload(shape: &Shape, framing: &Framing, items: &[Item]) -> Result<Vec<u8>, EncodeError> {
    let mut unused: Vec<&Item> = items.iter().collect();
    let mut payload = shape.matches.clone();
    for field in &shape.fields {
        let bytes = field_bytes(shape, field, framing, &mut unused)?;
        if framing.kind == Kind::Delimited {
            payload.extend(framing.separator);
            let breaks = |byte: &u8| Some(*byte) == framing.separator || framing.end.contains(byte);
            if bytes.iter().any(breaks) {
                return Err(does_not_fit(shape, field, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        payload.extend(bytes);
    }
    if payload.len() > framing.max_payload {
        let found = format!("{} bytes of {}", payload.len(), framing.max_payload);
        return Err(EncodeError::DoesNotFit { shape: shape.name.clone(), field: "payload".to_owned(), value: found });
    }
    Ok(payload)
}

fn does_not_fit(shape: &Shape, field: &Field, value: String) -> EncodeError {
    EncodeError::DoesNotFit { shape: shape.name.clone(), field: field.name(), value }
}

/// The first item that belongs to `field`; each is used once.
fn take<'i>(unused: &mut Vec<&'i Item>, field: &Field) -> Option<&'i Item> {
    let belongs = |item: &&Item| match (item, field) {
        (Item::Value { metric, .. }, Field::Value(field)) => *metric == field.metric,
        (Item::Number { role, .. }, Field::Number { role: wanted, .. })
        | (Item::Text { role, .. }, Field::Text { role: wanted, .. })
        | (Item::Bytes { role, .. }, Field::Bytes { role: wanted, .. }) => role == wanted,
        (Item::Region(_), Field::Region { .. }) | (Item::Flags(_), Field::Flags { .. }) => true,
        (Item::Array { name, first, .. }, Field::Array { name: wanted, first: from, .. }) => {
            name == wanted && first == from
        }
        _ => false,
    };
    let at = unused.iter().position(belongs)?;
    Some(unused.remove(at))
}

fn field_bytes(
    shape: &Shape,
    field: &Field,
    framing: &Framing,
    unused: &mut Vec<&Item>,
) -> Result<Vec<u8>, EncodeError> {
    let unfit = |value: String| does_not_fit(shape, field, value);
    match field {
        Field::Skip(_) if framing.kind == Kind::Delimited => return Ok(Vec::new()),
        Field::Skip(count) => return Ok(vec![0; *count]),
        Field::Constant(bytes) => return Ok(bytes.clone()),
        _ => {}
    }
    let item = take(unused, field);
    let missing = || EncodeError::Missing { shape: shape.name.clone(), field: field.name() };
    match (field, item.ok_or_else(missing)?) {
        (Field::Value(field), Item::Value { value, .. }) => value_bytes(field, value)
            .ok_or_else(|| unfit(value.as_ref().map_or_else(ToString::to_string, ToString::to_string))),
        (Field::Number { form, .. }, Item::Number { value, .. }) => {
            whole(*form, i128::from(*value)).ok_or_else(|| unfit(value.to_string()))
        }
        (Field::Text { form, .. }, Item::Text { text, .. }) => {
            padded(text.as_bytes(), *form).ok_or_else(|| unfit(text.clone()))
        }
        (Field::Bytes { length, .. }, Item::Bytes { bytes, .. }) => {
            let fits = length.is_none_or(|length| length == bytes.len());
            fits.then(|| bytes.clone()).ok_or_else(|| unfit(format!("{} bytes", bytes.len())))
        }
        (Field::Region { form, codes }, Item::Region(region)) => {
            let code = codes.iter().find(|(known, _)| known == region).map(|(_, code)| *code);
            let code = code.ok_or_else(|| EncodeError::NoCode { shape: shape.name.clone(), region: *region })?;
            whole(*form, i128::from(code)).ok_or_else(|| unfit(code.to_string()))
        }
        (Field::Flags { form, bits }, Item::Flags(flags)) => {
            let set =
                bits.iter().filter(|(flag, _)| flags.contains(flag)).fold(0_u64, |word, (_, bit)| word | 1 << bit);
            whole(*form, i128::from(set)).ok_or_else(|| unfit(set.to_string()))
        }
        (Field::Array { form, count, .. }, Item::Array { values, .. }) if values.len() == *count => {
            let each = values.iter().map(|value| number(*form, f64::from(*value)));
            each.collect::<Option<Vec<_>>>().map(|all| all.concat()).ok_or_else(|| unfit(format!("{values:?}")))
        }
        (_, item) => Err(unfit(item.to_string())),
    }
}

fn value_bytes(field: &ValueField, value: &Result<Quantity, NoValue>) -> Option<Vec<u8>> {
    let code = match value {
        Ok(quantity) if field.form.width == Width::Decimal => {
            return padded(quantity.to_string().as_bytes(), field.form);
        }
        Ok(quantity) => return number(field.form, (quantity.value() - field.offset) / field.scale),
        Err(NoValue::UnderRange) => &field.under_range,
        Err(NoValue::OverRange) => &field.over_range,
        Err(_) => &field.absent,
    };
    match code {
        Some(Code::Number(code)) => whole(field.form, i128::from(*code)),
        Some(Code::Text(text)) => padded(text.as_bytes(), field.form),
        None if field.form.width.is_float() => number(field.form, f64::NAN),
        None => None,
    }
}

/// A number before scale and offset in its width.
fn number(form: Form, number: f64) -> Option<Vec<u8>> {
    if form.width.is_float() {
        return Some(to_bytes(u64::from((number as f32).to_bits()), 4, form.width.is_little_endian()));
    }
    let rounded = number.round();
    (rounded.abs() < 1e18).then(|| whole(form, rounded as i128)).flatten()
}

fn whole(form: Form, number: i128) -> Option<Vec<u8>> {
    let Some(bytes) = form.width.bytes() else {
        let digits = format!("{number:0width$}", width = form.length.unwrap_or(1));
        return (form.width == Width::Digits && number >= 0).then(|| padded(digits.as_bytes(), form)).flatten();
    };
    let bits = 8 * bytes as u32;
    let (least, most) = if form.width.is_signed() {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    let fits = !form.width.is_float() && (least..=most).contains(&number);
    fits.then(|| to_bytes(number as u64, bytes, form.width.is_little_endian()))
}

/// Text filled up with spaces to its length, where it has one.
fn padded(text: &[u8], form: Form) -> Option<Vec<u8>> {
    let mut bytes = text.to_vec();
    match form.length {
        Some(length) if bytes.len() > length => None,
        Some(length) => {
            bytes.resize(length, b' ');
            Some(bytes)
        }
        None => Some(bytes),
    }
}
