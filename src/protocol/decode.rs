//! Payload + file → items. A payload either decodes whole or is a [`FrameError`]: there is no half-read message.

use super::{
    fault::{FrameError, SizeOf},
    field::{Doubt, Field, Shape, Times, ValueField},
    framing::{Framing, Kind},
    item::{Decoded, Item, NoValue, Role, hex_words},
    spec::Spec,
    value::{self, SHOWN, Source},
    width::{Form, Sort},
};
use crate::domain::metric::MetricId;

impl Spec {
    /// What the device said.
    ///
    /// # Errors
    /// [`FrameError`] when the payload is no message of this protocol.
    pub fn decode_message(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        self.decode_reply(payload, &[])
    }

    /// What the device said while these messages were awaited: one that begins with nothing is known by its question.
    ///
    /// # Errors
    /// [`FrameError`] when the payload is no message of this protocol, or answers another question.
    pub fn decode_reply(&self, payload: &[u8], awaited: &[&str]) -> Result<Decoded, FrameError> {
        decode(&self.messages, &self.framing, payload, awaited)
    }

    /// What the gateway said; the simulated device's side.
    ///
    /// # Errors
    /// [`FrameError`] when the payload is no command of this protocol.
    pub fn decode_command(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        decode(&self.commands, &self.command_framing, payload, &[])
    }
}

fn decode<'s>(
    shapes: &'s [Shape],
    framing: &Framing,
    payload: &[u8],
    awaited: &'s [&str],
) -> Result<Decoded, FrameError> {
    let named = shapes.iter().filter(|shape| !shape.is_bare());
    // What begins like a named message and is none is no other's either.
    let found =
        decode_by(named, framing, payload).or_else(|| decode_by(bare(shapes, framing, awaited), framing, payload));
    found.unwrap_or_else(|| Err(FrameError::UnknownMessage { begins: hex_words(&payload[..payload.len().min(SHOWN)]) }))
}

/// By the first of these that begins like the payload and is as long; `None` where none begins so.
fn decode_by<'s>(
    shapes: impl Iterator<Item = &'s Shape>,
    framing: &Framing,
    payload: &[u8],
) -> Option<Result<Decoded, FrameError>> {
    let mut misfit = None;
    for shape in shapes {
        let Some(supply) = begins(shape, framing, payload) else { continue };
        match fits(shape, framing, &supply) {
            Ok(()) => return Some(Walk::new(shape, framing, payload, supply).all()),
            // Messages may begin alike and differ in length.
            Err(size) => misfit = misfit.or(Some(Err(size))),
        }
    }
    misfit
}

/// Messages without a beginning that may be meant: the only one there is, or those that are awaited.
fn bare<'s>(shapes: &'s [Shape], framing: &Framing, awaited: &'s [&str]) -> impl Iterator<Item = &'s Shape> {
    let all = || shapes.iter().filter(|shape| shape.is_bare());
    let alone = framing.kind != Kind::Silence && all().nth(1).is_none();
    all().filter(move |shape| alone || awaited.contains(&shape.name.as_str()))
}

/// What is left for the fields of a shape that begins like the payload.
fn begins<'p>(shape: &Shape, framing: &Framing, payload: &'p [u8]) -> Option<Supply<'p>> {
    let Some(separator) = framing.separator.filter(|_| !framing.control.iter().any(|control| control == payload))
    else {
        return payload.strip_prefix(shape.matches.as_slice()).map(Supply::Bytes);
    };
    if shape.is_bare() {
        return Some(Supply::Columns { rest: Some(payload), separator });
    }
    let first = payload.iter().position(|byte| *byte == separator).unwrap_or(payload.len());
    let rest = payload.get(first + 1..);
    (payload[..first] == shape.matches).then_some(Supply::Columns { rest, separator })
}

fn fits(shape: &Shape, framing: &Framing, supply: &Supply<'_>) -> Result<(), FrameError> {
    let Some(expected) = shape.extent else { return Ok(()) };
    let (what, found, ahead) = match supply {
        Supply::Bytes(bytes) => (SizeOf::Bytes, bytes.len(), shape.matches.len()),
        Supply::Columns { rest, separator } => {
            let count = rest.map_or(0, |rest| 1 + rest.iter().filter(|byte| *byte == separator).count());
            (SizeOf::Columns, count, 0)
        }
        Supply::Bits { .. } => return Ok(()),
    };
    if found == expected || (found > expected && framing.kind == Kind::FixedLength) {
        return Ok(());
    }
    Err(FrameError::Size { message: shape.name.clone(), what, expected: expected + ahead, found: found + ahead })
}

/// What fields are read from.
enum Supply<'p> {
    Bytes(&'p [u8]),
    /// `None`: no column is left.
    Columns {
        rest: Option<&'p [u8]>,
        separator: u8,
    },
    Bits {
        word: u64,
        left: usize,
    },
}

impl<'p> Supply<'p> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Columns { rest, .. } => rest.is_none(),
            Self::Bits { left, .. } => *left == 0,
        }
    }

    /// The next field of so many bytes; `None`: a whole column, or all that is left.
    // Called, it hands its answer over in memory in two words that are read as one: a fifth of a binary frame's time.
    #[inline(always)]
    fn next(&mut self, form: Option<Form>, bytes: Option<usize>) -> Option<Source<'p>> {
        match self {
            Self::Bytes(rest) => {
                let (field, behind) = rest.split_at_checked(bytes.unwrap_or(rest.len()))?;
                *rest = behind;
                Some(Source::Bytes(field))
            }
            Self::Columns { rest, separator } => {
                let line = (*rest)?;
                let end = line.iter().position(|byte| byte == separator).unwrap_or(line.len());
                *rest = line.get(end + 1..);
                Some(Source::Bytes(&line[..end]))
            }
            Self::Bits { word, left } => {
                let count = form.and_then(|form| form.length).or(bytes)?;
                *left = left.checked_sub(count)?;
                Some(Source::Bits(*word >> *left & (u64::MAX >> (64 - count.clamp(1, 64)))))
            }
        }
    }
}

/// Something that says of values already read, or still to come, that they are none.
struct Said {
    metric: Option<MetricId>,
    reason: NoValue,
}

impl Said {
    fn of(&self, metric: &MetricId) -> bool {
        self.metric.as_ref().is_none_or(|wanted| wanted == metric)
    }
}

/// One payload on its way through the fields of its shape.
struct Walk<'p> {
    shape: &'p Shape,
    framing: &'p Framing,
    payload: &'p [u8],
    supply: Supply<'p>,
    items: Vec<Item>,
    said: Vec<Said>,
    presence: u64,
    count: usize,
}

impl<'p> Walk<'p> {
    fn new(shape: &'p Shape, framing: &'p Framing, payload: &'p [u8], supply: Supply<'p>) -> Self {
        let items = Vec::with_capacity(shape.fields.len());
        Self { shape, framing, payload, supply, items, said: Vec::new(), presence: 0, count: 0 }
    }

    fn all(mut self) -> Result<Decoded, FrameError> {
        self.fields(&self.shape.fields)?;
        if !self.supply.is_empty() && self.framing.kind != Kind::FixedLength {
            return Err(self.size());
        }
        for said in &self.said {
            for item in &mut self.items {
                if let Item::Value { metric, value, .. } = item
                    && said.of(metric)
                {
                    *value = Err(said.reason.clone());
                }
            }
        }
        Ok(Decoded { name: self.shape.name.clone(), items: self.items })
    }

    /// The fields and what is left do not come out even.
    fn size(&self) -> FrameError {
        let columns = self.framing.separator.is_some();
        let count = |bytes: &[u8]| {
            if columns {
                bytes.iter().filter(|byte| Some(**byte) == self.framing.separator).count()
            } else {
                bytes.len()
            }
        };
        let found = count(self.payload);
        let left = match &self.supply {
            Supply::Bytes(bytes) => count(bytes),
            Supply::Columns { rest, .. } => rest.map_or(0, |rest| count(rest) + 1),
            Supply::Bits { left, .. } => *left,
        };
        let expected = if self.supply.is_empty() { found + 1 } else { found - left.min(found) };
        let what = if columns { SizeOf::Columns } else { SizeOf::Bytes };
        FrameError::Size { message: self.shape.name.clone(), what, expected, found }
    }

    fn fields(&mut self, fields: &'p [Field]) -> Result<(), FrameError> {
        fields.iter().try_for_each(|field| self.field(field))
    }

    fn field(&mut self, field: &'p Field) -> Result<(), FrameError> {
        match field {
            Field::When { bit, set, field } if (self.presence >> bit & 1 == 1) == *set => self.field(field),
            Field::When { .. } => Ok(()),
            Field::Group { times: Times::Rest, fields } => {
                while !self.supply.is_empty() {
                    self.fields(fields)?;
                }
                Ok(())
            }
            Field::Group { times: Times::Fixed(times), fields } => (0..*times).try_for_each(|_| self.fields(fields)),
            Field::Group { times: Times::Counted, fields } => (0..self.count).try_for_each(|_| self.fields(fields)),
            Field::Column(fields) => {
                let Source::Bytes(column) = self.next(field, None)? else { return Err(self.size()) };
                self.within(Supply::Bytes(column), fields)
            }
            Field::Packed { width, fields } => {
                let Source::Bytes(bytes) = self.next(field, width.bytes())? else { return Err(self.size()) };
                self.within(Supply::Bits { word: width.order().join(bytes), left: 8 * bytes.len() }, fields)
            }
            Field::Always { metric, unit, region, reason } => {
                let (metric, unit, value) = (metric.clone(), unit.clone(), Err(reason.clone()));
                self.items.push(Item::Value { metric, unit, region: *region, value });
                Ok(())
            }
            leaf => {
                let source = self.next(leaf, leaf.bytes())?;
                let item = self.item(leaf, source).map_err(|problem| self.wrong(leaf, problem))?;
                self.items.extend(item);
                Ok(())
            }
        }
    }

    /// Fields that share what another field brought, and nothing else.
    fn within(&mut self, supply: Supply<'p>, fields: &'p [Field]) -> Result<(), FrameError> {
        let outer = std::mem::replace(&mut self.supply, supply);
        self.fields(fields)?;
        if !self.supply.is_empty() {
            return Err(self.size());
        }
        self.supply = outer;
        Ok(())
    }

    #[inline(always)]
    fn next(&mut self, field: &Field, bytes: Option<usize>) -> Result<Source<'p>, FrameError> {
        let form = match field {
            Field::Value(ValueField { form, .. })
            | Field::Number { form, .. }
            | Field::Region { form, .. }
            | Field::Status { form, .. }
            | Field::Flags { form, .. } => Some(*form),
            _ => None,
        };
        self.supply.next(form.filter(|form| form.width.is_bits()), bytes).ok_or_else(|| self.size())
    }

    fn wrong(&self, field: &Field, problem: String) -> FrameError {
        FrameError::Field { message: self.shape.name.clone(), field: field.name(), problem }
    }

    fn item(&mut self, field: &Field, source: Source<'p>) -> Result<Option<Item>, String> {
        let bytes = source.bytes();
        Ok(Some(match field {
            Field::Constant(wanted) if bytes == wanted => return Ok(None),
            Field::Constant(wanted) => {
                return Err(format!("has {}, the file says {}", hex_words(bytes), hex_words(wanted)));
            }
            Field::Value(field) => self.value(field, source)?,
            Field::Number { role, form } => self.number(*role, value::whole(*form, source)?),
            Field::Text { role, form } if form.width.sort() == Sort::Ascii => {
                Item::Text { role: *role, text: value::text(bytes)?.to_owned() }
            }
            Field::Text { role, form } => Item::Text { role: *role, text: value::whole(*form, source)?.to_string() },
            Field::Bytes { role, .. } => Item::Bytes { role: *role, bytes: bytes.to_vec() },
            Field::Region { form, codes } => Item::Region(value::coded(*form, source, codes)?),
            Field::Status { form, codes, of } => {
                let status = value::coded(*form, source, codes)?;
                self.said.extend(status.reason().map(|reason| Said { metric: of.clone(), reason }));
                Item::Status(status)
            }
            Field::Flags { form, bits, doubts } => {
                let word = value::whole(*form, source)?;
                let speaks = |doubt: &&Doubt| (word >> doubt.bit & 1 == 1) == doubt.set;
                let said = |doubt: &Doubt| Said { metric: doubt.metric.clone(), reason: doubt.reason.clone() };
                self.said.extend(doubts.iter().filter(speaks).map(said));
                // Bits without a name are the device's own affair.
                Item::Flags(bits.iter().filter(|(_, bit)| word >> bit & 1 == 1).map(|(flag, _)| *flag).collect())
            }
            Field::Array { name, form, first, count } => {
                let each = (bytes.len() / (*count).max(1)).max(1);
                let values = bytes.chunks(each).map(|slice| value::real(*form, Source::Bytes(slice)));
                Item::Array { name: name.clone(), first: *first, values: values.collect::<Result<_, _>>()? }
            }
            // The others were taken apart before.
            _ => return Ok(None),
        }))
    }

    fn value(&self, field: &ValueField, source: Source<'_>) -> Result<Item, String> {
        let value = match value::value(field, source) {
            Ok(value) => value,
            // What stands in place of a number is of no interest once the device has said that there is none.
            Err(problem) => match self.said.iter().find(|said| said.of(&field.metric)) {
                Some(said) => Err(said.reason.clone()),
                None => return Err(problem),
            },
        };
        let (metric, unit) = (field.metric.clone(), field.unit.clone());
        Ok(Item::Value { metric, unit, region: field.region, value })
    }

    fn number(&mut self, role: Role, value: u64) -> Item {
        match role {
            Role::Presence => self.presence = value,
            Role::Count => self.count = usize::try_from(value).unwrap_or(usize::MAX),
            _ => {}
        }
        Item::Number { role, value }
    }
}
