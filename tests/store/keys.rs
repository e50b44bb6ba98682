//! The store key and its second copy; whose keys lie where.

use crate::salon::{LIMIT, Salon, options, picture};
use openssl::{pkey::PKey, rsa::Rsa};
use rusqlite::Connection;
use skinlink::{
    domain::consent::Purpose,
    store::{DATABASE, Escrow, OpenError, Store, StoreKey, unseal},
};
use std::{fs, os::unix::fs::PermissionsExt};
use tempfile::TempDir;

#[tokio::test]
async fn the_key_made_at_first_start_is_private_and_stays_the_same() {
    let folder = TempDir::new().unwrap();
    let (data, key_file) = (folder.path().join("data"), folder.path().join("data/store.key"));
    let first = StoreKey::load_or_create(&key_file, &data).unwrap();
    assert_eq!(StoreKey::load_or_create(&key_file, &data).unwrap().fingerprint(), first.fingerprint());
    assert_eq!(fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let text = fs::read_to_string(&key_file).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert!(!format!("{first:?}").contains(text.trim()));
}

#[tokio::test]
async fn a_key_sealed_to_hq_opens_the_store_when_the_file_is_lost() {
    let hq = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let salon = Salon::new().await;
    let (data, key_file) = (salon.data(), salon.data().join("store.key"));
    let key = StoreKey::load_or_create(&key_file, &data).unwrap();
    let refused = Escrow::ensure(&key, &key_file, Some(b"-----BEGIN NOTHING-----"));
    assert!(matches!(refused, Err(OpenError::Escrow(_))), "{refused:?}");
    let public = hq.public_key_to_pem().unwrap();
    let Ok(Escrow::Sealed(sealed)) = Escrow::ensure(&key, &key_file, Some(&public)) else { panic!("sealed now") };
    assert!(matches!(Escrow::ensure(&key, &key_file, Some(&public)), Ok(Escrow::Kept)));

    let Salon { folder: _folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    fs::remove_file(&key_file).unwrap();
    let text = fs::read_to_string(sealed).unwrap();
    let restored = unseal(&text, &hq.private_key_to_pem_pkcs8().unwrap()).unwrap();
    assert_eq!(restored.fingerprint(), key.fingerprint());
    let options = skinlink::store::Options { key: restored, data, source: String::new(), min_free: 0, readers: 1 };
    Store::open(options).unwrap().customer(customer).await.unwrap();
}

#[test]
fn without_hqs_key_it_is_printed_until_someone_says_it_was() {
    let folder = TempDir::new().unwrap();
    let key_file = folder.path().join("store.key");
    let key = StoreKey::load_or_create(&key_file, folder.path()).unwrap();
    for _ in 0..2 {
        let Ok(Escrow::PrintOnce(text)) = Escrow::ensure(&key, &key_file, None) else { panic!("to be printed") };
        assert_eq!(text.as_str(), fs::read_to_string(&key_file).unwrap().trim());
    }
    Escrow::printed(&key, &key_file).unwrap();
    assert!(matches!(Escrow::ensure(&key, &key_file, None), Ok(Escrow::Kept)));
}

/// A backup with the key file beside it reads every record, and no picture.
#[tokio::test]
async fn a_backup_carries_no_customer_key() {
    let salon = Salon::new().await;
    salon.say(Purpose::Photograph, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await.id;
    assert_eq!(salon.store.capture_bytes(capture).await.unwrap(), picture());
    let elsewhere = TempDir::new().unwrap();
    let data = elsewhere.path().join("data");
    fs::create_dir(&data).unwrap();
    salon.store.back_up(data.join(DATABASE)).await.unwrap();
    salon.store.back_up(data.join(DATABASE)).await.expect("a later backup replaces the earlier");
    fs::copy(salon.data().join("store.key"), data.join("store.key")).unwrap();
    fs::create_dir(data.join("pictures")).unwrap();
    let name = capture.to_string();
    fs::copy(salon.data().join("pictures").join(&name), data.join("pictures").join(&name)).unwrap();
    let store = Store::open(options(data)).unwrap();
    assert_eq!(store.visit_view(visit).await.unwrap().scans[0].captures.len(), 1);
    assert!(store.capture_bytes(capture).await.is_err(), "the customer's key stayed at home");
}

#[tokio::test]
async fn nothing_on_disk_is_readable_without_the_key() {
    let salon = Salon::new().await;
    let data = salon.data();
    assert!(salon.store.close(LIMIT).await);
    for file in [DATABASE, "keys.db"] {
        let bytes = fs::read(data.join(file)).unwrap();
        assert!(!bytes.starts_with(b"SQLite"), "{file}");
        assert!(!bytes.windows(5).any(|window| window == b"Zhang"), "{file}");
        let plain = Connection::open(data.join(file)).unwrap();
        assert!(plain.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).is_err());
    }
}

/// Opens eight stores at one moment; the test below does so in processes where nothing was opened before.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let folders: Vec<TempDir> = (0..8).map(|_| TempDir::new().unwrap()).collect();
    let together = std::sync::Barrier::new(folders.len());
    std::thread::scope(|scope| {
        for folder in &folders {
            let together = &together;
            scope.spawn(move || {
                let data = folder.path().to_owned();
                let key = StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
                let options = skinlink::store::Options { key, data, source: String::new(), min_free: 0, readers: 1 };
                together.wait();
                Store::open(options).unwrap();
            });
        }
    });
}

/// Two threads opened the first databases of their process: one of them was told of a missing key, because SQLite calls itself ready a
/// moment before its cipher is.
#[test]
fn the_first_databases_of_a_process_may_be_opened_at_one_moment() {
    for _ in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", "keys::child", "--ignored", "--quiet"]).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    }
}
