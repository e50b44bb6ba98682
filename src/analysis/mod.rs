//! From photographs to scores, and from two scans to a comparison. Pure: bytes, pixels and tensors come in, values go out;
//! no file, no process, no clock, no inference (that is [`crate::adapters`]).
//!
//! - [`door`] which picture bytes may come in, stripped of metadata · [`picture`] decoded pixels
//! - [`derivative`] the small picture for report and HQ
//! - [`regions`] where a face's regions lie in a photograph
//! - [`manifest`] what a model folder says of itself · [`tensor`] pixels to input · [`scores`] output to scores
//! - [`golden`] what a model must answer before it is used · [`quality`] first gates, with advice
//! - [`register`] the after picture onto the before picture · [`blend`] one way over the whole view, for people's eyes
//! - [`change`] pictures of a pair: aligned, at the same exposure, where what changed · [`retake`] photographs taken again,
//!   for measuring all this · [`repeatability`] from them to the spread a comparison reckons with
//! - [`compare`] before against after: limits, refusals, verdicts · [`student`] the one quantile they need
//! - [`job`] what the gateway asks its inference process, and the frames both speak
//!
//! What walks over pixels one by one stands in the package `skinlink-pixels` (`pixels/`), optimised in every build.

pub mod blend;
pub mod change;
pub mod compare;
pub mod derivative;
pub mod door;
#[cfg(test)]
mod door_tests;
mod exif;
pub mod golden;
pub mod job;
mod jpeg;
pub mod manifest;
mod manifest_check;
mod manifest_file;
pub mod picture;
mod png;
pub mod quality;
pub mod regions;
pub mod register;
pub mod repeatability;
pub mod retake;
pub mod scores;
pub mod student;
pub mod tensor;
mod webp;
