//! The fields of a message, in wire order, as a protocol file lays them out.

use super::item::Role;
use crate::domain::{Region, metric::MetricId, reading::QualityFlag, word::words};

words! {
    /// How a number or text stands on the wire.
    pub enum Width as "width" {
        U8 = "u8", I8 = "i8",
        U16Be = "u16be", U16Le = "u16le", I16Be = "i16be", I16Le = "i16le",
        U24Be = "u24be", U24Le = "u24le",
        U32Be = "u32be", U32Le = "u32le", I32Be = "i32be", I32Le = "i32le",
        U64Be = "u64be", U64Le = "u64le",
        F32Be = "f32be", F32Le = "f32le",
        /// Whole number in ASCII digits.
        Digits = "digits",
        /// Decimal number in ASCII: the decimals that stand there are its precision.
        Decimal = "decimal",
        /// Printable ASCII text; in binary frames padded to its length with spaces or zero bytes.
        Ascii = "ascii",
    }
}

impl Width {
    /// Bytes on the wire; `None` for text, whose length is the column's or stands beside it.
    #[must_use]
    pub const fn bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 => Some(1),
            Self::U16Be | Self::U16Le | Self::I16Be | Self::I16Le => Some(2),
            Self::U24Be | Self::U24Le => Some(3),
            Self::U32Be | Self::U32Le | Self::I32Be | Self::I32Le | Self::F32Be | Self::F32Le => Some(4),
            Self::U64Be | Self::U64Le => Some(8),
            Self::Digits | Self::Decimal | Self::Ascii => None,
        }
    }
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32Be | Self::F32Le)
    }
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16Be | Self::I16Le | Self::I32Be | Self::I32Le)
    }
    #[must_use]
    pub const fn is_little_endian(self) -> bool {
        matches!(self, Self::U16Le | Self::I16Le | Self::U24Le | Self::U32Le | Self::I32Le | Self::U64Le | Self::F32Le)
    }
}

/// A width with the number of characters where it is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub width: Width,
    /// Characters of a text number or text; `None`: as many as the column has.
    pub length: Option<usize>,
}

/// A raw value that stands for "no number": an integer before scaling, or the text of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    Number(i64),
    Text(String),
}

/// A measured value: `raw × scale + offset`, in `unit`, with `decimals` that the file states or the scale implies.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueField {
    pub metric: MetricId,
    pub unit: String,
    /// Where the region is fixed by the field.
    pub region: Option<Region>,
    pub form: Form,
    pub scale: f64,
    pub offset: f64,
    /// Ignored for `decimal` text, which brings its own.
    pub decimals: u8,
    pub absent: Option<Code>,
    pub under_range: Option<Code>,
    pub over_range: Option<Code>,
}

/// One field. In delimited text each takes one column, else as many bytes as it says.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Bytes or a column that mean nothing: not read, written as zeros or empty.
    Skip(usize),
    /// Must stand there as written.
    Constant(Vec<u8>),
    Value(ValueField),
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
        codes: Vec<(Region, u64)>,
    },
    /// Bits of an unsigned integer, 0 the lowest.
    Flags {
        form: Form,
        bits: Vec<(QualityFlag, u8)>,
    },
    Array {
        name: String,
        form: Form,
        first: usize,
        count: usize,
    },
}

impl Field {
    /// Name for complaints, vectors and the documentation.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Skip(_) => "skip".to_owned(),
            Self::Constant(_) => "constant".to_owned(),
            Self::Value(value) => value.metric.to_string(),
            Self::Number { role, .. } | Self::Text { role, .. } | Self::Bytes { role, .. } => role.to_string(),
            Self::Region { .. } => "region".to_owned(),
            Self::Flags { .. } => "flags".to_owned(),
            Self::Array { name, .. } => name.clone(),
        }
    }

    /// Bytes in a binary frame; `None` for "all that is left".
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        let of = |form: &Form| form.width.bytes().or(form.length);
        match self {
            Self::Skip(count) => Some(*count),
            Self::Constant(bytes) => Some(bytes.len()),
            Self::Value(value) => of(&value.form),
            Self::Number { form, .. }
            | Self::Text { form, .. }
            | Self::Region { form, .. }
            | Self::Flags { form, .. } => of(form),
            Self::Bytes { length, .. } => *length,
            Self::Array { form, count, .. } => of(form).map(|each| each * count),
        }
    }
}

/// A message of the device or a command of the gateway: known by how its payload begins, then fields in wire order.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub name: String,
    /// First bytes of the payload; in delimited text the first column.
    pub matches: Vec<u8>,
    pub fields: Vec<Field>,
}

impl Shape {
    #[must_use]
    pub fn has(&self, wanted: Role) -> bool {
        self.fields.iter().any(|field| match field {
            Field::Number { role, .. } | Field::Text { role, .. } | Field::Bytes { role, .. } => *role == wanted,
            Field::Region { .. } => wanted == Role::Region,
            Field::Flags { .. } => wanted == Role::Flags,
            Field::Skip(_) | Field::Constant(_) | Field::Value(_) | Field::Array { .. } => false,
        })
    }

    /// Whether a frame of this shape brings measured values or a part of an array.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.fields.iter().any(|field| matches!(field, Field::Value(_) | Field::Array { .. }))
    }
}
