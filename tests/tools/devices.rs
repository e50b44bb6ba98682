//! `skinlink devices` and `skinlink check`: what is plugged in, why it cannot be opened, and how to configure it.

use super::{
    machine::Machine,
    program::{LIMIT, Running, ended, skinlink},
};
use nix::{
    fcntl::OFlag,
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
};
use serde_json::Value;
use skinlink::{config::Config, protocol::spec::UsbId};
use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const ANALYSER: UsbId = UsbId { vendor: 0x1209, product: 0x0001 };
const STRANGER: UsbId = UsbId { vendor: 0x1a86, product: 0x7523 };

/// A pseudo-terminal that is plugged in until it is dropped.
struct Plug {
    _device: PtyMaster,
    _far_end: File,
    node: PathBuf,
}

/// Plugs a pseudo-terminal in as a USB serial port. Neither end is handed on to a program that another test starts meanwhile:
/// it would hold the port as well.
fn plug(machine: &Machine, tty: &str, place: &str, usb: UsbId, serial: Option<&str>) -> Plug {
    let device = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&device).unwrap();
    unlockpt(&device).unwrap();
    let node = PathBuf::from(ptsname_r(&device).unwrap());
    let far_end = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&node).unwrap();
    machine.show(tty, place, usb, serial);
    symlink(&node, machine.dev(tty)).unwrap();
    Plug { _device: device, _far_end: far_end, node }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// Root may open anything: without the right to overlook permissions the gateway's own user is played. The program stays
/// root's, who can reach it wherever it was built.
fn without_overriding() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_skinlink")]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

fn look(machine: &Machine, more: &[&str]) -> (i32, String, Value) {
    let (code, table) = read(machine, more);
    (code, table, parsed(machine, more))
}

/// The exit code, and the answer for people.
fn read(machine: &Machine, more: &[&str]) -> (i32, String) {
    let (code, table, _) = looked(machine, more);
    // Lines are broken to the width of the terminal; here the words count.
    (code, table.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The answer for programs.
fn parsed(machine: &Machine, more: &[&str]) -> Value {
    let (_, json, stderr) = looked(machine, &[more, &["--json"]].concat());
    serde_json::from_str(&json).unwrap_or_else(|fault| panic!("{fault}: {json}{stderr}"))
}

fn looked(machine: &Machine, more: &[&str]) -> (i32, String, String) {
    let (sysfs, dev) = (machine.sys(""), machine.dev(""));
    let places = ["--sysfs", sysfs.to_str().unwrap(), "--dev", dev.to_str().unwrap()];
    let config: &[&str] = if more.contains(&"--config") { &[] } else { &["--config", "/nonexistent"] };
    ended(&mut skinlink(&[&["devices"], places.as_slice(), config, more].concat()))
}

/// A configuration with this block is understood, and the block describes the device.
pub fn configuration(folder: &Path, block: &str) -> String {
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
    let asked_at = fs::read_link(&port).unwrap();
    let (code, table) = read(&machine, &["--ask"]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("it says: serial number DR-0418, probe P-22"), "{table}");

    renewed(&port, &asked_at);
    // As the kernel does for a device that is new: a node older than its terminal would mean one that is gone.
    fs::remove_file(machine.dev("ttyUSB0")).unwrap();
    symlink(&port, machine.dev("ttyUSB0")).unwrap();
    let json = parsed(&machine, &["--ask"]);
    assert_eq!(json[0]["taken_for"][0]["says"]["serial"], "DR-0418", "{json}");
    assert!(json[0]["block"].as_str().unwrap().contains("serial_number = \"DR-0418\""));
}

/// Waits until the simulated device, whose port was opened at `old` and closed, has a fresh one under the same name.
fn renewed(port: &Path, old: &Path) {
    let begun = Instant::now();
    while fs::read_link(port).map_or(true, |now| now == old) {
        assert!(begun.elapsed() < LIMIT, "{} still leads to {}", port.display(), old.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn busy_absent_and_forbidden_are_three_sentences_in_two_languages_here_and_in_check() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    // Held by this very test.
    let _device = plug(&machine, "ttyUSB0", "1-2", ANALYSER, Some("A"));
    let held = nix::fcntl::Flock::lock(
        File::open(machine.dev("ttyUSB0")).unwrap(),
        nix::fcntl::FlockArg::LockExclusiveNonblock,
    );
    let held = held.map_err(|(_, fault)| fault).unwrap();
    let busy = machine.dev("ttyUSB0");
    let absent = folder.path().join("nothing-here");
    let device_2 = plug(&machine, "ttyUSB1", "1-3", ANALYSER, Some("B"));
    let forbidden = &device_2.node;
    fs::set_permissions(forbidden, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();

    let cases = [
        ("busy", busy.to_str().unwrap(), "其他程序", "Another program uses the device"),
        ("absent", absent.to_str().unwrap(), "未连接", "The device is not connected"),
        ("forbidden", forbidden.to_str().unwrap(), "dialout", "adds its user to the group dialout"),
    ];
    for (word, port, zh, en) in cases {
        let mut command = if word == "forbidden" && is_root() { without_overriding() } else { skinlink(&[]) };
        command.args(["devices", "--config", "/nonexistent", "--sysfs", "/nonexistent", "--json", "--port", port]);
        let (code, json, stderr) = ended(&mut command);
        let json: Value = serde_json::from_str(&json).unwrap_or_else(|fault| panic!("{fault}: {stderr}"));
        assert_eq!((code, json[0]["state"].as_str()), (1, Some(word)), "{json}");
        let advice = &json[0]["advice"];
        assert!(advice["zh"].as_str().unwrap().contains(zh) && advice["en"].as_str().unwrap().contains(en), "{json}");
        if word == "busy" {
            // Beside it may stand a program that another test is just starting: it holds everything until it runs.
            let holders: Vec<u64> =
                json[0]["held_by"].as_array().unwrap().iter().filter_map(|holder| holder["pid"].as_u64()).collect();
            assert!(holders.contains(&u64::from(std::process::id())), "who holds it is named: {json}");
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
