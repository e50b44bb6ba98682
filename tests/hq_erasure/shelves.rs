//! Shelves that fail, and shelves that change while others work: what needs the one object waits, nothing else does; and
//! nothing that was taken out comes back with it.

use super::{Salon, batches::Gateway, done, id, month, postgres, sides::Side};
use skinlink::{
    domain::{CustomerId, Timestamp, VisitId},
    hq::{
        archive,
        database::{Database, HqError},
        images::Rules,
        ledger::Ledger,
        records,
    },
    sync::{envelope::Event, payload, payload::kind},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

fn in_march(side: Side) -> Salon {
    let mut salon = Salon::new(side);
    salon.now = "2026-03-05T10:00:00.000Z".parse::<Timestamp>().expect("a time");
    salon
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { objects(&path) } else { vec![path] }).collect()
}

fn waiting(salon: &Salon) -> Vec<String> {
    let ledger = Ledger::at(&salon.place).expect("the ledger");
    ledger.waiting().expect("the list").into_iter().map(|one| one.what).collect()
}

/// A customer withdraws what was archived; before the segment is written anew, its month is brought back.
pub fn what_was_withdrawn_after_its_month_was_archived_does_not_come_back_with_it(side: Side) {
    let mut salon = in_march(side);
    let visit = salon.visit(&id(CustomerId::from_bits));
    let scan = salon.scan(&visit);
    let told = salon.reading(&visit, &scan, "44.4");
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 3);
    let mut redacted: Event = serde_json::from_str(&told).expect("our own");
    redacted.kind = "com.skinlink.redacted.v1".into();
    redacted.data = serde_json::value::RawValue::from_string("{\"reason\":\"withdrawn\"}".into()).expect("JSON");
    let batch = salon.gateway.batch(redacted.seq, &[serde_json::to_string(&redacted).expect("plain data")]);
    salon.take(batch);
    let mut engine = salon.place.open().expect("the database opens");
    assert_eq!(archive::bring_back(&mut *engine, &salon.shelves, month("2026-03")).expect("it is brought back"), 3);
    let raw = salon.raw();
    assert!(!raw.contains("44.4") && raw.contains("withdrawn"), "{raw}");
    salon.keep();
    assert_eq!(salon.objects("archive"), 0);
    assert_eq!(records::rebuild(&salon.place, &salon.shelves).expect("they are made again"), 2);
}

/// An object of the archive is damaged, as a disk does it; its backup is put back later.
pub fn one_damaged_object_holds_up_what_needs_it_and_nothing_else(side: Side) {
    let (mut salon, other) = (in_march(side), Gateway::named("sh-002-g1"));
    let (person, another) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (visit, theirs) = (salon.visit(&person), salon.visit(&another));
    let scan = salon.scan(&visit);
    salon.reading(&visit, &scan, "11.1");
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 4);
    salon.now = skinlink::clock::now().wall;
    let batch = other.scans(1, 3);
    salon.take(batch);
    let object = objects(&salon.folder.path().join("archive")).remove(0);
    let sound = fs::read(&object).expect("the object");
    let mut damaged = sound.clone();
    damaged[40] ^= 1;
    fs::write(&object, damaged).expect("writable");

    let waits = records::rebuild(&salon.place, &salon.shelves).expect_err("the others are made again, and it says so");
    assert!(matches!(waits, HqError::Waits { made: 3, many: 1, .. }), "{waits}");
    let told_by = "SELECT gateway FROM scans GROUP BY gateway";
    assert_eq!(salon.texts(told_by), ["sh-002-g1"]);
    assert!(waiting(&salon)[0].starts_with("facts of sh-001-g1 "), "{:?}", waiting(&salon));
    assert!(done(&salon, &["stores"]).contains("waits since"), "the operator is told");
    // The store erases a person of whom only the segment tells: the receiver goes on, starts again, and goes on.
    salon.erased(&person);
    let rules = Rules { max_bytes: 1 << 20, ..Rules::default() };
    salon.database = Database::with(&salon.place, Arc::clone(&salon.shelves), rules).expect("it opens");
    let batch = other.scans(4, 4);
    salon.take(batch);
    salon.keep();
    assert_eq!(salon.texts("SELECT CAST(count(*) AS TEXT) FROM scans"), ["4"]);

    fs::write(&object, sound).expect("its backup is put back");
    // A segment is tried again after a minute: each try reads it whole.
    salon.now = Timestamp::from_unix_ms(salon.now.unix_ms() + 60_000);
    salon.keep();
    salon.keep();
    assert_eq!(salon.texts("SELECT visit FROM visits"), [theirs]);
    assert!(salon.texts("SELECT value FROM readings").is_empty(), "the person was erased meanwhile");
    assert_eq!(waiting(&salon), Vec::<String>::new());
    assert!(!salon.shown("2026-03").contains("11.1"));
    assert_eq!(salon.objects("archive"), 1);
}

/// As many stores as one turn looks at have events in an object that is damaged: they came up first, nothing was made of them, and that
/// was taken for the end. The operator read of success.
pub fn everything_else_is_made_again_however_much_cannot_be_read(side: Side) {
    let (mut salon, other) = (in_march(side), Gateway::named("sh-999-g1"));
    for store in 0..70 {
        let batch = Gateway::named(&format!("sh-{store:03}-g1")).scans(1, 1);
        salon.take(batch);
    }
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 70);
    salon.now = skinlink::clock::now().wall;
    let batch = other.scans(1, 3);
    salon.take(batch);
    salon.keep();
    let object = objects(&salon.folder.path().join("archive")).remove(0);
    let sound = fs::read(&object).expect("the object");
    fs::write(&object, "damaged").expect("writable");
    let waits = records::rebuild(&salon.place, &salon.shelves).expect_err("it is not all there");
    assert!(matches!(waits, HqError::Waits { made: 3, many: 70, .. }), "{waits}");
    assert_eq!(salon.texts("SELECT gateway FROM scans GROUP BY gateway"), ["sh-999-g1"]);
    fs::write(&object, sound).expect("its backup is put back");
    assert_eq!(records::rebuild(&salon.place, &salon.shelves).expect("now it is"), 73);
    assert_eq!(waiting(&salon), Vec::<String>::new());
}

/// No room where the pictures lie: here something else stands in the folder's place.
pub fn a_picture_that_finds_no_room_waits_and_the_receiver_starts_without_it(side: Side) {
    let mut salon = Salon::new(side);
    let visit = salon.visit(&id(CustomerId::from_bits));
    let pictures = salon.folder.path().join("images");
    fs::write(&pictures, "no folder").expect("writable");
    let (capture, replies) = salon.offered(&visit);
    assert!(replies.iter().all(|reply| !format!("{reply:?}").contains("Verified")), "{replies:?}");
    assert_eq!(waiting(&salon), [format!("picture sh-001-g1 {capture} report")]);
    let rules = || Rules { max_bytes: 1 << 20, ..Rules::default() };
    drop(Database::with(&salon.place, Arc::clone(&salon.shelves), rules()).expect("it starts without it"));
    fs::remove_file(&pictures).expect("there is room again");
    salon.database = Database::with(&salon.place, Arc::clone(&salon.shelves), rules()).expect("it starts");
    assert_eq!(salon.objects("images"), 1);
    assert_eq!(waiting(&salon), Vec::<String>::new());
    assert_eq!(salon.texts("SELECT state FROM images"), ["verified"]);
}

/// Another store's gateway names our visit as its customer's, and has that customer erased.
pub fn a_store_erases_nothing_of_another(side: Side) {
    let mut salon = Salon::new(side);
    let (ours, theirs) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let visit = salon.visit(&ours);
    let scan = salon.scan(&visit);
    salon.reading(&visit, &scan, "11.1");
    salon.keep();
    let (raw, gateway) = (salon.raw(), Gateway::named("sh-002-g1"));
    let said = payload::Visit {
        visit: visit.clone(),
        customer: theirs.clone(),
        station: "chair-1".into(),
        beautician: "staff-9".into(),
        state: "open".into(),
        version: 7,
        steps: Vec::new(),
    };
    let gone = payload::Erased { customer: theirs.clone(), staff: "staff-9".into(), reason: "because".into() };
    let events = [gateway.say(1, kind::VISIT, &visit, &said), gateway.say(2, kind::ERASED, &theirs, &gone)];
    let batch = gateway.batch(1, &events);
    salon.take(batch);
    salon.keep();
    assert_eq!(salon.texts("SELECT value FROM readings"), ["11.1"]);
    assert!(salon.raw().starts_with(&raw), "what our store told stands as it was");
}

/// The operator brings a month back while a person of it is being erased.
#[test]
fn what_is_erased_meanwhile_does_not_come_back_with_its_month() {
    let mut salon = in_march(Side::Postgres);
    let person = id(CustomerId::from_bits);
    let visit = salon.visit(&person);
    let scan = salon.scan(&visit);
    salon.reading(&visit, &scan, "11.1");
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 3);
    let mut holder = salon.place.open().expect("the database opens");
    holder.begin().expect("a transaction");
    assert_eq!(holder.query("SELECT n FROM events WHERE seq = 3 FOR UPDATE", &[]).expect("it is held").len(), 1);
    let (place, shelves) = (salon.place.clone(), Arc::clone(&salon.shelves));
    let (store, now) = (salon.gateway.address.store.clone(), salon.now);
    let mut watch = salon.place.open().expect("the database opens");
    thread::scope(|scope| {
        let database = &mut salon.database;
        let erasing = scope.spawn(move || database.erase(&store, &person, now).expect("the person is erased"));
        postgres::until_they_wait(&mut *watch, 1, || erasing.is_finished());
        let back = scope.spawn(move || {
            let mut engine = place.open().expect("the database opens");
            archive::bring_back(&mut *engine, &shelves, month("2026-03")).expect("it is brought back")
        });
        postgres::until_they_wait(&mut *watch, 2, || back.is_finished());
        holder.commit().expect("it is let go");
        assert_eq!(erasing.join().expect("it ends").receipt.events, 3);
        assert_eq!(back.join().expect("it ends"), 3);
    });
    let raw = salon.raw();
    assert!(!raw.contains("11.1") && !raw.contains(&visit), "{raw}");
    salon.keep();
    assert_eq!(salon.objects("archive"), 0);
}

/// What an operator asks for may take hours; a limit that is right for a receiver would end it every time.
#[test]
fn an_operators_work_is_not_ended_for_the_time_it_takes() {
    let mut salon = in_march(Side::Postgres);
    let visit = salon.visit(&id(VisitId::from_bits));
    salon.scan(&visit);
    salon.keep();
    let mut engine = salon.place.open().expect("the database opens");
    let limited = "CREATE FUNCTION limited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF current_setting('statement_timeout') <> '0' THEN RAISE EXCEPTION 'it may not take its time'; END IF;
         RETURN NULL; END $$";
    engine.execute(limited, &[]).expect("a function");
    for (at, table) in [("INSERT", "segments"), ("DELETE", "scan_facts"), ("DELETE", "segments")] {
        let name = format!("{table}_{at}");
        let sql = format!("CREATE TRIGGER {name} AFTER {at} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION limited()");
        engine.execute(&sql, &[]).expect("a trigger");
    }
    assert_eq!(salon.archive("2026-04"), 2);
    records::rebuild(&salon.place, &salon.shelves).expect("they are made again");
    archive::bring_back(&mut *engine, &salon.shelves, month("2026-03")).expect("it is brought back");
}
