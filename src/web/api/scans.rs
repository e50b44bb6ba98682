//! Scans: begun, driven, corrected.

use super::{
    changed, refused,
    sheets::Stated,
    tagged, view,
    visits::{answer, expect, finish},
};
use crate::{
    clock,
    domain::{
        Quantity, Region, ScanId, Timestamp, VisitId,
        scan::Phase,
        sheet::Conditions,
        visit::{Visit, VisitState},
    },
    faults,
    store::{RoomClimate, Thing, Why},
    tasks::station::{StationError, StationHandle, Told, Verb},
    web::{
        AppState,
        ask::{Body, Seen, parse, text},
        doors::Who,
        error::WebError,
    },
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    phase: String,
    /// What the measurement depends on beside the skin.
    conditions: Option<Stated>,
}

/// `POST /visits/{id}/scans`
pub async fn begin(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(new): Body<Beginning>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let phase: Phase = parse("phase", &new.phase)?;
    let conditions = new.conditions.map(Stated::check).transpose()?;
    let open = view(&state.store, visit).await?.visit;
    refused::require_open(open.state)?;
    let chair = state.chair(&open.station)?;
    let begun = chair.begin(visit, seen, phase).await;
    if let (Ok(told), Some(conditions)) = (&begun, conditions) {
        let conditions = completed(&state, chair, conditions).await?;
        let scan: ScanId = parse("scan", &told.scan.id)?;
        let kept = state.store.set_conditions(scan, conditions, who.staff("")).await;
        kept.map_err(|fault| refused::store(&fault))?;
    }
    told(&state, visit, begun, StatusCode::CREATED).await
}

/// What was typed, completed by what the house knows: the room as its sensor gave it, the oldest calibration of what measures.
async fn completed(state: &AppState, chair: &StationHandle, stated: Conditions) -> Result<Conditions, WebError> {
    let room = climate(state, chair.id()).await?;
    // One word of a hand, and the climate is not the sensor's.
    let typed = |typed: Option<Quantity>, sensed| typed.is_some() && typed != sensed;
    let by_hand = typed(stated.celsius, room.celsius) || typed(stated.humidity, room.humidity);
    let (celsius, humidity) = (stated.celsius.or(room.celsius), stated.humidity.or(room.humidity));
    let known = state.store.calibrations().await.map_err(|fault| refused::store(&fault))?;
    let devices = chair.view().await.map_err(|fault| refused::station(&fault))?.devices;
    let ready = |protocol: &str, serial: &str| {
        devices.iter().any(|one| one.state == "ready" && one.protocol == protocol && one.serial == serial)
    };
    let days = known.into_iter().filter(|(protocol, serial, _)| ready(protocol, serial)).map(|(_, _, day)| day);
    let climate_by = if by_hand { String::new() } else { room.by };
    Ok(Conditions { celsius, humidity, climate_by, calibrated: days.min().unwrap_or_default(), ..stated })
}

/// The climate at a chair, as far as a sensor said it in the last half hour.
pub(crate) async fn climate(state: &AppState, station: &str) -> Result<RoomClimate, WebError> {
    const LATELY_MS: i64 = 30 * 60_000;
    let now = clock::now().wall;
    let since = Timestamp::from_unix_ms(now.unix_ms() - LATELY_MS);
    state.store.climate(station.to_owned(), since, now).await.map_err(|fault| refused::store(&fault))
}

/// Everything a verb on a scan may bring; each looks at its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    region: Option<String>,
    phase: Option<String>,
    visit: Option<String>,
    #[serde(default)]
    staff: String,
    #[serde(default)]
    reason: String,
}

/// `POST /scans/{id}/{verb}`
pub async fn act(
    State(state): State<AppState>,
    Path((id, verb)): Path<(String, String)>,
    who: Who,
    Seen(seen): Seen,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let scan: ScanId = parse("scan", &id)?;
    let visit = state.store.scan(scan).await.map_err(|fault| refused::store(&fault))?.visit;
    let why = Why { staff: who.staff(&text("staff", &wish.staff, 40)?), reason: text("reason", &wish.reason, 200)? };
    let verb = match verb.as_str() {
        "measure" => {
            let chair = chair_of(&state, visit).await?;
            let measured = chair.measure(scan, seen).await;
            return told(&state, visit, measured, StatusCode::OK).await;
        }
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "cancel" => Verb::Cancel,
        "finish" => Verb::Finish,
        "skip" => Verb::Skip(region(&wish)?),
        "repeat" => Verb::Repeat(region(&wish)?),
        "void" | "restore" => return strike(&state, scan, visit, seen, verb == "restore", why).await,
        "reassign" => return reassign(&state, scan, visit, seen, &wish, why).await,
        _ => return Err(WebError::not_found("verb; see docs/contracts/api.md")),
    };
    let chair = chair_of(&state, visit).await?;
    let done = chair.act(scan, seen, verb).await;
    told(&state, visit, done, StatusCode::OK).await
}

fn region(wish: &Wish) -> Result<Region, WebError> {
    parse("region", wish.region.as_deref().unwrap_or_default())
}

async fn chair_of(state: &AppState, visit: VisitId) -> Result<&StationHandle, WebError> {
    let visit = state.store.visit(visit).await.map_err(|fault| refused::store(&fault))?;
    state.chair(&visit.station)
}

/// What the chair said, with its version; a conflict brings the present state along.
pub(super) async fn told(
    state: &AppState,
    visit: VisitId,
    said: Result<Told, StationError>,
    status: StatusCode,
) -> Result<Response, WebError> {
    match said {
        Ok(told) => Ok(tagged(status, told.version, json!(told))),
        Err(fault) => Err(refused::with_state(&state.store, visit, refused::station(&fault)).await),
    }
}

async fn strike(
    state: &AppState,
    scan: ScanId,
    visit: VisitId,
    seen: u64,
    restore: bool,
    why: Why,
) -> Result<Response, WebError> {
    let done = match expect(state, visit, seen).await {
        Ok(view) if restore => restored(state, &view.visit, scan, why).await,
        Ok(view) => voided(state, &view.visit, scan, why).await,
        Err(stale) => Err(stale),
    };
    if let Err(refused) = done {
        return Err(refused::with_state(&state.store, visit, refused).await);
    }
    faults::point("station.scan.struck");
    state.analysis.look_at_pairs().await;
    answer(state, visit).await
}

/// What it measured is closed first, so that it is whole if it is restored.
async fn voided(state: &AppState, visit: &Visit, scan: ScanId, why: Why) -> Result<(), WebError> {
    finish_if_under_way(state, visit, scan).await?;
    state.store.void(Thing::Scan(scan), why).await.map_err(|fault| refused::store(&fault))
}

/// In a visit that has ended nobody could finish what an earlier version struck out under way.
async fn restored(state: &AppState, visit: &Visit, scan: ScanId, why: Why) -> Result<(), WebError> {
    state.store.restore(Thing::Scan(scan), why).await.map_err(|fault| refused::store(&fault))?;
    if visit.state == VisitState::Open { Ok(()) } else { finish_if_under_way(state, visit, scan).await }
}

async fn finish_if_under_way(state: &AppState, visit: &Visit, scan: ScanId) -> Result<(), WebError> {
    let found = state.store.scan(scan).await.map_err(|fault| refused::store(&fault))?;
    if found.state.is_under_way() {
        let seen = state.store.visit(visit.id).await.map_err(|fault| refused::store(&fault))?.version;
        finish(state, visit, scan, seen).await?;
    }
    Ok(())
}

async fn reassign(
    state: &AppState,
    scan: ScanId,
    visit: VisitId,
    seen: u64,
    wish: &Wish,
    why: Why,
) -> Result<Response, WebError> {
    let was = state.store.scan(scan).await.map_err(|fault| refused::store(&fault))?;
    let phase = wish.phase.as_deref().map_or(Ok(was.phase), |word| parse("phase", word))?;
    let target = wish.visit.as_deref().map_or(Ok(visit), |id| parse("visit", id))?;
    if let Err(stale) = expect(state, visit, seen).await {
        return Err(refused::with_state(&state.store, visit, stale).await);
    }
    if let Err(fault) = state.store.reassign_scan(scan, target, phase, why).await {
        return Err(refused::with_state(&state.store, visit, refused::store(&fault)).await);
    }
    faults::point("station.scan.moved");
    state.analysis.look_at_pairs().await;
    if target != visit {
        changed(&state.live, &view(&state.store, target).await?).await;
    }
    answer(state, visit).await
}
