//! From the field to a test: a line is recorded, the recording plays the device, and its frames become vectors.

use super::program::{Running, ended, skinlink, wait};
use skinlink::protocol::{listing::Side, recording::Recording};
use std::{fs, path::Path, process::Stdio};

fn recorded(folder: &Path, protocol: &str, port: &Path) -> String {
    let file = folder.join(format!("{protocol}.rec"));
    let mut command = skinlink(&["devices", "record", "--protocol", protocol, "--acknowledge", "--port"]);
    let child = command.arg(port).arg("--into").arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut recorder = Running(child.unwrap());
    recorder.until("is open at");
    for region in ["left_cheek", "chin"] {
        recorder.say(&format!("moisture {region}"));
        recorder.until("= measured moisture");
    }
    recorder.interrupt();
    let rest = recorder.until("play it: skinlink simulate --replay");
    assert!(rest.contains("frames understood, 0 not"), "{rest}");
    file.to_str().unwrap().to_owned()
}

fn values(text: &str) -> Vec<String> {
    let of = |line: &str| line.split("= measured moisture ").nth(1).map(|value| value.trim().to_owned());
    text.lines().filter_map(of).collect()
}

#[test]
fn a_recording_plays_the_device_and_its_frames_become_vectors_that_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for protocol in ["moist-line", "derma-reference"] {
        let folder = tempfile::tempdir().unwrap();
        let port = folder.path().join("port");
        let device = Running::device(&[protocol, "--seed", "5"], &port);
        let file = recorded(folder.path(), protocol, &port);
        drop(device);
        let recording = Recording::parse(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(recording.head.protocol_id(), Some(protocol));
        assert!(recording.pieces.iter().any(|piece| piece.from == Side::Device), "{recording:?}");

        // Never written over.
        let again = ["devices", "record", "--protocol", protocol, "--port", "/tmp/x", "--into", &file];
        assert_eq!(ended(&mut skinlink(&again)).0, 1);

        // The recording plays the device: a gateway that asks the same gets the same.
        let replayed = folder.path().join("replayed");
        let _device = Running::device(&["--replay", &file], &replayed);
        let mut command = skinlink(&["protocol", "try", protocol, "--acknowledge", "--port"]);
        let child = command.arg(&replayed).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut gateway = Running(child.unwrap());
        gateway.until("is open at");
        let mut text = String::new();
        for _ in 0..2 {
            gateway.say("moisture left_cheek");
            text += &gateway.until("= measured moisture");
            text += &gateway.until("\n");
        }
        let shown = values(&text);
        let held: Vec<String> = shown.iter().map(|value| value.split(' ').next().unwrap().to_owned()).collect();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(held.len(), 2, "{shown:?} of {text}");

        // Read again without a device: every frame is understood, and a file that has changed is held against it.
        let (code, rows, stderr) = ended(&mut skinlink(&["protocol", "replay", &file]));
        assert!(code == 0 && rows.contains("frames understood, 0 not"), "{rows}{stderr}");
        assert!(rows.contains(&format!("moisture {}", held[0])), "{held:?}: {rows}");
        let other = if protocol == "moist-line" { "derma-reference" } else { "moist-line" };
        let (code, rows, _) = ended(&mut skinlink(&["protocol", "replay", &file, "--protocol", other]));
        assert!(code == 1 && rows.contains("✗"), "{rows}");

        // Its frames become vectors beside a copy of the protocol file, and hold.
        let protocols = folder.path().join("protocols");
        fs::create_dir_all(protocols.join(protocol)).unwrap();
        let source = root.join("firmware-protocols").join(protocol).join("protocol.toml");
        fs::copy(source, protocols.join(protocol).join("protocol.toml")).unwrap();
        let place = protocols.to_str().unwrap();
        let (code, made, stderr) = ended(&mut skinlink(&["protocol", "vectors", &file, "--protocols", place]));
        assert_eq!(code, 0, "{made}{stderr}");
        assert!(made.contains("moisture-recorded.toml"), "{made}");
        let (code, verdicts, _) = ended(&mut skinlink(&["protocol", "test", protocol, "--protocols", place]));
        assert!(code == 0 && verdicts.contains("moisture-recorded holds"), "{verdicts}");
        let vector = fs::read_to_string(protocols.join(protocol).join("vectors/moisture-recorded.toml")).unwrap();
        assert!(vector.contains(&format!("value = \"{}\"", held[0])), "{held:?}: {vector}");
    }
}

#[test]
fn an_unknown_device_is_recorded_by_its_bytes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (port, file) = (folder.path().join("port"), folder.path().join("unknown.rec"));
    let mut device = Running::device(&["moist-line"], &port);
    let mut command = skinlink(&["devices", "record", "--baud", "9600", "--port"]);
    let child = command.arg(&port).arg("--into").arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut recorder = Running(child.unwrap());
    recorder.until("is open at");
    device.say("press moisture chin");
    let shown = recorder.until("*");
    assert!(shown.contains("M,000"), "the characters stand beside the bytes: {shown}");
    recorder.interrupt();
    assert_eq!(wait_code(&mut recorder), Some(0));
    let recording = Recording::parse(&fs::read_to_string(&file).unwrap()).unwrap();
    let bytes: Vec<u8> = recording.pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
    assert!(bytes.starts_with(b"M,0001,") && bytes.ends_with(b"\r\n"), "{recording:?}");
    assert_eq!(recording.head.protocol_id(), None);
    let (code, _, stderr) = ended(&mut skinlink(&["protocol", "vectors", file.to_str().unwrap()]));
    assert!(code == 1 && stderr.contains("--protocol ID"), "{stderr}");
}

fn wait_code(running: &mut Running) -> Option<i32> {
    let child = std::mem::replace(&mut running.0, skinlink(&["--version"]).stdout(Stdio::null()).spawn().unwrap());
    wait(child).status.code()
}
