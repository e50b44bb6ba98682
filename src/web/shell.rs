//! What stands round every page: language, store name, assets; and turning a template into an answer.

use super::{AppState, ask::Asked, assets, error::WebError};
use crate::report::Lang;
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

const COOKIE: &str = "skinlink-lang";

/// `?lang=en` on any page; remembered in a cookie.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    lang: Option<String>,
}

/// The frame of a page.
#[derive(Debug)]
pub struct Shell {
    pub lang: Lang,
    pub assets: String,
    pub store_name: String,
    /// Version of the visit on the page, for its writes.
    pub version: Option<u64>,
    chosen: bool,
}

impl Shell {
    /// The language asked for, else the remembered one, else Chinese.
    fn new(state: &AppState, query: &PageQuery, headers: &HeaderMap) -> Self {
        let asked = query.lang.as_deref().and_then(|text| text.parse().ok());
        let lang = asked.or_else(|| remembered(headers)).unwrap_or(Lang::Zh);
        let store_name = lang.label(&state.about.store_name).to_owned();
        Self { lang, assets: assets::folder(), store_name, version: None, chosen: asked.is_some() }
    }

    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Picks a wording.
    #[must_use]
    pub const fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.pick(zh, en)
    }

    fn cookie(&self) -> Option<HeaderValue> {
        let text = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict", self.lang);
        self.chosen.then(|| HeaderValue::from_str(&text).ok()).flatten()
    }
}

impl FromRequestParts<AppState> for Shell {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        match Asked::<PageQuery>::from_request_parts(parts, state).await {
            Ok(Asked(query)) => Ok(Self::new(state, &query, &parts.headers)),
            Err(refused) => Err(problem(Self::new(state, &PageQuery::default(), &parts.headers), &refused)),
        }
    }
}

fn remembered(headers: &HeaderMap) -> Option<Lang> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, value)| value.parse().ok())
}

/// Renders a page; the cookie goes along when the language was chosen just now.
pub fn page(shell: &Shell, template: &impl Template) -> Response {
    let mut response = match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(fault) => return WebError::fault(&fault).into_response(),
    };
    if let Some(cookie) = shell.cookie() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct Problem {
    shell: Shell,
    sentence: String,
}

/// A refusal as a page, for people who typed an address.
pub fn problem(shell: Shell, refused: &WebError) -> Response {
    let sentence = refused.sentence(shell.lang).to_owned();
    let template = Problem { shell, sentence };
    let mut response = page(&template.shell, &template);
    *response.status_mut() = refused.status();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_remembered_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; skinlink-lang=en; c=d"));
        assert_eq!(remembered(&headers), Some(Lang::En));
        headers.insert(header::COOKIE, HeaderValue::from_static("skinlink-lang=fr"));
        assert_eq!(remembered(&headers), None);
    }
}
