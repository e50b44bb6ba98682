//! Erasure holds: against restarts, against restored backups, and HQ is told.

use crate::salon::{LIMIT, NAME, Salon, open, options, person};
use skinlink::{
    clock,
    domain::{CustomerId, Region, Timestamp, capture::Format, consent::Purpose},
    store::{Letterhead, Store, StoreError},
    sync::image_lane::Role,
};
use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

async fn measured() -> (Salon, skinlink::domain::VisitId, skinlink::domain::CaptureId) {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    let capture = salon.capture(scan).await.id;
    salon.store.save_picture(capture, Role::Derivative, Format::Webp, vec![1; 10]).await.unwrap();
    salon.score(capture).await;
    (salon, visit, capture)
}

#[tokio::test]
async fn after_erasure_nothing_personal_is_left_and_hq_is_told() {
    let (salon, visit, capture) = measured().await;
    let numbers = salon.store.last_seq().await.unwrap();
    let receipt = salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!((receipt.customers.as_slice(), receipt.visits, receipt.captures), (&[salon.customer][..], 1, 1));
    assert!(matches!(salon.store.visit(visit).await, Err(StoreError::NotFound { .. })));
    assert!(salon.store.capture_bytes(capture).await.is_err());
    assert!(salon.store.find_customers(NAME.to_owned(), 9).await.unwrap().is_empty());
    assert_eq!(fs::read_dir(salon.data().join("pictures")).unwrap().count(), 0);
    let kinds = salon.kinds().await;
    assert_eq!(kinds.len() as u64, numbers + 1, "every number stays");
    assert!(kinds[..kinds.len() - 1].iter().all(|kind| kind == "redacted.v1"), "{kinds:?}");
    assert_eq!(kinds.last().unwrap(), "erased.v1");
    assert_eq!(salon.store.backlog().await.unwrap().images, 0);
    assert!(salon.store.verify_audit().await.unwrap().is_ok());
}

/// The backup of yesterday knows the customer whom we erased today.
#[tokio::test]
async fn a_restored_backup_brings_nobody_back() {
    let (salon, visit, capture) = measured().await;
    let pictures = salon.folder.path().join("pictures-copy");
    fs::create_dir(&pictures).unwrap();
    for entry in fs::read_dir(salon.data().join("pictures")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), pictures.join(entry.file_name())).unwrap();
    }
    let backup = salon.folder.path().join("copy.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();

    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    fs::rename(&backup, folder.path().join("data/skinlink.db")).unwrap();
    fs::remove_dir_all(folder.path().join("data/pictures")).unwrap();
    fs::rename(&pictures, folder.path().join("data/pictures")).unwrap();
    let store = open(&folder);
    assert!(matches!(store.visit(visit).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.customer(customer).await, Err(StoreError::NotFound { .. })));
    assert!(store.capture_bytes(capture).await.is_err());
    assert_eq!(fs::read_dir(folder.path().join("data/pictures")).unwrap().count(), 0);
    let salon = Salon { folder, store, customer };
    assert_eq!(salon.count("erased.v1").await, 1);
    assert_eq!(salon.count("reading.v1").await, 0);
    // Even entered anew under the old id, no new key is made for an erased id.
    salon.store.save_customer(person(customer), "staff-1".to_owned()).await.unwrap();
    salon.say(Purpose::Photograph, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let refused = salon.store.save_capture(crate::salon::new_capture(scan), vec![1; 10]).await;
    assert!(matches!(refused, Err(StoreError::Erased)), "{refused:?}");
}

#[tokio::test]
async fn the_link_to_a_report_opens_only_while_everything_agrees() {
    let (salon, visit, _) = measured().await;
    let hour = |n: i64| Timestamp::from_unix_ms(1_800_000_000_000 + n * 3_600_000);
    let make = || salon.store.make_report_link(visit, hour(10), Letterhead::default(), "staff-1".to_owned());
    let token = make().await.unwrap();
    assert_eq!(token.len(), 32);
    let behind = |token: String, at| {
        let store = salon.store.clone();
        async move { store.report_behind(&token, at).await.unwrap() }
    };
    assert_eq!(behind(token.clone(), hour(1)).await, Some(visit));
    assert_eq!(behind(token.clone(), hour(10)).await, None, "expired");
    for end in 0..token.len() {
        assert_eq!(behind(token[..end].to_owned(), hour(1)).await, None, "{end} digits");
        let mut other = token.clone().into_bytes();
        other[end] = if other[end] == b'0' { b'1' } else { b'0' };
        assert_eq!(behind(String::from_utf8(other).unwrap(), hour(1)).await, None, "digit {end} changed");
    }
    salon.say(Purpose::DeliverReport, false).await;
    assert_eq!(behind(token.clone(), hour(1)).await, None, "not agreed any more");
    assert!(matches!(make().await, Err(StoreError::NoConsent { .. })));
    salon.say(Purpose::DeliverReport, true).await;
    assert_eq!(behind(token.clone(), hour(1)).await, Some(visit));
    assert_eq!(salon.store.withdraw_report_links(visit, "staff-1".to_owned()).await.unwrap(), 1);
    assert_eq!(behind(token, hour(1)).await, None, "withdrawn");
}

/// Opens a store and erases somebody, where one is named; the tests below end it in the middle.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child() {
    let data = PathBuf::from(env::var("SKINLINK_ERASURE_FOLDER").unwrap());
    let store = Store::open(options(data)).unwrap();
    if let Ok(customer) = env::var("SKINLINK_ERASURE_OF") {
        store.erase_customer(customer.parse().unwrap(), "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    }
    assert!(store.close(LIMIT).await);
}

/// The child on this folder, killed at this point.
fn killed_at(point: &str, folder: &Path, erasing: Option<CustomerId>) {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "erasure::child", "--ignored", "--quiet"]);
    child.env("SKINLINK_ERASURE_FOLDER", folder.join("data")).env("SKINLINK_KILL_AT", format!("{point}:1"));
    child.envs(erasing.map(|customer| ("SKINLINK_ERASURE_OF", customer.to_string())));
    let ended = child.output().unwrap();
    assert_eq!(ended.status.signal(), Some(9), "{point}: {}", String::from_utf8_lossy(&ended.stdout));
}

/// Lays copies of the database, as the gateway makes them by itself, with somebody in them.
fn lay(copies: &[PathBuf]) {
    copies.iter().for_each(|copy| fs::write(copy, NAME).unwrap());
}

fn copies_in(data: &Path) -> Vec<PathBuf> {
    let names = [
        "backups/before-schema-8.db",
        "backups/before-schema-9.db",
        "backups/before-schema-9.db.tmp",
        "skinlink.db-wal.of-another-1790000000000",
    ];
    names.map(|name| data.join(name)).into()
}

/// The database from before an upgrade, a log that lay beside a restored file, a photograph that an old database did not know:
/// each holds the person whom we erase. Nothing of that is left, and the receipt says so.
#[tokio::test]
async fn erasure_reaches_the_copies_that_the_gateway_keeps_by_itself() {
    for killed in
        [None, Some("store.erasure.key_destroyed"), Some("store.erasure.committed"), Some("store.copy.removed")]
    {
        let (salon, _, capture) = measured().await;
        let copies = copies_in(&salon.data());
        let photograph = fs::read(salon.data().join("pictures").join(capture.to_string())).unwrap();
        let aside = salon.data().join("aside/2026-11-01").join(capture.to_string());
        fs::create_dir_all(aside.parent().unwrap()).unwrap();
        lay(&copies);
        fs::write(&aside, &photograph).unwrap();
        let (data, own) = (salon.data(), salon.data().join("backups/own.db"));
        salon.store.back_up(own.clone()).await.unwrap();
        let salon = if let Some(point) = killed {
            let Salon { folder, store, customer } = salon;
            assert!(store.close(LIMIT).await);
            killed_at(point, folder.path(), Some(customer));
            Salon { store: open(&folder), folder, customer }
        } else {
            let erased = salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned());
            assert_eq!(erased.await.unwrap().copies, copies.len() as u64);
            salon
        };
        for gone in copies.iter().chain([&aside, &data.join("pictures").join(capture.to_string())]) {
            assert!(!gone.exists(), "{} outlived the erasure (killed: {killed:?})", gone.display());
        }
        assert!(own.exists(), "a copy that somebody asked for is theirs, and the ledger of erasures holds against it");
        assert_eq!(salon.count("erased.v1").await, 1);
        // A copy made later is not of that person, whatever the clocks say of when it was made.
        lay(&copies[..1]);
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_770_000_000);
        fs::File::options().write(true).open(&copies[0]).unwrap().set_modified(long_ago).unwrap();
        let salon = salon.reopened().await;
        assert!(copies[0].exists(), "taken for one from before the erasure (killed: {killed:?})");
        assert!(salon.store.close(LIMIT).await);
    }
}

/// A backup of last month is put back and upgraded. The start finds somebody in it who was erased since, erases them again, and is
/// killed while the copies are being removed, which are younger than the erasure. The next start found nobody to erase and let
/// them be.
#[tokio::test]
async fn a_start_that_is_killed_between_two_copies_is_finished_by_the_next() {
    let (salon, _, _) = measured().await;
    let backup = salon.folder.path().join("copy.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    let data = folder.path().join("data");
    fs::rename(&backup, data.join("skinlink.db")).unwrap();
    // As docs/restoring.md says; else the log of the start that is killed counts for another database's.
    fs::remove_file(data.join("skinlink.db-life")).unwrap();
    let copies = copies_in(&data);
    lay(&copies);
    let younger = std::time::SystemTime::UNIX_EPOCH
        + std::time::Duration::from_millis(clock::now().wall.unix_ms().unsigned_abs() + 60_000);
    for copy in &copies {
        fs::File::options().write(true).open(copy).unwrap().set_modified(younger).unwrap();
    }
    killed_at("store.copy.removed", folder.path(), None);
    assert_eq!(copies.iter().filter(|copy| copy.exists()).count(), copies.len() - 1);
    let store = open(&folder);
    assert!(matches!(store.customer(customer).await, Err(StoreError::NotFound { .. })));
    assert_eq!(copies.iter().filter(|copy| copy.exists()).count(), 0, "what was left of them");
    assert!(store.close(LIMIT).await);
}

/// A person who stood in the book twice, and the power failed between the two: the ledger knew one of them only, and the other was
/// left, without an alias, for good.
#[tokio::test]
async fn a_person_of_two_records_is_erased_whole_or_not_at_all() {
    for (point, gone) in [("store.erasure.one_noted", false), ("store.erasure.key_destroyed", true)] {
        let (salon, _, _) = measured().await;
        let twin = clock::mint(CustomerId::from_bits);
        salon.store.save_customer(person(twin), "staff-1".to_owned()).await.unwrap();
        salon.store.join_customers(salon.customer, twin, None, "staff-1".to_owned()).await.unwrap();
        let Salon { folder, store, customer } = salon;
        assert!(store.close(LIMIT).await);
        killed_at(point, folder.path(), Some(twin));
        let store = open(&folder);
        for id in [customer, twin] {
            let there = store.customer(id).await;
            assert_eq!(matches!(there, Err(StoreError::NotFound { .. })), gone, "{point}: {id}: {there:?}");
        }
        if !gone {
            let receipt = store.erase_customer(twin, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
            assert_eq!(receipt.customers.len(), 2);
        }
        assert!(store.find_customers(NAME.to_owned(), 9).await.unwrap().is_empty(), "{point}");
        assert!(store.close(LIMIT).await);
    }
}

/// The tablet that asked went away when the key was gone and the rows were not. They stood on every page, and went on to HQ, until
/// the gateway was started again.
#[tokio::test]
async fn an_erasure_that_nobody_waits_for_is_finished_by_housekeeping() {
    let (salon, _, capture) = measured().await;
    {
        let erasing = salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned());
        let mut erasing = std::pin::pin!(erasing);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // One step at a time: what a step has begun ends by itself, and the next one is not taken once the key is gone.
        let mut steps = 0;
        while salon.store.capture_bytes(capture).await.is_ok() {
            assert!(erasing.as_mut().poll(&mut context).is_pending() && steps < 20, "the key is still there");
            steps += 1;
            for _ in 0..80 {
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                if salon.store.capture_bytes(capture).await.is_err() {
                    break;
                }
            }
        }
    }
    assert_eq!(salon.store.find_customers(NAME.to_owned(), 9).await.unwrap().len(), 1, "the rows were still there");
    let now = clock::now().wall;
    salon.store.let_go_of_what_is_aside(now, now).await.unwrap();
    assert!(salon.store.find_customers(NAME.to_owned(), 9).await.unwrap().is_empty());
    assert_eq!(fs::read_dir(salon.data().join("pictures")).unwrap().count(), 0);
    assert_eq!(salon.count("erased.v1").await, 1);
}

/// One file that does not go left all the others there, and the copies of the database, and nobody could ask again: the rows were
/// gone.
#[tokio::test]
async fn an_erasure_that_meets_a_file_that_does_not_go_goes_on_and_is_tried_again() {
    let (salon, _, capture) = measured().await;
    let (copies, pictures) = (copies_in(&salon.data()), salon.data().join("pictures"));
    let stubborn = pictures.join(format!("{capture}.derivative"));
    let content = fs::read(&stubborn).unwrap();
    fs::remove_file(&stubborn).unwrap();
    fs::create_dir(&stubborn).unwrap();
    lay(&copies);
    let asked = || salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned());
    let receipt = asked().await.expect("the person is erased whatever a file does");
    assert!(receipt.left && receipt.customers == [salon.customer], "{receipt:?}");
    let receipt = asked().await.expect("asked again");
    assert!(receipt.left && receipt.visits == 0, "{receipt:?}");
    assert!(copies.iter().all(|copy| !copy.exists()) && !pictures.join(capture.to_string()).exists());
    let now = clock::now().wall;
    let again = || salon.store.let_go_of_what_is_aside(now, now);
    assert!(again().await.is_err(), "it is still there");
    fs::remove_dir(&stubborn).unwrap();
    fs::write(&stubborn, content).unwrap();
    let receipt = asked().await.expect("asked once more");
    assert!(!receipt.left && !stubborn.exists(), "{receipt:?}");
    lay(&copies[..1]);
    again().await.unwrap();
    assert!(copies[0].exists(), "nothing is owed any more");
}

/// Photographed under the wrong record, which was put right; the wrong record was erased. A backup from before that was put back by
/// mistake: its start took the photograph for one of the erased person's, and it was gone when the right database came back.
#[tokio::test]
async fn a_backup_that_is_too_old_erases_no_photograph_of_somebody_else() {
    let (salon, visit, capture) = measured().await;
    let whose = clock::mint(CustomerId::from_bits);
    salon.store.save_customer(person(whose), "staff-1".to_owned()).await.unwrap();
    for purpose in Purpose::ALL {
        crate::salon::say(&salon.store, whose, *purpose, true).await;
    }
    let backup = salon.folder.path().join("copy.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    salon.store.reassign_visit(visit, None, whose, crate::salon::why()).await.unwrap();
    let photograph = salon.store.capture_bytes(capture).await.unwrap();
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();

    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    let (database, right) = (folder.path().join("data/skinlink.db"), folder.path().join("right.db"));
    fs::rename(&database, &right).unwrap();
    fs::rename(&backup, &database).unwrap();
    let store = open(&folder);
    assert!(matches!(store.customer(customer).await, Err(StoreError::NotFound { .. })));
    assert!(store.close(LIMIT).await);
    fs::rename(&right, &database).unwrap();
    let store = open(&folder);
    assert_eq!(store.capture_bytes(capture).await.unwrap(), photograph);
    assert!(store.close(LIMIT).await);
}
