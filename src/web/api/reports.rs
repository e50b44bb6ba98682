//! Links to customers' reports, and what customers said of them.

use super::refused;
use crate::{
    clock,
    domain::{FeedbackId, Timestamp, VisitId, consent::Purpose, feedback::Stage, visit::Visit},
    store::{Feedback, Letterhead},
    web::{
        AppState,
        ask::{Asked, Body, parse, text},
        doors::Who,
        error::WebError,
        looks, mirror,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use qrcode::{EcLevel, QrCode, render::svg};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

/// The salons' service plans promise the report within two hours.
const PROMISED_MS: i64 = 2 * 3_600_000;

/// Side of the QR code on the screen; pixels.
const SIDE: u32 = 280;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct By {
    #[serde(default)]
    staff: String,
    #[serde(default)]
    words: String,
}

/// `POST /visits/{id}/link`: a fresh link to the report, as text and as QR code. It is shown once: nobody stores the token. It leads
/// to headquarters only where headquarters is told of the report; `waits` while that cannot be.
pub async fn link(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Body(by): Body<By>,
) -> Result<(StatusCode, Json<Value>), WebError> {
    let visit: VisitId = parse("visit", &id)?;
    Ok((StatusCode::CREATED, Json(make(&state, visit, who.staff(&text("staff", &by.staff, 40)?)).await?)))
}

/// Makes the link. Where the visit sits beside a mirror, the customer sees the code there.
pub(super) async fn make(state: &AppState, visit: VisitId, staff: String) -> Result<Value, WebError> {
    let Some(links) = &state.about.links else { return Err(nowhere()) };
    let view = state.store.visit_view(visit).await.map_err(|fault| refused::store(&fault))?;
    if !view.agreed(Purpose::DeliverReport) {
        return Err(refused::no_consent(Purpose::DeliverReport.as_str()));
    }
    let Some((base, away)) = links.base(view.agreed(Purpose::ShareNumbers)) else { return Err(only_here()) };
    let waits = away && state.sync.borrow().connection != "connected";
    let about = &state.about;
    let letterhead = Letterhead::new(&about.store_name, &about.metrics, &about.look).with_rules(&about.suggestions);
    let expires = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + i64::from(links.valid_days) * DAY_MS);
    let made = state.store.make_report_link(visit, expires, letterhead, staff).await;
    let token = made.map_err(|fault| refused::store(&fault))?;
    let url = format!("{base}/r/{token}");
    let picture = drawn(&url)?;
    mirror::code_made(state, visit, &picture).await;
    Ok(json!({ "url": url, "expires": expires.to_string(), "qr": picture, "waits": waits }))
}

/// `POST /visits/{id}/unlink`: every link to the report is dead from now on, here at once and at headquarters when it hears.
pub async fn unlink(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Body(by): Body<By>,
) -> Result<Json<Value>, WebError> {
    let (visit, staff) = (parse("visit", &id)?, who.staff(&text("staff", &by.staff, 40)?));
    let ended = state.store.withdraw_report_links(visit, staff).await.map_err(|fault| refused::store(&fault))?;
    state.mirrors.end_codes(visit);
    Ok(Json(json!({ "ended": ended })))
}

/// Until when the customer of a closed visit was promised the report.
pub(crate) fn promised(visit: &Visit) -> Option<Timestamp> {
    visit.closed.map(|at| Timestamp::from_unix_ms(at.wall.unix_ms() + PROMISED_MS))
}

/// `GET /reports/due`: closed visits whose customer waits for the report; `late` where the two hours are over.
pub async fn due(State(state): State<AppState>) -> Result<Json<Value>, WebError> {
    let now = clock::now().wall;
    let visits = state.store.reports_due(now).await.map_err(|fault| refused::store(&fault))?;
    let waiting = visits.iter().map(|visit| {
        let promised = promised(visit);
        json!({
            "visit": visit.id.to_string(),
            "station": visit.station,
            "due": promised.map(|at| at.to_string()),
            "late": promised.is_some_and(|at| at < now),
        })
    });
    Ok(Json(json!({ "reports": waiting.collect::<Vec<_>>() })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    limit: Option<usize>,
}

/// `GET /feedback`: what customers said, the longest unsolved first.
pub async fn list(
    State(state): State<AppState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Value>, WebError> {
    let limit = which.limit.unwrap_or(100).min(500);
    let found = state.store.feedback(limit).await.map_err(|fault| refused::store(&fault))?;
    looks::note(&state, &who, "looked.feedback", found.iter().map(|one| one.customer)).await;
    let now = clock::now().wall;
    Ok(Json(json!({ "feedback": found.iter().map(|one| told(one, now)).collect::<Vec<_>>() })))
}

/// `POST /feedback/{id}/{verb}`: `answered` or `solved`.
pub async fn advance(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Body(by): Body<By>,
) -> Result<Json<Value>, WebError> {
    let id: FeedbackId = parse("feedback", &id)?;
    let stage = match verb.parse() {
        Ok(stage @ (Stage::Answered | Stage::Solved)) => stage,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    let (staff, words) = (who.staff(&text("staff", &by.staff, 40)?), text("words", &by.words, 2_000)?);
    let done = state.store.advance_feedback(id, stage, staff, words).await;
    Ok(Json(told(&done.map_err(|fault| refused::store(&fault))?, clock::now().wall)))
}

fn told(one: &Feedback, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": one.id.to_string(),
        "visit": one.visit.to_string(),
        "customer": one.customer.to_string(),
        "topic": one.topic.as_str(),
        "stars": one.stars,
        "words": one.words,
        "given": one.given.to_string(),
        "answered": time(one.answered),
        "solved": time(one.solved),
        "due": time(one.due()),
        "late": one.due().is_some_and(|due| due < now),
    })
}

fn nowhere() -> WebError {
    WebError::new(
        StatusCode::CONFLICT,
        "no_public_url",
        "report.public_url",
        "set report.public_url, or report.listen and report.local_url, and start the gateway again",
        "还没有设置报告的网址，请联系安装人员。",
        "No address for reports is set up yet; ask the installer.",
    )
}

/// The only address leads to headquarters, which is told nothing of whoever does not share numbers: a link would be dead.
fn only_here() -> WebError {
    WebError::new(
        StatusCode::CONFLICT,
        "only_here",
        "report.local_url",
        "record the consent to share numbers, or print the report, or set report.listen and report.local_url",
        "顾客没有同意与总部共享读数，总部的网址打不开这份报告。请打印给顾客，或请顾客同意共享读数后再生成。",
        "The customer does not share readings with headquarters, whose address cannot open this report. Print it, or ask for that \
         consent first.",
    )
}

fn drawn(url: &str) -> Result<String, WebError> {
    let code = QrCode::with_error_correction_level(url, EcLevel::M).map_err(|fault| WebError::fault(&fault))?;
    let mut picture = code.render::<svg::Color<'_>>();
    picture.min_dimensions(SIDE, SIDE).dark_color(svg::Color("#25302C")).light_color(svg::Color("#FFFDFA"));
    let svg = picture.build();
    // The drawing alone: it goes into a page, not into a file.
    Ok(svg.find("<svg").map_or_else(String::new, |at| svg[at..].to_owned()))
}
