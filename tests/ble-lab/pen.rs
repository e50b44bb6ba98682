//! The analyser in the air: the simulated device of a protocol file behind attributes and a radio.

use crate::gatt::Gatt;
use skinlink::{
    protocol::Spec,
    sim::{LedgerLine, Setup, SimDevice, SimInput, SimOutput, Wire},
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// Both of the laboratory's pens are called so.
pub const NAME: &str = "SkinPen";

/// How long a measurement takes.
const MEASURING: Duration = Duration::from_millis(150);

pub struct Pen {
    /// As on the wire, lowest byte first.
    pub address: [u8; 6],
    pub on: bool,
    pub linked: bool,
    /// How often it was connected.
    pub connections: usize,
    /// It loses its power in the middle of the next measurement.
    pub dies_measuring: bool,
    /// What it measured, by its own account.
    pub ledger: Vec<LedgerLine>,
    /// What lies between its device and its radio: the seeded faults that every simulated device has.
    pub wire: Wire,
    on_the_way: VecDeque<(Instant, Vec<u8>)>,
    device: SimDevice,
    gatt: Gatt,
    service: Vec<u8>,
}

impl Pen {
    pub fn new(spec: &Arc<Spec>, serial: &str, last_byte: u8, seed: u64) -> Self {
        let ble = spec.ble.as_ref().expect("the protocol has an air side");
        let service = ble.advertises.service.expect("it is known by its service");
        let setup = Setup { measuring: MEASURING, ..Setup::new(serial, seed) };
        Self {
            address: [last_byte, 0xF4, 0xF3, 0xF2, 0xF1, 0xF0],
            on: true,
            linked: false,
            connections: 0,
            dies_measuring: false,
            ledger: Vec::new(),
            wire: Wire::sound(),
            on_the_way: VecDeque::new(),
            device: SimDevice::new(Arc::clone(spec), setup, Instant::now()),
            gatt: Gatt::of(ble, NAME),
            service: service.as_u128().to_le_bytes().to_vec(),
        }
    }

    /// As configurations write it.
    pub fn shown_address(&self) -> String {
        self.address.iter().rev().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Flags, and the service it has.
    pub fn advertisement(&self) -> Vec<u8> {
        [&[2, 0x01, 0x06, 17, 0x07], &self.service[..]].concat()
    }

    pub fn scan_response(&self) -> Vec<u8> {
        let length = u8::try_from(NAME.len() + 1).expect("a short name");
        [&[length, 0x09], NAME.as_bytes()].concat()
    }

    pub fn found(&mut self) {
        self.linked = true;
        self.connections += 1;
        self.gatt.begin();
    }

    pub fn lost(&mut self) {
        self.linked = false;
        self.on_the_way.clear();
    }

    /// One packet of the gateway.
    pub fn asked(&mut self, packet: &[u8], now: Instant) -> Option<Vec<u8>> {
        let answer = self.gatt.serve(packet);
        if let Some(bytes) = &answer.written {
            self.device.handle_input(now, SimInput::Bytes(bytes));
        }
        answer.reply
    }

    /// Packets it sends by itself now. Whether anybody hears them is the radio's matter.
    pub fn says(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.device.handle_input(now, SimInput::Tick);
        loop {
            match self.device.poll_output() {
                SimOutput::Record(line) => {
                    self.ledger.push(line);
                    if std::mem::take(&mut self.dies_measuring) {
                        self.on = false;
                    }
                }
                SimOutput::Transmit(bytes) if self.linked && self.on => {
                    self.on_the_way.extend(self.wire.carry(now, &bytes));
                }
                SimOutput::Transmit(_) => {}
                SimOutput::WaitUntil(_) => break,
            }
        }
        if !(self.linked && self.on) {
            self.on_the_way.clear();
        }
        let due = self.on_the_way.iter().take_while(|(at, _)| *at <= now).count();
        self.on_the_way.drain(..due).flat_map(|(_, bytes)| self.gatt.notify(&bytes)).collect()
    }

    /// Numbers of what it still sends again.
    pub fn unconfirmed(&self) -> Vec<u64> {
        self.device.unconfirmed().collect()
    }
}
