//! Everything one model tells of one picture, for who holds it against what is known.

use super::{
    engine::{Engine, decode},
    levels::{self, Shown},
    outputs, whole,
};
use crate::{
    adapters::onnx::Model,
    analysis::{
        job::{Evaluated, EvaluatedScore, FacePlace},
        manifest::Fit,
        regions::{Affine, Mask},
    },
    domain::Region,
};
use skinlink_pixels::sample::{Colour, Source};

pub(super) fn measure(
    engine: &mut Engine,
    model: &str,
    face: Option<&FacePlace>,
    px_per_mm: Option<f64>,
    picture: &[u8],
) -> Result<Evaluated, String> {
    let mut shown = match face {
        Some(face) => Some(Shown::open(engine, &face.view, face.anchors, picture)?),
        None => None,
    };
    let model = engine.model(model)?;
    let regions = matches!(model.manifest().input.fit, Fit::Region { .. });
    match (&mut shown, regions) {
        (Some(shown), true) => by_region(model, shown),
        (Some(shown), false) => whole::of_shown(model, shown),
        (None, true) => of_patch(model, &mut Source::new(decode(picture)?), px_per_mm),
        (None, false) => whole::see(model, &mut Source::new(decode(picture)?), None, px_per_mm),
    }
}

fn by_region(model: &mut Model, shown: &mut Shown) -> Result<Evaluated, String> {
    let picture = shown.source.picture();
    let mut seen = Evaluated { width: picture.width(), height: picture.height(), ..Evaluated::default() };
    if let Some(coarse) = levels::too_coarse(model, shown.pose.px_per_mm) {
        seen.skipped.push(coarse);
        return Ok(seen);
    }
    for (region, polygon) in shown.regions.clone() {
        match levels::of_region(model, shown, &polygon) {
            Ok(values) => seen.scores.extend(named(model, region, values)),
            Err(missed) => seen.skipped.push(format!("{region}: {}", missed.reason())),
        }
    }
    Ok(seen)
}

/// A picture that shows one region and nothing else, such as a cut or a scope's.
fn of_patch(model: &mut Model, source: &mut Source, px_per_mm: Option<f64>) -> Result<Evaluated, String> {
    let (width, height) = (source.picture().width(), source.picture().height());
    let mut seen = Evaluated { width, height, ..Evaluated::default() };
    let Fit::Region { px_per_mm: wanted, multiple_of, .. } = model.manifest().input.fit else {
        return Err("this model takes a whole picture".into());
    };
    let given = px_per_mm
        .ok_or("this model measures by the millimetre: say where the face lies, or how many pixels a millimetre has")?;
    if let Some(coarse) = levels::too_coarse(model, given) {
        seen.skipped.push(coarse);
        return Ok(seen);
    }
    let ratio = given / wanted;
    let shown = [width, height].map(|side| (f64::from(side) / ratio).floor().max(1.0) as usize);
    let grown = shown.map(|side| side.next_multiple_of(multiple_of.max(1) as usize));
    let onto = Affine { m: [ratio, 0.0, 0.0, ratio], t: [0.5 * ratio - 0.5; 2] };
    let planes = source.sample_affine(grown[0], grown[1], [ratio; 2], Colour::Rgb, &onto);
    let mut mask = Mask::whole(grown[0], grown[1]);
    // What was grown repeats the border, and shows nothing.
    mask.inside.iter_mut().enumerate().for_each(|(at, inside)| {
        *inside = at % grown[0] < shown[0] && at / grown[0] < shown[1];
    });
    let given = outputs::of_planes(model, &planes)?;
    let values = outputs::scores_of(model.manifest(), &given, &mask, wanted, None)?;
    seen.scores.extend(named(model, Region::Face, values));
    Ok(seen)
}

/// Values in the order of the manifest's scores.
fn named(model: &Model, region: Region, values: Vec<f64>) -> Vec<EvaluatedScore> {
    let rules = model.manifest().scores.iter().zip(values);
    rules
        .map(|(rule, value)| EvaluatedScore { metric: rule.metric.to_string(), region: region.to_string(), value })
        .collect()
}
