//! The contract with others: its documents are current and true, and a peer that speaks the first version's words is
//! understood and understands.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/batches.rs"]
mod batches;

mod documents;
mod v1;
mod versions;
