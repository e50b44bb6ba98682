//! From photographs to scores, and from two scans to a comparison. Pure: bytes, pixels and tensors come in, values go out;
//! no file, no process, no clock, no inference (that is [`crate::adapters`]).
//!
//! - [`door`] which picture bytes may come in, stripped of metadata · [`picture`] decoded pixels
//! - [`derivative`] the small picture for report and HQ
//! - [`regions`] where a face's regions lie in a photograph
//! - [`manifest`] what a model folder says of itself · [`tensor`] pixels to input · [`scores`] output to scores ·
//!   [`detector`] output to boxes and points · [`onnx_file`] what a model file must not hold
//! - [`golden`] what a model must answer before it is used · [`evaluation`] a model's answers to many pictures,
//!   [`summary`] held against what is known
//! - [`seen`] what a photograph shows · [`gates`] the numbers it is held against · [`quality`] what is wrong, and what to do
//! - [`tone`] tone, redness and pigment from colours, where there is something to hold them against · [`cameras`] what that is ·
//!   [`colour_repeats`] how far they repeat themselves
//! - [`register`] the after picture onto the before picture · [`blend`] one way over the whole view, for people's eyes
//! - [`change`] pictures of a pair: aligned, at the same exposure, where what changed · [`retake`] photographs taken again,
//!   for measuring all this · [`repeatability`] from them to the spread a comparison reckons with
//! - [`compare`] before against after: limits, refusals, verdicts · [`student`] the one quantile they need
//! - [`job`] what the gateway asks its inference process, and the frames both speak
//!
//! What walks over pixels one by one stands in the package `skinlink-pixels` (`pixels/`), optimised in every build.

pub mod blend;
pub mod cameras;
pub mod change;
pub mod colour_repeats;
pub mod compare;
pub mod derivative;
pub mod detector;
pub mod door;
#[cfg(test)]
mod door_tests;
pub mod evaluation;
mod exif;
pub mod gates;
pub mod golden;
pub mod job;
mod jpeg;
pub mod manifest;
mod manifest_check;
mod manifest_file;
mod manifest_outputs;
mod manifest_scores;
pub mod onnx_file;
pub mod picture;
mod png;
pub mod quality;
pub mod regions;
pub mod register;
pub mod repeatability;
pub mod retake;
pub mod scores;
pub mod seen;
pub mod student;
pub mod summary;
pub mod tensor;
pub mod tone;
mod webp;
