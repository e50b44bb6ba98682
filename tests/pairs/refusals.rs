//! What does not belong together is refused: another person, another day, a part of a face, half the size.

use crate::{
    bench::{self, Bench},
    scenes::{self, PEOPLE, Person, Scene, Variant, decode},
    shots::{Anchors, Opened, Shot, shoot},
    table::{self, Share, trials},
};
use skinlink::analysis::{
    picture::Picture,
    register,
    retake::{HANDHELD, Retake, jpeg},
};
use skinlink::domain::capture::View;
use skinlink_pixels::{
    affine::Affine,
    sample::{Colour, Source},
};

/// Regions that were registered although they must not be.
fn taken_for_the_same(scene: &Scene, before: &Shot, after: &Shot) -> Share {
    let (mut first, mut second) = (Opened::of(scene, before), Opened::of(scene, after));
    let regions = scene.polygons();
    let polygons: Vec<_> = regions.iter().map(|(_, polygon)| polygon.clone()).collect();
    let coarse = register::coarse(&mut first.face(), &mut second.face(), &polygons);
    let mut share = Share::default();
    for polygon in &polygons {
        share.add(register::region(&mut first.face(), &mut second.face(), polygon, &coarse).is_ok());
    }
    share
}

fn count(what: &str, share: Share) {
    println!("{what}: registered all the same {share}");
    assert_eq!(share.hits, 0, "{what}: {share}");
}

fn add(to: &mut Share, more: Share) {
    to.hits += more.hits;
    to.of += more.of;
}

/// People of the same paint but with skin of their own: the hardest strangers, since their outlines agree.
#[test]
fn another_person_is_refused() {
    let people = if table::is_long() { scenes::rendered(PEOPLE) } else { Vec::new() };
    let demo = scenes::of_the_demo();
    let annotated = scenes::annotated("refusals");
    let mut random = fastrand::Rng::with_seed(table::seed());
    let mut share = Share::default();
    let everyone: Vec<&Person> = people.iter().chain([&demo]).collect();
    for _ in 0..trials(1, 3) {
        for (at, person) in everyone.iter().enumerate() {
            for other in everyone.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other) {
                for (scene, stranger) in person.scenes.iter().zip(&other.scenes) {
                    let before = shoot(scene, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
                    let after = shoot(stranger, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
                    add(&mut share, taken_for_the_same(scene, &before, &after));
                }
            }
        }
    }
    // The annotated face against a rendered one, anchors as they are.
    if let Some(real) = &annotated {
        let [left] = &real.scenes[..] else { panic!("one view") };
        for scene in &demo.scenes {
            let before = shoot(left, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
            let after = shoot(scene, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
            add(&mut share, taken_for_the_same(left, &before, &after));
        }
    }
    if share.of == 0 {
        assert!(scenes::shared().is_none(), "nobody was compared");
        crate::skipped::skipped("the short form's second face is in ../shared/data, which is not on this machine");
        return;
    }
    count("another person", share);
}

/// Half the size, with anchors that say so, and a part of the face.
#[test]
fn half_the_size_and_half_the_face_are_refused() {
    let people = if table::is_long() { scenes::rendered(PEOPLE) } else { vec![scenes::of_the_demo()] };
    let mut random = fastrand::Rng::with_seed(table::seed() + 1);
    let (mut smaller, mut partial) = (Share::default(), Share::default());
    for scene in people.iter().flat_map(|person| &person.scenes) {
        let before = shoot(scene, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
        let mut after = shoot(scene, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
        let whole = opened(&after);
        let half = resized(whole.clone(), 0.5);
        let small = Shot {
            bytes: jpeg(&half, 92),
            anchors: after.anchors.map(|p| p.map(|v| v / 2.0)),
            way: after.way.clone(),
            white: after.white,
        };
        add(&mut smaller, taken_for_the_same(scene, &before, &small));
        after.bytes = jpeg(&cut_off(&whole, scene, &after), 92);
        add(&mut partial, taken_for_the_same(scene, &before, &after));
        // The towel may as well lie in the first photograph.
        add(&mut partial, taken_for_the_same(scene, &after, &before));
    }
    count("half the size", smaller);
    count("half of every region under a towel", partial);
}

fn opened(shot: &Shot) -> Picture {
    let admitted = skinlink::analysis::door::admit(&shot.bytes).expect("a photograph");
    skinlink::analysis::picture::decode(&admitted).expect("pixels")
}

fn resized(picture: Picture, factor: f64) -> Picture {
    let size = |v: u32| (f64::from(v) * factor).round() as usize;
    let (width, height) = (size(picture.width()), size(picture.height()));
    let back = 1.0 / factor;
    // The middles of the pixels, not their corners, lie on whole numbers.
    let map = Affine { m: [back, 0.0, 0.0, back], t: [(back - 1.0) / 2.0; 2] };
    let planes = Source::new(picture).sample_affine(width, height, [back; 2], Colour::Rgb, &map);
    let rgb = (0..width * height).flat_map(|at| [0, 1, 2].map(|c: usize| (planes[c].values[at] + 0.5) as u8)).collect();
    Picture::new(width as u32, height as u32, rgb).expect("as many bytes")
}

/// The picture with a towel over the half of every region, as seen by its own anchors.
fn cut_off(picture: &Picture, scene: &Scene, shot: &Shot) -> Picture {
    let pose = scene.view.pose(shot.anchors, picture.width(), picture.height()).expect("sound anchors");
    let back = pose.to_picture.inverse().expect("no fold");
    let mut rgb = picture.rgb().to_vec();
    let regions = scene.polygons();
    let middles: Vec<(f64, [f64; 4])> = regions
        .iter()
        .map(|(_, polygon)| {
            let side =
                |axis: usize, pick: fn(f64, f64) -> f64| polygon.iter().map(|p| p[axis]).reduce(pick).unwrap_or(0.0);
            let sides = [side(0, f64::min), side(0, f64::max), side(1, f64::min), side(1, f64::max)];
            (f64::midpoint(sides[0], sides[1]), sides)
        })
        .collect();
    for (at, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let place = [(at % picture.width() as usize) as f64, (at / picture.width() as usize) as f64];
        let [x, y] = back.apply(place);
        if middles.iter().any(|(middle, [_, right, top, bottom])| {
            x > middle - 4.0 && x < right + 3.0 && y > top - 3.0 && y < bottom + 3.0
        }) {
            pixel.fill(200);
        }
    }
    Picture::new(picture.width(), picture.height(), rgb).expect("as many bytes")
}

/// Portraits of public figures, far too coarse for pores: the gate before registration refuses them all. Registration by
/// itself, without that gate, must refuse those that show another person or another day.
#[test]
fn portraits_that_do_not_belong_together_are_refused() {
    let Some(folder) = scenes::shared().map(|data| data.join("images/portraits")) else { return };
    let demo = scenes::of_the_demo();
    let front = demo.scenes.iter().find(|scene| scene.name.ends_with("front")).expect("a front view");
    let mut bench = Bench::new(&demo.regions, &bench::model());
    let mut random = fastrand::Rng::with_seed(table::seed() + 2);
    let mut take = |(name, eyes): Eyes| {
        let picture = decode(&folder.join(name));
        let beside = (eyes[1][0] - eyes[0][0]).hypot(eyes[1][1] - eyes[0][1]) * 0.03;
        let anchors = eyes.map(|eye| eye.map(|v: f64| v + beside * (2.0 * random.f64() - 1.0)));
        let way = Retake::STILL.way(picture.width(), picture.height());
        Shot { bytes: jpeg(&picture, 92), anchors, way, white: [0.9; 3] }
    };
    for (what, first, second, unlike) in PORTRAITS {
        let (mut alone, mut whole) = (Share::default(), Share::default());
        for _ in 0..trials(1, 10) {
            let (before, after) = (take(first), take(second));
            add(&mut alone, taken_for_the_same(front, &before, &after));
            for measure in bench.pair(View::Front, &before, &after) {
                whole.add(measure.refusal.is_none());
            }
        }
        count(what, whole);
        if unlike {
            count(&format!("{what}, by registration alone"), alone);
        } else {
            println!("{what}: the same photograph; registration alone registers {alone}");
        }
    }
}

/// A file and where the eyes are in it, by hand.
type Eyes = (&'static str, [[f64; 2]; 2]);

const ONE: Eyes = ("obama.jpg", [[436.0, 217.0], [562.0, 212.0]]);
const SMALL: Eyes = ("obama-480p.jpg", [[423.0, 96.0], [467.0, 94.5]]);
const OTHER_DAY: Eyes = ("obama2.jpg", [[248.0, 368.0], [374.0, 380.0]]);
const OTHER: Eyes = ("biden.jpg", [[510.0, 321.0], [640.0, 339.0]]);
const PARTIAL: Eyes = ("obama_partial_face.jpg", [[20.0, 213.0], [129.0, 210.0]]);

/// What, before, after, and whether they show different moments.
const PORTRAITS: [(&str, Eyes, Eyes, bool); 6] = [
    ("portraits, another person", ONE, OTHER, true),
    ("portraits, another person again", OTHER_DAY, OTHER, true),
    ("portraits, another day", ONE, OTHER_DAY, true),
    ("portraits, another day, backwards", OTHER_DAY, ONE, true),
    ("portraits, a third of the size", ONE, SMALL, false),
    ("portraits, a part of the face", ONE, PARTIAL, false),
];
