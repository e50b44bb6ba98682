//! Good manners in a shell: a reader that goes away, codes that mean something, help that says so.

use super::program::{ended, skinlink, wait};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

/// Every command that prints more than a line and ends by itself.
const TALKERS: &[&[&str]] = &[
    &["--help"],
    &["protocol", "--help"],
    &["protocol", "list"],
    &["protocol", "show", "derma-reference"],
    &["protocol", "test"],
    &["protocol", "schema"],
    &["devices", "--config", "/nonexistent"],
    &["devices", "--config", "/nonexistent", "--json", "--port", "/nonexistent/port"],
    &["check", "--config", "config/gateway.toml"],
    &["check", "--config", "config/gateway.toml", "--json"],
    &["model", "list"],
];

#[test]
fn a_reader_that_has_seen_enough_ends_every_command_quietly() {
    for arguments in TALKERS {
        let mut child = skinlink(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        // The pipe is closed now, as by `| head -1`.
        let output = wait(child);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        assert!(output.status.code().is_some_and(|code| code < 3), "{arguments:?}: {:?}", output.status);
    }
}

/// `2>&1 | head` closes both.
#[test]
fn a_fault_that_nobody_reads_keeps_its_code() {
    for arguments in [["protocol", "show", "no-such-device"], ["simulate", "moist-line", "--faults=smoke"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = skinlink(&arguments).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        let code = wait(child).status.code();
        assert!(matches!(code, Some(1 | 2)), "{arguments:?}: {code:?}");
    }
}

#[test]
fn exit_codes_tell_a_fault_from_a_wrong_command() {
    let codes = [
        (vec!["protocol", "list"], 0),
        (vec!["protocol", "show", "derma-reference"], 0),
        (vec!["protocol", "show", "derma"], 1),
        (vec!["protocol", "test", "moist-line"], 0),
        (vec!["protocol", "try"], 2),
        (vec!["protocol", "try", "moist-line", "--port", "/tmp/x", "--baud", "7"], 2),
        (vec!["simulate"], 2),
        (vec!["simulate", "moist-line", "--faults", "smoke"], 2),
        (vec!["simulate", "no-such-device"], 1),
        (vec!["devices", "record", "--port", "/tmp/x", "--into", "/tmp/y"], 2),
        (vec!["devices", "--config", "Cargo.toml"], 2),
        (vec!["check", "--config", "/nonexistent"], 2),
        (vec!["nonsense"], 2),
    ];
    for (arguments, code) in codes {
        let (found, stdout, stderr) = ended(&mut skinlink(&arguments));
        assert_eq!(found, code, "{arguments:?}: {stdout}{stderr}");
        assert!(code == 0 || !stderr.is_empty() || !stdout.is_empty(), "{arguments:?} fails without a word");
    }
}

#[test]
fn a_wrong_fault_is_answered_with_the_right_ones() {
    let (_, _, stderr) = ended(&mut skinlink(&["simulate", "moist-line", "--faults", "smoke"]));
    for word in ["smoke", "wrong-checksum", "lying-identify", "unplug"] {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}
