//! Erasure holds: against restarts, against restored backups, and HQ is told.

use crate::salon::{LIMIT, NAME, Salon, open, person};
use skinlink::{
    domain::{Region, Timestamp, capture::Format, consent::Purpose},
    store::{Letterhead, StoreError},
    sync::image_lane::Role,
};
use std::fs;

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
