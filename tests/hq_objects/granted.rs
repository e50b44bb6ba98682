//! Whole pictures put at the address that headquarters names.

use crate::{
    gateway::{Running, settings},
    hand::{Hand, connected},
    headquarters::{Headquarters, address},
    salon::Salon,
    store::ObjectStore,
};
use skinlink::{
    adapters::upload,
    clock,
    domain::{CaptureId, VisitId, capture::Format, consent::Purpose},
    hq::uploads::Uploads,
    ports::{UploadError, Uploader},
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        reply::{ImageState, Reply},
        topic::Lane,
    },
    tasks::sync::SyncSettings,
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

async fn headquarters_with(store: &ObjectStore, uploads: Uploads) -> Headquarters {
    let mut headquarters = Headquarters::without_receiver().await;
    headquarters.objects = Some((store.settings(), uploads));
    headquarters.start_receiver();
    headquarters
}

fn able(uploader: Uploader) -> SyncSettings {
    let about = tokio::sync::watch::channel("{\"version\":\"test\",\"uploads\":[\"put\"]}".to_owned()).1;
    SyncSettings { about, uploader: Some(uploader), ..settings() }
}

/// A store that owes one picture of these bytes.
async fn owing(bytes: &[u8]) -> (Salon, CaptureId) {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let capture = salon.capture(salon.scan(visit).await).await.id;
    salon.store.save_picture(capture, Role::Derivative, Format::Jpeg, bytes.to_vec()).await.expect("stored");
    (salon, capture)
}

fn picture(length: usize) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(5);
    (0..length).map(|_| dice.u8(..)).collect()
}

async fn verified(headquarters: &Headquarters) {
    headquarters
        .eventually("the picture", |ledger| {
            let pictures = ledger.pictures().ok()?;
            pictures.iter().any(|picture| picture.state == "verified").then_some(())
        })
        .await;
}

async fn arrived(headquarters: &Headquarters, capture: CaptureId, bytes: &[u8]) {
    verified(headquarters).await;
    let opened = tokio::task::block_in_place(|| headquarters.picture(&capture.to_string(), "derivative"));
    assert!(opened == bytes, "bit for bit");
}

/// From the store to its erasure: the picture is put by the gateway itself, of no use to the owner of the bucket, and goes
/// with its customer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_put_by_its_store_lies_there_sealed_and_is_erased_with_its_customer() {
    let store = ObjectStore::start().await;
    let headquarters = headquarters_with(&store, Uploads::All).await;
    let bytes = picture(300_001);
    let (salon, capture) = owing(&bytes).await;
    let puts = Arc::new(AtomicU32::new(0));
    let (counted, real) = (Arc::clone(&puts), upload::uploader());
    let uploader = Uploader::new(move |parcel| {
        counted.fetch_add(1, Ordering::Relaxed);
        real.put(parcel)
    });
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), able(uploader));
    arrived(&headquarters, capture, &bytes).await;
    assert_eq!(puts.load(Ordering::Relaxed), 1);
    let objects = store.objects();
    assert_eq!(objects.len(), 1, "{objects:?}");
    let lying = fs::read(&objects[0]).expect("the object");
    assert_eq!(lying.len(), bytes.len() + 28, "nonce and tag");
    assert!(
        bytes.chunks_exact(4_000).all(|piece| !lying.windows(16).any(|window| window == &piece[..16])),
        "nothing is plain"
    );

    salon.store.erase_customer(salon.customer, "staff-7".into(), "asked for".into()).await.expect("erased");
    headquarters.eventually("no picture", |ledger| ledger.pictures().ok()?.is_empty().then_some(())).await;
    headquarters.eventually("no object", |_| store.objects().is_empty().then_some(())).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_not_chosen_or_cannot_put_sends_slices() {
    for (chosen, settings) in [
        (Uploads::Of(["sh-002".to_owned()].into()), able(Uploader::new(|_| panic!("this store was not chosen")))),
        (Uploads::All, settings()),
    ] {
        let store = ObjectStore::start().await;
        let headquarters = headquarters_with(&store, chosen).await;
        let bytes = picture(100_000);
        let (salon, capture) = owing(&bytes).await;
        let running = Running::start_with(&salon.store, headquarters.connector(&address()), settings);
        arrived(&headquarters, capture, &bytes).await;
        assert_eq!(store.objects().len(), 1, "headquarters has put it into the bucket");
        running.stop().await;
    }
}

/// The object store is away when the picture is offered, and the line breaks off once it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_is_begun_again_and_events_go_on_meanwhile() {
    let mut store = ObjectStore::start().await;
    let headquarters = headquarters_with(&store, Uploads::All).await;
    store.go_away().await;
    let bytes = picture(200_000);
    let (salon, capture) = owing(&bytes).await;
    let (broken, real) = (AtomicU32::new(0), upload::uploader());
    let uploader = Uploader::new(move |parcel| match broken.fetch_add(1, Ordering::Relaxed) {
        0 => Box::pin(async { Err(UploadError::Line("cut off".into())) }),
        _ => real.put(parcel),
    });
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), able(uploader));
    headquarters.eventually("the offer", |ledger| (!ledger.pictures().ok()?.is_empty()).then_some(())).await;
    salon.say(Purpose::DeliverReport, true).await;
    headquarters
        .eventually("an event of meanwhile", |ledger| {
            ledger.events_of("consent.v1").ok()?.iter().any(|event| event.body.contains("deliver")).then_some(())
        })
        .await;
    store.come_back().await;
    arrived(&headquarters, capture, &bytes).await;
    assert_eq!(store.objects().len(), 1);
    running.stop().await;
}

impl Hand {
    async fn offers(&mut self, offer: &Offer) -> Reply {
        let lane = Lane::Offer { capture: offer.capture.clone() };
        self.publish(&lane, serde_json::to_vec(offer).expect("plain")).await;
        self.reply("a word on the picture", |reply| matches!(reply, Reply::Image { .. } | Reply::Upload { .. })).await
    }
}

/// What was put there is opened and held against the offer before it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_there_wrong_is_removed_and_asked_for_again_and_then_refused() {
    let store = ObjectStore::start().await;
    let headquarters = headquarters_with(&store, Uploads::All).await;
    let mut hand = connected(&headquarters).await;
    hand.publish(&Lane::About, b"{\"uploads\":[\"put\"]}".to_vec()).await;
    let bytes = picture(5_000);
    let offer = |role| Offer {
        capture: clock::mint(CaptureId::from_bits).to_string(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role,
        format: "image/jpeg".into(),
        bytes: bytes.len() as u64,
        slice_bytes: SLICE,
        slices: slices(bytes.len() as u64),
        sha256: hex::encode(openssl::sha::sha256(&bytes)),
    };
    let put = async |reply: &Reply, plain: &[u8], about: &str| {
        let Reply::Upload { url, key, .. } = reply else { panic!("{reply:?}") };
        let mut sealing = zeroize::Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(key, sealing.as_mut()).expect("a key");
        let sealed = skinlink::seal::seal(&sealing, about.as_bytes(), plain);
        let sent = reqwest::Client::new().put(url).header("content-length", sealed.len()).body(sealed).send();
        assert_eq!(sent.await.expect("an answer").status(), 200);
    };
    let name = |reply: &Reply| match reply {
        Reply::Upload { name, .. } => name.clone(),
        other => panic!("{other:?}"),
    };
    // Another picture, then the right one sealed for another name, then rubbish.
    let wrong = offer(Role::Report);
    let mut said = hand.offers(&wrong).await;
    put(&said, b"another picture", &name(&said)).await;
    said = hand.offers(&wrong).await;
    assert!(store.objects().is_empty(), "it was removed");
    put(&said, &bytes, "another name").await;
    said = hand.offers(&wrong).await;
    put(&said, b"", &name(&said)).await;
    said = hand.offers(&wrong).await;
    assert!(matches!(said, Reply::Image { state: ImageState::Refused, .. }), "{said:?}");

    let right = offer(Role::Report);
    let said = hand.offers(&right).await;
    put(&said, &bytes, &name(&said)).await;
    let said = hand.offers(&right).await;
    assert!(matches!(said, Reply::Image { state: ImageState::Verified, .. }), "{said:?}");
    let opened = tokio::task::block_in_place(|| headquarters.picture(&right.capture, "report"));
    assert!(opened == bytes, "bit for bit");
}
