//! One physical analyser, known by what it is and not by its port.

/// What a device said of itself; fixed for the readings it gave.
///
/// Values of two devices, probes, protocol versions or firmwares are never compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIdentity {
    /// Protocol id, as in `firmware-protocols/<id>/`.
    pub protocol: String,
    /// `version` of the protocol file in force.
    pub protocol_version: String,
    /// Serial number from the identify reply; else the unique USB serial; else the by-path name.
    pub serial: String,
    /// Exchangeable probe, where the device names one; empty otherwise.
    pub probe: String,
    /// Firmware, where the device names it; empty otherwise.
    pub firmware: String,
}

/// A Bluetooth address as it is kept, `F0:F1:F2:F3:F4:F5`; `None` for what is none.
#[must_use]
pub fn bluetooth_address(written: &str) -> Option<String> {
    let written = written.trim().to_ascii_uppercase();
    let hex = |group: &str| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    (written.split(':').count() == 6 && written.split(':').all(hex)).then_some(written)
}
