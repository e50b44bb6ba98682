//! The three points of a face in a photograph: where they are now, and a person's word on them.

use super::{captures::shown, refused, visits};
use crate::{
    analysis::regions::ViewRegions,
    domain::{
        CaptureId,
        capture::{Capture, FacePoints, SetPoints},
    },
    web::{
        AppState,
        ask::{Body, Seen, parse, text},
        doors::Who,
        error::WebError,
        looks,
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
use serde_json::json;

/// Where a photograph's points are, and who says so.
#[derive(Debug)]
pub(crate) struct Placed {
    pub points: FacePoints,
    /// `guide`, `proposed`, `confirmed` or `inherited`.
    pub source: &'static str,
}

/// The points a person set or that were carried over, else where the framing guide has them.
pub(crate) fn placed(capture: &Capture, view: &ViewRegions) -> Placed {
    match &capture.points {
        Some(SetPoints { points, source, staff: _ }) => Placed { points: *points, source: source.as_str() },
        None => {
            let guided = view.guided(capture.width, capture.height);
            let nose = view.pose(capture.anchors, capture.width, capture.height).ok().zip(view.nose);
            let nose = nose.map(|(pose, nose)| pose.to_picture.apply(nose.at.map(|v| v * view.anchor_distance_mm)));
            let points = FacePoints { anchors: capture.anchors, nose: nose.unwrap_or(guided.nose) };
            Placed { points, source: "guide" }
        }
    }
}

/// The photograph's view; a contact scope shows no face.
pub(crate) fn view_of<'a>(state: &'a AppState, capture: &Capture) -> Result<&'a ViewRegions, WebError> {
    let view = state.about.faces.view(capture.view).filter(|view| view.nose.is_some());
    view.ok_or_else(|| {
        WebError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_points",
            format!("capture {}", capture.id),
            "points are set in photographs of a face only",
            "这张照片没有要确认的面部点。",
            "There are no points to confirm in this photograph.",
        )
    })
}

/// `GET /captures/{id}/points`
pub async fn read(State(state): State<AppState>, Path(id): Path<String>, who: Who) -> Result<Response, WebError> {
    let (capture, visit) = shown(&state, parse("capture", &id)?).await?;
    looks::note(&state, &who, "looked.picture", [visit.customer]).await;
    let view = view_of(&state, &capture)?;
    let Placed { points: FacePoints { anchors, nose }, source } = placed(&capture, view);
    let body = json!({
        "capture": capture.id.to_string(),
        "version": visit.version,
        "view": capture.view.as_str(),
        "width": capture.width,
        "height": capture.height,
        "names": [view.anchors[0], view.anchors[1], "tip of the nose"],
        "points": [anchors[0], anchors[1], nose],
        "source": source,
    });
    Ok(Json(body).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Word {
    points: [[f64; 2]; 3],
    #[serde(default)]
    staff: String,
}

/// `POST /captures/{id}/points`: from now on these count. The photograph is measured again, and so are those that take their
/// points from it.
pub async fn confirm(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Seen(seen): Seen,
    who: Who,
    Body(word): Body<Word>,
) -> Result<Response, WebError> {
    let id: CaptureId = parse("capture", &id)?;
    let (capture, visit) = shown(&state, id).await?;
    let view = view_of(&state, &capture)?;
    let [first, second, nose] = word.points;
    let points = FacePoints { anchors: [first, second], nose };
    let inside = |[x, y]: [f64; 2]| {
        (0.0..=f64::from(capture.width)).contains(&x) && (0.0..=f64::from(capture.height)).contains(&y)
    };
    if !inside(nose) {
        return Err(WebError::malformed("points", "the tip of the nose lies outside the picture"));
    }
    view.plausible(&points, capture.width, capture.height).map_err(|odd| implausible(&odd))?;
    let staff = who.staff(&text("staff", &word.staff, 40)?);
    if let Err(fault) = state.store.confirm_points(id, seen, points, staff).await {
        return Err(refused::with_state(&state.store, visit.id, refused::store(&fault)).await);
    }
    let heirs = state.store.heirs_of(id).await.map_err(|fault| refused::store(&fault))?;
    for capture in [id].into_iter().chain(heirs) {
        // While the gateway stops, they are measured after the next start.
        let _ = state.analysis.enqueue(capture).await;
    }
    visits::answer(&state, visit.id).await
}

fn implausible(odd: &crate::analysis::regions::Implausible) -> WebError {
    use crate::analysis::regions::Implausible::{Anchors, Nose, Turned};
    let (zh, en) = match odd {
        Anchors(_) => {
            ("两个标记点太近或在画面外，请重新点。", "The two marks are too close or outside: tap them again.")
        }
        Turned(_) => {
            ("两个标记点的顺序反了，请按提示顺序重新点。", "The two marks are in the wrong order: tap them as asked.")
        }
        Nose(_) => ("鼻尖的位置不对，请重新点。", "No nose can be there: tap its tip again."),
    };
    WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "implausible", "points", odd.to_string(), zh, en)
}
