//! The interface for people who write programs against it: every call with what it says, and the document behind it.

use crate::web::{
    openapi::CALLS,
    shell::{Shell, page},
};
use askama::Template;
use axum::response::Response;

#[derive(Debug, Template)]
#[template(path = "docs.html")]
struct Docs {
    shell: Shell,
    calls: Vec<(String, &'static str, &'static str)>,
}

/// `GET /api/docs`
pub async fn docs(shell: Shell) -> Response {
    let calls = CALLS.iter().map(|call| (call.method.to_uppercase(), call.path, call.says)).collect();
    let template = Docs { shell, calls };
    page(&template.shell, &template)
}
