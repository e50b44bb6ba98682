//! What the gates say of pictures that nobody of this project made, as `../shared/data/README.md` describes them: contact
//! dermoscopes (colour cast, vignette, hair, no face), portraits (a face, its scale, unlike pictures refused), and people in a
//! room (no framed face; how much of their skin is taken for skin). Nothing is fitted on them but bounds that stand in the
//! numbers' own `source`.

use super::{GATES, Looked, against, guided, look, no_skin, root};
use skinlink::{
    analysis::{
        picture::Plane,
        quality::Complaint,
        regions::{Mask, Proposal, ruler},
    },
    domain::capture::{FacePoints, View},
};
use skinlink_fake_camera::Shot;
use skinlink_pixels::{colour, look};
use std::{fs, path::PathBuf};

fn pictures() -> Option<PathBuf> {
    let near = root().join("../shared/data/images");
    let data = if near.exists() { near } else { root().join("../../shared/data/images") };
    if !data.exists() {
        super::skipped::skipped("the pictures of ../shared/data are not on this machine");
        return None;
    }
    Some(data)
}

fn has(looked: &Looked, complaint: Complaint) -> bool {
    looked.complaints().contains(&complaint)
}

#[test]
fn dermoscope_pictures_are_no_faces_and_as_scopes_show_cast_vignette_and_hair() {
    let Some(folder) = pictures() else { return };
    // As their README has it: all with a cast; one with a dark rim; one with a hair.
    for (name, vignette, hair) in
        [("ISIC_0000000", false, false), ("ISIC_0000007", true, false), ("ISIC_0000024", false, true)]
    {
        let bytes = fs::read(folder.join("dermoscope").join(format!("{name}.jpg"))).unwrap();
        let face = guided(&bytes, View::Front);
        println!("{name} as a face: {:?} {:?}", face.complaints(), face.seen.eyes);
        assert!(has(&face, Complaint::NoFace), "{name}: {:?}", face.seen.eyes);
        assert!(has(&face, Complaint::ColourCast), "{name}: {:?}", face.seen.tint());
        let anchors = ruler(10.0);
        let scope = look(&bytes, View::Close, FacePoints { anchors, nose: anchors[0] }, false);
        println!("{name} as a scope: {:?} {:?}", scope.complaints(), scope.seen.field);
        assert!(has(&scope, Complaint::ColourCast), "{name}: {:?}", scope.seen.tint());
        assert_eq!(has(&scope, Complaint::Vignette), vignette, "{name}: {:?}", scope.seen.field);
        assert_eq!(has(&scope, Complaint::Hair), hair, "{name}: {:?}", scope.seen.field);
    }
}

/// Pupils and nose as anyone sees them.
type Portrait = (&'static str, [[f64; 2]; 2], [f64; 2]);

const PORTRAITS: &[Portrait] = &[
    ("obama-240p", [[207.0, 47.0], [236.0, 47.0]], [223.0, 61.0]),
    ("obama-480p", [[414.0, 94.0], [470.0, 93.0]], [444.0, 121.0]),
    ("obama", [[432.0, 212.0], [549.0, 210.0]], [487.0, 282.0]),
    ("obama2", [[246.0, 375.0], [377.0, 385.0]], [285.0, 454.0]),
    ("biden", [[521.0, 318.0], [652.0, 328.0]], [603.0, 406.0]),
    ("obama_partial_face", [[22.0, 207.0], [129.0, 213.0]], [62.0, 274.0]),
];

fn portrait(folder: &std::path::Path, at: usize) -> Looked {
    let (name, anchors, nose) = PORTRAITS[at];
    let bytes = fs::read(folder.join("portraits").join(format!("{name}.jpg"))).unwrap();
    look(&bytes, View::Front, FacePoints { anchors, nose }, true)
}

#[test]
fn portraits_are_faces_but_too_far_away_and_without_points_no_face_fills_the_guide() {
    let Some(folder) = pictures() else { return };
    for (at, (name, ..)) in PORTRAITS.iter().enumerate() {
        let tapped = portrait(&folder, at);
        println!("{name}: {:?} {:?} at {:.2} px/mm", tapped.complaints(), tapped.seen.eyes, tapped.seen.px_per_mm);
        assert!(!has(&tapped, Complaint::NoFace), "{name}: {:?}", tapped.seen.eyes);
        assert!(has(&tapped, Complaint::TooCoarse) && has(&tapped, Complaint::TooSmall), "{name}");
        let bytes = fs::read(folder.join("portraits").join(format!("{name}.jpg"))).unwrap();
        let untapped = guided(&bytes, View::Front);
        assert!(has(&untapped, Complaint::NoFace), "{name}: {:?}", untapped.seen.eyes);
    }
}

/// The same photograph at two sizes is alike; another day, another person, half a face are not. None of the pairs has a pore
/// verdict anyway: all are too coarse.
#[test]
fn unlike_portraits_do_not_match() {
    let Some(folder) = pictures() else { return };
    let mut seen: Vec<Looked> = (0..PORTRAITS.len()).map(|at| portrait(&folder, at)).collect();
    for (first, second) in [(2, 3), (2, 4), (3, 4), (2, 5), (3, 5), (4, 5), (1, 3), (1, 4)] {
        let (low, high) = seen.split_at_mut(second);
        let (found, complaints) = against(&mut low[first], &mut high[0]);
        println!("{} and {}: {complaints:?} {found:?}", PORTRAITS[first].0, PORTRAITS[second].0);
        // The partial face is a part of the very same photograph: what it shows matches.
        if (first, second) != (2, 5) {
            assert!(complaints.contains(&Complaint::NotMatched), "{} {}", PORTRAITS[first].0, PORTRAITS[second].0);
        }
    }
}

#[test]
fn people_in_a_room_are_no_framed_face_and_their_skin_has_no_skins_colour() {
    let Some(folder) = pictures() else { return };
    for name in ["000335", "000340"] {
        let bytes = fs::read(folder.join("skin-mask").join(format!("{name}.image.png"))).unwrap();
        let seen = guided(&bytes, View::Front);
        println!("{name}: {:?} {:?}", seen.complaints(), seen.seen.eyes);
        assert!(has(&seen, Complaint::NoFace), "{name}: {:?}", seen.seen.eyes);
        assert!(has(&seen, Complaint::TooSmall), "{name}");
        let ([skin, clothes], median) = overlap(&folder, name);
        let lab = colour::lab_of(median);
        println!(
            "{name}: {skin:.2} of the labelled skin is taken for skin, {clothes:.2} of the labelled clothes; hue {:.0}",
            colour::hue(lab)
        );
        // Backlit skin is grey like the shirt: no colour can tell them apart, and the cast gate says that the light is at fault.
        assert!(skin > 0.6, "{name}: {skin}");
        let cast = &GATES.cast;
        assert!(
            !(cast.hue[0]..=cast.hue[1]).contains(&colour::hue(lab)) || colour::chroma(lab) < cast.chroma,
            "{name}: {lab:?}"
        );
    }
}

/// Shares of the labelled skin (1) and clothes (2) that the occlusion gate takes for skin, by the labelled skin's own median.
fn overlap(folder: &std::path::Path, name: &str) -> ([f64; 2], [f64; 3]) {
    let open = |kind: &str| image::open(folder.join("skin-mask").join(format!("{name}.{kind}.png"))).unwrap();
    let picture = open("image").into_rgb8();
    // The mask's palette index is its label; decoded, labels 1 and 2 have their palette's colours.
    let mask = open("mask").into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut planes = [(); 3].map(|()| Plane::filled(width, height, 0.0));
    for (at, pixel) in picture.pixels().enumerate() {
        for (plane, value) in planes.iter_mut().zip(pixel.0) {
            plane.values[at] = f32::from(value);
        }
    }
    let labelled = |colour: [u8; 3]| Mask { width, height, inside: mask.pixels().map(|p| p.0 == colour).collect() };
    let skin = labelled(SKIN);
    let median = look::look(&planes, &skin).expect("labelled skin").median;
    ([skin, labelled(CLOTHES)].map(|mask| 1.0 - look::no_skin(&planes, &mask, median, no_skin())), median)
}

const SKIN: [u8; 3] = [128, 0, 0];
const CLOTHES: [u8; 3] = [0, 128, 0];

/// A face at half the size of its before is told, whatever else is alike.
#[test]
fn half_the_size_is_told() {
    for person in super::people(&[View::Front]).iter().take(1) {
        let full = Shot { blur: 0.4, noise: 1.0, ..Shot::STILL };
        let mut before = person.taken(&full, 92);
        let mut after = person.taken(&Shot { size: 0.5, ..full }, 92);
        let (found, complaints) = against(&mut before, &mut after);
        assert!(complaints.contains(&Complaint::ScaleDiffers), "{complaints:?} {found:?}");
        assert!(has(&after, Complaint::TooCoarse), "{:?}", after.complaints());
    }
}

/// What a common detector proposes for these pictures (five points, confidence): accepted where there is a face, and only there.
#[test]
fn a_detectors_proposal_counts_where_it_is_confident_and_plausible() {
    let front = super::view(View::Front);
    let partial = [[22.0, 207.0], [129.0, 213.0], [62.0, 274.0], [19.0, 325.0], [112.0, 330.0]];
    for (five, confidence, size, accepted) in [
        ([[432.0, 212.0], [549.0, 210.0], [487.0, 282.0], [439.0, 326.0], [544.0, 324.0]], 0.943, (910, 1137), true),
        ([[521.0, 318.0], [652.0, 328.0], [603.0, 406.0], [520.0, 461.0], [628.0, 470.0]], 0.923, (970, 2204), true),
        (partial, 0.936, (491, 1137), true),
        // A dermoscope and a room: the detector itself is in doubt.
        ([[438.0, 479.0], [498.0, 491.0], [444.0, 533.0], [439.0, 552.0], [480.0, 562.0]], 0.243, (1022, 767), false),
        ([[8.0, 260.0], [20.0, 260.0], [11.0, 270.0], [9.0, 283.0], [19.0, 283.0]], 0.13, (512, 512), false),
        // Confident, but no face: eyes crosswise, the nose above them, both eyes at one place.
        ([[549.0, 210.0], [432.0, 212.0], [487.0, 282.0], [0.0; 2], [0.0; 2]], 0.99, (910, 1137), false),
        ([[432.0, 212.0], [549.0, 210.0], [487.0, 100.0], [0.0; 2], [0.0; 2]], 0.99, (910, 1137), false),
        ([[432.0, 212.0], [440.0, 212.0], [487.0, 282.0], [0.0; 2], [0.0; 2]], 0.99, (910, 1137), false),
    ] {
        let found = front.accept(&Proposal::from_five(five, confidence), size.0, size.1);
        assert_eq!(found.is_some(), accepted, "{five:?} {confidence}");
    }
    let side = super::view(View::Left);
    assert_eq!(
        side.accept(&Proposal::from_five(partial, 0.99), 491, 1137),
        None,
        "five points do not show a profile's anchors"
    );
}
