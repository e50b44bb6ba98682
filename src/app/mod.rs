//! Composition root: the only place that names every other module. Builds the daemon from a configuration and runs it.

pub mod signals;
pub mod supervisor;
