//! Two photographs of one skin: registered, counted, drawn, or refused.

use super::*;

#[test]
fn a_pair_is_registered_and_its_lost_pores_are_counted() {
    let mut worker = ready();
    let before = Skin::new(3, 0).taken(STILL);
    let moved = Shot { degrees: 2.0, size: 1.03, shift: [22.0, -16.0], gain: 1.08, noise: 1.5, seed: 2 };
    let unchanged = pair(&mut worker, &before, &Skin::new(3, 0).taken(moved), ANCHORS);
    let PairedCounts { before_peaks, lost, after_peaks, gained } = unchanged.counts.expect("registered");
    println!("unchanged: {before_peaks} peaks, lost {lost}; {after_peaks} peaks, gained {gained}");
    let [median, p95] = unchanged.residual_px.expect("registered");
    assert!(median < 0.6 && p95 < 1.5, "residual {median} / {p95} px");
    assert!(before_peaks > 500 && lost * 50 < before_peaks && gained * 50 < after_peaks);

    let fewer = pair(&mut worker, &before, &Skin::new(3, 800).taken(moved), ANCHORS);
    let PairedCounts { before_peaks, lost, after_peaks, gained } = fewer.counts.expect("registered");
    println!("a fifth removed: {before_peaks} peaks, lost {lost}; {after_peaks} peaks, gained {gained}");
    let share = f64::from(lost) / f64::from(before_peaks);
    assert!((0.12..0.23).contains(&share), "{share} of the peaks were found missing, a fifth is");
    assert!(gained * 25 < after_peaks, "{gained} of {after_peaks} gained");
}

/// An after picture out of focus was registered all the same and its blurred pores were counted as gone: "improved". What can be
/// evened out is, and nothing is found changed then; what cannot is refused in words.
#[test]
fn a_picture_out_of_focus_shows_no_change_or_is_refused() {
    let mut worker = ready();
    let before = Skin::new(3, 0).taken(STILL);
    for reach in [1, 2, 3, 5] {
        for turned in [false, true] {
            let soft = Skin::new(3, 0).out_of_focus(reach).taken(Shot { seed: 2, ..STILL });
            let (first, second) = if turned { (&soft, &before) } else { (&before, &soft) };
            let found = pair(&mut worker, first, second, ANCHORS);
            println!("{reach} px, turned {turned}: {:?} {:?}", found.refusal, found.counts);
            match found.counts {
                Some(PairedCounts { before_peaks, lost, after_peaks, gained }) => {
                    assert!(lost * 20 < before_peaks && gained * 20 < after_peaks, "{lost} lost, {gained} gained");
                }
                None => assert!(
                    ["sharpness_differs", "not_registered"].contains(&found.refusal.as_deref().unwrap_or("")),
                    "{found:?}"
                ),
            }
            assert!(reach < 3 || found.counts.is_none(), "far out of focus");
        }
    }
}

/// A towel over a fifth of the cheek left the region found as a whole, and every pore beneath counted as gone.
#[test]
fn what_a_towel_covers_is_left_out_and_not_called_gone() {
    let mut worker = ready();
    let before = Skin::new(3, 0).taken(STILL);
    let whole = pair(&mut worker, &before, &Skin::new(3, 0).taken(Shot { seed: 2, ..STILL }), ANCHORS);
    for (name, under) in [("after", false), ("before", true)] {
        let covered = Skin::new(3, 0).covered(520..640).taken(Shot { seed: 2, ..STILL });
        let (first, second) = if under { (&covered, &before) } else { (&before, &covered) };
        let found = pair(&mut worker, first, second, ANCHORS);
        let PairedCounts { before_peaks, lost, after_peaks, gained } =
            found.counts.expect("most of the region is there");
        println!("{name} covered: {before_peaks} peaks, lost {lost}; {after_peaks}, gained {gained}");
        let all = whole.counts.expect("registered").before_peaks;
        assert!(before_peaks < all && before_peaks * 2 > all, "{before_peaks} of {all} are looked at");
        assert!(lost * 30 < before_peaks && gained * 30 < after_peaks, "{lost} lost, {gained} gained");
    }
}

/// What a report shows of a pair: everything of one frame, redness only where colours compare, nothing of strangers.
#[test]
fn a_pair_gives_pictures_for_the_report() {
    let mut worker = ready();
    let before = Skin::new(3, 0).taken(STILL);
    let moved = Shot { degrees: 2.0, size: 1.03, shift: [22.0, -16.0], gain: 0.85, noise: 1.5, seed: 2 };
    let mut ask = |after: &[u8], whites| {
        let (before_anchors, after_anchors) = (ANCHORS, ANCHORS);
        let cameras = ["room 1".to_owned(), "room 1".to_owned()];
        let request = Request::Pictures { view: "left".into(), before_anchors, after_anchors, cameras, whites };
        match worker.ask_for_parts(&request, &[&before, after]) {
            Some((Reply::Pictures(named), parts)) => (named, parts),
            other => panic!("expected pictures, got {other:?}"),
        }
    };
    let after = Skin::new(3, 800).taken(moved);
    let (named, parts) = ask(&after, Some([[0.9; 3]; 2]));
    let kinds: Vec<_> = named.pictures.iter().map(|picture| (picture.kind, picture.metric.as_deref())).collect();
    let expected = [
        (PictureKind::Before, None),
        (PictureKind::Aligned, None),
        (PictureKind::SameExposure, None),
        (PictureKind::Change, Some("pores")),
        (PictureKind::Strength, Some("pore-contrast")),
        (PictureKind::Redness, Some("photo-redness")),
    ];
    assert_eq!(kinds, expected);
    let decoded: Vec<_> = parts.iter().map(|part| image::load_from_memory(part).expect("a JPEG").into_rgb8()).collect();
    assert!(decoded.iter().all(|picture| picture.dimensions() == decoded[0].dimensions()), "one frame");
    assert!(parts.iter().all(|part| part.len() <= 60_000));
    let mean = |picture: &image::RgbImage| {
        picture.pixels().map(|p| f64::from(p.0[1])).sum::<f64>() / f64::from(picture.width() * picture.height())
    };
    let off = |a: usize, b: usize| (mean(&decoded[a]) / mean(&decoded[b]) - 1.0).abs();
    assert!(off(0, 1) > 0.1 && off(0, 2) < 0.02, "taken darker: {:.3}, evened: {:.3}", off(0, 1), off(0, 2));
    let blue = |picture: &image::RgbImage| picture.pixels().filter(|p| p.0[2] > p.0[0].saturating_add(60)).count();
    assert!(blue(&decoded[3]) > 800, "a ring round each pore that went: {}", blue(&decoded[3]));

    let (without, _) = ask(&after, None);
    assert!(without.pictures.iter().all(|picture| picture.kind != PictureKind::Redness), "colours do not compare");
    let (stranger, parts) = ask(&Skin::new(4, 0).taken(STILL), None);
    assert!(stranger.pictures.is_empty() && parts.is_empty());
    assert_eq!(stranger.refused, [("left_cheek".to_owned(), "not_registered".to_owned())]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut worker = ready();
    let before = Skin::new(3, 0).taken(STILL);
    let stranger = pair(&mut worker, &before, &Skin::new(4, 0).taken(STILL), ANCHORS);
    assert_eq!(stranger.refusal.as_deref(), Some("not_registered"), "{stranger:?}");
    let closer = Shot { size: 1.4, ..STILL };
    let grown = ANCHORS.map(|[x, y]| [(x - 550.0) * 1.4 + 550.0, (y - 675.0) * 1.4 + 675.0]);
    let inside = grown.map(|[x, y]| [x.clamp(0.0, 1100.0), y.clamp(0.0, 1350.0)]);
    assert_eq!(grown, inside, "the anchors are still shown");
    let other_scale = pair(&mut worker, &before, &Skin::new(3, 0).taken(closer), grown);
    assert_eq!(other_scale.refusal.as_deref(), Some("scale_differs"), "{other_scale:?}");
}
