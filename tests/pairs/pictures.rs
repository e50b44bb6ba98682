//! The pictures a report shows of a pair, laid under target/pairs-pictures to be looked at.

use crate::{
    bench::{Bench, model},
    inference::root,
    scenes::{self, PEOPLE, Variant},
    shots::{Anchors, shoot},
    table,
};
use skinlink::analysis::{job::PictureKind, retake::HANDHELD};
use std::fs;

/// Nothing was done to redness: where colours compare, its picture must be as good as grey.
#[test]
fn a_pair_gives_pictures_to_look_at() {
    let out = root().join("target/pairs-pictures");
    fs::create_dir_all(&out).expect("room for a folder");
    let people = if table::is_long() { scenes::rendered(PEOPLE) } else { vec![scenes::of_the_demo()] };
    let person = &people[0];
    let mut bench = Bench::new(&person.regions, &model());
    let mut random = fastrand::Rng::with_seed(table::seed() + 3);
    for scene in person.scenes.iter().take(if table::is_long() { 3 } else { 1 }) {
        for variant in [Variant::AsIs, Variant::Removed10, Variant::Faded25] {
            if !scene.has(variant) {
                continue;
            }
            let before = shoot(scene, Variant::AsIs, HANDHELD, 0.0, Anchors::Tapped, &mut random);
            let after = shoot(scene, variant, HANDHELD, 2.0, Anchors::Tapped, &mut random);
            let pictures = bench.pictures(scene.view.view, &before, &after);
            assert_eq!(pictures.len(), 6, "two to lay over each other, one even, two metrics, redness");
            for (of, bytes) in &pictures {
                let what = of.metric.clone().unwrap_or_else(|| format!("{:?}", of.kind));
                let name = format!("{}-{variant:?}-{what}.jpg", scene.view.view);
                fs::write(out.join(&name), bytes).expect("room for a picture");
                if of.kind == PictureKind::Redness {
                    let picture = image::load_from_memory(bytes).expect("a JPEG").into_rgb8();
                    let tinted = picture.pixels().filter(|p| p.0[0].abs_diff(p.0[2]) > 40).count();
                    let share = tinted as f64 / f64::from(picture.width() * picture.height());
                    assert!(share < 0.01, "{name}: {share:.3} of the picture is tinted, nothing reddened");
                }
            }
        }
    }
}
