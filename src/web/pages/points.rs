//! The page of a photograph's points: two anchors and the tip of the nose, tapped or dragged into place and confirmed.

use crate::{
    domain::{
        capture::{Capture, View},
        visit::{Visit, VisitState},
    },
    report::{Lang, lang},
    web::{
        AppState,
        api::{
            captures::shown,
            points::{Placed, placed, view_of},
        },
        ask::parse,
        doors::Who,
        error::WebError,
        looks,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

#[derive(Debug, Template)]
#[template(path = "points.html")]
struct PointsPage {
    shell: Shell,
    capture: String,
    station: String,
    title: &'static str,
    width: u32,
    height: u32,
    /// Radius of a mark and width of its line, in the picture's pixels.
    mark: f64,
    line: f64,
    points: Vec<Mark>,
    state: &'static str,
    open: bool,
}

#[derive(Debug)]
struct Mark {
    name: &'static str,
    x: f64,
    y: f64,
}

/// `GET /points/{capture}`
pub async fn points(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    match gather(&state, &id).await {
        Ok((capture, visit, placed)) => {
            looks::note(&state, &who, "looked.picture", [visit.customer]).await;
            let template = drawn(shell, &capture, &visit, &placed);
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

async fn gather(state: &AppState, id: &str) -> Result<(Capture, Visit, Placed), WebError> {
    let (capture, visit) = shown(state, parse("capture", id)?).await?;
    let placed = placed(&capture, view_of(state, &capture)?);
    Ok((capture, visit, placed))
}

fn drawn(shell: Shell, capture: &Capture, visit: &Visit, placed: &Placed) -> PointsPage {
    let lang = shell.lang;
    let [first, second] = placed.points.anchors;
    let names = names(lang, capture.view);
    let places = [first, second, placed.points.nose];
    let side = f64::from(capture.width.max(capture.height));
    PointsPage {
        capture: capture.id.to_string(),
        station: visit.station.clone(),
        title: lang::view(lang, capture.view),
        width: capture.width,
        height: capture.height,
        mark: (side / 60.0).round(),
        line: (side / 400.0).max(1.0).round(),
        points: names.into_iter().zip(places).map(|(name, [x, y])| Mark { name, x, y }).collect(),
        state: match placed.source {
            "confirmed" => lang.pick("已由人确认", "confirmed by a person"),
            "inherited" => {
                lang.pick("沿用护理前照片的位置，请看一眼", "carried over from the earlier picture; look them over")
            }
            "proposed" => lang.pick("由检测模型预放，请点准", "placed by a detector; tap them exactly"),
            _ => lang.pick("按取景框预放，请点准", "placed by the framing guide; tap them exactly"),
        },
        open: visit.state == VisitState::Open,
        shell: shell.at_version(visit.version),
    }
}

/// Left and right are the customer's own.
fn names(lang: Lang, view: View) -> [&'static str; 3] {
    let nose = lang.pick("鼻尖", "Tip of the nose");
    match view {
        View::Left => [
            lang.pick("左眼外眼角", "Outer corner of the left eye"),
            lang.pick("左嘴角", "Left corner of the mouth"),
            nose,
        ],
        View::Right => [
            lang.pick("右眼外眼角", "Outer corner of the right eye"),
            lang.pick("右嘴角", "Right corner of the mouth"),
            nose,
        ],
        View::Front | View::Close => [lang.pick("右眼瞳孔", "Right pupil"), lang.pick("左眼瞳孔", "Left pupil"), nose],
    }
}
