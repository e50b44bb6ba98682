//! What else headquarters tells a store beside its appointments: who works there, what it is to do once, and what it shall use.

use super::{agenda::Held, package};
use crate::domain::staff::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl fmt::Debug for Colleague {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Colleague({}, {:?})", self.id, self.role)
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

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Cannot be done here, with the reason; nothing was changed.
    Refused,
    /// It came after its time; nothing was changed.
    TooLate,
}
