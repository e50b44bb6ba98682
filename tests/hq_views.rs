//! The tables people query, on both sides: they say what holds now, follow corrections, forget what was redacted, and can be
//! made again from the raw events.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "support/batches.rs"]
mod batches;
#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "support/postgres.rs"]
mod postgres;
#[macro_use]
#[path = "support/sides.rs"]
mod sides;

#[path = "hq_views/seen.rs"]
mod seen;

use batches::Gateway;
use sides::Side;
use skinlink::{
    clock,
    domain::{CustomerId, ReadingId, ScanId, VisitId},
    hq::{
        database::{Database, Place},
        records::{self, schema_page, tables, views},
        shelf::Shelves,
    },
    sync::{
        envelope::Event,
        payload::{self, kind},
    },
};
use std::{collections::BTreeMap, fs, path::Path};

/// A database that one gateway talks to.
struct Salon {
    place: Place,
    database: Database,
    gateway: Gateway,
    told: u64,
    folder: tempfile::TempDir,
}

impl Salon {
    fn new(side: Side) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = side.place(folder.path());
        let database = Database::at(&place, folder.path(), 1 << 20).expect("the database opens");
        Self { place, database, gateway: Gateway::named("sh-001-g1"), told: 0, folder }
    }

    fn tell(&mut self, kind: &str, subject: &str, data: &impl serde::Serialize) -> String {
        self.told += 1;
        let event = self.gateway.say(self.told, kind, subject, data);
        self.send(self.told, &event);
        event
    }

    fn send(&mut self, seq: u64, event: &str) {
        let batch = self.gateway.batch(seq, &[event.to_owned()]);
        self.database.take(&[batch], clock::now().wall).expect("it is taken");
    }

    fn keep(&mut self) {
        while self.database.keep_records(clock::now().wall, 500).expect("a turn").more {}
    }

    fn shelves(&self) -> Shelves {
        Shelves::in_folder(self.folder.path()).expect("the shelves")
    }

    /// The first column, which is a text.
    fn texts(&self, sql: &str) -> Vec<String> {
        let mut engine = self.place.read_only().expect("the database opens");
        let found = engine.query(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        found.iter().map(|row| row.get(0).expect("a text")).collect()
    }
}

on_both_sides!(
    corrections_moves_and_joined_cards_are_in_the_views,
    what_was_redacted_is_in_no_table_any_more,
    times_of_an_unset_clock_are_mapped_whichever_comes_first,
    all_is_made_again_from_the_raw_events,
    what_lies_beyond_a_hole_waits_for_it,
    what_customers_say_is_followed_until_it_is_solved,
    the_service_sheet_of_a_visit_stands_in_its_view,
    a_recalled_batch_is_found_in_every_visit_that_it_reached,
    every_view_has_the_columns_its_page_names,
);

fn device() -> payload::Device {
    payload::Device {
        protocol: "derma-probe-2".into(),
        protocol_version: "1.0.0".into(),
        serial: "0417".into(),
        probe: "A".into(),
        firmware: "2.3".into(),
    }
}

fn visit(visit: &str, customer: &str, version: u64) -> payload::Visit {
    payload::Visit {
        visit: visit.into(),
        customer: customer.into(),
        station: "chair-1".into(),
        beautician: "staff-7".into(),
        state: "open".into(),
        version,
        steps: vec!["cleansing".into()],
    }
}

fn reading(reading: &str, visit: &str, scan: &str, value: &str) -> payload::Reading {
    payload::Reading {
        reading: reading.into(),
        visit: visit.into(),
        scan: scan.into(),
        phase: "before".into(),
        metric: "moisture".into(),
        region: "left_cheek".into(),
        value: value.into(),
        unit: "%".into(),
        spread: Some(0.5),
        repeats: Vec::new(),
        device: device(),
    }
}

fn sheet(visit: &str, steps: Vec<payload::TickedStep>) -> payload::ServiceSheet {
    payload::ServiceSheet {
        visit: visit.into(),
        skin_state: String::new(),
        make_up: String::new(),
        washed_min: None,
        wishes: String::new(),
        steps,
        stars: None,
        remark: String::new(),
        next_day: String::new(),
        staff: "b-07".into(),
    }
}

fn id<T: std::fmt::Display>(make: fn(u128) -> T) -> String {
    clock::mint(make).to_string()
}

fn corrections_moves_and_joined_cards_are_in_the_views(side: Side) {
    let mut salon = Salon::new(side);
    let (first, second) = (id(VisitId::from_bits), id(VisitId::from_bits));
    let (customer, card) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (scan, wrong) = (id(ScanId::from_bits), id(ReadingId::from_bits));
    salon.tell(kind::VISIT, &first, &visit(&first, &card, 2));
    salon.tell(kind::VISIT, &first, &visit(&first, &card, 1));
    salon.tell(kind::VISIT, &second, &visit(&second, &customer, 1));
    let running =
        payload::Scan { scan: scan.clone(), visit: first.clone(), phase: "before".into(), state: "closed".into() };
    salon.tell(kind::SCAN, &first, &running);
    salon.tell(kind::READING, &first, &reading(&id(ReadingId::from_bits), &first, &scan, "35.20"));
    salon.tell(kind::READING, &first, &reading(&wrong, &first, &scan, "99.0"));
    let why = ("staff-7".to_owned(), "wrong chair".to_owned());
    let void = |restored| payload::Voided {
        what: "reading".into(),
        id: wrong.clone(),
        restored,
        staff: why.0.clone(),
        reason: why.1.clone(),
    };
    for restored in [false, true, false] {
        salon.tell(kind::VOIDED, &first, &void(restored));
    }
    let moved = payload::Reassigned {
        what: "scan".into(),
        id: scan.clone(),
        customer: None,
        visit: Some(second.clone()),
        phase: Some("after".into()),
        staff: why.0.clone(),
        reason: why.1.clone(),
    };
    salon.tell(kind::REASSIGNED, &second, &moved);
    let alias = payload::Alias { customer: customer.clone(), alias: card.clone(), staff: why.0.clone() };
    salon.tell(kind::ALIAS, &customer, &alias);
    salon.keep();
    assert_eq!(
        salon.texts(
            "SELECT visit || ' ' || customer || ' ' || version || ' ' || voided FROM visits ORDER BY version DESC"
        ),
        [format!("{first} {customer} 2 0"), format!("{second} {customer} 1 0")]
    );
    assert_eq!(salon.texts("SELECT visit || ' ' || phase || ' ' || voided FROM scans"), [format!("{second} after 0")]);
    assert_eq!(
        salon.texts("SELECT visit || ' ' || phase || ' ' || value || ' ' || voided FROM readings ORDER BY number"),
        [format!("{second} after 35.20 0"), format!("{second} after 99.0 1")]
    );
    assert_eq!(salon.texts("SELECT serial || ' ' || measured FROM devices"), ["0417 2"]);
    assert_eq!(salon.texts("SELECT deed FROM audit ORDER BY n"), ["voided", "restored", "voided", "moved", "joined"]);
}

fn what_was_redacted_is_in_no_table_any_more(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, scan) = (id(VisitId::from_bits), id(ScanId::from_bits));
    let told = salon.tell(kind::READING, &seen, &reading(&id(ReadingId::from_bits), &seen, &scan, "35.2"));
    salon.tell(kind::READING, &seen, &reading(&id(ReadingId::from_bits), &seen, &scan, "35.3"));
    salon.keep();
    assert_eq!(salon.texts("SELECT value FROM readings ORDER BY n"), ["35.2", "35.3"]);
    let mut redacted: Event = serde_json::from_str(&told).expect("our own");
    redacted.kind = "com.skinlink.redacted.v1".into();
    redacted.data = serde_json::value::RawValue::from_string("{\"reason\":\"withdrawn\"}".into()).expect("JSON");
    salon.send(1, &serde_json::to_string(&redacted).expect("plain data"));
    salon.keep();
    assert_eq!(salon.texts("SELECT value FROM readings ORDER BY n"), ["35.3"]);
    assert!(!salon.texts("SELECT body FROM events ORDER BY n")[0].contains("35.2"));
}

/// A store without a line for its clock: what it recorded gets its time as soon as the gateway knows it.
fn times_of_an_unset_clock_are_mapped_whichever_comes_first(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, scan) = (id(VisitId::from_bits), id(ScanId::from_bits));
    let unset = |salon: &mut Salon, value: &str| {
        salon.told += 1;
        let said = reading(&id(ReadingId::from_bits), &seen, &scan, value);
        let event = salon.gateway.say(salon.told, kind::READING, &seen, &said);
        let event = event.replace("\"clock\":\"synced\"", "\"clock\":\"unset\"");
        salon.send(salon.told, &event);
    };
    unset(&mut salon, "1.0");
    salon.keep();
    let boot = skinlink::domain::BootId::from_bits(1).to_string();
    // Sequence 1 was told at 1 ms since boot, and so on; what time it was is known from 101 ms on.
    let clock = payload::Clock { boot, monotonicns: "101000000".into(), wall_ms: 1_790_000_000_100 };
    salon.tell(kind::CLOCK, "boot", &clock);
    unset(&mut salon, "3.0");
    salon.keep();
    let at = "SELECT value || ' ' || at_ms || ' ' || clock FROM reading_facts ORDER BY n";
    assert_eq!(salon.texts(at), ["1.0 1790000000000 mapped", "3.0 1790000000002 mapped"]);
    let shown = match side {
        Side::Sqlite => "SELECT at FROM readings ORDER BY n",
        Side::Postgres => {
            "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM readings ORDER BY n"
        }
    };
    assert_eq!(salon.texts(shown)[1], "2026-09-21T14:13:20.002Z");

    // What was ticked by that clock, 2 ms before the sheet, moves along; what was ticked before that boot does not.
    let step = |step: &str, at: &str| payload::TickedStep { step: step.into(), at: at.into(), ..Default::default() };
    let steps = vec![step("清洁", "2026-05-01T10:00:00.000Z"), step("面膜", "2026-05-28T20:26:39.998Z")];
    salon.told += 1;
    let event = salon.gateway.say(salon.told, kind::SHEET, &seen, &sheet(&seen, steps));
    salon.send(salon.told, &event.replace("\"clock\":\"synced\"", "\"clock\":\"unset\""));
    salon.keep();
    let ticked = "SELECT step || ' ' || done_ms FROM step_facts ORDER BY done_ms";
    assert_eq!(salon.texts(ticked), ["清洁 1777629600000", "面膜 1790000000001"]);
}

fn all_is_made_again_from_the_raw_events(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, scan) = (id(VisitId::from_bits), id(ScanId::from_bits));
    for at in 0..1_200 {
        let said = reading(&id(ReadingId::from_bits), &seen, &scan, &format!("{at}.0"));
        salon.told += 1;
        let event = salon.gateway.say(salon.told, kind::READING, &seen, &said);
        salon.send(salon.told, &event);
    }
    salon.keep();
    let all = "SELECT n || ' ' || reading || ' ' || value FROM readings ORDER BY n";
    let before = salon.texts(all);
    assert_eq!(before.len(), 1_200);
    assert_eq!(records::rebuild(&salon.place, &salon.shelves()).expect("it is made again"), 1_200);
    assert!(salon.texts(all) == before, "the same rows again");
}

fn what_lies_beyond_a_hole_waits_for_it(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, scan) = (id(VisitId::from_bits), id(ScanId::from_bits));
    let said = |value: &str| reading(&id(ReadingId::from_bits), &seen, &scan, value);
    let events: Vec<String> =
        (1..=3).map(|seq| salon.gateway.say(seq, kind::READING, &seen, &said(&format!("{seq}.0")))).collect();
    let values = "SELECT value FROM reading_facts ORDER BY seq";
    salon.send(1, &events[0]);
    salon.send(3, &events[2]);
    salon.keep();
    assert_eq!(salon.texts(values), ["1.0"]);
    salon.send(2, &events[1]);
    salon.keep();
    assert_eq!(salon.texts(values), ["1.0", "2.0", "3.0"]);
}

/// Answered within 24 hours, solved within 72: the view says how long each took.
fn what_customers_say_is_followed_until_it_is_solved(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, customer, card) = (id(VisitId::from_bits), id(CustomerId::from_bits), id(CustomerId::from_bits));
    let word = |feedback: &str, state: &str, staff: &str| payload::Feedback {
        feedback: feedback.into(),
        visit: seen.clone(),
        customer: card.clone(),
        state: state.into(),
        stars: (state == "given").then_some(2),
        topic: "waiting".into(),
        words: format!("{state} in words"),
        staff: staff.into(),
    };
    let mut tell = |feedback: &str, state: &str, at: &str| {
        salon.told += 1;
        let event = salon.gateway.say(salon.told, kind::FEEDBACK, &seen, &word(feedback, state, "staff-7"));
        let event: Event = serde_json::from_str(&event).expect("our own");
        let event = Event { time: at.into(), ..event };
        salon.send(salon.told, &serde_json::to_string(&event).expect("plain data"));
    };
    tell("f-1", "given", "2026-03-02T09:00:00.000Z");
    tell("f-2", "given", "2026-03-02T10:00:00.000Z");
    tell("f-1", "answered", "2026-03-02T21:00:00.000Z");
    tell("f-1", "answered", "2026-03-03T21:00:00.000Z");
    tell("f-1", "solved", "2026-03-04T09:00:00.000Z");
    let alias = payload::Alias { customer: customer.clone(), alias: card.clone(), staff: "staff-7".into() };
    salon.tell(kind::ALIAS, &customer, &alias);
    salon.keep();
    let number = |column: &str| format!("coalesce(CAST(CAST({column} AS INTEGER) AS TEXT), '-')");
    let sql = format!(
        "SELECT feedback || ' ' || state || ' ' || stars || ' ' || {} || ' ' || {} || ' ' || customer FROM feedback
         ORDER BY feedback",
        number("hours_to_answer"),
        number("hours_to_solve")
    );
    assert_eq!(salon.texts(&sql), [format!("f-1 solved 2 12 48 {customer}"), format!("f-2 given 2 - - {customer}")]);
    assert_eq!(salon.texts("SELECT words FROM feedback ORDER BY feedback"), ["given in words", "given in words"]);
}

/// What was asked, done and said in a visit, with the stars; a sheet told again counts once, a visit struck out shows.
fn the_service_sheet_of_a_visit_stands_in_its_view(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, other) = (id(VisitId::from_bits), id(VisitId::from_bits));
    let step = |step: &str| payload::TickedStep {
        step: step.into(),
        at: "2026-03-02T09:31:00.000Z".into(),
        staff: "b-07".into(),
        ..payload::TickedStep::default()
    };
    let sheet = |visit: &str, stars: Option<u8>| payload::ServiceSheet {
        visit: visit.into(),
        skin_state: "tight".into(),
        make_up: "light".into(),
        washed_min: Some(60),
        wishes: "少用香味".into(),
        steps: vec![step("深层清洁"), step("补水面膜")],
        stars,
        remark: "很舒服".into(),
        next_day: "2026-03-17".into(),
        staff: "b-07".into(),
    };
    salon.tell(kind::SHEET, &seen, &sheet(&seen, Some(4)));
    salon.tell(kind::SHEET, &seen, &sheet(&seen, Some(5)));
    let silent = payload::ServiceSheet { washed_min: None, ..sheet(&other, None) };
    salon.tell(kind::SHEET, &other, &silent);
    let voided = payload::Voided {
        what: "visit".into(),
        id: other.clone(),
        restored: false,
        staff: "b-01".into(),
        reason: String::new(),
    };
    salon.tell(kind::VOIDED, &other, &voided);
    salon.keep();
    let sql = "SELECT visit || ' ' || coalesce(CAST(stars AS TEXT), '-') || ' ' || coalesce(CAST(washed_min AS TEXT), '-') || ' '
        || next_day || ' ' || CAST(voided AS TEXT) FROM sheets ORDER BY n";
    assert_eq!(salon.texts(sql), [format!("{seen} 5 60 2026-03-17 0"), format!("{other} - - 2026-03-17 1")]);
    let steps = salon.texts(&format!("SELECT steps FROM sheets WHERE visit = '{seen}'")).remove(0);
    assert!(steps.contains("补水面膜") && steps.contains("b-07"), "{steps}");
}

/// A supplier recalls a batch: headquarters asks whom it reached, and how the step was done. A sheet told again counts in its last
/// form, a step without a note has none, and an older store, which tells of no notes, is understood.
fn a_recalled_batch_is_found_in_every_visit_that_it_reached(side: Side) {
    let mut salon = Salon::new(side);
    let visits = [(); 4].map(|()| id(VisitId::from_bits));
    let used = |product: &str, batch: &str| payload::UsedProduct { product: product.into(), batch: batch.into() };
    let serum = |batch: &str| payload::TickedStep {
        step: "精华导入".into(),
        at: "2026-03-02T09:31:00.000Z".into(),
        staff: "b-07".into(),
        level: Some(3),
        setting: "1 MHz".into(),
        products: vec![used("玻尿酸精华", batch), used("自带精油", "")],
        remark: "略有泛红".into(),
    };
    let mask = || payload::TickedStep {
        step: "面膜".into(),
        at: "2026-03-02T09:45:00.000Z".into(),
        staff: "b-02".into(),
        ..payload::TickedStep::default()
    };
    // The first was told with the batch before; the third has another one; the fourth was recorded by mistake.
    for (visit, batch) in [(0, "H2608"), (0, "H2609"), (1, "H2609"), (2, "H2610"), (3, "H2609")] {
        let visit = &visits[visit];
        salon.tell(kind::SHEET, visit, &sheet(visit, vec![serum(batch), mask()]));
    }
    let voided = payload::Voided {
        what: "visit".into(),
        id: visits[3].clone(),
        restored: false,
        staff: "b-01".into(),
        reason: String::new(),
    };
    salon.tell(kind::VOIDED, &visits[3], &voided);
    let older =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wire/event-sheet.v1.json"));
    let older: Event = serde_json::from_str(&older.expect("frozen")).expect("an event");
    salon.tell(kind::SHEET, &older.subject, &older.data);
    salon.keep();
    let batch =
        "SELECT visit || ' ' || product || ' ' || CAST(voided AS TEXT) FROM products WHERE batch = 'H2609' ORDER BY n";
    let reached = [(0, 0), (1, 0), (3, 1)].map(|(at, voided)| format!("{} 玻尿酸精华 {voided}", visits[at]));
    assert_eq!(salon.texts(batch), reached);
    assert!(salon.texts("SELECT product FROM products WHERE batch = 'H2608'").is_empty(), "told again without it");
    let how = format!(
        "SELECT step || '|' || staff || '|' || coalesce(CAST(level AS TEXT), '-') || '|' || setting || '|' || remark
         FROM steps WHERE visit = '{}' ORDER BY done_at",
        visits[0]
    );
    assert_eq!(salon.texts(&how), ["精华导入|b-07|3|1 MHz|略有泛红", "面膜|b-02|-||"]);
    let bare =
        format!("SELECT step || setting || remark FROM steps WHERE visit = '{}' ORDER BY done_at", older.subject);
    assert_eq!(salon.texts(&bare), ["深层清洁", "补水面膜"]);
    let all = "SELECT visit || step || product || batch FROM products ORDER BY n, product";
    let before = (salon.texts(all), salon.texts(&how));
    records::rebuild(&salon.place, &salon.shelves()).expect("it is made again");
    assert_eq!((salon.texts(all), salon.texts(&how)), before);
}

fn every_view_has_the_columns_its_page_names(side: Side) {
    let salon = Salon::new(side);
    for view in views::ALL {
        let named: Vec<&str> = view.columns.iter().map(|(name, _)| *name).collect();
        let sql = match side {
            Side::Sqlite => format!("SELECT name FROM pragma_table_info('{}') ORDER BY cid", view.name),
            Side::Postgres => format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{}' ORDER BY ordinal_position",
                view.name
            ),
        };
        assert_eq!(salon.texts(&sql), named, "{}", view.name);
    }
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hq-schema.md");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == schema_page::page(), "out of date: skinlink-hq schema > docs/hq-schema.md");
}

/// A database made by an older program keeps its old tables unless the version grows.
#[test]
fn a_change_of_the_records_raises_their_version() {
    let mut schema: Vec<String> = tables::ALL.iter().flat_map(|table| table.schema()).collect();
    schema.extend(views::ALL.iter().map(|view| view.schema(|ms| format!("time of {ms}"))));
    let digest = hex::encode(&openssl::sha::sha256(schema.join("\n").as_bytes())[..8]);
    let known = BTreeMap::from([
        (1, "413e6dd64d2d9320"),
        (2, "5483e64026d650c7"),
        (3, "e17df760f967db12"),
        (4, "068b49fad9afec12"),
        (5, "df1f27852518ccb1"),
        (6, "73ca662f3fea5dff"),
        (7, "9779da986ca0846a"),
    ]);
    let advice = "raise records::VERSION and note the digest under it";
    assert_eq!(known.get(&records::VERSION).copied(), Some(digest.as_str()), "{advice}");
}
