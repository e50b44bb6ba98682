//! Logging in and out; forms that work without a script.

use super::or_away;
use crate::hq::office::people::Person;
use crate::{
    clock, desk,
    domain::Timestamp,
    hq::office::{
        Shared, door,
        sessions::{self, Caller, Tried},
        shell::{self, Shell},
    },
};
use askama::Template;
use axum::extract::FromRequest as _;
use axum::{
    Extension, Form,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

#[derive(Debug, Template)]
#[template(path = "office/login.html")]
struct Login {
    shell: Shell,
    next: String,
    /// What was wrong with the last try.
    sentence: String,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub async fn page(shell: Shell) -> Response {
    let next = shell.next.clone().unwrap_or_else(|| "/".to_owned());
    drawn(&Login { shell, next, sentence: String::new() }, StatusCode::OK)
}

fn drawn(login: &Login, status: StatusCode) -> Response {
    let mut answer = shell::page(&login.shell, login);
    *answer.status_mut() = status;
    answer
}

/// `POST /login`
pub async fn log_in(State(office): Shared, shell: Shell, headers: HeaderMap, request: Request) -> Response {
    let from = desk::peer(&request, office.behind_proxy);
    let known = door::cookie(&headers, door::KNOWN).map(str::to_owned);
    let Ok(Form(Said { name, password, next })) = Form::from_request(request, &()).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let now = clock::now().wall;
    let tried = office.books.ask(move |engine| {
        let caller = Caller { from, known: known.as_deref() };
        sessions::log_in(engine, (name.trim(), &password), caller, now)
    });
    let tried = tried.await;
    let next = if door::stays(&next) { next } else { "/".to_owned() };
    let answer = tried.map(|tried| match tried {
        Tried::In { token, known } => {
            let mut answer = Redirect::to(&next).into_response();
            answer.headers_mut().insert(header::SET_COOKIE, door::set(&office, &token));
            answer.headers_mut().append(header::SET_COOKIE, door::remember(&office, &known));
            answer
        }
        Tried::Wrong => {
            let sentence = shell.t("用户名或密码不对。", "The name or the password is wrong.").to_owned();
            drawn(&Login { shell, next, sentence }, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Tried::Wait { until } => waits(shell, next, now, until),
    });
    or_away(&headers, answer)
}

fn waits(shell: Shell, next: String, now: Timestamp, until: Timestamp) -> Response {
    let seconds = ((until.unix_ms() - now.unix_ms()) / 1_000 + 1).max(1);
    let sentence = shell.lang.sentence(
        &format!("试错次数太多，请 {seconds} 秒后再试。"),
        &format!("Too many wrong tries; try again in {seconds} s."),
    );
    let mut answer = drawn(&Login { shell, next, sentence }, StatusCode::TOO_MANY_REQUESTS);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// `POST /logout`
pub async fn log_out(
    State(office): Shared,
    Extension(Person { name, .. }): Extension<Person>,
    headers: HeaderMap,
) -> Response {
    let Some(digest) = door::session(&headers) else { return Redirect::to("/login").into_response() };
    let ended = office.books.ask(move |engine| sessions::end(engine, digest, &name, clock::now().wall)).await;
    let answer = ended.map(|()| {
        let mut answer = Redirect::to("/login").into_response();
        answer.headers_mut().insert(header::SET_COOKIE, door::set(&office, ""));
        answer
    });
    or_away(&headers, answer)
}
