//! Visits: opened, read, agreed to, treated, compared, closed, corrected.

use super::{changed, refused, sheets, step_notes, tagged, view};
use crate::{
    domain::{
        CustomerId, ScanId, VisitId,
        comparison::Baseline,
        consent::{Channel, Purpose},
        visit::{Visit, VisitState},
    },
    faults,
    store::{NewConsent, Store, StoreError, Thing, VisitView, Why},
    tasks::{
        comparison,
        station::{self, StationError, Verb},
    },
    web::{
        AppState,
        ask::{Asked, Body, Seen, parse, required, text},
        doors::Who,
        error::WebError,
        json, looks,
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
use std::collections::BTreeMap;

/// Steps of one visit; more is a slip of the finger.
const STEPS: usize = 40;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    customer: String,
    station: String,
    #[serde(default)]
    beautician: String,
}

/// `POST /visits`
pub async fn open(State(state): State<AppState>, who: Who, Body(new): Body<Opening>) -> Result<Response, WebError> {
    let customer: CustomerId = parse("customer", &new.customer)?;
    let station = state.chair(&new.station)?;
    let beautician = who.staff(&text("beautician", &new.beautician, 40)?);
    let opened = state.store.open_visit(customer, station.id().to_owned(), beautician).await;
    let visit = opened.map_err(|fault| refused::store(&fault))?;
    faults::point("station.visit.opened");
    station.changed().await;
    let view = view(&state.store, visit.id).await?;
    changed(&state.live, &view).await;
    Ok(tagged(StatusCode::CREATED, visit.version, json::visit(&view)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    limit: Option<usize>,
}

/// `GET /visits`
pub async fn list(State(state): State<AppState>, who: Who, Asked(which): Asked<Which>) -> Result<Response, WebError> {
    let limit = which.limit.unwrap_or(50).min(200);
    let named = with_names(&state, limit).await?;
    looks::note(&state, &who, "looked.list", named.iter().map(|(visit, _)| visit.customer)).await;
    let lines: Vec<_> = named.iter().map(|(visit, name)| json::visit_line(visit, name)).collect();
    Ok(Json(json!({ "visits": lines })).into_response())
}

/// `GET /visits/{id}`
pub async fn one(State(state): State<AppState>, Path(id): Path<String>, who: Who) -> Result<Response, WebError> {
    let view = view(&state.store, parse("visit", &id)?).await?;
    looks::note(&state, &who, "looked.visit", [view.visit.customer]).await;
    let body = full(&state, &view).await?;
    Ok(tagged(StatusCode::OK, view.visit.version, body))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    text_version: String,
    channel: String,
    #[serde(default)]
    staff: String,
    #[serde(default)]
    signature: String,
    purposes: BTreeMap<String, bool>,
}

/// `POST /visits/{id}/consents`
pub async fn consents(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(new): Body<Agreement>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let customer = view(&state.store, visit).await?.visit.customer;
    let text_version = required("text_version", &new.text_version, 40)?;
    let channel: Channel = parse("channel", &new.channel)?;
    let (staff, signature) = (who.staff(&text("staff", &new.staff, 40)?), path_data(&new.signature)?);
    let mut entries = Vec::new();
    for (word, given) in &new.purposes {
        entries.push(NewConsent {
            customer,
            purpose: parse::<Purpose>("purposes", word)?,
            given: *given,
            text_version: text_version.clone(),
            channel,
            staff: staff.clone(),
            signature: signature.clone(),
        });
    }
    if let Err(fault) = state.store.record_consents(visit, seen, entries).await {
        return Err(refused::with_state(&state.store, visit, refused::store(&fault)).await);
    }
    faults::point("station.consents.recorded");
    if new.purposes.get(Purpose::Photograph.as_str()) == Some(&true) {
        state.analysis.look_at_pairs().await;
    }
    let view = view(&state.store, visit).await?;
    if let Some(station) = state.station(&view.visit.station) {
        // A withdrawal may have paused its scan.
        station.changed().await;
    }
    changed(&state.live, &view).await;
    let body = json!({ "version": view.visit.version, "consents": json::consents(&view.consents) });
    Ok(tagged(StatusCode::OK, view.visit.version, body))
}

/// Signature strokes: SVG path data of moves and lines in whole pixels, nothing else.
pub(super) fn path_data(strokes: &str) -> Result<String, WebError> {
    let plain = strokes.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'M' | b'L' | b' ' | b'-'));
    if plain {
        Ok(strokes.to_owned())
    } else {
        Err(WebError::malformed("signature", "expected path data such as M10 10L20 20"))
    }
}

/// Everything a verb on a visit may bring; each looks at its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[serde(default)]
    staff: String,
    #[serde(default)]
    reason: String,
    steps: Option<Vec<String>>,
    baseline: Option<String>,
    customer: Option<String>,
}

/// `POST /visits/{id}/{verb}`: `steps`, `comparison`, `close`, `reassign`, `void`, `restore`.
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Seen(seen): Seen,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let why = Why { staff: who.staff(&text("staff", &wish.staff, 40)?), reason: text("reason", &wish.reason, 200)? };
    let done = match verb.as_str() {
        "steps" => steps(&state, visit, seen, &wish, why.staff).await,
        "comparison" => compare(&state, visit, seen, &wish).await,
        "close" => close(&state, visit, seen, why.staff).await,
        "reassign" => reassign(&state, visit, seen, &wish, why).await,
        "void" | "restore" => strike(&state, visit, seen, verb == "restore", why).await,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    if let Err(refused) = done {
        return Err(refused::with_state(&state.store, visit, refused).await);
    }
    answer(&state, visit).await
}

/// The visit as it stands now, told to its chair and to the pages.
pub(super) async fn answer(state: &AppState, visit: VisitId) -> Result<Response, WebError> {
    let view = view(&state.store, visit).await?;
    if let Some(station) = state.station(&view.visit.station) {
        station.changed().await;
    }
    changed(&state.live, &view).await;
    let body = full(state, &view).await?;
    Ok(tagged(StatusCode::OK, view.visit.version, body))
}

/// The full view with the sheet and with what is being done about each photograph.
async fn full(state: &AppState, view: &VisitView) -> Result<Value, WebError> {
    let mut body = json::visit_and_analysis(view, |capture| state.analysis.awaits(capture));
    add_sheet(&state.store, view.visit.id, &mut body).await.map_err(|fault| refused::store(&fault))?;
    Ok(body)
}

/// The service sheet beside a visit: what was asked and said, how the steps were done, who signed when.
pub(super) async fn add_sheet(store: &Store, visit: VisitId, body: &mut Value) -> Result<(), StoreError> {
    body["sheet"] = sheets::view(&store.sheet(visit).await?);
    body["step_notes"] = step_notes::view(&store.step_notes(visit).await?);
    body["signed"] = step_notes::signed(&store.signed(visit).await?);
    Ok(())
}

async fn steps(state: &AppState, visit: VisitId, seen: u64, wish: &Wish, staff: String) -> Result<(), WebError> {
    let given = wish.steps.as_ref().ok_or_else(|| WebError::malformed("steps", "the list of steps is missing"))?;
    if given.len() > STEPS {
        return Err(WebError::malformed("steps", format!("at most {STEPS}")));
    }
    let steps = given.iter().map(|step| required("steps", step, 60)).collect::<Result<Vec<_>, _>>()?;
    state.store.set_steps(visit, Some(seen), steps, staff).await.map_err(|fault| refused::store(&fault))?;
    faults::point("station.steps.recorded");
    Ok(())
}

/// The visit, unless the caller saw another version of it.
pub(super) async fn expect(state: &AppState, visit: VisitId, seen: u64) -> Result<VisitView, WebError> {
    let view = view(&state.store, visit).await?;
    if view.visit.version == seen { Ok(view) } else { Err(WebError::stale(format!("visit {visit}"))) }
}

async fn compare(state: &AppState, visit: VisitId, seen: u64, wish: &Wish) -> Result<(), WebError> {
    let baseline = wish.baseline.as_deref().map_or(Ok(Baseline::SameVisit), |word| parse("baseline", word))?;
    expect(state, visit, seen).await?;
    let chosen = comparison::choose(&state.store, visit, baseline).await.map_err(|fault| refused::draw(&fault))?;
    let paired = comparison::pairs(&state.analysis, &chosen).await;
    // Pairing takes seconds: what was struck out or moved meanwhile must not be drawn.
    expect(state, visit, seen).await?;
    let judges = state.judges.with_models(state.analysis.models().iter().map(|model| model.manifest.clone()));
    let drawn = comparison::draw(&state.store, &judges, visit, &chosen, &paired).await;
    drawn.map(|_| ()).map_err(|fault| refused::draw(&fault))
}

/// A scan that runs or pauses is finished first, so that nothing measured is left hanging.
async fn close(state: &AppState, visit: VisitId, seen: u64, staff: String) -> Result<(), WebError> {
    let view = expect(state, visit, seen).await?;
    refused::require_open(view.visit.state)?;
    let version = finish_scans(state, &view).await?;
    let closed = state.store.close_visit(visit, Some(version), staff).await;
    closed.map_err(|fault| refused::store(&fault))?;
    faults::point("station.visit.closed");
    Ok(())
}

/// Finishes what is under way in a visit; its version then.
async fn finish_scans(state: &AppState, view: &VisitView) -> Result<u64, WebError> {
    let mut version = view.visit.version;
    for scan in view.scans.iter().filter(|scan| scan.scan.state.is_under_way()) {
        version = finish(state, &view.visit, scan.scan.id, version).await?;
        faults::point("station.visit.finishing");
    }
    Ok(version)
}

/// Finishes a scan that is under way: by its chair, or here where none drives it. Gives the visit's version then.
pub(super) async fn finish(state: &AppState, visit: &Visit, scan: ScanId, seen: u64) -> Result<u64, WebError> {
    if let Some(station) = state.station(&visit.station) {
        match station.act(scan, seen, Verb::Finish).await {
            Ok(told) => return Ok(told.version),
            Err(StationError::NotUnderWay(_)) => {}
            Err(fault) => return Err(refused::station(&fault)),
        }
    }
    let finished = station::finish(&state.store, &state.judges.specs, scan).await;
    finished.map_err(|fault| refused::station(&fault))?;
    Ok(state.store.visit(visit.id).await.map_err(|fault| refused::store(&fault))?.version)
}

async fn reassign(state: &AppState, visit: VisitId, seen: u64, wish: &Wish, why: Why) -> Result<(), WebError> {
    let to =
        wish.customer.as_deref().ok_or_else(|| WebError::malformed("customer", "whose visit it was is missing"))?;
    let customer: CustomerId = parse("customer", to)?;
    let moved = state.store.reassign_visit(visit, Some(seen), customer, why).await;
    moved.map_err(|fault| refused::store(&fault))?;
    faults::point("station.visit.moved");
    state.analysis.look_at_pairs().await;
    Ok(())
}

async fn strike(state: &AppState, visit: VisitId, seen: u64, restore: bool, why: Why) -> Result<(), WebError> {
    let view = expect(state, visit, seen).await?;
    if !restore && view.visit.state == VisitState::Open {
        // Its scan must not go on measuring for a visit that is struck out. The visit is not closed: restored, it goes on.
        finish_scans(state, &view).await?;
    }
    let thing = Thing::Visit(visit);
    let done = if restore { state.store.restore(thing, why).await } else { state.store.void(thing, why).await };
    done.map_err(|fault| refused::store(&fault))?;
    faults::point("station.visit.struck");
    state.analysis.look_at_pairs().await;
    Ok(())
}

/// A list of visits with their customers' names, for pages.
pub(crate) async fn with_names(state: &AppState, limit: usize) -> Result<Vec<(Visit, String)>, WebError> {
    let visits = state.store.recent_visits(limit).await.map_err(|fault| refused::store(&fault))?;
    let mut named = Vec::with_capacity(visits.len());
    for visit in visits {
        let customer = state.store.customer(visit.customer).await.map_err(|fault| refused::store(&fault))?;
        named.push((visit, customer.name));
    }
    Ok(named)
}
