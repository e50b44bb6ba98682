//! Who works at the stations, and how long a wrong PIN keeps out.

use super::word::words;
use std::fmt;

words! {
    /// What someone may do: the day's work, that and the house, or the devices without any customer.
    pub enum Role as "role" { Beautician = "beautician", Manager = "manager", Technician = "technician" }
}

/// One of the staff. `Debug` prints the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Short, as on the badge: `b-07`. Stands in records and goes to HQ; never a name.
    pub id: String,
    /// As it stands on the log-in page, and on the reports of those whom the person served.
    pub name: String,
    pub role: Role,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name: _, role } = self;
        write!(f, "Person({id}, {role})")
    }
}

/// What stands in the place of an id where nobody was logged in and nobody said who worked.
pub const STATION: &str = "station";
pub const MACHINE: &str = "machine";
/// What was done because headquarters said so, and what the gateway did by itself.
pub const HQ: &str = "hq";
pub const GATEWAY: &str = "gateway";

/// Wrong PINs in a row that cost nothing but another try.
pub const FREE_TRIES: u32 = 4;

/// How long a person is locked out after so many wrong PINs in a row, in milliseconds: from the fifth on a minute, doubling
/// up to an hour. At that rate a PIN of four digits that is not among the obvious ones stands for half a year on average.
#[must_use]
pub const fn locked_ms(failures: u32) -> i64 {
    const MINUTE: i64 = 60_000;
    match failures.checked_sub(FREE_TRIES + 1) {
        None => 0,
        Some(beyond) if beyond >= 6 => 60 * MINUTE,
        Some(beyond) => MINUTE << beyond,
    }
}

/// Why a PIN is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPin {
    /// Not 4 to 12 digits.
    Shape,
    /// One digit repeated, or digits in a run up or down: the first that anybody tries.
    Obvious,
}

/// # Errors
/// [`BadPin`] for what would be guessed first.
pub fn acceptable_pin(pin: &str) -> Result<(), BadPin> {
    if !(4..=12).contains(&pin.len()) || !pin.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadPin::Shape);
    }
    let steps: Vec<i16> = pin.as_bytes().windows(2).map(|w| i16::from(w[1]) - i16::from(w[0])).collect();
    let run = |step: i16| steps.iter().all(|found| *found == step);
    if run(0) || run(1) || run(-1) { Err(BadPin::Obvious) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_slips_are_free_and_the_lock_grows_to_an_hour() {
        assert_eq!((0..=4).map(locked_ms).max(), Some(0));
        let minutes: Vec<i64> = (5..14).map(|n| locked_ms(n) / 60_000).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(locked_ms(u32::MAX), 3_600_000);
    }

    #[test]
    fn what_anybody_would_try_first_is_no_pin() {
        for pin in ["0000", "1234", "4321", "123456", "987654", "99999999"] {
            assert_eq!(acceptable_pin(pin), Err(BadPin::Obvious), "{pin}");
        }
        for pin in ["", "123", "12a4", "１２３４", "1234567890123", " 4711"] {
            assert_eq!(acceptable_pin(pin), Err(BadPin::Shape), "{pin}");
        }
        for pin in ["4711", "2580", "135790", "112233"] {
            assert_eq!(acceptable_pin(pin), Ok(()), "{pin}");
        }
    }
}
