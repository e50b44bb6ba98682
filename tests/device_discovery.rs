//! Finding devices in USB trees that are drawn in a temporary folder.

#[path = "support/machine.rs"]
mod machine;

use machine::Machine;
use skinlink::{
    adapters::discovery::{By, Discovery},
    ports::LinkError,
    protocol::spec::UsbId,
};
use std::{fs, os::unix::fs::symlink, path::Path};

const FTDI: UsbId = UsbId { vendor: 0x0403, product: 0x6001 };
const CH340: UsbId = UsbId { vendor: 0x1a86, product: 0x7523 };

fn ids(usb: UsbId) -> By {
    By::UsbIds(vec![usb])
}

#[test]
fn a_machine_without_usb_serial_ports_has_none() {
    let machine = Machine::new();
    assert_eq!(machine.discovery().ports(), []);
    assert_eq!(Discovery::new("/nonexistent", "/dev").ports(), []);
    let answer = machine.discovery().find(&ids(FTDI), &[]);
    assert!(matches!(&answer, Err(LinkError::Absent { what }) if what.contains("0403:6001")), "{answer:?}");
}

#[test]
fn a_device_is_known_by_what_it_is_and_not_by_its_number() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("DR-0417"));
    let before = machine.discovery().find(&ids(FTDI), &[]).unwrap();
    assert_eq!((before.node, before.serial.as_str()), (machine.dev("ttyUSB0"), "DR-0417"));

    machine.pull("ttyUSB0", "1-2");
    machine.plug("ttyUSB0", "1-3", CH340, None);
    machine.plug("ttyUSB1", "1-4.1", FTDI, Some("DR-0417"));
    for wanted in [ids(FTDI), By::UsbSerial("DR-0417".into())] {
        let after = machine.discovery().find(&wanted, &[]).unwrap();
        assert_eq!((after.node, after.serial.as_str()), (machine.dev("ttyUSB1"), "DR-0417"));
    }
}

#[test]
fn without_a_serial_number_the_place_names_the_device() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-4.1", CH340, None);
    let found = machine.discovery().find(&ids(CH340), &[]).unwrap();
    assert_eq!(found.serial, "pci-0000:00:14.0-usb-0:4.1:1.0-port0");
}

#[test]
fn a_serial_number_that_two_adapters_share_names_neither() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("0001"));
    machine.plug("ttyUSB1", "1-3", CH340, Some("0001"));
    let found = machine.discovery().find(&ids(FTDI), &[]).unwrap();
    assert_eq!(found.serial, "pci-0000:00:14.0-usb-0:2:1.0-port0");
}

#[test]
fn equal_candidates_are_asked_about_and_never_guessed() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("0001"));
    machine.plug("ttyUSB1", "1-3", FTDI, Some("0001"));
    for wanted in [ids(FTDI), By::UsbSerial("0001".into())] {
        let answer = machine.discovery().find(&wanted, &[]);
        let Err(error @ LinkError::Alike { .. }) = answer else { panic!("{answer:?}") };
        let text = error.to_string();
        for part in ["ttyUSB0", "ttyUSB1", "usb-0:2:1.0", "usb-0:3:1.0", "path or serial_number"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}

#[test]
fn a_port_that_another_device_claims_by_name_is_no_candidate() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("A"));
    machine.plug("ttyUSB1", "1-3", FTDI, Some("B"));
    let by_id = machine.dev("probe-a");
    symlink(machine.dev("ttyUSB0"), &by_id).unwrap();
    for claim in [By::UsbSerial("A".into()), By::Path(by_id.clone())] {
        let found = machine.discovery().find(&ids(FTDI), &[claim]).unwrap();
        assert_eq!(found.serial, "B");
    }
    // Another device that only shares the USB numbers claims nothing.
    assert!(matches!(machine.discovery().find(&ids(FTDI), &[ids(FTDI)]), Err(LinkError::Alike { .. })));
}

#[test]
fn a_configured_path_wins_and_needs_no_usb() {
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("A"));
    let by_path = machine.dev("by-path-name");
    symlink(machine.dev("ttyUSB0"), &by_path).unwrap();
    let found = machine.discovery().find(&By::Path(by_path.clone()), &[]).unwrap();
    assert_eq!((found.node, found.serial.as_str()), (by_path.clone(), "A"), "its USB serial is still its name");

    let pty = machine.dev("simulated");
    fs::write(&pty, "").unwrap();
    let found = machine.discovery().find(&By::Path(pty.clone()), &[]).unwrap();
    assert_eq!(found.serial, pty.display().to_string());

    fs::remove_file(machine.dev("ttyUSB0")).unwrap();
    let dangling = machine.discovery().find(&By::Path(by_path), &[]);
    assert!(matches!(dangling, Err(LinkError::Absent { .. })), "{dangling:?}");
}

/// A device pulled while its folder is read leaves any of its files missing, empty or cut.
#[test]
fn half_a_tree_never_shows_a_wrong_port() {
    for (file, contents) in
        [("idVendor", vec!["", "0", "zz", "040303"]), ("idProduct", vec!["", "zz", "-1"]), ("serial", vec!["", "   "])]
    {
        for text in contents {
            let machine = Machine::new();
            machine.plug("ttyUSB0", "1-2", FTDI, Some("A"));
            let path = machine.sys("devices/pci0000:00/0000:00:14.0/usb1/1-2").join(file);
            fs::write(&path, text).unwrap();
            check_half(&machine, &format!("{file} = {text:?}"));
            fs::remove_file(&path).unwrap();
            check_half(&machine, &format!("no {file}"));
        }
    }
    let machine = Machine::new();
    machine.plug("ttyUSB0", "1-2", FTDI, Some("A"));
    fs::remove_dir_all(machine.sys("devices/pci0000:00/0000:00:14.0/usb1/1-2")).unwrap();
    assert_eq!(machine.discovery().ports(), [], "a dangling link is no port");
}

fn check_half(machine: &Machine, how: &str) {
    for port in machine.discovery().ports() {
        assert!(port.node.ends_with("ttyUSB0"), "{how}: {port}");
        assert_ne!(port.serial.as_deref(), Some(""), "{how}: an empty serial number names nothing");
        let found = machine.discovery().find(&ids(FTDI), &[]);
        if let Ok(found) = found {
            assert!(found.serial == "A" || found.serial.starts_with("pci-"), "{how}: {found:?}");
        }
    }
}

/// The real machine's tree is read without harm, whatever it holds.
#[test]
fn this_machine_is_readable() {
    for port in Discovery::system().ports() {
        assert!(port.node.starts_with(Path::new("/dev")), "{port}");
    }
}
