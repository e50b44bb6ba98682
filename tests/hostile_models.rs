//! Model files that mean no good: each is refused with its reason or stopped by its limits, in a process of its own, and the
//! gateway's next photograph is measured as before by the model that was in use.
//!
//! `make hostile` tries 150 flipped copies, `make test` the first 50 of them.
//! `SKINLINK_FLIPS=7 cargo test --test hostile_models flipped` plays one seed of the flipped copies again.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails where the test does")]

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/inference.rs"]
#[expect(dead_code, reason = "shared with the stories of the inference process")]
mod inference;
#[path = "support/measuring.rs"]
#[expect(dead_code, reason = "shared with the stories of the inference process")]
mod measuring;
#[path = "support/onnx.rs"]
mod onnx;
#[expect(dead_code, reason = "shared with the stories of the inference process")]
#[path = "support/skin.rs"]
mod skin;

use hostile::{Hostile, digest, folder_with};
use measuring::{Gateway, good_recipe, pores, recipe, within};
use skinlink::{
    domain::score::Score,
    tasks::analysis::{AnalysisError, ChildError, ModelTrial},
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Copies of our own model with one byte changed: `make hostile` tries three times as many.
const FLIPS: u64 = 50;
const FLIPS_LONG: u64 = 150;

/// For one trial; none of the files needs it but those that have no end.
const DEADLINE: Duration = Duration::from_secs(15);

/// What a photograph measures, by which model.
fn told(scores: &[Score]) -> Vec<String> {
    scores.iter().map(|s| format!("{} {} {} {}", s.engine.model_digest, s.metric, s.region, s.value)).collect()
}

async fn measured(gateway: &Gateway) -> Vec<String> {
    told(&within(gateway.handle.analyse(gateway.capture)).await.unwrap().scores)
}

async fn refusal(gateway: &Gateway, folder: &Path) -> String {
    match within(gateway.handle.activate(folder)).await {
        Ok(model) => panic!("{} was activated: {:?}", folder.display(), model.engine),
        Err(error) => error.to_string(),
    }
}

/// The gateway with a deadline for one trial.
async fn gateway() -> Gateway {
    Gateway::start(recipe(env!("CARGO_BIN_EXE_skinlink"), DEADLINE)).await
}

#[tokio::test]
async fn no_hostile_file_gets_in_or_does_harm() {
    let gateway = gateway().await;
    let before = measured(&gateway).await;
    assert_eq!(before.len(), 2, "our own model tells two metrics of one region");
    let all = hostile::all();
    assert!(all.len() >= 29, "{} files", all.len());
    for (at, Hostile { what, file, words }) in all.iter().enumerate() {
        let folder = TempDir::new().unwrap();
        let reason = refusal(&gateway, &folder_with(folder.path(), file)).await;
        println!("{what}: {reason}");
        assert!(words.iter().any(|words| reason.contains(words)), "{what}: {reason}, expected one of {words:?}");
        if at % 8 == 0 {
            assert_eq!(measured(&gateway).await, before, "after {what}");
        }
    }
    assert_eq!(measured(&gateway).await, before);
    assert_eq!(gateway.handle.models().len(), 1);
    gateway.end().await;
}

/// What the others are set beside gets in: they are not refused for what all of them share.
#[tokio::test]
async fn the_harmless_file_beside_them_gets_in() {
    let folder = TempDir::new().unwrap();
    let model = folder_with(folder.path(), &hostile::harmless());
    let tried = within(ModelTrial::new(good_recipe()).run(&model)).await.unwrap();
    assert_eq!(tried.engine.model_version, "6.6.6");
}

type Spoil = fn(&Path);

#[tokio::test]
async fn what_lies_in_place_of_a_file_is_no_model() {
    let gateway = gateway().await;
    let before = measured(&gateway).await;
    let cases: [(&str, Spoil, &str); 7] = [
        ("no file", |f| drop(gone(f)), "cannot be read"),
        ("a folder", |f| fs::create_dir(gone(f)).unwrap(), "is no file"),
        (
            "a pipe that nobody writes",
            |f| nix::unistd::mkfifo(&gone(f), nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "is no file",
        ),
        ("a device without end", |f| symlink("/dev/zero", gone(f)).unwrap(), "is no file"),
        ("a link to itself", |f| symlink("model.onnx", gone(f)).unwrap(), "cannot be read"),
        (
            "a file of 600 MiB",
            |f| fs::File::create(gone(f)).unwrap().set_len(600 << 20).unwrap(),
            "at most 536870912 are loaded",
        ),
        (
            "a manifest without end",
            |f| {
                fs::remove_file(f.join("manifest.toml")).unwrap();
                symlink("/dev/zero", f.join("manifest.toml")).unwrap();
            },
            "is no manifest",
        ),
    ];
    for (what, spoil, words) in cases {
        let folder = TempDir::new().unwrap();
        let model = folder_with(folder.path(), &hostile::harmless());
        spoil(&model);
        let reason = refusal(&gateway, &model).await;
        assert!(reason.contains(words), "{what}: {reason}");
    }
    assert_eq!(measured(&gateway).await, before);
    gateway.end().await;
}

fn gone(folder: &Path) -> PathBuf {
    let file = folder.join("model.onnx");
    fs::remove_file(&file).unwrap();
    file
}

fn copy_of_ours(folder: &Path) -> PathBuf {
    let copy = folder.join("pores-dog");
    for part in ["", "golden"] {
        fs::create_dir_all(copy.join(part)).unwrap();
        for entry in fs::read_dir(pores().join(part)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    copy
}

/// Copies of our own model with a byte changed, chosen by a seed. By its digest each is refused before anything reads it. With
/// the digest put right, those that are still models must answer the golden set as before: then they measure as before too.
#[tokio::test]
async fn no_flipped_byte_changes_a_measure_in_silence() {
    let chosen: Option<u64> =
        std::env::var("SKINLINK_FLIPS").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let long = std::env::var("SKINLINK_HOSTILE").is_ok_and(|how| how == "long");
    let seeds = chosen.map_or(0..if long { FLIPS_LONG } else { FLIPS }, |seed| seed..seed + 1);
    let gateway = gateway().await;
    let before = measured(&gateway).await;
    let values = |told: &[String]| told.iter().map(|t| t.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>();
    let sound = fs::read(pores().join("model.onnx")).unwrap();
    let (mut refused, mut alike) = (0, 0);
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let (at, bit) = (random.usize(..sound.len()), random.u8(..8));
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << bit;
        let folder = TempDir::new().unwrap();
        let copy = copy_of_ours(folder.path());
        fs::write(copy.join("model.onnx"), &bytes).unwrap();
        let place = format!("seed {seed}, byte {at}, bit {bit}");
        let reason = refusal(&gateway, &copy).await;
        assert!(reason.contains("is not the file its manifest describes"), "{place}: {reason}");

        let manifest = fs::read_to_string(copy.join("manifest.toml")).unwrap();
        fs::write(copy.join("manifest.toml"), manifest.replace(&digest(&sound), &digest(&bytes))).unwrap();
        match within(gateway.handle.activate(&copy)).await {
            Err(AnalysisError::Child(ChildError::Refused(_) | ChildError::Died(_) | ChildError::TimedOut(_))) => {
                refused += 1
            }
            Err(other) => panic!("{place}: {other}"),
            Ok(model) => {
                assert_eq!(
                    model.engine.model_digest,
                    digest(&bytes),
                    "{place}: it stands in every score that this is another file"
                );
                let now = measured(&gateway).await;
                assert_eq!(values(&now), values(&before), "{place}: the golden set held, and it measures otherwise");
                alike += 1;
                within(gateway.handle.activate(&pores())).await.unwrap();
            }
        }
    }
    println!("{refused} refused by what they do, {alike} that answer as before");
    assert_eq!(measured(&gateway).await, before);
    gateway.end().await;
}

/// A folder that is changed behind the gateway's back is another model: a new process does not load what was never tried.
#[tokio::test]
async fn what_was_tried_is_what_is_loaded_again() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("skinlink-to-be-killed");
    fs::copy(env!("CARGO_BIN_EXE_skinlink"), &program).unwrap();
    let gateway = Gateway::start(recipe(program.to_str().unwrap(), inference::LIMIT)).await;
    let copy = copy_of_ours(folder.path());
    within(gateway.handle.activate(&copy)).await.unwrap();
    let before = measured(&gateway).await;
    let kill = || {
        for pid in measuring::children_running(&program) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        }
    };
    kill();
    assert_eq!(measured(&gateway).await, before, "the same folder is loaded again");
    let manifest = fs::read_to_string(copy.join("manifest.toml")).unwrap();
    fs::write(copy.join("manifest.toml"), format!("{manifest}# looked at again\n")).unwrap();
    kill();
    let skipped = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    assert!(skipped.scores.is_empty(), "nobody tried this manifest: {:?}", told(&skipped.scores));
    fs::write(copy.join("manifest.toml"), manifest).unwrap();
    within(gateway.handle.activate(&copy)).await.unwrap();
    assert_eq!(measured(&gateway).await, before);
    gateway.end().await;
}

/// A model may behave on its golden picture and do harm on a customer's: each of its inferences has its limits, and the others
/// measure the photograph all the same.
#[tokio::test]
async fn a_model_that_wakes_up_in_use_costs_its_own_score_alone() {
    let gateway = gateway().await;
    let before = measured(&gateway).await;
    for Hostile { what, file, words } in hostile::sleepers() {
        let folder = TempDir::new().unwrap();
        let home = folder_with(folder.path(), &file);
        let manifest = fs::read_to_string(home.join("manifest.toml")).unwrap();
        fs::write(home.join("manifest.toml"), manifest.replace("\"pores-dog\"", "\"sleeper\"")).unwrap();
        let model = within(gateway.handle.activate(&home)).await.unwrap();
        assert_eq!(model.engine.model, "sleeper", "{what} gets in");
        let analysed = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
        assert_eq!(told(&analysed.scores), before, "{what}: our own model measures as before");
        let reason = analysed.skipped.iter().find(|reason| reason.starts_with("sleeper")).expect("it is told");
        println!("{what}: {reason}");
        assert!(words.iter().any(|words| reason.contains(words)), "{what}: {reason}");
    }
    gateway.end().await;
}

/// One job holds all models: one that alone outlasts the job took every other model's scores with it, of each photograph and again
/// after each start. It is asked alone then, and after three photographs it has lost its place.
#[tokio::test]
async fn a_model_that_outlasts_the_whole_job_loses_its_place() {
    // What our own model asks for one inference.
    const JOB: Duration = Duration::from_secs(10);
    let gateway = Gateway::start(recipe(env!("CARGO_BIN_EXE_skinlink"), JOB)).await;
    let before = measured(&gateway).await;
    assert!(!before.is_empty());
    let folder = TempDir::new().unwrap();
    let [endless, _] = hostile::sleepers();
    let home = folder_with(folder.path(), &endless.file);
    let manifest = fs::read_to_string(home.join("manifest.toml")).unwrap().replace("\"pores-dog\"", "\"sleeper\"");
    let within_a_job = |deadline: Duration| {
        let lines = manifest.lines().map(|line| match line.starts_with("deadline_ms") {
            true => format!("deadline_ms = {}\n", deadline.as_millis()),
            false => format!("{line}\n"),
        });
        fs::write(home.join("manifest.toml"), lines.collect::<String>()).unwrap();
    };
    within_a_job(JOB * 2);
    let reason = refusal(&gateway, &home).await;
    assert!(reason.contains("deadline_ms = 20000") && reason.contains("inference_deadline_s"), "{reason}");
    within_a_job(JOB);
    within(gateway.handle.activate(&home)).await.unwrap();
    // The gateway measures the open visit by the new model of its own accord too, which may be one of the three.
    let mut times_told = 0;
    for photograph in 1..=4 {
        let analysed = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
        assert_eq!(told(&analysed.scores), before, "photograph {photograph}: our own model measures as before");
        let Some(reason) = analysed.skipped.iter().find(|reason| reason.starts_with("sleeper")) else { break };
        println!("photograph {photograph}: {reason}");
        times_told += 1;
    }
    assert!((2..=3).contains(&times_told), "told {times_told} times");
    let left: Vec<String> = gateway.handle.models().iter().map(|model| model.engine.model.clone()).collect();
    assert_eq!(left, ["pores-dog"], "out of use");
    let analysed = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    assert!(analysed.skipped.iter().all(|reason| !reason.starts_with("sleeper")), "{:?}", analysed.skipped);
    gateway.end().await;
}

/// A photograph that the process cannot hold in its memory ends it; the gateway says so, and measures the next one.
#[tokio::test]
async fn a_process_out_of_memory_is_told_as_such_and_replaced() {
    let mut tight = recipe(env!("CARGO_BIN_EXE_skinlink"), inference::LIMIT);
    // Room for a small picture beside the program itself, not for 162 MB more.
    tight.memory_mib = 384;
    let gateway = Gateway::start(tight).await;
    let wide = skin::png(6_000, 9_000, &vec![0; 162_000_000]);
    let view = skinlink::domain::capture::View::Left;
    let error = within(gateway.handle.look(view, skin::ANCHORS, wide, None)).await.unwrap_err();
    let sentence = error.to_string();
    println!("{sentence}");
    assert!(sentence.contains("want of memory") && sentence.contains("scan.inference_memory_mib"), "{sentence}");
    let small = gateway.store.capture_bytes(gateway.capture).await.unwrap();
    assert!(within(gateway.handle.look(view, skin::ANCHORS, small, None)).await.is_ok(), "the next one is looked at");
    gateway.end().await;
}
