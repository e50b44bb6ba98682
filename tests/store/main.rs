//! What the store promises, on real files.

mod salon;
mod visits;
