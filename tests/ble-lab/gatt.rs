//! A device's attributes and the little server that shows them: ATT as far as BlueZ asks for it.
//!
//! Source: Bluetooth Core Specification 5.4, Vol 3 Part F (ATT) and Part G (GATT). Little endian throughout. No prepared writes,
//! no security: the laboratory pairs with nobody.

use skinlink::protocol::air::{AirRole, Ble, Write};
use uuid::Uuid;

/// The longest packet the device takes once it was asked: an everyday radio's (251-byte link layer packets).
const LONGEST_MTU: usize = 247;
/// What holds until then.
const FIRST_MTU: usize = 23;

const PRIMARY_SERVICE: u16 = 0x2800;
const CHARACTERISTIC: u16 = 0x2803;
const CONFIGURATION: u16 = 0x2902;

const READ: u8 = 0x02;
const WRITE_COMMAND: u8 = 0x04;
const WRITE_REQUEST: u8 = 0x08;
const NOTIFY: u8 = 0x10;
const INDICATE: u8 = 0x20;

#[derive(Debug)]
struct Attribute {
    kind: Vec<u8>,
    value: Vec<u8>,
}

/// What the peer's packet came to.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    pub reply: Option<Vec<u8>>,
    /// Written to the command characteristic.
    pub written: Option<Vec<u8>>,
}

/// The table; an attribute's handle is its place, counted from 1.
#[derive(Debug)]
pub struct Gatt {
    table: Vec<Attribute>,
    command: u16,
    /// Of what sends by itself: the value's handle; its configuration stands behind it.
    sends: u16,
    mtu: usize,
}

fn wire(uuid: Uuid) -> Vec<u8> {
    let bytes = uuid.as_u128().to_le_bytes();
    let base = skinlink::protocol::air::uuid_of("0000").expect("a short number").as_u128().to_le_bytes();
    // Numbers of the SIG go in two bytes.
    if bytes[..12] == base[..12] && bytes[14..] == [0, 0] { bytes[12..14].to_vec() } else { bytes.to_vec() }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

impl Gatt {
    /// The device of a protocol file, under `name`.
    pub fn of(ble: &Ble, name: &str) -> Self {
        let mut gatt = Self { table: Vec::new(), command: 0, sends: 0, mtu: FIRST_MTU };
        gatt.add(PRIMARY_SERVICE, &0x1800_u16.to_le_bytes());
        gatt.characteristic(READ, &0x2A00_u16.to_le_bytes(), name.as_bytes());
        gatt.add(PRIMARY_SERVICE, &0x1801_u16.to_le_bytes());
        gatt.characteristic(INDICATE, &0x2A05_u16.to_le_bytes(), &[]);
        let service = ble.advertises.service.expect("the laboratory's devices are known by their service");
        gatt.add(PRIMARY_SERVICE, &wire(service));
        for characteristic in &ble.characteristics {
            let properties = match (characteristic.role, characteristic.write) {
                (AirRole::Command, Some(Write::WithoutResponse)) => WRITE_COMMAND | WRITE_REQUEST,
                (AirRole::Command, _) => WRITE_REQUEST,
                (AirRole::Notify, _) => NOTIFY,
                (AirRole::Indicate, _) => INDICATE,
                (AirRole::Read, _) => READ,
            };
            let handle = gatt.characteristic(properties, &wire(characteristic.uuid), &[]);
            if characteristic.role == AirRole::Command {
                gatt.command = handle;
            } else if characteristic.role != AirRole::Read {
                gatt.sends = handle;
            }
        }
        gatt
    }

    fn add(&mut self, kind: u16, value: &[u8]) -> u16 {
        self.table.push(Attribute { kind: kind.to_le_bytes().to_vec(), value: value.to_vec() });
        u16::try_from(self.table.len()).expect("a small device")
    }

    /// Declaration, value, and the configuration of what sends; gives the value's handle.
    fn characteristic(&mut self, properties: u8, uuid: &[u8], value: &[u8]) -> u16 {
        let handle = u16::try_from(self.table.len() + 2).expect("a small device");
        let declaration = [&[properties][..], &handle.to_le_bytes(), uuid].concat();
        self.add(CHARACTERISTIC, &declaration);
        self.add(0, value);
        self.table[usize::from(handle) - 1].kind = uuid.to_vec();
        if properties & (NOTIFY | INDICATE) != 0 {
            self.add(CONFIGURATION, &[0, 0]);
        }
        handle
    }

    /// A new connection: nothing is agreed, nothing subscribed to.
    pub fn begin(&mut self) {
        self.mtu = FIRST_MTU;
        let configurations = self.table.iter_mut().filter(|one| one.kind == CONFIGURATION.to_le_bytes());
        configurations.for_each(|one| one.value = vec![0, 0]);
    }

    /// Packets that carry `bytes` to whoever has subscribed; cut as the link wants.
    pub fn notify(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let configuration = self.table.get(usize::from(self.sends)).map_or(0, |one| one.value[0]);
        let opcode = match configuration {
            0 => return Vec::new(),
            2 => 0x1D,
            _ => 0x1B,
        };
        let head = [&[opcode][..], &self.sends.to_le_bytes()].concat();
        bytes.chunks(self.mtu - 3).map(|part| [&head[..], part].concat()).collect()
    }

    /// Serves one packet of the peer.
    pub fn serve(&mut self, packet: &[u8]) -> Answer {
        let Some((&opcode, body)) = packet.split_first() else { return Answer::default() };
        let mut answer = Answer::default();
        let served = match opcode {
            0x02 => {
                self.mtu = u16_at(body, 0).map_or(FIRST_MTU, usize::from).clamp(FIRST_MTU, LONGEST_MTU);
                Ok([&[0x03][..], &u16::try_from(LONGEST_MTU).expect("small").to_le_bytes()].concat())
            }
            0x04 => self.find_information(body),
            0x08 => self.read_by(body, 0x09),
            0x10 => self.read_by(body, 0x11),
            0x0A => self.read(body, 0, 0x0B),
            0x0C => self.read(body, u16_at(body, 2).unwrap_or(0).into(), 0x0D),
            0x12 | 0x52 => self.write(body, &mut answer).map(|()| vec![0x13]),
            // A confirmed indication asks for nothing.
            0x1E => return answer,
            _ => Err((0, 0x06)),
        };
        // Commands are never answered, not even with an error.
        answer.reply = (opcode & 0x40 == 0).then(|| {
            served.unwrap_or_else(|(handle, error)| [&[0x01, opcode][..], &u16::to_le_bytes(handle), &[error]].concat())
        });
        answer
    }

    /// Attributes from the first to the last asked for, with their handles.
    fn between(&self, body: &[u8]) -> (u16, impl Iterator<Item = (u16, &Attribute)>) {
        let (first, last) = (u16_at(body, 0).unwrap_or(1), u16_at(body, 2).unwrap_or(0xFFFF));
        let all = (1_u16..).zip(&self.table);
        (first, all.filter(move |(handle, _)| (first..=last).contains(handle)))
    }

    fn find_information(&self, body: &[u8]) -> Result<Vec<u8>, (u16, u8)> {
        let (first, asked) = self.between(body);
        let mut reply = vec![0x05, 0];
        for (handle, attribute) in asked {
            let format = if attribute.kind.len() == 2 { 1 } else { 2 };
            if reply[1] == 0 {
                reply[1] = format;
            }
            if reply[1] != format || reply.len() + 2 + attribute.kind.len() > self.mtu {
                break;
            }
            reply.extend(handle.to_le_bytes());
            reply.extend(&attribute.kind);
        }
        if reply[1] == 0 { Err((first, 0x0A)) } else { Ok(reply) }
    }

    /// By type (reply 09) or by group (reply 11, which also says where a service ends).
    fn read_by(&self, body: &[u8], opcode: u8) -> Result<Vec<u8>, (u16, u8)> {
        let kind = body.get(4..).unwrap_or_default();
        let (first, asked) = self.between(body);
        let mut reply = vec![opcode, 0];
        for (handle, attribute) in asked.filter(|(_, attribute)| attribute.kind == kind) {
            let mut item = handle.to_le_bytes().to_vec();
            if opcode == 0x11 {
                let next =
                    (1_u16..).zip(&self.table).find(|(other, attribute)| *other > handle && attribute.kind == kind);
                item.extend(next.map_or(0xFFFF, |(other, _)| other - 1).to_le_bytes());
            }
            item.extend(&attribute.value);
            item.truncate(self.mtu - 2);
            let length = u8::try_from(item.len()).expect("no longer than a packet");
            if reply[1] == 0 {
                reply[1] = length;
            }
            if reply[1] != length || reply.len() + item.len() > self.mtu {
                break;
            }
            reply.extend(item);
        }
        if reply[1] == 0 { Err((first, 0x0A)) } else { Ok(reply) }
    }

    fn read(&self, body: &[u8], from: usize, opcode: u8) -> Result<Vec<u8>, (u16, u8)> {
        let handle = u16_at(body, 0).unwrap_or(0);
        let attribute = usize::from(handle).checked_sub(1).and_then(|at| self.table.get(at)).ok_or((handle, 0x01))?;
        let rest = attribute.value.get(from..).ok_or((handle, 0x07))?;
        Ok([&[opcode], &rest[..rest.len().min(self.mtu - 1)]].concat())
    }

    fn write(&mut self, body: &[u8], answer: &mut Answer) -> Result<(), (u16, u8)> {
        let handle = u16_at(body, 0).unwrap_or(0);
        let value = body.get(2..).unwrap_or_default().to_vec();
        if handle == self.command && handle != 0 {
            answer.written = Some(value);
            return Ok(());
        }
        let place = usize::from(handle).checked_sub(1).and_then(|at| self.table.get_mut(at)).ok_or((handle, 0x01))?;
        if place.kind != CONFIGURATION.to_le_bytes() || value.len() != 2 {
            return Err((handle, 0x03));
        }
        place.value = value;
        Ok(())
    }
}
