//! Old months in the bucket: moved there, printed, read for the tables, brought back, and erased in.

use crate::{batches::Gateway, hang::Deaf, late::open, shelf::aside, store::ObjectStore};
use skinlink::{
    clock,
    domain::{CustomerId, Timestamp, VisitId},
    hq::{
        archive::{self, Month},
        database::{Database, Place},
        images::Rules,
        records,
        shelf::{Bucket, ChainKey, FILE, Shelves},
    },
    sync::payload::{self, kind},
};

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// A month of a store goes into the bucket. Its events can still be printed, the tables made again from them, a customer erased in
/// them, and the rest brought back.
#[tokio::test]
async fn a_month_in_the_bucket_is_read_erased_in_and_brought_back() {
    let (store, folder) = (ObjectStore::start().await, tempfile::tempdir().expect("a folder"));
    let (bucket, another, at) = (store.bucket(), store.bucket(), folder.path().to_owned());
    let gateway = Gateway::named("sh-001-g1");
    let now: Timestamp = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let (gone, stays) =
        (clock::mint(CustomerId::from_bits).to_string(), clock::mint(CustomerId::from_bits).to_string());
    let visits: Vec<String> = [&gone, &stays]
        .into_iter()
        .zip(1..)
        .map(|(customer, seq)| {
            let visit = clock::mint(VisitId::from_bits).to_string();
            let said = payload::Visit {
                visit: visit.clone(),
                customer: customer.clone(),
                station: "chair-1".into(),
                beautician: "staff-7".into(),
                state: "open".into(),
                version: 1,
                steps: Vec::new(),
            };
            gateway.say(seq, kind::VISIT, &visit, &said)
        })
        .collect();
    let batch = gateway.batch(1, &visits);
    let mut database = aside(move || {
        let mut database = open(&at, bucket);
        database.take(&[batch], now).expect("it is taken");
        keep(&mut database, now);
        database
    })
    .await;
    let place = Place::in_folder(folder.path());
    let chain = ChainKey::load(&folder.path().join(FILE)).expect("the chain's key");
    let shelves = Shelves::new(folder.path(), Some(another), chain);

    let (at, shelves) = aside(move || {
        let mut engine = at_place(&place);
        assert_eq!(archive::archive(&mut *engine, &shelves, month("2026-04"), now).expect("it is moved"), 2);
        (place, shelves)
    })
    .await;
    let [object] = &store.objects()[..] else { panic!("one segment lies there: {:?}", store.objects()) };
    let sealed = std::fs::read(object).expect("readable");
    assert!(!sealed.windows(gone.len()).any(|bytes| bytes == gone.as_bytes()), "it is sealed");

    let (at, shelves) = aside(move || {
        let shown = show(&at, &shelves);
        assert!(shown.lines().count() == 2 && shown.contains(&gone) && shown.contains(&stays), "{shown}");
        assert_eq!(records::rebuild(&at, &shelves).expect("they are made again"), 2);
        let store = gateway.address.store.clone();
        let erased = database.erase(&store, &gone, now).expect("the person is erased");
        assert!(erased.left.is_empty() && erased.receipt.events == 1, "{erased:?}");
        let shown = show(&at, &shelves);
        assert!(shown.lines().count() == 2 && !shown.contains(&gone) && shown.contains(&stays), "{shown}");
        (at, shelves)
    })
    .await;
    assert_eq!(store.objects().len(), 1, "the segment before went from the bucket");
    assert!(!store.objects().contains(object), "under another name");

    aside(move || {
        let mut engine = at_place(&at);
        assert_eq!(archive::bring_back(&mut *engine, &shelves, month("2026-03")).expect("it is brought back"), 2);
        let mut database = Database::with(&at, shelves.into(), Rules::default()).expect("it opens");
        keep(&mut database, now);
    })
    .await;
    assert!(store.objects().is_empty(), "nothing lies there that no row names");
}

/// A segment was put into the bucket in the transaction that took the contents out of the rows: in one file of a database nothing was
/// committed until the object store had answered, of no store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_that_hangs_on_its_way_to_the_bucket_holds_no_commit_up() {
    let (store, mut deaf) = (ObjectStore::start().await, Deaf::that_says(b"").await);
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().to_owned();
    let bucket = || Bucket::new(&deaf.settings(&store)).expect("sound settings");
    let (ours, theirs) = (bucket(), bucket());
    let gateway = Gateway::named("sh-001-g1");
    let now: Timestamp = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let (first, second) = (gateway.scans(1, 5), gateway.scans(6, 10));
    let mut database = aside(move || {
        let mut database = open(&at, ours);
        database.take(&[first], now).expect("it is taken");
        keep(&mut database, now);
        database
    })
    .await;
    let place = Place::in_folder(folder.path());
    let chain = ChainKey::load(&folder.path().join(FILE)).expect("the chain's key");
    let shelves = Shelves::new(folder.path(), Some(theirs), chain);
    let archiving =
        tokio::task::spawn_blocking(move || archive::archive(&mut *at_place(&place), &shelves, month("2026-04"), now));
    deaf.calls.wait_for(|(ever, _)| *ever > 0).await.expect("the store lives");

    aside(move || database.take(&[second], now).expect("it is taken")).await;
    assert_eq!(deaf.calls.borrow().1, 1, "the month is on its way all the while");
    archiving.await.expect("it ends").expect_err("nobody answers");
}

fn at_place(place: &Place) -> Box<dyn skinlink::hq::database::engine::Engine> {
    place.open().expect("the database opens")
}

fn keep(database: &mut Database, now: Timestamp) {
    while database.keep_records(now, 500).expect("a turn").more {}
}

fn show(place: &Place, shelves: &Shelves) -> String {
    let mut shown = Vec::new();
    archive::show(&mut *at_place(place), shelves, month("2026-03"), &mut shown).expect("it is printed");
    String::from_utf8(shown).expect("text")
}
