//! Widths: how a number or text stands on the wire, in both directions.
//!
//! What needs more than its bytes (scale, codes, precision) is in `value.rs`.

use crate::domain::word::words;

words! {
    /// How a number or text stands on the wire.
    pub enum Width as "width" {
        U8 = "u8", I8 = "i8",
        U16Be = "u16be", U16Le = "u16le", I16Be = "i16be", I16Le = "i16le",
        U24Be = "u24be", U24Le = "u24le", I24Be = "i24be", I24Le = "i24le",
        U32Be = "u32be", U32Le = "u32le", I32Be = "i32be", I32Le = "i32le",
        U32Cdab = "u32cdab", U32Badc = "u32badc", I32Cdab = "i32cdab", I32Badc = "i32badc",
        U48Be = "u48be", U48Le = "u48le",
        U64Be = "u64be", U64Le = "u64le", I64Be = "i64be", I64Le = "i64le",
        F32Be = "f32be", F32Le = "f32le", F32Cdab = "f32cdab", F32Badc = "f32badc",
        F64Be = "f64be", F64Le = "f64le",
        /// IEEE 11073 SFLOAT, low byte first: 4 bits of exponent, 12 of mantissa; brings its own decimals.
        MedFloat16 = "medfloat16",
        /// IEEE 11073 FLOAT, low byte first: 8 bits of exponent, 24 of mantissa; brings its own decimals.
        MedFloat32 = "medfloat32",
        /// Two decimal digits a byte, high digit first; the length counts bytes.
        Bcd = "bcd",
        /// Whole number in ASCII digits.
        Digits = "digits",
        /// Whole number in ASCII hex digits.
        Hex = "hex",
        /// Decimal number in ASCII: the decimals that stand there are its precision.
        Decimal = "decimal",
        /// Printable ASCII text; padded to its length with spaces or zero bytes.
        Ascii = "ascii",
        /// So many bits of a `packed` field as an unsigned number; the length counts bits.
        Bits = "bits",
        /// The same with a sign (two's complement).
        SignedBits = "signed-bits",
    }
}

/// What a width holds, apart from its size and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Unsigned,
    Signed,
    Float,
    MedFloat,
    Bcd,
    Digits,
    Hex,
    Decimal,
    Ascii,
}

/// Order of the bytes: A is the highest. `CDAB` and `BADC` are what registers of two bytes make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    Big,
    Little,
    Cdab,
    Badc,
}

impl Width {
    #[must_use]
    pub const fn sort(self) -> Sort {
        match self {
            Self::I8 | Self::I16Be | Self::I16Le | Self::I24Be | Self::I24Le | Self::I32Be | Self::I32Le => {
                Sort::Signed
            }
            Self::I32Cdab | Self::I32Badc | Self::I64Be | Self::I64Le | Self::SignedBits => Sort::Signed,
            Self::F32Be | Self::F32Le | Self::F32Cdab | Self::F32Badc | Self::F64Be | Self::F64Le => Sort::Float,
            Self::MedFloat16 | Self::MedFloat32 => Sort::MedFloat,
            Self::Bcd => Sort::Bcd,
            Self::Digits => Sort::Digits,
            Self::Hex => Sort::Hex,
            Self::Decimal => Sort::Decimal,
            Self::Ascii => Sort::Ascii,
            _ => Sort::Unsigned,
        }
    }

    /// Bytes on the wire; `None` where the file says how many (or the column does).
    #[must_use]
    pub const fn bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 => Some(1),
            Self::U16Be | Self::U16Le | Self::I16Be | Self::I16Le | Self::MedFloat16 => Some(2),
            Self::U24Be | Self::U24Le | Self::I24Be | Self::I24Le => Some(3),
            Self::U32Be | Self::U32Le | Self::U32Cdab | Self::U32Badc => Some(4),
            Self::I32Be | Self::I32Le | Self::I32Cdab | Self::I32Badc => Some(4),
            Self::F32Be | Self::F32Le | Self::F32Cdab | Self::F32Badc | Self::MedFloat32 => Some(4),
            Self::U48Be | Self::U48Le => Some(6),
            Self::U64Be | Self::U64Le | Self::I64Be | Self::I64Le | Self::F64Be | Self::F64Le => Some(8),
            Self::Bcd | Self::Digits | Self::Hex | Self::Decimal | Self::Ascii | Self::Bits | Self::SignedBits => None,
        }
    }

    #[must_use]
    pub const fn order(self) -> ByteOrder {
        match self {
            Self::U16Le | Self::I16Le | Self::U24Le | Self::I24Le | Self::U32Le | Self::I32Le => ByteOrder::Little,
            Self::U48Le | Self::U64Le | Self::I64Le | Self::F32Le | Self::F64Le => ByteOrder::Little,
            Self::MedFloat16 | Self::MedFloat32 => ByteOrder::Little,
            Self::U32Cdab | Self::I32Cdab | Self::F32Cdab => ByteOrder::Cdab,
            Self::U32Badc | Self::I32Badc | Self::F32Badc => ByteOrder::Badc,
            _ => ByteOrder::Big,
        }
    }

    /// Characters that people can read.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self.sort(), Sort::Digits | Sort::Hex | Sort::Decimal | Sort::Ascii)
    }

    /// Part of a `packed` field.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Bits | Self::SignedBits)
    }

    /// Whether it says by itself how fine the number is.
    #[must_use]
    pub const fn brings_decimals(self) -> bool {
        matches!(self.sort(), Sort::Decimal | Sort::MedFloat)
    }
}

impl ByteOrder {
    /// Up to eight bytes as an unsigned number.
    #[must_use]
    pub fn join(self, bytes: &[u8]) -> u64 {
        let step = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match (self, bytes) {
            (Self::Little, _) => bytes.iter().rev().fold(0, step),
            (Self::Cdab, [c, d, a, b]) => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            (Self::Badc, [b, a, d, c]) => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => bytes.iter().fold(0, step),
        }
    }

    /// Appends the lowest `count` bytes of a number.
    pub fn split(self, number: u64, count: usize, out: &mut Vec<u8>) {
        let all = number.to_be_bytes();
        let bytes = &all[all.len() - count.min(all.len())..];
        match (self, bytes) {
            (Self::Little, _) => out.extend(bytes.iter().rev()),
            (Self::Cdab, [a, b, c, d]) => out.extend([c, d, a, b]),
            (Self::Badc, [a, b, c, d]) => out.extend([b, a, d, c]),
            _ => out.extend(bytes),
        }
    }
}

/// Two's complement of so many bits.
#[must_use]
pub(super) fn sign_extended(word: u64, bits: u32) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    (word << unused) as i64 >> unused
}

/// A width with how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub width: Width,
    /// Characters, bytes (BCD) or bits; `None`: as many as the width or the column has.
    pub length: Option<usize>,
}

impl Form {
    /// Bytes on the wire, where they are known.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        if self.width.is_bits() { None } else { self.width.bytes().or(self.length) }
    }

    /// The least and the greatest whole number it can hold; `None` where it holds none.
    #[must_use]
    pub fn limits(self) -> Option<(i128, i128)> {
        let length = self.length.unwrap_or(18).min(18) as u32;
        let bits = match (self.width.is_bits(), self.width.bytes()) {
            (true, _) => self.length.unwrap_or(1).min(64) as u32,
            (false, bytes) => 8 * bytes.unwrap_or(0) as u32,
        };
        match self.width.sort() {
            Sort::Unsigned => Some((0, (1 << bits) - 1)),
            Sort::Signed => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Sort::Digits => Some((0, 10_i128.pow(length) - 1)),
            Sort::Hex => Some((0, (1 << (4 * length.min(16))) - 1)),
            Sort::Bcd => Some((0, 10_i128.pow(2 * length.min(9)) - 1)),
            Sort::Float | Sort::MedFloat | Sort::Decimal | Sort::Ascii => None,
        }
    }
}

/// A number of IEEE 11073: `mantissa × 10^exponent`, or what stands for "no number" there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MedFloat {
    Number {
        mantissa: i64,
        exponent: i32,
    },
    /// NaN, "not at this resolution" and the reserved pattern.
    NotANumber,
    PositiveInfinity,
    NegativeInfinity,
}

impl MedFloat {
    /// Bits of the mantissa: 12 of 16, 24 of 32.
    const fn mantissa_bits(width: Width) -> u32 {
        if matches!(width, Width::MedFloat16) { 12 } else { 24 }
    }

    /// Reads the bits. The five patterns that are no numbers hold whatever the exponent says: no device means 2047 there.
    #[must_use]
    pub fn read(width: Width, word: u64) -> Self {
        let bits = Self::mantissa_bits(width);
        let highest = 1_i64 << (bits - 1);
        let mantissa = sign_extended(word, bits);
        let exponent = sign_extended(word >> bits, if bits == 12 { 4 } else { 8 }) as i32;
        match mantissa {
            m if m == highest - 1 || m == -highest || m == 1 - highest => Self::NotANumber,
            m if m == highest - 2 => Self::PositiveInfinity,
            m if m == 2 - highest => Self::NegativeInfinity,
            mantissa => Self::Number { mantissa, exponent },
        }
    }

    /// The bits; `None` where the number does not fit.
    #[must_use]
    pub fn word(self, width: Width) -> Option<u64> {
        let bits = Self::mantissa_bits(width);
        let highest = 1_i64 << (bits - 1);
        let mask = (1_u64 << bits) - 1;
        let (mantissa, exponent) = match self {
            Self::NotANumber => (highest - 1, 0),
            Self::PositiveInfinity => (highest - 2, 0),
            Self::NegativeInfinity => (2 - highest, 0),
            Self::Number { mantissa, exponent } => {
                let exponents = if bits == 12 { -8..=7 } else { -128..=127 };
                if mantissa.abs() >= highest - 2 || !exponents.contains(&exponent) {
                    return None;
                }
                (mantissa, exponent)
            }
        };
        let exponent = exponent as u64 & if bits == 12 { 0xF } else { 0xFF };
        Some(exponent << bits | mantissa as u64 & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_read_as_it_is_written() {
        for width in Width::ALL.iter().filter(|width| width.bytes().is_some()) {
            let (count, mut out) = (width.bytes().unwrap(), Vec::new());
            let number = 0x0102_0304_0506_0708 & (u64::MAX >> (64 - 8 * count));
            width.order().split(number, count, &mut out);
            assert_eq!((out.len(), width.order().join(&out)), (count, number), "{width}");
        }
        assert_eq!(ByteOrder::Cdab.join(&[0x33, 0x44, 0x11, 0x22]), 0x1122_3344);
        assert_eq!(ByteOrder::Badc.join(&[0x22, 0x11, 0x44, 0x33]), 0x1122_3344);
    }

    #[test]
    fn every_pattern_of_16_bits_that_is_a_number_comes_back() {
        for word in 0..=0xFFFF_u64 {
            let read = MedFloat::read(Width::MedFloat16, word);
            match read {
                MedFloat::Number { .. } => assert_eq!(read.word(Width::MedFloat16), Some(word)),
                other => assert_eq!(MedFloat::read(Width::MedFloat16, other.word(Width::MedFloat16).unwrap()), other),
            }
        }
        assert_eq!(MedFloat::Number { mantissa: 2046, exponent: 0 }.word(Width::MedFloat16), None);
    }

    #[test]
    fn limits_are_those_of_the_width() {
        let limits = |width, length| Form { width, length }.limits();
        assert_eq!(limits(Width::I8, None), Some((-128, 127)));
        assert_eq!(limits(Width::U64Be, None), Some((0, i128::from(u64::MAX))));
        assert_eq!(limits(Width::Bcd, Some(2)), Some((0, 9999)));
        assert_eq!(limits(Width::SignedBits, Some(5)), Some((-16, 15)));
        assert_eq!(limits(Width::F32Be, None), None);
    }
}
