//! What stands round every page: language, store name, assets; and turning a template into an answer.

use super::{
    AppState,
    ask::Asked,
    assets,
    doors::{IDLE_MIN, Who, cookie},
    error::WebError,
};
use crate::{
    domain::{Day, staff::Person},
    report::Lang,
};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;

const COOKIE: &str = "skinlink-lang";

/// What each language calls itself.
const TONGUES: [(Lang, &str); 3] = [(Lang::Zh, "简体"), (Lang::Hant, "繁體"), (Lang::En, "EN")];

/// `?lang=en` on any page, remembered in a cookie; where to go after the log-in; against which visit to compare; which day to show.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    lang: Option<String>,
    next: Option<String>,
    with: Option<String>,
    day: Option<String>,
}

/// The frame of a page.
#[derive(Debug, Clone)]
pub struct Shell {
    pub lang: Lang,
    pub assets: String,
    pub store_name: String,
    /// Version of the visit on the page, for its writes.
    pub version: Option<u64>,
    /// Who is logged in; `None` while nobody can.
    pub person: Option<Person>,
    /// Path and query of this page, without the language.
    pub path: String,
    /// Where to go after the log-in: a path of this house.
    pub next: Option<String>,
    /// Against which visit to compare.
    pub with: Option<String>,
    /// Which day to show, where another than today was asked for.
    pub day: Option<Day>,
    chosen: bool,
}

/// Whether a browser stays with us that is sent there: it drops tabs and line ends before it looks for a host.
fn is_ours(path: &str) -> bool {
    let sound = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    sound && path.starts_with('/') && !path.starts_with("//")
}

/// A text as it may stand in a query.
pub fn spelled(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// What leads to this page again.
fn here(path: &str, next: Option<&str>, with: Option<&str>, day: Option<Day>) -> String {
    let day = day.map(|day| day.to_string());
    let asked = [("next", next), ("with", with), ("day", day.as_deref())]
        .map(|(key, value)| Some(format!("{key}={}", spelled(value?))));
    let query: Vec<String> = asked.into_iter().flatten().collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

impl Shell {
    /// The language asked for, else the remembered one, else Chinese.
    fn new(state: &AppState, query: PageQuery, parts: &Parts) -> Self {
        let headers = &parts.headers;
        let asked = query.lang.as_deref().and_then(|text| text.parse().ok());
        let lang = asked.or_else(|| remembered(headers)).unwrap_or(Lang::Zh);
        let store_name = lang.label(&state.about.store_name).to_owned();
        let day = query.day.as_deref().and_then(|text| text.parse().ok());
        let person = parts.extensions.get::<Who>().and_then(Who::person).cloned();
        Self {
            lang,
            assets: assets::folder(),
            store_name,
            version: None,
            person,
            path: here(parts.uri.path(), query.next.as_deref(), query.with.as_deref(), day),
            next: query.next.filter(|path| is_ours(path)),
            with: query.with,
            day,
            chosen: asked.is_some(),
        }
    }

    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// The same page in the language that was chosen for it elsewhere.
    #[must_use]
    pub fn in_lang(mut self, state: &AppState, lang: Lang) -> Self {
        self.store_name = lang.label(&state.about.store_name).to_owned();
        self.lang = lang;
        self
    }

    /// Picks a wording.
    #[must_use]
    pub fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.pick(zh, en)
    }

    /// The languages of the house: word, tag, name in itself.
    #[must_use]
    pub fn tongues(&self) -> [(&'static str, &'static str, &'static str); 3] {
        TONGUES.map(|(lang, name)| (lang.as_str(), lang.tag(), name))
    }

    /// Languages to switch to, on the page as it was asked for: address, tag, name in itself, whether it is this one.
    #[must_use]
    pub fn languages(&self) -> [(String, &'static str, &'static str, bool); 3] {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        TONGUES.map(|(lang, name)| (format!("{}{joint}lang={lang}", self.path), lang.tag(), name, lang == self.lang))
    }

    /// Minutes without a tap after which the screen locks; 0 while nobody can log in.
    #[must_use]
    pub const fn idle_minutes(&self) -> i64 {
        if self.person.is_some() { IDLE_MIN } else { 0 }
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
            Ok(Asked(query)) => Ok(Self::new(state, query, parts)),
            Err(refused) => Err(problem(Self::new(state, PageQuery::default(), parts), &refused)),
        }
    }
}

fn remembered(headers: &HeaderMap) -> Option<Lang> {
    cookie(headers, COOKIE).and_then(|value| value.parse().ok())
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
    let sentence = refused.sentence(shell.lang);
    let template = Problem { shell, sentence };
    let mut response = page(&template.shell, &template);
    *response.status_mut() = refused.status();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_logged_in_is_sent_nowhere_else() {
        assert!(is_ours("/station/chair-1") && is_ours("/compare/1?with=first"));
        for elsewhere in
            ["", "station", "//evil.example", "/\t/evil.example", "/\n/evil.example", "/\\evil.example", "https://x"]
        {
            assert!(!is_ours(elsewhere), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_page_is_found_again_with_what_was_asked_of_it() {
        assert_eq!(here("/", None, None, None), "/");
        assert_eq!(here("/compare/7", None, Some("last_visit"), None), "/compare/7?with=last_visit");
        assert_eq!(here("/login", Some("/compare/7?with=x&y"), None, None), "/login?next=/compare/7%3Fwith%3Dx%26y");
        let day = "2026-11-27".parse().ok();
        assert_eq!(here("/manager", None, None, day), "/manager?day=2026-11-27");
    }

    #[test]
    fn the_language_is_remembered_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; skinlink-lang=en; c=d"));
        assert_eq!(remembered(&headers), Some(Lang::En));
        headers.insert(header::COOKIE, HeaderValue::from_static("skinlink-lang=fr"));
        assert_eq!(remembered(&headers), None);
    }
}
