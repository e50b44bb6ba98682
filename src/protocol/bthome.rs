//! BTHome version 2: what a sensor says in its advertisements, plain or encrypted, without ever being connected.
//!
//! Service data of FCD2: device information (bit 0 encrypted, bit 1 its address follows, bits 5 to 7 the version), the address
//! where it is said (6 bytes, lowest first), then objects: one byte that says what, and its value, low byte first. Encrypted,
//! the objects are followed by a counter (u32) and 4 bytes of a message authentication code: AES-128-CCM with the nonce
//! address · D2 FC · device information · counter.
//!
//! Source: the format's description at bthome.io, version 2. Pure: what was heard last is kept in [`Ear`], nothing else.

use aes::Aes128;
use ccm::{
    Ccm,
    aead::{Aead as _, KeyInit as _},
    consts::{U4, U13},
};
use std::fmt;

/// The service under which it is advertised.
pub const SERVICE: u16 = 0xFCD2;

/// Behind the last object: counter and authentication code.
const TRAILER: usize = 8;

/// A counter this near its end may begin anew at 0; any other that falls is an old packet.
const NEAR_THE_END: u32 = u32::MAX - 0xFFFF;

/// Bytes of an object's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Bytes(usize),
    /// A byte before it says how many.
    Counted,
}

/// How long an object's value is; `None` for one that this version does not know: nobody can tell where the next begins.
const fn size(id: u8) -> Option<Size> {
    Some(Size::Bytes(match id {
        0x00 | 0x01 | 0x09 | 0x0F..=0x11 | 0x15..=0x2F | 0x3A | 0x46 | 0x57..=0x59 | 0x60 | 0x64 => 1,
        0x02 | 0x03 | 0x06..=0x08 | 0x0C..=0x0E | 0x12..=0x14 | 0x3C | 0x3D | 0x3F..=0x41 | 0x43..=0x45 => 2,
        0x47..=0x4A | 0x51 | 0x52 | 0x56 | 0x5A | 0x5D..=0x5F | 0x61 | 0xF0 => 2,
        0x04 | 0x05 | 0x0A | 0x0B | 0x42 | 0x4B | 0xF2 => 3,
        0x3E | 0x4C..=0x50 | 0x55 | 0x5B | 0x5C | 0x62 | 0x63 | 0xF1 => 4,
        0x53 | 0x54 => return Some(Size::Counted),
        _ => return None,
    }))
}

/// The object that numbers packets.
const PACKET_ID: u8 = 0x00;

/// Why an advertisement was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("shorter than what it says to hold")]
    Short,
    #[error("version {0} of BTHome; this gateway reads version 2")]
    Version(u8),
    #[error("says another address than the one it came from")]
    OtherAddress,
    #[error("encrypted; put the sensor's key into a file and name it as key_file in [[device]]")]
    NoKey,
    #[error("not encrypted, though the sensor has a key: somebody else may speak in its place")]
    Downgraded,
    #[error("not encrypted with the configured key, or changed on the way; compare key_file with the sensor's key")]
    WrongKey,
    #[error(
        "counter {found} after {last}: an old packet sent again; if the sensor's battery was changed, restart the gateway"
    )]
    Replayed { last: u32, found: u32 },
}

/// One object: what it is, and its value as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub id: u8,
    pub value: Vec<u8>,
}

/// A sensor's key.
#[derive(Clone)]
pub struct Key([u8; 16]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// 32 hex digits, as the sensor's app shows them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        hex::decode_to_slice(text.trim(), &mut key).ok().map(|()| Self(key))
    }
}

/// Listens to one sensor: knows its address and key and what it said last.
#[derive(Debug, Clone)]
pub struct Ear {
    /// As it is written: highest byte first.
    address: [u8; 6],
    key: Option<Key>,
    counter: Option<u32>,
    packet: Option<u8>,
    last: Vec<u8>,
}

impl Ear {
    #[must_use]
    pub const fn new(address: [u8; 6], key: Option<Key>) -> Self {
        Self { address, key, counter: None, packet: None, last: Vec::new() }
    }

    /// The objects of one advertisement's service data; empty where it was heard already. Sensors say the same many times, and
    /// number what is new by a counter or a packet number; those that do neither say something new by other bytes.
    ///
    /// # Errors
    /// [`Refused`]; nothing is remembered of it then.
    pub fn hear(&mut self, data: &[u8]) -> Result<Vec<Object>, Refused> {
        let (&information, mut rest) = data.split_first().ok_or(Refused::Short)?;
        if information >> 5 != 2 {
            return Err(Refused::Version(information >> 5));
        }
        if information & 0x02 != 0 {
            let (told, behind) = rest.split_at_checked(6).ok_or(Refused::Short)?;
            if !told.iter().rev().eq(&self.address) {
                return Err(Refused::OtherAddress);
            }
            rest = behind;
        }
        if information & 0x01 != 0 {
            return self.open(information, rest);
        }
        if self.key.is_some() {
            return Err(Refused::Downgraded);
        }
        let objects = objects(rest)?;
        let packet = objects.iter().find(|object| object.id == PACKET_ID).map(|object| object.value[0]);
        let again = self.last == data || (packet.is_some() && packet == self.packet);
        data.clone_into(&mut self.last);
        self.packet = packet;
        Ok(if again { Vec::new() } else { objects })
    }

    fn open(&mut self, information: u8, rest: &[u8]) -> Result<Vec<Object>, Refused> {
        let key = self.key.as_ref().ok_or(Refused::NoKey)?;
        let at = rest.len().checked_sub(TRAILER).ok_or(Refused::Short)?;
        let (sealed, trailer) = rest.split_at(at);
        let (count, code) = trailer.split_at(4);
        let mut nonce = self.address.to_vec();
        nonce.extend(SERVICE.to_le_bytes());
        nonce.push(information);
        nonce.extend(count);
        let cipher = Ccm::<Aes128, U4, U13>::new(&key.0.into());
        let sealed = [sealed, code].concat();
        let plain = cipher.decrypt(nonce.as_slice().into(), sealed.as_slice()).map_err(|_| Refused::WrongKey)?;
        // Only what is the sensor's own can move its counter.
        let found = count.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        match self.counter {
            Some(last) if last == found => return Ok(Vec::new()),
            Some(last) if found < last && !(last >= NEAR_THE_END && found <= u32::MAX - NEAR_THE_END) => {
                return Err(Refused::Replayed { last, found });
            }
            _ => {}
        }
        let objects = objects(&plain)?;
        self.counter = Some(found);
        Ok(objects)
    }
}

/// What stands before the first unknown object.
fn objects(mut rest: &[u8]) -> Result<Vec<Object>, Refused> {
    let mut found = Vec::new();
    while let Some((&id, behind)) = rest.split_first() {
        let Some(size) = size(id) else { break };
        let (bytes, behind) = match size {
            Size::Bytes(bytes) => (bytes, behind),
            Size::Counted => {
                let (&bytes, behind) = behind.split_first().ok_or(Refused::Short)?;
                (usize::from(bytes), behind)
            }
        };
        let (value, behind) = behind.split_at_checked(bytes).ok_or(Refused::Short)?;
        found.push(Object { id, value: value.to_vec() });
        rest = behind;
    }
    Ok(found)
}
