//! The same by hand, at headquarters' terminal: the real program on the database that the receiver filled.

use super::{Salon, id, sides::Side};
use skinlink::domain::CustomerId;
use std::process::{Command, Output, Stdio};

/// What the program answers: exit code, standard output, what it says on the standard error.
fn says(salon: &Salon, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command.args(["--log", "error"]).args(arguments).arg("--database").arg(salon.place.to_string());
    command.arg("--data").arg(salon.folder.path()).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    (status.code().expect("it ends by itself"), stdout, String::from_utf8(stderr).expect("text"))
}

fn done(salon: &Salon, arguments: &[&str]) -> String {
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
}
