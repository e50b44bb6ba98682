//! Photographs: peaks at their places, how few of them are counted, and what does not compare.

use super::*;

/// A small region on a noisy pair was called changed nine times in a hundred: of the few peaks that noise had hidden on either side
/// the smaller number was taken for the noise of both. Whatever the number of peaks and however many of them noise hides, also where
/// it hides more than the model was measured to, unchanged skin stays unchanged.
#[test]
fn few_peaks_and_more_noise_than_measured_are_no_change() {
    const TRIALS: u32 = 20_000;
    // Ten items share a visit's 5 %.
    const LIMIT: f64 = 2.8;
    let unchanged = Unchanged { mean: 0.9996, sd: 0.0012, floor: 0.01 };
    let mut chance = Chance::new(5);
    for peaks in [10, 25, 50, 100, 400] {
        for hidden in [0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3] {
            let mut flagged = 0;
            for _ in 0..TRIALS {
                let counts = PairedCounts {
                    before_peaks: peaks,
                    lost: chance.of(peaks, hidden),
                    after_peaks: peaks,
                    gained: chance.of(peaks, hidden),
                };
                let (change, error) = paired_change(counts, 100.0, unchanged).unwrap();
                flagged += u32::from(change.abs() > LIMIT * error);
            }
            let share = f64::from(flagged) / f64::from(TRIALS);
            println!("{peaks} peaks, {hidden} hidden: {:.2} % flagged", 100.0 * share);
            // What 2.8 standard errors allow a normal value, and three standard errors of that share.
            assert!(share <= 0.0051 + 0.0015, "{peaks} peaks, {hidden} hidden: {share}");
        }
    }
    // What is gone is still found: a tenth of two hundred peaks, and six of fifty are too few to tell.
    let found = |before_peaks, lost| {
        let counts = PairedCounts { before_peaks, lost, after_peaks: before_peaks - lost, gained: 0 };
        let (change, error) = paired_change(counts, 100.0, unchanged).unwrap();
        change.abs() > LIMIT * error
    };
    assert!(found(200, 20) && !found(50, 6));
}

fn image_pair(
    baseline: Baseline,
    cameras: [&str; 2],
    edit: impl Fn(&mut Score),
    found: &[PairedResult],
) -> skinlink::domain::comparison::Compared {
    let before = [score(1, Region::Nose, 200.0)];
    let mut after = [score(2, Region::Nose, 150.0)];
    edit(&mut after[0]);
    let (one, two) = ([capture(1, cameras[0])], [capture(2, cameras[1])]);
    let question = Question {
        baseline,
        metrics: &metrics(),
        before: Side { readings: &[], scores: &before, captures: &one },
        after: Side { readings: &[], scores: &after, captures: &two },
        paired: found,
    };
    compare(&question, known, model_known).items.remove(0)
}

#[test]
fn an_image_verdict_is_paired_and_within_one_visit() {
    let gone = [paired(Region::Nose, PairedCounts { before_peaks: 500, lost: 160, after_peaks: 340, gained: 5 })];
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &gone);
    assert_eq!(item.verdict, Verdict::Improved);
    // 155 of 500 fewer, less what noise hides in any pair, at 200 /cm².
    let expected = 200.0 * (5.0 - 160.0 + 0.015 * 160.0) / 500.0;
    assert!((item.change.unwrap() - expected).abs() < 1e-9, "{:?}", item.change);
    assert!(item.change.unwrap().abs() > item.smallest_detectable_change.unwrap());

    let same = [paired(Region::Nose, PairedCounts { before_peaks: 500, lost: 8, after_peaks: 380, gained: 6 })];
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &same);
    assert_eq!(item.verdict, Verdict::None, "the levels differ by a quarter, the pores do not");

    // Against another visit the level speaks, not the pairs.
    let item = image_pair(Baseline::FirstVisit, ["a", "a"], |_| {}, &gone);
    assert_eq!((item.verdict, item.change), (Verdict::Improved, Some(-50.0)));
}

fn strengths(places: u32, after: f64) -> PairedResult {
    let response = PairedResponse { places, before: 10.0, after, scatter: 1.5 };
    let counts = PairedCounts { before_peaks: 1, lost: 0, after_peaks: 1, gained: 0 };
    PairedResult { outcome: Ok(PairedFound::Response(response)), ..paired(Region::Nose, counts) }
}

#[test]
fn pores_that_stayed_may_have_faded() {
    let item = |found| image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &[found]);
    let faded = item(strengths(400, 7.5));
    assert_eq!(faded.verdict, Verdict::Improved);
    assert!((faded.change.unwrap() + 50.0).abs() < 1e-9, "a quarter of 200: {:?}", faded.change);
    assert_eq!(item(strengths(400, 12.5)).verdict, Verdict::Worsened);
    assert_eq!(item(strengths(400, 9.8)).verdict, Verdict::None);
    let limit = |places| item(strengths(places, 10.0)).smallest_detectable_change.unwrap();
    assert!(limit(25) > 1.5 * limit(400), "few places need a larger change");
    assert_eq!(item(strengths(5, 7.5)).refusal, Some(Refusal::Missing), "five pores tell nothing");
}

/// Two photographs of one skin differed by a tenth in their levels because one was sharper; the page showed both numbers.
#[test]
fn within_a_visit_levels_are_shown_at_the_same_sharpness() {
    let counts = PairedCounts { before_peaks: 500, lost: 8, after_peaks: 500, gained: 6 };
    let even = PairedResult { levels: Some([190.0, 189.0]), ..paired(Region::Nose, counts) };
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, std::slice::from_ref(&even));
    assert_eq!((item.before, item.after), (Some(190.0), Some(189.0)));
    let refused = PairedResult { outcome: Err(Refusal::NotRegistered), ..even };
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &[refused]);
    assert_eq!((item.before, item.after), (Some(200.0), Some(150.0)));
}

/// The limit grew with the loss itself: of two equal losses the one that was counted on both sides hid the change.
#[test]
fn a_loss_does_not_widen_its_own_limit() {
    let limit = |lost, gained| {
        let counts = PairedCounts { before_peaks: 300, lost, after_peaks: 300 - lost + gained, gained };
        image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &[paired(Region::Nose, counts)])
            .smallest_detectable_change
            .unwrap()
    };
    assert!((limit(40, 3) - limit(4, 3)).abs() < 1e-9);
    assert!(limit(40, 40) > 1.2 * limit(40, 3), "a noisy pair has a wider one");
}

#[test]
fn images_of_another_camera_model_or_provider_are_refused() {
    type Edit = fn(&mut Score);
    let good = [paired(Region::Nose, PairedCounts { before_peaks: 500, lost: 160, after_peaks: 340, gained: 5 })];
    let cases: [(Edit, Refusal); 5] = [
        (|s| s.engine.model = "other".into(), Refusal::ModelDiffers),
        (|s| s.engine.model_version = "1.0.1".into(), Refusal::ModelDiffers),
        (|s| s.engine.model_digest = "cd".into(), Refusal::ModelDiffers),
        (|s| s.engine.provider = "cpu/1.29.0".into(), Refusal::ProviderDiffers),
        (|s| s.region = Region::Chin, Refusal::Missing),
    ];
    for (edit, refusal) in cases {
        let item = image_pair(Baseline::SameVisit, ["a", "a"], edit, &good);
        assert_eq!((item.verdict, item.refusal), (Verdict::NotComparable, Some(refusal)));
    }
    let item = image_pair(Baseline::SameVisit, ["a", "b"], |_| {}, &good);
    assert_eq!(item.refusal, Some(Refusal::CameraDiffers));
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &[]);
    assert_eq!(item.refusal, Some(Refusal::Missing));
    let refused = [PairedResult { outcome: Err(Refusal::NotRegistered), ..good[0].clone() }];
    let item = image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &refused);
    assert_eq!(item.refusal, Some(Refusal::NotRegistered));
}

#[test]
fn a_model_fit_for_pairs_only_says_nothing_between_visits() {
    let before = [score(1, Region::Nose, 200.0)];
    let after = [score(2, Region::Nose, 100.0)];
    let captures = [capture(1, "a"), capture(2, "a")];
    let question = Question {
        baseline: Baseline::LastVisit,
        metrics: &metrics(),
        before: Side { readings: &[], scores: &before, captures: &captures },
        after: Side { readings: &[], scores: &after, captures: &captures },
        paired: &[],
    };
    let pairs_only = |s: &Score| model_known(s).map(|known| ScoreRepeatability { level_sd: None, ..known });
    let item = compare(&question, known, pairs_only).items.remove(0);
    assert_eq!((item.verdict, item.refusal), (Verdict::NotComparable, Some(Refusal::OtherVisit)));
}

#[test]
fn few_peaks_need_a_larger_change() {
    let limit = |peaks: u32| {
        let counts = PairedCounts { before_peaks: peaks, lost: peaks / 10, after_peaks: peaks, gained: 0 };
        let found = [paired(Region::Nose, counts)];
        image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &found).smallest_detectable_change.unwrap()
    };
    assert!(limit(20) > 1.5 * limit(100) && limit(100) > 1.2 * limit(2000));
    let none = [paired(Region::Nose, PairedCounts { before_peaks: 0, lost: 0, after_peaks: 9, gained: 9 })];
    assert_eq!(image_pair(Baseline::SameVisit, ["a", "a"], |_| {}, &none).refusal, Some(Refusal::Missing));
}
