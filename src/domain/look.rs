//! How a salon looks in what its customers keep: its logo and one colour. The colours that carry a meaning (before, after, no
//! change) are the house's and are not the salon's to choose.

use std::fmt;

/// Least contrast of text, by WCAG 2.2 (1.4.3).
pub const LEAST_CONTRAST: f64 = 4.5;

/// What the pages of reports stand on, the darker of the two grounds.
const GROUND: Colour = Colour { red: 0xF5, green: 0xF1, blue: 0xEA };

/// An opaque colour, 8 bits for each of red, green and blue (sRGB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// What the installer chose; empty: the house's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// `#1E6B5C`
    pub colour: String,
    /// The picture as a `data:` address, SVG or PNG.
    pub logo: String,
}

impl Colour {
    /// `#1E6B5C`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self { red: part(0)?, green: part(2)?, blue: part(4)? })
    }

    /// How well it is read on the pages' ground, and white on it: the smaller of the two contrasts, 1 to 21.
    #[must_use]
    pub fn contrast(self) -> f64 {
        // The ground is darker than white, so it is the nearer of the two to any dark colour.
        let (one, ground) = (self.luminance(), GROUND.luminance());
        (one.max(ground) + 0.05) / (one.min(ground) + 0.05)
    }

    /// Relative luminance by WCAG 2.2, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { red, green, blue } = self;
        write!(f, "#{red:02X}{green:02X}{blue:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_as_it_is_written() {
        assert_eq!(Colour::parse("#1e6B5c").unwrap().to_string(), "#1E6B5C");
        for wrong in ["", "1E6B5C", "#1E6B5", "#1E6B5C0", "#1E6B5G", "#+1+2+3", "#äöa", "red"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        let of = |text| Colour::parse(text).unwrap().contrast();
        // Black on the ground, by the standard's formula: (0.8797 + 0.05) / 0.05.
        assert!((of("#000000") - 18.6).abs() < 0.1, "{}", of("#000000"));
        assert!(of("#1E6B5C") >= LEAST_CONTRAST && of("#E8B04A") < LEAST_CONTRAST);
    }
}
