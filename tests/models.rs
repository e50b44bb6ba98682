//! Models as data: every folder of `models/` holds what it says, foreign models run by their manifest alone, and a
//! manifest that says what cannot be is refused with everything that is wrong with it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/inference.rs"]
mod inference;
#[path = "support/skipped.rs"]
mod skipped;

use foreign::{brought, foreign, ultraface, yunet};
use inference::{Worker, library, root};
use serde_json::Value;
use skinlink::{
    adapters::onnx::{Model, Runtime},
    analysis::{
        detector,
        golden::Raw,
        job::{Reply, Request},
        manifest::{Manifest, ManifestError},
        tensor::{Data, Tensor},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;

/// One library per process, whichever test comes first.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&library()).expect("the pinned library"))
}

fn folders() -> Vec<PathBuf> {
    let found: Vec<PathBuf> = fs::read_dir(root().join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("manifest.toml").exists())
        .collect();
    assert!(!found.is_empty(), "the walk found no model");
    found
}

#[test]
fn every_model_is_what_its_manifest_says_and_passes_its_golden_set() {
    let mut worker = Worker::set_up();
    for folder in folders() {
        let reply = worker.activate(&folder);
        let Some(Reply::Activated { model }) = reply else { panic!("{}: {reply:?}", folder.display()) };
        assert_eq!(folder.file_name().unwrap().to_str().unwrap(), model.id, "the folder carries the model's name");
    }
    assert!(worker.hang_up().success());
}

#[test]
fn a_folder_without_a_model_is_refused_by_name() {
    let mut worker = Worker::set_up();
    let folder = root().join("config").display().to_string();
    let reason = worker.refusal(&Request::Activate { folder, pinned: None }, &[]);
    assert!(reason.contains("config/manifest.toml cannot be read"), "{reason}");
}

#[test]
fn every_score_feeds_a_known_metric_and_says_how_it_repeats_itself() {
    let metrics = fs::read_to_string(root().join("config/metrics.toml")).unwrap();
    for folder in folders() {
        let manifest = Manifest::parse(&fs::read_to_string(folder.join("manifest.toml")).unwrap()).unwrap();
        for rule in &manifest.scores {
            assert!(
                metrics.contains(&format!("id = \"{}\"", rule.metric)),
                "{} is no metric of the house",
                rule.metric
            );
            let known = rule.repeatability.as_ref().expect("a score without repeatability never gets a verdict");
            assert!(known.degrees_of_freedom >= 30, "{}: too few pairs behind its repeatability", rule.metric);
        }
    }
}

// Foreign models: nobody here made them, and there is no line of code for them.

fn open(data: &Path, folder: &str, text: &str) -> Model {
    let manifest = Manifest::parse(text).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let bytes = fs::read(data.join("models").join(folder).join(&manifest.file)).unwrap();
    Model::open(runtime(), manifest, &bytes).unwrap_or_else(|e| panic!("{folder}: {e}"))
}

/// The published figures' input: x[i] = ((i · 7919) mod 1009) / 1009 − 0.5.
fn ramp(shape: [usize; 4]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    Tensor { shape, data: Data::F32(values) }
}

/// The bar is absolute, whatever the size of the number.
const BAR: f64 = 1e-4;

#[test]
fn foreign_models_reproduce_their_published_figures() {
    let Some(data) = foreign() else { return };
    let golden: Value = serde_json::from_slice(&fs::read(data.join("models/golden.json")).unwrap()).unwrap();
    for (folder, text) in [("ultraface", ultraface()), ("yunet", yunet())] {
        let mut model = open(&data, folder, &text);
        let figures = &golden[format!("models/{folder}/{}", model.manifest().file)];
        let shape: Vec<usize> = serde_json::from_value(figures["input"]["shape"].clone()).unwrap();
        let shape: [usize; 4] = shape.try_into().unwrap();
        let outputs = model.run(&ramp(shape)).unwrap();
        let zeros = Tensor { shape, data: Data::F32(vec![0.0; shape.iter().product()]) };
        let of_zeros = model.run(&zeros).unwrap();
        let (mut largest, mut compared) = (0.0_f64, 0);
        let mut near = |what: &str, found: f64, expected: &Value| {
            let off = (found - expected.as_f64().unwrap()).abs();
            assert!(off <= BAR, "{folder} {what}: {found}, published {expected}");
            (largest, compared) = (largest.max(off), compared + 1);
        };
        for figures in figures["outputs"].as_array().unwrap() {
            let name = figures["name"].as_str().unwrap();
            let (at, _) = model.manifest().output(name).unwrap();
            let Raw { shape, values } = &outputs[at];
            assert_eq!(serde_json::to_value(shape).unwrap(), figures["shape"], "{name}");
            let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
            near(name, mean(values), &figures["ramp_mean"]);
            near(name, values.iter().copied().fold(f32::INFINITY, f32::min).into(), &figures["ramp_min"]);
            near(name, values.iter().copied().fold(f32::NEG_INFINITY, f32::max).into(), &figures["ramp_max"]);
            for (value, expected) in values.iter().zip(figures["ramp_first5"].as_array().unwrap()) {
                near(name, (*value).into(), expected);
            }
            near(name, mean(&of_zeros[at].values), &figures["zero_mean"]);
        }
        println!("{folder}: {compared} published figures, none further off than {largest:.1e}");
    }
}

fn skinlink(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
    command.args(arguments).current_dir(root()).env("SKINLINK_ONNXRUNTIME", library()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

const PORTRAITS: [&str; 5] = ["biden.jpg", "obama-240p.jpg", "obama-480p.jpg", "obama.jpg", "obama2.jpg"];

/// From the folder to faces and eyes with nothing but the program: no line of code, of the project or of this test, knows
/// these models.
#[test]
fn foreign_models_find_faces_and_eyes_by_their_manifests_alone() {
    let Some(data) = foreign() else { return };
    let folder = TempDir::new().unwrap();
    brought(&data, folder.path(), "ultraface", &ultraface(), 127);
    // The border round a picture that does not fill the tensor is zero as well.
    brought(&data, folder.path(), "yunet", &yunet(), 0);
    let models = folder.path().to_str().unwrap();
    let (code, out, err) = skinlink(&["model", "test", "--models", models]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.matches("its golden set holds").count(), 2, "{out}");

    let portraits = data.join("images/portraits");
    let mut told: Vec<BTreeMap<String, Value>> = Vec::new();
    for id in ["ultraface", "yunet"] {
        let into = folder.path().join(format!("{id}.jsonl"));
        let arguments =
            ["model", "eval", id, portraits.to_str().unwrap(), "--models", models, "--into", into.to_str().unwrap()];
        let (code, out, err) = skinlink(&[&arguments[..], &["--json"]].concat());
        assert_eq!(code, 0, "{out}{err}");
        let summary: Value = serde_json::from_str(&out).unwrap();
        println!("{id}: {}", summary["summary"]["detectors"]);
        let lines = fs::read_to_string(&into).unwrap();
        let records = lines.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        told.push(
            records.map(|record| (record["file"].as_str().unwrap().to_owned(), record["evaluated"].clone())).collect(),
        );
    }
    for name in PORTRAITS {
        let (first, second) = (&told[0][name]["found"], &told[1][name]["found"]);
        let (corners, other) = (corners(&first[0]["box"]), corners(&second[0]["box"]));
        let iou = detector::shared(corners, other);
        let score = second[0]["score"].as_f64().unwrap();
        let at = |point: &str| {
            let points = second[0]["points"].as_array().unwrap();
            let found = points.iter().find(|found| found["name"] == point).unwrap();
            [0, 1].map(|k| found["at"][k].as_f64().unwrap())
        };
        let (right, left, nose) = (at("right_eye"), at("left_eye"), at("nose"));
        let width = other[2] - other[0];
        let apart = (left[0] - right[0]) / width;
        println!("{name}: overlap {iou:.2}, score {score:.2}, eyes {apart:.2} of the face apart");
        assert_eq!(
            (first.as_array().unwrap().len(), second.as_array().unwrap().len()),
            (1, 1),
            "{name}: one face each"
        );
        assert!(iou > 0.5 && score > 0.8, "{name}: {corners:?} and {other:?}");
        assert!((0.3..0.6).contains(&apart), "{name}: {right:?} {left:?}");
        assert!((left[1] - right[1]).abs() < 0.15 * width, "{name}: the eyes are level");
        let middle = f64::midpoint(right[1], left[1]);
        assert!(nose[1] > middle + 0.1 * width && nose[0] > right[0] && nose[0] < left[0], "{name}: {nose:?}");
        assert!(
            middle > other[1] && middle < f64::midpoint(other[1], other[3]),
            "{name}: the eyes are in the upper half"
        );
    }
    // One photograph in two sizes: the same places, in shares of the picture.
    let place = |name: &str| {
        let seen = &told[1][name];
        let size = [seen["width"].as_f64().unwrap(), seen["height"].as_f64().unwrap()];
        let point = &seen["found"][0]["points"][0]["at"];
        [0, 1].map(|k| point[k].as_f64().unwrap() / size[k])
    };
    let (small, large) = (place("obama-240p.jpg"), place("obama-480p.jpg"));
    assert!((0..2).all(|k| (small[k] - large[k]).abs() < 0.01), "{small:?} and {large:?}");
}

fn corners(value: &Value) -> [f64; 4] {
    [0, 1, 2, 3].map(|k| value[k].as_f64().unwrap())
}

// The door for manifests.

fn ours() -> String {
    fs::read_to_string(root().join("models/pores-dog/manifest.toml")).unwrap()
}

#[test]
fn all_complaints_come_together_each_with_its_field_and_remedy() {
    let edits = [
        ("schema = 1", "schema = 2", "schema"),
        ("id = \"pores-dog\"", "id = \"Pores\"", "id"),
        ("file = \"model.onnx\"", "file = \"../model.onnx\"", "file"),
        ("deadline_ms = 10000", "deadline_ms = 0", "limits.deadline_ms"),
        ("memory_mib = 1024", "memory_mib = 1", "limits.memory_mib"),
        ("element = \"f32\"", "element = \"f64\"", "input.element"),
        ("layout = \"nchw\"", "layout = \"chw\"", "input.layout"),
        ("channels = \"rgb\"", "channels = \"grey\"", "input.scale"),
        ("px_per_mm = 13.0", "px_per_mm = -1.0", "input.px_per_mm"),
        ("stride = 1", "stride = 0", "output[0].stride"),
        ("activation = \"none\"", "activation = \"tanh\"", "output[0].activation"),
        ("metric = \"pores\"", "metric = \"Pores!\"", "score[0].metric"),
        ("window = 5", "window = 4", "score[0].window"),
        ("kept_threshold = ", "kept_threshold = 7", "score[0].kept_threshold"),
        ("search_px = 1", "search_px = 99", "score[0].search_px"),
        ("expect = \"golden/rendered-cheek.toml\"", "expect = \"/etc/passwd\"", "golden[0].expect"),
    ];
    let mut text = ours();
    for (from, to, _) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let Err(ManifestError::Wrong(complaints)) = Manifest::parse(&text) else { panic!("it was taken") };
    for (_, _, field) in edits {
        let complaint = complaints.iter().find(|c| c.field == field);
        assert!(complaint.is_some_and(|c| !c.remedy.is_empty()), "no complaint about {field}: {complaints:?}");
    }
}

#[test]
fn what_belongs_to_another_kind_is_a_complaint() {
    for (from, to, field) in [
        ("fit = \"region\"", "fit = \"region\"\nwidth = 320", "input.fit"),
        ("fit = \"region\"", "fit = \"stretch\"", "input.fit"),
        ("reduce = \"peak-density\"", "reduce = \"mean\"", "score[0].paired"),
        ("reduce = \"peak-density\"", "reduce = \"scalar\"", "score[0].reduce"),
        ("kind = \"map\"", "kind = \"vector\"", "score[0].reduce"),
        ("output = \"response\"", "output = \"x\"", "score[0].output"),
    ] {
        let text = ours().replacen(from, to, 1);
        let Err(ManifestError::Wrong(complaints)) = Manifest::parse(&text) else { panic!("{to} was taken") };
        assert!(complaints.iter().any(|c| c.field == field), "{to}: {complaints:?}");
    }
}

/// Stations take contact scopes down to half a micrometre a pixel; a model for one was refused from a hundred pixels to the millimetre
/// upwards.
#[test]
fn a_model_may_see_skin_as_finely_as_a_contact_scope_shows_it() {
    let at = |px: &str| {
        let text = ours().replacen("px_per_mm = 13.0", &format!("px_per_mm = {px}"), 1);
        Manifest::parse(&text.replacen("min_px_per_mm = 8.0", "min_px_per_mm = 1000.0", 1))
    };
    assert!(at("2000.0").is_ok());
    let Err(ManifestError::Wrong(complaints)) = at("2000.1") else { panic!("finer than any scope") };
    assert!(complaints.iter().any(|c| c.field == "input.px_per_mm"), "{complaints:?}");
}

#[test]
fn no_line_and_no_byte_can_be_lost_without_a_sentence() {
    let text = ours();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() {
        let without: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, line)| *line).collect();
        let _ = Manifest::parse(&without.join("\n"));
        let doubled: Vec<&str> = lines[..=at].iter().chain(&lines[at..]).copied().collect();
        let _ = Manifest::parse(&doubled.join("\n"));
    }
    for (at, byte) in text.bytes().enumerate() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = byte ^ 1;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = Manifest::parse(&text);
        }
    }
    let unknown = Manifest::parse(&format!("treshold = 1\n{text}")).unwrap_err().to_string();
    assert!(unknown.contains("treshold"), "{unknown}");
}
