//! What is asked and said in a visit beside the measurement, and the conditions under which a scan was taken.

use super::{Quantity, word::words};

words! {
    /// Steps of a visit that leave no other trace than that they were passed.
    pub enum Soft as "step" { Questions = "questions", Talk = "talk", Report = "report", Rating = "rating" }
}

/// Answers of one visit. Empty texts and `None` mean: not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// How the skin feels today, as the customer says it.
    pub skin_state: String,
    /// `none`, `light` or `full`.
    pub make_up: String,
    /// Minutes since the face was washed last.
    pub washed_min: Option<u32>,
    pub wishes: String,
    pub passed: Vec<String>,
    /// 1 to 5.
    pub stars: Option<u8>,
    pub remark: String,
    /// `2026-12-04`; empty where none was agreed.
    pub next_day: String,
    /// The treatment that was chosen, by its name in the salon's file; empty where nobody chose.
    pub treatment: String,
}

impl Sheet {
    #[must_use]
    pub fn has_passed(&self, step: Soft) -> bool {
        self.passed.iter().any(|word| word == step.as_str())
    }
}

/// What a measurement depends on beside the skin. `None`: not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conditions {
    pub probe_wiped: bool,
    /// Minutes the customer sat still in this room.
    pub rested_min: Option<u32>,
    /// Minutes since the face was washed.
    pub washed_min: Option<u32>,
    /// Room temperature in °C.
    pub celsius: Option<Quantity>,
    /// Relative humidity in %.
    pub humidity: Option<Quantity>,
    /// The sensor that gave them, several with a comma between; empty where one of them was typed.
    pub climate_by: String,
    /// The day (`2026-12-04`) of the oldest calibration among the devices that were ready; empty where nobody stated one.
    pub calibrated: String,
}

/// What makes a reading less comparable than it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caution {
    NotWiped,
    /// Less than ten minutes at rest: blood flow and sweat have not settled.
    ShortRest,
    /// Washed less than half an hour ago: the surface is still drying.
    JustWashed,
    /// Outside 18 to 26 °C or 30 to 65 % relative humidity.
    Climate,
}

impl Conditions {
    /// Cautions from what is known; the limits are the wider end of what laboratories ask (20–22 °C, 40–60 %, 15–30 min).
    #[must_use]
    pub fn cautions(&self) -> Vec<Caution> {
        let out = |value: Option<Quantity>, low: f64, high: f64| {
            value.is_some_and(|value| !(low..=high).contains(&value.value()))
        };
        let mut found = Vec::new();
        if !self.probe_wiped {
            found.push(Caution::NotWiped);
        }
        if self.rested_min.is_some_and(|min| min < 10) {
            found.push(Caution::ShortRest);
        }
        if self.washed_min.is_some_and(|min| min < 30) {
            found.push(Caution::JustWashed);
        }
        if out(self.celsius, 18.0, 26.0) || out(self.humidity, 30.0, 65.0) {
            found.push(Caution::Climate);
        }
        found
    }
}

/// Whether `text` is a day of the calendar, `2026-12-04`.
#[must_use]
pub fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(year), number(month), number(day));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        for day in ["2026-12-04", "2028-02-29", "2000-02-29", "2026-01-31"] {
            assert!(is_day(day), "{day}");
        }
        for no in ["", "2026-02-29", "2100-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-1-1", "2026-12-00x"]
        {
            assert!(!is_day(no), "{no}");
        }
    }

    #[test]
    fn each_doubt_about_a_measurement_is_named() {
        let good = Conditions {
            probe_wiped: true,
            rested_min: Some(10),
            washed_min: Some(30),
            celsius: "22.0".parse().ok(),
            humidity: "50".parse().ok(),
            ..Conditions::default()
        };
        assert_eq!(good.cautions(), []);
        let bad = |change: fn(&mut Conditions)| {
            let mut conditions = good.clone();
            change(&mut conditions);
            conditions.cautions()
        };
        assert_eq!(bad(|c| c.probe_wiped = false), [Caution::NotWiped]);
        assert_eq!(bad(|c| c.rested_min = Some(9)), [Caution::ShortRest]);
        assert_eq!(bad(|c| c.washed_min = Some(29)), [Caution::JustWashed]);
        assert_eq!(bad(|c| c.celsius = "26.1".parse().ok()), [Caution::Climate]);
        assert_eq!(bad(|c| c.humidity = "29.9".parse().ok()), [Caution::Climate]);
        assert_eq!(bad(|c| (c.rested_min, c.humidity) = (None, None)), [], "what nobody knows is no reproach");
    }
}
