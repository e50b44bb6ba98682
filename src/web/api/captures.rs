//! Photographs: taken in at the door, kept encrypted, shown again. What the gates say of them: [`super::gates`].

use super::{
    changed,
    gates::{Judged, advice, before_of, look},
    refused, tagged, view,
    visits::expect,
};
use crate::{
    analysis::{
        door::{self, Admitted, DoorError},
        regions,
    },
    clock,
    domain::{
        CaptureId, ScanId, VisitId,
        capture::{Capture, FacePoints, Light, View},
        consent::Purpose,
        scan::{Phase, ScanState},
        visit::Visit,
    },
    faults,
    store::{NewCapture, PictureRole, VisitView},
    tasks::live::News,
    web::{
        AppState, Guide,
        ask::{Asked, Seen, parse, text, too_large},
        doors::Who,
        error::WebError,
        looks,
    },
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State, rejection::BytesRejection},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use super::gates::advice_words;

/// A contact scope's pixels lie between these, micrometres.
const UM_PER_PX: std::ops::RangeInclusive<f64> = 0.5..=100.0;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    phase: String,
    view: String,
    #[serde(default)]
    light: Option<String>,
    #[serde(default)]
    camera: String,
    #[serde(default)]
    anchors: Option<String>,
    /// Of a contact scope, which has no anchors; left out: as the station's configuration says.
    #[serde(default)]
    um_per_px: Option<f64>,
}

/// `POST /visits/{id}/captures`
pub async fn add(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Seen(seen): Seen,
    Asked(about): Asked<About>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let phase: Phase = parse("phase", &about.phase)?;
    let angle: View = parse("view", &about.view)?;
    let light = about.light.as_deref().map_or(Ok(Light::White), |word| parse("light", word))?;
    let camera = text("camera", &about.camera, 80)?;
    let bytes = body.map_err(|_| too_large())?;
    let known = match expect(&state, visit, seen).await {
        Ok(known) => known,
        Err(stale) => return Err(refused::with_state(&state.store, visit, stale).await),
    };
    refused::require_open(known.visit.state)?;
    if !known.agreed(Purpose::Photograph) {
        return Err(refused::no_consent(Purpose::Photograph.as_str()));
    }
    let scan = scan_of(&known, phase)?;
    faults::point("door.capture.received");
    let admitted = admit(bytes).await?;
    faults::point("door.capture.stripped");
    let anchors = anchors(&state, &known.visit.station, &about, angle, &admitted)?;
    let (version, body) =
        take_in(&state, &known, Came { scan, phase, angle, light, anchors, camera, admitted }).await?;
    Ok(tagged(StatusCode::CREATED, version, body))
}

/// Counts a photograph from its first byte until it is kept or refused, as long as its bytes come.
pub async fn counted(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let inside = state.taking_in.coming();
    let signs = inside.clone();
    let watched = |body: Body| Body::from_stream(body.into_data_stream().inspect(move |_| signs.came()));
    next.run(request.map(watched)).await
}

/// A photograph that was let in at the door, and where it belongs.
#[derive(Debug)]
pub(crate) struct Came {
    pub scan: ScanId,
    pub phase: Phase,
    pub angle: View,
    pub light: Light,
    pub anchors: [[f64; 2]; 2],
    pub camera: String,
    pub admitted: Admitted,
}

/// Judges a photograph, keeps it and tells the pages; the visit's version then, and what whoever brought it is told.
pub(crate) async fn take_in(state: &AppState, known: &VisitView, came: Came) -> Result<(u64, Value), WebError> {
    // That of a camera's own program comes by no call.
    let _inside = state.taking_in.enter();
    let Came { scan, phase, angle, light, anchors, camera, admitted } = came;
    let visit = known.visit.id;
    let Judged { complaints, failed, anchors, inherited, card } =
        look(state, angle, anchors, &admitted, before_of(known, phase, angle)).await;
    faults::point("door.capture.judged");
    let Admitted { format, width, height, orientation: _, bytes } = admitted;
    let taken = clock::now();
    let told = complaints.iter().map(|word| advice(word)).collect::<Vec<_>>();
    let new = NewCapture {
        scan,
        view: angle,
        light,
        format,
        width,
        height,
        anchors,
        complaints: complaints.clone(),
        camera,
        taken,
    };
    let (capture, queued) = keep(state, new, bytes, inherited).await?;
    announce(state, visit, scan, capture.id).await;
    let view = view(&state.store, visit).await?;
    changed(&state.live, &view).await;
    let body = json!({
        "capture": capture.id.to_string(),
        "visit": visit.to_string(),
        "version": view.visit.version,
        "width": width,
        "height": height,
        "complaints": complaints,
        "advice": told,
        "gates": failed,
        "card": card,
        "points": format!("/points/{}", capture.id),
        "analysis": if queued { "queued" } else { "none" },
    });
    Ok((view.visit.version, body))
}

/// Keeps the photograph, with the points it took over, and queues it for its analysis.
async fn keep(
    state: &AppState,
    new: NewCapture,
    bytes: Vec<u8>,
    inherited: Option<FacePoints>,
) -> Result<(Capture, bool), WebError> {
    let capture = state.store.save_capture(new, bytes).await.map_err(|fault| refused::store(&fault))?;
    faults::point("door.capture.kept");
    if let Some(points) = inherited
        && let Err(fault) = state.store.inherit_points(capture.id, points).await
    {
        // Its analysis carries them over once more.
        tracing::warn!(capture = %capture.id, %fault, "points that were carried over could not be kept");
    }
    // Waits only for a place in the queue; while the gateway stops, it is measured after the next start.
    let queued = state.analysis.enqueue(capture.id).await.is_ok();
    faults::point("door.capture.queued");
    Ok((capture, queued))
}

async fn announce(state: &AppState, visit: VisitId, scan: ScanId, capture: CaptureId) {
    let (visit, scan, capture) = (visit.to_string(), scan.to_string(), capture.to_string());
    state.live.publish(News::Capture { visit, scan, capture, state: "kept".to_owned() }).await;
}

/// The latest scan of the phase that was not given up.
fn scan_of(view: &VisitView, phase: Phase) -> Result<ScanId, WebError> {
    let stands = |state| matches!(state, ScanState::Running | ScanState::Paused | ScanState::Finished);
    let found = view.scans.iter().rev().find(|s| s.scan.phase == phase && stands(s.scan.state));
    found.map(|s| s.scan.id).ok_or_else(|| {
        WebError::new(
            StatusCode::CONFLICT,
            "wrong_state",
            format!("phase {phase}"),
            "begin the scan of that phase first",
            "请先开始这一阶段的测量，再拍照。",
            "Begin this phase's scan first, then take photographs.",
        )
    })
}

/// Off the async threads: a large picture is walked byte by byte.
async fn admit(bytes: Bytes) -> Result<Admitted, WebError> {
    let walked =
        tokio::task::spawn_blocking(move || door::admit(&bytes)).await.map_err(|fault| WebError::fault(&fault))?;
    walked.map_err(|refused| refused_at_the_door(&refused))
}

/// What whoever brought it is told.
pub(crate) fn refused_at_the_door(refused: &DoorError) -> WebError {
    let now = refused.to_string();
    let (status, what, zh) = match refused {
        DoorError::NotAPicture => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_picture", "这不是照片。请用 JPEG、PNG 或 WebP 格式。")
        }
        DoorError::TooManyBytes { .. } | DoorError::TooLarge { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "照片太大，请调低相机分辨率。")
        }
        DoorError::Truncated { .. } | DoorError::Damaged { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "refused", "照片不完整或已损坏，请重拍。")
        }
        DoorError::Unsupported { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "refused", "不支持这种照片格式，请存为普通 JPEG。")
        }
    };
    let en = format!("Not taken in: {now}.");
    WebError::new(status, what, "body", now, zh, en)
}

/// Typed, or a scope's ruler (said with it, else the station's own), or where the framing guide has them.
fn anchors(
    state: &AppState,
    station: &str,
    about: &About,
    angle: View,
    picture: &Admitted,
) -> Result<[[f64; 2]; 2], WebError> {
    if state.about.faces.view(angle).is_some_and(|view| view.whole) {
        let own = || state.about.scopes.iter().find(|(of, _)| of == station).map(|(_, um)| *um);
        let um = about.um_per_px.or_else(own).filter(|um| UM_PER_PX.contains(um)).ok_or_else(|| {
            WebError::malformed("um_per_px", "say how many micrometres a pixel of the contact scope has, 0.5 to 100")
        })?;
        return Ok(regions::ruler(um));
    }
    let guide = state.about.views.iter().find(|guide| guide.view == angle);
    match &about.anchors {
        Some(typed) => typed_anchors(typed, picture),
        None => Ok(guide.map_or([[0.0; 2]; 2], |guide| placed(guide, picture))),
    }
}

/// Where the framing guide puts the anchors when the face fills it.
pub(crate) fn placed(guide: &Guide, picture: &Admitted) -> [[f64; 2]; 2] {
    let (width, height) = (f64::from(picture.width), f64::from(picture.height));
    guide.anchors.map(|[x, y]| [x * width, y * height])
}

fn typed_anchors(typed: &str, picture: &Admitted) -> Result<[[f64; 2]; 2], WebError> {
    let wrong = || WebError::malformed("anchors", "expected x1,y1,x2,y2 in pixels inside the picture");
    let numbers: Vec<f64> = typed.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [x1, y1, x2, y2] = numbers[..] else { return Err(wrong()) };
    let inside = |x: f64, y: f64| {
        (0.0..=f64::from(picture.width)).contains(&x) && (0.0..=f64::from(picture.height)).contains(&y)
    };
    if inside(x1, y1) && inside(x2, y2) && (x1, y1) != (x2, y2) { Ok([[x1, y1], [x2, y2]]) } else { Err(wrong()) }
}

/// A photograph with its visit.
pub(crate) async fn shown(state: &AppState, id: CaptureId) -> Result<(Capture, Visit), WebError> {
    let capture = state.store.capture(id).await.map_err(|fault| refused::store(&fault))?;
    let visit = state.store.scan(capture.scan).await.map_err(|fault| refused::store(&fault))?.visit;
    let visit = state.store.visit(visit).await.map_err(|fault| refused::store(&fault))?;
    Ok((capture, visit))
}

/// `GET /captures/{id}/pair/{role}`: a picture of the pair that this after photograph belongs to.
pub async fn pair(
    State(state): State<AppState>,
    Path((id, role)): Path<(String, String)>,
    who: Who,
) -> Result<Response, WebError> {
    let id: CaptureId = parse("capture", &id)?;
    let (_, visit) = shown(&state, id).await?;
    looks::note(&state, &who, "looked.picture", [visit.customer]).await;
    let role =
        PictureRole::of(&role).filter(|role| role.is_of_a_pair()).ok_or_else(|| WebError::not_found("picture"))?;
    let found = state.store.shown_picture(id, role).await.map_err(|fault| refused::store(&fault))?;
    let (kind, bytes) = found.ok_or_else(|| WebError::not_found("picture"))?;
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// `small`: the picture that reports show, once it is made; else the original.
    #[serde(default)]
    size: String,
}

/// `GET /captures/{id}/picture`
pub async fn picture(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Asked(wanted): Asked<Size>,
) -> Result<Response, WebError> {
    let id: CaptureId = parse("capture", &id)?;
    let (capture, visit) = shown(&state, id).await?;
    looks::note(&state, &who, "looked.picture", [visit.customer]).await;
    if wanted.size == "small" {
        let small = state.store.shown_picture(id, PictureRole::Report).await.map_err(|fault| refused::store(&fault))?;
        if let Some((kind, bytes)) = small {
            return Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response());
        }
    }
    let bytes = state.store.capture_bytes(id).await.map_err(|fault| refused::store(&fault))?;
    Ok(([(header::CONTENT_TYPE, capture.format.as_str()), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}
