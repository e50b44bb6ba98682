//! Models as data: every folder of `models/` holds what it says, foreign models run by their manifest alone, and a
//! manifest that says what cannot be is refused with everything that is wrong with it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "support/inference.rs"]
mod inference;

use inference::{Worker, library, root};
use serde_json::Value;
use skinlink::{
    adapters::onnx::{Model, Runtime},
    analysis::{
        door,
        golden::Raw,
        job::{Reply, Request},
        manifest::{Manifest, ManifestError},
        picture::{self, Picture},
        tensor::{self, Data, Tensor},
    },
};
use skinlink_pixels::sample::Source;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

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
    let reason = worker.refusal(&Request::Activate { folder }, &[]);
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

const ULTRAFACE: &str = r#"
schema = 1
id = "ultraface"
version = "rfb-320"
title = { zh = "人脸位置", en = "Face position" }
file = "version-RFB-320.onnx"
sha256 = "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017"
licence = "MIT"
provenance = "UltraFace RFB-320"
intended_use = "test data"
[limits]
deadline_ms = 10000
memory_mib = 512
[input]
name = "input"
element = "f32"
layout = "nchw"
channels = "rgb"
scale = [0.0078125, 0.0078125, 0.0078125]
offset = [-0.9921875, -0.9921875, -0.9921875]
fit = "stretch"
width = 320
height = 240
[[output]]
name = "scores"
kind = "boxes"
activation = "none"
[[output]]
name = "boxes"
kind = "boxes"
activation = "none"
[accuracy]
measured_on = ""
note = ""
[[golden]]
name = "none"
input = "none.png"
expect = "none.toml"
"#;

fn yunet() -> String {
    let head = r#"
schema = 1
id = "yunet"
version = "n-320"
title = { zh = "人脸位置", en = "Face position" }
file = "yunet_n_320_320.onnx"
sha256 = "81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2"
licence = "Apache-2.0"
provenance = "YuNet 320"
intended_use = "test data"
[limits]
deadline_ms = 10000
memory_mib = 512
[input]
name = "input"
element = "f32"
layout = "nchw"
channels = "bgr"
scale = [1.0, 1.0, 1.0]
offset = [0.0, 0.0, 0.0]
fit = "pad-corner"
width = 320
height = 320
[accuracy]
measured_on = ""
note = ""
[[golden]]
name = "none"
input = "none.png"
expect = "none.toml"
"#;
    let names =
        ["cls", "obj", "bbox", "kps"].iter().flat_map(|kind| [8, 16, 32].map(|stride| format!("{kind}_{stride}")));
    let outputs = names.map(|name| format!("[[output]]\nname = \"{name}\"\nkind = \"boxes\"\nactivation = \"none\"\n"));
    head.to_owned() + &outputs.collect::<String>()
}

/// The test data beside the checkout, if this machine has it.
fn foreign() -> Option<PathBuf> {
    let data = root().join("../shared/data");
    let data = if data.exists() { data } else { root().join("../../shared/data") };
    if data.exists() {
        return Some(data);
    }
    println!("SKIPPED: the foreign models of ../shared/data are not on this machine");
    None
}

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

fn near(what: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    let tolerance = 1e-4 * (1.0 + expected.abs());
    assert!((found - expected).abs() < tolerance, "{what}: {found}, published {expected}");
}

#[test]
fn foreign_models_reproduce_their_published_figures() {
    let Some(data) = foreign() else { return };
    let golden: Value = serde_json::from_slice(&fs::read(data.join("models/golden.json")).unwrap()).unwrap();
    for (folder, text) in [("ultraface", ULTRAFACE.to_owned()), ("yunet", yunet())] {
        let mut model = open(&data, folder, &text);
        let figures = &golden[format!("models/{folder}/{}", model.manifest().file)];
        let shape: Vec<usize> = serde_json::from_value(figures["input"]["shape"].clone()).unwrap();
        let shape: [usize; 4] = shape.try_into().unwrap();
        let outputs = model.run(&ramp(shape)).unwrap();
        let zeros = Tensor { shape, data: Data::F32(vec![0.0; shape.iter().product()]) };
        let of_zeros = model.run(&zeros).unwrap();
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
    }
}

/// Left, top, right, bottom as shares of the picture.
type Box4 = [f64; 4];

fn ultraface_box(outputs: &[Raw]) -> Box4 {
    let (scores, boxes) = (&outputs[0].values, &outputs[1].values);
    let best = (0..4420).max_by(|a, b| scores[2 * a + 1].total_cmp(&scores[2 * b + 1])).unwrap();
    [0, 1, 2, 3].map(|k| f64::from(boxes[4 * best + k]))
}

fn yunet_box(model: &Model, outputs: &[Raw], picture: &Picture) -> Box4 {
    let get = |name: String| &outputs[model.manifest().output(&name).unwrap().0].values;
    let mut best = (0.0, [0.0; 4]);
    for stride in [8_usize, 16, 32] {
        let (cls, obj, boxes) =
            (get(format!("cls_{stride}")), get(format!("obj_{stride}")), get(format!("bbox_{stride}")));
        for at in 0..cls.len() {
            let score = (cls[at] * obj[at]).sqrt();
            if score > best.0 {
                let cells = 320 / stride;
                let [dx, dy, w, h] = [0, 1, 2, 3].map(|k| f64::from(boxes[4 * at + k]));
                let s = stride as f64;
                let (x, y) = (((at % cells) as f64 + dx) * s, ((at / cells) as f64 + dy) * s);
                let (w, h) = (w.exp() * s, h.exp() * s);
                best = (score, [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]);
            }
        }
    }
    // The picture fills the top left corner; what is left of 320 × 320 is border.
    let fitting = (320.0 / f64::from(picture.width())).min(320.0 / f64::from(picture.height()));
    let (w, h) = (f64::from(picture.width()) * fitting, f64::from(picture.height()) * fitting);
    let [l, t, r, b] = best.1;
    [l / w, t / h, r / w, b / h]
}

fn overlap(a: Box4, b: Box4) -> f64 {
    let area = |b: Box4| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both)
}

#[test]
fn two_foreign_models_see_the_same_face_by_their_manifests_alone() {
    let Some(data) = foreign() else { return };
    let (mut ultraface, mut yunet) = (open(&data, "ultraface", ULTRAFACE), open(&data, "yunet", &yunet()));
    for name in ["obama-480p.jpg", "obama.jpg", "biden.jpg", "obama2.jpg"] {
        let bytes = fs::read(data.join("images/portraits").join(name)).unwrap();
        let picture = picture::decode(&door::admit(&bytes).unwrap()).unwrap();
        let mut source = Source::new(picture.clone());
        let mut see = |model: &mut Model| {
            let tensor = tensor::from_picture(&model.manifest().input, &mut source).unwrap();
            model.run(&tensor).unwrap()
        };
        let (first, second) = (see(&mut ultraface), see(&mut yunet));
        let (first, second) = (ultraface_box(&first), yunet_box(&yunet, &second, &picture));
        let iou = overlap(first, second);
        println!("{name}: the two models' boxes overlap by {iou:.2}");
        assert!(iou > 0.5, "{name}: {first:?} and {second:?}");
    }
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
        ("search_px = 2", "search_px = 99", "score[0].search_px"),
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
