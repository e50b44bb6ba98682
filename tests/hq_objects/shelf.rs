//! The bucket by itself.

use crate::store::ObjectStore;
use skinlink::hq::{
    database::HqError,
    shelf::{Bucket, Shelf},
};
use std::{fs, net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Calls on a shelf wait for their answer; the server needs the test's own threads meanwhile.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

#[tokio::test]
async fn what_is_put_comes_back_until_it_is_removed() {
    let store = ObjectStore::start().await;
    let bucket = store.bucket();
    aside(move || {
        let name = "images/sh-001-g1/a name+with ü";
        assert_eq!(bucket.get(name).expect("it answers"), None);
        bucket.put(name, b"first").expect("it is taken");
        bucket.put(name, &[9; 100_000]).expect("it is taken");
        assert_eq!(bucket.get(name).expect("it answers").as_deref(), Some(&[9; 100_000][..]));
        bucket.remove(name).expect("it goes");
        bucket.remove(name).expect("it is gone already");
        assert_eq!(bucket.get(name).expect("it answers"), None);
    })
    .await;
}

#[tokio::test]
async fn a_granted_address_is_good_for_one_object_one_deed_and_a_short_time() {
    let store = ObjectStore::start().await;
    let bucket = store.bucket();
    let client = reqwest::Client::new();
    let put = |url: &str| client.put(url).header("content-length", 3).body("abc").send();
    let url = bucket.grant("images/one", Duration::from_secs(60)).url;
    let at = url.rfind("X-Amz-Signature=").expect("it is signed") + "X-Amz-Signature=".len();
    let digit = if url.as_bytes()[at] == b'0' { "1" } else { "0" };
    let forged = format!("{}{digit}{}", &url[..at], &url[at + 1..]);
    let elsewhere = url.replace("images/one", "images/two");
    for wrong in [forged, elsewhere] {
        assert_eq!(put(&wrong).await.expect("an answer").status(), 403, "{wrong}");
    }
    assert_eq!(client.get(&url).send().await.expect("an answer").status(), 403, "it is not for reading");
    let over = bucket.grant("images/one", Duration::from_secs(1)).url;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(put(&over).await.expect("an answer").status(), 403, "its time is over");
    assert!(store.objects().is_empty(), "nothing of that lies there");
    assert_eq!(put(&url).await.expect("an answer").status(), 200);
    assert_eq!(store.objects().len(), 1);
}

#[tokio::test]
async fn what_the_object_store_refuses_is_said_without_the_signature() {
    let store = ObjectStore::start().await;
    let mut settings = store.settings();
    let folder = tempfile::tempdir().expect("a folder");
    settings.credentials = folder.path().join("credentials");
    fs::write(&settings.credentials, "an-access-key\nanother-secret\n").expect("writable");
    let bucket = Bucket::new(&settings).expect("sound settings");
    let refused = aside(move || bucket.put("images/one", b"abc").expect_err("the secret is wrong")).await;
    assert!(matches!(&refused, HqError::Objects { reason, .. } if reason.contains("403")), "{refused}");
    assert!(!refused.to_string().contains("Signature="), "{refused}");
    fs::write(&settings.credentials, "one line\n").expect("writable");
    let refused = Bucket::new(&settings).expect_err("a secret is missing").to_string();
    assert!(refused.contains("two lines"), "{refused}");
}

/// A proxy whose store is elsewhere, or a bucket that is gone: a 404 that says nothing of the object itself.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
async fn a_404_that_is_not_of_the_object_takes_nothing_off_the_shelf() {
    let store = ObjectStore::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let mut settings = store.settings();
    settings.endpoint = format!("http://{}", listener.local_addr().expect("a bound port"));
    tokio::spawn(async move {
        while let Ok((mut line, _)) = listener.accept().await {
            let _ = line.read(&mut [0; 4_000]).await;
            let said = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot found";
            let _ = line.write_all(said).await;
        }
    });
    let bucket = Bucket::new(&settings).expect("sound settings");
    aside(move || {
        for fault in [bucket.get("images/one").map(drop), bucket.remove("images/one")] {
            let fault = fault.expect_err("nobody said that it is not there");
            assert!(matches!(&fault, HqError::Objects { reason, .. } if reason.contains("404")), "{fault}");
        }
    })
    .await;
}
