//! `[calendar]`: by which clocks the salon's days begin and end, and on which it is closed.

use super::{raw, typed::Reader};
use crate::domain::day::{self, Day};

/// The salon's days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// As the time zone database calls it; `None`: the machine's own.
    pub time_zone: Option<String>,
    /// Days on which the salon is closed.
    pub holidays: Vec<Day>,
}

pub(super) fn calendar(typed: raw::Calendar, reader: &mut Reader<'_>) -> Calendar {
    let time_zone = typed.time_zone.filter(|at| !at.value.is_empty()).and_then(|at| {
        let sound = is_zone_name(&at.value);
        if !sound {
            reader.complain_at(&at, format!("{:?} is no time zone; write it as Asia/Shanghai", at.value));
        }
        sound.then_some(at.value)
    });
    let mut holidays: Vec<Day> = Vec::new();
    for item in typed.holidays.iter().flat_map(|at| &at.value) {
        match day::holiday(&item.value) {
            Ok(days) => {
                if let Some(twice) = days.iter().find(|day| holidays.contains(day)) {
                    reader.complain_at(item, format!("{twice} stands twice"));
                }
                holidays.extend(days);
            }
            Err(what) => reader.complain_at(item, what),
        }
    }
    Calendar { time_zone, holidays }
}

/// A name below the database's folder, never a way out of it.
fn is_zone_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
    };
    name.len() <= 60 && name.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn parse(calendar: &str) -> Result<Calendar, String> {
        let text = format!(
            "[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n[[station]]\nid = \"c\"\n[calendar]\n{calendar}"
        );
        Config::parse(&text, "g.toml", Path::new("/")).map(|config| config.calendar).map_err(|e| e.to_string())
    }

    #[test]
    fn holidays_are_days_and_spans_of_days() {
        let found =
            parse("time_zone = \"Asia/Shanghai\"\nholidays = [\"2026-12-31..2027-01-02\", \"2026-10-01\"]").unwrap();
        let shown: Vec<String> = found.holidays.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2026-12-31", "2027-01-01", "2027-01-02", "2026-10-01"]);
        assert_eq!(found.time_zone.as_deref(), Some("Asia/Shanghai"));
        assert_eq!(parse("").unwrap(), Calendar::default());
    }

    #[test]
    fn every_mistake_is_said_with_its_line() {
        for (text, said) in [
            ("time_zone = \"../../etc/passwd\"", "g.toml:8: calendar.time_zone: \"../../etc/passwd\" is no time zone"),
            ("time_zone = \"/etc/localtime\"", "is no time zone"),
            ("holidays = [\"2026-02-29\"]", "g.toml:8: calendar.holidays: \"2026-02-29\" is no day of the calendar"),
            ("holidays = [\"2026-10-07..2026-10-01\"]", "2026-10-01 is before 2026-10-07"),
            ("holidays = [\"2026-01-01..2026-12-31\"]", "is longer than 62 days"),
            ("holidays = [\"2026-10-01..2026-10-03\", \"2026-10-02\"]", "2026-10-02 stands twice"),
            ("holiday = []", "did you mean holidays?"),
        ] {
            let complaints = parse(text).unwrap_err();
            assert!(complaints.contains(said), "{text}: {complaints}");
        }
    }
}
