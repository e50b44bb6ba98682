//! One owner of state each: a task owns, others hold a cloneable handle whose methods are domain verbs.

pub mod device;
pub mod observation;
