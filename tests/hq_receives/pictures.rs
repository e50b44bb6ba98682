//! Pictures: slices lost and repeated, digests that are wrong, offers that make no sense.

use crate::{
    Side,
    hand::{Hand, connected},
};
use skinlink::{
    clock,
    domain::{CaptureId, VisitId},
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        reply::{ImageState, Reply},
        topic::Lane,
    },
};

fn picture(length: usize) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(3);
    (0..length).map(|_| dice.u8(..)).collect()
}

fn offer(bytes: &[u8], capture: &str, role: Role) -> Offer {
    Offer {
        capture: capture.to_owned(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role,
        format: "image/jpeg".into(),
        bytes: bytes.len() as u64,
        slice_bytes: SLICE,
        slices: slices(bytes.len() as u64),
        sha256: hex::encode(openssl::sha::sha256(bytes)),
    }
}

impl Hand {
    async fn offer(&mut self, offer: &Offer) -> (ImageState, Vec<(u32, u32)>, String) {
        let lane = Lane::Offer { capture: offer.capture.clone() };
        self.publish(&lane, serde_json::to_vec(offer).expect("plain")).await;
        self.image().await
    }

    async fn image(&mut self) -> (ImageState, Vec<(u32, u32)>, String) {
        match self.reply("a word on the picture", |reply| matches!(reply, Reply::Image { .. })).await {
            Reply::Image { state, missing, reason, .. } => (state, missing, reason),
            other => panic!("{other:?}"),
        }
    }

    async fn slice(&mut self, capture: &str, index: u32, bytes: &[u8]) {
        let start = index as usize * SLICE as usize;
        let end = bytes.len().min(start + SLICE as usize);
        let lane = Lane::Chunk { capture: capture.to_owned(), index };
        self.publish(&lane, bytes[start..end].to_vec()).await;
    }
}

pub(crate) async fn a_picture_with_lost_slices_completes_and_lies_there_bit_for_bit(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let (bytes, capture) = (picture(300_001), clock::mint(CaptureId::from_bits).to_string());
    let offered = offer(&bytes, &capture, Role::Report);
    assert_eq!(hand.offer(&offered).await, (ImageState::Wanted, vec![(0, 4)], String::new()));
    for index in [4, 0, 2, 2] {
        hand.slice(&capture, index, &bytes).await;
    }
    assert_eq!(hand.offer(&offered).await.1, [(1, 1), (3, 3)]);
    // A slice of the wrong length, and one beyond the end, are dropped.
    let lane = |index| Lane::Chunk { capture: capture.clone(), index };
    hand.publish(&lane(1), vec![0; 7]).await;
    hand.publish(&lane(5), vec![0; 7]).await;
    hand.slice(&capture, 3, &bytes).await;
    hand.slice(&capture, 1, &bytes).await;
    assert_eq!(hand.image().await.0, ImageState::Verified);
    assert_eq!(hand.offer(&offered).await.0, ImageState::Verified, "asked again, it says the same");
    assert!(headquarters.picture(&capture, "report") == bytes, "bit for bit");

    let second = picture(70_000);
    assert_eq!(hand.offer(&offer(&second, &capture, Role::Derivative)).await.0, ImageState::Wanted);
    hand.slice(&capture, 0, &second).await;
    hand.slice(&capture, 1, &second).await;
    assert_eq!(hand.image().await.0, ImageState::Verified, "another role of the same capture is another picture");
}

pub(crate) async fn a_picture_whose_digest_is_wrong_is_asked_for_again_and_then_refused(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let (bytes, capture) = (picture(1_000), clock::mint(CaptureId::from_bits).to_string());
    let mut offered = offer(&bytes, &capture, Role::Derivative);
    offered.sha256 = "0".repeat(64);
    assert_eq!(hand.offer(&offered).await.0, ImageState::Wanted);
    for expected in [ImageState::Wanted, ImageState::Wanted, ImageState::Refused] {
        hand.slice(&capture, 0, &bytes).await;
        assert_eq!(hand.image().await.0, expected);
    }
}

pub(crate) async fn offers_that_make_no_sense_are_refused_with_a_reason(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let good = offer(&picture(1_000), &capture, Role::Report);
    let wrong = [
        Offer { bytes: 9 << 20, slices: slices(9 << 20), ..good.clone() },
        Offer { bytes: 0, slices: 0, ..good.clone() },
        Offer { slices: 2, ..good.clone() },
        Offer { slice_bytes: 0, ..good.clone() },
        Offer { format: "image/tiff".into(), ..good.clone() },
        Offer { sha256: "abc".into(), ..good.clone() },
        Offer { capture: "..".into(), ..good.clone() },
    ];
    for offered in wrong {
        let (state, _, reason) = hand.offer(&offered).await;
        assert_eq!(state, ImageState::Refused, "{offered:?}");
        assert!(!reason.is_empty());
    }
    assert_eq!(hand.offer(&good).await.0, ImageState::Wanted, "and the good one is taken");
}
