//! What else headquarters tells a store beside its appointments: who works there, what it is to do once, and what it shall use.

use super::{
    agenda::{Held, complaints},
    package,
    topic::is_name,
};
use crate::domain::staff::{GATEWAY, HQ, MACHINE, Role, STATION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt};

/// Words among a gateway's `downlinks`: it knows what to do with [`super::reply::Reply::Staff`] and
/// [`super::reply::Reply::Order`].
pub const STAFF: &str = "staff";
pub const ORDERS: &str = "orders";

/// In a hello: how far a gateway holds what was told to it; each field is absent as long as HQ has told of nothing like it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Downlink {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<Held>,
    /// Of [`super::reply::Reply::Wanted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Held>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<package::Holding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<package::Fetch>,
}

/// One of a store's staff, as headquarters knows them. The PIN is the store's own affair: its manager sets it. `Debug` prints
/// the id only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Colleague {
    /// As on the badge: `b-07`; 1 to 60 of `a-z 0-9 -`.
    pub id: String,
    /// As it stands on the log-in page; 1 to 60 characters.
    pub name: String,
    #[schemars(with = "String")]
    pub role: Duty,
}

/// What a colleague may do, in the words of the wire: those of [`Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    Beautician,
    Manager,
    Technician,
}

impl From<Duty> for Role {
    fn from(duty: Duty) -> Self {
        match duty {
            Duty::Beautician => Self::Beautician,
            Duty::Manager => Self::Manager,
            Duty::Technician => Self::Technician,
        }
    }
}

impl From<Role> for Duty {
    fn from(role: Role) -> Self {
        match role {
            Role::Beautician => Self::Beautician,
            Role::Manager => Self::Manager,
            Role::Technician => Self::Technician,
        }
    }
}

impl fmt::Debug for Colleague {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Colleague({}, {:?})", self.id, self.role)
    }
}

/// Characters of a name as it stands on the log-in page.
const LONGEST: usize = 60;

/// Most people of one store: told in one word, which must fit a publish.
pub const MOST_PEOPLE: usize = 150;

impl Colleague {
    /// The same with its name trimmed.
    ///
    /// # Errors
    /// Everything that is wrong with it, one sentence each, without the name.
    pub fn checked(&self) -> Result<Self, Vec<String>> {
        let Self { id, name, role } = self;
        let (name, mut wrong) = (name.trim(), Vec::new());
        if !is_name(id) {
            wrong.push("id: is no staff number; give 1 to 60 of a-z, 0-9 and -, such as b-07".to_owned());
        } else if [STATION, MACHINE, HQ, GATEWAY].contains(&id.as_str()) {
            // Records signed by nobody in particular bear these.
            wrong.push(format!("id: {id} stands in records for no person; take another one"));
        }
        if !(1..=LONGEST).contains(&name.chars().count()) {
            wrong.push(format!("name: has {} characters; give 1 to {LONGEST}", name.chars().count()));
        }
        if name.chars().any(char::is_control) {
            wrong.push("name: holds a control character; take it out".to_owned());
        }
        if wrong.is_empty() { Ok(Self { id: id.clone(), name: name.to_owned(), role: *role }) } else { Err(wrong) }
    }
}

/// Who works in a store, whole, as a CRM hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    pub people: Vec<Colleague>,
}

impl Staff {
    /// Reads and checks a list.
    ///
    /// # Errors
    /// One sentence a line, each with the place and what to do; at most twenty. No name is among them.
    pub fn read(text: &str) -> Result<Vec<Colleague>, String> {
        let staff: Self = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
        if staff.people.len() > MOST_PEOPLE {
            return Err(format!("{} people; a store has at most {MOST_PEOPLE}", staff.people.len()));
        }
        let (mut sound, mut wrong, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (at, one) in staff.people.iter().enumerate() {
            let place = format!("people[{at}]");
            match one.checked() {
                Ok(one) if seen.insert(one.id.clone()) => sound.push(one),
                Ok(one) => wrong.push(format!("{place}.id: {} stands here twice; leave one out", one.id)),
                Err(faults) => wrong.extend(faults.iter().map(|fault| format!("{place}.{fault}"))),
            }
        }
        if wrong.is_empty() { Ok(sound) } else { Err(complaints(wrong)) }
    }
}

/// Something to be done once, and answered by an `answer.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Somebody asked the chain to be forgotten: everything of this customer is erased, as if asked for in the store.
    Erase { customer: String },
    /// Two records are one person: `gone` becomes part of `stays`.
    Merge { stays: String, gone: String },
    /// What `skinlink check` finds on this machine is the answer.
    Check {},
}

impl Order {
    /// As it stands on the wire and in tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Erase { .. } => "erase",
            Self::Merge { .. } => "merge",
            Self::Check {} => "check",
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Cannot be done here, with the reason; nothing was changed.
    Refused,
    /// It came after its time; nothing was changed.
    TooLate,
}

impl Outcome {
    /// As it stands on the wire and in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::TooLate => "too_late",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{MAX_PUBLISH, reply::Reply};

    #[test]
    fn everything_wrong_with_a_list_is_said_at_once_with_its_place_and_without_a_name() {
        let wrong = Staff::read(
            r#"{"people":[{"id":"b-07","name":"林晓","role":"beautician"},{"id":"b-07","name":"林晓","role":"manager"},
                {"id":"B 7","name":" ","role":"manager"},{"id":"hq","name":"林\u0007晓","role":"technician"}]}"#,
        )
        .unwrap_err();
        for place in ["[1].id: b-07 stands here twice", "[2].id", "[2].name", "[3].id: hq", "[3].name: holds"] {
            assert!(wrong.contains(place), "{place}: {wrong}");
        }
        assert!(!wrong.contains("林晓"), "{wrong}");
        assert!(Staff::read(r#"{"people":[{"id":"b-07","name":"x","role":"owner"}]}"#).is_err());
        let read = Staff::read(r#"{"people":[{"id":"b-07","name":" 林晓 ","role":"manager"}]}"#).unwrap();
        assert_eq!((read[0].name.as_str(), read[0].role), ("林晓", Duty::Manager));
    }

    #[test]
    fn the_longest_list_fits_a_publish() {
        let one =
            |n: usize| Colleague { id: format!("{n:060}"), name: "\u{1f469}".repeat(LONGEST), role: Duty::Technician };
        let people: Vec<Colleague> = (0..MOST_PEOPLE).map(one).collect();
        let read = Staff::read(&serde_json::to_string(&Staff { people }).unwrap()).unwrap();
        let told = Reply::Staff { book: "0".repeat(36), version: u64::MAX, people: read };
        assert!(serde_json::to_string(&told).unwrap().len() <= MAX_PUBLISH);
    }
}
