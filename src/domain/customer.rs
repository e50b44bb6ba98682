//! The customer. Names and phone numbers stay in the store: `Debug` prints the id only.

use super::CustomerId;
use std::fmt;

/// A customer of the chain.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: CustomerId,
    pub name: String,
    /// As dialled; empty when unknown.
    pub phone: String,
    /// Skin type as the beautician noted it; empty when unknown.
    pub skin_type: String,
    /// Allergies and preferences at hand; empty when none are known.
    pub notes: String,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name: _, phone: _, skin_type: _, notes: _ } = self;
        write!(f, "Customer({id})")
    }
}
