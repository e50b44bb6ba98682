//! Models' scores of a photograph: which are missed, and what stays where a model could not answer.

use crate::salon::Salon;
use skinlink::{
    clock,
    domain::{
        BootId, CaptureId, ScoreId, Stamp, Timestamp,
        capture::{ColourReference, FacePoints},
        consent::Purpose,
        score::Score,
    },
};

const POINTS: FacePoints = FacePoints { anchors: [[900.0, 1400.0], [2100.0, 1400.0]], nose: [1500.0, 2000.0] };

async fn photographed() -> (Salon, CaptureId) {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await.id;
    (salon, capture)
}

async fn scores(salon: &Salon, capture: CaptureId) -> Vec<Score> {
    let scan = salon.store.capture(capture).await.unwrap().scan;
    salon.store.scan_view(scan).await.unwrap().scores
}

/// Analysed again while its only model cannot answer.
async fn analysed_without(salon: &Salon, capture: CaptureId) -> usize {
    let silent = vec!["pores-dog".to_owned()];
    salon.store.save_scores_beside(capture, Vec::new(), silent, None).await.unwrap();
    scores(salon, capture).await.len()
}

/// A photograph taken while its only model was out of use had no score at all, and so was not missed by the model that came back: it
/// never got any.
#[tokio::test]
async fn a_photograph_without_any_score_is_missed_by_a_model_that_comes() {
    let (salon, capture) = photographed().await;
    let engine = salon.score(capture).await.engine;
    let mut other = engine.clone();
    other.model_version = "2".to_owned();
    assert_eq!(salon.store.captures_without(engine.clone()).await.unwrap(), []);
    assert_eq!(salon.store.captures_without(other).await.unwrap(), [capture]);
    salon.store.save_scores(capture, Vec::new()).await.unwrap();
    assert_eq!(salon.store.captures_without(engine).await.unwrap(), [capture]);
}

/// Carried points that were searched again came out a few hundredths of a pixel beside. They were taken for others, and with them went
/// the scores of a model that could not answer.
#[tokio::test]
async fn carried_points_that_are_the_same_to_half_a_pixel_keep_the_scores_of_a_silent_model() {
    let (salon, capture) = photographed().await;
    salon.store.inherit_points(capture, POINTS).await.unwrap();
    salon.score(capture).await;
    let beside = |by: f64| {
        let [[ax, ay], b] = POINTS.anchors;
        FacePoints { anchors: [[ax + by, ay], b], nose: POINTS.nose }
    };
    salon.store.inherit_points(capture, beside(0.4)).await.unwrap();
    assert_eq!(analysed_without(&salon, capture).await, 1, "the same points");
    assert_eq!(
        salon.store.capture(capture).await.unwrap().points.unwrap().points,
        POINTS,
        "as they were carried first"
    );
    salon.store.inherit_points(capture, beside(0.6)).await.unwrap();
    assert_eq!(analysed_without(&salon, capture).await, 0, "by other points it would be another measure");
}

/// The search for the points to carry over begins where the last one ended, and ended elsewhere each time: they wandered, and a silent
/// model's scores went with them. They are carried over once for each time a person sets the earlier ones.
#[tokio::test]
async fn points_are_carried_over_once_until_the_earlier_ones_are_set_again() {
    let (salon, before) = photographed().await;
    let store = &salon.store;
    let scan = store.capture(before).await.unwrap().scan;
    let after = salon.capture(scan).await.id;
    let visit = store.scan(scan).await.unwrap().visit;
    let confirm = async || {
        let version = store.visit(visit).await.unwrap().version;
        store.confirm_points(before, version, POINTS, "b-07".to_owned()).await.unwrap();
    };
    confirm().await;
    assert_eq!(store.baseline_of(after).await.unwrap(), Some(before));
    assert!(!store.has_carried_from(after, before).await.unwrap());
    store.inherit_points(after, POINTS).await.unwrap();
    assert!(store.has_carried_from(after, before).await.unwrap());
    confirm().await;
    assert!(!store.has_carried_from(after, before).await.unwrap());
}

/// Whether a score was read by the points that count now was decided by the wall clock where the machine had started anew between
/// them; a clock set back made the old points' score stand.
#[tokio::test]
async fn a_score_of_another_start_of_the_machine_is_not_taken_for_one_by_these_points() {
    let (salon, capture) = photographed().await;
    let mut score = salon.score(capture).await;
    assert_eq!(analysed_without(&salon, capture).await, 1, "no points were ever set");
    salon.store.inherit_points(capture, POINTS).await.unwrap();
    let now = clock::now();
    // The wall clock ran an hour ahead before that start.
    let wall = Timestamp::from_unix_ms(now.wall.unix_ms() + 3_600_000);
    score.id = clock::mint(ScoreId::from_bits);
    score.computed = Stamp { boot: BootId::from_bits(7), wall, ..now };
    salon.store.save_scores(capture, vec![score.clone()]).await.unwrap();
    assert_eq!(analysed_without(&salon, capture).await, 0);
    score.id = clock::mint(ScoreId::from_bits);
    score.computed = clock::now();
    salon.store.save_scores(capture, vec![score]).await.unwrap();
    assert_eq!(analysed_without(&salon, capture).await, 1, "of this start, after the points");
}

/// What the colours are held against was kept by itself, before the scores: a cut between the two left the new kind beside scores by
/// the old one.
#[tokio::test]
async fn what_the_colours_are_held_against_is_kept_with_the_scores_or_not_at_all() {
    let (salon, capture) = photographed().await;
    let (_, another) = photographed().await;
    let score = salon.score(capture).await;
    let was = salon.store.capture(capture).await.unwrap().colour;
    assert_ne!(was, ColourReference::Card);
    let astray = Score { id: clock::mint(ScoreId::from_bits), capture: another, ..score.clone() };
    let card = Some(ColourReference::Card);
    let refused = salon.store.save_scores_beside(capture, vec![astray], Vec::new(), card).await;
    assert!(refused.is_err());
    assert_eq!((salon.store.capture(capture).await.unwrap().colour, scores(&salon, capture).await), (was, vec![score]));
    salon.store.save_scores_beside(capture, Vec::new(), Vec::new(), card).await.unwrap();
    let now = salon.store.capture(capture).await.unwrap().colour;
    assert_eq!((now, scores(&salon, capture).await.len()), (ColourReference::Card, 0));
}
