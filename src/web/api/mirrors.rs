//! A station's mirror: paired by the code that the screen shows, given results to show, cleared, let go.

use super::{refused, reports};
use crate::{
    clock,
    domain::{VisitId, metric::MetricId},
    report::Lang,
    store::StoreError,
    web::{
        AppState,
        ask::{Body, parse},
        doors::Who,
        error::WebError,
        looks,
        mirror::{self, board::Shown, scene},
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// More metrics than any house has.
const METRICS: usize = 100;

/// `GET /mirrors/{station}`: whether the station has a mirror, and what was given to it.
pub async fn one(State(state): State<AppState>, Path(station): Path<String>) -> Result<Response, WebError> {
    let station = state.chair(&station)?.id().to_owned();
    Ok(Json(told(&state, &station).await?).into_response())
}

/// Everything a verb on a mirror may bring; each looks at its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    code: Option<String>,
    lang: Option<String>,
    visit: Option<String>,
    metrics: Option<Vec<String>>,
    #[serde(default)]
    photographs: bool,
}

/// `POST /mirrors/{station}/{verb}`: `pair`, `speak`, `unpair`, `show`, `report`, `hide`, `leave`.
pub async fn act(
    State(state): State<AppState>,
    Path((station, verb)): Path<(String, String)>,
    who: Who,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let station = state.chair(&station)?.id().to_owned();
    match verb.as_str() {
        "pair" => pair(&state, &station, &wish, &who).await?,
        "speak" => speak(&state, &station, &wish).await?,
        "unpair" => unpair(&state, &station, &who).await?,
        "show" => show(&state, &station, &wish, &who).await?,
        "report" => report(&state, &station, &wish, &who).await?,
        "hide" => state.mirrors.hide(&station),
        "leave" => state.mirrors.leave(&station),
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    }
    Ok(Json(told(&state, &station).await?).into_response())
}

async fn told(state: &AppState, station: &str) -> Result<Value, WebError> {
    let mirror = state.store.mirror(station.to_owned()).await.map_err(|fault| refused::store(&fault))?;
    let shown = state.mirrors.chair(station).shown;
    Ok(json!({
        "paired": mirror.as_ref().map(|mirror| mirror.paired.to_string()),
        "lang": mirror.map(|mirror| mirror.lang),
        "metrics": shown.as_ref().map(|shown| shown.metrics.clone()).unwrap_or_default(),
        "photographs": shown.as_ref().is_some_and(|shown| shown.photographs),
        "report": shown.is_some_and(|shown| shown.code_first),
    }))
}

fn lang(wish: &Wish) -> Result<Lang, WebError> {
    wish.lang.as_deref().map_or(Ok(Lang::Zh), |word| parse("lang", word))
}

async fn pair(state: &AppState, station: &str, wish: &Wish, who: &Who) -> Result<(), WebError> {
    let typed = wish.code.as_deref().unwrap_or_default();
    let code: String = typed.chars().filter(char::is_ascii_digit).collect();
    let Some(digest) = state.mirrors.showing(&code) else { return Err(wrong_code()) };
    let lang = lang(wish)?.to_string();
    let done = state.store.pair_mirror(station.to_owned(), digest, lang, clock::now().wall, who.staff("")).await;
    done.map_err(|fault| refused::store(&fault))?;
    state.mirrors.paired_anew(station, Some(digest));
    Ok(())
}

async fn speak(state: &AppState, station: &str, wish: &Wish) -> Result<(), WebError> {
    let done = state.store.set_mirror_lang(station.to_owned(), lang(wish)?.to_string()).await;
    done.map_err(|fault| match fault {
        StoreError::NotFound { .. } => refused::no_mirror(),
        other => refused::store(&other),
    })?;
    state.mirrors.spoken_anew();
    Ok(())
}

async fn unpair(state: &AppState, station: &str, who: &Who) -> Result<(), WebError> {
    let done = state.store.unpair_mirror(station.to_owned(), who.staff("")).await;
    if !done.map_err(|fault| refused::store(&fault))? {
        return Err(refused::no_mirror());
    }
    state.mirrors.paired_anew(station, None);
    Ok(())
}

fn visit_of(wish: &Wish) -> Result<VisitId, WebError> {
    let given = wish.visit.as_deref().ok_or_else(|| WebError::malformed("visit", "whose results is missing"))?;
    parse("visit", given)
}

async fn show(state: &AppState, station: &str, wish: &Wish, who: &Who) -> Result<(), WebError> {
    let metrics = wish.metrics.clone().unwrap_or_default();
    if metrics.len() > METRICS {
        return Err(WebError::malformed("metrics", format!("at most {METRICS}")));
    }
    for metric in &metrics {
        MetricId::new(metric).map_err(|fault| WebError::malformed("metrics", fault))?;
    }
    if metrics.is_empty() && !wish.photographs {
        return Err(WebError::malformed("metrics", "choose what to show: a metric, or the photographs"));
    }
    let view = mirror::seated(state, station, visit_of(wish)?).await?;
    let Some(comparison) = scene::last_compared(&view) else { return Err(refused::not_compared()) };
    looks::note(state, who, "showed.mirror", [view.visit.customer]).await;
    let shown = Shown {
        visit: view.visit.id,
        customer: view.visit.customer,
        comparison: Some(comparison.id),
        metrics,
        photographs: wish.photographs,
        code: None,
        code_first: false,
    };
    state.mirrors.show(station, shown);
    Ok(())
}

/// The report's code comes onto the mirror; one that was made for it before lies there still, since nobody stores a link.
async fn report(state: &AppState, station: &str, wish: &Wish, who: &Who) -> Result<(), WebError> {
    let visit = mirror::seated(state, station, visit_of(wish)?).await?.visit;
    if !state.mirrors.code_again(station, (visit.id, visit.customer)) {
        reports::make(state, visit.id, who.staff("")).await?;
    }
    Ok(())
}

fn wrong_code() -> WebError {
    WebError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "wrong_code",
        "code",
        "type the code that the screen shows now; it must stay on while you type",
        "没有屏幕在显示这个码。请看一眼镜面上现在的码，再输一次。",
        "No screen shows that code; look at the one it shows now, then type it again.",
    )
}
