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
