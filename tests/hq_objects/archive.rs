//! Old months in the bucket: moved there, printed, read for the tables, brought back, and erased in.

use crate::{
    batches::Gateway,
    late::{Gate, open},
    shelf::aside,
    store::ObjectStore,
};
use skinlink::{
    clock,
    domain::{CustomerId, Timestamp, VisitId},
    hq::{
        archive::{self, Month},
        database::{Database, Place, engine::Row},
        images::Rules,
        records,
        shelf::{Bucket, ChainKey, FILE, Shelves},
    },
    sync::payload::{self, kind},
};

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

fn visit_of(gateway: &Gateway, seq: u64, customer: &str) -> String {
    let visit = clock::mint(VisitId::from_bits).to_string();
    let said = payload::Visit {
        visit: visit.clone(),
        customer: customer.to_owned(),
        station: "chair-1".into(),
        beautician: "staff-7".into(),
        state: "open".into(),
        version: 1,
        steps: Vec::new(),
    };
    gateway.say(seq, kind::VISIT, &visit, &said)
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
    let visits: Vec<String> =
        [&gone, &stays].into_iter().zip(1..).map(|(customer, seq)| visit_of(&gateway, seq, customer)).collect();
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
/// committed until the object store had answered, of no store. Whoever is erased while it is on its way is not in what lies there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_on_its_way_to_the_bucket_holds_no_commit_up_and_keeps_nobody_who_is_erased() {
    let (store, folder) = (ObjectStore::start().await, tempfile::tempdir().expect("a folder"));
    let mut gate = Gate::before(store.port()).await;
    let mut through_the_gate = store.settings();
    through_the_gate.endpoint = format!("http://127.0.0.1:{}", gate.port);
    let (ours, held, at) =
        (store.bucket(), Bucket::new(&through_the_gate).expect("sound settings"), folder.path().to_owned());
    let gateway = Gateway::named("sh-001-g1");
    let now: Timestamp = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let [gone, stays, later] = [(); 3].map(|()| clock::mint(CustomerId::from_bits).to_string());
    let first = gateway.batch(1, &[visit_of(&gateway, 1, &gone), visit_of(&gateway, 2, &stays)]);
    let second = gateway.batch(3, &[visit_of(&gateway, 3, &later)]);
    let mut database = aside(move || {
        let mut database = open(&at, ours);
        database.take(&[first], now).expect("it is taken");
        keep(&mut database, now);
        database
    })
    .await;
    let chain = || ChainKey::load(&folder.path().join(FILE)).expect("the chain's key");
    let (place, shelves) = (Place::in_folder(folder.path()), Shelves::new(folder.path(), Some(held), chain()));
    gate.open.send_replace(false);
    let archiving =
        tokio::task::spawn_blocking(move || archive::archive(&mut *at_place(&place), &shelves, month("2026-04"), now));
    gate.until_one_waits().await;
    let (shop, erased) = (gateway.address.store.clone(), gone.clone());
    aside(move || {
        database.take(&[second], now).expect("it is taken");
        database.erase(&shop, &erased, now).expect("the person is erased");
    })
    .await;
    assert_eq!(*gate.waiting.borrow(), 1, "the month is on its way all the while");
    gate.open.send_replace(true);
    assert!(archiving.await.expect("it does not panic").expect("it is moved") > 0);

    let (place, shelves) =
        (Place::in_folder(folder.path()), Shelves::new(folder.path(), Some(store.bucket()), chain()));
    let shown = aside(move || show(&place, &shelves)).await;
    assert!(!shown.contains(&gone) && shown.contains(&stays), "{shown}");
}

/// A month that is brought back was fetched in the transaction that writes it into its rows: in one file of a database no store's
/// events were committed until the object store had answered. Whoever is erased while it is on its way does not come back with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_on_its_way_back_holds_no_commit_up_and_brings_nobody_back_who_is_erased() {
    let (store, folder) = (ObjectStore::start().await, tempfile::tempdir().expect("a folder"));
    let mut gate = Gate::before(store.port()).await;
    let mut through_the_gate = store.settings();
    through_the_gate.endpoint = format!("http://127.0.0.1:{}", gate.port);
    let (ours, another, at) = (store.bucket(), store.bucket(), folder.path().to_owned());
    let held = Bucket::new(&through_the_gate).expect("sound settings");
    let gateway = Gateway::named("sh-001-g1");
    let now: Timestamp = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let [gone, stays, later] = [(); 3].map(|()| clock::mint(CustomerId::from_bits).to_string());
    let first = gateway.batch(1, &[visit_of(&gateway, 1, &gone), visit_of(&gateway, 2, &stays)]);
    let second = gateway.batch(3, &[visit_of(&gateway, 3, &later)]);
    let chain = || ChainKey::load(&folder.path().join(FILE)).expect("the chain's key");
    let place = Place::in_folder(folder.path());
    let mut database = aside(move || {
        let mut database = open(&at, ours);
        database.take(&[first], now).expect("it is taken");
        keep(&mut database, now);
        database
    })
    .await;
    let (at, shelves) = (place.clone(), Shelves::new(folder.path(), Some(another), chain()));
    aside(move || archive::archive(&mut *at_place(&at), &shelves, month("2026-04"), now).expect("it is moved")).await;

    let (at, shelves) = (place.clone(), Shelves::new(folder.path(), Some(held), chain()));
    gate.open.send_replace(false);
    let bringing =
        tokio::task::spawn_blocking(move || archive::bring_back(&mut *at_place(&at), &shelves, month("2026-03")));
    gate.until_one_waits().await;
    let (shop, erased) = (gateway.address.store.clone(), gone.clone());
    let database = aside(move || {
        database.take(&[second], now).expect("it is taken");
        database.erase(&shop, &erased, now).expect("the person is erased");
        database
    })
    .await;
    assert_eq!(*gate.waiting.borrow(), 1, "the month is on its way all the while");
    gate.open.send_replace(true);
    assert_eq!(bringing.await.expect("it does not panic").expect("it is brought back"), 2);

    let bodies = aside(move || {
        drop(database);
        let rows = at_place(&place).query("SELECT body, segment FROM events ORDER BY seq", &[]).expect("the rows");
        let row = |row: &Row| (row.get::<String>(0).expect("a body"), row.get::<Option<i64>>(1).expect("a segment"));
        rows.iter().map(row).collect::<Vec<_>>()
    })
    .await;
    assert!(bodies.iter().all(|(body, segment)| !body.contains(&gone) && segment.is_none()), "{bodies:?}");
    assert!(bodies[1].0.contains(&stays), "{bodies:?}");
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
