//! What the quality gates say of a photograph while the customer is still in front of the camera.

use crate::{
    analysis::{
        door::Admitted,
        job::{Carried, FailedGate, Gated},
        quality::{Advice, Complaint},
    },
    domain::{
        CaptureId,
        capture::{Capture, FacePoints, View},
        metric::Label,
        scan::{Phase, ScanState},
    },
    report::traditional,
    store::VisitView,
    web::AppState,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Below this a pore is a few pixels and gets no verdict.
const MIN_PX_PER_MM: f64 = 8.0;

/// How long a page waits for the quality gates: nobody stands still longer.
const GATES: Duration = Duration::from_secs(4);

/// A photograph as the gates see it.
#[derive(Debug)]
pub(super) struct Judged {
    /// Words, the most urgent first.
    pub complaints: Vec<String>,
    /// The same with what was found and the limit.
    pub failed: Vec<Value>,
    /// As they came, or taken over from the before picture.
    pub anchors: [[f64; 2]; 2],
    pub inherited: Option<FacePoints>,
    /// Whether a grey card is in view.
    pub card: bool,
}

/// The photograph that an after picture is held against: of this visit and view, the last of the before scans that stands; with
/// whether its points were set.
pub(super) fn before_of(visit: &VisitView, phase: Phase, view: View) -> Option<(CaptureId, bool)> {
    if phase == Phase::Before {
        return None;
    }
    let scans = visit.scans.iter().filter(|s| s.scan.phase == Phase::Before && s.scan.state != ScanState::Voided);
    let mut captures =
        scans.flat_map(|scan| scan.captures.iter()).filter(|entry| !entry.voided).map(|entry| &entry.item);
    let last: Option<&Capture> = captures.rfind(|capture| capture.view == view);
    last.map(|capture| (capture.id, capture.points.is_some()))
}

/// Where the gates do not answer in time, only the scale is judged here; the photograph is kept either way.
pub(super) async fn look(
    state: &AppState,
    angle: View,
    anchors: [[f64; 2]; 2],
    picture: &Admitted,
    before: Option<(CaptureId, bool)>,
) -> Judged {
    let looking = state.analysis.look(angle, anchors, picture.bytes.clone(), before.map(|(id, _)| id));
    let gated = match timeout(GATES, looking).await {
        Ok(Ok(gated)) => gated,
        Ok(Err(fault)) => {
            tracing::info!(%fault, "the quality gates did not judge a photograph");
            return unjudged(state, angle, anchors);
        }
        Err(_) => {
            tracing::info!("the quality gates did not answer in time");
            return unjudged(state, angle, anchors);
        }
    };
    let Gated { failed, inherited, card, .. } = gated;
    let inherited = inherited.filter(|_| before.is_some_and(|(_, set)| set));
    let inherited = inherited.map(|Carried { anchors, nose }| FacePoints { anchors, nose });
    Judged {
        complaints: words(&failed),
        failed: failed
            .iter()
            .map(|gate| json!({"gate": gate.gate, "found": gate.found, "limit": gate.limit}))
            .collect(),
        anchors: inherited.map_or(anchors, |points| points.anchors),
        inherited,
        card,
    }
}

/// Each word once, in order.
fn words(failed: &[FailedGate]) -> Vec<String> {
    let mut words: Vec<String> = failed.iter().map(|gate| gate.gate.clone()).collect();
    words.dedup();
    words
}

fn unjudged(state: &AppState, angle: View, anchors: [[f64; 2]; 2]) -> Judged {
    let [[x1, y1], [x2, y2]] = anchors;
    let guide = state.about.views.iter().find(|guide| guide.view == angle);
    let coarse = guide.is_some_and(|guide| (x2 - x1).hypot(y2 - y1) / guide.anchor_distance_mm < MIN_PX_PER_MM);
    let complaints = if coarse { vec![Complaint::TooCoarse.to_string()] } else { Vec::new() };
    Judged { complaints, failed: Vec::new(), anchors, inherited: None, card: false }
}

/// A complaint with what to do about it.
pub(super) fn advice(complaint: &str) -> Value {
    let Advice { zh, zh_hant, en } = remedy(complaint);
    json!({ "complaint": complaint, "zh": zh, "zh_hant": zh_hant, "en": en })
}

/// What to do about a complaint; one that this version does not know asks for another photograph.
fn remedy(complaint: &str) -> Advice {
    let zh = "拍摄条件不理想，请重拍";
    let unknown = Advice { zh, zh_hant: traditional::of(zh).unwrap_or(zh), en: "Poor conditions: take it again" };
    complaint.parse().map_or(unknown, Complaint::remedy)
}

/// The same for a page.
pub(crate) fn advice_words(complaint: &str) -> Label {
    let Advice { zh, en, .. } = remedy(complaint);
    Label { zh: zh.to_owned(), en: en.to_owned() }
}
