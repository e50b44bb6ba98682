//! What programs read.

use crate::{
    Side,
    chain::{Chain, Store, customer, later, scan, visit},
};
use serde_json::Value;
use skinlink::{
    clock,
    desk::{Heard, Said},
    domain::{FeedbackId, Timestamp, feedback::Topic},
    hq::{
        crm::keys::Scope,
        database::Database,
        records,
        reports::{self, Found},
        shelf::Shelves,
    },
    sync::{
        payload::{self, kind},
        sheet::Sheet,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads to the end from a cursor; each visit with the content it had, and the cursor after it.
async fn read_on(chain: &Chain, key: &str, mut since: String, limit: u32) -> (Vec<Value>, String) {
    let mut lines = Vec::new();
    loop {
        let page = chain.get(&format!("/visits?since={since}&limit={limit}"), key).await.ok();
        lines.extend(page["visits"].as_array().expect("a list").iter().cloned());
        since = page["next"].as_str().expect("a text").to_owned();
        if page["more"] == false {
            return (lines, since);
        }
    }
}

fn names(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| line["visit"].as_str().expect("a text").to_owned()).collect()
}

/// Three stores tell of three hundred visits while two receivers commit and make facts, in any order, and a program reads page after
/// page. In the end it has read each visit once in the state in which it stayed.
pub async fn a_program_that_reads_on_while_visits_arrive_misses_none_and_reads_none_twice(side: Side) {
    let given = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SKINLINK_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let chain = Chain::new(side).await;
    let key = chain.key(&[Scope::VisitsRead], &["all"]);
    let mut stores = ["sh-001", "sh-002", "sh-003"].map(Store::named);
    let (mut told, mut wanted) = (Vec::new(), BTreeSet::new());
    for _ in 0..300 {
        let (store, ann, one) = (&mut stores[dice.usize(..3)], customer(), visit());
        told.extend([store.agrees(&ann), store.visit(&one, &ann, 1, "open")]);
        wanted.insert(one);
    }
    // Each receiver gets every word, in pieces of any length: what comes twice counts once.
    let (place, folder) = (chain.place.clone(), chain.folder.path().to_owned());
    let receivers: Vec<_> = [1, 2]
        .into_iter()
        .map(|at| {
            let (told, place, folder) = (told.clone(), place.clone(), folder.clone());
            std::thread::spawn(move || {
                let mut dice = fastrand::Rng::with_seed(seed + at);
                let mut database = Database::at(&place, &folder, 1 << 20).expect("the database opens");
                let mut rest = &told[..];
                while !rest.is_empty() {
                    let (some, more) = rest.split_at(dice.usize(1..=rest.len().min(12)));
                    rest = more;
                    patiently(|| database.take(some, clock::now().wall).map(drop));
                    patiently(|| database.keep_records(clock::now().wall, dice.usize(1..9)).map(drop));
                }
                while patiently(|| database.keep_records(clock::now().wall, 500)).more {}
            })
        })
        .collect();
    let (mut since, mut read, mut rounds) = (String::new(), Vec::new(), 0);
    loop {
        let over = receivers.iter().all(std::thread::JoinHandle::is_finished);
        let (lines, next) = read_on(&chain, &key, since, dice.u32(1..7)).await;
        read.extend(names(&lines));
        (since, rounds) = (next, rounds + 1);
        if over {
            break;
        }
    }
    for receiver in receivers {
        receiver.join().expect("it ends well");
    }
    let mut times = BTreeMap::<&String, u32>::new();
    for one in &read {
        *times.entry(one).or_default() += 1;
    }
    let missed: Vec<_> = wanted.iter().filter(|one| !times.contains_key(one)).collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    println!(
        "visits: {}, read: {}, caught up {rounds} times meanwhile; missed {}, twice {}",
        wanted.len(),
        read.len(),
        missed.len(),
        twice.len()
    );
    assert!(missed.is_empty() && twice.is_empty(), "missed {missed:?}, twice {twice:?}");
    chain.end().await;
}

fn patiently<T>(mut work: impl FnMut() -> Result<T, skinlink::hq::HqError>) -> T {
    let limit = clock::now().monotonic_ns + 120_000_000_000;
    loop {
        match work() {
            Err(fault) if fault.passes() && clock::now().monotonic_ns < limit => {}
            done => return done.expect("the database takes it"),
        }
    }
}

/// Headquarters breaks and is brought back from last night's backup, and nobody tells the database so. A program that had read on until
/// noon asks again in the evening, when as many numbers have been drawn anew: what was drawn in between it would never read. It is told
/// that its cursor is of a time that is gone, reads anew, and has everything; one that had stopped before the backup reads on.
pub async fn whoever_read_beyond_a_backup_is_told_so_however_late_it_asks(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead], &["all"]);
    let ann = customer();
    let agreed = [store.agrees(&ann)];
    chain.take(&agreed);
    let mut come = |many: usize| {
        let visits: Vec<String> = (0..many).map(|_| visit()).collect();
        let told: Vec<_> = visits.iter().map(|one| store.visit(one, &ann, 1, "open")).collect();
        (visits, told)
    };
    let (morning, told) = come(5);
    chain.take(&told);
    chain.keep();
    let (_, early) = read_on(&chain, &key, String::new(), 100).await;
    let (middle, _) = read_on(&chain, &key, String::new(), 3).await;
    let first = chain.get("/visits?limit=3", &key).await.ok();
    let within = first["next"].as_str().expect("a text").to_owned();
    assert_eq!((morning.len(), middle.len()), (5, 5));
    let backup = chain.backup();
    let (mut anew, again) = come(4);
    chain.take(&again);
    chain.keep();
    let (_, noon) = read_on(&chain, &key, early.clone(), 100).await;
    chain.end().await;

    let mut chain = backup.go_on().await;
    let refused = chain.get(&format!("/visits?since={noon}"), &key).await;
    assert_eq!(refused.refusal(), (410, "read-anew"), "numbers have not come so far");
    // The store is asked for what is missing, and goes on.
    let (more, told) = come(6);
    anew.extend(more);
    for told in told.chunks(4).chain([&again[..]]) {
        chain.take(told);
        chain.keep();
    }
    let (lines, evening) = read_on(&chain, &key, early, 100).await;
    assert_eq!(names(&lines).into_iter().collect::<BTreeSet<_>>(), anew.iter().cloned().collect());
    assert_eq!(read_on(&chain, &key, within, 100).await.0.len(), 12, "a cursor within a handful of before holds");
    let refused = chain.get(&format!("/visits?since={noon}"), &key).await;
    assert_eq!(refused.refusal(), (410, "read-anew"), "numbers have passed it by, under another mark");
    assert!(refused.body["detail"].as_str().expect("a sentence").contains("erase what does not come up again"));
    let (all, _) = read_on(&chain, &key, String::new(), 4).await;
    let wanted: BTreeSet<String> = morning.into_iter().chain(anew).collect();
    assert_eq!(names(&all).into_iter().collect::<BTreeSet<_>>(), wanted);
    assert!(read_on(&chain, &key, evening, 100).await.0.is_empty());
    chain.end().await;
}

/// Headquarters is updated from a version whose cursors named a number alone. A program goes on with the one that it has; one that nobody can
/// have got by then is refused, also when numbers have come so far.
pub async fn a_cursor_of_before_there_were_marks_holds_after_the_update(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead], &["all"]);
    let ann = customer();
    let mut told = vec![store.agrees(&ann)];
    told.extend((0..5).map(|_| store.visit(&visit(), &ann, 1, "open")));
    chain.take(&told);
    chain.keep();
    let mut engine = chain.place.open().expect("opens");
    // As the update finds it: numbers, and no mark of any.
    engine.execute("DELETE FROM change_marks", &[]).expect("written");
    let updated = "INSERT INTO change_marks(upto, mark) SELECT change, 0 FROM last_change";
    engine.execute(updated, &[]).expect("written");
    let last = "SELECT change FROM last_change";
    let last: u64 = engine.query(last, &[]).expect("answers")[0].get(0).expect("a number");
    let old = chain.get(&format!("/visits?since=c{}", last - 1), &key).await.ok();
    assert_eq!((old["visits"].as_array().map(Vec::len), &old["next"]), (Some(1), &format!("c{last}").into()));
    let told: Vec<_> = (0..3).map(|_| store.visit(&visit(), &ann, 1, "open")).collect();
    chain.take(&told);
    chain.keep();
    let (lines, next) = read_on(&chain, &key, format!("c{last}"), 2).await;
    assert!(lines.len() == 3 && next.contains('-'), "{next}: {lines:?}");
    for strange in [format!("c{}", last + 1), format!("c{last}-1f"), format!("c{}-1f", last + 1)] {
        let refused = chain.get(&format!("/visits?since={strange}"), &key).await;
        assert_eq!(refused.refusal(), (410, "read-anew"), "{strange}");
    }
    chain.end().await;
}

/// A visit is struck out, a scan moved to another visit, two cards joined: each visit on which that shows comes up again. When the
/// tables are made anew nothing does, since nothing changed.
pub async fn corrections_come_up_again_and_facts_made_again_do_not(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead], &["sh-001"]);
    let [one, two, three] = [(); 3].map(|()| visit());
    let [ann, bea] = [(); 2].map(|()| customer());
    let before = scan();
    let told = [
        store.agrees(&ann),
        store.agrees(&bea),
        store.visit(&one, &ann, 1, "open"),
        store.visit(&two, &bea, 1, "open"),
        store.visit(&three, &bea, 1, "open"),
        store.says(
            kind::SCAN,
            &one,
            &payload::Scan {
                scan: before.clone(),
                visit: one.clone(),
                phase: "before".into(),
                state: "finished".into(),
            },
        ),
        store.reading(&one, &before, "before", "35.0"),
    ];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, String::new(), 2).await;
    assert_eq!(lines.len(), 3);

    let moved = payload::Reassigned {
        what: "scan".into(),
        id: before.clone(),
        customer: None,
        visit: Some(two.clone()),
        phase: Some("after".into()),
        staff: "b-07".into(),
        reason: "another chair".into(),
    };
    let told = [store.says(kind::REASSIGNED, &before, &moved)];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, since, 100).await;
    assert_eq!(names(&lines).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([one.clone(), two.clone()]));
    let whole = chain.get(&format!("/stores/sh-001/visits/{two}"), &key).await.ok();
    assert_eq!((&whole["readings"][0]["value"], &whole["readings"][0]["phase"]), (&"35.0".into(), &"after".into()));
    let left = chain.get(&format!("/stores/sh-001/visits/{one}"), &key).await.ok();
    assert_eq!(left["readings"], serde_json::json!([]));

    let alias = payload::Alias { customer: ann.clone(), alias: bea.clone(), staff: "b-07".into() };
    let voided = payload::Voided {
        what: "visit".into(),
        id: one.clone(),
        restored: false,
        staff: "b-07".into(),
        reason: "a slip".into(),
    };
    let told = [store.says(kind::ALIAS, &ann, &alias), store.says(kind::VOIDED, &one, &voided)];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, since, 100).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line["content"]["customer"] == ann.as_str()), "{lines:?}");
    assert!(lines.iter().any(|line| line["visit"] == one.as_str() && line["content"]["voided"] == true));

    let shelves = Shelves::in_folder(chain.folder.path()).expect("the shelves");
    records::rebuild(&chain.place, &shelves).expect("made again");
    let (lines, since) = read_on(&chain, &key, since, 100).await;
    assert!(lines.is_empty(), "{lines:?}");
    let told = [store.visit(&three, &bea, 2, "closed")];
    chain.take(&told);
    chain.keep();
    let (lines, _) = read_on(&chain, &key, since, 100).await;
    assert_eq!((names(&lines), &lines[0]["content"]["state"]), (vec![three], &"closed".into()));
    chain.end().await;
}

/// The CRM shows a customer what came of a treatment: only what the product calls a change, with its error bar.
pub async fn a_visit_is_read_with_its_verdicts_and_error_bars(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead, Scope::ConsentsRead], &["sh-001"]);
    let (one, ann, before, after) = (visit(), customer(), scan(), scan());
    let told = [
        store.consent(&ann, "share_numbers", true),
        store.consent(&ann, "deliver_report", true),
        store.consent(&ann, "deliver_report", false),
        store.visit(&one, &ann, 1, "open"),
        store.reading(&one, &before, "before", "35.0"),
        store.reading(&one, &after, "after", "58.0"),
        store.comparison(&one, &before, &after),
        store.visit(&one, &ann, 2, "closed"),
    ];
    chain.take(&told);
    chain.keep();
    let whole = chain.get(&format!("/stores/sh-001/visits/{one}"), &key).await.ok();
    assert_eq!((&whole["state"], &whole["customer"]), (&"closed".into(), &ann.as_str().into()));
    assert_eq!(whole["readings"].as_array().expect("a list").len(), 2);
    assert_eq!(whole["readings"][1]["value"], "58.0", "its precision is kept");
    let items = &whole["comparisons"][0]["items"];
    assert_eq!((&items[0]["low"], &items[0]["high"]), (&18.5.into(), &27.5.into()), "{items}");
    assert_eq!(items[0]["verdict"], "improved");
    assert_eq!((&items[1]["verdict"], &items[1]["low"]), (&"not_comparable".into(), &Value::Null));
    let said = chain.get(&format!("/stores/sh-001/customers/{ann}/consents"), &key).await.ok();
    let stands: BTreeMap<&str, bool> = said["consents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["purpose"].as_str().expect("a text"), one["stands"] == true))
        .collect();
    assert_eq!(stands, BTreeMap::from([("share_numbers", true), ("deliver_report", false)]));
    let nobody = chain.get("/stores/sh-001/customers/nobody/consents", &key).await;
    assert_eq!(nobody.refusal(), (404, "no-such-customer"));
    chain.end().await;
}

/// One customer withdraws on the page of her report while her store is away, another is erased: from then on neither is told, and a
/// program that reads on hears that it must erase what it has.
pub async fn whoever_withdrew_or_was_erased_is_told_as_gone(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead, Scope::ConsentsRead], &["all"]);
    let ([one, two], [ann, bea]) = ([(); 2].map(|()| visit()), [(); 2].map(|()| customer()));
    let told = [
        store.agrees(&ann),
        store.agrees(&bea),
        store.visit(&one, &ann, 1, "closed"),
        store.visit(&two, &bea, 1, "closed"),
    ];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, String::new(), 100).await;
    assert!(lines.iter().all(|line| line["content"].is_object()), "{lines:?}");
    withdrew(&chain, &ann, &one, later(1_000));
    let (path, words) = (format!("/stores/sh-001/visits/{one}"), format!("/stores/sh-001/customers/{ann}/consents"));
    assert_eq!(chain.get(&path, &key).await.refusal(), (404, "no-such-visit"));
    assert_eq!(chain.get(&words, &key).await.ok()["consents"][0]["stands"], false);
    let (again, since) = read_on(&chain, &key, since, 100).await;
    assert_eq!(names(&again), [one.as_str()], "a program that reads on hears of it");
    assert!(again[0].get("content").is_none(), "{again:?}");

    chain.database.erase("sh-001", &bea, clock::now().wall).expect("erased");
    let (gone, _) = read_on(&chain, &key, since, 100).await;
    assert_eq!(names(&gone), [two.as_str()]);
    assert!(gone[0].get("content").is_none(), "{gone:?}");
    chain.end().await;
}

/// The store tells of everybody's visits that they were, since headquarters must know that to make sense of the rest. One customer agrees to
/// share her numbers, one says no, one says nothing at all, one was asked nothing before she is erased: a program hears of the first
/// alone, and of no id of the others; of the one whose visit was moved to somebody who shares nothing, that it must go; and of the
/// silent one as soon as she agrees.
pub async fn of_whoever_never_agreed_no_program_hears_a_thing(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::VisitsRead, Scope::ConsentsRead], &["all"]);
    let [ann, bea, cleo, dora] = [(); 4].map(|()| customer());
    let [one, two, three, four, moved] = [(); 5].map(|()| visit());
    let told = [
        store.agrees(&ann),
        store.consent(&bea, "share_numbers", false),
        store.consent(&bea, "deliver_report", true),
        store.visit(&one, &ann, 1, "open"),
        store.visit(&two, &bea, 1, "open"),
        store.visit(&three, &cleo, 1, "open"),
        store.visit(&four, &dora, 1, "open"),
        store.visit(&moved, &ann, 1, "open"),
        store.feedback(&three, &cleo, "call"),
    ];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, String::new(), 2).await;
    assert_eq!(names(&lines).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([one.clone(), moved.clone()]));
    assert!(lines.iter().all(|line| line["content"]["customer"] == ann.as_str()), "{lines:?}");
    for visit in [&two, &three, &four] {
        let answer = chain.get(&format!("/stores/sh-001/visits/{visit}"), &key).await;
        assert_eq!(answer.refusal(), (404, "no-such-visit"));
    }
    for customer in [&bea, &cleo, &dora] {
        let answer = chain.get(&format!("/stores/sh-001/customers/{customer}/consents"), &key).await;
        assert_eq!(answer.refusal(), (404, "no-such-customer"), "not even that she said no");
    }

    chain.database.erase("sh-001", &dora, clock::now().wall).expect("erased");
    let reassigned = payload::Reassigned {
        what: "visit".into(),
        id: moved.clone(),
        customer: Some(bea.clone()),
        visit: None,
        phase: None,
        staff: "b-07".into(),
        reason: "another customer".into(),
    };
    let told = [store.says(kind::REASSIGNED, &moved, &reassigned), store.visit(&two, &bea, 2, "closed")];
    chain.take(&told);
    chain.keep();
    let (lines, since) = read_on(&chain, &key, since, 100).await;
    assert_eq!(names(&lines), [moved.as_str()], "what was told before must go; the erased one nobody has");
    assert!(lines[0].get("content").is_none(), "{lines:?}");

    let told = [store.agrees(&cleo)];
    chain.take(&told);
    chain.keep();
    let (lines, _) = read_on(&chain, &key, since, 100).await;
    assert_eq!((names(&lines), &lines[0]["content"]["customer"]), (vec![three], &cleo.as_str().into()));
    let said = chain.get(&format!("/stores/sh-001/customers/{cleo}/consents"), &key).await.ok();
    assert_eq!(said["consents"][0]["stands"], true);
    chain.end().await;
}

/// What the desk does when a customer withdraws on a report's page.
pub fn withdrew(chain: &Chain, customer: &str, visit: &str, at: Timestamp) {
    let mut engine = chain.place.open().expect("opens");
    let found = Found {
        store: "sh-001".to_owned(),
        gateway: "sh-001-g1".to_owned(),
        report: "r".to_owned(),
        visit: visit.to_owned(),
        customer: customer.to_owned(),
        expires: later(1_000_000),
        sheet: Sheet::default(),
    };
    let said =
        Said { id: clock::mint(FeedbackId::from_bits), topic: Topic::Withdraw, stars: None, words: String::new() };
    let heard = reports::say(&mut *engine, &found, &[said], at).expect("written");
    assert!(matches!(heard, Heard::Kept));
}
