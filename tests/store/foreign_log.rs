//! A file restored from a backup beside the write-ahead log that the lost database left behind.

use crate::salon::{LIMIT, Salon, new_repeat, open, options};
use skinlink::{
    domain::{ScanId, consent::Purpose},
    store::Store,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What someone puts back in place of a lost database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backup {
    /// Made by [`Store::back_up`].
    Ours,
    /// A copy of the file, made while the gateway was off.
    FileCopy,
}

fn file(data: &Path, ending: &str) -> PathBuf {
    data.join(format!("skinlink.db{ending}"))
}

async fn values(store: &Store, scan: ScanId) -> Vec<String> {
    let repeats = store.scan_view(scan).await.unwrap().repeats;
    repeats.into_iter().map(|one| one.repeat.value.to_string()).collect()
}

/// Values enough for several pages of every tree, so that the log of a later life holds pages that the backup has too.
async fn measure(store: &Store, scan: ScanId, value: &str, count: u64) {
    for n in 0..count {
        store.record_repeat(new_repeat(Some(scan), value, Some(n))).await.unwrap();
    }
}

/// The folder as a power cut would leave it: database, log and index of a store that runs.
fn left_behind(data: &Path) -> [Vec<u8>; 2] {
    ["", "-wal"].map(|ending| fs::read(file(data, ending)).unwrap())
}

/// The story of an installer who puts yesterday's backup over a damaged database and does not think of the log beside it.
/// SQLite would play that log into the backup: its checksums hold within a log, nothing ties it to a database.
#[tokio::test]
async fn a_restored_file_is_never_mixed_with_the_log_of_the_lost_one() {
    for (backup, checkpointed) in
        [(Backup::FileCopy, false), (Backup::Ours, false), (Backup::FileCopy, true), (Backup::Ours, true)]
    {
        let salon = Salon::new().await;
        salon.say(Purpose::Measure, true).await;
        let scan = salon.scan(salon.visit().await).await;
        measure(&salon.store, scan, "41.0", 60).await;
        let (data, kept) = (salon.data(), salon.folder.path().join("backup.db"));
        if backup == Backup::Ours {
            salon.store.back_up(kept.clone()).await.unwrap();
        }
        let Salon { folder, store, .. } = salon;
        assert!(store.close(LIMIT).await, "the store closes in time");
        if backup == Backup::FileCopy {
            fs::copy(file(&data, ""), &kept).unwrap();
        }
        // The next day, until the power fails: what it recorded is in the log.
        let store = open(&folder);
        measure(&store, scan, "52.0", 60).await;
        if checkpointed {
            store.verify().await.unwrap();
            measure(&store, scan, "63.0", 5).await;
        }
        let [_, log] = left_behind(&data);
        assert!(log.len() > 10 * 4096, "the log holds pages");
        let lost = store.epoch().await.unwrap();
        assert!(store.close(LIMIT).await, "the store closes in time");

        fs::copy(&kept, file(&data, "")).unwrap();
        fs::write(file(&data, "-wal"), &log).unwrap();
        let store = open(&folder);
        let story = format!("{backup:?}, checkpointed: {checkpointed}");
        assert_eq!(values(&store, scan).await, vec!["41.0"; 60], "{story}: what the backup held, and nothing else");
        assert_eq!(store.verify().await.unwrap(), Vec::<String>::new(), "{story}");
        assert_ne!(store.epoch().await.unwrap(), lost, "{story}: another life, of which headquarters hears");
        let aside: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
        let aside = aside.iter().find(|path| path.to_string_lossy().contains("-wal.of-another-"));
        let aside = aside.unwrap_or_else(|| panic!("{story}: the log was set aside"));
        assert_eq!(fs::read(aside).unwrap(), log, "{story}: as it was, for whoever wants to look");
        assert!(store.close(LIMIT).await, "the store closes in time");
        // And it opens again as any other.
        let store = open(&folder);
        assert_eq!(values(&store, scan).await.len(), 60, "{story}");
        assert!(store.close(LIMIT).await, "the store closes in time");
    }
}

/// The other side: after a power cut the log is the database's own, and nothing in it may be lost, however often.
#[tokio::test]
async fn the_log_of_a_cut_off_life_is_played_in_as_ever() {
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let scan = salon.scan(salon.visit().await).await;
    let (data, epoch) = (salon.data(), salon.store.epoch().await.unwrap());
    let Salon { folder, mut store, .. } = salon;
    for life in 1..=3 {
        measure(&store, scan, "41.0", life * 20).await;
        if life == 2 {
            store.verify().await.unwrap();
            measure(&store, scan, "42.0", 3).await;
        }
        let (there, files) = (values(&store, scan).await, left_behind(&data));
        assert!(store.close(LIMIT).await, "the store closes in time");
        for (ending, bytes) in ["", "-wal"].iter().zip(files) {
            fs::write(file(&data, ending), bytes).unwrap();
        }
        store = open(&folder);
        assert_eq!(values(&store, scan).await, there, "life {life}");
        assert_eq!(store.epoch().await.unwrap(), epoch, "life {life}: still the same");
    }
    assert!(store.close(LIMIT).await, "the store closes in time");
}

/// A new machine: the backup lies beside the log that its first start left, and the key was forgotten. The start was refused,
/// and at its end SQLite folded the other database's log into the backup: the right key opened it no more.
#[tokio::test]
async fn a_start_with_the_wrong_key_changes_nothing() {
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let scan = salon.scan(salon.visit().await).await;
    measure(&salon.store, scan, "41.0", 60).await;
    let Salon { folder, store, .. } = salon;
    assert!(store.close(LIMIT).await, "the store closes in time");
    let data = folder.path().join("data");
    let kept = fs::read(file(&data, "")).unwrap();

    let keys = fs::read(data.join("keys.db")).unwrap();

    // The new machine, and what its first start left when its power failed.
    let other = Salon::new().await;
    other.say(Purpose::Measure, true).await;
    let there = other.data();
    let [_, log] = left_behind(&there);
    assert!(log.len() > 4096, "the log holds pages");
    let Salon { folder: new, store, .. } = other;
    assert!(store.close(LIMIT).await, "the store closes in time");
    fs::write(file(&there, "-wal"), &log).unwrap();
    fs::write(file(&there, ""), &kept).unwrap();
    fs::write(there.join("keys.db"), &keys).unwrap();
    let refused = Store::open(options(there.clone())).map(drop).unwrap_err();
    assert!(refused.to_string().contains("cannot be read with this key"), "{refused}");
    assert!(fs::read(file(&there, "")).unwrap() == kept, "the file is as it was");
    assert!(fs::read(file(&there, "-wal")).unwrap() == log, "and so is the log");

    fs::copy(data.join("store.key"), there.join("store.key")).unwrap();
    let store = open(&new);
    assert_eq!(values(&store, scan).await, vec!["41.0"; 60], "what the backup held, and nothing else");
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    assert!(store.close(LIMIT).await, "the store closes in time");
}

/// Somebody emptied the file of marks: the log of a cut-off life counts as ever.
#[tokio::test]
async fn a_log_whose_marks_cannot_be_read_is_played_in() {
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let scan = salon.scan(salon.visit().await).await;
    measure(&salon.store, scan, "41.0", 20).await;
    let (data, files) = (salon.data(), left_behind(&salon.data()));
    let Salon { folder, store, .. } = salon;
    assert!(store.close(LIMIT).await, "the store closes in time");
    for (ending, bytes) in ["", "-wal"].iter().zip(files) {
        fs::write(file(&data, ending), bytes).unwrap();
    }
    fs::write(file(&data, "-life"), "").unwrap();
    let store = open(&folder);
    assert_eq!(values(&store, scan).await.len(), 20);
    assert!(store.close(LIMIT).await, "the store closes in time");
}

/// A backup was put back, its first start moved the other database's log away, and the power failed: the next start saw no log, took the
/// file for its own, and gave numbers a second time under which headquarters holds something else.
#[tokio::test]
async fn a_restored_file_is_known_when_its_log_was_moved_away_already() {
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let scan = salon.scan(salon.visit().await).await;
    let (data, kept) = (salon.data(), salon.folder.path().join("kept.db"));
    let Salon { folder, store, .. } = salon;
    assert!(store.close(LIMIT).await, "the store closes in time");
    fs::copy(file(&data, ""), &kept).unwrap();
    let store = open(&folder);
    measure(&store, scan, "41.0", 60).await;
    let epoch = store.epoch().await.unwrap();
    assert!(store.close(LIMIT).await, "the store closes in time");
    fs::copy(&kept, file(&data, "")).unwrap();
    let _ = fs::remove_file(file(&data, "-wal"));
    let store = open(&folder);
    assert!(values(&store, scan).await.is_empty(), "as the backup has it");
    assert_ne!(store.epoch().await.unwrap(), epoch, "numbers are not given a second time");
    let again = store.epoch().await.unwrap();
    assert!(store.close(LIMIT).await, "the store closes in time");
    let store = open(&folder);
    assert_eq!(store.epoch().await.unwrap(), again, "and that was once");
    assert!(store.close(LIMIT).await, "the store closes in time");
}
