//! How far registration lies from the truth, which the simulated photographs know; its own residual is not asked.

use crate::{
    scenes::{self, PEOPLE, Person, Scene, Variant},
    shots::{Anchors, Opened, Shot, shoot},
    table::{self, Share, interval_over, quantile, trials},
};
use skinlink::analysis::{
    register::{self, PX_PER_MM, Registered},
    retake::{CARELESS, HANDHELD, Manner, RIG},
};

/// Distances from the truth over all registered regions of one pair, pixels of 13 px/mm, and how many regions were refused.
struct Trial {
    off: Vec<f64>,
    affine_off: Vec<f64>,
    refused: Share,
    pose_errors: Option<String>,
    /// The poorest half of any region, as the share of its patches found again.
    least_half: f64,
}

fn people() -> Vec<Person> {
    let mut people = if table::is_long() { scenes::rendered(PEOPLE) } else { vec![scenes::of_the_demo()] };
    people.extend(scenes::annotated("registration"));
    people
}

fn register_pair(scene: &Scene, before: &Shot, after: &Shot) -> Trial {
    let (mut first, mut second) = (Opened::of(scene, before), Opened::of(scene, after));
    let (before_pose, after_pose) = (first.pose, second.pose);
    let regions = scene.polygons();
    let polygons: Vec<_> = regions.iter().map(|(_, polygon)| polygon.clone()).collect();
    let coarse = register::coarse(&mut first.face(), &mut second.face(), &polygons);
    let mut trial = Trial {
        off: Vec::new(),
        affine_off: Vec::new(),
        refused: Share::default(),
        pose_errors: None,
        least_half: 1.0,
    };
    for (region, polygon) in &regions {
        let found = register::region(&mut first.face(), &mut second.face(), polygon, &coarse);
        trial.refused.add(found.is_err());
        match found {
            Err(refusal) => trial.pose_errors = Some(format!("{} {region}: {refusal}", scene.name)),
            Ok(found) => {
                trial.least_half = trial.least_half.min(found.half_share);
                for mm in inside(polygon) {
                    let true_place = after.way.onto(before.way.back(before_pose.to_picture.apply(mm)));
                    let off = |place: [f64; 2]| {
                        let [x, y] = after_pose.to_picture.apply(place);
                        (x - true_place[0]).hypot(y - true_place[1]) / after_pose.px_per_mm * PX_PER_MM
                    };
                    trial.off.push(off(Registered::to_after_mm(&found, mm)));
                    trial.affine_off.push(off(found.affine().apply(mm)));
                }
            }
        }
    }
    trial
}

/// Places 1.5 mm apart in a polygon.
fn inside(polygon: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let grid = skinlink::analysis::regions::Grid::around(polygon, 1.0 / 1.5, 0, 1);
    let mask = grid.mask(polygon, &[]);
    let places = (0..grid.width * grid.height).map(|at| (at % grid.width, at / grid.width));
    places.filter(|(x, y)| mask.at(*x, *y)).map(|(x, y)| grid.to_mm().apply([x as f64, y as f64])).collect()
}

/// Median and 95th percentile over all places of all pairs, and the share of regions refused.
fn campaign(people: &[Person], manners: [Manner; 2], bend_px: f64, pairs: u32, which: u64) -> (f64, f64, Share) {
    let seed = table::seed() ^ (which << 40);
    let mut random = fastrand::Rng::with_seed(seed);
    let scenes: Vec<&Scene> = people.iter().flat_map(|person| &person.scenes).collect();
    let (mut all, mut affine, mut refused, mut least_half) = (Vec::new(), Vec::new(), Share::default(), 1.0_f64);
    for at in 0..pairs {
        // Every other pair without good anchors: the second photograph's are those of the guide.
        let anchors = if at % 2 == 0 { Anchors::Tapped } else { Anchors::OfTheGuide };
        let scene = scenes[(at / 2) as usize % scenes.len()];
        let before = shoot(scene, Variant::AsIs, manners[0], 0.0, Anchors::Tapped, &mut random);
        let after = shoot(scene, Variant::AsIs, manners[1], bend_px, anchors, &mut random);
        let trial = register_pair(scene, &before, &after);
        if let Some(why) = trial.pose_errors {
            println!("  pair {at}: {why}");
        }
        least_half = trial.least_half.min(least_half);
        refused.hits += trial.refused.hits;
        refused.of += trial.refused.of;
        if !trial.off.is_empty() {
            all.push(trial.off);
            affine.push(trial.affine_off);
        }
    }
    let mut pooled: Vec<f64> = all.iter().flatten().copied().collect();
    let (median, p95) = (quantile(&mut pooled, 0.5), quantile(&mut pooled, 0.95));
    let [m_low, m_high] = interval_over(&all, 0.5, seed);
    let [p_low, p_high] = interval_over(&all, 0.95, seed);
    let mut worst: Vec<f64> = all.iter().map(|off| quantile(&mut off.clone(), 0.5)).collect();
    let affine_median = quantile(&mut affine.concat(), 0.5);
    println!(
        "{} onto {}, bend {bend_px} px, {pairs} pairs, seed {seed}: median {median:.2} ({m_low:.2} to {m_high:.2}), \
         p95 {p95:.2} ({p_low:.2} to {p_high:.2}) px; worst pair's median {:.2}; affine alone {affine_median:.2}; poorest half {least_half:.2}; regions refused {refused}",
        manners[1].name,
        manners[0].name,
        quantile(&mut worst, 1.0),
    );
    (median, p95, refused)
}

#[test]
fn a_rigid_pair_lies_within_half_a_pixel_of_the_truth() {
    let people = people();
    for (which, manners) in [(1, [RIG, RIG]), (2, [HANDHELD, HANDHELD]), (3, [RIG, CARELESS])] {
        let (median, p95, refused) = campaign(&people, manners, 0.0, trials(4, 52), which);
        assert!(median <= 0.4 && p95 <= 0.8, "{median} / {p95}");
        assert!(refused.is_at_most(0.05), "{refused}");
    }
}

#[test]
fn the_local_step_follows_an_expression() {
    let people = people();
    for (which, manners) in [(4, [HANDHELD, HANDHELD]), (5, [RIG, CARELESS])] {
        let (median, _, refused) = campaign(&people, manners, 3.0, trials(4, 52), which);
        assert!(median <= 1.0, "{median}");
        // Chins and cheeks were refused, or their corners thrown off, while a map through a part of them was followed. A face that smiles
        // is not what the guide asks for: it may be refused twice as often as one that keeps still.
        assert!(refused.is_at_most(0.10), "{refused}");
    }
}
