//! The simulated sides: what stands in for a salon's hardware and for headquarters' broker, in the demo and in tests.

pub mod broker;
