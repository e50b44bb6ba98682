//! Where a photograph of the folder belongs: the scan of the visit that is open at the station, in the next view.

use super::Source;
use crate::{
    analysis::{door::Admitted, regions},
    domain::{
        capture::{Light, View},
        consent::Purpose,
        scan::ScanState,
    },
    store::ScanView,
    web::{
        AppState,
        api::{
            self,
            captures::{Came, placed, take_in},
            refused,
        },
        error::WebError,
    },
};
use axum::http::StatusCode;

/// What the photograph came from, as it stands with it.
const CAMERA: &str = "folder";

/// Why a photograph has no place.
#[derive(Debug)]
pub enum Not {
    /// A disk that is full, a store that does not answer: it is tried again.
    Now,
    /// A person has to say where it belongs.
    Here(WebError),
}

impl From<WebError> for Not {
    fn from(fault: WebError) -> Self {
        let status = fault.status();
        if status.is_server_error() || status == StatusCode::INSUFFICIENT_STORAGE {
            Self::Now
        } else {
            Self::Here(fault)
        }
    }
}

fn nowhere(zh: &str, en: &str) -> Not {
    Not::Here(WebError::new(StatusCode::CONFLICT, "wrong_state", "folder", "give it to a scan at the station", zh, en))
}

/// Keeps a photograph where it belongs. One that is kept already is done.
///
/// # Errors
/// [`Not`].
pub async fn give(state: &AppState, source: &Source, admitted: Admitted) -> Result<(), Not> {
    let digest = openssl::sha::sha256(&admitted.bytes);
    if state.store.has_bytes(digest).await.map_err(|fault| refused::store(&fault))? {
        return Ok(());
    }
    let open = state.store.visit_at(source.station.clone()).await.map_err(|fault| refused::store(&fault))?;
    let Some(open) = open else {
        return Err(nowhere(
            "文件夹里来了一张照片，但这个护理位没有进行中的到店；照片先放着，请在到店页面认领。",
            "A photograph came into the folder while no visit was open at this chair; it waits, claim it on a visit's page.",
        ));
    };
    let known = api::view(&state.store, open.id).await?;
    if !known.agreed(Purpose::Photograph) {
        return Err(refused::no_consent(Purpose::Photograph.as_str()).into());
    }
    let stands = |state| matches!(state, ScanState::Running | ScanState::Paused | ScanState::Finished);
    let Some(scan) = known.scans.iter().rev().find(|scan| stands(scan.scan.state)) else {
        return Err(nowhere(
            "文件夹里来了一张照片，但还没有开始测量；照片先放着，开始后请在到店页面认领。",
            "A photograph came into the folder before a scan was begun; it waits, claim it on the visit's page then.",
        ));
    };
    let Some((angle, anchors)) = next(state, source, scan, &admitted) else {
        return Err(nowhere(
            "文件夹里又来了一张照片，而这次测量的照片已经齐了；照片先放着，要换的话请先作废原来的。",
            "Another photograph came into the folder, and this scan has all of its own; it waits. Strike the old one out to replace it.",
        ));
    };
    let (scan, phase) = (scan.scan.id, scan.scan.phase);
    let came = Came { scan, phase, angle, light: Light::White, anchors, camera: CAMERA.to_owned(), admitted };
    take_in(state, &known, came).await?;
    Ok(())
}

/// The next view that is missing; a contact scope has one, of as many photographs as it takes.
fn next(state: &AppState, source: &Source, scan: &ScanView, picture: &Admitted) -> Option<(View, [[f64; 2]; 2])> {
    if let Some(um) = source.um_per_px {
        return Some((View::Close, regions::ruler(um)));
    }
    let there = |view| scan.captures.iter().any(|entry| !entry.voided && entry.item.view == view);
    let guide = state.about.views.iter().find(|guide| !there(guide.view))?;
    Some((guide.view, placed(guide, picture)))
}
