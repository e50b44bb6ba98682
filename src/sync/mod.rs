//! What goes over the wire to HQ and back. Pure: types, topics, window, backoff; no socket, no clock.
//!
//! The gateway sends batches of events; HQ commits them and says so; only then an event has left the outbox. HQ restores
//! order by `seq`, so arrival order is free and anything may be sent twice. See `docs/contracts/wire.md`.

pub mod agenda;
pub mod backoff;
pub mod batch;
pub mod contract;
pub mod downlink;
pub mod envelope;
pub mod image_lane;
pub mod pace;
pub mod package;
pub mod payload;
pub mod ranges;
pub mod reply;
pub mod sheet;
pub mod topic;
pub mod upload;
pub mod window;

/// Largest publish either side makes, in bytes of MQTT payload.
pub const MAX_PUBLISH: usize = 64 * 1024;
