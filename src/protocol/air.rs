//! `[transport.ble]`: how a device is recognised in the air, and which of its characteristics carry what.
//!
//! Bluetooth Low Energy carries bytes like a line does: commands are written to one characteristic, answers come as
//! notifications of others. Where a notification is cut means nothing; the framing finds the frames. With the framing
//! `notification` each one is a frame and says by its first bytes which characteristic it is from, so that several are told
//! apart.
//!
//! Source: Bluetooth Core Specification 5.4, Vol 3 Part G (GATT); Assigned Numbers for the 16-bit UUIDs.

use crate::domain::word::words;
use uuid::Uuid;

/// A 16-bit number of the Bluetooth SIG stands for this UUID with the number in its first group.
const SIG_BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5F9B_34FB;

words! {
    /// What a characteristic is for.
    pub enum AirRole as "role of a characteristic" {
        /// Commands are written to it.
        Command = "command",
        /// It sends by itself, without being told that it arrived.
        Notify = "notify",
        /// It sends by itself and waits until the radio says that it arrived.
        Indicate = "indicate",
        /// It is read once after each connection; a device may be without it.
        Read = "read",
    }
}

words! {
    /// Whether the device's radio says that a command arrived.
    pub enum Write as "way to write" { WithResponse = "with-response", WithoutResponse = "without-response" }
}

words! {
    /// What a device says in its advertisements, without being connected.
    pub enum Broadcast as "kind of broadcast" {
        /// [`super::bthome`]: each object is a message, which begins with FC D2 and the object's number.
        BtHome = "bthome-2",
    }
}

/// One characteristic the protocol uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characteristic {
    pub uuid: Uuid,
    pub role: AirRole,
    /// How commands are written; only for [`AirRole::Command`].
    pub write: Option<Write>,
}

/// What the device tells of itself while nobody is connected. All that is stated must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertises {
    /// Service UUID in the advertisement.
    pub service: Option<Uuid>,
    /// How its name begins.
    pub name: Option<String>,
    /// Company number of its manufacturer data.
    pub manufacturer: Option<u16>,
}

impl Advertises {
    /// Whether an advertisement with these services, this name and data of these companies is such a device's.
    #[must_use]
    pub fn fits(&self, services: &[Uuid], name: Option<&str>, companies: impl IntoIterator<Item = u16>) -> bool {
        let Self { service, name: begins, manufacturer } = self;
        let service = service.is_none_or(|service| services.contains(&service));
        let name = begins.as_deref().is_none_or(|begins| name.is_some_and(|name| name.starts_with(begins)));
        let mut companies = companies.into_iter();
        service && name && manufacturer.is_none_or(|wanted| companies.any(|company| company == wanted))
    }
}

/// `[transport.ble]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ble {
    pub advertises: Advertises,
    pub characteristics: Vec<Characteristic>,
    /// It is never connected: all it has to say stands in its advertisements.
    pub broadcast: Option<Broadcast>,
    /// Each notification is a frame and begins with the number of its characteristic ([`number`]).
    pub numbered: bool,
}

impl Ble {
    /// Where commands go; `None` for a device that is only listened to.
    #[must_use]
    pub fn command(&self) -> Option<&Characteristic> {
        self.characteristics.iter().find(|characteristic| characteristic.role == AirRole::Command)
    }

    /// Those that send by themselves.
    pub fn sending(&self) -> impl Iterator<Item = &Characteristic> {
        let sends = |role| matches!(role, AirRole::Notify | AirRole::Indicate);
        self.characteristics.iter().filter(move |characteristic| sends(characteristic.role))
    }

    /// Those that are read after each connection.
    pub fn readable(&self) -> impl Iterator<Item = &Characteristic> {
        self.characteristics.iter().filter(|characteristic| characteristic.role == AirRole::Read)
    }
}

/// `"2A1C"` or a whole UUID with its dashes.
#[must_use]
pub fn uuid_of(text: &str) -> Option<Uuid> {
    if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let short = u16::from_str_radix(text, 16).ok()?;
        return Some(Uuid::from_u128(SIG_BASE | u128::from(short) << 96));
    }
    (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten()
}

/// The bytes by which a numbered notification says whose it is: as [`shown`], without the dashes.
#[must_use]
pub fn number(uuid: Uuid) -> Vec<u8> {
    let bytes = uuid.as_bytes();
    if shown(uuid).len() == 4 { bytes[2..4].to_vec() } else { bytes.to_vec() }
}

/// As a protocol file writes it: the SIG's by their four digits, others whole.
#[must_use]
pub fn shown(uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    let short = bits >> 96;
    match u16::try_from(short) {
        Ok(short) if bits & !(0xFFFF << 96) == SIG_BASE => format!("{short:04X}"),
        _ => uuid.as_hyphenated().to_string().to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_uuids_are_written_as_the_manual_writes_them() {
        let thermometer = uuid_of("1809").unwrap();
        assert_eq!(thermometer.to_string(), "00001809-0000-1000-8000-00805f9b34fb");
        assert_eq!(shown(thermometer), "1809");
        let uart = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E";
        assert_eq!(shown(uuid_of(uart).unwrap()), uart);
        for wrong in ["", "180", "18090", "180G", "6E400001B5A3F393E0A9E50E24DCCA9E", "+809"] {
            assert_eq!(uuid_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_that_is_stated_must_fit() {
        let service = uuid_of("1809").unwrap();
        let by_all = Advertises { service: Some(service), name: Some("DR-".into()), manufacturer: Some(0x0499) };
        assert!(by_all.fits(&[service], Some("DR-0417"), [0x004C, 0x0499]));
        assert!(!by_all.fits(&[], Some("DR-0417"), [0x0499]));
        assert!(!by_all.fits(&[service], Some("dr-0417"), [0x0499]));
        assert!(!by_all.fits(&[service], None, [0x0499]));
        assert!(!by_all.fits(&[service], Some("DR-0417"), [0x004C]));
    }
}
