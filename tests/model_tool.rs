//! `skinlink model`: the real program on folders of models and pictures.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and watches real processes")]

#[path = "support/inference.rs"]
#[expect(dead_code, reason = "shared with the stories of the inference process")]
mod inference;

use inference::{LIMIT, library, root};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

fn skinlink(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
    command.args(arguments).current_dir(root()).env("SKINLINK_ONNXRUNTIME", library());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, what it printed, what it complained of.
fn run(arguments: &[&str]) -> (i32, String, String) {
    ended(skinlink(arguments).spawn().unwrap())
}

fn ended(mut child: Child) -> (i32, String, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < LIMIT, "it did not end within {LIMIT:?}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().expect("it was not killed"), out, err)
}

fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = run(&[arguments, &["--json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|fault| panic!("{fault}: {out}{err}")))
}

fn pores() -> PathBuf {
    root().join("models/pores-dog")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(fs::copy(entry.path(), to).is_ok()) }
    }
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} stands in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// A folder of models: ours, one whose digest is wrong, one that says what cannot be, and what was put aside.
fn models() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["pores-dog", "spoilt", "nonsense", ".pores-dog.former"] {
        copy(&pores(), &folder.path().join(name));
    }
    let file = folder.path().join("spoilt/model.onnx");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(file, bytes).unwrap();
    rewrite(&folder.path().join("nonsense/manifest.toml"), "window = 5", "window = 4");
    folder
}

#[test]
fn list_show_and_test_tell_people_and_programs_the_same() {
    let folder = models();
    let home = folder.path().to_str().unwrap();
    let (code, out, _) = run(&["model", "list", "--models", home]);
    assert_eq!(code, 1, "one of them is broken");
    assert!(
        out.contains("pores-dog") && out.contains("毛孔 · Pores") && out.contains("nonsense             BROKEN"),
        "{out}"
    );
    assert!(!out.contains("former"), "what was put aside is no model: {out}");
    let (code, listed) = json(&["model", "list", "--models", home]);
    assert_eq!((code, listed.as_array().unwrap().len()), (1, 3));
    assert!(listed[0]["broken"].as_str().unwrap().contains("score[0].window"), "{listed}");
    assert_eq!((&listed[1]["id"], &listed[1]["metrics"][0]), (&"pores-dog".into(), &"pores".into()));

    let (code, page, _) = run(&["model", "show", "pores-dog", "--models", home]);
    assert_eq!(code, 0);
    for words in
        ["one region of the face", "peaks above", "paired: kept from", "degrees of freedom", "Object F1", "golden set"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (code, shown) = json(&["model", "show", pores().to_str().unwrap()]);
    assert_eq!((code, &shown["id"], &shown["scores"][0]["metric"]), (0, &"pores-dog".into(), &"pores".into()));
    let (code, _, err) = run(&["model", "show", "nobody", "--models", home]);
    assert!(code == 1 && err.contains("nobody is no model of") && err.contains("skinlink model list"), "{err}");
    assert_eq!(run(&["model", "show", "nonsense", "--models", home]).0, 1);

    let (code, out, _) = run(&["model", "test", "--models", home]);
    assert_eq!(code, 1);
    assert!(out.contains("pores-dog: its golden set holds"), "{out}");
    assert!(out.contains("spoilt: REFUSED: model.onnx is not the file its manifest describes"), "{out}");
    let (code, tested) = json(&["model", "test", "pores-dog", "--models", home]);
    assert_eq!((code, &tested[0]["sound"]), (0, &true.into()));
    assert_eq!(run(&["model", "test", "--models", "/nonexistent"]).0, 2, "the command line cannot be understood");
}

#[test]
fn a_score_that_the_house_means_otherwise_is_refused() {
    let folder = models();
    let manifest = folder.path().join("pores-dog/manifest.toml");
    let own = fs::read_to_string(&manifest).unwrap();
    for (from, to, words) in [
        ("unit = \"/cm²\"", "unit = \"%\"", "its unit is \"%\", config/metrics.toml says \"/cm²\""),
        ("better = \"lower\"", "better = \"higher\"", "its direction is \"higher\""),
    ] {
        fs::write(&manifest, &own).unwrap();
        rewrite(&manifest, from, to);
        let (code, out, _) = run(&["model", "test", "pores-dog", "--models", folder.path().to_str().unwrap()]);
        assert!(code == 1 && out.contains("REFUSED") && out.contains(words), "{out}");
    }
    let metrics = folder.path().join("metrics.toml");
    fs::copy(root().join("config/metrics.toml"), &metrics).unwrap();
    rewrite(&metrics, "id = \"pores\"", "id = \"pimples\"");
    let (code, out, _) = run(&["model", "test", "pores-dog", "--metrics", metrics.to_str().unwrap()]);
    assert!(code == 1 && out.contains("score pores: config/metrics.toml knows no such metric"), "{out}");
}

/// So many pictures, by turns one of the golden ones with its number in a corner.
fn pictures(folder: &Path, count: usize) {
    for at in 0..count {
        let name = if at % 2 == 0 { "rendered-cheek" } else { "rendered-bare" };
        let mut picture = image::open(pores().join(format!("golden/{name}.png"))).unwrap().into_rgb8();
        picture.put_pixel(0, 0, image::Rgb([at as u8, 0, 0]));
        picture.save(folder.join(format!("{at:03}-{name}.png"))).unwrap();
    }
}

fn eval<'a>(pictures: &'a str, into: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["model", "eval", "pores-dog", pictures, "--into", into, "--px-per-mm", "13"], more].concat()
}

#[test]
fn an_evaluation_says_what_the_pictures_come_to() {
    let folder = TempDir::new().unwrap();
    let (shown, into) = (folder.path().join("shown"), folder.path().join("e.jsonl"));
    fs::create_dir(&shown).unwrap();
    pictures(&shown, 4);
    fs::write(shown.join("no picture.jpg"), "nothing").unwrap();
    fs::write(shown.join("readme.txt"), "nothing").unwrap();
    let truth = folder.path().join("truth.toml");
    fs::write(
        &truth,
        "schema = 1\n[[picture]]\nfile = \"000-rendered-cheek.png\"\nscores = [{ metric = \"pores\", value = 50.0 }]\n",
    )
    .unwrap();
    let (shown, into, truth) = (shown.to_str().unwrap(), into.to_str().unwrap(), truth.to_str().unwrap());
    let (code, out) = json(&eval(shown, into, &["--truth", truth]));
    assert_eq!(code, 1, "one of them is no picture");
    let summary = &out["summary"];
    assert_eq!((&summary["pictures"], &summary["faults"]), (&5.into(), &1.into()));
    let scores = summary["scores"].as_array().unwrap();
    let score = scores.iter().find(|score| score["metric"] == "pores").unwrap();
    assert_eq!((&score["metric"], &score["count"], &score["known"]["count"]), (&"pores".into(), &4.into(), &1.into()));
    assert!(score["max"].as_f64().unwrap() > score["min"].as_f64().unwrap() + 5.0, "pores and none differ: {score}");

    let (code, text, err) = run(&eval(shown, into, &["--truth", truth]));
    assert_eq!(code, 1);
    assert!(text.contains("pores face") && text.contains("1 known") && text.contains("5 pictures"), "{text}");
    assert!(err.contains("no picture.jpg: ") && err.contains("no JPEG, PNG or WebP"), "{err}");

    fs::remove_file(Path::new(shown).join("no picture.jpg")).unwrap();
    assert_eq!(run(&eval(shown, into, &[])).0, 0);
    let (code, _, err) = run(&eval(shown, "Cargo.toml", &[]));
    assert!(
        code == 2 && err.contains("no evaluation's") && err.contains("--into"),
        "somebody's file is left alone: {err}"
    );
    fs::write(truth, "schema = 1\ncolour = 1\n").unwrap();
    assert_eq!(run(&eval(shown, into, &["--truth", truth])).0, 2);
    assert_eq!(run(&eval("/nonexistent", into, &[])).0, 1);
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

/// Ended politely, by Ctrl-C, and then by force in the middle of whatever it did: the same command goes on, does nothing twice,
/// and comes to what an evaluation that was never ended comes to.
#[test]
fn an_evaluation_that_is_ended_goes_on_where_it_was() {
    const ALL: usize = 24;
    let folder = TempDir::new().unwrap();
    let (shown, into) = (folder.path().join("shown"), folder.path().join("e.jsonl"));
    fs::create_dir(&shown).unwrap();
    pictures(&shown, ALL);
    let (pictures, file) = (shown.to_str().unwrap(), into.to_str().unwrap());
    let mut had = 0;
    for (signal, more) in [(Signal::SIGINT, 3), (Signal::SIGKILL, 3), (Signal::SIGTERM, 3)] {
        let mut child = skinlink(&eval(pictures, file, &[])).spawn().unwrap();
        let begun = Instant::now();
        while lines(&into).len() < 1 + had + more {
            assert!(begun.elapsed() < LIMIT && child.try_wait().unwrap().is_none(), "{:?}", lines(&into));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let before = lines(&into);
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        if signal == Signal::SIGKILL {
            child.wait().unwrap();
        } else {
            let (code, _, err) = ended(child);
            assert!(code == 1 && err.contains(&format!("of {ALL} pictures; the same command goes on there")), "{err}");
            assert!(err.contains(" left: ") || err.contains(" (100 %)"), "it says how long it will take: {err}");
        }
        let after = lines(&into);
        assert_eq!(after[..before.len()], before[..], "what was kept stays");
        had = after.len() - 1;
        assert!(had < ALL, "it was ended before the last");
    }
    // A cut in the middle of a line, as a power cut may leave it.
    let kept = fs::read(&into).unwrap();
    fs::write(&into, &kept[..kept.len() - 30]).unwrap();
    let (code, went_on) = json(&eval(pictures, file, &[]));
    assert_eq!(code, 0);
    let records = lines(&into);
    assert_eq!(records.len(), 1 + ALL, "every picture once");
    assert_eq!(
        records[..had],
        String::from_utf8(kept).unwrap().lines().take(had).collect::<Vec<_>>()[..],
        "nothing twice"
    );
    let other = folder.path().join("never-ended.jsonl");
    let (_, at_once) = json(&eval(pictures, other.to_str().unwrap(), &[]));
    assert_eq!(went_on["summary"]["scores"], at_once["summary"]["scores"]);
    assert_eq!(went_on["summary"]["pictures"], ALL);

    // Another manifest is another model: its answers are not mixed with these.
    let models = folder.path().join("models");
    copy(&pores(), &models.join("pores-dog"));
    rewrite(&models.join("pores-dog/manifest.toml"), "version = \"1.1.0\"", "version = \"1.1.1\"");
    let (code, _, err) = run(&eval(pictures, file, &["--models", models.to_str().unwrap()]));
    assert!(code == 2 && err.contains("it is of another model or manifest"), "{err}");
}
