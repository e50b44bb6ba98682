//! An after picture against its before: alike passes and takes the points over, unlike is told.

use super::{Person, against, long, people};
use skinlink::{analysis::quality::Complaint, domain::capture::View};
use skinlink_fake_camera::Shot;

fn still() -> Shot {
    Shot { blur: 0.5, noise: 1.2, seed: 5, ..Shot::STILL }
}

/// Pairs as the guide asks: at most 5 in 100 are told anything, and the points land where the face is.
#[test]
fn pairs_taken_alike_pass_and_hand_their_points_on() {
    let people = people(&[View::Front, View::Left, View::Right]);
    let each = if long() { 200 / people.len() + 1 } else { 2 };
    let mut random = fastrand::Rng::with_seed(77_001);
    let (mut all, mut good, mut worst) = (0, 0, 0.0_f64);
    for person in &people {
        for _ in 0..each {
            let (first, second) = (Shot::hand_held(&mut random), Shot::hand_held(&mut random));
            let mut before = person.taken(&first, random.u8(85..=95));
            let mut after = person.taken(&second, random.u8(85..=95));
            let truth = after.points;
            // Nobody taps the after picture: it is looked at as the guide has it.
            after.points = super::view(person.view).guided(after.seen.width, after.seen.height);
            let (found, complaints) = against(&mut before, &mut after);
            all += 1;
            good += usize::from(complaints.is_empty());
            if !complaints.is_empty() {
                println!("{} {}: {complaints:?} {found:?}", person.name, person.view);
            }
            if let Some(points) = found.points {
                for (found, truth) in
                    points.anchors.iter().chain([&points.nose]).zip(truth.anchors.iter().chain([&truth.nose]))
                {
                    worst = worst.max((found[0] - truth[0]).hypot(found[1] - truth[1]));
                }
            }
        }
    }
    println!("{good} of {all} pairs pass; points carried over are at most {worst:.1} px off");
    assert!(good * 100 >= all * 95, "{good} of {all}");
    assert!(worst < 13.0, "a millimetre: {worst:.1} px");
}

type Change = (&'static str, Complaint, fn(&mut Shot));

const CHANGES: &[Change] = &[
    ("60 % more light", Complaint::LightDiffers, |shot| shot.gain = 0.55),
    ("light from one side", Complaint::LightDiffers, |shot| shot.right = 0.6),
    ("out of focus", Complaint::SharpnessDiffers, |shot| shot.blur = 2.2),
    ("nearer", Complaint::ScaleDiffers, |shot| shot.size = 1.32),
    ("farther", Complaint::ScaleDiffers, |shot| shot.size = 0.72),
    ("turned", Complaint::PoseDiffers, |shot| shot.degrees = 11.0),
];

#[test]
fn what_changed_between_the_pictures_is_told() {
    for person in people(&[View::Front]) {
        let mut before = person.taken(&still(), 92);
        for (name, complaint, change) in CHANGES {
            let mut shot = Shot { seed: 6, ..still() };
            change(&mut shot);
            let (found, complaints) = against(&mut before, &mut person.taken(&shot, 92));
            println!("{}: {name}: {complaints:?} {found:?}", person.name);
            assert!(complaints.contains(complaint), "{}: {name}: {complaints:?} {found:?}", person.name);
        }
    }
}

/// Another skin under the same pose is not the same face.
#[test]
fn another_face_does_not_match() {
    let here = people(&[View::Left]);
    let there = people(&[View::Right]);
    let mut before = here[0].taken(&still(), 92);
    // The other side of the face, mirrored by its own points: skin of the same tone, other pores.
    let other =
        Person { name: "other".into(), view: View::Right, scene: there[0].scene.clone(), points: there[0].points };
    let mut after = other.taken(&still(), 92);
    after.view = View::Left;
    after.points.anchors = here[0].points.anchors;
    let (_, complaints) = against(&mut before, &mut after);
    assert!(complaints.contains(&Complaint::NotMatched), "{complaints:?}");
}
