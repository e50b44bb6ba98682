//! What stands round every page: language, who is logged in, assets; times by the chain's own clock; turning a template into an
//! answer.

use super::{
    Office, assets, door,
    people::{Person, Role},
};
use crate::{
    clock,
    desk::{self, Tongue},
    domain::Timestamp,
    report::Lang,
};
use askama::Template;
use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc};

const COOKIE: &str = "skinlink-lang";

/// `?lang=en` on any page, remembered in a cookie; where to go after the log-in; which stores; from which row of the audit on.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    lang: Option<String>,
    next: Option<String>,
    q: Option<String>,
    before: Option<u64>,
}

/// The frame of a page.
#[derive(Debug, Clone)]
pub struct Shell {
    pub lang: Lang,
    tongue: Tongue,
    pub assets: String,
    pub person: Option<Person>,
    pub path: String,
    pub next: Option<String>,
    /// Letters of stores that are looked for.
    pub q: String,
    pub before: Option<u64>,
    chosen: bool,
    utc_offset_min: i32,
}

impl Shell {
    /// Picks a wording.
    #[must_use]
    pub fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.pick(zh, en)
    }

    /// The word of the present language, as an address holds it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.tongue.as_str()
    }

    /// Languages to switch to, on the page as it was asked for: address, tag, name in itself, whether it is this one.
    #[must_use]
    pub fn languages(&self) -> Vec<(String, &'static str, &'static str, bool)> {
        let more = [("q", self.q.clone()), ("next", self.next.clone().unwrap_or_default())];
        let more: String = more
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("&{key}={}", door::spelled(value)))
            .collect();
        let link = |tongue: &Tongue| {
            (format!("{}?lang={tongue}{more}", self.path), tongue.tag(), tongue.name(), *tongue == self.tongue)
        };
        Tongue::ALL.iter().map(link).collect()
    }

    /// What the person who is logged in does.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.person.as_ref().map_or("", |person| match person.role {
            Role::Analyst => self.lang.pick("分析", "Analyst"),
            Role::Operator => self.lang.pick("设备运维", "Fleet operator"),
            Role::Protection => self.lang.pick("数据保护", "Data protection"),
            Role::Administrator => self.lang.pick("管理员", "Administrator"),
        })
    }

    #[must_use]
    pub fn sees_audit(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.role.sees_audit())
    }

    #[must_use]
    pub fn has_erased(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.role.has_erased())
    }

    #[must_use]
    pub fn sees_rollouts(&self) -> bool {
        self.person.as_ref().is_some_and(Person::sees_rollouts)
    }

    /// A time by the chain's clock: `16:50` today, `11-27 16:50` before.
    #[must_use]
    pub fn time(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(clock::now().wall));
        if local[..10] == today[..10] {
            local[11..16].to_owned()
        } else {
            format!("{} {}", &local[5..10], &local[11..16])
        }
    }

    /// The same with its year and second: `2026-11-28 16:50:07`.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> String {
        let local = self.local(at);
        format!("{} {}", &local[..10], &local[11..19])
    }

    fn local(&self, at: Timestamp) -> String {
        Timestamp::from_unix_ms(at.unix_ms() + i64::from(self.utc_offset_min) * 60_000).to_string()
    }
}

impl FromRequestParts<Arc<Office>> for Shell {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, office: &Arc<Office>) -> Result<Self, Infallible> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default();
        let chosen = asked.lang.as_deref().is_some_and(|word| word.parse::<Tongue>().is_ok());
        let remembered = door::cookie(&parts.headers, COOKIE);
        let tongue = desk::tongue(asked.lang.as_deref().filter(|_| chosen).or(remembered), &parts.headers);
        let mut q = asked.q.unwrap_or_default();
        q.retain(|c| c.is_ascii_alphanumeric() || c == '-');
        q.truncate(60);
        Ok(Self {
            lang: tongue.lang(),
            tongue,
            assets: assets::folder(),
            person: parts.extensions.get::<Person>().cloned(),
            path: parts.uri.path().to_owned(),
            next: asked.next.filter(|path| door::stays(path)),
            q: q.to_ascii_lowercase(),
            before: asked.before,
            chosen,
            utc_offset_min: office.utc_offset_min,
        })
    }
}

/// Renders a page; the cookie goes along when the language was chosen just now.
pub fn page(shell: &Shell, template: &impl Template) -> Response {
    let mut answer = match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "a page cannot be made");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    if shell.chosen {
        let text = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict", shell.tongue);
        answer.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(&text).expect("plain words"));
    }
    answer
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A page in Chinese, by Shanghai's clocks, of nobody.
    pub fn shell() -> Shell {
        let tongue = Tongue::ALL[0];
        Shell {
            lang: tongue.lang(),
            tongue,
            assets: String::new(),
            person: None,
            path: "/".to_owned(),
            next: None,
            q: String::new(),
            before: None,
            chosen: false,
            utc_offset_min: 480,
        }
    }
}
