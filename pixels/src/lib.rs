//! Planes, grids and patches: everything that walks over pixels one by one, and nothing that knows what they mean.
//!
//! A package of its own for one reason: it is optimised in every build, so that a development build of the gateway still
//! measures a photograph in seconds. Hence its two rules: no generic function or closure parameter at its border (their
//! bodies would be compiled with the caller, unoptimised), and nothing in it that is not called millions of times or
//! needed by what is. Pure: no file, no clock, no randomness but seeded. The meaning of it all is in the gateway's
//! `analysis`.
//!
//! - [`picture`] RGB pixels, [`plane`] one channel with its filters
//! - [`grid`] rasters over a face and masks on them, by maps of the plane ([`affine`])
//! - [`sample`] pixels on another grid · [`parity`] two cuts to one sharpness, and how sharp one is
//! - [`recapture`] a picture taken again, for measuring what a comparison can tell
//! - [`look`] a region's colour and exposure, [`eyes`] a framed face, [`field`] a scope's rim and hair
//! - [`colour`] light and CIELAB, [`card`] a grey card · [`paint`] marks and tints over a picture
//! - [`blocks`] patches found again, [`bend`] a smooth field of shifts through them, [`fit`] one map through them
//! - [`coded`] a picture as a JPEG
//! - [`peaks`] local maxima and their fate · [`shapes`] pieces, their number, strength and length

pub mod affine;
pub mod bend;
pub mod blocks;
pub mod card;
pub mod coded;
pub mod colour;
pub mod eyes;
pub mod field;
pub mod fit;
pub mod grid;
pub mod look;
pub mod paint;
pub mod parity;
pub mod peaks;
pub mod picture;
pub mod plane;
pub mod recapture;
pub mod sample;
pub mod shapes;
