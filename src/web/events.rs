//! Live events over SSE: each with an id, so that a browser that comes back gets what it missed, or a `reset`.

use super::{
    AppState,
    ask::{Asked, text},
    doors,
    error::WebError,
    lan,
};
use crate::{
    report::traditional,
    tasks::live::{Item, Subscription},
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

/// A proxy or a sleeping tablet shows within this.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream asks whether its session has run out.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    station: Option<String>,
}

/// `GET /events`
pub async fn events(
    State(state): State<AppState>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, WebError> {
    let station = which.station.map(|id| text("station", &id, 60)).transpose()?;
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let subscription = state.live.subscribe(last_id).await.map_err(|_| WebError::stopping())?;
    let Subscription { reset, missed, coming, last_id } = subscription;
    // The first event carries the id to come back with, also when nothing happened yet.
    let hello = if reset { Event::default().event("reset").data("{}") } else { Event::default().comment("listening") };
    let hello = hello.id(if reset || missed.is_empty() { last_id } else { missed[0].id.clone() }).retry(RETRY);
    let news = stream::iter(missed).chain(ReceiverStream::new(coming));
    let ours = move |item: &Item| match (item.news.station(), station.as_deref()) {
        (Some(of), Some(wanted)) => of == wanted,
        _ => true,
    };
    let told = news.filter(move |item| std::future::ready(ours(item))).map(|item| event(&item));
    let all = stream::once(std::future::ready(hello)).chain(told).map(Ok);
    let all = all.take_until(turned_out(state, headers));
    Ok(Sse::new(all).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Ends when the gateway stops, and when whoever listens would not be let in any more: locked, idle, a new PIN, a tablet that was
/// forgotten. What is told here names no customer, but where it ends the page goes to the PIN pad.
async fn turned_out(state: AppState, headers: HeaderMap) {
    let mut admissions = state.admissions.subscribe();
    loop {
        tokio::select! {
            () = state.stop.cancelled() => return,
            _ = admissions.changed() => {}
            // Nothing tells when a session runs out.
            () = sleep(LOOK_AGAIN) => {}
        }
        let in_still = doors::is_still_in(&state, &headers).await.unwrap_or(true);
        let enrolled = state.lan.is_none() || lan::is_enrolled(&state, &headers).await.unwrap_or(true);
        if !(in_still && enrolled) {
            return;
        }
    }
}

fn event(item: &Item) -> Event {
    let mut value = serde_json::to_value(&*item.news).unwrap_or_default();
    if let Some(zh) = value["zh"].as_str() {
        value["zh_hant"] = traditional::sentence(zh).into();
    }
    let kind = value["kind"].as_str().unwrap_or("news").to_owned();
    Event::default().id(item.id.clone()).event(kind).data(value.to_string())
}
