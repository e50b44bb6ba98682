//! One owner of state each: a task owns, others hold a cloneable handle whose methods are domain verbs.

pub mod analysis;
pub mod comparison;
pub mod device;
pub mod live;
pub mod measurements;
pub mod observation;
pub mod orders;
pub mod packages;
pub mod scan_view;
pub mod station;
pub mod sync;
