//! Photographs through what goes wrong: a file that cannot be read, keys that were put away, a restored store, a restored
//! headquarters. A picture that headquarters is owed stays owed until it is there.

use crate::{
    gateway::{Running, all_is_there, talk},
    headquarters::{Headquarters, LIMIT, address},
    restores::{copied, put_back},
    salon::{self, Salon},
};
use skinlink::{
    domain::{CaptureId, ScanId, capture::Format, consent::Purpose},
    sync::image_lane::Role,
};
use std::{fs, time::Duration};
use tokio::time::{sleep, timeout};

/// A salon whose customer shares photographs, and a scan that runs.
async fn sharing() -> (Salon, ScanId) {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let scan = salon.scan(salon.visit().await).await;
    (salon, scan)
}

/// A capture with a picture that headquarters is owed: 5,000 times `byte`.
async fn photographed(salon: &Salon, scan: ScanId, byte: u8) -> CaptureId {
    let capture = salon.capture(scan).await.id;
    salon.store.save_picture(capture, Role::Derivative, Format::Jpeg, vec![byte; 5_000]).await.expect("stored");
    capture
}

/// Waits until headquarters has the picture, and looks into its file.
async fn arrives(headquarters: &Headquarters, capture: CaptureId, byte: u8) {
    headquarters
        .eventually("the picture", |ledger| {
            let pictures = ledger.pictures().ok()?;
            pictures.iter().any(|one| one.capture == capture.to_string() && one.state == "verified").then_some(())
        })
        .await;
    assert!(headquarters.picture(&capture.to_string(), "derivative") == vec![byte; 5_000], "bit for bit");
}

/// Waits until the store owes no picture.
async fn nothing_is_owed(salon: &Salon) {
    let settled = async {
        while salon.store.backlog().await.expect("a store").images > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, settled).await.expect("no picture is owed any more");
}

/// The file of one picture cannot be read for a while, in the middle of a good disk; or it is not there at all, as when the database
/// was put back before the pictures were: then it was given up for good, and the clock was free to remove it.
#[tokio::test]
async fn a_picture_that_cannot_be_read_holds_up_no_other() {
    for something_else_lies_there in [true, false] {
        let headquarters = Headquarters::start().await;
        let (salon, scan) = sharing().await;
        let (first, second) = (photographed(&salon, scan, 1).await, photographed(&salon, scan, 2).await);
        let (file, aside) =
            (salon.data().join(format!("pictures/{first}.derivative")), salon.folder.path().join("aside"));
        fs::rename(&file, &aside).expect("put aside");
        if something_else_lies_there {
            fs::create_dir(&file).expect("something that is no file");
        }
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        arrives(&headquarters, second, 2).await;
        if something_else_lies_there {
            fs::remove_dir(&file).expect("gone");
        }
        fs::rename(&aside, &file).expect("put back");
        arrives(&headquarters, first, 1).await;
        nothing_is_owed(&salon).await;
        assert_eq!(headquarters.line.connections(), 1, "the connection holds all the time");
        running.stop().await;
    }
}

/// The customers' keys are not there at a start, as after a hasty restore. People are told to put them back; what was owed
/// before arrives then, also where the customer was photographed again meanwhile and got another key.
#[tokio::test]
async fn a_picture_is_sent_once_its_keys_are_put_back() {
    for photographed_meanwhile in [false, true] {
        let headquarters = Headquarters::start().await;
        let (salon, scan) = sharing().await;
        let before = photographed(&salon, scan, 1).await;
        let keys = salon.data().join("keys.db");
        let Salon { folder, store, customer } = salon;
        assert!(store.close(LIMIT).await, "the store closes");
        let aside = folder.path().join("keys.aside");
        fs::rename(&keys, &aside).expect("put away");

        let salon = Salon { store: salon::open(&folder), folder, customer };
        if photographed_meanwhile {
            salon.capture(scan).await;
        }
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        headquarters.eventually("it is offered", |ledger| (!ledger.pictures().ok()?.is_empty()).then_some(())).await;
        all_is_there(&headquarters, &salon.store).await;
        // What cannot be sent now is looked at again after a while: it must still be owed then.
        assert_eq!(salon.store.backlog().await.expect("a store").images, 1, "it is still owed");
        running.stop().await;
        assert_eq!(salon.store.backlog().await.expect("a store").images, 1, "it is still owed");

        let Salon { folder, store, customer } = salon;
        assert!(store.close(LIMIT).await, "the store closes");
        fs::rename(&aside, &keys).expect("put back");
        let salon = Salon { store: salon::open(&folder), folder, customer };
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        arrives(&headquarters, before, 1).await;
        nothing_is_owed(&salon).await;
        running.stop().await;
    }
}

/// Headquarters loses its disk and comes back as of an old copy, with or without a new epoch since: what it verified after the
/// copy was made comes again, but not from a customer who has withdrawn her consent.
#[tokio::test]
async fn a_restored_headquarters_gets_the_pictures_again() {
    for epoch_since in [false, true] {
        let mut headquarters = Headquarters::start().await;
        let (salon, scan) = sharing().await;
        let before = photographed(&salon, scan, 1).await;
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        arrives(&headquarters, before, 1).await;
        all_is_there(&headquarters, &salon.store).await;
        let old = copied(&mut headquarters).await;
        let since = photographed(&salon, scan, 2).await;
        talk(&salon, 3).await;
        arrives(&headquarters, since, 2).await;
        all_is_there(&headquarters, &salon.store).await;
        nothing_is_owed(&salon).await;
        running.stop().await;
        if epoch_since {
            salon.store.new_epoch(None).await.expect("a new epoch");
        }
        put_back(&mut headquarters, old.path()).await;
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        arrives(&headquarters, since, 2).await;
        nothing_is_owed(&salon).await;
        running.stop().await;
    }
}

/// The story of a backup of headquarters that lies between a photograph's event and its picture: by its numbers headquarters
/// lacked nothing, the store believed the picture delivered, and nobody ever asked for it. Not even when the gateway stays
/// connected all the while.
#[tokio::test]
async fn a_picture_that_came_after_the_backup_of_its_event_comes_again() {
    for stays_connected in [false, true] {
        let mut headquarters = Headquarters::start().await;
        let (salon, scan) = sharing().await;
        let capture = salon.capture(scan).await.id;
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        all_is_there(&headquarters, &salon.store).await;
        let old = copied(&mut headquarters).await;
        salon.store.save_picture(capture, Role::Report, Format::Jpeg, vec![4; 5_000]).await.expect("stored");
        headquarters
            .eventually("the picture", |ledger| {
                let pictures = ledger.pictures().ok()?;
                pictures.iter().any(|one| one.state == "verified").then_some(())
            })
            .await;
        nothing_is_owed(&salon).await;
        let running = if stays_connected {
            put_back(&mut headquarters, old.path()).await;
            running
        } else {
            running.stop().await;
            put_back(&mut headquarters, old.path()).await;
            let before = headquarters.eventually("the pictures", |ledger| ledger.pictures().ok()).await;
            assert!(before.is_empty(), "the backup has no picture: {before:?}");
            Running::start(&salon.store, headquarters.connector(&address()))
        };
        headquarters
            .eventually("the picture once more", |ledger| {
                let pictures = ledger.pictures().ok()?;
                pictures.iter().any(|one| one.state == "verified").then_some(())
            })
            .await;
        assert!(headquarters.picture(&capture.to_string(), "report") == vec![4; 5_000], "bit for bit");
        nothing_is_owed(&salon).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_restored_headquarters_gets_no_picture_of_a_customer_who_said_no_since() {
    let mut headquarters = Headquarters::start().await;
    let (salon, scan) = sharing().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_is_there(&headquarters, &salon.store).await;
    let old = copied(&mut headquarters).await;
    let since = photographed(&salon, scan, 2).await;
    arrives(&headquarters, since, 2).await;
    nothing_is_owed(&salon).await;
    // What was told before she says no stays told: the store must have heard so.
    all_is_there(&headquarters, &salon.store).await;
    salon.say(Purpose::SharePhotographs, false).await;
    // The outbox keeps nothing of what she took back; headquarters keeps what it was told before.
    let last = salon.store.last_seq().await.expect("a store");
    headquarters.eventually("her no", |ledger| (ledger.counts().ok()?.first()?.events == last).then_some(())).await;
    running.stop().await;
    put_back(&mut headquarters, old.path()).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_is_there(&headquarters, &salon.store).await;
    assert_eq!(salon.store.backlog().await.expect("a store").images, 0);
    let pictures = headquarters.eventually("the pictures", |ledger| ledger.pictures().ok()).await;
    assert!(pictures.is_empty(), "nothing was offered: {pictures:?}");
    running.stop().await;
}

/// A store restored from its own backup owes a picture that headquarters has verified since: one word settles it.
#[tokio::test]
async fn a_restored_store_offers_a_picture_that_is_there_already_and_is_content() {
    let headquarters = Headquarters::start().await;
    let (salon, scan) = sharing().await;
    let capture = photographed(&salon, scan, 3).await;
    let backup = salon.folder.path().join("backup.db");
    salon.store.back_up(backup.clone()).await.expect("a backup");
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    arrives(&headquarters, capture, 3).await;
    nothing_is_owed(&salon).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await, "the store closes");
    for name in ["skinlink.db", "skinlink.db-wal", "skinlink.db-shm"] {
        let _ = fs::remove_file(folder.path().join("data").join(name));
    }
    fs::copy(&backup, folder.path().join("data/skinlink.db")).expect("restored");
    let salon = Salon { store: salon::open(&folder), folder, customer };
    assert_eq!(salon.store.backlog().await.expect("a store").images, 1, "as far as the copy knows it is owed");
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    nothing_is_owed(&salon).await;
    let pictures = headquarters.eventually("the pictures", |ledger| ledger.pictures().ok()).await;
    assert_eq!((pictures.len(), pictures[0].state.as_str()), (1, "verified"));
    running.stop().await;
}
