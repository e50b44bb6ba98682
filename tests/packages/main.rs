//! What headquarters rolls out, on the real daemon: fetched over a real broker from a headquarters that speaks through the codec,
//! tried by the real inference process, used and taken back while customers are served; and whatever is wrong is refused with its
//! sentence, and changes nothing.

#![expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]

#[expect(dead_code, reason = "shared with the stories of sync")]
#[path = "../support/headquarters.rs"]
mod headquarters;
#[expect(dead_code, reason = "shared with the stories of the inference process")]
#[path = "../support/skin.rs"]
mod skin;

use std::time::Duration;

/// Longest wait for anything: a model is tried by a debug build, on a machine that builds at the same time.
const LIMIT: Duration = Duration::from_secs(180);

mod house;
mod hq;
mod kills;
mod memory;
mod models;
mod refusals;
mod rules;
mod transfer;
mod whole;
