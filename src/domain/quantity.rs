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
        // Through text, so that what is kept is exactly what is shown.
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

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", self.decimals as usize, self.value)
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
        let decimals = u8::try_from(part.len()).map_err(|_| bad())?;
        Self::new(text.parse().map_err(|_| bad())?, decimals).ok_or_else(bad)
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

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "NaN", "inf", "1e3", "1,5", "0x1", "---.-", "1.0123456789", " 1"] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
        assert_eq!(Quantity::new(f64::NAN, 1), None);
    }
}
