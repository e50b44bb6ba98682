//! `skinlink model eval --repeatability`: long work that may be stopped, and goes on.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn eval(journal: &Path, models: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
    command
        .args(["model", "eval", "pores-dog", "--repeatability", "--seed", "3", "--journal"])
        .arg(journal)
        .arg("--models")
        .arg(models)
        .args(more)
        .env("SKINLINK_ONNXRUNTIME", root().join("target/onnxruntime/libonnxruntime.so.1.28.0"))
        .current_dir(root());
    command
}

fn copy_of_the_model(folder: &TempDir) -> PathBuf {
    let (from, to) = (root().join("models/pores-dog"), folder.path().join("models/pores-dog"));
    fs::create_dir_all(to.join("golden")).unwrap();
    for entry in fs::read_dir(&from).unwrap().chain(fs::read_dir(from.join("golden")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.strip_prefix(&from).unwrap())).unwrap();
        }
    }
    folder.path().join("models")
}

#[test]
fn what_was_stopped_goes_on_and_ends_in_the_manifest() {
    let folder = TempDir::new().unwrap();
    let models = copy_of_the_model(&folder);
    let journal = folder.path().join("journal.jsonl");

    // Stopped by Ctrl-C as soon as the first pair is done: nothing of that pair is lost.
    let mut running =
        eval(&journal, &models, &["--pairs", "50"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = said.by_ref().find(|line| line.starts_with("pair 1 of 50")).expect("progress");
    assert!(first.ends_with(" left"), "{first}");
    kill(Pid::from_raw(running.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let rest: Vec<String> = said.collect();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let told = rest.last().expect("a last word");
    assert!(told.starts_with("stopped after ") && told.contains("goes on"), "{told}");
    let kept = fs::read_to_string(&journal).unwrap();
    let done = kept.lines().count() - 1;
    assert!((1..10).contains(&done), "{done} pairs");

    // A power cut tore the next line off.
    fs::write(&journal, format!("{kept}{{\"at\":{done},\"fou")).unwrap();
    let pairs = (done + 1).to_string();
    let ended = eval(&journal, &models, &["--pairs", &pairs, "--write"]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{err}");
    assert_eq!(err.lines().filter(|line| line.starts_with("pair ")).count(), 1, "nothing was asked twice: {err}");
    assert!(fs::read_to_string(&journal).unwrap().starts_with(&kept), "what was done stays as it was");
    assert!(out.contains("pores:") && out.contains("unchanged_sd = "), "{out}");
    let manifest = fs::read_to_string(models.join("pores-dog/manifest.toml")).unwrap();
    assert_eq!(manifest.matches(&format!("degrees_of_freedom = {pairs}\n")).count(), 2, "{manifest}");
    assert!(skinlink::analysis::manifest::Manifest::parse(&manifest).is_ok());

    // Asked for fewer pairs than the journal has, the figures came from all of them, under a source that said otherwise.
    let fewer = eval(&journal, &models, &["--pairs", "1"]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&fewer.stdout), String::from_utf8_lossy(&fewer.stderr));
    assert!(fewer.status.success(), "{err}");
    assert!(out.contains("  degrees_of_freedom = 1\n") && out.contains("source = \"1 pairs"), "{out}");
    assert!(!out.contains(&format!("degrees_of_freedom = {pairs}\n")), "{out}");

    // Another threshold is another measurement, though the version was not raised; that the figures were written is not.
    let path = models.join("pores-dog/manifest.toml");
    fs::write(&path, manifest.replace("kept_threshold = 0.7", "kept_threshold = 0.6")).unwrap();
    let other = eval(&journal, &models, &["--pairs", &pairs]).output().unwrap();
    let err = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && err.contains("another model, manner, seed or photographs"), "{err}");
    fs::write(&path, &manifest).unwrap();
    let again = eval(&journal, &models, &["--pairs", &pairs]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));

    // A journal of another question is not mixed in.
    let other = eval(&journal, &models, &["--pairs", &pairs, "--manner", "rig"]).output().unwrap();
    let err = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && err.contains("another model, manner, seed or photographs"), "{err}");
}

/// A journal knew its photographs by their names: those that were rendered anew were mixed with the old ones.
#[test]
fn photographs_that_became_others_are_not_mixed_with_the_old_ones() {
    let folder = TempDir::new().unwrap();
    let models = copy_of_the_model(&folder);
    let (journal, photos) = (folder.path().join("journal.jsonl"), folder.path().join("photos"));
    fs::create_dir(&photos).unwrap();
    let demo = root().join("target/demo-photos");
    let listing = fs::read_to_string(demo.join("planted.json")).expect("run `make setup`");
    let mut listing: serde_json::Value = serde_json::from_str(&listing).unwrap();
    let first = listing["photos"].as_array().unwrap().iter().find(|photo| photo["phase"] == "before").unwrap().clone();
    fs::copy(demo.join(first["file"].as_str().unwrap()), photos.join("one.jpg")).unwrap();
    listing["photos"] = serde_json::json!([first]);
    listing["photos"][0]["file"] = "one.jpg".into();
    fs::write(photos.join("planted.json"), listing.to_string()).unwrap();
    let asked = || eval(&journal, &models, &["--pairs", "1", "--photos", photos.to_str().unwrap()]).output().unwrap();
    let first = asked();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let mut bytes = fs::read(photos.join("one.jpg")).unwrap();
    bytes.extend_from_slice(b"anew");
    fs::write(photos.join("one.jpg"), bytes).unwrap();
    let again = asked();
    let err = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && err.contains("seed or photographs"), "{err}");
}
