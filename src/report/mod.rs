//! The honest report: a comparison becomes a page model and SVG fragments. Pure; the templates only lay it out.
//!
//! Invariants: the headline names only what exceeded the smallest detectable change; the band that is drawn is that very
//! number; a verdict is never told by colour alone (sign, fill and word agree); nothing medical is claimed.

pub mod advice;
pub mod care;
pub mod chart;
pub mod days;
pub mod evidence;
pub mod face;
pub mod fhir;
pub mod lang;
pub mod log;
pub mod mirror;
pub mod numbers;
pub mod order;
pub mod overlay;
pub mod page;
pub mod paper;
pub mod sheet;
pub mod traditional;
mod traditional_manager;
mod traditional_mirror;
mod traditional_more;
mod traditional_office;
mod traditional_orders;
mod traditional_packages;
mod traditional_papers;
mod traditional_reports;
mod traditional_rollouts;
mod traditional_station;
mod traditional_words;
pub mod treatment;
pub mod trend;
pub mod verdict;

pub use lang::Lang;
