//! Power cuts: a whole visit is recorded as the daemon makes it, write by write and sync by sync; then the disk is rebuilt
//! as a power cut at any moment could have left it, the real store opens it, and what had been confirmed must be there.
//!
//! What is modelled and what is not, the commands and the figures: `docs/power-cuts.md`. Seeded and repeatable: a cut that
//! fails prints the command that replays exactly it.
#![expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]

mod campaign;
mod disk;
mod facts;
mod log;
mod notebook;
mod office;
mod promises;
mod recording;
mod recovery;

use campaign::{Campaign, Wish};
use disk::{Disk, Mistake};
use log::Log;
use recording::Recording;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Cuts of one run with all other tests.
const CUTS: u64 = 5_000;

/// Cuts that hunt one seeded mistake.
const HUNT: u64 = 300;

/// What outlives a test: recordings of failures, and the long campaign's progress.
fn kept_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power-cuts");
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_moment_of_a_visit_loses_nothing_confirmed_and_mistakes_are_caught() {
    match Wish::from_environment() {
        Wish::All => {
            let recording = Recording::of_a_visit().await;
            let log = Log::read(&recording.log);
            every_kind_of_promise_was_heard(&log);
            replayed_to_its_end_it_is_what_lies_on_the_disk(&log, &recording);
            tokio::task::spawn_blocking(move || {
                let found = Campaign::new(&log, None).cuts(CUTS);
                found.hold(&recording.log);
                every_seeded_mistake_is_caught(&log);
            })
            .await
            .unwrap();
        }
        Wish::Many(cuts) => campaign::resume(cuts).await,
        Wish::Again { round, point, log } => {
            let log = Log::read(&log);
            tokio::task::spawn_blocking(move || Campaign::new(&log, None).again(round, point)).await.unwrap();
        }
    }
}

/// What the gateway promises in a visit, by kind. A kind that is never heard would be a demand that is never made: the contract
/// or the way the bytes leave has changed, and [`promises`] must learn it.
fn every_kind_of_promise_was_heard(log: &Log) {
    let mut heard: BTreeMap<&str, usize> = BTreeMap::new();
    for key in log.promised().values().flat_map(|facts| facts.keys()) {
        *heard.entry(key.split('/').next().unwrap()).or_default() += 1;
    }
    println!("promised: {heard:?}");
    // No scores: the photographs are too small for any. Those are the back office's, which notes them itself.
    let kinds =
        ["card", "visit", "agreed", "repeat", "have", "shown", "reading", "counter", "kept", "comparison", "closed"];
    for kind in kinds {
        assert!(heard.contains_key(kind), "no answer, live event or acknowledgement has promised a {kind}");
    }
}

/// The recorder sees only what goes through the C library's functions. If anything had gone past it, the files rebuilt
/// from its log would not be those on the disk.
fn replayed_to_its_end_it_is_what_lies_on_the_disk(log: &Log, recording: &Recording) {
    let mut disk = Disk::new(None);
    log.records().iter().for_each(|record| disk.apply(record));
    let data = recording.folder().join("data");
    let mut compared = 0;
    for (name, bytes) in disk.now() {
        let on_disk = fs::read(recording.folder().join(&name[1..])).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(bytes == on_disk, "{name}: {} bytes replayed, {} on the disk", bytes.len(), on_disk.len());
        compared += 1;
    }
    assert_eq!(compared, count_files(&data), "files in {}", data.display());
    assert!(compared >= 7, "the recording has too few files to prove anything: {compared}");
    println!(
        "{} records, {} moments to cut at, {compared} files replayed byte for byte",
        log.records().len(),
        log.points()
    );
}

/// Files below, without SQLite's shared memory.
fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => count_files(&entry.path()),
            false => usize::from(!entry.file_name().to_string_lossy().ends_with("-shm")),
        })
        .sum()
}

/// The same recording with one kind of sync taken out, as if the program had forgotten it. A test that cannot see that
/// would prove nothing about the program that has not.
fn every_seeded_mistake_is_caught(log: &Log) {
    for mistake in Mistake::ALL {
        let found = Campaign::new(log, Some(mistake)).hunt(HUNT);
        println!("seeded mistake {mistake:?}: caught by {} of {} cuts; {}", found.failed(), found.made, found.kinds());
        assert!(found.failed() > 0, "{mistake:?} was not caught by {} cuts", found.made);
    }
}
