//! `skinlink devices` and `skinlink check`: what is plugged in, why it cannot be opened, and how to configure it.

use super::{
    machine::Machine,
    program::{Running, ended, skinlink},
};
use serde_json::Value;
use skinlink::{config::Config, protocol::spec::UsbId};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
};
use tokio_serial::{SerialPort, SerialStream};

const ANALYSER: UsbId = UsbId { vendor: 0x1209, product: 0x0001 };
const STRANGER: UsbId = UsbId { vendor: 0x1a86, product: 0x7523 };

/// Plugs a pseudo-terminal in as a USB serial port; the first end is the device's.
fn plug(machine: &Machine, tty: &str, place: &str, usb: UsbId, serial: Option<&str>) -> (SerialStream, SerialStream) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let pair = SerialStream::pair().unwrap();
    machine.show(tty, place, usb, serial);
    symlink(pair.1.name().unwrap(), machine.dev(tty)).unwrap();
    pair
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

fn look(machine: &Machine, more: &[&str]) -> (i32, String, Value) {
    let (sysfs, dev) = (machine.sys(""), machine.dev(""));
    let places = ["--sysfs", sysfs.to_str().unwrap(), "--dev", dev.to_str().unwrap()];
    let has_config = more.contains(&"--config");
    let config: &[&str] = if has_config { &[] } else { &["--config", "/nonexistent"] };
    let arguments: Vec<&str> = ["devices"].iter().chain(&places).chain(config).chain(more).copied().collect();
    let (code, table, _) = ended(&mut skinlink(&arguments));
    // Lines are broken to the width of the terminal; here the words count.
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, json, stderr) = ended(skinlink(&arguments).arg("--json"));
    (code, table, serde_json::from_str(&json).unwrap_or_else(|fault| panic!("{fault}: {json}{stderr}")))
}

/// A configuration with this block is understood, and the block describes the device.
fn configuration(folder: &Path, block: &str) -> String {
    let text = format!(
        "[store]\nid = \"s\"\ngateway = \"s-g1\"\ndata = \"data\"\n[[station]]\nid = \"chair-1\"\nlabel = {{ zh = \"一\", en = \"1\" }}\n{block}\n[mqtt]\nenabled = false\n[scan]\nprotocols = \"{0}/firmware-protocols\"\nmetrics_file = \"{0}/config/metrics.toml\"\nregions_file = \"{0}/config/face-regions.toml\"\nmodels = \"{0}/models\"\n",
        env!("CARGO_MANIFEST_DIR")
    );
    let file = folder.join("gateway.toml");
    fs::write(&file, &text).unwrap();
    Config::parse(&text, "gateway.toml", folder).unwrap_or_else(|complaints| panic!("{complaints}"));
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_plugged_in_is_named_with_what_it_would_be_taken_for_and_a_block_that_is_understood() {
    let machine = Machine::new();
    let _analyser = plug(&machine, "ttyUSB0", "1-2", ANALYSER, Some("DR-0417"));
    let _stranger = plug(&machine, "ttyUSB1", "1-3", STRANGER, None);
    let (code, table, json) = look(&machine, &[]);
    assert_eq!(code, 0, "{table}");
    for part in [
        "USB 1209:0001",
        "serial number DR-0417",
        "taken for derma-reference",
        "its file lists USB 1209:0001",
        "free 空闲",
        "taken for nothing",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert_eq!(json[0]["taken_for"][0]["protocol"], "derma-reference");
    assert_eq!((&json[1]["taken_for"], &json[1]["block"]), (&Value::Array(vec![]), &Value::Null));
    let block = json[0]["block"].as_str().unwrap();
    assert!(block.contains("serial_number = \"DR-0417\"") && table.contains("serial_number = \"DR-0417\""), "{block}");

    let config = configuration(machine.folder.path(), block);
    let (_, table, json) = look(&machine, &["--config", &config]);
    assert_eq!(json[0]["configured"]["station"], "chair-1");
    assert!(table.contains("configured: derma-reference at chair-1") && json[0]["block"].is_null(), "{table}");
}

#[test]
fn twins_are_asked_about_and_each_gets_a_block_of_its_own() {
    let machine = Machine::new();
    let _twins = ["1-2", "1-3"].map(|place| {
        let tty = if place == "1-2" { "ttyUSB0" } else { "ttyUSB1" };
        plug(&machine, tty, place, ANALYSER, Some("0001"))
    });
    let (code, table, json) = look(&machine, &[]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("cannot be told from") && table.contains("无法区分"), "{table}");
    let blocks = [&json[0]["block"], &json[1]["block"]].map(|block| block.as_str().unwrap().to_owned());
    assert!(blocks.iter().all(|block| block.contains("path = \"/dev/serial/by-path/pci-")) && blocks[0] != blocks[1]);
    let config = configuration(machine.folder.path(), &blocks.concat());
    assert!(fs::read_to_string(config).unwrap().contains("usb-0:3:1.0"));
}

#[test]
fn asked_a_device_says_who_it_is() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    let port = folder.path().join("port");
    let _device = Running::device(&["derma-reference", "--serial", "DR-0418"], &port);
    machine.show("ttyUSB0", "1-2", ANALYSER, None);
    symlink(&port, machine.dev("ttyUSB0")).unwrap();
    let (code, table, json) = look(&machine, &["--ask"]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("it says: serial number DR-0418, probe P-22"), "{table}");
    assert_eq!(json[0]["taken_for"][0]["says"]["serial"], "DR-0418");
    assert!(json[0]["block"].as_str().unwrap().contains("serial_number = \"DR-0418\""));
}

#[test]
fn busy_absent_and_forbidden_are_three_sentences_in_two_languages_here_and_in_check() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    // Held by this very test.
    let _device = plug(&machine, "ttyUSB0", "1-2", ANALYSER, Some("A"));
    let held = nix::fcntl::Flock::lock(
        fs::File::open(machine.dev("ttyUSB0")).unwrap(),
        nix::fcntl::FlockArg::LockExclusiveNonblock,
    );
    let held = held.map_err(|(_, fault)| fault).unwrap();
    let busy = machine.dev("ttyUSB0");
    let absent = folder.path().join("nothing-here");
    let (_device_2, far_end_2) = plug(&machine, "ttyUSB1", "1-3", ANALYSER, Some("B"));
    let forbidden = far_end_2.name().unwrap();
    fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();

    let cases = [
        ("busy", busy.to_str().unwrap(), "其他程序", "Another program uses the device"),
        ("absent", absent.to_str().unwrap(), "未连接", "The device is not connected"),
        ("forbidden", forbidden.as_str(), "dialout", "adds its user to the group dialout"),
    ];
    for (word, port, zh, en) in cases {
        let mut command =
            skinlink(&["devices", "--config", "/nonexistent", "--sysfs", "/nonexistent", "--json", "--port", port]);
        if word == "forbidden" && is_root() {
            // Root may open anything: as nobody the gateway's own user is played.
            command.uid(65_534).gid(65_534);
        }
        let (code, json, stderr) = ended(&mut command);
        let json: Value = serde_json::from_str(&json).unwrap_or_else(|fault| panic!("{fault}: {stderr}"));
        assert_eq!((code, json[0]["state"].as_str()), (1, Some(word)), "{json}");
        let advice = &json[0]["advice"];
        assert!(advice["zh"].as_str().unwrap().contains(zh) && advice["en"].as_str().unwrap().contains(en), "{json}");
        if word == "busy" {
            let holder = json[0]["held_by"][0]["pid"].as_u64().unwrap();
            assert_eq!(holder, u64::from(std::process::id()), "who holds it is named");
        }
    }
    for (word, port, zh, en) in &cases[..2] {
        let block = format!("[[device]]\nstation = \"chair-1\"\nprotocol = \"derma-reference\"\npath = \"{port}\"\n");
        let config = configuration(folder.path(), &block);
        let (_, table, _) = ended(&mut skinlink(&["check", "--config", &config]));
        assert!(table.contains(zh) && table.contains(en), "{word}: {table}");
    }
    drop(held);
}

#[test]
fn where_nothing_is_plugged_in_it_says_what_to_look_at() {
    let machine = Machine::new();
    let (code, table, json) = look(&machine, &[]);
    assert_eq!((code, json), (0, Value::Array(vec![])));
    assert!(table.contains("没有插入") && table.contains("--port"), "{table}");
}
