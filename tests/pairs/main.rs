//! The comparison of photographs on pairs whose truth is known: registration, refusals, removal and fading, false alarms,
//! levels. A short form runs with every `cargo test`; `make pairs` runs the campaign behind the figures in
//! models/README.md, shows how far it is, and goes on where it was stopped. Seeds are printed; SKINLINK_PAIRS_SEED=N draws other trials.

#![expect(clippy::expect_used, reason = "a helper of a test fails where the test does")]

mod bench;
mod change;
#[expect(dead_code, reason = "shared with the stories of the inference process")]
#[path = "../support/inference.rs"]
mod inference;
mod kept;
mod levels;
mod looks;
mod pictures;
mod refusals;
mod registration;
mod scenes;
mod shots;
#[path = "../support/skipped.rs"]
mod skipped;
mod table;
