//! An object store that takes a request and does not answer; a folder in which a file is not to be had.

use crate::{
    hand::{Hand, connected},
    headquarters::{Headquarters, LIMIT},
    shelf::aside,
    store::ObjectStore,
};
use skinlink::{
    clock,
    domain::{CaptureId, VisitId},
    hq::{
        database::HqError,
        shelf::{Bucket, BucketSettings, Folder, Shelf},
        uploads::Uploads,
    },
    ports::BrokerWord,
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        topic::Lane,
    },
};
use std::{fs, io::Write as _, net::Ipv4Addr, time::Duration};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    sync::watch,
    time::{Instant, timeout},
};

/// Takes every connection and what is said on it, and never says a byte.
struct Deaf {
    port: u16,
    /// Connections that ever were, and that are.
    calls: watch::Receiver<(u32, u32)>,
    hang_up: watch::Sender<bool>,
}

impl Deaf {
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("a bound port").port();
        let ((call, calls), (hang_up, over)) = (watch::channel((0, 0)), watch::channel(false));
        tokio::spawn(async move {
            while let Ok((mut line, _)) = listener.accept().await {
                let (call, mut over) = (call.clone(), over.clone());
                tokio::spawn(async move {
                    call.send_modify(|calls| *calls = (calls.0 + 1, calls.1 + 1));
                    let mut heard = [0; 4_096];
                    loop {
                        let goes_on = tokio::select! {
                            read = line.read(&mut heard) => read.is_ok_and(|bytes| bytes > 0),
                            _ = over.changed() => false,
                        };
                        if !goes_on {
                            break;
                        }
                    }
                    call.send_modify(|calls| calls.1 -= 1);
                });
            }
        });
        Self { port, calls, hang_up }
    }

    fn settings(&self, store: &ObjectStore) -> BucketSettings {
        BucketSettings { endpoint: format!("http://127.0.0.1:{}", self.port), ..store.settings() }
    }
}

/// Each of twenty pictures was waited for a minute, and nothing was committed meanwhile.
#[tokio::test]
async fn a_store_that_never_answers_is_given_up_and_then_left_alone() {
    let (store, deaf) = (ObjectStore::start().await, Deaf::start().await);
    let bucket = Bucket::new(&deaf.settings(&store)).expect("sound settings");
    let begun = Instant::now();
    let faults = aside(move || {
        let first = bucket.put("images/one", &[7; 100_000]).expect_err("nobody answers");
        let others = (0..20).map(|_| bucket.get("images/two").expect_err("nobody is asked"));
        [first].into_iter().chain(others).collect::<Vec<_>>()
    })
    .await;
    let reasons: Vec<&String> = faults
        .iter()
        .map(|fault| match fault {
            HqError::Objects { reason, .. } => reason,
            fault => panic!("{fault}"),
        })
        .collect();
    assert!(reasons[0].contains("no answer within"), "{}", reasons[0]);
    assert!(reasons[1..].iter().all(|reason| reason.contains("a moment ago")), "{reasons:?}");
    assert_eq!(deaf.calls.borrow().0, 1, "it was asked once");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// While one picture hung on its way to the object store nothing was committed or acknowledged of any store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_hangs_on_its_way_to_the_object_store_holds_no_event_up() {
    let (store, mut deaf) = (ObjectStore::start().await, Deaf::start().await);
    let mut headquarters = Headquarters::without_receiver().await;
    headquarters.objects = Some((deaf.settings(&store), Uploads::None));
    headquarters.start_receiver();
    let mut hand = connected(&headquarters).await;
    let capture = clock::mint(CaptureId::from_bits).to_string();
    whole_picture(&mut hand, &capture).await;
    let called = deaf.calls.wait_for(|(ever, _)| *ever > 0);
    timeout(LIMIT, called).await.expect("it is put there").expect("the store lives");

    hand.send(1, 5).await;
    hand.acknowledged(5).await;
    assert_eq!(deaf.calls.borrow().1, 1, "the picture is on its way all the while");
    let facts = |_: &_| {
        let mut engine = headquarters.database.read_only().ok()?;
        engine.query("SELECT 1 FROM scan_facts", &[]).is_ok_and(|rows| rows.len() == 5).then_some(())
    };
    headquarters.eventually("the facts", facts).await;
    deaf.hang_up.send_replace(true);
    headquarters.stop_receiver().await;
}

async fn whole_picture(hand: &mut Hand, capture: &str) {
    let bytes = vec![7; 70_000];
    let offer = Offer {
        capture: capture.to_owned(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role: Role::Report,
        format: "image/jpeg".into(),
        bytes: bytes.len() as u64,
        slice_bytes: SLICE,
        slices: slices(bytes.len() as u64),
        sha256: hex::encode(openssl::sha::sha256(&bytes)),
    };
    let offer = serde_json::to_vec(&offer).expect("plain data");
    assert_eq!(hand.publish(&Lane::Offer { capture: capture.to_owned() }, offer).await, BrokerWord::Taken);
    for (index, slice) in (0..).zip(bytes.chunks(SLICE as usize)) {
        let lane = Lane::Chunk { capture: capture.to_owned(), index };
        assert_eq!(hand.publish(&lane, slice.to_vec()).await, BrokerWord::Taken);
    }
}

/// Two receivers that filed one picture wrote into one temporary file: the second cut off what the first was about to call durable.
#[test]
fn two_who_put_one_object_at_once_do_not_write_into_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "images/sh-001-g1/one-report-00000001.sealed";
    let at = folder.path().join(name);
    fs::create_dir_all(at.parent().expect("a folder")).expect("made");
    // The other receiver is in the middle.
    let begun = at.with_extension("part");
    let mut other = fs::File::create_new(&begun).expect("it begins");
    other.write_all(&[1; 1_000]).expect("written");
    let shelf = Folder::at(folder.path());
    shelf.put(name, &[2; 5_000]).expect("it is put");
    other.write_all(&[1; 50_000]).expect("it writes on");
    assert_eq!(shelf.get(name).expect("readable"), Some(vec![2; 5_000]), "what was put is what lies there");
    let left = fs::read_dir(at.parent().expect("a folder")).expect("readable").count();
    assert_eq!(left, 1, "nothing else lies there");
    shelf.remove(name).expect("it goes");
    assert_eq!(shelf.get(name).expect("readable"), None);
}
