//! Items + file → frame: commands of the gateway and messages of the simulated device, from the same tables as decoding.
//!
//! What only says something of other fields (presence bits, counts, status letters) is worked out from the items where none
//! is given for it.

use super::{
    field::{Doubt, Field, Shape, Status, Times},
    framing::Framing,
    item::{Item, NoValue, Role},
    spec::Spec,
    value::{self, Put},
    width::Sort,
};
use crate::domain::{Region, metric::MetricId};

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
        frame(shape, &self.command_framing, items)
    }

    /// A whole frame from the device to the gateway.
    ///
    /// # Errors
    /// [`EncodeError`] when an item is missing or does not fit.
    pub fn encode_message(&self, name: &str, items: &[Item]) -> Result<Vec<u8>, EncodeError> {
        let shape = self.message(name).ok_or_else(|| EncodeError::NoSuchShape(name.to_owned()))?;
        frame(shape, &self.framing, items)
    }
}

fn frame(shape: &Shape, framing: &Framing, items: &[Item]) -> Result<Vec<u8>, EncodeError> {
    let mut writing = Writing {
        shape,
        framing,
        items,
        unused: items.iter().collect(),
        payload: shape.matches.clone(),
        begun: !shape.is_bare(),
        presence: 0,
        count: 0,
        bits: None,
    };
    writing.fields(&shape.fields)?;
    let payload = writing.payload;
    if payload.len() > framing.max_payload && !framing.control.contains(&payload) {
        let found = format!("{} bytes of {}", payload.len(), framing.max_payload);
        return Err(EncodeError::DoesNotFit { shape: shape.name.clone(), field: "payload".to_owned(), value: found });
    }
    Ok(framing.wrap(&payload))
}

/// A payload being written.
struct Writing<'i> {
    shape: &'i Shape,
    framing: &'i Framing,
    /// All items; what status and flags are worked out from.
    items: &'i [Item],
    /// Those that no field has taken yet.
    unused: Vec<&'i Item>,
    payload: Vec<u8>,
    /// A column stands before the next one.
    begun: bool,
    presence: u64,
    count: usize,
    /// The bits of a packed field so far.
    bits: Option<u64>,
}

/// Whether an item belongs to a field.
fn belongs(item: &Item, field: &Field) -> bool {
    match (item, field) {
        (Item::Value { metric, .. }, Field::Value(field)) => *metric == field.metric,
        (Item::Value { metric, value, .. }, Field::Always { metric: wanted, reason, .. }) => {
            metric == wanted && value.as_ref().err() == Some(reason)
        }
        (Item::Number { role, .. }, Field::Number { role: wanted, .. })
        | (Item::Text { role, .. }, Field::Text { role: wanted, .. })
        | (Item::Bytes { role, .. }, Field::Bytes { role: wanted, .. }) => role == wanted,
        (Item::Region(_), Field::Region { .. })
        | (Item::Flags(_), Field::Flags { .. })
        | (Item::Status(_), Field::Status { .. }) => true,
        (Item::Array { name, first, .. }, Field::Array { name: wanted, first: from, .. }) => {
            name == wanted && first == from
        }
        _ => false,
    }
}

/// What stands in a field that nobody uses, where no item is given for it.
fn idle(field: &Field) -> Option<Put> {
    match field {
        Field::Bytes { role: Role::Unknown, length } => Some(Put::Bytes(vec![0; length.unwrap_or(0)])),
        Field::Number { role: Role::Mode, form } => value::put_whole(0, *form),
        Field::Text { role: Role::Mode, form } if form.width.sort() == Sort::Ascii => value::put_text("-", *form),
        _ => None,
    }
}

impl<'i> Writing<'i> {
    fn fields(&mut self, fields: &'i [Field]) -> Result<(), EncodeError> {
        fields.iter().try_for_each(|field| self.field(field))
    }

    fn field(&mut self, field: &'i Field) -> Result<(), EncodeError> {
        match field {
            Field::When { bit, set, field } if (self.presence >> bit & 1 == 1) == *set => self.field(field),
            Field::When { .. } => Ok(()),
            Field::Group { times, fields } => {
                let times = match times {
                    Times::Fixed(times) => *times,
                    Times::Counted => self.count,
                    Times::Rest => self.groups_in(fields),
                };
                (0..times).try_for_each(|_| self.fields(fields))
            }
            Field::Column(fields) => {
                self.separate();
                fields.iter().try_for_each(|field| self.leaf(field))
            }
            Field::Packed { width, fields } => {
                self.bits = Some(0);
                self.fields(fields)?;
                let word = self.bits.take().unwrap_or(0);
                width.order().split(word, width.bytes().unwrap_or(0), &mut self.payload);
                Ok(())
            }
            Field::Always { .. } => self.take(field).map(|_| ()),
            leaf => {
                if self.bits.is_none() {
                    self.separate();
                }
                self.leaf(leaf)
            }
        }
    }

    fn separate(&mut self) {
        let separator = self.framing.separator.filter(|_| std::mem::replace(&mut self.begun, true));
        self.payload.extend(separator);
    }

    fn leaf(&mut self, field: &'i Field) -> Result<(), EncodeError> {
        let put = match field {
            Field::Skip(count) => match (self.bits, self.framing.separator, self.framing.is_text()) {
                (Some(bits), ..) => {
                    self.bits = Some(bits << count);
                    return Ok(());
                }
                (None, Some(_), _) => Put::Bytes(Vec::new()),
                (None, None, true) => Put::Bytes(vec![b' '; *count]),
                (None, None, false) => Put::Bytes(vec![0; *count]),
            },
            Field::Constant(bytes) => Put::Bytes(bytes.clone()),
            Field::Number { role: Role::Presence, form } => {
                self.presence = self.given(field).unwrap_or_else(|| self.presence_bits());
                self.put(field, value::put_whole(i128::from(self.presence), *form), &self.presence)?
            }
            Field::Number { role: Role::Count, form } => {
                let groups = self.shape.fields.iter().find(|field| matches!(field, Field::Group { .. }));
                let counted = groups.map_or(0, |group| self.groups_in(group.inner()));
                self.count = self.given(field).map_or(counted, |count| count as usize);
                self.put(field, value::put_whole(self.count as i128, *form), &self.count)?
            }
            Field::Status { form, codes, of } => {
                let given = self.unused.iter().position(|item| belongs(item, field));
                let status = match given.map(|at| self.unused.remove(at)) {
                    Some(Item::Status(status)) => *status,
                    _ => self.status_of(of.as_ref()),
                };
                let code = codes.iter().find(|(known, _)| *known == status).map(|(_, code)| code);
                self.put(field, code.and_then(|code| value::put_code(code, *form)), &status)?
            }
            field => match (self.take(field), idle(field)) {
                (Err(_), Some(put)) => put,
                (item, _) => self.item(field, item?)?,
            },
        };
        self.write(field, put)
    }

    fn write(&mut self, field: &Field, put: Put) -> Result<(), EncodeError> {
        match put {
            Put::Bits(bits) => {
                let form = match field {
                    Field::Value(value) => Some(value.form),
                    Field::Number { form, .. }
                    | Field::Region { form, .. }
                    | Field::Status { form, .. }
                    | Field::Flags { form, .. } => Some(*form),
                    _ => None,
                };
                let count = form.and_then(|form| form.length).unwrap_or(0);
                self.bits = self.bits.map(|before| before << count | bits);
            }
            Put::Bytes(bytes) => {
                let breaks = |byte: &u8| Some(*byte) == self.framing.separator || self.framing.end.contains(byte);
                if self.framing.is_text() && bytes.iter().any(breaks) {
                    return Err(self.unfit(field, String::from_utf8_lossy(&bytes).into_owned()));
                }
                self.payload.extend(bytes);
            }
        }
        Ok(())
    }

    /// The first item that belongs to `field`; each is used once.
    fn take(&mut self, field: &Field) -> Result<&'i Item, EncodeError> {
        match self.unused.iter().position(|item| belongs(item, field)) {
            Some(at) => Ok(self.unused.remove(at)),
            None => Err(EncodeError::Missing { shape: self.shape.name.clone(), field: field.name() }),
        }
    }

    /// The number given for a field that could also be worked out.
    fn given(&mut self, field: &Field) -> Option<u64> {
        let at = self.unused.iter().position(|item| belongs(item, field))?;
        if let Item::Number { value, .. } = self.unused.remove(at) { Some(*value) } else { None }
    }

    fn unfit(&self, field: &Field, value: String) -> EncodeError {
        EncodeError::DoesNotFit { shape: self.shape.name.clone(), field: field.name(), value }
    }

    fn put(&self, field: &Field, put: Option<Put>, shown: &impl ToString) -> Result<Put, EncodeError> {
        put.ok_or_else(|| self.unfit(field, shown.to_string()))
    }

    fn item(&self, field: &Field, item: &Item) -> Result<Put, EncodeError> {
        let put = match (field, item) {
            (Field::Value(field), Item::Value { value, metric, .. }) => value::put_value(field, value)
                .or_else(|| if self.is_doubted(metric) { value::put_nothing(field) } else { None }),
            (Field::Number { form, .. }, Item::Number { value, .. }) => value::put_whole(i128::from(*value), *form),
            (Field::Text { form, .. }, Item::Text { text, .. }) if form.width.sort() == Sort::Ascii => {
                value::put_text(text, *form)
            }
            (Field::Text { form, .. }, Item::Text { text, .. }) => {
                text.parse().ok().and_then(|number: u64| value::put_whole(i128::from(number), *form))
            }
            (Field::Bytes { length, .. }, Item::Bytes { bytes, .. }) => {
                length.is_none_or(|length| length == bytes.len()).then(|| Put::Bytes(bytes.clone()))
            }
            (Field::Region { form, codes }, Item::Region(region)) => {
                let code = codes.iter().find(|(known, _)| known == region).map(|(_, code)| code);
                let no_code = || EncodeError::NoCode { shape: self.shape.name.clone(), region: *region };
                value::put_code(code.ok_or_else(no_code)?, *form)
            }
            (Field::Flags { form, bits, doubts }, Item::Flags(flags)) => {
                let set = bits.iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, bit)| *bit);
                let doubted = doubts.iter().filter(|doubt| self.holds(doubt) == doubt.set).map(|doubt| doubt.bit);
                let word = set.chain(doubted).fold(0_u64, |word, bit| word | 1 << bit);
                value::put_whole(i128::from(word), *form)
            }
            (Field::Array { form, count, .. }, Item::Array { values, .. }) if values.len() == *count => {
                let mut all = Vec::new();
                for value in values {
                    match value::put_number(f64::from(*value), *form) {
                        Some(Put::Bytes(bytes)) => all.extend(bytes),
                        _ => return Err(self.unfit(field, value.to_string())),
                    }
                }
                Some(Put::Bytes(all))
            }
            _ => None,
        };
        self.put(field, put, &item)
    }

    /// Values of one metric, or all.
    fn reasons(&self, of: Option<&MetricId>) -> impl Iterator<Item = Option<&'i NoValue>> {
        self.items.iter().filter_map(move |item| match item {
            Item::Value { metric, value, .. } if of.is_none_or(|wanted| wanted == metric) => Some(value.as_ref().err()),
            _ => None,
        })
    }

    /// Whether what a bit says is so.
    fn holds(&self, doubt: &Doubt) -> bool {
        self.reasons(doubt.metric.as_ref()).any(|reason| reason == Some(&doubt.reason))
    }

    /// Whether another field says that this metric has no value.
    fn is_doubted(&self, metric: &MetricId) -> bool {
        let of = |wanted: &Option<MetricId>| wanted.as_ref().is_none_or(|wanted| wanted == metric);
        super::field::any_field(&self.shape.fields, &|field| match field {
            Field::Status { of: wanted, .. } => of(wanted),
            Field::Flags { doubts, .. } => doubts.iter().any(|doubt| of(&doubt.metric)),
            _ => false,
        })
    }

    fn status_of(&self, of: Option<&MetricId>) -> Status {
        let reason = self.reasons(of).flatten().next();
        let known = Status::ALL.iter().find(|status| status.reason().as_ref() == reason);
        known.filter(|_| reason.is_some()).copied().unwrap_or(Status::Ok)
    }

    /// How often the first field of a group that takes an item finds one.
    fn groups_in(&self, fields: &[Field]) -> usize {
        let count = |field: &Field| self.unused.iter().filter(|item| belongs(item, field)).count();
        fields.iter().map(count).find(|count| *count > 0).unwrap_or(0)
    }

    /// The bits that make room for the items there are, the first field in wire order choosing.
    fn presence_bits(&self) -> u64 {
        let (mut decided, mut bits) = (0_u64, 0_u64);
        for field in self.shape.all_fields() {
            let Field::When { bit, set, field } = field else { continue };
            let here = self.unused.iter().any(|item| belongs(item, field));
            if here && decided >> bit & 1 == 0 {
                decided |= 1 << bit;
                bits |= u64::from(*set) << bit;
            }
        }
        bits
    }
}
