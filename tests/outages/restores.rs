//! A store restored from an older copy, and headquarters restored from one.

use crate::{
    gateway::{Running, all_arrives, all_is_there, talk},
    headquarters::{Headquarters, LIMIT, address},
    salon::{self, Salon},
};
use skinlink::{
    clock,
    domain::Timestamp,
    hq::{
        database::{Arrived, Database},
        ledger::Counts,
    },
    store::Store,
    sync::{MAX_PUBLISH, batch, topic::Lane},
};
use std::{fs, path::Path};

/// Every event ever told stands at headquarters once: `expected` of them, the first of each salon (its customer) included.
async fn stands_once(headquarters: &Headquarters, expected: usize) -> Counts {
    let consents = headquarters
        .eventually(&format!("{expected} events, each once"), |ledger| {
            let consents = ledger.events_of("consent.v1").ok()?;
            (consents.len() >= expected).then_some(consents)
        })
        .await;
    assert_eq!(consents.len(), expected);
    headquarters.eventually("the totals", |ledger| Some(ledger.counts().ok()?.remove(0))).await
}

/// Waits for an alarm with `word` in it; all there are.
async fn alarms(headquarters: &Headquarters, word: &str) -> Vec<String> {
    headquarters
        .eventually(&format!("an alarm that says {word:?}"), |ledger| {
            ledger.alarms().ok().filter(|alarms| alarms.iter().any(|reason| reason.contains(word)))
        })
        .await
}

/// Ten events at headquarters, five more after the copy was made; then the disk is lost.
async fn lived(headquarters: &Headquarters, between: impl AsyncFnOnce(Salon) -> Salon) -> Salon {
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 10).await;
    all_is_there(headquarters, &salon.store).await;
    running.stop().await;
    let salon = between(salon).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 5).await;
    all_is_there(headquarters, &salon.store).await;
    running.stop().await;
    salon
}

/// The restored store connects: it says and headquarters says what happened, and everything is there once.
async fn tells_all(headquarters: &Headquarters, restored: &Salon, expected: usize) {
    let mut running = Running::start(&restored.store, headquarters.connector(&address()));
    running.until("an alarm for people", |status| status.alarm.is_some()).await;
    all_arrives(headquarters, &restored.store).await;
    let counts = stands_once(headquarters, expected).await;
    assert_eq!((counts.duplicates, counts.gaps, counts.refused), (0, 0, 0), "{counts:?}");
    alarms(headquarters, "begins a new epoch").await;
    running.stop().await;
}

/// The story of a copy that the store made itself, restored after more was recorded and acknowledged, and used for a morning
/// without a line: what it recorded then would take the numbers of what headquarters has from the lost disk.
#[tokio::test]
async fn a_store_restored_from_its_own_backup_tells_everything_it_records() {
    for recorded in [0, 3, 20] {
        let headquarters = Headquarters::start().await;
        let backups = tempfile::tempdir().expect("a folder");
        let backup = backups.path().join("backup.db");
        let salon = lived(&headquarters, async |salon: Salon| {
            salon.store.back_up(backup.clone()).await.expect("a backup");
            salon
        })
        .await;
        let before = salon.store.epoch().await.expect("a store");
        let Salon { folder, store, customer } = salon;
        assert!(store.close(LIMIT).await, "the store closes");
        for name in ["skinlink.db", "skinlink.db-wal", "skinlink.db-shm"] {
            let _ = fs::remove_file(folder.path().join("data").join(name));
        }
        fs::copy(&backup, folder.path().join("data/skinlink.db")).expect("restored");
        let restored = Salon { store: salon::open(&folder), folder, customer };
        assert_ne!(restored.store.epoch().await.expect("a store"), before);
        talk(&restored, recorded).await;
        tells_all(&headquarters, &restored, 10 + 5 + recorded).await;
    }
}

/// The same with a copy of the files that someone else made, while the gateway was off. Nothing marks it; headquarters' answer
/// must show it. With 2 events fewer, as many, and more than headquarters has under those numbers.
#[tokio::test]
async fn a_store_restored_from_a_copy_of_its_files_tells_everything_it_records() {
    for recorded in [0, 3, 5, 20] {
        let headquarters = Headquarters::start().await;
        let backup = tempfile::tempdir().expect("a folder");
        let salon = lived(&headquarters, async |salon: Salon| {
            // Two that the copy does not know to be at headquarters.
            talk(&salon, 2).await;
            let Salon { folder, store, customer } = salon;
            assert!(store.close(LIMIT).await, "the store closes");
            copy(&folder.path().join("data"), &backup.path().join("data"));
            Salon { store: salon::open(&folder), folder, customer }
        })
        .await;
        let before = salon.store.epoch().await.expect("a store");
        assert!(salon.store.close(LIMIT).await, "the store closes");
        let restored = Salon { store: salon::open(&backup), folder: backup, customer: salon.customer };
        assert_eq!(restored.store.epoch().await.expect("a store"), before, "nothing shows yet");
        talk(&restored, recorded).await;
        tells_all(&headquarters, &restored, 10 + 2 + 5 + recorded).await;
        assert_ne!(restored.store.epoch().await.expect("a store"), before);
    }
}

/// A whole disk image of an earlier life: headquarters has heard of a later epoch since.
#[tokio::test]
async fn a_store_restored_to_an_epoch_that_is_over_begins_another() {
    let headquarters = Headquarters::start().await;
    let image = tempfile::tempdir().expect("a folder");
    let salon = lived(&headquarters, async |salon: Salon| {
        let Salon { folder, store, customer } = salon;
        assert!(store.close(LIMIT).await, "the store closes");
        copy(&folder.path().join("data"), &image.path().join("data"));
        Salon { store: salon::open(&folder), folder, customer }
    })
    .await;
    salon.store.new_epoch(None).await.expect("a new epoch");
    talk(&salon, 4).await;
    tells_all(&headquarters, &salon, 10 + 5 + 4).await;
    assert!(salon.store.close(LIMIT).await, "the store closes");
    let restored = Salon { store: salon::open(&image), folder: image, customer: salon.customer };
    let over = restored.store.epoch().await.expect("a store");
    talk(&restored, 30).await;
    tells_all(&headquarters, &restored, 10 + 5 + 4 + 30).await;
    assert_ne!(restored.store.epoch().await.expect("a store"), over);
}

/// What `store` would send of its present epoch, taken in by another copy of the receiver, whose answers are lost.
pub async fn taken_without_an_answer(headquarters: &Headquarters, store: &Store) {
    let (epoch, last) = (store.epoch().await.expect("a store"), store.last_seq().await.expect("a store"));
    let mut receiver = Database::open(&headquarters.data(), 1 << 20).expect("the database");
    let mut next = 1;
    while next <= last {
        let rows = store.range(epoch, next, last, 20, MAX_PUBLISH).await.expect("a store");
        let (payload, range) = batch::compose(&epoch.to_string(), &rows).expect("events");
        let arrived = Arrived { from: address(), lane: Lane::Events, payload };
        receiver.take(&[arrived], clock::now().wall).expect("taken");
        next = range.1 + 1;
    }
}

/// Both lives of one store at once: what the other sent arrives late, after the hello. Headquarters holds events of the other
/// under numbers that this one uses; it must not acknowledge ours by them.
#[tokio::test]
async fn another_event_under_our_number_is_told_again_and_never_settled() {
    let headquarters = Headquarters::start().await;
    let other = tempfile::tempdir().expect("a folder");
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 10).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await, "the store closes");
    copy(&folder.path().join("data"), &other.path().join("data"));
    let salon = Salon { store: salon::open(&folder), folder, customer };
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    running
        .until("it has said hello", |status| status.connection == skinlink::tasks::sync::Connection::Connected)
        .await;

    let late = Salon { store: salon::open(&other), folder: other, customer };
    talk(&late, 5).await;
    taken_without_an_answer(&headquarters, &late.store).await;
    talk(&salon, 3).await;
    running.until("an alarm", |status| status.alarm.is_some()).await;
    all_arrives(&headquarters, &salon.store).await;
    let counts = stands_once(&headquarters, 10 + 5 + 3).await;
    assert_eq!((counts.duplicates, counts.gaps), (0, 0), "{counts:?}");
    alarms(&headquarters, "it now comes as").await;
    running.stop().await;
}

/// The same in the other order: ours are there and settled when what the other sent arrives. What we record from then on must
/// be told and acknowledged all the same.
#[tokio::test]
async fn another_event_that_comes_second_does_not_end_all_acknowledgements() {
    let headquarters = Headquarters::start().await;
    let other = tempfile::tempdir().expect("a folder");
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 10).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await, "the store closes");
    copy(&folder.path().join("data"), &other.path().join("data"));
    let salon = Salon { store: salon::open(&folder), folder, customer };
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 3).await;
    all_is_there(&headquarters, &salon.store).await;

    let late = Salon { store: salon::open(&other), folder: other, customer };
    talk(&late, 2).await;
    taken_without_an_answer(&headquarters, &late.store).await;
    talk(&salon, 4).await;
    running.until("an alarm", |status| status.alarm.is_some()).await;
    all_arrives(&headquarters, &salon.store).await;
    let counts = stands_once(&headquarters, 10 + 3 + 4).await;
    assert_eq!((counts.duplicates, counts.gaps), (0, 0), "{counts:?}");
    alarms(&headquarters, "it now comes as").await;
    running.stop().await;
}

/// Headquarters loses its disk and comes back as of an old copy: all that the store still keeps comes again, of every epoch.
#[tokio::test]
async fn a_restored_headquarters_gets_everything_of_all_epochs_again() {
    let (mut headquarters, old, salon, running) = far_beyond_an_old_copy(90).await;
    salon.store.new_epoch(None).await.expect("a second epoch");
    running.stop().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 50).await;
    all_arrives(&headquarters, &salon.store).await;
    salon.store.new_epoch(None).await.expect("a third epoch");
    running.stop().await;
    talk(&salon, 20).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_arrives(&headquarters, &salon.store).await;

    // The gateway stays connected while headquarters goes back in time.
    put_back(&mut headquarters, old.path()).await;
    let counts = stands_once(&headquarters, 10 + 90 + 50 + 20).await;
    assert_eq!((counts.duplicates, counts.gaps), (0, 0), "{counts:?}");
    let raised = alarms(&headquarters, "begins a new epoch").await;
    assert!(!raised.iter().any(|reason| reason.contains("are lost")), "{raised:?}");
    running.stop().await;
}

/// Two things went wrong at once: of what waited when an epoch ended every second event had arrived, and headquarters
/// has lost its disk. What moved to the next epoch is in more pieces than one hello names.
#[tokio::test]
async fn what_moved_in_more_pieces_than_one_hello_names_is_told_and_the_rest_asked_for() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    talk(&salon, 199).await;
    let (epoch, last) = (salon.store.epoch().await.expect("a store"), salon.store.last_seq().await.expect("a store"));
    salon.store.acknowledge(epoch, 0, (1..=last).step_by(2).map(|seq| (seq, seq)).collect()).await.expect("a store");
    salon.store.new_epoch(None).await.expect("a second epoch");
    talk(&salon, 1).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    let counts = stands_once(&headquarters, 199 + 1).await;
    assert_eq!((counts.duplicates, counts.refused), (0, 0), "{counts:?}");
    headquarters.eventually("no hole", |ledger| (ledger.counts().ok()?.remove(0).gaps == 0).then_some(())).await;
    running.stop().await;
}

/// What the store keeps no longer cannot come again: it is written down as lost, and people are told.
#[tokio::test]
async fn beyond_the_tail_a_restored_headquarters_writes_down_what_is_lost() {
    let (mut headquarters, old, salon, running) = far_beyond_an_old_copy(15).await;
    running.stop().await;
    let later = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 40 * 86_400_000);
    assert_eq!(salon.store.prune(later, 30).await.expect("a store"), 25);
    salon.store.new_epoch(None).await.expect("a second epoch");
    talk(&salon, 7).await;

    put_back(&mut headquarters, old.path()).await;
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    running.until("the alarm reaches the pages", |status| status.alarm.is_some()).await;
    all_arrives(&headquarters, &salon.store).await;
    let counts = stands_once(&headquarters, 10 + 7).await;
    assert_eq!(counts.gaps, 15, "lost events stay visible: {counts:?}");
    alarms(&headquarters, "15 events of gateway sh-001-g1 are lost").await;
    running.stop().await;
}

/// Headquarters, a copy of its data with ten events, and a salon that has told it `more` since.
async fn far_beyond_an_old_copy(more: usize) -> (Headquarters, tempfile::TempDir, Salon, Running) {
    let mut headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 10).await;
    all_is_there(&headquarters, &salon.store).await;
    let old = copied(&mut headquarters).await;
    talk(&salon, more).await;
    all_is_there(&headquarters, &salon.store).await;
    (headquarters, old, salon, running)
}

/// A copy of headquarters' data, made while it is stopped.
pub async fn copied(headquarters: &mut Headquarters) -> tempfile::TempDir {
    headquarters.stop_receiver().await;
    let old = tempfile::tempdir().expect("a folder");
    copy(&headquarters.data(), &old.path().join("hq"));
    headquarters.start_receiver();
    old
}

pub async fn put_back(headquarters: &mut Headquarters, old: &Path) {
    headquarters.stop_receiver().await;
    fs::remove_dir_all(headquarters.data()).expect("gone");
    copy(&old.join("hq"), &headquarters.data());
    headquarters.start_receiver();
}

/// A folder with all in it, modes included.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
    let mode = fs::metadata(from).expect("a folder").permissions();
    fs::set_permissions(to, mode).expect("the same mode");
}
