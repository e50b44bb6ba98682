//! The pages themselves.

pub mod audit;
pub mod chain;
pub mod login;
pub mod orders;
pub mod rollout;
pub mod rollouts;
pub mod store;
pub mod visit;

use super::{
    books::Away,
    shell::{self, Shell},
};
use crate::desk;
use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

#[derive(Debug, Template)]
#[template(path = "office/problem.html")]
struct Problem {
    shell: Shell,
    sentence: &'static str,
}

/// What is not there looks like what may not be seen.
pub async fn nothing(shell: Shell) -> Response {
    missing(shell)
}

fn missing(shell: Shell) -> Response {
    let sentence =
        shell.lang.pick("没有这个页面，或您没有查看权限。", "There is no such page, or it is not yours to see.");
    let problem = Problem { shell, sentence };
    let mut answer = shell::page(&problem.shell, &problem);
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// While facts are made again nobody knows what may be shown.
fn remaking(shell: Shell) -> Response {
    let sentence = shell.lang.pick(
        "这家门店的记录正在重新整理，整理好之前不显示到店。请稍后再看。",
        "The records of this store are being made again; until then no visit is shown. Look again in a minute.",
    );
    let problem = Problem { shell, sentence };
    let mut answer = shell::page(&problem.shell, &problem);
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

/// Where the database is away.
pub fn away(headers: &HeaderMap) -> Response {
    let lang = desk::tongue(None, headers).lang();
    let sentence =
        lang.pick("总部数据库暂时连不上，请稍后再试。", "Headquarters' database is away for the moment; try again.");
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], sentence).into_response()
}

/// The answer, or that the database is away.
fn or_away(headers: &HeaderMap, answer: Result<Response, Away>) -> Response {
    answer.unwrap_or_else(|Away| away(headers))
}
