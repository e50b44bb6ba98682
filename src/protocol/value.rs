//! One number or text on the wire, in both directions: raw form, codes for "no value", scale and precision.

use super::{
    field::{Code, ValueField},
    item::{NoValue, hex_words},
    width::{Form, MedFloat, Sort, Width, sign_extended},
};
use crate::domain::Quantity;
use std::borrow::Cow;

/// So many bytes of a field are shown in a complaint.
pub(super) const SHOWN: usize = 8;

/// No skin device measures beyond; a larger number is a mistake of the line or of the file.
const MOST: f64 = 1e15;

/// Where a field's number stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    /// Some bits of a packed field.
    Bits(u64),
}

impl<'a> Source<'a> {
    pub(super) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Bits(_) => &[],
        }
    }
}

/// A number before scale and offset.
enum Raw<'a> {
    Whole(i128),
    /// The bytes as they stand; digits beyond 9 are no number but may be a code.
    Bcd(u64),
    Float(f64),
    Med(MedFloat),
    Text(&'a str),
}

fn raw(form: Form, source: Source<'_>) -> Result<Raw<'_>, String> {
    let (width, bytes) = (form.width, source.bytes());
    let word = match source {
        Source::Bits(word) => word,
        Source::Bytes(_) if width.is_text() => 0,
        Source::Bytes(bytes) => width.order().join(bytes),
    };
    Ok(match width.sort() {
        Sort::Unsigned => Raw::Whole(i128::from(word)),
        Sort::Signed => {
            let bits = form.bytes().map_or(form.length.unwrap_or(64), |bytes| 8 * bytes);
            Raw::Whole(i128::from(sign_extended(word, bits as u32)))
        }
        Sort::Float if bytes.len() == 4 => Raw::Float(f64::from(f32::from_bits(word as u32))),
        Sort::Float => Raw::Float(f64::from_bits(word)),
        Sort::MedFloat => Raw::Med(MedFloat::read(width, word)),
        Sort::Bcd => Raw::Bcd(word),
        Sort::Digits => Raw::Whole(digits(text(bytes)?, 10)?),
        Sort::Hex => Raw::Whole(digits(text(bytes)?, 16)?),
        Sort::Decimal | Sort::Ascii => Raw::Text(text(bytes)?),
    })
}

/// Printable ASCII without the padding round it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let from = bytes.iter().position(|byte| !is_padding(byte)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|byte| !is_padding(byte)).map_or(from, |last| last + 1);
    let printable = bytes[from..to].iter().all(|byte| (0x20..0x7F).contains(byte));
    let text = if printable { std::str::from_utf8(&bytes[from..to]).ok() } else { None };
    text.ok_or_else(|| format!("{} is no printable text", hex_words(&bytes[..bytes.len().min(SHOWN)])))
}

fn digits(text: &str, radix: u32) -> Result<i128, String> {
    let all = !text.is_empty() && text.len() <= 18 && text.chars().all(|digit| digit.is_digit(radix));
    let number = all.then(|| u64::from_str_radix(text, radix).ok()).flatten();
    number.map(i128::from).ok_or_else(|| format!("{text:?} is no whole number"))
}

/// The digits of a BCD word; `None` where one is beyond 9.
fn bcd(word: u64) -> Option<u64> {
    let nibbles = (0..16).rev().map(|at| word >> (4 * at) & 0xF);
    nibbles.into_iter().try_fold(0_u64, |number, digit| (digit < 10).then_some(number * 10 + digit))
}

/// An unsigned whole number.
pub(super) fn whole(form: Form, source: Source<'_>) -> Result<u64, String> {
    match raw(form, source)? {
        Raw::Whole(number) => u64::try_from(number).map_err(|_| format!("{number} is negative")),
        Raw::Bcd(word) => bcd(word).ok_or_else(|| format!("{word:X} has digits beyond 9")),
        Raw::Float(number) => Err(format!("{number} is no whole number")),
        Raw::Text(text) => Err(format!("{text:?} is no whole number")),
        Raw::Med(_) => Err("is no whole number".to_owned()),
    }
}

/// A place of an array. A reflectance that is no number would poison every quantity derived from it.
pub(super) fn real(form: Form, source: Source<'_>) -> Result<f32, String> {
    let number = match raw(form, source)? {
        Raw::Whole(number) => number as f32,
        Raw::Float(number) => number as f32,
        Raw::Text(text) => text.parse().map_err(|_| format!("{text:?} is no number"))?,
        Raw::Bcd(word) => bcd(word).ok_or_else(|| format!("{word:X} has digits beyond 9"))? as f32,
        Raw::Med(MedFloat::Number { mantissa, exponent }) => mantissa as f32 * 10_f32.powi(exponent),
        Raw::Med(_) => f32::NAN,
    };
    if number.is_finite() { Ok(number) } else { Err("holds a place that is no number".to_owned()) }
}

/// Finds what a code stands for.
pub(super) fn coded<T: Copy>(form: Form, source: Source<'_>, codes: &[(T, Code)]) -> Result<T, String> {
    let raw = raw(form, source)?;
    let found = codes.iter().find(|(_, code)| stands_for(code, &raw)).map(|(meaning, _)| *meaning);
    found.ok_or_else(|| match raw {
        Raw::Whole(number) => format!("{number} is no code of the [codes] table"),
        Raw::Text(text) => format!("{text:?} is no code of the [codes] table"),
        Raw::Bcd(word) => format!("{word:X} is no code of the [codes] table"),
        Raw::Float(_) | Raw::Med(_) => "is no code".to_owned(),
    })
}

/// A measured value, or why there is none; `Err` where the bytes are neither.
pub(super) fn value(field: &ValueField, source: Source<'_>) -> Result<Result<Quantity, NoValue>, String> {
    let raw = raw(field.form, source)?;
    if let Some(reason) = no_value(field, &raw) {
        return Ok(Err(reason));
    }
    let scaled = |number: f64, own: u8| {
        let decimals = field.decimals.unwrap_or(own);
        let fits = Some(number * field.scale + field.offset).filter(|number| number.abs() < MOST);
        let quantity = fits.and_then(|number| Quantity::new(number, decimals));
        quantity.ok_or_else(|| format!("{number} is beyond any measured value"))
    };
    let quantity = match raw {
        // Most numbers fit 64 bits, which turn into a double much faster.
        Raw::Whole(number) => scaled(i64::try_from(number).map_or(number as f64, |number| number as f64), 0)?,
        Raw::Float(number) => scaled(number, 0)?,
        Raw::Bcd(word) => scaled(bcd(word).ok_or_else(|| format!("{word:X} has digits beyond 9"))? as f64, 0)?,
        Raw::Med(MedFloat::Number { mantissa, exponent }) => scaled(power(mantissa, exponent), decimals(exponent))?,
        Raw::Med(_) => return Ok(Err(NoValue::Absent)),
        Raw::Text(text) => text.parse::<Quantity>().map_err(|fault| fault.to_string())?,
    };
    Ok(match field.range {
        Some((least, _)) if quantity.value() < least => Err(NoValue::UnderRange),
        Some((_, most)) if quantity.value() > most => Err(NoValue::OverRange),
        _ => Ok(quantity),
    })
}

fn no_value(field: &ValueField, raw: &Raw<'_>) -> Option<NoValue> {
    match raw {
        Raw::Float(number) if !number.is_finite() => return Some(NoValue::Absent),
        Raw::Med(MedFloat::NotANumber) => return Some(NoValue::Absent),
        Raw::Med(MedFloat::PositiveInfinity) => return Some(NoValue::OverRange),
        Raw::Med(MedFloat::NegativeInfinity) => return Some(NoValue::UnderRange),
        _ => {}
    }
    let meant = |codes: &[Code]| codes.iter().any(|code| stands_for(code, raw));
    field.codes.each().find(|(_, codes)| meant(codes)).map(|(reason, _)| reason)
}

/// Text is compared without the padding round it.
fn stands_for(code: &Code, raw: &Raw<'_>) -> bool {
    match (code, raw) {
        (Code::Number(code), Raw::Whole(number)) => i128::from(*code) == *number,
        (Code::Number(code), Raw::Bcd(word)) => u64::try_from(*code) == Ok(*word),
        (Code::Text(code), Raw::Text(text)) => code.trim() == *text,
        _ => false,
    }
}

/// `mantissa × 10^exponent`; a power of ten up to 22 is exact in a double, so that division gives the nearest one.
fn power(mantissa: i64, exponent: i32) -> f64 {
    let ten = 10_f64.powi(exponent.abs().min(300));
    if exponent < 0 { mantissa as f64 / ten } else { mantissa as f64 * ten }
}

fn decimals(exponent: i32) -> u8 {
    u8::try_from(-exponent).unwrap_or(if exponent < 0 { u8::MAX } else { 0 }).min(Quantity::MAX_DECIMALS)
}

/// What is written: bytes, or the bits of a packed field.
pub(super) enum Put {
    Bytes(Vec<u8>),
    Bits(u64),
}

/// A value or its absence. `None` where it does not fit.
pub(super) fn put_value(field: &ValueField, value: &Result<Quantity, NoValue>) -> Option<Put> {
    let reason = match value {
        Ok(quantity) if field.form.width == Width::Decimal => {
            return put_text(&quantity.to_string(), field.form);
        }
        Ok(quantity) if field.form.width.sort() == Sort::MedFloat && field.scale == 1.0 && field.offset == 0.0 => {
            return put_med(*quantity, field.form);
        }
        Ok(quantity) => return put_number((quantity.value() - field.offset) / field.scale, field.form),
        Err(reason) => reason,
    };
    if let Some(code) = field.codes.each().find(|(known, _)| known == reason).and_then(|(_, codes)| codes.first()) {
        return put_code(code, field.form);
    }
    if let Some(beyond) = beyond(field, reason) {
        if field.form.width == Width::Decimal {
            return put_text(&Quantity::new(beyond, field.decimals.unwrap_or(1))?.to_string(), field.form);
        }
        return put_number((beyond - field.offset) / field.scale, field.form);
    }
    match (field.form.width.sort(), reason) {
        (Sort::Float, _) => put_number(f64::NAN, field.form),
        (Sort::MedFloat, NoValue::OverRange) => {
            put_word(MedFloat::PositiveInfinity.word(field.form.width)?, field.form)
        }
        (Sort::MedFloat, NoValue::UnderRange) => {
            put_word(MedFloat::NegativeInfinity.word(field.form.width)?, field.form)
        }
        (Sort::MedFloat, _) => put_word(MedFloat::NotANumber.word(field.form.width)?, field.form),
        _ => None,
    }
}

/// A number just outside the field's range.
fn beyond(field: &ValueField, reason: &NoValue) -> Option<f64> {
    let step = field.scale.abs().max(10_f64.powi(-i32::from(field.decimals.unwrap_or(1))));
    match (field.range?, reason) {
        ((least, _), NoValue::UnderRange) => Some(least - step),
        ((_, most), NoValue::OverRange) => Some(most + step),
        _ => None,
    }
}

/// What a device writes where another field already says that there is no value.
pub(super) fn put_nothing(field: &ValueField) -> Option<Put> {
    if field.form.width == Width::Decimal { put_text("0", field.form) } else { put_number(0.0, field.form) }
}

pub(super) fn put_code(code: &Code, form: Form) -> Option<Put> {
    match code {
        Code::Number(code) if form.width.sort() == Sort::Bcd => put_word(u64::try_from(*code).ok()?, form),
        Code::Number(code) => put_whole(i128::from(*code), form),
        Code::Text(text) => put_text(text, form),
    }
}

/// A number before scale and offset in its width.
pub(super) fn put_number(number: f64, form: Form) -> Option<Put> {
    match form.width.sort() {
        Sort::Float if form.width.bytes() == Some(4) => put_word(u64::from((number as f32).to_bits()), form),
        Sort::Float => put_word(number.to_bits(), form),
        Sort::MedFloat => put_med(Quantity::new(number, 1)?, form),
        _ => {
            let rounded = number.round();
            (rounded.abs() < 1e18).then(|| put_whole(rounded as i128, form)).flatten()
        }
    }
}

/// As many decimals as fit: a device of this width cannot say it finer.
fn put_med(quantity: Quantity, form: Form) -> Option<Put> {
    let fits = |decimals: u8| {
        let mantissa = (quantity.value() * 10_f64.powi(i32::from(decimals))).round();
        let exponent = -i32::from(decimals);
        MedFloat::Number { mantissa: mantissa as i64, exponent }.word(form.width)
    };
    (0..=quantity.decimals()).rev().find_map(fits).and_then(|word| put_word(word, form))
}

pub(super) fn put_whole(number: i128, form: Form) -> Option<Put> {
    let (least, most) = form.limits()?;
    if !(least..=most).contains(&number) {
        return None;
    }
    let length = form.length.unwrap_or(1);
    match form.width.sort() {
        Sort::Digits => put_text(&format!("{number:0length$}"), form),
        Sort::Hex => put_text(&format!("{number:0length$X}"), form),
        Sort::Bcd => {
            let digits = number.to_string();
            let word = digits.bytes().fold(0_u64, |word, digit| word << 4 | u64::from(digit - b'0'));
            put_word(word, form)
        }
        _ => put_word(number as u64, form),
    }
}

fn put_word(word: u64, form: Form) -> Option<Put> {
    if form.width.is_bits() {
        return Some(Put::Bits(word & (u64::MAX >> (64 - form.length.unwrap_or(64).clamp(1, 64)))));
    }
    let mut bytes = Vec::new();
    form.width.order().split(word, form.bytes()?, &mut bytes);
    Some(Put::Bytes(bytes))
}

/// Text filled up to its length, where it has one: numbers stand on the right, words on the left.
pub(super) fn put_text(text: &str, form: Form) -> Option<Put> {
    let length = form.length.unwrap_or(text.len());
    let filled: Cow<'_, str> = match form.width {
        _ if text.len() >= length => text.into(),
        Width::Decimal => format!("{text:>length$}").into(),
        _ => format!("{text:<length$}").into(),
    };
    (filled.len() == length).then(|| Put::Bytes(filled.into_owned().into_bytes()))
}
