//! A visit with the real inference process: points confirmed on the before picture are taken over by the after picture; tone is read
//! where a card is in view, and where none is, comparison and event say why nothing is held against each other.

#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
mod salon;

use super::{Person, jpeg, people, root};
use salon::{LIMIT, Salon};
use skinlink::{
    analysis::{colour_repeats::ColourRepeats, tone},
    app::catalogue,
    clock,
    domain::{
        CaptureId, ScanId, VisitId,
        capture::{ColourReference, FacePoints, Format, Light, PointSource, View},
        comparison::{Baseline, Refusal, Verdict},
        consent::Purpose,
        metric::{Metric, MetricId},
        scan::{Phase, ScanState, Step},
    },
    store::{NewCapture, Store},
    tasks::{
        analysis::{self, AnalysisHandle, Recipe, Settings},
        comparison::{self, Judges},
    },
};
use skinlink_fake_camera::Shot;
use std::{path::PathBuf, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(240);

fn metrics() -> Vec<Metric> {
    catalogue::metrics_file(&root().join("config/metrics.toml")).unwrap()
}

fn judges(colours: &[ColourRepeats]) -> Judges {
    Judges { metrics: metrics().into(), specs: Vec::new(), manifests: Vec::new(), colours: colours.into() }
}

struct Gateway {
    salon: Salon,
    visit: VisitId,
    handle: AnalysisHandle,
    task: JoinHandle<()>,
}

impl Gateway {
    #[expect(clippy::disallowed_methods, reason = "this test is the supervisor")]
    async fn start() -> Self {
        let salon = Salon::new().await;
        for purpose in Purpose::ALL {
            salon.say(*purpose, true).await;
        }
        let visit = salon.visit().await;
        let worker = Recipe {
            program: PathBuf::from(env!("CARGO_BIN_EXE_skinlink")),
            onnxruntime: root().join("target/onnxruntime/libonnxruntime.so.1.28.0"),
            memory_mib: 3072,
            regions: std::fs::read_to_string(root().join("config/face-regions.toml")).unwrap(),
            gates: String::new(),
            cameras: String::new(),
            deadline: PATIENCE,
        };
        let settings = Settings { worker, models: Vec::new(), metrics: metrics() };
        let (handle, inbox) = analysis::channel();
        let task = tokio::spawn(analysis::run(settings, salon.store.clone(), inbox, CancellationToken::new()));
        Self { salon, visit, handle, task }
    }

    fn store(&self) -> &Store {
        &self.salon.store
    }

    async fn scan(&self, phase: Phase) -> ScanId {
        let plan = vec![Step {
            metric: MetricId::new("moisture").unwrap(),
            region: skinlink::domain::Region::Nose,
            repeats: 1,
        }];
        self.store().begin_scan(self.visit, None, phase, plan).await.unwrap().id
    }

    /// A photograph with the anchors where the guide has them.
    async fn taken(&self, scan: ScanId, person: &Person, shot: &Shot) -> CaptureId {
        let scene = &person.scene;
        let guided = super::view(View::Front).guided(scene.width as u32, scene.height as u32);
        let new = NewCapture {
            scan,
            view: View::Front,
            light: Light::White,
            format: Format::Jpeg,
            width: scene.width as u32,
            height: scene.height as u32,
            anchors: guided.anchors,
            complaints: Vec::new(),
            camera: "room 1".into(),
            taken: clock::now(),
        };
        self.store().save_capture(new, jpeg(scene, &scene.taken(shot), 92)).await.unwrap().id
    }

    async fn analysed(&self, capture: CaptureId) -> Vec<String> {
        let done = timeout(PATIENCE, self.handle.analyse(capture)).await.expect("in time").unwrap();
        done.scores.iter().map(|score| format!("{} {}", score.metric, score.region)).collect()
    }

    async fn finished(&self, scan: ScanId) {
        self.store().set_scan_state(scan, ScanState::Finished).await.unwrap();
    }

    async fn end(self) {
        drop(self.handle);
        timeout(PATIENCE, self.task).await.expect("in time").unwrap();
        assert!(self.salon.store.close(LIMIT).await);
    }
}

fn shot(seed: u64) -> Shot {
    Shot::hand_held(&mut fastrand::Rng::with_seed(seed))
}

#[tokio::test]
async fn points_are_taken_over_and_tone_is_read_only_beside_a_card() {
    let person = people(&[View::Front]).remove(0);
    let carded = super::colour::behind(&person, 0.0, true);
    let gateway = Gateway::start().await;
    let before = gateway.scan(Phase::Before).await;
    let (first, second) = (shot(41), shot(42));
    let baseline = gateway.taken(before, &carded, &first).await;
    let scores = gateway.analysed(baseline).await;
    assert!(
        scores.contains(&"photo-tone forehead".to_owned()) && scores.contains(&"photo-tone left_eye".to_owned()),
        "{scores:?}"
    );
    assert_eq!(gateway.store().capture(baseline).await.unwrap().colour, ColourReference::Card);

    let points = FacePoints {
        anchors: person.points.anchors.map(|p| first.lands(&person.scene, p)),
        nose: first.lands(&person.scene, person.points.nose),
    };
    let seen = gateway.store().visit(gateway.visit).await.unwrap().version;
    gateway.store().confirm_points(baseline, seen, points, "b-07".into()).await.unwrap();
    // Measured anew, it is judged by its points: this nose stands far beside the middle only if it is said to.
    gateway.analysed(baseline).await;
    assert!(gateway.store().capture(baseline).await.unwrap().complaints.is_empty());
    let aside = FacePoints { nose: [points.nose[0] + 180.0, points.nose[1]], ..points };
    for (points, said) in [(aside, vec!["turned".to_owned()]), (points, Vec::new())] {
        let seen = gateway.store().visit(gateway.visit).await.unwrap().version;
        gateway.store().confirm_points(baseline, seen, points, "b-07".into()).await.unwrap();
        gateway.analysed(baseline).await;
        assert_eq!(gateway.store().capture(baseline).await.unwrap().complaints, said);
    }
    gateway.finished(before).await;

    // The after picture has no card, and nobody taps it.
    let after = gateway.scan(Phase::After).await;
    let heir = gateway.taken(after, &person, &second).await;
    assert_eq!(gateway.store().heirs_of(baseline).await.unwrap(), [heir]);
    let scores = gateway.analysed(heir).await;
    assert!(scores.iter().all(|score| !score.starts_with("photo-")), "{scores:?}");
    let kept = gateway.store().capture(heir).await.unwrap();
    assert_eq!(kept.colour, ColourReference::None);
    let set = kept.points.expect("taken over");
    assert_eq!(set.source, PointSource::Inherited);
    gateway.analysed(heir).await;
    let again = gateway.store().capture(heir).await.unwrap().points.expect("they stay");
    assert_eq!((again.source, again.points), (set.source, set.points), "measured again, they do not wander");
    for (found, truth) in set.points.anchors.iter().zip(person.points.anchors) {
        let truth = second.lands(&person.scene, truth);
        let off = (found[0] - truth[0]).hypot(found[1] - truth[1]);
        println!("taken over {off:.1} px from the truth");
        assert!(off < 13.0, "a millimetre: {found:?} for {truth:?}");
    }
    assert!(gateway.store().verify_audit().await.unwrap().is_ok());
    gateway.finished(after).await;

    let judges = judges(&[]);
    let chosen = comparison::choose(gateway.store(), gateway.visit, Baseline::SameVisit).await.unwrap();
    let drawn = comparison::draw(gateway.store(), &judges, gateway.visit, &chosen, &[]).await.unwrap();
    let tones: Vec<_> = drawn.items.iter().filter(|item| tone::METRICS.contains(&item.metric.as_str())).collect();
    assert!(tones.len() >= 3, "{:?}", drawn.items);
    for item in tones {
        assert_eq!(
            (item.verdict, item.refusal),
            (Verdict::NotComparable, Some(Refusal::NoColourReference)),
            "{item:?}"
        );
    }
    let told = gateway.salon.events().await;
    let event = told.iter().rev().find(|event| event.kind.ends_with("comparison.v1")).expect("headquarters is told");
    assert!(event.data.get().contains("no_colour_reference"), "{}", event.data.get());
    gateway.end().await;
}

/// With a card in both photographs colours were still never compared: nothing anywhere could say how they repeat themselves. Now the
/// gates' file can; while it does not, the comparison says so.
#[tokio::test]
async fn colours_beside_a_card_are_compared_once_their_repeatability_is_known() {
    let person = super::colour::behind(&people(&[View::Front]).remove(0), 0.0, true);
    let gateway = Gateway::start().await;
    for (phase, seed) in [(Phase::Before, 45), (Phase::After, 46)] {
        let scan = gateway.scan(phase).await;
        let capture = gateway.taken(scan, &person, &shot(seed)).await;
        let scores = gateway.analysed(capture).await;
        assert!(scores.contains(&"photo-redness forehead".to_owned()), "{scores:?}");
        gateway.finished(scan).await;
    }
    let known = |metric: &str, level_sd| ColourRepeats {
        metric: metric.into(),
        reference: "card".into(),
        level_sd,
        degrees_of_freedom: 60,
        source: "figures of this test alone".into(),
    };
    let all = [known("photo-tone", 1.0), known("photo-redness", 0.5), known("photo-pigment", 1.0)];
    let chosen = comparison::choose(gateway.store(), gateway.visit, Baseline::SameVisit).await.unwrap();
    for colours in [&all[..0], &all] {
        let judges = judges(colours);
        let drawn = comparison::draw(gateway.store(), &judges, gateway.visit, &chosen, &[]).await.unwrap();
        let read = |metric: &'static str| drawn.items.iter().filter(move |item| item.metric.as_str() == metric);
        let paired = read("photo-redness").filter(|item| item.before.is_some() && item.after.is_some());
        let paired: Vec<_> = paired.collect();
        assert!(paired.len() >= 3, "{:?}", drawn.items);
        for item in paired {
            println!("{} {:?}: {:?} of {:?}", item.metric, item.region, item.change, item.smallest_detectable_change);
            if colours.is_empty() {
                assert_eq!(item.refusal, Some(Refusal::RepeatabilityUnknown), "{item:?}");
            } else {
                assert_eq!((item.verdict, item.refusal), (Verdict::None, None), "the same skin: {item:?}");
                assert!(item.smallest_detectable_change.is_some_and(|limit| limit > 0.9), "{item:?}");
            }
        }
        // No side of these is better: the change stands there with its limit, and no verdict.
        let tones = read("photo-tone").filter(|item| item.before.is_some() && item.after.is_some());
        let tones: Vec<_> = tones.collect();
        assert!(!tones.is_empty(), "{:?}", drawn.items);
        for item in tones {
            let expected = if colours.is_empty() { Refusal::RepeatabilityUnknown } else { Refusal::NoDirection };
            assert_eq!(item.refusal, Some(expected), "{item:?}");
        }
    }
    gateway.end().await;
}

/// Nobody has tapped anything: where a detector is sure of a face, its points are set before, and a person still has to confirm
/// them. What it cannot see, a picture without a face, stays as the guide has it.
#[tokio::test]
async fn a_detector_sets_the_points_before_and_a_person_confirms_them() {
    let Some(data) = super::foreign::foreign() else { return };
    let person = people(&[View::Front]).remove(0);
    let gateway = Gateway::start().await;
    let models = tempfile::tempdir().unwrap();
    super::foreign::brought(&data, models.path(), "yunet", &super::foreign::yunet(), 0);
    timeout(PATIENCE, gateway.handle.activate(&models.path().join("yunet"))).await.expect("in time").unwrap();

    let before = gateway.scan(Phase::Before).await;
    let taken = shot(43);
    let capture = gateway.taken(before, &person, &taken).await;
    gateway.analysed(capture).await;
    let kept = gateway.store().capture(capture).await.unwrap();
    let set = kept.points.expect("proposed");
    assert_eq!((set.source, set.staff.as_str()), (PointSource::Proposed, "gateway"));
    let [a, b] = person.points.anchors.map(|p| taken.lands(&person.scene, p));
    let apart = (b[0] - a[0]).hypot(b[1] - a[1]);
    for (found, truth) in set.points.anchors.iter().zip([a, b]) {
        let off = (found[0] - truth[0]).hypot(found[1] - truth[1]) / apart;
        println!("proposed {:.1} % of the eyes' distance beside the truth", 100.0 * off);
        assert!(off < 0.15, "{found:?} for {truth:?}");
    }
    assert_eq!(gateway.store().heirs_of(capture).await.unwrap(), []);
    let later = gateway.taken(before, &person, &shot(44)).await;
    assert_eq!(gateway.store().baseline_of(later).await.unwrap(), None, "a proposal is not handed on");

    let points = FacePoints { anchors: [a, b], nose: taken.lands(&person.scene, person.points.nose) };
    let seen = gateway.store().visit(gateway.visit).await.unwrap().version;
    gateway.store().confirm_points(capture, seen, points, "b-07".into()).await.unwrap();
    gateway.analysed(capture).await;
    let set = gateway.store().capture(capture).await.unwrap().points.expect("confirmed");
    assert_eq!((set.source, set.points), (PointSource::Confirmed, points), "what a person said stays");
    assert_eq!(gateway.store().baseline_of(later).await.unwrap(), Some(capture));
    gateway.end().await;
}
