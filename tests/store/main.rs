//! What the store promises, on real files.
#![expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]

mod agenda;
mod aside;
mod corrections;
mod crashes;
mod day_log;
mod erasure;
mod failing_disk;
mod faults;
mod follow_ups;
mod foreign_log;
mod keys;
mod measurements;
mod memory;
mod mirrors;
mod orders;
mod outbox;
mod pairs;
mod privacy;
mod reports;
mod salon;
mod scores;
mod sent_again;
mod sharing;
mod staff;
mod throughput;
mod upgrades;
mod visits;
