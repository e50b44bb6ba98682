//! The inference process: what it answers, what it refuses, and that nothing it suffers reaches the gateway.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "../support/inference.rs"]
mod inference;
mod lost;
#[path = "../support/measuring.rs"]
mod measuring;
mod pairs;
#[path = "../support/skin.rs"]
mod skin;
mod task;

use inference::{LIMIT, Worker, library, root};
use measuring::{Gateway, children_running, good_recipe, pores, recipe, within};
use skin::{ANCHORS, STILL, Shot, Skin, png};
use skinlink::{
    analysis::{
        compare::{PairedCounts, PairedFound},
        job::{FacePlace, Levels, Paired, PairedMeasure, PictureKind, Reply, Request},
    },
    domain::{capture::View, metric::MetricId},
    tasks::analysis::{AnalysisError, ChildError},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

fn levels_of(worker: &mut Worker, picture: &[u8]) -> Option<Reply> {
    worker.ask(&Request::Levels { view: "left".into(), anchors: ANCHORS }, &[picture])
}

fn levels(worker: &mut Worker, picture: &[u8]) -> Levels {
    match levels_of(worker, picture) {
        Some(Reply::Levels(levels)) => levels,
        other => panic!("expected levels, got {other:?}"),
    }
}

fn pair(worker: &mut Worker, before: &[u8], after: &[u8], anchors: [[f64; 2]; 2]) -> PairedMeasure {
    let request = Request::Paired { view: "left".into(), before_anchors: ANCHORS, after_anchors: anchors };
    match worker.ask(&request, &[before, after]) {
        Some(Reply::Paired(Paired { measures })) => measures.into_iter().next().expect("one region, one model"),
        other => panic!("expected a paired measure, got {other:?}"),
    }
}

fn ready() -> Worker {
    let mut worker = Worker::set_up();
    let reply = worker.activate(&pores());
    assert!(matches!(reply, Some(Reply::Activated { .. })), "{reply:?}");
    worker
}

#[test]
fn a_photograph_gives_a_score_per_region_and_what_is_wrong_with_it() {
    let mut worker = ready();
    let found = levels(&mut worker, &Skin::new(3, 0).taken(STILL));
    assert_eq!((found.width, found.height), (1100, 1350));
    assert!((found.px_per_mm - 13.0).abs() < 1e-9);
    assert_eq!(found.complaints, ["too_small"], "1.5 megapixels, otherwise good");
    let [score, contrast] = &found.scores[..] else { panic!("one region, two scores: {found:?}") };
    assert_eq!(contrast.metric, "pore-contrast");
    assert_eq!((score.metric.as_str(), score.region.as_str()), ("pores", "left_cheek"));
    // 4,000 pores on 1100 × 1350 px of 13 px/mm are 45.5 per cm².
    assert!((30.0..60.0).contains(&score.value), "{}", score.value);
    assert_eq!(score.model.provider, "cpu/1.28.0");
    assert!(worker.hang_up().success());
}

/// What `skinlink model eval` tells of a photograph is what the gateway would measure.
#[test]
fn an_evaluation_measures_as_the_gateway_does() {
    let mut worker = ready();
    let picture = Skin::new(3, 0).taken(STILL);
    let levels = levels(&mut worker, &picture);
    let face = Some(FacePlace { view: "left".into(), anchors: ANCHORS });
    let request = Request::Evaluate { model: "pores-dog".into(), face, px_per_mm: None };
    let Some(Reply::Evaluated(seen)) = worker.ask(&request, &[&picture]) else { panic!("an evaluation") };
    let told = |region: &str, value: f64| (region.to_owned(), value);
    let measured: Vec<_> = levels.scores.iter().map(|level| told(&level.region, level.value)).collect();
    assert_eq!(seen.scores.iter().map(|score| told(&score.region, score.value)).collect::<Vec<_>>(), measured);
    assert!(!measured.is_empty());
}

#[test]
fn a_coarse_picture_gets_no_score_and_says_why() {
    let mut worker = ready();
    let anchors = [[500.0, 400.0], [500.0, 900.0]];
    let request = Request::Levels { view: "left".into(), anchors };
    let Some(Reply::Levels(found)) = worker.ask(&request, &[&Skin::new(3, 0).taken(STILL)]) else { panic!("levels") };
    assert!(found.scores.is_empty() && found.complaints.contains(&"too_coarse".to_owned()), "{found:?}");
    assert!(found.skipped[0].contains("needs 8 px/mm, this picture has 7.1"), "{:?}", found.skipped);
}

#[test]
fn every_bad_picture_is_told_and_the_next_good_one_is_measured() {
    let mut worker = ready();
    let good = Skin::new(3, 0).taken(STILL);
    let wide = png(20_000, 1, &vec![0; 60_000]);
    let mut wider = wide.clone();
    wider[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&wider[12..29]);
    wider[29..33].copy_from_slice(&sum.to_be_bytes());
    for (picture, words) in [
        (&wider[..], "30000 × 1"),
        (&good[..good.len() / 2], "ends before it is complete"),
        (b"GIF89a", "no JPEG, PNG or WebP"),
        (b"", "no JPEG, PNG or WebP"),
    ] {
        let reason = worker.refusal(&Request::Levels { view: "left".into(), anchors: ANCHORS }, &[picture]);
        assert!(reason.contains(words), "{reason}");
    }
    for (anchors, view) in [([[0.0; 2]; 2], "left"), ([[f64::MAX, 0.0], [0.0, 9.0]], "left"), (ANCHORS, "profile")] {
        worker.refusal(&Request::Look { view: view.into(), anchors }, &[&good]);
    }
    let without_picture = Request::Look { view: "left".into(), anchors: ANCHORS };
    assert!(worker.refusal(&without_picture, &[]).contains("wrong number of pictures"));
    assert_eq!(levels(&mut worker, &good).scores.len(), 2);
}

#[test]
fn nothing_is_done_before_set_up_and_a_wrong_library_is_one_sentence() {
    let folder = TempDir::new().unwrap();
    let truncated = folder.path().join("libonnxruntime.so");
    fs::write(&truncated, &fs::read(library()).unwrap()[..1 << 20]).unwrap();
    let mut worker = Worker::bare();
    assert!(worker.refusal(&Request::Ping, &[]).contains("not set up"));
    for (path, words) in [
        (folder.path().join("absent.so"), "cannot be read"),
        (truncated, "is not ONNX Runtime 1.28.0"),
        (root().join("Cargo.toml"), "is not ONNX Runtime 1.28.0"),
    ] {
        let Some(Reply::Failed { reason }) = worker.set_up_with(&path, 3072) else { panic!("{path:?} was taken") };
        assert!(reason.contains(words) && reason.contains("make setup"), "{reason}");
        assert_eq!(reason.lines().count(), 1, "{reason}");
    }
    assert!(matches!(worker.set_up_with(&library(), 3072), Some(Reply::Ready { .. })), "a later one is taken");
    assert_eq!(worker.ask(&Request::Ping, &[]), Some(Reply::Pong));
}

fn copy_of_the_model(folder: &TempDir) -> PathBuf {
    let copy = folder.path().join("pores-dog");
    fs::create_dir_all(copy.join("golden")).unwrap();
    for name in ["manifest.toml", "model.onnx"] {
        fs::copy(pores().join(name), copy.join(name)).unwrap();
    }
    for entry in fs::read_dir(pores().join("golden")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join("golden").join(entry.file_name())).unwrap();
    }
    copy
}

fn rewrite(path: &Path, edit: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let edited = edit(text.clone());
    assert_ne!(text, edited, "the edit found its place in {}", path.display());
    fs::write(path, edited).unwrap();
}

fn digest(path: &Path) -> String {
    hex::encode(openssl::sha::sha256(&fs::read(path).unwrap()))
}

#[test]
fn a_bad_model_is_refused_with_its_reason_and_the_old_one_goes_on() {
    let mut worker = ready();
    let good = Skin::new(3, 0).taken(STILL);
    let value = levels(&mut worker, &good).scores[0].value;
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 8] = [
        ("a flipped byte", |f| flip(&f.join("model.onnx")), "is not the file its manifest describes"),
        ("a truncated file", |f| restated(f, |bytes| bytes.truncate(bytes.len() / 2)), "is no usable model"),
        ("an empty file", |f| restated(f, Vec::clear), "is no usable model"),
        ("a text", |f| restated(f, |bytes| *bytes = b"not a model".to_vec()), "is no usable model"),
        ("no file", |f| fs::remove_file(f.join("model.onnx")).unwrap(), "cannot be read"),
        ("an unknown key", |f| rewrite(&f.join("manifest.toml"), |t| format!("colour = 1\n{t}")), "colour"),
        (
            "another tensor",
            |f| rewrite(&f.join("manifest.toml"), |t| t.replace("\"image\"", "\"picture\"")),
            "\"image\"",
        ),
        (
            "other golden figures",
            |f| rewrite(&f.join("golden/rendered-cheek.toml"), |t| t.replace("peaks = 203", "peaks = 230")),
            "answers otherwise",
        ),
    ];
    for (what, spoil, words) in cases {
        let folder = TempDir::new().unwrap();
        let copy = copy_of_the_model(&folder);
        spoil(&copy);
        let Some(Reply::Failed { reason }) = worker.activate(&copy) else { panic!("{what} was activated") };
        assert!(reason.contains(words), "{what}: {reason}");
        assert_eq!(levels(&mut worker, &good).scores[0].value, value, "{what}");
    }
    let folder = TempDir::new().unwrap();
    let next = copy_of_the_model(&folder);
    rewrite(&next.join("manifest.toml"), |t| t.replace("version = \"1.1.0\"", "version = \"1.1.1\""));
    assert!(matches!(worker.activate(&next), Some(Reply::Activated { model }) if model.version == "1.1.1"));
    let found = levels(&mut worker, &good);
    assert_eq!(found.scores.len(), 2, "it replaced the old one");
    assert_eq!(found.scores[0].model.version, "1.1.1");
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Spoils the model file and makes the manifest's digest fit again.
fn restated(folder: &Path, spoil: impl Fn(&mut Vec<u8>)) {
    let path = folder.join("model.onnx");
    let old = digest(&path);
    let mut bytes = fs::read(&path).unwrap();
    spoil(&mut bytes);
    fs::write(&path, bytes).unwrap();
    rewrite(&folder.join("manifest.toml"), |text| text.replace(&old, &digest(&path)));
}

#[test]
fn garbage_ends_the_conversation_and_not_the_test() {
    let sound = skinlink::analysis::job::head(&Request::Ping, &[]).unwrap();
    for at in 0..12 {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x80;
        let mut worker = Worker::bare();
        worker.send(&bytes);
        let ended = worker.hang_up();
        assert!(!ended.success(), "byte {at} flipped: {ended}");
    }
    for length in [1, 11, 12, sound.len() - 1] {
        let mut worker = Worker::bare();
        worker.send(&sound[..length]);
        assert!(!worker.hang_up().success(), "cut to {length}");
    }
    assert!(Worker::bare().hang_up().success(), "an end between two requests is the gateway's good-bye");
}

#[test]
fn the_process_stays_within_its_memory_or_ends() {
    let mut worker = Worker::bare();
    // Enough for the library, not for what a picture needs.
    let set_up = worker.set_up_with(&library(), 160);
    let ended = match set_up {
        Some(Reply::Ready { .. }) => levels_of(&mut worker, &png(6_000, 9_000, &vec![0; 162_000_000])),
        other => other,
    };
    assert!(!matches!(ended, Some(Reply::Levels(_) | Reply::Ready { .. })), "{ended:?}");
}
