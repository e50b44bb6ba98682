//! The quality gates on one photograph, also against its before.

use super::{
    engine::{Engine, decode},
    levels::no_skin,
};
use crate::{
    analysis::{
        job::{Carried, FailedGate, Gated, Placed},
        picture::Picture,
        quality::{self, Complaint, Failed},
        regions::{BadAnchors, ViewRegions},
        seen::{self, Shot},
        tone,
    },
    domain::capture::FacePoints,
};
use skinlink_pixels::sample::Source;

/// A picture with where its face lies.
pub(super) type At<'a> = (&'a Placed, &'a Vec<u8>);

pub(super) fn gate(engine: &Engine, view: &str, shot: At<'_>, before: Option<At<'_>>) -> Result<Gated, String> {
    let view = engine.view(view)?;
    let picture = decode(shot.1)?;
    let (width, height) = (picture.width(), picture.height());
    let (mut source, place) = match open(view, shot.0, picture) {
        Ok(opened) => opened,
        Err(BadAnchors(apart)) => return Ok(too_far(engine, view, [width, height], apart)),
    };
    let seen = seen::see(&mut source, &place, no_skin(&engine.gates));
    let mut failed = quality::judge(&engine.gates, &seen);
    let card = !view.whole && tone::card_in(&mut source, &engine.gates.card).is_some();
    let mut inherited = None;
    if let Some((earlier, bytes)) = before
        && let Ok((mut first, first_place)) = open(view, earlier, decode(bytes)?)
    {
        let first_seen = seen::see(&mut first, &first_place, no_skin(&engine.gates));
        let against = seen::against((&mut first, &first_place, &first_seen), (&mut source, &place, &seen));
        failed.extend(quality::judge_pair(&engine.gates, &against));
        inherited = against.points.map(|FacePoints { anchors, nose }| Carried { anchors, nose });
    }
    let px_per_mm = seen.px_per_mm;
    Ok(Gated { width, height, px_per_mm, failed: failed.iter().map(told).collect(), inherited, card })
}

fn told(failed: &Failed) -> FailedGate {
    let Failed { complaint, found, limit } = failed;
    FailedGate { gate: complaint.to_string(), found: *found, limit: *limit }
}

fn open<'a>(view: &'a ViewRegions, placed: &Placed, picture: Picture) -> Result<(Source, Shot<'a>), BadAnchors> {
    let (width, height) = (picture.width(), picture.height());
    let pose = view.pose(placed.anchors, width, height)?;
    let points = FacePoints { anchors: placed.anchors, nose: placed.nose.unwrap_or(placed.anchors[0]) };
    Ok((Source::new(picture), Shot { view, pose, points, nose_is_set: placed.nose.is_some() }))
}

/// A face of a few pixels gives no scale to look at anything.
fn too_far(engine: &Engine, view: &ViewRegions, [width, height]: [u32; 2], apart: f64) -> Gated {
    let size = &engine.gates.size;
    let px_per_mm = apart / view.anchor_distance_mm;
    let pixels = u64::from(width) * u64::from(height);
    let small = (Complaint::TooSmall, pixels as f64, size.pixels as f64, pixels < size.pixels);
    let coarse = (Complaint::TooCoarse, px_per_mm, size.refuse_px_per_mm, true);
    let failed = [small, coarse].into_iter().filter(|(.., fails)| *fails);
    let failed = failed.map(|(complaint, found, limit, _)| told(&Failed { complaint, found, limit })).collect();
    Gated { width, height, px_per_mm, failed, inherited: None, card: false }
}
