//! Any bytes as a photograph: let in and decoded, or refused with what to do; what came in comes in again; what was decoded is
//! looked at by every gate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::{
    analysis::{
        door,
        gates::Gates,
        picture, quality,
        regions::{FaceRegions, ruler},
        seen::{self, Shot},
        tone,
    },
    domain::capture::{FacePoints, View},
};
use skinlink_pixels::{look::NoSkin, sample::Source};
use std::sync::LazyLock;

static GATES: LazyLock<Gates> = LazyLock::new(Gates::usual);
static REGIONS: LazyLock<FaceRegions> = LazyLock::new(|| {
    FaceRegions::parse(include_str!("../../config/face-regions.toml")).expect("a test reads the same file")
});

/// Larger ones would only slow the fuzzer down; the door's own limits are swept elsewhere.
const MOST_PIXELS: u64 = 300_000;

fuzz_target!(|data: &[u8]| {
    let admitted = match door::admit(data) {
        Ok(admitted) => admitted,
        Err(refused) => {
            let sentence = refused.to_string();
            assert!(["again", "save", "set the camera", "lower"].iter().any(|word| sentence.contains(word)), "{sentence}");
            return;
        }
    };
    assert_eq!(door::admit(&admitted.bytes).as_ref(), Ok(&admitted));
    if u64::from(admitted.width) * u64::from(admitted.height) > MOST_PIXELS {
        return;
    }
    let Ok(picture) = picture::decode(&admitted) else { return };
    assert_eq!((picture.width(), picture.height()), (admitted.width, admitted.height));
    let (width, height) = (picture.width(), picture.height());
    let mut source = Source::new(picture);
    let _ = tone::card_in(&mut source, &GATES.card);
    for (angle, points) in [
        (View::Front, None),
        (View::Close, Some(FacePoints { anchors: ruler(20.0), nose: [0.0, 0.0] })),
    ] {
        let view = REGIONS.view(angle).expect("the file describes it");
        let points = points.unwrap_or_else(|| view.guided(width, height));
        let Ok(pose) = view.pose(points.anchors, width, height) else { continue };
        let shot = Shot { view, pose, points, nose_is_set: true };
        let rule = &GATES.occlusion;
        let no_skin = NoSkin { darker: rule.darker, brighter: rule.brighter, colour: rule.colour };
        let seen = seen::see(&mut source, &shot, no_skin);
        for failed in quality::judge(&GATES, &seen) {
            assert!(!failed.complaint.remedy().zh.is_empty());
        }
    }
});
