//! The pages, drawn on the server: the day, the customer, a chair's screen, comparison and report, log-in and house.

mod chip;
mod compare;
mod customer;
mod docs;
mod home;
mod house;
mod phase;
mod points;
mod rail;
mod report;
mod station;
mod steps;

pub use compare::compare;
pub use customer::customer;
pub use docs::docs;
pub use home::home;
pub use points::points;
pub use house::{devices, enrol, login, staff};
pub use report::report;
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
