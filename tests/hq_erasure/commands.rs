//! The same by hand, at headquarters' terminal: the real program on the database that the receiver filled.

use super::{Salon, id, sides::Side};
use skinlink::{
    domain::{CaptureId, CustomerId},
    hq::office::audit,
};
use std::{
    fs,
    process::{Command, Output, Stdio},
};

/// What the program answers: exit code, standard output, what it says on the standard error.
fn says(salon: &Salon, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let data = salon.folder.path().display().to_string();
    says_at(&salon.place.to_string(), &[arguments, &["--data", &data]].concat())
}

/// The same, the database alone named.
fn says_at(database: &str, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command.args(["--log", "error"]).args(arguments).args(["--database", database]).stdin(Stdio::null());
    // Root, by the rights that Wang asked for.
    command.env("SUDO_USER", "wang").env("USER", "root");
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    (status.code().expect("it ends by itself"), stdout, String::from_utf8(stderr).expect("text"))
}

pub fn done(salon: &Salon, arguments: &[&str]) -> String {
    let (code, said, complaint) = says(salon, arguments);
    assert_eq!(code, 0, "{arguments:?}: {complaint}");
    String::from_utf8(said).expect("text")
}

pub fn an_operator_shows_archives_brings_back_and_erases(side: Side) {
    let mut salon = Salon::new(side);
    salon.now = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let (person, other) = (id(CustomerId::from_bits), id(CustomerId::from_bits));
    let (visit, others) = (salon.visit(&person), salon.visit(&other));
    let (scan, theirs) = (salon.scan(&visit), salon.scan(&others));
    salon.reading(&visit, &scan, "11.1");
    salon.reading(&others, &theirs, "44.4");
    let (capture, kept) = (salon.picture(&visit), salon.picture(&others));
    salon.keep();

    let stores = done(&salon, &["stores"]);
    assert!(stores.contains("sh-001-g1"), "{stores}");
    let picture = |salon: &Salon, capture: &str| {
        says(salon, &["picture", "--gateway", "sh-001-g1", "--capture", capture, "--role", "report"])
    };
    assert_eq!(picture(&salon, &capture), (0, vec![7; 70_000], String::new()), "opened, bit for bit");

    let moved = done(&salon, &["archive", "--before", "2026-04"]);
    assert!(moved.starts_with("6 events moved") && moved.contains("2026-03  6 events"), "{moved}");
    assert!(done(&salon, &["archive", "--show", "2026-03"]).contains("11.1"));
    let (code, _, complaint) = says(&salon, &["archive", "--before", "March"]);
    assert!(code == 2 && complaint.contains("March"), "{complaint}");

    let store = salon.gateway.address.store.clone();
    let receipt = done(&salon, &["erase", "--store", &store, "--customer", &person]);
    assert_eq!(receipt, "erased: 1 ids, 1 visits, 3 events, 1 pictures\n");
    let (code, nothing, complaint) = picture(&salon, &capture);
    assert!(code == 1 && nothing.is_empty() && complaint.contains(&capture), "{complaint}");
    assert_eq!(picture(&salon, &kept).0, 0, "the other's is where it was");
    let shown = done(&salon, &["archive", "--show", "2026-03"]);
    assert!(!shown.contains("11.1") && !shown.contains(&visit) && shown.contains("44.4"), "{shown}");

    let back = done(&salon, &["replay", "--month", "2026-03"]);
    assert_eq!(back, "6 events are in the database again\n");
    assert_eq!(done(&salon, &["archive"]), "", "nothing is away any more");
    let made = done(&salon, &["rebuild"]);
    assert!(made.ends_with("events read\n"), "{made}");
    assert_eq!(salon.texts("SELECT value FROM readings"), ["44.4"]);
    let raw = salon.raw();
    assert!(!raw.contains("11.1") && !raw.contains(&visit), "{raw}");

    // Whoever opened a photograph here, printed a month or erased somebody stood nowhere; now what was shown or done does, and what failed,
    // or showed nothing of customers, does not.
    let audit = salon.texts("SELECT who || ' · ' || what || ' · ' || about FROM people_audit ORDER BY n");
    let wang = |what: &str| format!("command line (wang) · {what}");
    assert_eq!(
        audit,
        [
            wang(&format!("picture opened · sh-001-g1 {capture} report")),
            wang("month shown · 2026-03"),
            wang(&format!("customer erased · {store} {person}")),
            wang(&format!("picture opened · sh-001-g1 {kept} report")),
            wang("month shown · 2026-03"),
        ]
    );
    let mut engine = salon.place.open().expect("the database opens");
    assert_eq!(audit::verify(&mut *engine).expect("an answer"), Ok(5), "the chain is whole");
}

/// A wrong path, a wrong id, a wrong key: each is said, and nothing is done as if it were right.
pub fn what_an_operator_mistypes_is_said_and_changes_nothing(side: Side) {
    let mut salon = Salon::new(side);
    salon.now = "2026-03-05T10:00:00.000Z".parse().expect("a time");
    let visit = salon.visit(&id(CustomerId::from_bits));
    let capture = salon.picture(&visit);
    salon.keep();
    let store = salon.gateway.address.store.clone();

    let place = salon.place.to_string();
    for reading in [&["stores"][..], &["tail", "--no-follow"], &["replay", "--list"]] {
        let (code, _, complaint) = says_at(&place, reading);
        assert_eq!(code, 0, "{reading:?} needs no shelf: {complaint}");
    }
    let mut unreadable = salon.gateway.batch(99, &[salon.gateway.event(99)]);
    unreadable.payload.truncate(40);
    salon.take(unreadable);
    let listed = || String::from_utf8(says_at(&place, &["alarms"]).1).expect("text");
    let listed_before = listed();
    let found = ["unreadable batch", "bytes of it are kept"].map(|word| listed_before.contains(word));
    assert_eq!(found, [true, true], "{listed_before}");
    let n = listed_before.split_whitespace().next().expect("its number").to_owned();
    let (code, said, complaint) = says_at(&place, &["alarms", "--done", &n]);
    assert!(code == 0 && said.ends_with(b"taken out\n"), "{complaint}");
    for wrong in [&["alarms", "--done", &n][..], &["words", "--done", "f-1"]] {
        let (code, said, complaint) = says_at(&place, wrong);
        assert!(code == 1 && said.is_empty() && complaint.contains("lists"), "{wrong:?}: {complaint}");
    }
    assert_eq!(listed(), "no alarm\n");
    let nobody = id(CustomerId::from_bits);
    let (code, said, complaint) = says(&salon, &["erase", "--store", &store, "--customer", &nobody]);
    assert!(code == 1 && said.is_empty() && complaint.contains(&nobody), "{complaint}");
    assert!(salon.texts("SELECT customer FROM erasures").is_empty());
    let other = id(CaptureId::from_bits);
    let (code, _, complaint) = says(&salon, &["picture", "--gateway", "sh-001-g1", "--capture", &other]);
    assert!(code == 1 && complaint.contains("no verified picture"), "{complaint}");

    let elsewhere = tempfile::tempdir().expect("a folder");
    let (stray, absent) = (elsewhere.path().join("stray.key"), elsewhere.path().join("absent.key"));
    fs::write(&stray, "7".repeat(64)).expect("writable");
    let commands: [&[&str]; 5] = [
        &["archive", "--before", "2026-04"],
        &["rebuild"],
        &["replay", "--month", "2026-03"],
        &["erase", "--store", &store, "--customer", &nobody],
        &["picture", "--gateway", "sh-001-g1", "--capture", &capture],
    ];
    for command in commands {
        for (key, expected) in [(&stray, "is not the one"), (&absent, "there is no chain key")] {
            let key = key.display().to_string();
            let (code, _, complaint) = says(&salon, &[command, &["--chain-key-file", &key]].concat());
            assert!(code == 1 && complaint.contains(expected), "{command:?}: {complaint}");
        }
    }
    assert!(!absent.exists(), "no key is made by the way");
    assert_eq!(salon.texts("SELECT visit FROM visits"), [visit]);
    assert!(salon.texts("SELECT what FROM people_audit").is_empty(), "nothing was shown or done");
    assert_eq!(salon.objects("archive"), 0);

    let wrong = elsewhere.path().join("hq.sqlit");
    let data = salon.folder.path().display().to_string();
    for command in [&["rebuild"][..], &["replay"], &["archive"], &["stores"]] {
        let (code, _, complaint) =
            says_at(&format!("sqlite:{}", wrong.display()), &[command, &["--data", &data]].concat());
        assert!(code == 1 && complaint.contains("hq.sqlit"), "{command:?}: {complaint}");
    }
    assert!(!wrong.exists());

    // An older program's database, looked at before a receiver of this one was here.
    let older = match side {
        Side::Sqlite => "PRAGMA user_version = 6",
        Side::Postgres => "DELETE FROM schema_version WHERE version = (SELECT max(version) FROM schema_version)",
    };
    let mut engine = salon.place.open().expect("the database opens");
    engine.execute(older, &[]).expect("it is an older one");
    for reading in [&["stores"][..], &["tail", "--no-follow"], &["replay", "--list"], &["alarms"], &["words"]] {
        let (code, _, complaint) = says_at(&place, reading);
        assert!(
            code == 1 && complaint.contains("start skinlink-hq run of this version once"),
            "{reading:?}: {complaint}"
        );
    }
}
