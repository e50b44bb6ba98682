//! Tone, redness and pigment: with a grey card corrected, without one refused, through comparison, report and events.

use super::{GATES, Looked, Person, look, people};
use skinlink::{
    analysis::{
        colour_repeats::{self, ColourRepeats},
        compare::{Question, Side, compare},
        tone::{self, Reference},
    },
    clock,
    domain::{
        CaptureId, Quantity, Region, ScanId, ScoreId,
        capture::{Capture, ColourReference, FacePoints, Format, Light, View},
        comparison::{Baseline, Refusal, Verdict},
        metric::{Direction, Label, Metric, MetricId},
        score::{Engine, Score},
    },
};
use skinlink_fake_camera::Shot;

/// What darker and lighter skin takes from the light, by optical density of melanin (0.45, 0.75, 1.10 in red, green and blue).
pub const MELANIN: [f64; 6] = [-0.12, 0.0, 0.25, 0.5, 0.9, 1.6];

pub fn behind(person: &Person, melanin: f64, card: bool) -> Person {
    let filter = [0.45, 0.75, 1.10].map(|share: f64| (-melanin * share).exp() * 0.8);
    let mut scene = person.scene.filtered(filter);
    if card {
        let side = scene.width as f64 / 16.0;
        let corner = [0.025 * scene.width as f64, scene.height as f64 - 1.7 * side];
        scene.paint([corner[0] - 10.0, corner[1] - 10.0], [3.0 * side + 20.0, side + 20.0], 0.0, [0.02; 3]);
        for (nth, reflectance) in [0.90, 0.18, 0.035].into_iter().enumerate() {
            let left = corner[0] + nth as f64 * side + 4.0;
            scene.paint([left, corner[1]], [side - 8.0, side], 0.0, [reflectance; 3]);
        }
    }
    Person { name: person.name.clone(), scene, ..*person }
}

/// Tone, redness and pigment of the forehead, as corrected by `reference`.
fn read(seen: &Looked, reference: &Reference) -> [f64; 3] {
    let forehead = seen.seen.regions.iter().find(|region| region.region == Region::Forehead).unwrap();
    tone::values(forehead.look.as_ref().unwrap().look.light, reference)
}

const BARE: Reference = Reference { kind: ColourReference::None, gains: [1.0; 3] };

fn shot(tint: [f64; 3], gain: f64) -> Shot {
    // Exposed so that the card's white is not burnt out.
    Shot { tint, gain: 0.82 * gain, blur: 0.4, noise: 1.0, seed: 9, ..Shot::STILL }
}

/// A camera's white balance is off by 5 % in red and blue, its exposure by 10 %. Without a card tone moves by up to a class; with
/// one it stays where it was.
#[test]
fn a_card_takes_out_what_the_cameras_white_balance_did() {
    let person = &people(&[View::Front])[0].halved();
    let mut red = [0.0_f64; 2];
    let (mut moved_bare, mut moved_held, mut classes_bare, mut classes_held) = (0.0_f64, 0.0_f64, 0, 0);
    for melanin in MELANIN {
        let skin = behind(person, melanin, true);
        let mut truth = skin.taken(&shot([1.0; 3], 1.0), 92);
        let (_, reference) = tone::card_in(&mut truth.source, &GATES.card).expect("a card is in view");
        let (true_bare, true_held) = (read(&truth, &BARE), read(&truth, &reference));
        for (tint, gain) in
            [([1.05, 1.0, 0.95], 1.0), ([0.95, 1.0, 1.05], 1.0), ([1.0; 3], 0.9), ([1.05, 1.0, 0.95], 1.08)]
        {
            let mut seen = skin.taken(&shot(tint, gain), 92);
            let (_, reference) = tone::card_in(&mut seen.source, &GATES.card).expect("a card is in view");
            let (bare, held) = (read(&seen, &BARE), read(&seen, &reference));
            println!(
                "melanin {melanin:+.2}, {tint:?} × {gain}: tone {:.1} → {:.1} without, {:.1} → {:.1} with a card; a* {:.2} → {:.2}, {:.2} → {:.2}",
                true_bare[0], bare[0], true_held[0], held[0], true_bare[1], bare[1], true_held[1], held[1]
            );
            moved_bare = moved_bare.max((bare[0] - true_bare[0]).abs());
            moved_held = moved_held.max((held[0] - true_held[0]).abs());
            classes_bare += usize::from(tone::class(bare[0]) != tone::class(true_bare[0]));
            classes_held += usize::from(tone::class(held[0]) != tone::class(true_held[0]));
            red = [red[0].max((bare[1] - true_bare[1]).abs()), red[1].max((held[1] - true_held[1]).abs())];
        }
    }
    println!(
        "tone moved by up to {moved_bare:.1} degrees without a card ({classes_bare} of 24 into another class), \
         by {moved_held:.1} with one ({classes_held} of 24); a* by {:.2} and {:.2}",
        red[0], red[1]
    );
    // What is left is the grain of the JPEG's colours on the card: one per cent of red is half an a*.
    assert!(red[1] < 1.0 && red[1] < red[0], "a* {red:?}");
    assert!(moved_bare > 3.0 && classes_bare > 0, "the planted error must matter: {moved_bare} {classes_bare}");
    assert!(moved_held < 1.5 && classes_held == 0, "{moved_held} {classes_held}");
}

/// No card, no reference: a face with a white band, grey backdrop and dark hair holds nothing that passes for one.
#[test]
fn a_face_without_a_card_has_no_reference() {
    for person in people(&[View::Front, View::Left, View::Right]) {
        let mut seen = person.taken(&shot([1.0; 3], 1.0), 92);
        assert!(tone::card_in(&mut seen.source, &GATES.card).is_none(), "{} {}", person.name, person.view);
    }
}

#[test]
fn the_renderers_card_is_found_and_says_what_the_light_was() {
    let folder = super::root().join("target/gate-card");
    if !folder.join("planted.json").exists() {
        assert!(!super::long(), "run `make gates`, which renders it");
        super::skipped::skipped("`make gates` renders the faces with a card");
        return;
    }
    for angle in [View::Front, View::Left, View::Right] {
        let bytes = std::fs::read(folder.join(format!("before/{angle}.jpg"))).unwrap();
        let mut seen = super::guided(&bytes, angle);
        let (card, reference) = tone::card_in(&mut seen.source, &GATES.card).unwrap_or_else(|| panic!("{angle}"));
        println!("{angle}: {card:?} {reference:?}");
        // The rig's exposure varies by 3 % and its light slopes by 1 %.
        assert!(reference.gains.iter().all(|gain| (0.9..1.1).contains(gain)), "{angle}: {reference:?}");
    }
}

fn metric(id: &str) -> Metric {
    Metric {
        id: MetricId::new(id).unwrap(),
        label: Label { zh: id.into(), en: id.into() },
        unit: String::new(),
        direction: Direction::LowerIsBetter,
        target: None,
        decimals: 1,
        range: -200.0..=400.0,
        by_colour: true,
    }
}

fn capture(colour: ColourReference) -> Capture {
    Capture {
        id: clock::mint(CaptureId::from_bits),
        scan: clock::mint(ScanId::from_bits),
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 2448,
        height: 3264,
        bytes: 1,
        sha256: [0; 32],
        anchors: [[0.0; 2]; 2],
        points: None,
        colour,
        complaints: Vec::new(),
        camera: "one".into(),
        taken: clock::now(),
    }
}

fn score(capture: &Capture, value: f64) -> Score {
    Score {
        id: clock::mint(ScoreId::from_bits),
        capture: capture.id,
        engine: Engine {
            model: tone::MODEL.into(),
            model_version: tone::VERSION.into(),
            model_digest: tone::DIGEST.into(),
            provider: "gateway".into(),
        },
        metric: MetricId::new("photo-redness").unwrap(),
        region: Region::Forehead,
        value: Quantity::new(value, 1).unwrap(),
        unit: String::new(),
        computed: clock::now(),
    }
}

/// Every combination of references on both sides: only two of one kind are held against each other, and where nothing was read at
/// all, that is said too.
#[test]
fn without_a_reference_on_both_sides_nothing_is_compared() {
    for before in ColourReference::ALL {
        for after in ColourReference::ALL {
            let (first, second) = (capture(*before), capture(*after));
            let read =
                |capture: &Capture| if capture.colour.stands() { vec![score(capture, 12.0)] } else { Vec::new() };
            let (one, two) = (read(&first), read(&second));
            let metrics = [metric("photo-redness")];
            let (first, second) = ([first], [second]);
            let question = Question {
                baseline: Baseline::SameVisit,
                metrics: &metrics,
                before: Side { readings: &[], scores: &one, captures: &first },
                after: Side { readings: &[], scores: &two, captures: &second },
                paired: &[],
            };
            let drawn = compare(&question, |_| None, |_| None);
            let [item] = &drawn.items[..] else { panic!("{before} {after}: {:?}", drawn.items) };
            assert_eq!(item.verdict, Verdict::NotComparable);
            let expected = if before.stands() && before == after {
                // Held against each other, but nobody has measured yet how it repeats itself.
                Refusal::RepeatabilityUnknown
            } else {
                Refusal::NoColourReference
            };
            assert_eq!(item.refusal, Some(expected), "{before} {after}");
            assert_eq!((drawn.tested, item.change), (0, None));
        }
    }
}

/// Where it is known how a colour repeats itself beside a card, two photographs of one visit get a verdict; of two visits they do not.
#[test]
fn with_its_repeatability_a_colour_gets_a_verdict() {
    let known = [ColourRepeats {
        metric: "photo-redness".into(),
        reference: "card".into(),
        level_sd: 0.3,
        degrees_of_freedom: 60,
        source: "figures of this test alone".into(),
    }];
    let metrics = [metric("photo-redness")];
    let drawn = |baseline, reference, value: f64| {
        let (first, second) = ([capture(reference)], [capture(reference)]);
        let (one, two) = ([score(&first[0], 12.0)], [score(&second[0], value)]);
        let question = Question {
            baseline,
            metrics: &metrics,
            before: Side { readings: &[], scores: &one, captures: &first },
            after: Side { readings: &[], scores: &two, captures: &second },
            paired: &[],
        };
        let of = |score: &Score| colour_repeats::of(&known, &score.engine, &score.metric, reference);
        compare(&question, |_| None, of).items.remove(0)
    };
    // t of 60 degrees of freedom at 5 % is 2.00; the limit 2.00 × 0.3 × √2.
    for (value, verdict) in [(10.0, Verdict::Improved), (14.0, Verdict::Worsened), (12.5, Verdict::None)] {
        let item = drawn(Baseline::SameVisit, ColourReference::Card, value);
        assert_eq!((item.verdict, item.refusal), (verdict, None), "{item:?}");
        let limit = item.smallest_detectable_change.unwrap();
        assert!((limit - 0.849).abs() < 0.001, "{limit}");
    }
    let other = drawn(Baseline::FirstVisit, ColourReference::Card, 10.0);
    assert_eq!(other.refusal, Some(Refusal::OtherVisit));
    // What was measured beside a card says nothing of a profile.
    let profile = drawn(Baseline::SameVisit, ColourReference::Profile, 10.0);
    assert_eq!(profile.refusal, Some(Refusal::RepeatabilityUnknown));
}

/// Looks at a face once more by hand, so that a wrong way of looking shows in one place.
#[test]
fn what_is_read_follows_the_skin_and_not_the_lamp() {
    let person = &people(&[View::Front])[0].halved();
    let mut tones = Vec::new();
    for melanin in MELANIN {
        let skin = behind(person, melanin, true);
        let rgb = skin.scene.taken(&shot([0.9, 1.0, 1.1], 1.0));
        let mut seen = look(&super::jpeg(&skin.scene, &rgb, 92), View::Front, FacePoints { ..skin.points }, false);
        let (_, reference) = tone::card_in(&mut seen.source, &GATES.card).unwrap();
        tones.push(read(&seen, &reference));
    }
    println!("{tones:?}");
    assert!(tones.windows(2).all(|pair| pair[0][0] > pair[1][0] + 1.0), "darker skin, smaller angle: {tones:?}");
    assert!(tones.windows(2).all(|pair| pair[0][2] < pair[1][2]), "darker skin, more pigment: {tones:?}");
}
