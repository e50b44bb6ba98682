//! An old gateway with this headquarters, and an old headquarters with this gateway.

use crate::{batches::Gateway, v1};
use serde::{Serialize, de::DeserializeOwned};
use skinlink::{
    clock,
    domain::{CaptureId, Epoch, VisitId},
    hq::database::{Arrived, Database},
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        reply::{Hello, PastEpoch},
        topic::Lane,
    },
};
use std::{collections::BTreeSet, fs, path::Path};

/// What the other side wrote, read with the words of version 1 and written again: nothing is refused, nothing gets lost.
fn understood<T: Serialize + DeserializeOwned>(what: &str, text: &[u8]) -> T {
    let text = String::from_utf8_lossy(text);
    let read: T =
        serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{what}: version 1 cannot read {text}: {fault}"));
    assert_eq!(serde_json::to_string(&read).expect("plain data"), text, "{what}: something got lost");
    read
}

fn says<T: Serialize>(gateway: &Gateway, lane: Lane, word: &T) -> Arrived {
    Arrived { from: gateway.address.clone(), lane, payload: serde_json::to_vec(word).expect("plain data") }
}

fn hello(gateway: &Gateway, last_seq: u64) -> v1::Hello {
    let (refused, past) = (Vec::new(), Vec::new());
    v1::Hello { epoch: gateway.epoch.to_string(), last_seq, oldest_kept: 1, version: "1".into(), refused, past }
}

/// Everything that headquarters may answer is provoked, and each answer is one that version 1 knows.
#[test]
fn a_gateway_of_version_1_understands_whatever_this_headquarters_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut database = Database::open(folder.path(), 1 << 20).expect("the database");
    let gateway = Gateway::named("sh-001-g1");
    let later = Gateway { epoch: clock::mint(Epoch::from_bits), ..gateway.clone() };
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let offer = |format: &str| v1::Offer {
        capture: capture.clone(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role: "report".into(),
        format: format.into(),
        bytes: 3,
        slice_bytes: SLICE,
        slices: 1,
        sha256: hex::encode(openssl::sha::sha256(b"abc")),
    };
    let offered = || Lane::Offer { capture: capture.clone() };
    let slice = Lane::Chunk { capture: capture.clone(), index: 0 };
    let conversation = [
        says(&gateway, Lane::Hello, &hello(&gateway, 0)),
        gateway.scans(1, 3),
        gateway.batch(4, &["42".to_owned()]),
        gateway.scans(7, 8),
        gateway.scans(2, 2),
        says(&gateway, Lane::Hello, &hello(&gateway, 8)),
        says(&gateway, offered(), &offer("image/tiff")),
        says(&gateway, offered(), &offer("image/jpeg")),
        Arrived { from: gateway.address.clone(), lane: slice, payload: b"abc".to_vec() },
        says(&later, Lane::Hello, &hello(&later, 0)),
        says(&gateway, Lane::Hello, &hello(&gateway, 8)),
    ];
    let mut heard = BTreeSet::new();
    for message in conversation {
        for (_, reply) in database.take(&[message], clock::now().wall).expect("it is taken") {
            let text = serde_json::to_vec(&reply).expect("plain data");
            let word = understood::<v1::Reply>("a reply", &text);
            heard.insert(format!("{word:?}").split([' ', '{']).next().unwrap_or_default().to_owned());
        }
    }
    for hole in database.holes().expect("the holes") {
        let ask = skinlink::sync::reply::Reply::Ask { epoch: hole.epoch, ranges: hole.missing };
        understood::<v1::Reply>("a question", &serde_json::to_vec(&ask).expect("plain data"));
    }
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), ["Ack", "Alarm", "Hello", "Image", "Nack"]);
}

/// Everything that this gateway sends is what version 1 of headquarters reads.
#[test]
fn a_headquarters_of_version_1_understands_whatever_this_gateway_says() {
    let gateway = Gateway::named("sh-001-g1");
    let batch = understood::<v1::Batch>("a batch", &gateway.scans(1, 3).payload);
    for event in &batch.events {
        understood::<v1::Event>("an event", event.get().as_bytes());
    }
    let past = PastEpoch { epoch: gateway.epoch.to_string(), last_seq: 9, oldest_kept: 2, moved: vec![(3, 4)] };
    for (refused, past) in [(vec![], vec![]), (vec![(2, 3)], vec![past])] {
        let epoch = gateway.epoch.to_string();
        let hello =
            Hello { epoch, last_seq: 9, oldest_kept: 1, version: "2".into(), refused, past, ..Hello::default() };
        understood::<v1::Hello>("a hello", &serde_json::to_vec(&hello).expect("plain data"));
    }
    for role in [Role::Report, Role::Derivative, Role::Original] {
        let offer = Offer {
            capture: clock::mint(CaptureId::from_bits).to_string(),
            visit: clock::mint(VisitId::from_bits).to_string(),
            role,
            format: "image/jpeg".into(),
            bytes: 100_000,
            slice_bytes: SLICE,
            slices: slices(100_000),
            sha256: "0".repeat(64),
        };
        understood::<v1::Offer>("an offer", &serde_json::to_vec(&offer).expect("plain data"));
    }
}

/// The words of version 1 above are those of the frozen bytes.
#[test]
fn the_words_of_version_1_are_the_frozen_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wire");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("plain names").to_owned();
        let text = fs::read(&path).expect("readable");
        match name.split(['-', '.']).next() {
            Some("batch") => drop(understood::<v1::Batch>(&name, &text)),
            Some("event") => drop(understood::<v1::Event>(&name, &text)),
            Some("hello") if name == "hello-agenda" => {
                // Of version 1.3, and only to a headquarters that has told of an agenda.
                assert!(serde_json::from_slice::<v1::Hello>(&text).is_err(), "{name}");
            }
            Some("hello") if name == "hello-downlink" => {
                // Of version 1.5, and only to a headquarters that has told of something of it.
                assert!(serde_json::from_slice::<v1::Hello>(&text).is_err(), "{name}");
            }
            Some("hello") => drop(understood::<v1::Hello>(&name, &text)),
            Some("offer") => drop(understood::<v1::Offer>(&name, &text)),
            Some("reply") if name == "reply-upload" => {
                // Of version 1.1, and only for a gateway that has said that it knows it.
                assert!(serde_json::from_slice::<v1::Reply>(&text).is_err(), "{name}");
            }
            Some("reply") if name == "reply-feedback" => {
                // Of version 1.2, and only for a gateway that has told of a report.
                assert!(serde_json::from_slice::<v1::Reply>(&text).is_err(), "{name}");
            }
            Some("reply") if name == "reply-agenda" => {
                // Of version 1.3, and only for a gateway that has said that it knows it.
                assert!(serde_json::from_slice::<v1::Reply>(&text).is_err(), "{name}");
            }
            Some("reply")
                if ["wanted", "slice", "staff", "order"].contains(&name.split('-').nth(1).unwrap_or_default()) =>
            {
                // Of version 1.5, and only for a gateway that has said that it knows them.
                assert!(serde_json::from_slice::<v1::Reply>(&text).is_err(), "{name}");
            }
            Some("reply") => drop(understood::<v1::Reply>(&name, &text)),
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen > 25, "the walk found too little to prove anything: {seen}");
}
