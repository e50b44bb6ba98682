//! The honest report: a comparison becomes a page model and SVG fragments. Pure; the templates only lay it out.
//!
//! Invariants: the headline names only what exceeded the smallest detectable change; the band that is drawn is that very
//! number; a verdict is never told by colour alone (sign, fill and word agree); nothing medical is claimed.

pub mod care;
pub mod chart;
pub mod evidence;
pub mod face;
pub mod fhir;
pub mod hant;
pub mod lang;
pub mod page;
pub mod sheet;
pub mod traditional;
mod traditional_more;
mod traditional_reports;
mod traditional_words;
pub mod trend;
pub mod verdict;

pub use lang::Lang;
