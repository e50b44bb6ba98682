//! A USB tree drawn in a temporary folder.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use skinlink::{adapters::discovery::Discovery, protocol::spec::UsbId};
use std::{fs, os::unix::fs::symlink, path::PathBuf};

/// A machine's `/sys` and `/dev`, as far as discovery reads them.
pub struct Machine {
    pub folder: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sys/class/tty")).unwrap();
        fs::create_dir_all(folder.path().join("dev")).unwrap();
        let machine = Self { folder };
        // Consoles have no device, the mainboard's own port has one without USB.
        fs::create_dir_all(machine.sys("class/tty/tty1")).unwrap();
        fs::create_dir_all(machine.sys("devices/platform/serial8250/tty/ttyS0")).unwrap();
        symlink("../../../serial8250", machine.sys("devices/platform/serial8250/tty/ttyS0/device")).unwrap();
        symlink("../../devices/platform/serial8250/tty/ttyS0", machine.sys("class/tty/ttyS0")).unwrap();
        machine
    }
    pub fn sys(&self, inside: &str) -> PathBuf {
        self.folder.path().join("sys").join(inside)
    }
    pub fn dev(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }
    pub fn discovery(&self) -> Discovery {
        Discovery::new(self.folder.path().join("sys"), self.folder.path().join("dev"))
    }
    /// Plugs a USB-serial adapter into `place` ("1-2", "1-4.1") of the first bus; it becomes `tty`.
    pub fn plug(&self, tty: &str, place: &str, usb: UsbId, serial: Option<&str>) {
        self.show(tty, place, usb, serial);
        fs::write(self.dev(tty), "").unwrap();
    }
    /// What the kernel shows of an adapter, without its node.
    pub fn show(&self, tty: &str, place: &str, usb: UsbId, serial: Option<&str>) {
        let device = format!("devices/pci0000:00/0000:00:14.0/usb1/{place}");
        let port = format!("{device}/{place}:1.0/{tty}");
        fs::create_dir_all(self.sys(&format!("{port}/tty/{tty}"))).unwrap();
        let write = |path: String, text: &str| fs::write(self.sys(&path), format!("{text}\n")).unwrap();
        write(format!("{device}/idVendor"), &format!("{:04x}", usb.vendor));
        write(format!("{device}/idProduct"), &format!("{:04x}", usb.product));
        write(format!("{port}/port_number"), "0");
        if let Some(serial) = serial {
            write(format!("{device}/serial"), serial);
        }
        symlink(format!("../../../{tty}"), self.sys(&format!("{port}/tty/{tty}/device"))).unwrap();
        symlink(self.sys(&format!("{port}/tty/{tty}")), self.sys(&format!("class/tty/{tty}"))).unwrap();
    }
    pub fn pull(&self, tty: &str, place: &str) {
        self.hide(tty, place);
        fs::remove_file(self.dev(tty)).unwrap();
    }
    pub fn hide(&self, tty: &str, place: &str) {
        fs::remove_file(self.sys(&format!("class/tty/{tty}"))).unwrap();
        fs::remove_dir_all(self.sys(&format!("devices/pci0000:00/0000:00:14.0/usb1/{place}"))).unwrap();
    }
}
