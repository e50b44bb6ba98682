//! A Bluetooth controller of the guest's own kernel, with devices in reach of it: `/dev/vhci`, so that everything above the
//! radio is real.
//!
//! Low energy only, no pairing, no encryption. A file that is closed is an adapter that is pulled.
//! Source: Bluetooth Core Specification 5.4, Vol 4 Part E (HCI), Vol 3 Part A (L2CAP); packets as Linux's vhci wants them, with
//! the H4 type byte in front.

use crate::pen::Pen;
use nix::fcntl::OFlag;
use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    time::{Duration, Instant},
};

/// How often a device advertises.
const ADVERTISES_EVERY: Duration = Duration::from_millis(100);

/// Strength of every signal, in dBm.
const RSSI: u8 = (-50_i8).cast_unsigned();

/// Handle of the first device's link; the others follow.
const FIRST_HANDLE: u16 = 0x0040;

const COMMAND: u8 = 0x01;
const DATA: u8 = 0x02;
const EVENT: u8 = 0x04;
const VENDOR: u8 = 0xFF;

const COMMAND_COMPLETE: u8 = 0x0E;
const COMMAND_STATUS: u8 = 0x0F;
const DISCONNECTED: u8 = 0x05;
const LE_META: u8 = 0x3E;

const TERMINATED_HERE: u8 = 0x16;
const SUPERVISION_TIMEOUT: u8 = 0x08;
const UNKNOWN_CONNECTION: u8 = 0x02;
const UNKNOWN_COMMAND: u8 = 0x01;

/// The plugged-in adapter.
pub struct Controller {
    file: File,
    scans: bool,
    /// Scan responses are wanted too.
    actively: bool,
    /// Whom the host wants to be connected with.
    connecting: Option<[u8; 6]>,
    /// What has come so far of a packet in pieces, by device.
    pieces: Vec<Vec<u8>>,
    advertises_next: Instant,
}

impl Controller {
    /// Plugs it in.
    pub fn plug_in() -> Self {
        let mut options = File::options();
        let opened = options.read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open("/dev/vhci");
        let mut file = opened.expect("the kernel has vhci");
        file.write_all(&[VENDOR, 0x00]).expect("vhci makes a primary controller");
        let now = Instant::now();
        Self { file, scans: false, actively: false, connecting: None, pieces: Vec::new(), advertises_next: now }
    }

    /// Serves what the host has said, and gives the devices their time.
    pub fn turn(&mut self, pens: &mut [Pen]) {
        self.pieces.resize(pens.len(), Vec::new());
        let mut buffer = [0; 4096];
        // One packet a time; an error says that there is none.
        while let Ok(count) = self.file.read(&mut buffer) {
            match buffer[..count].split_first() {
                Some((&COMMAND, rest)) if rest.len() >= 3 => {
                    self.command(u16::from_le_bytes([rest[0], rest[1]]), &rest[3..], pens);
                }
                Some((&DATA, rest)) if rest.len() >= 4 => self.data(rest, pens),
                _ => {}
            }
        }
        let now = Instant::now();
        for (at, pen) in pens.iter_mut().enumerate() {
            for packet in pen.says(now) {
                self.send(at, 4, &packet);
            }
            if pen.linked && !pen.on {
                self.unlink(at, pen, SUPERVISION_TIMEOUT);
            }
        }
        if now >= self.advertises_next {
            self.advertises_next = now + ADVERTISES_EVERY;
            for at in 0..pens.len() {
                self.advertise(at, pens);
            }
        }
    }

    fn put(&mut self, packet: &[u8]) {
        // A kernel that is switching off takes nothing any more.
        let _ = self.file.write_all(packet);
    }

    fn event(&mut self, code: u8, body: &[u8]) {
        let length = u8::try_from(body.len()).expect("events are short");
        self.put(&[&[EVENT, code, length], body].concat());
    }

    fn complete(&mut self, opcode: u16, result: &[u8]) {
        self.event(COMMAND_COMPLETE, &[&[1][..], &opcode.to_le_bytes(), result].concat());
    }

    fn begun(&mut self, opcode: u16) {
        self.event(COMMAND_STATUS, &[&[0, 1][..], &opcode.to_le_bytes()].concat());
    }

    fn command(&mut self, opcode: u16, body: &[u8], pens: &mut [Pen]) {
        let byte = |at: usize| body.get(at).copied().unwrap_or_default();
        let link = [byte(0), byte(1)];
        match opcode {
            // Reset.
            0x0C03 => {
                (self.scans, self.connecting) = (false, None);
                pens.iter_mut().for_each(Pen::lost);
                self.complete(opcode, &[0]);
            }
            // Version 5.0, features (no BR/EDR), commands, buffers, address.
            0x1001 => self.complete(opcode, &[0, 9, 0, 0, 9, 0xFF, 0xFF, 0, 0]),
            0x1003 => self.complete(opcode, &[0, 0, 0, 0, 0, 0x60, 0, 0, 0]),
            0x1002 => self.complete(opcode, &supported()),
            0x1005 => self.complete(opcode, &[0, 251, 0, 0, 8, 0, 0, 0]),
            0x1009 => self.complete(opcode, &[0, 0x01, 0x00, 0x00, 0x01, 0xAA, 0x00]),
            0x2002 => self.complete(opcode, &[0, 251, 0, 8]),
            0x2003 => self.complete(opcode, &[0, 0, 0, 0, 0, 0, 0, 0, 0]),
            0x2007 => self.complete(opcode, &[0, 0]),
            0x200F => self.complete(opcode, &[0, 8]),
            0x2018 => self.complete(opcode, &[0, 8, 7, 6, 5, 4, 3, 2, 1]),
            0x201C => self.complete(opcode, &[0, 0xFF, 0xFF, 0x3F, 0xFF, 0xFF, 0x03, 0, 0]),
            // Signal and power of a link.
            0x1405 => self.complete(opcode, &[0, link[0], link[1], RSSI]),
            0x0C2D => self.complete(opcode, &[0, link[0], link[1], 0]),
            // How to scan; whether.
            0x200B => {
                self.actively = byte(0) == 1;
                self.complete(opcode, &[0]);
            }
            0x200C => {
                self.scans = byte(0) == 1;
                self.complete(opcode, &[0]);
            }
            // Connect; take it back; disconnect.
            0x200D => {
                self.begun(opcode);
                self.connecting = body.get(6..12).and_then(|address| address.try_into().ok());
            }
            0x200E => {
                self.complete(opcode, &[if self.connecting.is_some() { 0 } else { 0x0C }]);
                if let Some(address) = self.connecting.take() {
                    self.connected(UNKNOWN_CONNECTION, 0, address);
                }
            }
            0x0406 => {
                self.begun(opcode);
                let at = usize::from(u16::from_le_bytes(link).wrapping_sub(FIRST_HANDLE));
                if let Some(pen) = pens.get_mut(at).filter(|pen| pen.linked) {
                    self.unlink(at, pen, TERMINATED_HERE);
                }
            }
            // The peer's features and version; other parameters of the link.
            0x2016 => {
                self.begun(opcode);
                self.event(LE_META, &[4, 0, link[0], link[1], 1, 0, 0, 0, 0, 0, 0, 0]);
            }
            0x041D => {
                self.begun(opcode);
                self.event(0x0C, &[0, link[0], link[1], 9, 0xFF, 0xFF, 0, 0]);
            }
            0x2013 => {
                self.begun(opcode);
                let wanted = [byte(4), byte(5), byte(6), byte(7), byte(8), byte(9)];
                self.event(LE_META, &[&[3, 0, link[0], link[1]], &wanted[..]].concat());
            }
            // Masks, lists, parameters: taken, and nothing to be done.
            0x0C01 | 0x0C14 | 0x0C24 | 0x0C31 | 0x0C33 | 0x0C63 | 0x2001 | 0x2005 | 0x2006 | 0x2008 | 0x2009
            | 0x200A | 0x2010 | 0x2011 | 0x2012 => self.complete(opcode, &[0]),
            _ => self.complete(opcode, &[UNKNOWN_COMMAND]),
        }
    }

    fn connected(&mut self, status: u8, at: usize, address: [u8; 6]) {
        let handle = (FIRST_HANDLE + u16::try_from(at).expect("few devices")).to_le_bytes();
        // Central; a random address; 30 ms, no latency, 420 ms.
        let body = [&[1, status], &handle[..], &[0, 1], &address, &[24, 0, 0, 0, 42, 0, 0]].concat();
        self.event(LE_META, &body);
    }

    fn unlink(&mut self, at: usize, pen: &mut Pen, reason: u8) {
        pen.lost();
        self.pieces[at].clear();
        let handle = (FIRST_HANDLE + u16::try_from(at).expect("few devices")).to_le_bytes();
        self.event(DISCONNECTED, &[0, handle[0], handle[1], reason]);
    }

    fn advertise(&mut self, at: usize, pens: &mut [Pen]) {
        let pen = &mut pens[at];
        if !pen.on || pen.linked {
            return;
        }
        if self.connecting == Some(pen.address) {
            self.connecting = None;
            pen.found();
            return self.connected(0, at, pen.address);
        }
        if !self.scans {
            return;
        }
        let (address, advertisement, response) = (pen.address, pen.advertisement(), pen.scan_response());
        self.report(0, address, &advertisement);
        if self.actively {
            self.report(4, address, &response);
        }
    }

    fn report(&mut self, kind: u8, address: [u8; 6], data: &[u8]) {
        let length = u8::try_from(data.len()).expect("31 bytes at most");
        self.event(LE_META, &[&[2, 1, kind, 1], &address[..], &[length], data, &[RSSI]].concat());
    }

    /// `rest`: handle and flags, length, L2CAP.
    fn data(&mut self, rest: &[u8], pens: &mut [Pen]) {
        let head = u16::from_le_bytes([rest[0], rest[1]]);
        let (handle, first) = (head & 0x0FFF, (head >> 12) & 3 != 1);
        self.event(0x13, &[&[1][..], &handle.to_le_bytes(), &[1, 0]].concat());
        let at = usize::from(handle.wrapping_sub(FIRST_HANDLE));
        let Some(pen) = pens.get_mut(at).filter(|pen| pen.linked) else { return };
        if first {
            self.pieces[at].clear();
        }
        self.pieces[at].extend(&rest[4..]);
        let whole = self.pieces[at].clone();
        let [low, high, channel_low, channel_high, packet @ ..] = &whole[..] else { return };
        if packet.len() < usize::from(u16::from_le_bytes([*low, *high])) {
            return;
        }
        self.pieces[at].clear();
        match u16::from_le_bytes([*channel_low, *channel_high]) {
            4 => {
                if let Some(reply) = pen.asked(packet, Instant::now()) {
                    self.send(at, 4, &reply);
                }
            }
            // Signalling: nothing is offered. Pairing: not supported.
            5 if packet[0] != 1 => self.send(at, 5, &[1, packet[1], 2, 0, 0, 0]),
            6 if packet[0] == 1 => self.send(at, 6, &[5, 5]),
            _ => {}
        }
    }

    fn send(&mut self, at: usize, channel: u16, packet: &[u8]) {
        let length = u16::try_from(packet.len()).expect("short");
        let handle = (FIRST_HANDLE + u16::try_from(at).expect("few devices")) | 0x2000;
        let lengths = [(length + 4).to_le_bytes(), length.to_le_bytes(), channel.to_le_bytes()].concat();
        self.put(&[&[DATA][..], &handle.to_le_bytes(), &lengths, packet].concat());
    }
}

/// A bit for each command there is: what a controller with low energy only has.
fn supported() -> [u8; 65] {
    let mut bits = [0; 65];
    for (at, value) in [(0, 0x20), (2, 0x80), (5, 0xC0), (14, 0x28), (15, 0x02)] {
        bits[1 + at] = value;
    }
    for (at, value) in [(25, 0xFF), (26, 0xFF), (27, 0xFF), (28, 0x07)] {
        bits[1 + at] = value;
    }
    bits
}
