//! The pages, drawn on the server: the first page, a chair's screen, a visit's report.

mod chip;
mod home;
mod phase;
mod points;
mod rail;
mod report;
mod station;

pub use home::home;
pub use points::points;
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
