//! A number as a device gave it.

use std::{fmt, str::FromStr};

/// A measured number with its decimals: 35.0 and 35 differ, the decimals say how finely the device measures.
/// Always finite. Equality is of the written form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    value: f64,
    decimals: u8,
}

/// Text or a number that is no measured value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAQuantity(pub String);

impl fmt::Display for NotAQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no decimal number such as 35.0", self.0)
    }
}

impl std::error::Error for NotAQuantity {}

impl Quantity {
    /// More decimals than any skin device shows; a file that asks for more is mistaken.
    pub const MAX_DECIMALS: u8 = 9;

    /// Rounds `value` to `decimals`. `None` when it is not finite or asks for more than [`Self::MAX_DECIMALS`].
    #[must_use]
    pub fn new(value: f64, decimals: u8) -> Option<Self> {
        if !value.is_finite() || decimals > Self::MAX_DECIMALS {
            return None;
        }
        // A number of last places that is clearly nearer to one whole number than to the next is rounded at once: whole and
        // power of ten are exact, so their quotient is the double nearest to the decimal.
        let place = TENS[usize::from(decimals)];
        let units = value * place;
        let whole = units.round();
        if units.abs() < CLEAR && ((units - whole).abs() - 0.5).abs() > 1e-3 {
            return Some(Self { value: whole / place, decimals });
        }
        // Else through text, so that what is kept is exactly what is shown.
        format!("{value:.*}", decimals as usize).parse().ok().map(|value| Self { value, decimals })
    }
    #[must_use]
    pub const fn value(self) -> f64 {
        self.value
    }
    #[must_use]
    pub const fn decimals(self) -> u8 {
        self.decimals
    }
}

const TENS: [f64; Quantity::MAX_DECIMALS as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Up to here a product is off by less than 2⁻¹² of a whole.
const CLEAR: f64 = (1_u64 << 40) as f64;

/// Up to here a number of units of the last decimal is exact in a double, with room for the product's own rounding.
const EXACT: f64 = (1_u64 << 50) as f64;

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value is the double nearest to a decimal of so many places: its whole number of last places can be had by
        // rounding, much faster than by writing the double out exactly. Devices stream thousands of these.
        let units = self.value.abs() * 10_f64.powi(i32::from(self.decimals));
        if units >= EXACT {
            return write!(f, "{:.*}", self.decimals as usize, self.value);
        }
        let mut units = units.round() as u64;
        let mut text = [0_u8; 24];
        let mut at = text.len();
        let mut place = 0;
        while units > 0 || place <= self.decimals {
            if place == self.decimals && place > 0 {
                at -= 1;
                text[at] = b'.';
            }
            at -= 1;
            text[at] = b'0' + (units % 10) as u8;
            units /= 10;
            place += 1;
        }
        if self.value.is_sign_negative() {
            at -= 1;
            text[at] = b'-';
        }
        f.write_str(std::str::from_utf8(&text[at..]).expect("digits, a point and a sign"))
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;
    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let bad = || NotAQuantity(text.chars().take(40).collect());
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) || digits.ends_with('.') || whole.len() > 15 {
            return Err(bad());
        }
        let decimals =
            u8::try_from(part.len()).ok().filter(|decimals| *decimals <= Self::MAX_DECIMALS).ok_or_else(bad)?;
        // The double nearest to what is written: nothing is to be rounded. Up to 15 digits and their power of ten are exact,
        // and so is their quotient.
        if whole.len() + part.len() <= 15 {
            let units =
                whole.bytes().chain(part.bytes()).fold(0_u64, |units, digit| units * 10 + u64::from(digit - b'0'));
            let value = units as f64 / TENS[usize::from(decimals)];
            return Ok(Self { value: if text.starts_with('-') { -value } else { value }, decimals });
        }
        Ok(Self { value: text.parse().map_err(|_| bad())?, decimals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_survives() {
        for text in ["35.0", "35", "-2.00", "0.123456789"] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
        assert_ne!("2.0".parse::<Quantity>(), "2.00".parse());
    }

    /// The quick way of reading is held against the library's: it gives the very same double.
    #[test]
    fn it_is_read_exactly_as_the_library_reads_it() {
        let mut dice = fastrand::Rng::with_seed(11);
        for _ in 0..200_000 {
            let whole: String = (0..dice.usize(1..=15)).map(|_| char::from(b'0' + dice.u8(0..10))).collect();
            let part: String = (0..dice.usize(0..=9)).map(|_| char::from(b'0' + dice.u8(0..10))).collect();
            let sign = ["", "+", "-"][dice.usize(0..3)];
            let text = if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") };
            let (quick, library) = (text.parse::<Quantity>().unwrap(), text.parse::<f64>().unwrap());
            assert_eq!(quick.value.to_bits(), library.to_bits(), "{text}");
        }
    }

    /// The quick way of writing is held against the exact one: over all small numbers, and over random large ones.
    #[test]
    fn it_is_written_exactly_as_its_double_is() {
        let exact = |quantity: Quantity| format!("{:.*}", quantity.decimals as usize, quantity.value);
        let mut dice = fastrand::Rng::with_seed(5);
        for decimals in 0..=Quantity::MAX_DECIMALS {
            let place = 10_f64.powi(i32::from(decimals));
            let small = (-2_000..=2_000).map(f64::from);
            let any = (0..20_000).map(|_| dice.f64() * 10_f64.powi(dice.i32(0..18)) - 5e8).collect::<Vec<_>>();
            for units in small.chain(any) {
                let Some(quantity) = Quantity::new(units / place, decimals) else { continue };
                assert_eq!(quantity.to_string(), exact(quantity));
                let text = exact(quantity);
                if text.len() < 16 {
                    assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
                }
            }
        }
        assert_eq!(Quantity::new(-0.0, 1).unwrap().to_string(), "-0.0", "as the device wrote it");
    }

    /// The quick way of rounding is held against the one through text: round ties, over small numbers, and over random ones.
    #[test]
    fn it_is_rounded_exactly_as_its_double_is_written() {
        let exact = |value: f64, decimals: u8| format!("{value:.*}", decimals as usize).parse::<f64>().unwrap();
        let mut dice = fastrand::Rng::with_seed(7);
        for decimals in 0..=Quantity::MAX_DECIMALS {
            let place = 10_f64.powi(i32::from(decimals));
            let ties =
                (-2_000..2_000).flat_map(|n| [0.0, 1e-12, -1e-12, 1e-4].map(|off| (f64::from(n) + 0.5 + off) / place));
            let small = (-2_000..2_000).map(|n| f64::from(n) / place);
            let any = (0..20_000).map(|_| (dice.f64() - 0.5) * 10_f64.powi(dice.i32(-9..18))).collect::<Vec<_>>();
            for value in ties.chain(small).chain(any) {
                let rounded = Quantity::new(value, decimals).unwrap().value;
                assert_eq!(rounded.to_bits(), exact(value, decimals).to_bits(), "{value:e} to {decimals}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "NaN", "inf", "1e3", "1,5", "0x1", "---.-", "1.0123456789", " 1"] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
        assert_eq!(Quantity::new(f64::NAN, 1), None);
    }
}
