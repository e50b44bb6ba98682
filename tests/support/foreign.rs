//! Two models that nobody here made, of `../shared/data`: what their authors say of them, as manifests, and their folders as
//! somebody would bring them.

use crate::root;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use serde_json::Value;
use skinlink::analysis::manifest::Manifest;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What both manifests say alike; `about`, `input` and `detector` say what differs.
fn manifest(about: &str, input: &str, detector: &str, outputs: &[String]) -> String {
    let outputs = outputs
        .iter()
        .map(|name| format!("[[output]]\nname = \"{name}\"\nkind = \"boxes\"\nactivation = \"none\"\n"))
        .collect::<String>();
    format!(
        r#"
schema = 1
title = {{ zh = "人脸位置", en = "Face position" }}
intended_use = "test data"
{about}
[limits]
deadline_ms = 10000
memory_mib = 512
[input]
name = "input"
element = "f32"
layout = "nchw"
width = 320
{input}
[[detector]]
id = "face"
overlap = 0.3
{detector}
[accuracy]
measured_on = ""
note = ""
[[golden]]
name = "grey"
input = "grey.png"
expect = "grey.toml"
{outputs}"#
    )
}

pub fn ultraface() -> String {
    let about = r#"
id = "ultraface"
version = "rfb-320"
file = "version-RFB-320.onnx"
sha256 = "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017"
licence = "MIT"
provenance = "UltraFace RFB-320"
"#;
    let input = r#"
channels = "rgb"
scale = [0.0078125, 0.0078125, 0.0078125]
offset = [-0.9921875, -0.9921875, -0.9921875]
fit = "stretch"
height = 240
"#;
    let detector = r#"
decoder = "corners"
boxes = ["boxes"]
scores = ["scores"]
class = 1
coordinates = "share"
threshold = 0.7
"#;
    manifest(about, input, detector, &["scores", "boxes"].map(str::to_owned))
}

pub fn yunet() -> String {
    let about = r#"
id = "yunet"
version = "n-320"
file = "yunet_n_320_320.onnx"
sha256 = "81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2"
licence = "Apache-2.0"
provenance = "YuNet 320"
"#;
    let input = r#"
channels = "bgr"
scale = [1.0, 1.0, 1.0]
offset = [0.0, 0.0, 0.0]
fit = "pad-corner"
height = 320
"#;
    let detector = r#"
decoder = "anchor-free"
strides = [8, 16, 32]
boxes = ["bbox_8", "bbox_16", "bbox_32"]
scores = ["cls_8", "cls_16", "cls_32"]
objectness = ["obj_8", "obj_16", "obj_32"]
landmarks = ["kps_8", "kps_16", "kps_32"]
points = ["right_eye", "left_eye", "nose", "right_mouth", "left_mouth"]
threshold = 0.6
"#;
    let outputs = ["cls", "obj", "bbox", "kps"].map(|kind| [8, 16, 32].map(|stride| format!("{kind}_{stride}")));
    manifest(about, input, detector, &outputs.concat())
}

/// The test data beside the checkout, if this machine has it.
pub fn foreign() -> Option<PathBuf> {
    let data = root().join("../shared/data");
    let data = if data.exists() { data } else { root().join("../../shared/data") };
    if data.exists() {
        return Some(data);
    }
    super::skipped::skipped("the foreign models of ../shared/data are not on this machine");
    None
}

/// A folder as somebody would bring it: the model file, a manifest, and one golden picture. Its grey is the level that becomes
/// zero in the tensor, so that the published figure for zeros is what the model must answer.
pub fn brought(data: &Path, folder: &Path, id: &str, text: &str, grey: u8) {
    let golden: Value = serde_json::from_slice(&fs::read(data.join("models/golden.json")).unwrap()).unwrap();
    let manifest = Manifest::parse(text).unwrap();
    let home = folder.join(id);
    fs::create_dir_all(&home).unwrap();
    fs::copy(data.join("models").join(id).join(&manifest.file), home.join(&manifest.file)).unwrap();
    let mut expected = "schema = 1\n".to_owned();
    for output in golden[format!("models/{id}/{}", manifest.file)]["outputs"].as_array().unwrap() {
        expected += &format!(
            "[[output]]\nname = {}\nshape = {}\nmean = {:?}\ntolerance = 0.0001\n",
            output["name"],
            output["shape"],
            output["zero_mean"].as_f64().unwrap()
        );
    }
    expected += "[[detection]]\ndetector = \"face\"\nboxes = []\ntolerance = 1.0\n";
    let (width, height) = (64, 48);
    let mut png = Vec::new();
    let pixels = vec![grey; (width * height * 3) as usize];
    PngEncoder::new(&mut png).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    for (name, bytes) in [("manifest.toml", text.as_bytes()), ("grey.toml", expected.as_bytes()), ("grey.png", &png)] {
        fs::write(home.join(name), bytes).unwrap();
    }
}
