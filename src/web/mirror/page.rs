//! The mirror's page and the two photographs on it. Whoever is no station's screen gets a page with a code, whatever station they ask
//! for, and no photograph.

use super::{COOKIE, digest_of, pairing, scene};
use crate::{
    domain::CaptureId,
    report::Lang,
    store::PictureRole,
    web::{
        AppState,
        api::{self, refused},
        doors,
        error::WebError,
        mirror::scene::{Scene, Shows},
        pin,
        shell::{self, Shell},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};

/// What browsers keep a cookie for at most: 400 days; every look at the page begins them anew.
const KEPT_S: u64 = 34_560_000;

/// The address of a screen that nobody has paired and that was sent to no station.
const NOWHERE: &str = "/mirror/new";

#[derive(Debug, Template)]
#[template(path = "mirror.html")]
struct Mirror {
    shell: Shell,
    shows: Shows,
    station: String,
}

/// `GET /mirror`: to the station that this screen belongs to.
pub async fn door(State(state): State<AppState>, headers: HeaderMap) -> Result<Redirect, WebError> {
    let Some(digest) = digest_of(&headers) else { return Ok(Redirect::to(NOWHERE)) };
    let found = state.store.station_of_mirror(digest).await.map_err(|fault| refused::store(&fault))?;
    Ok(found.map_or_else(|| Redirect::to(NOWHERE), |station| Redirect::to(&address(&station))))
}

/// Where the screen of a station finds its page.
pub(super) fn address(station: &str) -> String {
    format!("/mirror/{}", shell::spelled(station))
}

/// `GET /mirror/{station}`
pub async fn page(
    State(state): State<AppState>,
    Path(station): Path<String>,
    shell: Shell,
    headers: HeaderMap,
) -> Response {
    let (token, digest) = token_of(&headers);
    let shown = match pairing(&state, &station, digest).await {
        Ok(Some(mirror)) => {
            let lang = mirror.lang.parse().unwrap_or(Lang::Zh);
            let shell = shell.clone().in_lang(&state, lang);
            scene::look(&state, &station, lang).await.map(|shows| (shell, shows))
        }
        Ok(None) => Ok((shell.clone(), Shows { key: "code".to_owned(), scene: Scene::Code })),
        Err(fault) => Err(fault),
    };
    // Nobody stands there who could do something about a fault; the page comes back by itself.
    let (shell, shows) = shown.unwrap_or_else(|_| (shell, Shows { key: "rest".to_owned(), scene: Scene::Rest }));
    let template = Mirror { shell, shows, station };
    let mut response = shell::page(&template.shell, &template);
    let secure = if state.lan.is_some() { "; Secure" } else { "" };
    let kept = format!("{COOKIE}={token}; Path=/mirror; Max-Age={KEPT_S}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(value) = HeaderValue::from_str(&kept) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The token that this screen has, else a new one.
fn token_of(headers: &HeaderMap) -> (String, [u8; 32]) {
    let kept = doors::cookie(headers, COOKIE).map(|token| (token.to_owned(), pin::digest(token)));
    match kept {
        Some((token, Some(digest))) => (token, digest),
        _ => pin::token(),
    }
}

/// `GET /mirror/{station}/picture/{turn}/{which}`: `before` or `after` of what was given to the mirror, for as long as it lies on it.
pub async fn picture(
    State(state): State<AppState>,
    Path((station, turn, which)): Path<(String, u64, String)>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let gone = || WebError::not_found("picture");
    let digest = digest_of(&headers).ok_or_else(gone)?;
    pairing(&state, &station, digest).await?.ok_or_else(gone)?;
    let after = match which.as_str() {
        "before" => false,
        "after" => true,
        _ => return Err(gone()),
    };
    let chair = state.mirrors.chair(&station);
    let shown = chair.shown.filter(|_| chair.turn == turn && state.mirrors.rests(&station).is_ok()).ok_or_else(gone)?;
    let view = api::view(&state.store, shown.visit).await?;
    let (capture, role) = scene::pictured(&view, &shown).ok_or_else(gone)?.place(after);
    let (kind, bytes) = bytes_of(&state, capture, role).await?.ok_or_else(gone)?;
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

/// A picture of a pair, or of one photograph the smaller copy that is there, else the photograph.
async fn bytes_of(
    state: &AppState,
    capture: CaptureId,
    role: Option<PictureRole>,
) -> Result<Option<(&'static str, Vec<u8>)>, WebError> {
    let store = &state.store;
    let roles = role.map_or_else(|| vec![PictureRole::Derivative, PictureRole::Report], |role| vec![role]);
    for role in roles {
        let found = store.shown_picture(capture, role).await.map_err(|fault| refused::store(&fault))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    if role.is_some() {
        return Ok(None);
    }
    let kind = store.capture(capture).await.map_err(|fault| refused::store(&fault))?.format.as_str();
    let bytes = store.capture_bytes(capture).await.map_err(|fault| refused::store(&fault))?;
    Ok(Some((kind, bytes)))
}
