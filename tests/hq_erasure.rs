//! What headquarters forgets, and what it puts away without forgetting: persons are erased everywhere, old months are moved to
//! the shelf and stay readable. On both sides of the database.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "support/batches.rs"]
mod batches;
#[path = "hq_erasure/commands.rs"]
mod commands;
#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "support/postgres.rs"]
mod postgres;
#[path = "hq_erasure/shelves.rs"]
mod shelves;
#[macro_use]
#[path = "support/sides.rs"]
mod sides;

use batches::Gateway;
use commands::{
    an_operator_shows_archives_brings_back_and_erases, done, what_an_operator_mistypes_is_said_and_changes_nothing,
};
use shelves::{
    a_picture_that_finds_no_room_waits_and_the_receiver_starts_without_it, a_store_erases_nothing_of_another,
    everything_else_is_made_again_however_much_cannot_be_read,
    one_damaged_object_holds_up_what_needs_it_and_nothing_else,
    what_was_withdrawn_after_its_month_was_archived_does_not_come_back_with_it,
};
use sides::Side;
use skinlink::{
    clock,
    domain::{CaptureId, CustomerId, ReadingId, ScanId, Timestamp, VisitId},
    hq::{
        archive::{self, Month},
        database::{Arrived, Database, HqError, Place},
        images::Rules,
        ledger::Ledger,
        records,
        shelf::Shelves,
    },
    sync::{
        image_lane::{Offer, Role, SLICE, slices},
        payload::{self, kind},
        reply::{ImageState, Reply},
        topic::Lane,
    },
};
use std::{fs, path::Path, sync::Arc};

on_both_sides!(
    an_erased_person_is_in_no_table_no_raw_event_and_on_no_shelf,
    what_comes_late_of_an_erased_visit_is_erased_as_it_comes,
    an_old_month_lies_on_the_shelf_and_everything_stays_as_it_was,
    an_erasure_reaches_into_archived_months,
    what_was_sealed_with_another_key_is_not_taken_over,
    an_operator_shows_archives_brings_back_and_erases,
    what_an_operator_mistypes_is_said_and_changes_nothing,
    what_was_withdrawn_after_its_month_was_archived_does_not_come_back_with_it,
    one_damaged_object_holds_up_what_needs_it_and_nothing_else,
    a_picture_that_finds_no_room_waits_and_the_receiver_starts_without_it,
    a_store_erases_nothing_of_another,
    everything_else_is_made_again_however_much_cannot_be_read,
    what_lies_beyond_a_hole_is_erased_too,
    a_segment_holds_one_store_after_another,
);

struct Salon {
    place: Place,
    database: Database,
    shelves: Arc<Shelves>,
    gateway: Gateway,
    told: u64,
    now: Timestamp,
    folder: tempfile::TempDir,
}

impl Salon {
    fn new(side: Side) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = side.place(folder.path());
        let shelves = Arc::new(Shelves::in_folder(folder.path()).expect("the shelves"));
        let rules = Rules { max_bytes: 1 << 20, ..Rules::default() };
        let database = Database::with(&place, Arc::clone(&shelves), rules).expect("the database opens");
        let now = clock::now().wall;
        Self { place, database, shelves, gateway: Gateway::named("sh-001-g1"), told: 0, now, folder }
    }

    fn take(&mut self, message: Arrived) -> Vec<Reply> {
        self.database.take(&[message], self.now).expect("it is taken").into_iter().map(|(_, reply)| reply).collect()
    }

    fn tell(&mut self, kind: &str, subject: &str, data: &impl serde::Serialize) -> String {
        self.told += 1;
        let event = self.gateway.say(self.told, kind, subject, data);
        let batch = self.gateway.batch(self.told, std::slice::from_ref(&event));
        self.take(batch);
        event
    }

    fn visit(&mut self, customer: &str) -> String {
        let visit = id(VisitId::from_bits);
        let said = payload::Visit {
            visit: visit.clone(),
            customer: customer.into(),
            station: "chair-1".into(),
            beautician: "staff-7".into(),
            state: "open".into(),
            version: 1,
            steps: Vec::new(),
        };
        self.tell(kind::VISIT, &visit, &said);
        visit
    }

    fn scan(&mut self, visit: &str) -> String {
        let scan = id(ScanId::from_bits);
        let said = payload::Scan {
            scan: scan.clone(),
            visit: visit.to_owned(),
            phase: "before".into(),
            state: "closed".into(),
        };
        self.tell(kind::SCAN, visit, &said);
        scan
    }

    fn reading(&mut self, visit: &str, scan: &str, value: &str) -> String {
        let said = payload::Reading {
            reading: id(ReadingId::from_bits),
            visit: visit.to_owned(),
            scan: scan.to_owned(),
            phase: "before".into(),
            metric: "moisture".into(),
            region: "left_cheek".into(),
            value: value.into(),
            unit: "%".into(),
            spread: None,
            repeats: Vec::new(),
            device: payload::Device {
                protocol: "derma-probe-2".into(),
                protocol_version: "1.0.0".into(),
                serial: "0417".into(),
                probe: "A".into(),
                firmware: "2.3".into(),
            },
        };
        self.tell(kind::READING, visit, &said)
    }

    /// Its service sheet: one step, with what was used.
    fn sheet(&mut self, visit: &str, batch: &str) {
        let used = payload::UsedProduct { product: "玻尿酸精华".into(), batch: batch.into() };
        let step = payload::TickedStep {
            step: "精华导入".into(),
            products: vec![used],
            remark: format!("used {batch}"),
            ..payload::TickedStep::default()
        };
        let said = payload::ServiceSheet {
            visit: visit.into(),
            skin_state: String::new(),
            make_up: String::new(),
            washed_min: None,
            wishes: String::new(),
            steps: vec![step],
            stars: None,
            remark: String::new(),
            next_day: String::new(),
            staff: "staff-7".into(),
        };
        self.tell(kind::SHEET, visit, &said);
    }

    /// A picture of this visit, verified.
    fn picture(&mut self, visit: &str) -> String {
        let (capture, replies) = self.offered(visit);
        assert!(matches!(replies.last(), Some(Reply::Image { state: ImageState::Verified, .. })), "{replies:?}");
        capture
    }

    /// A picture of this visit, sent whole; what was said to it.
    fn offered(&mut self, visit: &str) -> (String, Vec<Reply>) {
        let (capture, bytes) = (id(CaptureId::from_bits), vec![7_u8; 70_000]);
        let offer = Offer {
            capture: capture.clone(),
            visit: visit.to_owned(),
            role: Role::Report,
            format: "image/jpeg".into(),
            bytes: bytes.len() as u64,
            slice_bytes: SLICE,
            slices: slices(bytes.len() as u64),
            sha256: hex::encode(openssl::sha::sha256(&bytes)),
        };
        let says = |lane: Lane, payload: Vec<u8>| Arrived { from: self.gateway.address.clone(), lane, payload };
        let lane = Lane::Offer { capture: capture.clone() };
        let mut messages = vec![says(lane, serde_json::to_vec(&offer).expect("plain data"))];
        for (index, slice) in (0..).zip(bytes.chunks(SLICE as usize)) {
            messages.push(says(Lane::Chunk { capture: capture.clone(), index }, slice.to_vec()));
        }
        let replies = messages.into_iter().flat_map(|message| self.take(message)).collect();
        (capture, replies)
    }

    fn keep(&mut self) {
        while self.database.keep_records(self.now, 500).expect("a turn").more {}
    }

    /// The first column, which is a text.
    fn texts(&self, sql: &str) -> Vec<String> {
        let mut engine = self.place.read_only().expect("the database opens");
        let found = engine.query(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        found.iter().map(|row| row.get(0).expect("a text")).collect()
    }

    /// Everything that was ever told, as it lies in the raw events.
    fn raw(&self) -> String {
        self.texts("SELECT body FROM events ORDER BY n").join("\n")
    }

    fn objects(&self, under: &str) -> usize {
        fn count(folder: &Path) -> usize {
            let Ok(entries) = fs::read_dir(folder) else { return 0 };
            let paths = entries.map(|entry| entry.expect("an entry").path());
            paths.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.folder.path().join(under))
    }

    fn erased(&mut self, customer: &str) {
        let (staff, reason) = ("staff-7".into(), "asked for".into());
        self.tell(kind::ERASED, customer, &payload::Erased { customer: customer.into(), staff, reason });
        self.keep();
    }

    fn archive(&self, before: &str) -> u64 {
        let mut engine = self.place.open().expect("the database opens");
        archive::archive(&mut *engine, &self.shelves, month(before), self.now).expect("it is archived")
    }

    fn shown(&self, of: &str) -> String {
        let (mut engine, mut out) = (self.place.open().expect("the database opens"), Vec::new());
        archive::show(&mut *engine, &self.shelves, month(of), &mut out).expect("it is read");
        String::from_utf8(out).expect("text")
    }
}

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

fn id<T: std::fmt::Display>(make: fn(u128) -> T) -> String {
    clock::mint(make).to_string()
}

fn an_erased_person_is_in_no_table_no_raw_event_and_on_no_shelf(side: Side) {
    let mut salon = Salon::new(side);
    let (person, card, other) = (id(CustomerId::from_bits), id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (first, second, others) = (salon.visit(&person), salon.visit(&card), salon.visit(&other));
    let alias = payload::Alias { customer: person.clone(), alias: card.clone(), staff: "staff-7".into() };
    salon.tell(kind::ALIAS, &person, &alias);
    let (scan, mistaken, theirs) = (salon.scan(&first), salon.scan(&first), salon.scan(&others));
    salon.reading(&first, &scan, "11.1");
    salon.reading(&second, &scan, "22.2");
    // Recorded under the wrong customer and moved: it is the other's.
    salon.reading(&first, &mistaken, "33.3");
    let moved = payload::Reassigned {
        what: "scan".into(),
        id: mistaken.clone(),
        customer: None,
        visit: Some(others.clone()),
        phase: None,
        staff: "staff-7".into(),
        reason: "wrong chair".into(),
    };
    salon.tell(kind::REASSIGNED, &others, &moved);
    salon.reading(&others, &theirs, "44.4");
    let consent = payload::Consent {
        consent: id(VisitId::from_bits),
        customer: card.clone(),
        purpose: "share_numbers".into(),
        given: true,
        text_version: "3".into(),
        channel: "tablet".into(),
        staff: "staff-7".into(),
    };
    salon.tell(kind::CONSENT, &card, &consent);
    for (visit, batch) in [(&first, "H2609"), (&others, "H2610")] {
        salon.sheet(visit, batch);
    }
    // Something broken that speaks of the person lies among the dead letters.
    let strange = format!("{{\"visit\":\"{first}\",\"value\":\"55.5\"}}");
    salon.told += 1;
    let batch = salon.gateway.batch(salon.told, &[strange]);
    salon.take(batch);
    let (picture, kept) = (salon.picture(&first), salon.picture(&others));
    salon.keep();
    assert_eq!(salon.texts("SELECT value FROM readings ORDER BY value"), ["11.1", "22.2", "33.3", "44.4"]);
    assert_eq!(salon.objects("images"), 2);
    assert_eq!(salon.texts("SELECT batch FROM products ORDER BY batch"), ["H2609", "H2610"]);

    salon.erased(&card);

    assert_eq!(salon.texts("SELECT value FROM readings ORDER BY value"), ["33.3", "44.4"]);
    assert_eq!(salon.texts("SELECT visit FROM visits"), [others.as_str()]);
    for facts in ["sheet_facts", "step_facts", "product_facts"] {
        assert_eq!(salon.texts(&format!("SELECT visit FROM {facts}")), [others.as_str()], "{facts}");
    }
    assert!(salon.texts("SELECT customer FROM consents").is_empty());
    let raw = salon.raw();
    // The moved scan belongs to another now; its events still name the visit it was recorded in.
    let left: Vec<&str> = raw.lines().filter(|line| !line.contains(&mistaken)).collect();
    for gone in ["11.1", "22.2", "55.5", "H2609", &first, &second, "tablet"] {
        assert!(!left.iter().any(|line| line.contains(gone)), "{gone} is still told: {raw}");
    }
    assert!(["33.3", "44.4", "H2610"].iter().all(|kept| raw.contains(kept)), "{raw}");
    let ledger = Ledger::at(&salon.place).expect("the ledger");
    let left: Vec<String> = ledger.pictures().expect("the pictures").into_iter().map(|one| one.capture).collect();
    assert_eq!(left, [kept]);
    assert_eq!(salon.objects("images"), 1, "the object of {picture} went from the shelf");
    // Nothing is missing by that: the numbers stay.
    let counts = ledger.counts().expect("the counts").remove(0);
    assert_eq!((counts.events, counts.gaps, counts.alarms), (salon.told, 0, 0), "{counts:?}");
    assert_eq!(salon.texts("SELECT customer FROM erasures ORDER BY customer").len(), 2, "both ids of the person");
}

/// One number is missing, and its gateway never comes back: of what lies beyond it there are no facts, and it stayed as it was.
fn what_lies_beyond_a_hole_is_erased_too(side: Side) {
    let mut salon = Salon::new(side);
    let (person, other) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (visit, theirs) = (salon.visit(&person), salon.visit(&other));
    let scan = salon.scan(&visit);
    salon.told += 1;
    salon.reading(&visit, &scan, "77.7");
    salon.reading(&theirs, &scan, "88.8");
    // A visit that was opened there as well: its reading names nobody but the visit.
    let later = salon.visit(&person);
    let more = salon.scan(&later);
    salon.reading(&later, &more, "66.6");
    let gone = payload::Erased { customer: person.clone(), staff: "staff-7".into(), reason: "asked for".into() };
    salon.tell(kind::ERASED, &person, &gone);
    salon.keep();
    let store = salon.gateway.address.store.clone();
    let receipt = salon.database.erase(&store, &person, salon.now).expect("erased").receipt;
    assert_eq!((receipt.events, receipt.visits), (6, 2));
    let raw = salon.raw();
    assert!(!raw.contains("77.7") && !raw.contains(&visit), "{raw}");
    assert!(!raw.contains("66.6") && !raw.contains(&later), "{raw}");
    assert!(
        raw.contains("88.8") && raw.contains("erased.v1"),
        "what is another's, and the store's word for others, stay: {raw}"
    );
}

fn what_comes_late_of_an_erased_visit_is_erased_as_it_comes(side: Side) {
    let mut salon = Salon::new(side);
    let person = id(CustomerId::from_bits);
    let visit = salon.visit(&person);
    let scan = salon.scan(&visit);
    salon.keep();
    salon.erased(&person);
    // From an earlier epoch, or from a store that was restored from a backup.
    salon.reading(&visit, &scan, "66.6");
    let again = salon.visit(&person);
    let more = salon.scan(&again);
    salon.reading(&again, &more, "77.7");
    salon.keep();
    assert!(salon.texts("SELECT value FROM readings").is_empty() && salon.texts("SELECT visit FROM visits").is_empty());
    let raw = salon.raw();
    assert!(!raw.contains("66.6") && !raw.contains("77.7"), "{raw}");
    let offer = Offer {
        capture: id(CaptureId::from_bits),
        visit,
        role: Role::Report,
        format: "image/jpeg".into(),
        bytes: 9,
        slice_bytes: SLICE,
        slices: 1,
        sha256: "0".repeat(64),
    };
    let lane = Lane::Offer { capture: offer.capture.clone() };
    let payload = serde_json::to_vec(&offer).expect("plain data");
    let offered = Arrived { from: salon.gateway.address.clone(), lane, payload };
    let replies = salon.take(offered);
    assert!(matches!(&replies[..], [Reply::Image { state: ImageState::Refused, .. }]), "{replies:?}");
}

fn an_old_month_lies_on_the_shelf_and_everything_stays_as_it_was(side: Side) {
    let mut salon = Salon::new(side);
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let visit = salon.visit(&id(CustomerId::from_bits));
    let scan = salon.scan(&visit);
    let mut told = Vec::new();
    for day in
        ["2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00.000Z", "2026-03-31T23:59:59.999Z", "2026-04-01T00:00:00.000Z"]
    {
        salon.now = at(day);
        for value in 0..4 {
            told.push(salon.reading(&visit, &scan, &format!("{value}.5")));
        }
    }
    let views = "SELECT n || ' ' || reading || ' ' || value FROM readings ORDER BY n";
    assert_eq!(salon.archive("2026-04"), 0, "what has no facts yet stays");
    salon.keep();
    let before = salon.texts(views);
    let raw = salon.raw();
    assert_eq!((before.len(), salon.archive("2026-04")), (16, 12), "the visit itself is of today");
    assert_eq!(salon.archive("2026-04"), 0, "and only once");
    let bodies = salon.texts("SELECT body FROM events ORDER BY n");
    assert_eq!(bodies.iter().filter(|body| body.is_empty()).count(), 12);
    assert_eq!(salon.shown("2026-03").lines().collect::<Vec<_>>(), told[4..12]);
    assert_eq!(salon.texts(views), before);
    assert_eq!(salon.objects("archive"), 2);

    // A store restored from an old backup tells the same again: it is known.
    let batch = salon.gateway.batch(3, &told[..2]);
    salon.take(batch);
    let counts = Ledger::at(&salon.place).and_then(|ledger| ledger.counts()).expect("the counts").remove(0);
    assert_eq!((counts.events, counts.redeliveries, counts.duplicates, counts.gaps), (18, 2, 0, 0), "{counts:?}");
    // And facts can be made again from what lies there.
    assert_eq!(records::rebuild(&salon.place, &salon.shelves).expect("they are made again"), 18);
    assert_eq!(salon.texts(views), before);

    let mut engine = salon.place.open().expect("the database opens");
    let back = archive::bring_back(&mut *engine, &salon.shelves, month("2026-03")).expect("it is brought back");
    let early = archive::bring_back(&mut *engine, &salon.shelves, month("2026-02")).expect("it is brought back");
    assert_eq!((back, early, salon.raw() == raw), (8, 4, true), "bit for bit");
    salon.keep();
    assert_eq!(salon.objects("archive"), 0);
}

fn an_erasure_reaches_into_archived_months(side: Side) {
    let mut salon = Salon::new(side);
    salon.now = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let (person, other) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (visit, others) = (salon.visit(&person), salon.visit(&other));
    let (scan, theirs) = (salon.scan(&visit), salon.scan(&others));
    salon.reading(&visit, &scan, "11.1");
    salon.reading(&others, &theirs, "44.4");
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 6);
    assert!(salon.shown("2026-03").contains("11.1"));
    let erased = salon.database.erase("sh-001-g1-store", &person, salon.now).expect("the person is erased");
    assert!(erased.left.is_empty(), "{:?}", erased.left);
    let receipt = erased.receipt;
    assert_eq!((receipt.visits, receipt.events), (1, 3));
    let shown = salon.shown("2026-03");
    assert!(!shown.contains("11.1") && !shown.contains(&visit) && shown.contains("44.4"), "{shown}");
    assert_eq!(salon.objects("archive"), 1, "the object that held it is gone");
    // Withdrawn at the store after it was archived: that, too, goes from the shelf.
    let event = salon.shown("2026-03").lines().find(|line| line.contains("44.4")).expect("it is there").to_owned();
    let mut redacted: skinlink::sync::envelope::Event = serde_json::from_str(&event).expect("our own");
    redacted.kind = "com.skinlink.redacted.v1".into();
    redacted.data = serde_json::value::RawValue::from_string("{\"reason\":\"withdrawn\"}".into()).expect("JSON");
    let batch = salon.gateway.batch(redacted.seq, &[serde_json::to_string(&redacted).expect("plain data")]);
    salon.take(batch);
    salon.keep();
    let shown = salon.shown("2026-03");
    assert!(!shown.contains("44.4") && shown.contains("withdrawn"), "{shown}");
}

fn what_was_sealed_with_another_key_is_not_taken_over(side: Side) {
    let salon = Salon::new(side);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let shelves = Arc::new(Shelves::in_folder(elsewhere.path()).expect("the shelves"));
    let refused = Database::with(&salon.place, shelves, Rules::default()).expect_err("another key");
    assert!(matches!(refused, HqError::OtherKey), "{refused}");
}

/// Facts are made again one store after another. A segment used to hold what had come in one after the other from all of them, and was
/// fetched and opened anew for each.
fn a_segment_holds_one_store_after_another(side: Side) {
    let mut salon = Salon::new(side);
    salon.now = "2026-03-05T10:00:00.000Z".parse::<Timestamp>().expect("a time");
    let stores = [Gateway::named("sh-001-g1"), Gateway::named("sh-002-g1")];
    for at in 0..12 {
        for store in &stores {
            let batch = store.scans(at * 500 + 1, at * 500 + 500);
            salon.take(batch);
        }
    }
    salon.keep();
    assert_eq!(salon.archive("2026-04"), 12_000);
    let segments = "SELECT gateway || ' ' || count(DISTINCT segment) FROM events GROUP BY gateway ORDER BY gateway";
    assert_eq!(salon.texts(segments), ["sh-001-g1 1", "sh-002-g1 2"]);
}
