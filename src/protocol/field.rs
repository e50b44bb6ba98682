//! The fields of a message, in wire order, as a protocol file lays them out.

use super::{
    item::{NoValue, Role},
    width::{Form, Width},
};
use crate::domain::{Region, metric::MetricId, reading::QualityFlag, word::words};
use std::sync::Arc;

words! {
    /// What a letter or code beside a value says of it.
    pub enum Status as "status" {
        Ok = "ok",
        Absent = "absent",
        UnderRange = "under_range",
        OverRange = "over_range",
        /// Over or under a limit somebody set at the device: the value holds.
        AboveLimit = "above_limit", BelowLimit = "below_limit",
        /// The device itself doubts the contact or pressure: the value holds.
        WeakContact = "weak_contact",
    }
}

impl Status {
    /// Why there is no value, where it says so.
    #[must_use]
    pub const fn reason(self) -> Option<NoValue> {
        match self {
            Self::Absent => Some(NoValue::Absent),
            Self::UnderRange => Some(NoValue::UnderRange),
            Self::OverRange => Some(NoValue::OverRange),
            Self::Ok | Self::AboveLimit | Self::BelowLimit | Self::WeakContact => None,
        }
    }
}

/// A raw value that stands for something: an integer before scaling (in BCD the bytes as they stand), or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    Number(i64),
    Text(String),
}

/// Raw values that are no number. The first of each is the one that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoValueCodes {
    pub absent: Vec<Code>,
    pub under_range: Vec<Code>,
    pub over_range: Vec<Code>,
}

impl NoValueCodes {
    /// Each reason with its codes.
    pub fn each(&self) -> impl Iterator<Item = (NoValue, &[Code])> {
        let Self { absent, under_range, over_range } = self;
        [(NoValue::Absent, absent), (NoValue::UnderRange, under_range), (NoValue::OverRange, over_range)]
            .into_iter()
            .map(|(reason, codes)| (reason, codes.as_slice()))
    }
}

/// A measured value: `raw × scale + offset`, in `unit`.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueField {
    pub metric: MetricId,
    pub unit: Arc<str>,
    /// Where the region is fixed by the field.
    pub region: Option<Region>,
    pub form: Form,
    pub scale: f64,
    pub offset: f64,
    /// As the file states or the scale implies; `None`: the number on the wire says it.
    pub decimals: Option<u8>,
    /// What lies outside is under or over range, in `unit`.
    pub range: Option<(f64, f64)>,
    pub codes: NoValueCodes,
}

/// What a bit of a flags field says of the values of its message.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    pub bit: u8,
    /// The state of the bit that says it.
    pub set: bool,
    /// `None`: every value of the message.
    pub metric: Option<MetricId>,
    pub reason: NoValue,
}

/// How often a group of fields stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Fixed(usize),
    /// As the last field with the role `count` says.
    Counted,
    /// Until the payload ends.
    Rest,
}

/// One field. In lines with a separator each takes one column, else as many bytes as it says.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Bytes, bits or a column that mean nothing: not read, written as zeros, spaces or empty.
    Skip(usize),
    /// Must stand there as written.
    Constant(Vec<u8>),
    Value(ValueField),
    /// The message itself says that there is no value; takes no bytes.
    Always {
        metric: MetricId,
        unit: Arc<str>,
        region: Option<Region>,
        reason: NoValue,
    },
    Number {
        role: Role,
        form: Form,
    },
    Text {
        role: Role,
        form: Form,
    },
    /// `None`: all that is left of the payload.
    Bytes {
        role: Role,
        length: Option<usize>,
    },
    Region {
        form: Form,
        codes: Vec<(Region, Code)>,
    },
    /// A code that says how values of the message are to be taken: of one metric, or of all.
    Status {
        form: Form,
        codes: Vec<(Status, Code)>,
        of: Option<MetricId>,
    },
    /// Bits of an unsigned integer, 0 the lowest.
    Flags {
        form: Form,
        bits: Vec<(QualityFlag, u8)>,
        doubts: Vec<Doubt>,
    },
    Array {
        name: String,
        form: Form,
        first: usize,
        count: usize,
    },
    /// One column of a line, laid out by the lengths of these.
    Column(Vec<Self>),
    /// An unsigned integer whose bits are shared out to these, from the highest down.
    Packed {
        width: Width,
        fields: Vec<Self>,
    },
    Group {
        times: Times,
        fields: Vec<Self>,
    },
    /// There only if this bit of the last field with the role `presence` is set (or not set).
    When {
        bit: u8,
        set: bool,
        field: Box<Self>,
    },
}

impl Field {
    /// Name for complaints, vectors and the documentation.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Skip(_) => "skip".to_owned(),
            Self::Constant(_) => "constant".to_owned(),
            Self::Value(ValueField { metric, .. }) | Self::Always { metric, .. } => metric.to_string(),
            Self::Number { role, .. } | Self::Text { role, .. } | Self::Bytes { role, .. } => role.to_string(),
            Self::Region { .. } => "region".to_owned(),
            Self::Status { .. } => "status".to_owned(),
            Self::Flags { .. } => "flags".to_owned(),
            Self::Array { name, .. } => name.clone(),
            Self::Column(_) => "column".to_owned(),
            Self::Packed { .. } => "packed".to_owned(),
            Self::Group { .. } => "group".to_owned(),
            Self::When { field, .. } => field.name(),
        }
    }

    /// Bytes it takes in a payload (bits inside a `packed` field apart); `None` where that differs from frame to frame.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        match self {
            Self::Skip(count) => Some(*count),
            Self::Constant(bytes) => Some(bytes.len()),
            Self::Always { .. } => Some(0),
            Self::Value(ValueField { form, .. })
            | Self::Number { form, .. }
            | Self::Text { form, .. }
            | Self::Region { form, .. }
            | Self::Status { form, .. }
            | Self::Flags { form, .. } => form.bytes(),
            Self::Bytes { length, .. } => *length,
            Self::Array { form, count, .. } => form.bytes().map(|each| each * count),
            Self::Column(fields) => bytes_of(fields),
            Self::Packed { width, .. } => width.bytes(),
            Self::Group { times: Times::Fixed(times), fields } => bytes_of(fields).map(|each| each * times),
            Self::Group { .. } | Self::When { .. } => None,
        }
    }

    /// Columns it takes in a line with a separator; `None` where that differs from line to line.
    #[must_use]
    pub fn columns(&self) -> Option<usize> {
        match self {
            Self::Always { .. } => Some(0),
            Self::Group { times: Times::Fixed(times), fields } => columns_of(fields).map(|each| each * times),
            Self::Group { .. } | Self::When { .. } => None,
            _ => Some(1),
        }
    }

    /// The fields it is made of.
    #[must_use]
    pub fn inner(&self) -> &[Self] {
        match self {
            Self::Column(fields) | Self::Packed { fields, .. } | Self::Group { fields, .. } => fields,
            Self::When { field, .. } => std::slice::from_ref(field),
            _ => &[],
        }
    }
}

/// Bytes of these together, where they are known.
#[must_use]
pub fn bytes_of(fields: &[Field]) -> Option<usize> {
    fields.iter().map(Field::bytes).sum()
}

/// Columns of these together, where they are known.
#[must_use]
pub fn columns_of(fields: &[Field]) -> Option<usize> {
    fields.iter().map(Field::columns).sum()
}

/// Whether any of these or of what they are made of passes `test`.
pub fn any_field(fields: &[Field], test: &impl Fn(&Field) -> bool) -> bool {
    fields.iter().any(|field| test(field) || any_field(field.inner(), test))
}

/// A message of the device or a command of the gateway: known by how its payload begins, then fields in wire order.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub name: String,
    /// First bytes of the payload; in lines with a separator the first column. None: see [`Shape::is_bare`].
    pub matches: Vec<u8>,
    pub fields: Vec<Field>,
    /// Bytes of the payload behind `matches`, or columns behind the first; `None` where that differs from frame to frame.
    pub extent: Option<usize>,
    /// Whether a frame of this shape brings measured values or a part of an array.
    pub measures: bool,
}

impl Shape {
    #[must_use]
    pub fn new(name: String, matches: Vec<u8>, fields: Vec<Field>, columns: bool) -> Self {
        let extent = if columns { columns_of(&fields) } else { bytes_of(&fields) };
        let measures = |field: &Field| matches!(field, Field::Value(_) | Field::Always { .. } | Field::Array { .. });
        let measures = any_field(&fields, &measures);
        Self { name, matches, fields, extent, measures }
    }

    /// Nothing at its beginning says what it is. It is taken where no other fits, and known by the question it answers where
    /// a file has several, or where its frames are known by their messages.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.matches.is_empty()
    }

    #[must_use]
    pub fn has(&self, wanted: Role) -> bool {
        any_field(&self.fields, &|field| match field {
            Field::Number { role, .. } | Field::Text { role, .. } | Field::Bytes { role, .. } => *role == wanted,
            Field::Region { .. } => wanted == Role::Region,
            Field::Flags { .. } => wanted == Role::Flags,
            Field::Status { .. } => wanted == Role::Status,
            _ => false,
        })
    }

    /// Every field, with those that others are made of, in wire order.
    #[must_use]
    pub fn all_fields(&self) -> Vec<&Field> {
        fn gather<'f>(fields: &'f [Field], all: &mut Vec<&'f Field>) {
            for field in fields {
                all.push(field);
                gather(field.inner(), all);
            }
        }
        let mut all = Vec::new();
        gather(&self.fields, &mut all);
        all
    }

    /// The value fields that one frame can bring together: where a presence bit chooses between fields of one metric, the
    /// first of them.
    #[must_use]
    pub fn values(&self) -> Vec<&ValueField> {
        fn gather<'f>(fields: &'f [Field], found: &mut Vec<&'f ValueField>) {
            for field in fields {
                match field {
                    Field::Value(value) => found.push(value),
                    Field::When { field, .. } => {
                        let known = |one: &ValueField| found.iter().any(|other| other.metric == one.metric);
                        if !matches!(&**field, Field::Value(value) if known(value)) {
                            gather(std::slice::from_ref(field), found);
                        }
                    }
                    other => gather(other.inner(), found),
                }
            }
        }
        let mut found = Vec::new();
        gather(&self.fields, &mut found);
        found
    }
}
