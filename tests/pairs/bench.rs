//! The inference process with the model under test, and what the comparison says of what it found.

use crate::{
    inference::{Worker, library, root},
    shots::Shot,
};
use skinlink::{
    analysis::{
        compare::{Drawn, PairedResult, Question, Side, compare},
        job::{Levels, ModelName, Paired, PairedMeasure, PictureOf, Reply, Request},
        manifest::Manifest,
    },
    config::metrics,
    domain::{
        BootId, CaptureId, ClockState, Quantity, ScanId, ScoreId, Stamp, Timestamp,
        capture::{Capture, ColourReference, Format, Light, View},
        comparison::Baseline,
        metric::{Metric, MetricId},
        score::{Engine, Score},
    },
};
use std::path::Path;

pub struct Bench {
    worker: Worker,
}

impl Bench {
    /// `regions`: text of `face-regions.toml`; `model`: its folder.
    pub fn new(regions: &str, model: &Path) -> Self {
        let mut worker = Worker::bare();
        let ready = worker.set_up_for(&library(), 3072, regions);
        assert!(matches!(ready, Some(Reply::Ready { .. })), "{ready:?}");
        let active = worker.activate(model);
        assert!(matches!(active, Some(Reply::Activated { .. })), "{active:?}");
        Self { worker }
    }

    /// With the colours of both as if a white card had been in view.
    pub fn pictures(&mut self, view: View, before: &Shot, after: &Shot) -> Vec<(PictureOf, Vec<u8>)> {
        let (before_anchors, after_anchors) = (before.anchors, after.anchors);
        let whites = Some([before.white, after.white]);
        let request = Request::Pictures {
            view: view.to_string(),
            before_anchors,
            after_anchors,
            cameras: Default::default(),
            whites,
        };
        match self.worker.ask_for_parts(&request, &[&before.bytes, &after.bytes]) {
            Some((Reply::Pictures(named), parts)) => named.pictures.into_iter().zip(parts).collect(),
            other => panic!("expected pictures, got {other:?}"),
        }
    }

    pub fn levels(&mut self, view: View, shot: &Shot) -> Levels {
        let request = Request::Levels { view: view.to_string(), anchors: shot.anchors };
        match self.worker.ask(&request, &[&shot.bytes]) {
            Some(Reply::Levels(levels)) => levels,
            other => panic!("expected levels, got {other:?}"),
        }
    }

    pub fn pair(&mut self, view: View, before: &Shot, after: &Shot) -> Vec<PairedMeasure> {
        let request =
            Request::Paired { view: view.to_string(), before_anchors: before.anchors, after_anchors: after.anchors };
        match self.worker.ask(&request, &[&before.bytes, &after.bytes]) {
            Some(Reply::Paired(Paired { measures })) => measures,
            other => panic!("expected paired measures, got {other:?}"),
        }
    }
}

/// The model of the project.
pub fn model() -> std::path::PathBuf {
    root().join("models/pores-dog")
}

pub fn manifest() -> Manifest {
    let text = std::fs::read_to_string(model().join("manifest.toml")).expect("part of the repository");
    Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

pub fn house_metrics() -> Vec<Metric> {
    let text = std::fs::read_to_string(root().join("config/metrics.toml")).expect("part of the repository");
    metrics::parse(&text, "metrics.toml").unwrap_or_else(|e| panic!("{e}"))
}

/// What the page would say of a visit's photographs: every view's measures in one comparison, limits shared among all.
pub fn judged(manifest: &Manifest, metrics: &[Metric], measures: &[PairedMeasure]) -> Drawn {
    let scores = |capture: u128, side: usize| -> Vec<Score> {
        measures
            .iter()
            .map(|measure| score(capture, measure, measure.levels.map_or(1.0, |levels| levels[side])))
            .collect()
    };
    let (before, after) = (scores(1, 0), scores(2, 1));
    let results: Vec<PairedResult> = measures
        .iter()
        .map(|measure| PairedResult {
            before: CaptureId::from_bits(1),
            after: CaptureId::from_bits(2),
            engine: engine(&measure.model),
            metric: MetricId::new(&measure.metric).expect("a metric"),
            region: measure.region.parse().expect("a region"),
            outcome: measure.outcome(),
            levels: measure.levels,
        })
        .collect();
    let (one, two) = ([capture(1)], [capture(2)]);
    let question = Question {
        baseline: Baseline::SameVisit,
        metrics,
        before: Side { readings: &[], scores: &before, captures: &one },
        after: Side { readings: &[], scores: &after, captures: &two },
        paired: &results,
    };
    compare(&question, |_| None, |score| manifest.score(&score.metric)?.repeatability.clone())
}

fn engine(name: &ModelName) -> Engine {
    Engine {
        model: name.id.clone(),
        model_version: name.version.clone(),
        model_digest: name.digest.clone(),
        provider: name.provider.clone(),
    }
}

fn score(capture: u128, measure: &PairedMeasure, value: f64) -> Score {
    Score {
        id: ScoreId::from_bits(1),
        capture: CaptureId::from_bits(capture),
        engine: engine(&measure.model),
        metric: MetricId::new(&measure.metric).expect("a metric"),
        region: measure.region.parse().expect("a region"),
        value: Quantity::new(value, 3).expect("a number"),
        unit: String::new(),
        computed: stamp(),
    }
}

fn stamp() -> Stamp {
    let wall = Timestamp::from_unix_ms(1_800_000_000_000);
    Stamp { boot: BootId::from_bits(1), monotonic_ns: 1, wall, clock: ClockState::Synced }
}

fn capture(id: u128) -> Capture {
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
        camera: "room 1".into(),
        taken: stamp(),
    }
}
