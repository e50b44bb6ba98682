//! The pages, drawn on the server: the day, the customer, a chair's screen, comparison and report, what follows a visit, log-in
//! and house.

mod after;
mod care;
mod chip;
mod compare;
mod customer;
mod docs;
mod hints;
mod home;
mod house;
mod manager;
mod models;
mod packages;
mod paper;
mod phase;
mod points;
mod rail;
mod report;
mod station;
mod steps;
mod suggested;

pub use after::after;
pub use compare::compare;
pub use customer::customer;
pub use docs::docs;
pub use home::home;
pub use house::{devices, enrol, login, staff, trust};
pub use manager::{
    log::{csv, log},
    manager,
};
pub use paper::paper;
pub use points::points;
pub use report::{drawn, report};
pub use station::station;

use super::{
    api::refused,
    error::WebError,
    shell::{Shell, problem},
};
use axum::response::Response;

/// Any other address.
pub async fn unknown(shell: Shell) -> Response {
    problem(shell, &WebError::not_found("page"))
}
