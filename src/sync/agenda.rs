//! Appointments that headquarters has for a store: as the CRM writes them into a file, and as they go down.
//!
//! A store's agenda is a *book* whose changes are numbered. A gateway says in its hello which book it holds and how far; HQ
//! tells what changed since, in parts. Each part leads from one number to another and is complete in itself: it may come twice,
//! late, or never, and what is held stays true.

use crate::domain::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a gateway's self-description names among its `downlinks` when it understands a part.
pub const AGENDA: &str = "agenda";

/// The part of a gateway's self-description that says what it understands from headquarters beside its first words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct About {
    #[serde(default)]
    pub downlinks: Vec<String>,
}

/// How far a gateway holds an agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Which numbering; another one after headquarters was restored from a backup.
    pub book: String,
    /// Everything up to and with this change.
    pub version: u64,
}

/// Whether somebody is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    #[default]
    Booked,
    Cancelled,
    /// Only on the way down: to a day that is not told yet. Without a person.
    Moved,
}

impl Standing {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
            Self::Moved => "moved",
        }
    }
}

/// Whether somebody is booked, where the file does not say otherwise; minutes of an appointment that names none.
const MINUTES: u32 = 60;

const fn minutes() -> u32 {
    MINUTES
}

/// One appointment. `Debug` prints its id only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The CRM's own name of the appointment, the same whenever it changes; 1 to 60 characters. Nothing personal.
    pub id: String,
    /// RFC 3339. In the file with any offset (`2026-12-01T14:30:00+08:00`), on the way down in UTC with milliseconds.
    pub starts: String,
    #[serde(default = "minutes")]
    pub minutes: u32,
    #[serde(default)]
    pub state: Standing,
    /// The treatment, in the salon's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The beautician: staff number or name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub staff: String,
    /// The chair it is meant for; absent for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub station: String,
    /// The chain's member number of the customer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// The last four digits of the telephone number are enough, and better than more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, state, .. } = self;
        write!(f, "Entry({id}, {})", state.as_str())
    }
}

/// Most minutes that an appointment takes.
const LONGEST_MIN: u32 = 12 * 60;

impl Entry {
    /// The entry with its time in UTC and its texts trimmed.
    ///
    /// # Errors
    /// Everything that is wrong with it, one sentence each.
    pub fn checked(&self) -> Result<(Self, Timestamp), Vec<String>> {
        let mut wrong = Vec::new();
        let mut text = |field: &str, raw: &str, longest: usize| {
            let text = raw.trim();
            if text.chars().count() > longest {
                wrong.push(format!("{field}: more than {longest} characters; shorten it"));
            }
            if text.chars().any(char::is_control) {
                wrong.push(format!("{field}: holds a control character; take it out"));
            }
            text.to_owned()
        };
        let mut entry = Self {
            id: text("id", &self.id, 60),
            starts: String::new(),
            minutes: self.minutes,
            state: self.state,
            service: text("service", &self.service, 80),
            staff: text("staff", &self.staff, 60),
            station: text("station", &self.station, 60),
            member: text("member", &self.member, 40),
            phone: text("phone", &self.phone, 20),
            name: text("name", &self.name, 60),
        };
        if entry.id.is_empty() {
            wrong.push("id: must not be empty; give the CRM's own name of the appointment".to_owned());
        }
        if entry.minutes == 0 || entry.minutes > LONGEST_MIN {
            wrong.push(format!("minutes: {} is not 1 to {LONGEST_MIN}", entry.minutes));
        }
        if entry.state == Standing::Moved {
            wrong.push("state: moved is said by headquarters alone; write the new time and booked".to_owned());
        }
        let nobody = entry.name.is_empty() && entry.member.is_empty();
        if entry.state == Standing::Booked && nobody {
            wrong.push("name, member: give at least one of them; otherwise nobody knows who comes".to_owned());
        }
        let digits = entry.phone.chars().filter(char::is_ascii_digit).count();
        if !entry.phone.is_empty() && digits < 4 {
            wrong.push("phone: fewer than four digits; give the last four, or leave it out".to_owned());
        }
        match instant(&self.starts) {
            Some(starts) if wrong.is_empty() => {
                entry.starts = starts.to_string();
                Ok((entry, starts))
            }
            Some(_) => Err(wrong),
            None => {
                wrong.push(format!(
                    "starts: {:?} is no time with an offset such as 2026-12-01T14:30:00+08:00",
                    self.starts.chars().take(40).collect::<String>()
                ));
                Err(wrong)
            }
        }
    }
}

/// What a CRM hands over: the appointments that are new or have changed; the others stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub appointments: Vec<Entry>,
}

/// Entries of one file: a chain's year of a store.
const MOST: usize = 20_000;

impl File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One sentence a line, each with the place and what to do; at most twenty.
    pub fn read(text: &str) -> Result<Vec<(Entry, Timestamp)>, String> {
        let file: Self = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
        if file.appointments.len() > MOST {
            return Err(format!("{} appointments; give at most {MOST} at a time", file.appointments.len()));
        }
        let (mut sound, mut wrong) = (Vec::new(), Vec::new());
        let mut seen = std::collections::HashSet::new();
        for (at, entry) in file.appointments.iter().enumerate() {
            let place = format!("appointments[{at}]");
            match entry.checked() {
                Ok(read) if seen.insert(read.0.id.clone()) => sound.push(read),
                Ok((entry, _)) => wrong.push(format!("{place}.id: {} stands here twice; leave one out", entry.id)),
                Err(faults) => wrong.extend(faults.iter().map(|fault| format!("{place}.{fault}"))),
            }
        }
        if wrong.is_empty() { Ok(sound) } else { Err(complaints(wrong)) }
    }
}

/// Complaints about a file of many entries as one text, a line each; the first twenty, and how many more there are.
pub(super) fn complaints(mut wrong: Vec<String>) -> String {
    const SHOWN: usize = 20;
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    wrong.join("\n")
}

/// A time of RFC 3339 with any offset; seconds and their parts may be left out.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (local, offset_min) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        None => {
            let at = text.len().checked_sub(6)?;
            let (local, offset) = (text.get(..at)?, text.get(at..)?);
            let sign = match offset.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok())?;
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let (hours, minutes) = (number(hours)?, number(minutes)?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            (local, sign * (hours * 60 + minutes))
        }
    };
    let whole = match local.len() {
        16 => format!("{local}:00.000Z"),
        19 => format!("{local}.000Z"),
        23 => format!("{local}Z"),
        _ => return None,
    };
    let local: Timestamp = whole.parse().ok()?;
    Some(Timestamp::from_unix_ms(local.unix_ms() - offset_min * 60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_without_one_refused() {
        let read = |text: &str| instant(text).map(|time| time.to_string());
        let noon = Some("2026-12-01T06:30:00.000Z".to_owned());
        for text in [
            "2026-12-01T14:30+08:00",
            "2026-12-01T14:30:00+08:00",
            "2026-12-01T06:30:00.000Z",
            "2026-12-01T01:00:00-05:30",
        ] {
            assert_eq!(read(text), noon, "{text}");
        }
        for text in [
            "",
            "2026-12-01",
            "2026-12-01T14:30:00",
            "2026-02-30T10:00Z",
            "2026-12-01T25:00Z",
            "2026-12-01T14:30+8:00",
            "2026-12-01T14:30+15:00",
            "2026-12-01T14:30+0é:0",
            "明天下午三点",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let whole = "2026-12-01T14:30:00+08:00";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "cut to {length}");
        }
    }

    #[test]
    fn everything_wrong_with_a_file_is_said_at_once_with_its_place() {
        let wrong = File::read(
            r#"{"appointments":[
                {"id":"1","starts":"2026-12-01T14:30+08:00","name":"林若溪"},
                {"id":"1","starts":"2026-12-01T14:30+08:00","name":"林若溪"},
                {"id":" ","starts":"tomorrow","minutes":0,"phone":"88"},
                {"id":"2","starts":"2026-12-01T14:30+08:00","state":"moved","member":"A1"}]}"#,
        )
        .unwrap_err();
        for place in [
            "[1].id: 1 stands here twice",
            "[2].id",
            "[2].minutes",
            "[2].name, member",
            "[2].phone",
            "[2].starts",
            "[3].state",
        ] {
            assert!(wrong.contains(place), "{place}: {wrong}");
        }
        assert!(!wrong.contains("林若溪"), "a complaint holds no name");
        assert!(
            File::read(r#"{"appointments":[{"id":"1","starts":"2026-12-01T14:30Z","name":"x","tel":"1"}]}"#).is_err()
        );
        let read =
            File::read(r#"{"appointments":[{"id":"1","starts":"2026-12-01T14:30+08:00","member":" A1 "}]}"#).unwrap();
        assert_eq!(
            (read[0].0.starts.as_str(), read[0].0.member.as_str(), read[0].0.minutes),
            ("2026-12-01T06:30:00.000Z", "A1", 60)
        );
    }
}
