//! From photographs to scores, and from two scans to a comparison. Pure: bytes, pixels and tensors come in, values go out;
//! no file, no process, no clock, no inference (that is [`crate::adapters`]).
//!
//! - [`manifest`] what a model folder says of itself · [`student`] the one quantile the limits need
//! - [`compare`] before against after: limits, refusals, verdicts
//! - [`job`] what the gateway asks its inference process, and the frames both speak

pub mod compare;
pub mod door;
pub mod job;
pub mod manifest;
mod manifest_check;
mod manifest_file;
pub mod student;
