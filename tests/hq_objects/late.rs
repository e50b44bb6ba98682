//! A shelf that takes its time, and what happens meanwhile.

use crate::{shelf::aside, store::ObjectStore};
use skinlink::{
    clock,
    domain::{CaptureId, VisitId},
    hq::{
        database::{Arrived, Database, Place},
        images::Rules,
        ledger::Ledger,
        shelf::{Bucket, ChainKey, FILE, Shelves},
    },
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        reply::{ImageState, Reply},
        topic::{Address, Lane},
    },
};
use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

/// A line to the object store that can be held: nothing passes until it is opened.
pub struct Gate {
    pub port: u16,
    pub open: watch::Sender<bool>,
    pub waiting: watch::Receiver<u32>,
}

impl Gate {
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let own = listener.local_addr().expect("a bound port").port();
        let ((open, opened), (wait, waiting)) = (watch::channel(true), watch::channel(0));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut opened, wait) = (opened.clone(), wait.clone());
                tokio::spawn(async move {
                    wait.send_modify(|waiting| *waiting += 1);
                    opened.wait_for(|open| *open).await.expect("the test goes on");
                    wait.send_modify(|waiting| *waiting -= 1);
                    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the store listens");
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { port: own, open, waiting }
    }

    pub async fn until_one_waits(&mut self) {
        let held = self.waiting.wait_for(|waiting| *waiting > 0);
        timeout(Duration::from_secs(20), held).await.expect("somebody comes").expect("the gate stands");
    }
}

pub fn open(folder: &Path, bucket: Bucket) -> Database {
    let chain = ChainKey::load_or_make(&folder.join(FILE)).expect("the chain's key");
    let shelves = Arc::new(Shelves::new(folder, Some(bucket), chain));
    let rules = Rules { max_bytes: 1 << 20, ..Rules::default() };
    Database::with(&Place::in_folder(folder), shelves, rules).expect("the database opens")
}

/// While one receiver is putting a picture on the shelf, the store offers another one under its name, and a second receiver takes
/// that up. The first must not call verified what nobody holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_was_drawn_anew_while_it_was_filed_is_not_called_verified() {
    let (store, folder) = (ObjectStore::start().await, tempfile::tempdir().expect("a folder"));
    let mut gate = Gate::before(store.port()).await;
    let mut through_the_gate = store.settings();
    through_the_gate.endpoint = format!("http://127.0.0.1:{}", gate.port);
    let from = Address { store: "sh-001".into(), gateway: "sh-001-g1".into() };
    let (capture, visit) = (clock::mint(CaptureId::from_bits).to_string(), clock::mint(VisitId::from_bits).to_string());
    let says = |lane: Lane, payload: Vec<u8>| Arrived { from: from.clone(), lane, payload };
    let messages = |bytes: &[u8]| {
        let offer = Offer {
            capture: capture.clone(),
            visit: visit.clone(),
            role: Role::Report,
            format: "image/jpeg".into(),
            bytes: bytes.len() as u64,
            slice_bytes: SLICE,
            slices: slices(bytes.len() as u64),
            sha256: hex::encode(openssl::sha::sha256(bytes)),
        };
        let lane = Lane::Offer { capture: capture.clone() };
        let offered = says(lane, serde_json::to_vec(&offer).expect("plain data"));
        let sent = (0..)
            .zip(bytes.chunks(SLICE as usize))
            .map(|(index, slice)| says(Lane::Chunk { capture: capture.clone(), index }, slice.to_vec()));
        [offered].into_iter().chain(sent).collect::<Vec<_>>()
    };
    let (first, second) = (messages(&[7; 70_000]), messages(&[8; 70_000]));
    let place = folder.path().to_owned();
    let bucket = Bucket::new(&through_the_gate).expect("sound settings");
    let one = open(folder.path(), bucket);
    gate.open.send_replace(false);
    let filing = tokio::task::spawn_blocking(move || {
        let mut one = one;
        one.take(&first, clock::now().wall).expect("it is taken")
    });
    gate.until_one_waits().await;
    let bucket = store.bucket();
    let (mut other, wanted) = aside(move || {
        let mut other = open(&place, bucket);
        let wanted = other.take(&second[..1], clock::now().wall).expect("it is taken");
        (other, (wanted, second))
    })
    .await;
    let (wanted, second) = wanted;
    assert!(matches!(wanted[..], [(_, Reply::Image { state: ImageState::Wanted, .. })]), "{wanted:?}");
    gate.open.send_replace(true);
    let said = filing.await.expect("it does not panic");
    let verified = |reply: &(Address, Reply)| matches!(reply.1, Reply::Image { state: ImageState::Verified, .. });
    assert!(!said.iter().any(verified), "{said:?}");
    let states = || Ledger::open(folder.path()).and_then(|ledger| ledger.pictures()).expect("the pictures");
    assert_eq!(states().iter().map(|one| one.state.as_str()).collect::<Vec<_>>(), ["wanted"]);
    let said = aside(move || {
        let said = other.take(&second[1..], clock::now().wall).expect("it is taken");
        other.keep_records(clock::now().wall, 500).expect("a turn");
        said
    })
    .await;
    assert!(said.last().is_some_and(verified), "{said:?}");
    assert_eq!(store.objects().len(), 1, "nothing lies there that no row names");
}
