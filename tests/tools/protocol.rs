//! Writing a protocol file: begun by `new`, tried on a line, mended by what the program says.

use super::program::{Running, ended, skinlink};
use std::{fs, path::Path, process::Stdio, time::Instant};

fn new(protocols: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = skinlink(&["protocol", "new", "my-pen", "--protocols"]);
    ended(command.arg(protocols).args(more))
}

#[test]
fn a_new_protocol_is_sound_up_to_its_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let answers =
        ["--title-zh", "我的水分笔", "--title-en", "My moisture pen", "--source", "manual, page 3", "--command", "?"];
    // Nobody is there to be asked: defaults are taken on demand only, and told.
    let (code, _, stderr) = new(folder.path(), &answers);
    assert!(code == 1 && stderr.contains("no terminal to ask in"), "{stderr}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let answers = [answers.as_slice(), &["--yes"]].concat();
    let (code, said, stderr) = new(folder.path(), &answers);
    assert!(code == 0 && said.contains("protocol try my-pen"), "{said}{stderr}");
    assert!(said.contains("taken by default") && said.contains("between the columns of a line 分隔符: ,"), "{said}");
    let file = fs::read_to_string(folder.path().join("my-pen/protocol.toml")).unwrap();
    assert!(file.starts_with("#:schema ") && file.contains("我的水分笔"), "{file}");
    let place = folder.path().to_str().unwrap();
    let (code, verdict, _) = ended(&mut skinlink(&["protocol", "test", "my-pen", "--protocols", place]));
    assert!(code == 1 && verdict.contains("sound, but it has no vectors"), "{verdict}");
    assert_eq!(ended(&mut skinlink(&["protocol", "list", "--protocols", place])).0, 0);
    let (code, _, stderr) = new(folder.path(), &answers);
    assert!(code == 1 && stderr.contains("is there already"), "{stderr}");
}

#[test]
fn answers_that_make_no_file_are_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, told) in [
        (["--framing", "morse"], "start-length-end, fixed-length, delimited"),
        (["--baud", "fast"], "whole number"),
        (["--checksum", "crc16"], "CRC-16"),
        (["--width", "u17"], "u16be"),
        (["--usb", "keyboard"], "1A86:7523"),
    ] {
        let (code, _, stderr) = new(folder.path(), &[wrong.as_slice(), &["--yes"]].concat());
        assert!(code == 1 && stderr.contains(told), "{wrong:?}: {stderr}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{wrong:?} wrote something");
    }
}

/// The time was over and the port had never been there: "0 frames understood", and the exit code of a good end.
#[test]
fn a_port_that_was_never_there_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let mut command = skinlink(&["protocol", "try", "moist-line", "--seconds", "1", "--port"]);
    let (code, said, _) = ended(command.arg(&nowhere));
    assert!(code == 1 && said.contains("0 frames understood"), "{code}: {said}");
    let _device = Running::device(&["moist-line"], &nowhere);
    let mut command = skinlink(&["protocol", "try", "moist-line", "--seconds", "1", "--port"]);
    assert_eq!(ended(command.arg(&nowhere)).0, 0);
}

/// Only three kinds of frames could be begun; for the others people invented start bytes and threw them away again.
#[test]
fn every_kind_of_frame_can_be_begun() {
    for kind in ["delimited", "start-length-end", "fixed-length", "cobs", "slip", "escaped", "silence"] {
        let folder = tempfile::tempdir().unwrap();
        let (code, said, stderr) = new(folder.path(), &["--framing", kind, "--yes"]);
        assert!(code == 0, "{kind}: {said}{stderr}");
    }
    let folder = tempfile::tempdir().unwrap();
    let bare = ["--framing", "silence", "--matches", "-", "--command", "01", "--yes"];
    let (code, said, stderr) = new(folder.path(), &bare);
    assert!(code == 0, "{said}{stderr}");
}

/// The file as someone left it: four mistakes, each told with its line, a mark and a remedy.
#[test]
fn mistakes_are_told_with_line_and_mark_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("pen")).unwrap();
    let file = r#"schema = 1
id = "pen"
version = "1"
title = { zh = "笔", en = "Pen" }
source = "manual"
[transport.serial]
bauds = 9600
[framing]
kind = "delimeted"
[[message]]
name = "value"
match = "M"
field = [{ metric = "moisture", width = "decimals", unit = "%" }]
[[metric]]
id = "moisture"
"#;
    fs::write(folder.path().join("pen/protocol.toml"), file).unwrap();
    let place = folder.path().to_str().unwrap();
    let (code, said, _) = ended(&mut skinlink(&["protocol", "test", "--protocols", place]));
    assert_eq!(code, 1);
    for part in [
        "protocol.toml:7:1: transport.serial.bauds: is no key of this table; did you mean \"baud\"?",
        "    7 | bauds = 9600\n      | ^^^^^",
        "    9 | kind = \"delimeted\"\n      |        ^^^^^^^^^^^",
        "did you mean \"delimited\"?",
        "   13 | field = [{ metric = \"moisture\", width = \"decimals\", unit = \"%\" }]\n      |                                         ^^^^^^^^^^",
    ] {
        assert!(said.contains(part), "{part}\n---\n{said}");
    }
    fs::write(folder.path().join("pen/protocol.toml"), "schema = 1\nid = pen\n").unwrap();
    let (_, said, _) = ended(&mut skinlink(&["protocol", "test", "--protocols", place]));
    assert!(said.contains("protocol.toml:2:6"), "{said}");
}

#[test]
fn a_file_is_tried_live_read_again_when_saved_and_ctrl_c_ends_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    // The seed decides which bit is wrong. By 5 it is one in a digit of the value, in both frames: "M,0001,17.0,%*5F" and
    // "M,0002,18.6,%*55". By another it may be one without which nothing is understood at all.
    let mut device = Running::device(&["moist-line", "--seed", "5", "--faults", "wrong-checksum=1"], &port);
    let file = folder.path().join("moist-line/protocol.toml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols/moist-line/protocol.toml"));
    let text = text.unwrap();
    fs::write(&file, &text).unwrap();
    let mut command = skinlink(&["protocol", "try"]);
    let child = command.arg(&file).arg("--port").arg(&port).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut tried = Running(child.unwrap());
    tried.until("is open at 9600 baud");
    device.say("press moisture chin");
    let row = tried.until("checksum is");
    assert!(row.contains("< 4D 2C 30 30 30 31 2C 31 37 2E 30") && row.contains("✗ checksum is"), "{row}");
    // The checksum is taken out of the file: the same frames are understood as far as they go.
    let without: String =
        text.lines().filter(|line| !line.starts_with("checksum")).map(|line| format!("{line}\n")).collect();
    // Saved at once, as an editor does: half a file is not sound, and no mistake of this test's.
    let saved = folder.path().join("saved");
    fs::write(&saved, without).unwrap();
    fs::rename(&saved, &file).unwrap();
    tried.until("the file was read again");
    device.say("press moisture chin");
    let row = tried.until("constant");
    assert!(row.contains("< 4D 2C 30 30 30 32 2C 31 38 2E 36") && !row.contains("checksum"), "{row}");
    tried.say("sebum");
    tried.until("it can be asked for moisture");
    let begun = Instant::now();
    tried.interrupt();
    let end = tried.until("bytes in");
    assert!(end.contains("0 frames understood, 2 not"), "{end}");
    let code = tried.0.wait().unwrap().code();
    assert_eq!(code, Some(0));
    println!("Ctrl-C: ended after {:?}", begun.elapsed());
}
