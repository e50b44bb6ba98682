//! What no record names is put aside and not destroyed: the database may be the wrong one. What is aside goes by its clock, and
//! with the person it is of.

use crate::salon::{LIMIT, Salon, new_capture, open, picture};
use skinlink::{
    clock,
    domain::{BootId, CaptureId, Stamp, Timestamp, capture::Format, consent::Purpose},
    store::{ASIDE_DAYS, DATABASE, Store},
    sync::image_lane::Role,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;

async fn photographing() -> (Salon, skinlink::domain::ScanId) {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let scan = salon.scan(salon.visit().await).await;
    (salon, scan)
}

/// All files below, by name.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![path.file_name().unwrap().to_string_lossy().into_owned()] }
        })
        .collect();
    found.sort();
    found
}

/// Closes the store and gives its database for `other`, which takes its place.
async fn put_in_place(folder: &TempDir, store: Store, other: &Path) -> PathBuf {
    assert!(store.close(LIMIT).await);
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept.db"));
    let content = fs::read(other).unwrap();
    fs::rename(data.join(DATABASE), &kept).unwrap();
    fs::write(data.join(DATABASE), content).unwrap();
    kept
}

/// The story of a technician who puts last month's backup in place instead of last night's, and starts the gateway: the
/// photographs that only the newer one names were destroyed by that start.
#[tokio::test]
async fn a_start_with_a_backup_that_is_too_old_destroys_no_photograph() {
    let (salon, scan) = photographing().await;
    let before = salon.capture(scan).await.id;
    let backup = salon.folder.path().join("old.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    let since = salon.capture(scan).await.id;
    salon.store.save_picture(since, Role::Report, Format::Jpeg, vec![7; 900]).await.unwrap();

    let Salon { folder, store, .. } = salon;
    let data = folder.path().join("data");
    let newer = put_in_place(&folder, store, &backup).await;
    let store = open(&folder);
    assert_eq!(files(&data.join("pictures")), [before.to_string()]);
    assert_eq!(files(&data.join("aside")), [since.to_string(), format!("{since}.report")]);
    assert!(store.capture(since).await.is_err(), "the old backup does not know it");
    assert_eq!(store.capture_bytes(before).await.unwrap(), picture());
    let after = store.save_capture(new_capture(scan), picture()).await.unwrap().id;

    // The right one after all: everything it names is there again, and what was photographed in between lies aside in turn.
    put_in_place(&folder, store, &newer).await;
    let store = open(&folder);
    for capture in [before, since] {
        assert_eq!(store.capture_bytes(capture).await.unwrap(), picture());
    }
    assert_eq!(store.picture_bytes(since, Role::Report).await.unwrap(), vec![7; 900]);
    assert_eq!(files(&data.join("aside")), [after.to_string()]);
    assert!(store.close(LIMIT).await);
}

/// A file that a kill left unfinished was never named by anyone, and one that its clock has released is wanted by nobody.
#[tokio::test]
async fn what_nobody_can_want_goes_at_once() {
    let (salon, scan) = photographing().await;
    let capture = salon.capture(scan).await.id;
    let path = salon.data().join("pictures").join(capture.to_string());
    let whole = fs::read(&path).unwrap();
    let much_later = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 400 * DAY_MS);
    salon.store.save_picture(capture, Role::Report, Format::Jpeg, vec![7; 900]).await.unwrap();
    assert_eq!(salon.store.retire_photographs(much_later, 30).await.unwrap(), 1, "the original goes");
    // Killed between the row and the file.
    fs::write(&path, whole).unwrap();
    fs::write(salon.data().join("pictures/half.tmp"), "half a picture").unwrap();
    let salon = salon.reopened().await;
    assert_eq!(files(&salon.data().join("pictures")), [format!("{capture}.report")]);
    assert_eq!(files(&salon.data().join("aside")), Vec::<String>::new());
}

fn stray(salon: &Salon) -> CaptureId {
    let id = clock::mint(CaptureId::from_bits);
    fs::write(salon.data().join("pictures").join(id.to_string()), "of another life").unwrap();
    id
}

/// A picture that is made again has the name of the one before, and both may be nobody's on one day: neither takes the other's place.
#[tokio::test]
async fn two_files_of_one_name_and_one_day_both_lie_aside() {
    let mut salon = Salon::new().await;
    let id = stray(&salon).to_string();
    for content in ["the second", "the third"] {
        salon = salon.reopened().await;
        fs::write(salon.data().join("pictures").join(&id), content).unwrap();
    }
    let salon = salon.reopened().await;
    assert_eq!(files(&salon.data().join("pictures")), Vec::<String>::new());
    assert_eq!(files(&salon.data().join("aside")), [id.clone(), id.clone(), id]);
}

/// By the clock of retention and the wall clock; how many files went.
async fn let_go(salon: &Salon, reached: Timestamp, wall: Timestamp) -> u64 {
    salon.store.let_go_of_what_is_aside(reached, wall).await.unwrap()
}

/// The clock of retention moves on by whole days of running.
async fn days_later(store: &Store, days: i64) -> Timestamp {
    let now = clock::now();
    let begin = Stamp { boot: BootId::from_bits(5), monotonic_ns: 1, ..now };
    store.retention_time(begin).await.unwrap();
    let later = Stamp {
        monotonic_ns: 1 + days.unsigned_abs() * 86_400_000_000_000,
        wall: Timestamp::from_unix_ms(now.wall.unix_ms() + days * DAY_MS),
        ..begin
    };
    store.retention_time(later).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_aside_goes_after_its_days() {
    let salon = Salon::new().await;
    salon.store.retention_time(clock::now()).await.unwrap();
    stray(&salon);
    let salon = salon.reopened().await;
    let copy = salon.data().join("backups/before-schema-2.db");
    fs::write(&copy, "a database from before an upgrade").unwrap();
    let own = salon.data().join("backups/of-the-technician.db");
    fs::write(&own, "a copy that somebody asked for").unwrap();
    assert_eq!(files(&salon.data().join("aside")).len(), 1);

    let keep = i64::from(ASIDE_DAYS);
    let almost = days_later(&salon.store, keep - 1).await;
    assert_eq!(let_go(&salon, almost, almost).await, 0);
    let past = Timestamp::from_unix_ms(almost.unix_ms() + 3 * DAY_MS);
    assert_eq!(let_go(&salon, past, almost).await, 0, "only one of the clocks says so");
    assert_eq!(let_go(&salon, almost, past).await, 0, "nor the other alone");
    assert_eq!(let_go(&salon, past, past).await, 2);
    assert_eq!(files(&salon.data().join("aside")), Vec::<String>::new());
    assert!(!copy.exists() && own.exists(), "what somebody made is theirs");
}

/// A copy that was written while the clock stood in 1970 or ran years ahead is kept its days from now on, and then goes.
#[tokio::test]
async fn a_copy_with_an_impossible_date_is_neither_lost_at_once_nor_kept_for_ever() {
    let salon = Salon::new().await;
    let now = clock::now().wall.unix_ms();
    for (name, written) in [("before-schema-2.db", 5_000), ("before-schema-3.db", now + 4_000 * DAY_MS)] {
        let file = fs::File::create(salon.data().join("backups").join(name)).unwrap();
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(written.unsigned_abs());
        file.set_modified(at).unwrap();
    }
    let go = async |days: i64| {
        let at = Timestamp::from_unix_ms(now + days * DAY_MS);
        let_go(&salon, at, at).await
    };
    assert_eq!(go(0).await, 0);
    assert_eq!(go(i64::from(ASIDE_DAYS) - 1).await, 0);
    assert_eq!(go(i64::from(ASIDE_DAYS) + 1).await, 2);
}

/// The backup lies between a photograph and its report picture. Started with it, the gateway measured the photograph again and made
/// another report picture under the same name, which the right database then could not open: its own lay aside until it went.
#[tokio::test]
async fn a_picture_that_the_wrong_database_made_gives_way_to_the_right_one() {
    let (salon, scan) = photographing().await;
    let capture = salon.capture(scan).await.id;
    let backup = salon.folder.path().join("old.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    let right = vec![1; 900];
    salon.store.save_picture(capture, Role::Report, Format::Jpeg, right.clone()).await.unwrap();

    let Salon { folder, store, .. } = salon;
    let data = folder.path().join("data");
    let newer = put_in_place(&folder, store, &backup).await;
    let store = open(&folder);
    let wrong = vec![2; 800];
    store.save_picture(capture, Role::Report, Format::Jpeg, wrong.clone()).await.unwrap();
    let right_one = folder.path().join("right.db");
    fs::rename(newer, &right_one).unwrap();
    let wrong_one = put_in_place(&folder, store, &right_one).await;
    let store = open(&folder);
    assert_eq!(store.picture_bytes(capture, Role::Report).await.unwrap(), right);
    // And whichever is put in place after that finds its own.
    let other = folder.path().join("wrong.db");
    fs::rename(wrong_one, &other).unwrap();
    put_in_place(&folder, store, &other).await;
    let store = open(&folder);
    assert_eq!(store.picture_bytes(capture, Role::Report).await.unwrap(), wrong);
    assert_eq!(files(&data.join("aside")), [format!("{capture}.report")]);
    assert!(store.close(LIMIT).await);
}

/// A database of two months ago says that it is two months ago. What its start put aside lay there under that day, and the next
/// start with the right database removed it at once.
#[tokio::test]
async fn what_an_old_database_put_aside_is_kept_its_days_all_the_same() {
    let salon = Salon::new().await;
    let now = clock::now();
    let then = Timestamp::from_unix_ms(now.wall.unix_ms() - 60 * DAY_MS);
    salon.store.retention_time(Stamp { wall: then, ..now }).await.unwrap();
    stray(&salon);
    let salon = salon.reopened().await;
    assert_eq!(files(&salon.data().join("aside")).len(), 1);
    assert_eq!(let_go(&salon, now.wall, now.wall).await, 0);
    assert_eq!(files(&salon.data().join("aside")).len(), 1);
    let in_days = |days: u32| Timestamp::from_unix_ms(now.wall.unix_ms() + i64::from(days) * DAY_MS);
    assert_eq!(let_go(&salon, in_days(ASIDE_DAYS + 2), in_days(ASIDE_DAYS + 2)).await, 1);

    // Years ahead, it counts from the day on which somebody saw that.
    let ahead = salon.data().join("aside/2099-01-01");
    fs::create_dir_all(&ahead).unwrap();
    fs::write(ahead.join(clock::mint(CaptureId::from_bits).to_string()), "of another life").unwrap();
    assert_eq!(let_go(&salon, now.wall, now.wall).await, 0);
    assert_eq!(let_go(&salon, in_days(ASIDE_DAYS + 2), in_days(ASIDE_DAYS + 2)).await, 1);
}

/// The last write to a log may be weeks before it was put aside, and the clock of retention may be weeks ahead of the wall clock.
#[tokio::test]
async fn a_log_is_kept_its_days_from_when_it_was_put_aside() {
    let salon = Salon::new().await;
    let now = clock::now().wall;
    let at = |days: i64| Timestamp::from_unix_ms(now.unix_ms() + days * DAY_MS);
    let log = |at: Timestamp| salon.data().join(format!("{DATABASE}-wal.of-another-{}", at.unix_ms()));
    let put_aside = at(-1);
    let logs = [log(put_aside), log(at(4_000))];
    for path in &logs {
        let file = fs::File::create(path).unwrap();
        let written = at(-90).unix_ms().unsigned_abs();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(written)).unwrap();
    }
    assert_eq!(let_go(&salon, now, now).await, 0);
    assert!(logs[0].exists() && !logs[1].exists() && log(now).exists(), "the impossible one has today's date now");
    assert_eq!(let_go(&salon, at(60), at(0)).await, 0);
    assert_eq!(let_go(&salon, at(i64::from(ASIDE_DAYS)), at(i64::from(ASIDE_DAYS))).await, 1);
    assert_eq!(let_go(&salon, at(i64::from(ASIDE_DAYS) + 1), at(i64::from(ASIDE_DAYS) + 1)).await, 1);
}

/// A folder (a disk of its own brings `lost+found`), or a file of somebody else's: it has no second name, and the gateway did not
/// start any more.
#[tokio::test]
async fn what_cannot_be_put_aside_keeps_no_gateway_from_starting() {
    let salon = Salon::new().await;
    let (found, begun) = (salon.data().join("pictures/lost+found"), salon.data().join("pictures/half.tmp"));
    fs::create_dir(&found).unwrap();
    fs::create_dir(&begun).unwrap();
    // A day that somebody packed.
    fs::create_dir(salon.data().join("aside")).unwrap();
    fs::write(salon.data().join("aside/2026-11-01.zip"), b"PK").unwrap();
    let other = stray(&salon);
    let salon = salon.reopened().await;
    assert!(found.exists() && begun.exists());
    let mut aside = ["2026-11-01.zip".to_owned(), other.to_string()];
    aside.sort();
    assert_eq!(files(&salon.data().join("aside")), aside, "the others are looked after");
    let later = days_later(&salon.store, 90).await;
    let_go(&salon, later, later).await;
    assert_eq!(files(&salon.data().join("aside")), ["2026-11-01.zip"]);
}

/// A copy that did not go (a folder of its name) held up every later one for ever, and a photograph whose time had come and whose file
/// did not go kept those behind it, readable, until the next start.
#[tokio::test]
async fn what_does_not_go_holds_up_nothing_behind_it() {
    let (salon, scan) = photographing().await;
    // Nothing is owed to headquarters.
    salon.say(Purpose::SharePhotographs, false).await;
    let first = salon.capture(scan).await.id;
    let second = salon.capture(scan).await.id;
    let pictures = salon.data().join("pictures");
    let stubborn = pictures.join(first.to_string());
    fs::remove_file(&stubborn).unwrap();
    fs::create_dir(&stubborn).unwrap();
    let backups = salon.data().join("backups");
    fs::create_dir_all(backups.join("before-schema-1.db")).unwrap();
    fs::write(backups.join("before-schema-2.db"), b"old").unwrap();
    let later = days_later(&salon.store, 90).await;
    assert!(salon.store.let_go_of_what_is_aside(later, later).await.is_err(), "one is still there");
    assert!(!backups.join("before-schema-2.db").exists(), "the one behind it has gone");
    assert!(salon.store.retire_photographs(later, 30).await.is_err(), "one is still there");
    assert!(!pictures.join(second.to_string()).exists(), "the one behind it has gone");
    assert!(salon.store.retire_what_stayed().await.is_err());
    fs::remove_dir(&stubborn).unwrap();
    fs::write(&stubborn, b"its bytes").unwrap();
    assert_eq!(salon.store.retire_what_stayed().await.unwrap(), 1);
    assert!(!stubborn.exists());
}
