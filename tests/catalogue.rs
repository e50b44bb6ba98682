//! The catalogue keeps its word: every folder of `firmware-protocols/` has a sound file, notes, and vectors that hold and prove
//! every message, command and code. A new protocol is walked by being there. That the walk catches what it should is shown on
//! folders spoilt on purpose.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use skinlink::protocol::{Spec, Vector, check_vector, proof::unproved};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Headings that notes must have.
const PARTS_OF_NOTES: [&str; 2] = ["## Learnt from", "## Unsure"];

fn catalogue() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols")
}

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(catalogue()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// All that is wrong with a folder, a sentence each.
fn faults(folder: &Path) -> Vec<String> {
    let id = folder.file_name().unwrap().to_str().unwrap();
    let mut faults = Vec::new();
    let spec = match fs::read_to_string(folder.join("protocol.toml")) {
        Ok(text) => Spec::parse(id, &text).map_err(|found| faults.push(found.to_string())).ok(),
        Err(fault) => {
            faults.push(format!("{id}/protocol.toml: {fault}"));
            None
        }
    };
    match fs::read_to_string(folder.join("NOTES.md")) {
        Err(fault) => faults.push(format!("{id}/NOTES.md: {fault}")),
        Ok(notes) => {
            let lacks = PARTS_OF_NOTES.iter().filter(|part| !notes.contains(*part));
            faults.extend(lacks.map(|part| format!("{id}/NOTES.md: lacks {part:?}")));
        }
    }
    let vectors = vectors(folder, &mut faults);
    if let Some(spec) = spec {
        let fails = |vector: &Vector| check_vector(&spec, vector).err().map(|fault| format!("{id}/{vector}: {fault}"));
        faults.extend(vectors.iter().filter_map(fails));
        faults.extend(unproved(&spec, &vectors).into_iter().map(|open| format!("{id}: {open}")));
    }
    faults
}

fn vectors(folder: &Path, faults: &mut Vec<String>) -> Vec<Vector> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder.join("vectors")) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        match Vector::parse(path.file_name().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap()) {
            Ok(vector) => found.push(vector),
            Err(broken) => faults.push(broken.to_string()),
        }
    }
    found
}

#[test]
fn every_folder_keeps_its_word() {
    let folders = folders();
    assert!(folders.len() >= 10, "the walk found too little to prove anything: {}", folders.len());
    let all: Vec<String> = folders.iter().flat_map(|folder| faults(folder)).collect();
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

/// A copy of a good folder, spoilt by `spoil`.
fn spoilt(id: &str, spoil: impl FnOnce(&Path)) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join(id);
    fs::create_dir_all(copy.join("vectors")).unwrap();
    let original = catalogue().join(id);
    for name in ["protocol.toml", "NOTES.md"] {
        fs::copy(original.join(name), copy.join(name)).unwrap();
    }
    for entry in fs::read_dir(original.join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join("vectors").join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(faults(&copy), Vec::<String>::new(), "the copy itself is good");
    spoil(&copy);
    faults(&copy)
}

fn edited(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn without_vectors(folder: &Path, matching: &str) {
    let mut gone = 0;
    for entry in fs::read_dir(folder.join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        if fs::read_to_string(&path).unwrap().contains(matching) {
            fs::remove_file(path).unwrap();
            gone += 1;
        }
    }
    assert!(gone > 0, "no vector holds {matching:?}");
}

/// Exactly one fault, and it says this.
fn only(faults: &[String], wanted: &str) {
    assert!(faults.len() == 1 && faults[0].contains(wanted), "wanted {wanted:?}, found:\n{}", faults.join("\n"));
}

#[test]
fn a_folder_without_notes_is_caught() {
    only(&spoilt("moist-line", |folder| fs::remove_file(folder.join("NOTES.md")).unwrap()), "NOTES.md");
    let renamed = |folder: &Path| edited(&folder.join("NOTES.md"), "## Unsure", "## Sure");
    only(&spoilt("moist-line", renamed), "lacks \"## Unsure\"");
}

#[test]
fn a_folder_without_a_sound_or_a_broken_frame_is_caught() {
    only(&spoilt("moist-strip", |folder| without_vectors(folder, "fault = ")), "no broken frame");
    let faults = spoilt("moist-strip", |folder| without_vectors(folder, "expect = "));
    assert!(faults.iter().any(|fault| fault.contains("no sound frame")), "{faults:?}");
}

#[test]
fn a_message_or_command_that_nothing_proves_is_caught() {
    let message = |folder: &Path| without_vectors(folder, "message = \"identity\"");
    only(&spoilt("modbus-probe", message), "nothing proves the message \"identity\"");
    let command = |folder: &Path| without_vectors(folder, "command = \"read-values\"");
    only(&spoilt("modbus-probe", command), "nothing proves the command \"read-values\"");
}

#[test]
fn a_code_that_no_vector_shows_is_caught() {
    let absent = |folder: &Path| without_vectors(folder, "no temperature");
    let faults = spoilt("modbus-probe", absent);
    let says = |wanted: &str| faults.iter().any(|fault| fault.contains(wanted));
    assert!(says("temperature is absent; no vector shows it") && says("moisture is absent"), "{faults:?}");
    let status = |folder: &Path| without_vectors(folder, "below_limit");
    let faults = spoilt("sanko-mr300", status);
    assert!(faults.iter().any(|fault| fault.contains("can have the status below_limit")), "{faults:?}");
    let bit = |folder: &Path| without_vectors(folder, "0101RR");
    only(&spoilt("hanna-hi2222", bit), "temperature is absent; no vector shows it");
}

#[test]
fn an_unused_key_table_or_code_is_caught() {
    let cases = [
        (
            "moist-line",
            "baud = 9600",
            "baud = 9600\nbaudrate = 9600",
            "moist-line/protocol.toml:9: transport.serial.baudrate: is no key of this table",
        ),
        (
            "sanko-mr300",
            "[codes.limit]",
            "[codes.letters]\nok = \"K\"\n[codes.limit]",
            "codes.letters: no field uses this table",
        ),
        (
            "moist-line",
            "[[metric]]",
            "[[array]]\nname = \"spectrum\"\nlength = 3\n[[metric]]",
            "no field brings a part of it",
        ),
        (
            "moist-line",
            "[[metric]]",
            "[[metric]]\nid = \"sebum\"\n[[metric]]",
            "sebum is declared, but no message or formula gives it",
        ),
        (
            "moist-line",
            "[[metric]]",
            "[[error]]\ncode = 1\nadvice = { zh = \"x\", en = \"x\" }\n[[metric]]",
            "no message has a field with role = \"error\"",
        ),
        ("moist-strip", "{ role = \"count\", width = \"u8\" },", "", "go together; one of them is missing"),
        ("hanna-hi2222", "of = \"ph\"", "of = \"sebum\"", "a field speaks of sebum, which this message does not bring"),
    ];
    for (id, from, to, wanted) in cases {
        let faults = spoilt(id, |folder| edited(&folder.join("protocol.toml"), from, to)).join("\n");
        assert!(faults.contains(wanted), "{id}: wanted {wanted:?}, found:\n{faults}");
    }
}

#[test]
fn a_vector_that_does_not_hold_is_caught() {
    let wrong = |folder: &Path| edited(&folder.join("vectors/temperature.toml"), "31.92\"", "31.93\"");
    only(&spoilt("gy-mcu90614", wrong), "expected temperature");
    let accepted = |folder: &Path| edited(&folder.join("vectors/broken-type.toml"), "unknown_message", "checksum");
    only(&spoilt("gy-mcu90614", accepted), "must be refused with the fault \"checksum\"; found unknown_message");
    let unread = |folder: &Path| edited(&folder.join("vectors/broken-type.toml"), "fault =", "fualt =");
    let faults = spoilt("gy-mcu90614", unread).join("\n");
    assert!(faults.contains("fualt: is no key of this table; did you mean \"fault\"?"), "{faults}");
}

#[test]
fn a_folder_without_a_file_is_caught() {
    let faults = spoilt("moist-line", |folder| fs::remove_file(folder.join("protocol.toml")).unwrap());
    only(&faults, "protocol.toml");
}
