//! `skinlink-hq people`, as an administrator types it.

use crate::house::PASSWORD;
use skinlink::hq::database::{Database, Place};
use std::{fs, path::Path, process::Command};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn people(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command
        .arg("people")
        .args(["--data".as_ref(), folder.as_os_str()])
        .args(arguments)
        .stdin(std::process::Stdio::null());
    let done = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: done.status.code(), out: text(&done.stdout), err: text(&done.stderr) }
}

/// The first administrator is let in, lets others in, mistypes some things, and keeps one out again.
#[test]
fn people_are_let_in_listed_and_kept_out_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, data) = (folder.path().join("password"), folder.path().join("hq"));
    fs::write(&file, format!("{PASSWORD}\n")).expect("a file");
    let file = file.to_str().expect("a path");
    // Before any receiver ran there is nothing to be let into.
    let early = people(&data, &["list"]);
    assert!(early.code == Some(1) && early.err.contains("start skinlink-hq run once"), "{}", early.err);
    drop(Database::at(&Place::in_folder(&data), &data, 1 << 20).expect("a receiver was here"));

    let add = |name: &str, role: &str, stores: &str| {
        people(&data, &["add", name, "--role", role, "--stores", stores, "--password-file", file])
    };
    let first = add("wang", "administrator", "all");
    assert_eq!(
        (first.code, first.out.as_str()),
        (Some(0), "wang may log in as administrator, stores: all\n"),
        "{}",
        first.err
    );
    assert_eq!(add("li-na", "analyst", "sh-002,sh-001").code, Some(0));
    for (wrong, why) in [
        (add("li-na", "analyst", "all"), "known already"),
        (add("Li Na", "analyst", "all"), "no name to log in with"),
        (add("zhao", "boss", "all"), "known are analyst"),
        (add("zhao", "analyst", "Shop 1"), "is no store"),
        (people(&data, &["password", "nobody", "--password-file", file]), "nobody is called nobody"),
        (people(&data, &["add", "zhao", "--role", "analyst", "--stores", "all"]), "no terminal"),
    ] {
        assert!(wrong.code.is_some_and(|code| code > 0) && wrong.err.contains(why), "{why}: {}", wrong.err);
    }
    let short = folder.path().join("short");
    fs::write(&short, "secret").expect("a file");
    let weak = people(&data, &["password", "li-na", "--password-file", short.to_str().expect("a path")]);
    assert!(weak.code == Some(1) && weak.err.contains("10 to 200 characters"), "{}", weak.err);
    assert_eq!(people(&data, &["disable", "li-na"]).out, "li-na is kept out\n");
    // Who forgot the password of somebody who left does not let them in again by it.
    let set = people(&data, &["password", "li-na", "--password-file", file]);
    assert!(set.code == Some(0) && set.out.contains("kept out still: skinlink-hq people enable li-na"), "{}", set.out);
    assert!(people(&data, &["list"]).out.lines().any(|line| line.starts_with("li-na ") && line.ends_with("disabled")));
    assert_eq!(people(&data, &["enable", "li-na"]).out, "li-na may log in again\n");
    assert!(!people(&data, &["list"]).out.contains("disabled"));
    let set = people(&data, &["password", "li-na", "--password-file", file]);
    assert_eq!(set.out, "li-na: the new password holds\n");
    // She has another task, at the same stores; the audit is of all of them.
    let role = |arguments: &[&str]| people(&data, &[&["role", "li-na"], arguments].concat());
    assert_eq!(role(&["--role", "operator"]).out, "li-na is operator now, stores: sh-001,sh-002\n");
    let few = role(&["--role", "protection"]);
    assert!(few.code == Some(1) && few.err.contains("give --stores all"), "{}", few.err);
    assert_eq!(role(&["--role", "protection", "--stores", "all"]).out, "li-na is protection now, stores: all\n");
    assert_eq!(role(&["--role", "analyst", "--stores", "sh-002,sh-001"]).code, Some(0));
    assert!(people(&data, &["role", "nobody", "--role", "analyst"]).err.contains("nobody is called nobody"));
    assert!(people(&data, &["enable", "nobody"]).err.contains("nobody is called nobody"));
    people(&data, &["disable", "li-na"]);
    let verified = people(&data, &["verify"]);
    assert_eq!((verified.code, verified.out.as_str()), (Some(0), "10 rows; the chain is whole\n"), "{}", verified.err);
    let list = people(&data, &["list"]).out;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["li-na", "analyst", "sh-001,sh-002", "disabled"], vec!["wang", "administrator", "all"]]);
    let mut engine = Place::in_folder(&data).open().expect("the database");
    engine.execute("UPDATE people_audit SET about = 'zhao analyst all' WHERE n = 2", &[]).expect("changed");
    let broken = people(&data, &["verify"]);
    assert!(
        broken.code == Some(1) && broken.err.contains("breaks at row 2") && broken.err.contains("backup"),
        "{}",
        broken.err
    );
    // Nowhere is the password itself.
    for entry in fs::read_dir(&data).expect("the folder") {
        let bytes = fs::read(entry.expect("an entry").path()).unwrap_or_default();
        assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()));
    }
}
