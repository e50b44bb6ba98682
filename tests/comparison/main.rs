//! What a comparison may say: change only where there is change, never between things that do not compare.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

mod images;

use skinlink::{
    analysis::{
        compare::{
            Drawn, FALSE_CHANGE_SHARE, PairedCounts, PairedFound, PairedResponse, PairedResult, Question, Side,
            compare, paired_change,
        },
        manifest::{ScoreRepeatability, Unchanged},
    },
    domain::{
        BootId, CaptureId, ClockState, Quantity, ReadingId, Region, RepeatId, ScanId, ScoreId, Stamp, Timestamp,
        capture::{Capture, ColourReference, Format, Light, View},
        comparison::{Baseline, Refusal, Verdict},
        device::DeviceIdentity,
        metric::{Direction, Label, Metric, MetricId, Repeatability},
        reading::{QualityFlag, Reading, Repeat, mean_and_spread, outliers},
        score::{Engine, Score},
    },
};

const REGIONS: [Region; 5] = [Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];

/// Metric, mean, SD of one value, SD of placing the probe, decimals of the device.
const PROBE: [(&str, f64, f64, f64, u8); 3] =
    [("moisture", 42.0, 1.1, 0.9, 1), ("sebum", 150.0, 9.0, 7.0, 0), ("elasticity", 0.71, 0.02, 0.015, 2)];

const UNCHANGED: Unchanged = Unchanged { mean: 0.985, sd: 0.012, floor: 0.01 };

fn metric(id: &str) -> MetricId {
    MetricId::new(id).unwrap()
}

fn metrics() -> Vec<Metric> {
    let one = |id: &str, direction, target| Metric {
        id: metric(id),
        label: Label { zh: id.into(), en: id.into() },
        unit: "u".into(),
        direction,
        target,
        decimals: 1,
        range: -1e9..=1e9,
        by_colour: false,
    };
    vec![
        one("moisture", Direction::HigherIsBetter, None),
        one("sebum", Direction::TowardsTarget, Some(160.0)),
        one("elasticity", Direction::HigherIsBetter, None),
        one("lightness", Direction::Neutral, None),
        one("pores", Direction::LowerIsBetter, None),
    ]
}

fn stamp() -> Stamp {
    let wall = Timestamp::from_unix_ms(1_800_000_000_000);
    Stamp { boot: BootId::from_bits(1), monotonic_ns: 1, wall, clock: ClockState::Synced }
}

fn device() -> DeviceIdentity {
    DeviceIdentity {
        protocol: "derma-reference".into(),
        protocol_version: "1".into(),
        serial: "DR-0417".into(),
        probe: "P1".into(),
        firmware: "2.3".into(),
    }
}

fn engine() -> Engine {
    Engine {
        model: "pores-dog".into(),
        model_version: "1.0.0".into(),
        model_digest: "ab".into(),
        provider: "cpu/1.28.0".into(),
    }
}

/// A reading as the gateway closes it: outliers by the house's rule, mean with one decimal more than the device's.
fn reading(id: &str, region: Region, values: &[f64], decimals: u8, repeat_sd: f64) -> Reading {
    let quantities: Vec<Quantity> = values.iter().map(|v| Quantity::new(*v, decimals).unwrap()).collect();
    let shown: Vec<f64> = quantities.iter().map(|q| q.value()).collect();
    let off = outliers(&shown, repeat_sd);
    let kept: Vec<f64> = shown.iter().zip(&off).filter(|(_, off)| !**off).map(|(v, _)| *v).collect();
    let (mean, spread) = mean_and_spread(&kept).unwrap();
    let repeat = |(value, off): (&Quantity, &bool)| Repeat {
        id: RepeatId::from_bits(1),
        value: *value,
        flags: if *off { vec![QualityFlag::Outlier] } else { Vec::new() },
        device_counter: None,
        taken: stamp(),
    };
    Reading {
        id: ReadingId::from_bits(1),
        scan: ScanId::from_bits(1),
        metric: metric(id),
        region,
        unit: "u".into(),
        value: Quantity::new(mean, decimals + 1).unwrap(),
        spread,
        repeats: quantities.iter().zip(&off).map(repeat).collect(),
        device: device(),
        closed: stamp(),
    }
}

fn known(reading: &Reading) -> Option<Repeatability> {
    let (_, _, repeat_sd, placement_sd, _) = PROBE.iter().find(|(id, ..)| *id == reading.metric.as_str())?;
    let source = "declared".to_owned();
    Some(Repeatability { repeat_sd: *repeat_sd, placement_sd: *placement_sd, degrees_of_freedom: 60, source })
}

fn model_known(_: &Score) -> Option<ScoreRepeatability> {
    let source = "rendered".to_owned();
    Some(ScoreRepeatability { paired: Some(UNCHANGED), level_sd: Some(3.0), degrees_of_freedom: 60, source })
}

fn score(capture: u128, region: Region, value: f64) -> Score {
    Score {
        id: ScoreId::from_bits(1),
        capture: CaptureId::from_bits(capture),
        engine: engine(),
        metric: metric("pores"),
        region,
        value: Quantity::new(value, 1).unwrap(),
        unit: "/cm²".into(),
        computed: stamp(),
    }
}

fn capture(id: u128, camera: &str) -> Capture {
    Capture {
        id: CaptureId::from_bits(id),
        scan: ScanId::from_bits(1),
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 2448,
        height: 3264,
        bytes: 1,
        sha256: [0; 32],
        anchors: [[0.0, 0.0], [1.0, 1.0]],
        points: None,
        colour: ColourReference::Unknown,
        complaints: Vec::new(),
        camera: camera.into(),
        taken: stamp(),
    }
}

fn paired(region: Region, counts: PairedCounts) -> PairedResult {
    PairedResult {
        before: CaptureId::from_bits(1),
        after: CaptureId::from_bits(2),
        engine: engine(),
        metric: metric("pores"),
        region,
        outcome: Ok(PairedFound::Peaks(counts)),
        levels: None,
    }
}

/// Normal deviates (Box and Muller) from a printed seed.
struct Chance(fastrand::Rng);

impl Chance {
    fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(fastrand::Rng::with_seed(seed))
    }
    /// How many of so many come true, each with this probability.
    fn of(&mut self, count: u32, probability: f64) -> u32 {
        (0..count).map(|_| u32::from(self.0.f64() < probability)).sum()
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.0.f64()).cos()
    }
}

/// One phase of probe readings about true values, with `planted` added to moisture at the nose.
fn probe_phase(chance: &mut Chance, planted: f64) -> Vec<Reading> {
    let mut readings = Vec::new();
    for region in REGIONS {
        for (id, mean, repeat_sd, placement_sd, decimals) in PROBE {
            let change = if (id, region) == ("moisture", Region::Nose) { planted } else { 0.0 };
            let placed = mean + change + placement_sd * chance.normal();
            let values: Vec<f64> = (0..3).map(|_| placed + repeat_sd * chance.normal()).collect();
            readings.push(reading(id, region, &values, decimals, repeat_sd));
        }
    }
    readings
}

/// Peaks of an unchanged region in two pictures: each way the kept share varies as measured, and the peaks are counted.
fn unchanged_peaks(chance: &mut Chance) -> PairedCounts {
    let mut missing = |peaks: u32| {
        let kept = (UNCHANGED.mean + UNCHANGED.sd * chance.normal()).clamp(0.0, 1.0);
        chance.of(peaks, 1.0 - kept)
    };
    let (before_peaks, after_peaks) = (600, 606);
    PairedCounts { before_peaks, lost: missing(before_peaks), after_peaks, gained: missing(after_peaks) }
}

fn visit(chance: &mut Chance, planted: f64, removed: u32) -> Drawn {
    let (before, after) = (probe_phase(chance, 0.0), probe_phase(chance, planted));
    let levels = |capture| REGIONS.map(|region| score(capture, region, 150.0));
    let pairs: Vec<PairedResult> = REGIONS
        .iter()
        .map(|region| {
            let mut counts = unchanged_peaks(chance);
            if *region == Region::Nose {
                counts.lost += removed;
            }
            paired(*region, counts)
        })
        .collect();
    let (one, two) = ([capture(1, "room 1")], [capture(2, "room 1")]);
    let question = Question {
        baseline: Baseline::SameVisit,
        metrics: &metrics(),
        before: Side { readings: &before, scores: &levels(1), captures: &one },
        after: Side { readings: &after, scores: &levels(2), captures: &two },
        paired: &pairs,
    };
    compare(&question, known, model_known)
}

fn shows_change(drawn: &Drawn) -> bool {
    drawn.items.iter().any(|item| matches!(item.verdict, Verdict::Improved | Verdict::Worsened))
}

#[test]
fn at_most_one_unchanged_visit_in_twenty_shows_any_change() {
    const VISITS: u32 = 20_000;
    let mut chance = Chance::new(20_261);
    let mut false_changes = 0;
    for _ in 0..VISITS {
        let drawn = visit(&mut chance, 0.0, 0);
        assert_eq!(drawn.tested, 20);
        false_changes += u32::from(shows_change(&drawn));
    }
    let share = f64::from(false_changes) / f64::from(VISITS);
    // Three standard errors of a share of 5 % over so many visits.
    let margin = 3.0 * (FALSE_CHANGE_SHARE * (1.0 - FALSE_CHANGE_SHARE) / f64::from(VISITS)).sqrt();
    println!("{false_changes} of {VISITS} unchanged visits show a change: {:.2} %", 100.0 * share);
    assert!(share <= FALSE_CHANGE_SHARE + margin, "{share}");
    assert!(share > 0.02, "far fewer false changes than allowed: the limits hide true ones ({share})");
}

#[test]
fn a_true_change_is_found_once_it_exceeds_the_limit_shown() {
    const VISITS: u32 = 400;
    let mut chance = Chance::new(7);
    let item = |drawn: &Drawn, id: &str| {
        drawn.items.iter().find(|i| i.region == Region::Nose && i.metric.as_str() == id).cloned().unwrap()
    };
    let mut last = 0.0;
    for factor in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let limit = item(&visit(&mut chance, 0.0, 0), "moisture").smallest_detectable_change.unwrap();
        let found = (0..VISITS)
            .filter(|_| item(&visit(&mut chance, factor * limit, 0), "moisture").verdict == Verdict::Improved)
            .count();
        let share = found as f64 / f64::from(VISITS);
        println!("moisture risen by {factor} of the limit ({limit:.2}): found {:.1} %", 100.0 * share);
        assert!(share >= last - 0.03, "more change must not be found less often");
        last = share;
        match factor {
            0.0 => assert!(share < 0.02),
            1.0 => assert!((0.4..0.6).contains(&share), "half of the changes as large as the limit exceed it"),
            2.0 => assert!(share > 0.99),
            _ => {}
        }
    }
    for removed in [0, 30, 60, 120] {
        let drawn = (0..VISITS).map(|_| item(&visit(&mut chance, 0.0, removed), "pores"));
        let found = drawn.filter(|item| item.verdict == Verdict::Improved).count();
        println!("{removed} of 600 pores gone: found {:.1} %", 100.0 * found as f64 / f64::from(VISITS));
        assert!(removed < 60 || found > 360, "{removed} removed, found {found} of {VISITS}");
    }
}

/// One metric × region on both sides, changed by `edit` on the after side.
fn one_pair(baseline: Baseline, edit: impl Fn(&mut Reading)) -> skinlink::domain::comparison::Compared {
    let before = [reading("moisture", Region::Nose, &[40.0, 40.2, 39.8], 1, 1.0)];
    let mut after = before.clone();
    after[0].value = Quantity::new(60.0, 2).unwrap();
    edit(&mut after[0]);
    let side = |readings| Side { readings, scores: &[], captures: &[] };
    let question = Question { baseline, metrics: &metrics(), before: side(&before), after: side(&after), paired: &[] };
    compare(&question, known, model_known).items.remove(0)
}

#[test]
fn readings_of_another_device_probe_or_protocol_are_refused() {
    type Edit = fn(&mut Reading);
    let cases: [(Edit, Refusal); 7] = [
        (|r| r.device.serial = "DR-0418".into(), Refusal::DeviceDiffers),
        (|r| r.device.protocol = "other".into(), Refusal::DeviceDiffers),
        (|r| r.device.probe = "P2".into(), Refusal::ProbeDiffers),
        (|r| r.device.protocol_version = "2".into(), Refusal::ProtocolDiffers),
        (|r| r.device.firmware = "2.4".into(), Refusal::ProtocolDiffers),
        (|r| r.unit = "AU".into(), Refusal::ProtocolDiffers),
        (|r| r.region = Region::Chin, Refusal::Missing),
    ];
    for (edit, refusal) in cases {
        let item = one_pair(Baseline::SameVisit, edit);
        assert_eq!((item.verdict, item.refusal), (Verdict::NotComparable, Some(refusal)));
        assert_eq!((item.change, item.smallest_detectable_change), (None, None));
    }
    let item = one_pair(Baseline::FirstVisit, |_| {});
    assert_eq!((item.verdict, item.refusal), (Verdict::Improved, None), "readings are compared over a whole course");
}

#[test]
fn an_unknown_or_thin_repeatability_carries_no_verdict() {
    let before = [reading("moisture", Region::Nose, &[40.0], 1, 1.0)];
    let side = Side { readings: &before, scores: &[], captures: &[] };
    let question =
        Question { baseline: Baseline::SameVisit, metrics: &metrics(), before: side, after: side, paired: &[] };
    let thin = |r: &Reading| known(r).map(|known| Repeatability { degrees_of_freedom: 29, ..known });
    for drawn in [compare(&question, |_| None, model_known), compare(&question, thin, model_known)] {
        assert_eq!((drawn.tested, drawn.items[0].refusal), (0, Some(Refusal::RepeatabilityUnknown)));
    }
    assert_eq!(compare(&question, known, model_known).tested, 1);
}

#[test]
fn a_target_is_approached_or_left_and_a_neutral_metric_gets_no_verdict() {
    let judge = |id: &str, from: f64, to: f64| {
        let before = [reading(id, Region::Nose, &[from; 3], 0, 9.0)];
        let after = [reading(id, Region::Nose, &[to; 3], 0, 9.0)];
        let side = |readings| Side { readings, scores: &[], captures: &[] };
        let question = Question {
            baseline: Baseline::SameVisit,
            metrics: &metrics(),
            before: side(&before),
            after: side(&after),
            paired: &[],
        };
        let any = |r: &Reading| known(r).or_else(|| known(&reading("sebum", r.region, &[1.0], 0, 1.0)));
        compare(&question, any, model_known).items.remove(0)
    };
    assert_eq!(judge("sebum", 90.0, 150.0).verdict, Verdict::Improved);
    assert_eq!(judge("sebum", 240.0, 165.0).verdict, Verdict::Improved);
    assert_eq!(judge("sebum", 160.0, 240.0).verdict, Verdict::Worsened);
    assert_eq!(judge("sebum", 150.0, 155.0).verdict, Verdict::None);
    let neutral = judge("lightness", 100.0, 200.0);
    assert_eq!((neutral.verdict, neutral.refusal), (Verdict::NotComparable, Some(Refusal::NoDirection)));
    assert_eq!(neutral.change, Some(100.0));
    assert!(neutral.smallest_detectable_change.is_some());
}
