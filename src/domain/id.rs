//! Identities: UUIDv7 (RFC 9562), so they can be minted anywhere and sort by the time of minting.
//!
//! Minting needs a clock and randomness and therefore happens outside ([`crate::clock`]); here is only their shape.
//! Text form: 36 lower-case characters, `01919d3e-7c00-7abc-8def-0123456789ab`.

use std::{fmt, str::FromStr};

/// Text that is no UUID of 36 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnId(pub String);

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no id; an id looks like 01919d3e-7c00-7abc-8def-0123456789ab", self.0)
    }
}

impl std::error::Error for NotAnId {}

/// Builds the 128 bits of a UUIDv7: 48 bits of Unix milliseconds, version and variant bits, 74 random bits.
#[must_use]
pub const fn v7_bits(unix_ms: u64, random: u128) -> u128 {
    let time = (unix_ms as u128 & 0xFFFF_FFFF_FFFF) << 80;
    let noise = random & !(0xFFFF_FFFF_FFFF_u128 << 80) & !(0xF_u128 << 76) & !(0b11_u128 << 62);
    time | (0x7_u128 << 76) | (0b10_u128 << 62) | noise
}

fn parse(text: &str) -> Result<u128, NotAnId> {
    let bad = || NotAnId(text.chars().take(60).collect());
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return Err(bad());
    }
    let mut bits = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return Err(bad());
            }
            continue;
        }
        let digit = (*byte as char).to_digit(16).ok_or_else(bad)?;
        bits = bits << 4 | u128::from(digit);
    }
    Ok(bits)
}

fn show(bits: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|at| !matches!(at, 8 | 13 | 18 | 23));
    for (at, digit) in places.zip((0..32).rev()) {
        text[at] = DIGITS[(bits >> (4 * digit) & 0xF) as usize];
    }
    f.write_str(std::str::from_utf8(&text).expect("hex digits and dashes"))
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self { Self(bits) }
            #[must_use]
            pub const fn bits(self) -> u128 { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { show(self.0, f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { show(self.0, f) }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> { parse(text).map(Self) }
        }
    )+ };
}

ids! {
    /// A place in the day of the salon.
    AppointmentId,
    /// A customer of the chain; two ids found to be one person are joined by an alias event, never renumbered.
    CustomerId,
    /// One visit of one customer.
    VisitId,
    /// All readings, captures and scores of one phase of a visit.
    ScanId,
    /// One metric × region of a scan, with its repeats.
    ReadingId,
    /// One value accepted from a device.
    RepeatId,
    /// One photograph.
    CaptureId,
    /// One model output for one region of one capture.
    ScoreId,
    /// One drawn comparison of two scans.
    ComparisonId,
    /// One entry of the consent ledger.
    ConsentId,
    /// One link to the report of a visit.
    ReportId,
    /// One thing a customer said.
    FeedbackId,
    /// One thing that HQ wants done.
    OrderId,
    /// One thing HQ is told.
    EventId,
    /// One life of a database; new with each new or restored database, so that `(gateway, epoch, seq)` is unique for ever.
    Epoch,
    /// One start of the machine: monotonic times compare within one boot only.
    BootId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bits_agree() {
        let id = VisitId::from_bits(v7_bits(1_700_000_000_123, u128::MAX));
        let text = id.to_string();
        assert_eq!(text, "018bcfe5-687b-7fff-bfff-ffffffffffff");
        assert_eq!(text.parse::<VisitId>(), Ok(id));
    }

    #[test]
    fn any_other_text_is_refused() {
        let good = "018bcfe5-687b-7fff-bfff-ffffffffffff";
        for at in 0..good.len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = b'x';
            assert!(String::from_utf8(bytes).unwrap().parse::<VisitId>().is_err(), "position {at}");
            assert!(good[..at].parse::<VisitId>().is_err(), "length {at}");
        }
    }
}
