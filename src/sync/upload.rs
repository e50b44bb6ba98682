//! A picture put at an address instead of sent in slices: what a gateway says about itself so that it is told one.

use serde::Deserialize;

/// One HTTPS PUT of the whole, sealed picture.
pub const PUT: &str = "put";

/// The part of a gateway's self-description that says which ways it knows beside slices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct About {
    #[serde(default)]
    pub uploads: Vec<String>,
}
