//! What the store promises, on real files.

mod corrections;
mod crashes;
mod erasure;
mod faults;
mod keys;
mod outbox;
mod privacy;
mod salon;
mod sharing;
mod throughput;
mod upgrades;
mod visits;
