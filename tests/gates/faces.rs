//! Drawn faces: good pictures pass, each planted fault turns its own gate as it grows.

use super::{Looked, Person, long, look, people};
use skinlink::{
    analysis::quality::Complaint,
    domain::capture::{FacePoints, View},
};
use skinlink_fake_camera::Shot;
use std::collections::BTreeMap;

/// Hand-held pictures as the guide asks: 95 in 100 pass every gate. The seeds are none of those the numbers were chosen on.
#[test]
fn good_pictures_pass() {
    let views = [View::Front, View::Left, View::Right];
    let people = people(&views);
    let each = if long() { 200 / people.len() + 1 } else { 4 };
    let mut random = fastrand::Rng::with_seed(2026);
    let (mut all, mut good) = (0, 0);
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for person in &people {
        for _ in 0..each {
            let shot = Shot::hand_held(&mut random);
            let seen = person.taken(&shot, random.u8(85..=95));
            all += 1;
            good += usize::from(seen.failed.is_empty());
            for failed in &seen.failed {
                *reasons.entry(failed.complaint.to_string()).or_default() += 1;
                println!("{} {}: {failed:?} {shot:?}", person.name, person.view);
            }
        }
    }
    println!("{good} of {all} hand-held pictures pass all gates; {reasons:?}");
    assert!(good * 100 >= all * 95, "{good} of {all}: {reasons:?}");
}

/// One fault, by strength.
struct Fault {
    name: &'static str,
    gate: Complaint,
    strengths: &'static [f64],
    plant: fn(&Person, f64) -> Looked,
}

fn with(person: &Person, change: impl Fn(&mut Shot)) -> Looked {
    let mut shot = Shot { blur: 0.4, noise: 1.0, seed: 77, ..Shot::STILL };
    change(&mut shot);
    person.taken(&shot, 92)
}

/// A sheet over the upper part of the forehead, wider by the strength.
fn covered(person: &Person, strength: f64, light: [f64; 3]) -> Looked {
    let [a, b] = person.points.anchors;
    let unit = (b[0] - a[0]).hypot(b[1] - a[1]);
    let middle = [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
    let mut scene = person.scene.clone();
    let corner = [middle[0] - 0.75 * unit, middle[1] - 1.0 * unit];
    scene.paint(corner, [1.5 * unit * strength, 0.6 * unit], 0.0, light);
    let person = Person { name: person.name.clone(), scene, ..*person };
    with(&person, |_| {})
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "blur, px",
        gate: Complaint::Blurred,
        strengths: &[0.3, 0.9, 1.5, 2.0, 3.0, 4.0],
        plant: |p, s| with(p, |shot| shot.blur = s),
    },
    Fault {
        name: "noise, grey levels",
        gate: Complaint::Noisy,
        strengths: &[0.5, 2.0, 4.0, 7.0, 10.0, 16.0],
        plant: |p, s| with(p, |shot| shot.noise = s),
    },
    Fault {
        name: "light, share",
        gate: Complaint::Dark,
        strengths: &[1.0, 0.5, 0.25, 0.1, 0.04, 0.015],
        plant: |p, s| with(p, |shot| shot.gain = s),
    },
    Fault {
        name: "light, multiple",
        gate: Complaint::Clipped,
        strengths: &[1.0, 1.2, 1.5, 2.0, 3.0],
        plant: |p, s| with(p, |shot| shot.gain = s),
    },
    Fault {
        name: "light, multiple",
        gate: Complaint::Bright,
        strengths: &[1.0, 1.5, 2.0, 3.0, 5.0],
        plant: |p, s| with(p, |shot| shot.gain = s),
    },
    Fault {
        name: "blue lamp",
        gate: Complaint::ColourCast,
        strengths: &[0.0, 0.1, 0.2, 0.4, 0.6],
        plant: |p, s| with(p, |shot| shot.tint = [1.0 - s, 1.0, 1.0 + s]),
    },
    Fault {
        name: "green lamp",
        gate: Complaint::ColourCast,
        strengths: &[0.0, 0.1, 0.2, 0.4, 0.6],
        plant: |p, s| with(p, |shot| shot.tint = [1.0 - s, 1.0, 1.0 - s]),
    },
    Fault {
        name: "red lamp",
        gate: Complaint::ColourCast,
        strengths: &[0.0, 0.1, 0.2, 0.4, 0.6],
        plant: |p, s| with(p, |shot| shot.tint = [1.0, 1.0 - s, 1.0 - s / 2.0]),
    },
    Fault {
        name: "light on the right, share",
        gate: Complaint::Shadow,
        strengths: &[1.0, 0.85, 0.7, 0.5, 0.3],
        plant: |p, s| with(p, |shot| shot.right = s),
    },
    Fault {
        name: "size, share",
        gate: Complaint::Coarse,
        strengths: &[1.0, 0.95, 0.84, 0.75],
        plant: |p, s| with(p, |shot| shot.size = s),
    },
    Fault {
        name: "size, share",
        gate: Complaint::TooCoarse,
        strengths: &[1.0, 0.8, 0.65, 0.6, 0.4],
        plant: |p, s| with(p, |shot| shot.size = s),
    },
    Fault {
        name: "turn, degrees",
        gate: Complaint::Turned,
        strengths: &[0.0, 5.0, 10.0, 16.0, 25.0],
        plant: |p, s| with(p, |shot| shot.degrees = s),
    },
    Fault {
        name: "black hair over the forehead, share",
        gate: Complaint::Occluded,
        strengths: &[0.0, 0.05, 0.25, 0.5, 0.9],
        plant: |p, s| covered(p, s, [0.012, 0.008, 0.006]),
    },
    Fault {
        name: "brown hair over the forehead, share",
        gate: Complaint::Occluded,
        strengths: &[0.0, 0.05, 0.25, 0.5, 0.9],
        plant: |p, s| covered(p, s, [0.05, 0.026, 0.013]),
    },
    Fault {
        name: "blue cloth over the forehead, share",
        gate: Complaint::Occluded,
        strengths: &[0.0, 0.05, 0.25, 0.5, 0.9],
        plant: |p, s| covered(p, s, [0.25, 0.35, 0.5]),
    },
    Fault {
        name: "shift down, px",
        gate: Complaint::OutsideFrame,
        strengths: &[0.0, 60.0, 300.0, 700.0],
        plant: |p, s| with(p, |shot| shot.shift = [0.0, s]),
    },
];

/// Each fault grows: its gate is quiet at first, turns, and stays turned. At the weakest strength no gate speaks at all.
#[test]
fn every_planted_fault_turns_its_gate() {
    let people = people(&[View::Front]);
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let (mut quiet, mut turned) = (Vec::new(), Vec::new());
        for person in &people {
            // In the short form the weakest and the two strongest.
            let all = fault.strengths.len();
            let chosen = fault.strengths.iter().enumerate().filter(|(at, _)| long() || *at == 0 || at + 2 >= all);
            let strengths: Vec<f64> = chosen.map(|(_, strength)| *strength).collect();
            let told: Vec<bool> = strengths
                .iter()
                .map(|strength| {
                    let seen = (fault.plant)(person, *strength);
                    let complaints = seen.complaints();
                    if *strength == strengths[0] && !complaints.is_empty() {
                        wrong.push(format!("{} {}: at {strength} {:?}", person.name, fault.name, seen.failed));
                    }
                    complaints.contains(&fault.gate)
                })
                .collect();
            let first = told.iter().position(|told| *told);
            let stays = first.is_some_and(|at| told[at..].iter().all(|told| *told));
            let gives_way = fault.gate == Complaint::Coarse;
            if first.is_none() || !(stays || gives_way) {
                wrong.push(format!("{} {}: {} told {told:?}", person.name, fault.name, fault.gate));
            }
            if let Some(at) = first {
                quiet.push(strengths[at.saturating_sub(1)]);
                turned.push(strengths[at]);
            }
        }
        println!("{:<40} {:<14} quiet at {quiet:?}, told from {turned:?}", fault.name, fault.gate.as_str());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The nose stands beside the middle when the head is turned; one eye covered is no framed face.
#[test]
fn a_turned_head_and_a_covered_eye_are_told() {
    for person in people(&[View::Front]) {
        let [a, b] = person.points.anchors;
        let unit = (b[0] - a[0]).hypot(b[1] - a[1]);
        let bytes = super::jpeg(&person.scene, &person.scene.taken(&Shot::STILL), 92);
        for (aside, told) in [(0.0, false), (0.08, false), (0.22, true), (-0.28, true)] {
            let nose = [person.points.nose[0] + aside * unit, person.points.nose[1]];
            let seen = look(&bytes, View::Front, FacePoints { nose, ..person.points }, true);
            assert_eq!(
                seen.complaints().contains(&Complaint::Turned),
                told,
                "{}: {aside}: {:?}",
                person.name,
                seen.failed
            );
        }
        let mut scene = person.scene.clone();
        scene.paint([a[0] - 0.45 * unit, a[1] - 0.4 * unit], [0.9 * unit, 0.65 * unit], 0.0, [0.55, 0.36, 0.27]);
        let covered = Person { name: person.name.clone(), scene, ..person };
        let seen = with(&covered, |_| {});
        assert!(seen.complaints().contains(&Complaint::NoFace), "{}: {:?}", covered.name, seen.seen.eyes);
    }
}
