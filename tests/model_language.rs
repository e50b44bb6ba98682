//! What a manifest can say, each on a model made for it: odd names, open sides, both layouts, several outputs of every kind, and
//! every way from a map to a metric, over the picture and region by region. Nothing here but files: the program is `skinlink
//! worker`, as the gateway uses it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "support/inference.rs"]
#[expect(dead_code, reason = "shared with the stories of the inference process")]
mod inference;
#[path = "support/onnx.rs"]
#[expect(dead_code, reason = "shared with the hostile files")]
mod onnx;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use inference::Worker;
use onnx::{F32, Graph, floats, integers, node, outlet, whole, wholes};
use skinlink::analysis::{
    job::{Evaluated, FacePlace, Reply, Request},
    manifest::{Manifest, ManifestError},
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// What comes before `[input]`, and what follows the scores.
const HEAD: &str = r#"
schema = 1
id = "made"
version = "1"
title = { zh = "测试", en = "Made" }
file = "m.onnx"
sha256 = "DIGEST"
licence = "none"
provenance = "made by a test"
intended_use = "none"
limits = { deadline_ms = 5000, memory_mib = 512 }
accuracy = { measured_on = "", note = "" }
[[golden]]
name = "black"
input = "black.png"
expect = "black.toml"
"#;

fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Red where `is_red`, black elsewhere.
fn red(width: u32, height: u32, is_red: impl Fn(u32, u32) -> bool) -> Vec<u8> {
    let pixels = (0..width * height).flat_map(|at| [if is_red(at % width, at / width) { 255 } else { 0 }, 0, 0]);
    png(width, height, &pixels.collect::<Vec<u8>>())
}

/// Writes the folder and loads it.
fn loaded(folder: &Path, model: &Graph, manifest: &str, golden: &str, black: (u32, u32)) -> Result<Worker, String> {
    let file = model.model();
    let digest = hex::encode(openssl::sha::sha256(&file));
    let text = HEAD.replace("DIGEST", &digest) + manifest;
    let black = red(black.0, black.1, |_, _| false);
    for (name, bytes) in [
        ("m.onnx", &file[..]),
        ("manifest.toml", text.as_bytes()),
        ("black.png", &black),
        ("black.toml", format!("schema = 1\n{golden}").as_bytes()),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let mut worker = Worker::set_up();
    match worker.activate(folder) {
        Some(Reply::Activated { .. }) => Ok(worker),
        Some(Reply::Failed { reason }) => Err(reason),
        other => panic!("{other:?}"),
    }
}

fn told(worker: &mut Worker, picture: &[u8], face: Option<FacePlace>, px_per_mm: Option<f64>) -> Evaluated {
    let request = Request::Evaluate { model: "made".into(), face, px_per_mm };
    match worker.ask(&request, &[picture]) {
        Some(Reply::Evaluated(evaluated)) => evaluated,
        other => panic!("expected an evaluation, got {other:?}"),
    }
}

fn value(evaluated: &Evaluated, metric: &str, region: &str) -> f64 {
    let score = evaluated.scores.iter().find(|score| score.metric == metric && score.region == region);
    score.unwrap_or_else(|| panic!("no {metric} at {region}: {evaluated:?}")).value
}

/// Whole pictures, channels last, sides open, a name as exporters write them; five outputs: the picture itself as a map of
/// named channels, its mean, the mean of each colour as classes, two points, and one that nobody reads.
fn many_outputs() -> Graph {
    let axes = |axes: &[i64], keep| [wholes("axes", axes), whole("keepdims", keep)];
    Graph {
        nodes: vec![
            node("Identity", &["serving_default_input_1:0"], &["Identité/masks"], &[]),
            node("ReduceMean", &["serving_default_input_1:0"], &["mean"], &axes(&[0, 1, 2, 3], 0)),
            node("ReduceMean", &["serving_default_input_1:0"], &["colours"], &axes(&[1, 2], 0)),
            node("Identity", &["p"], &["points"], &[]),
            node("Neg", &["serving_default_input_1:0"], &["nobody's"], &[]),
        ],
        values: vec![floats("p", &[1, 2, 2], &[0.25, 0.5, 0.75, 0.5])],
        inputs: vec![outlet("serving_default_input_1:0", F32, &[-1, -1, -1, 3])],
        outputs: vec![
            outlet("nobody's", F32, &[-1, -1, -1, 3]),
            outlet("Identité/masks", F32, &[-1, -1, -1, 3]),
            outlet("points", F32, &[1, 2, 2]),
            outlet("colours", F32, &[-1, 3]),
            outlet("mean", F32, &[]),
        ],
    }
}

const MANY: &str = r#"
[input]
name = "serving_default_input_1:0"
element = "f32"
layout = "nhwc"
channels = "bgr"
scale = [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]
offset = [0.0, 0.0, 0.0]
fit = "letterbox"
width = 40
height = 40
fill = 0
[[output]]
name = "Identité/masks"
kind = "map"
stride = 1
layout = "nhwc"
channels = ["blue", "green", "red"]
activation = "none"
[[output]]
name = "mean"
kind = "scalar"
activation = "none"
[[output]]
name = "colours"
kind = "class"
classes = ["blue", "green", "red"]
activation = "none"
[[output]]
name = "points"
kind = "landmarks"
points = ["right_eye", "left_eye"]
coordinates = "share"
activation = "none"
"#;

fn score(metric: &str, output: &str, rest: &str) -> String {
    format!("[[score]]\nmetric = \"{metric}\"\noutput = \"{output}\"\n{rest}\n")
}

const BLACK: &str = "[[output]]\nname = \"mean\"\nshape = []\nmean = 0.0\ntolerance = 0.001\n";

/// Two red squares of 4 × 4 and a red line of 16 × 1 on a picture of 80 × 40, which the tensor shows at half its size.
fn squares() -> Vec<u8> {
    red(80, 40, |x, y| {
        let square = |left: u32, top: u32| (left..left + 8).contains(&x) && (top..top + 8).contains(&y);
        square(8, 8) || square(40, 8) || ((16..48).contains(&x) && (30..32).contains(&y))
    })
}

#[test]
fn every_kind_of_output_and_every_way_to_a_metric() {
    let folder = TempDir::new().unwrap();
    let map = "Identité/masks";
    let red = "channel = \"red\"\nthreshold = 0.5";
    let manifest = [
        MANY.to_owned(),
        score("share", map, &format!("{red}\nreduce = \"area-fraction\"")),
        score("level", map, "channel = \"red\"\nreduce = \"mean\""),
        score("strength", map, &format!("{red}\nreduce = \"mean-above\"")),
        score("green", map, "channel = \"green\"\nreduce = \"mean\""),
        score("number", map, &format!("{red}\nreduce = \"pieces\"\nmin_cells = 2\nper = \"extent\"")),
        score("density", map, &format!("{red}\nreduce = \"pieces\"\nper = \"cm2\"")),
        score("lines", map, &format!("{red}\nreduce = \"length\"\nper = \"extent\"")),
        score("lines-density", map, &format!("{red}\nreduce = \"length\"\nper = \"cm2\"")),
        score("overall", "mean", "reduce = \"scalar\""),
        score("reds", "colours", "reduce = \"class\"\nclass = \"red\""),
    ]
    .concat();
    let mut worker = loaded(folder.path(), &many_outputs(), &manifest, BLACK, (80, 40)).unwrap();
    let seen = told(&mut worker, &squares(), None, Some(4.0));
    assert_eq!((seen.width, seen.height), (80, 40));
    assert!(seen.skipped.is_empty(), "{seen:?}");
    // The border that fills the square tensor is no part of the picture: 40 × 20 cells are.
    let near = |metric: &str, expected: f64, tolerance: f64| {
        let found = value(&seen, metric, "face");
        assert!((found - expected).abs() <= tolerance, "{metric}: {found}, expected {expected}");
    };
    let cells = 2.0 * 16.0 + 16.0;
    near("share", 100.0 * cells / 800.0, 0.5);
    near("level", cells / 800.0, 0.005);
    near("strength", 1.0, 0.06);
    near("green", 0.0, 1e-6);
    near("number", 3.0, 0.0);
    // Two cells to the millimetre: 800 of them are 2 cm².
    near("density", 1.5, 1e-9);
    // A line of 16 cells, and what is left of two squares once they are thinned.
    near("lines", 8.5, 1.5);
    near("lines-density", value(&seen, "lines", "face") / 2.0, 1e-9);
    // Of the tensor with its border: half of the picture's share, and one colour of three.
    near("overall", cells / 1600.0 / 3.0, 0.002);
    near("reds", 100.0 * cells / 1600.0, 0.3);
    let share: f64 = seen.classes.iter().filter(|share| share.class == "red").map(|share| share.share).sum();
    assert!((100.0 * share - value(&seen, "reds", "face")).abs() < 1e-4);
    let eyes: Vec<(&str, [f64; 2])> = seen.points.iter().map(|point| (point.name.as_str(), point.at)).collect();
    assert_eq!(eyes, [("right_eye", [19.5, 19.5]), ("left_eye", [59.5, 19.5])]);

    let unknown = told(&mut worker, &squares(), None, None);
    assert_eq!(value(&unknown, "number", "face"), 3.0, "a number needs no scale");
    assert!(
        unknown.skipped.iter().any(|reason| reason.contains("density") && reason.contains("millimetre")),
        "{unknown:?}"
    );
    assert!(unknown.scores.iter().all(|score| score.metric != "lines"), "a length does");
}

/// The same map cut into the regions of a face: each region has its own value, and what is per face does not grow with the
/// picture.
#[test]
fn a_map_of_the_whole_picture_is_read_region_by_region() {
    let folder = TempDir::new().unwrap();
    let red_pieces = "channel = \"red\"\nthreshold = 0.5\nby = \"region\"\nreduce = \"pieces\"\n";
    let manifest = [
        MANY.replace("width = 40\nheight = 40", "width = 400\nheight = 400"),
        score("number", "Identité/masks", &format!("{red_pieces}per = \"extent\"")),
        score("per-face", "Identité/masks", &format!("{red_pieces}per = \"face\"")),
        score("per-cm2", "Identité/masks", &format!("{red_pieces}per = \"cm2\"")),
    ]
    .concat();
    let mut worker = loaded(folder.path(), &many_outputs(), &manifest, BLACK, (80, 40)).unwrap();
    let mut found = Vec::new();
    for size in [1.0, 2.0] {
        // Spots on a lattice all over the picture.
        let side = (400.0 * size) as u32;
        let spot = (20.0 * size) as u32;
        let picture = red(side, side, |x, y| x % spot < spot / 4 && y % spot < spot / 4);
        let anchors = [[130.0 * size, 150.0 * size], [270.0 * size, 150.0 * size]];
        let face = FacePlace { view: "front".into(), anchors };
        let seen = told(&mut worker, &picture, Some(face), None);
        let regions: Vec<&str> = seen.scores.iter().map(|score| score.region.as_str()).collect();
        assert!(regions.len() >= 6 && regions.contains(&"nose") && regions.contains(&"forehead"), "{seen:?}");
        for region in ["nose", "forehead"] {
            assert!(value(&seen, "number", region) > 2.0, "{seen:?}");
        }
        // 140 pixels between the pupils, a spot in every 400: 49 in a square of that side.
        let per_face = value(&seen, "per-face", "forehead");
        assert!((35.0..65.0).contains(&per_face), "{per_face} at size {size}");
        found.push((value(&seen, "number", "forehead"), per_face, value(&seen, "per-cm2", "forehead")));
    }
    assert!((found[0].0 - found[1].0).abs() <= 3.0, "{found:?}");
    assert!((found[0].1 / found[1].1 - 1.0).abs() < 0.15, "{found:?}");
    assert!((found[0].2 / found[1].2 - 1.0).abs() < 0.15, "a face has the same size in both: {found:?}");

    let nowhere = told(&mut worker, &squares(), None, Some(4.0));
    assert!(
        nowhere.scores.is_empty() && nowhere.skipped[0].contains("nothing says where the face lies"),
        "{nowhere:?}"
    );
}

/// One picture through each of the three ways to a fixed size, bytes going in: what comes out is where it must be.
#[test]
fn bytes_go_in_and_a_picture_lies_in_its_tensor_as_the_manifest_says() {
    let model = Graph {
        nodes: vec![node("Cast", &["x"], &["y"], &[whole("to", F32 as i64)])],
        inputs: vec![outlet("x", 2, &[1, 3, 20, 20])],
        outputs: vec![outlet("y", F32, &[1, 3, 20, 20])],
        ..Graph::default()
    };
    for (fit, share) in [("stretch", 50.0), ("letterbox", 50.0), ("pad-corner", 50.0)] {
        let folder = TempDir::new().unwrap();
        let manifest = format!(
            "[input]\nname = \"x\"\nelement = \"u8\"\nlayout = \"nchw\"\nchannels = \"rgb\"\nscale = [1, 1, 1]\noffset = [0, 0, 0]\n\
             fit = \"{fit}\"\nwidth = 20\nheight = 20\n[[output]]\nname = \"y\"\nkind = \"map\"\nstride = 1\n\
             channels = [\"r\", \"g\", \"b\"]\nactivation = \"none\"\n{}",
            score("share", "y", "channel = \"r\"\nthreshold = 128.0\nreduce = \"area-fraction\"")
        );
        let golden = "[[output]]\nname = \"y\"\nshape = [1, 3, 20, 20]\nmean = 0.0\nmax = 0.0\ntolerance = 0.001\n";
        let mut worker = loaded(folder.path(), &model, &manifest, golden, (40, 20)).unwrap();
        let half = red(40, 20, |x, _| x < 20);
        let found = value(&told(&mut worker, &half, None, None), "share", "face");
        assert!((found - share).abs() < 3.0, "{fit}: {found} %");
    }
}

/// A model that takes regions, on a picture that shows skin and nothing else.
#[test]
fn a_model_of_regions_measures_a_cut_by_its_scale() {
    let model = Graph {
        nodes: vec![node("ReduceMean", &["x"], &["y"], &[wholes("axes", &[1]), whole("keepdims", 1)])],
        inputs: vec![outlet("x", F32, &[-1, 3, -1, -1])],
        outputs: vec![outlet("y", F32, &[-1, 1, -1, -1])],
        values: Vec::new(),
    };
    let folder = TempDir::new().unwrap();
    let manifest =
        "[input]\nname = \"x\"\nelement = \"f32\"\nlayout = \"nchw\"\nchannels = \"rgb\"\nscale = [1, 1, 1]\n\
        offset = [0, 0, 0]\nfit = \"region\"\npx_per_mm = 2.0\nmin_px_per_mm = 1.0\nmargin_px = 0\nmultiple_of = 16\n\
        [[output]]\nname = \"y\"\nkind = \"map\"\nstride = 1\nactivation = \"none\"\n"
            .to_owned()
            + &score("number", "y", "threshold = 40.0\nreduce = \"pieces\"\nmin_cells = 4\nper = \"cm2\"");
    let golden = "[[output]]\nname = \"y\"\nshape = [1, 1, 40, 80]\nmean = 0.0\ntolerance = 0.001\n\
        [[score]]\nmetric = \"number\"\nregion = \"whole picture\"\npx_per_mm = 2.0\nvalue = 0.0\ntolerance = 0.0\n";
    let mut worker = loaded(folder.path(), &model, &manifest, golden, (80, 40)).unwrap();
    // 20 × 10 mm at 4 px/mm, measured at 2: three pieces on 2 cm².
    let found = value(&told(&mut worker, &squares(), None, Some(4.0)), "number", "face");
    assert!((found - 1.5).abs() < 1e-9, "{found}");
    let coarse = told(&mut worker, &squares(), None, Some(0.5));
    assert!(coarse.scores.is_empty() && coarse.skipped[0].contains("needs 1 px/mm"), "{coarse:?}");
    let request = Request::Evaluate { model: "made".into(), face: None, px_per_mm: None };
    assert!(worker.refusal(&request, &[&squares()]).contains("say where the face lies"));
    let request = Request::Evaluate { model: "another".into(), face: None, px_per_mm: None };
    assert!(worker.refusal(&request, &[&squares()]).contains("no model \"another\" is active"));
}

#[test]
fn a_model_that_is_not_what_its_manifest_says_is_told_what_differs() {
    let fixed = |sides: &[i64]| {
        let mut model = many_outputs();
        model.inputs = vec![outlet("serving_default_input_1:0", F32, sides)];
        model
    };
    let folder = TempDir::new().unwrap();
    let two = Graph {
        nodes: vec![node("Add", &["x", "age"], &["y"], &[])],
        inputs: vec![outlet("x", F32, &[1, 3, 4, 4]), outlet("age", F32, &[1])],
        outputs: vec![outlet("y", F32, &[1, 3, 4, 4])],
        values: vec![integers("unused", &[1])],
    };
    for (model, manifest, words) in [
        (fixed(&[4, -1, -1, 3]), MANY.to_owned(), "takes 4 pictures at once"),
        (fixed(&[1, 32, 40, 3]), MANY.to_owned(), "is not the 40 × 40"),
        (fixed(&[1, 3, 40, 40]), MANY.to_owned(), "has 40 channels where input.layout nhwc has them"),
        (many_outputs(), MANY.replace(":0\"", ":1\""), "its input is \"serving_default_input_1:0\""),
        (
            many_outputs(),
            MANY.replace("\"mean\"", "\"average\""),
            "no output \"average\"; it has nobody's, Identité/masks",
        ),
        (two, MANY.to_owned(), "it has 2 inputs (\"x\", \"age\"); one picture is all a model gets here"),
        (many_outputs(), MANY.replace("[\"right_eye\", \"left_eye\"]", "[\"nose\"]"), "black"),
    ] {
        let refused = loaded(folder.path(), &model, &manifest, BLACK, (80, 40));
        match refused {
            Err(reason) => assert!(reason.contains(words), "{words}: {reason}"),
            // How many values there are shows when there is a picture.
            Ok(mut worker) => {
                let request = Request::Evaluate { model: "made".into(), face: None, px_per_mm: None };
                let reason = worker.refusal(&request, &[&squares()]);
                assert!(
                    words == "black" && reason.contains("has 4 values; the manifest describes 2"),
                    "{words}: {reason}"
                );
            }
        }
    }
}

#[test]
fn what_a_manifest_may_not_say_is_told_by_field() {
    let good = HEAD.replace("DIGEST", &"0".repeat(64))
        + MANY
        + &score("number", "Identité/masks", "channel = \"red\"\nthreshold = 0.5\nreduce = \"pieces\"\nper = \"cm2\"");
    Manifest::parse(&good).unwrap();
    let boxes = "[[output]]\nname = \"b\"\nkind = \"boxes\"\nactivation = \"none\"\n[[detector]]\nid = \"d\"\ndecoder = \"corners\"\n\
        boxes = [\"b\"]\nscores = [\"b\"]\ncoordinates = \"share\"\nthreshold = 0.5\noverlap = 0.3\n";
    Manifest::parse(&(good.clone() + boxes)).unwrap();
    for (from, to, field) in [
        ("channel = \"red\"", "channel = \"rouge\"", "score[0].channel"),
        ("channel = \"red\"\n", "", "score[0].channel"),
        ("per = \"cm2\"", "per = \"inch\"", "score[0].per"),
        ("per = \"cm2\"", "", "score[0].per"),
        ("reduce = \"pieces\"\nper", "reduce = \"mean\"\nper", "score[0].per"),
        ("reduce = \"pieces\"\nper = \"cm2\"", "reduce = \"mean\"", "score[0].threshold"),
        ("reduce = \"pieces\"", "reduce = \"pieces\"\nmin_cells = 0", "score[0].min_cells"),
        ("reduce = \"pieces\"", "reduce = \"pieces\"\nby = \"cheek\"", "score[0].by"),
        ("reduce = \"pieces\"", "reduce = \"pieces\"\nbetter = \"bigger\"", "score[0].better"),
        ("output = \"Identité/masks\"", "output = \"mean\"", "score[0].reduce"),
        (
            "[\"blue\", \"green\", \"red\"]\nactivation",
            "[\"blue\", \"blue\", \"red\"]\nactivation",
            "output[0].channels",
        ),
        ("classes = [\"blue\", \"green\", \"red\"]\n", "", "output[2].classes"),
        ("coordinates = \"share\"\nactivation", "activation", "output[3].coordinates"),
        ("kind = \"scalar\"", "kind = \"scalar\"\nchannels = [\"a\"]", "output[1].channels"),
        ("kind = \"scalar\"", "kind = \"scalar\"\nlayout = \"nhwc\"", "output[1].layout"),
        ("name = \"mean\"", "name = \"points\"", "output"),
        ("decoder = \"corners\"", "decoder = \"anchors\"", "detector[0].decoder"),
        ("decoder = \"corners\"", "decoder = \"corners\"\nstrides = [8]", "detector[0].strides"),
        ("decoder = \"corners\"", "decoder = \"anchor-free\"", "detector[0].strides"),
        ("boxes = [\"b\"]", "boxes = [\"mean\"]", "detector[0].boxes"),
        ("boxes = [\"b\"]", "boxes = []", "detector[0].boxes"),
        ("overlap = 0.3", "overlap = 3.0", "detector[0].overlap"),
        ("overlap = 0.3", "overlap = 0.3\npoints = [\"nose\"]", "detector[0].points"),
        ("id = \"d\"", "id = \"The Face\"", "detector[0].id"),
    ] {
        let text = (good.clone() + boxes).replacen(from, to, 1);
        assert!(text != good.clone() + boxes, "{from} is there");
        let Err(ManifestError::Wrong(complaints)) = Manifest::parse(&text) else { panic!("{to:?} was taken") };
        assert!(complaints.iter().any(|c| c.field == field && !c.remedy.is_empty()), "{to:?}: {complaints:?}");
    }
}

/// The page shows a manifest that loads, and what it shows apart from that are parts of one.
#[test]
fn the_manifest_of_the_page_loads() {
    let page = include_str!("../docs/models.md");
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let manifest = Manifest::parse(blocks[0]).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(manifest.scores[0].metric.as_str(), "wrinkles");
    let detectors = blocks.iter().filter(|block| block.starts_with("[[detector]]")).count();
    let truths = blocks.iter().filter(|block| skinlink::analysis::evaluation::Truth::parse(block).is_ok()).count();
    assert_eq!((blocks.len(), detectors, truths), (4, 2, 1), "a manifest, two detectors, a truth");
}
