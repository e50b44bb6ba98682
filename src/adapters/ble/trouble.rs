//! What a call to BlueZ failed with, as far as it changes what is done next.
//!
//! btleplug hands nearly every fault through as an opaque box; what happened stands in the D-Bus error's name and, where
//! BlueZ says only `org.bluez.Error.Failed`, in its text. Pure but for the unboxing.

use crate::ports::LinkError;
use bluez_async::BluetoothError;
use std::io;

/// Kinds of failure that are treated differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is no D-Bus, or the connection to it broke: a new one is needed.
    NoBus,
    /// bluetoothd does not run.
    NoDaemon,
    /// No adapter is plugged in.
    NoAdapter,
    /// The adapter is switched off, blocked by rfkill, or pulled.
    AdapterOff,
    /// The gateway's user may not talk to BlueZ.
    Forbidden,
    /// An earlier attempt is still under way inside BlueZ: only `disconnect()` ends it.
    Busy,
    /// BlueZ has forgotten the device: it must be seen again.
    Forgotten,
    /// The link is down.
    NotConnected,
    /// The device wants to be paired first.
    NotPaired,
    /// The device answered with an ATT error: its own code.
    Refused(String),
    /// Not answered within our own limit.
    TimedOut,
    /// Anything else, in BlueZ's words; mostly passes by itself.
    Other(String),
}

impl Trouble {
    /// By name and text of a D-Bus error.
    #[must_use]
    pub fn of_dbus(name: &str, text: &str) -> Self {
        let short = name.rsplit_once("Error.").map_or(name, |(_, short)| short);
        match short {
            "NoServer" | "Disconnected" | "FileNotFound" | "IOError" => Self::NoBus,
            "ServiceUnknown"
            | "NameHasNoOwner"
            | "Spawn.ExecFailed"
            | "Spawn.ServiceNotFound"
            | "Spawn.ChildExited" => Self::NoDaemon,
            "AccessDenied" => Self::Forbidden,
            "Timeout" | "TimedOut" | "NoReply" => Self::TimedOut,
            "UnknownObject" | "UnknownMethod" | "UnknownInterface" | "DoesNotExist" => Self::Forgotten,
            "InProgress" => Self::Busy,
            "NotReady" => Self::AdapterOff,
            "NotConnected" => Self::NotConnected,
            "NotPermitted" | "NotAuthorized" | "AuthenticationFailed" | "AuthenticationCanceled" => Self::NotPaired,
            _ => Self::of_text(text),
        }
    }

    /// What `org.bluez.Error.Failed` means.
    fn of_text(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        if let Some((_, code)) = lower.rsplit_once("att error: ") {
            // Insufficient authentication and insufficient encryption (Core 5.4, Vol 3 Part F, 3.4.1.1).
            return if matches!(code, "0x05" | "0x0f") { Self::NotPaired } else { Self::Refused(code.to_owned()) };
        }
        match lower.as_str() {
            "not connected" => Self::NotConnected,
            "operation already in progress" => Self::Busy,
            "resource not ready" | "input/output error" | "blocked through rfkill" => Self::AdapterOff,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Whether Bluetooth itself fails here, and not one device.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::NoBus | Self::NoDaemon | Self::NoAdapter | Self::AdapterOff | Self::Forbidden)
    }

    /// As the task of the device `what` is told.
    #[must_use]
    pub fn link_error(self, what: &str) -> LinkError {
        let says = |text: String| LinkError::Io(io::Error::other(text));
        match self {
            Self::NoBus => LinkError::NoRadio("this machine has no D-Bus; install dbus and bluez".to_owned()),
            Self::NoDaemon => LinkError::NoRadio(
                "Bluetooth is not running; install bluez, then `systemctl enable --now bluetooth`".to_owned(),
            ),
            Self::NoAdapter => LinkError::NoRadio("no Bluetooth adapter; plug one in".to_owned()),
            Self::AdapterOff => LinkError::NoRadio(
                "the Bluetooth adapter is switched off; `rfkill unblock bluetooth`, or plug it in again".to_owned(),
            ),
            Self::Forbidden => LinkError::NoRadio(
                "the gateway's user may not use Bluetooth; add it to the group bluetooth, then restart it".to_owned(),
            ),
            Self::Busy => LinkError::Gone(format!("{what}: Bluetooth is still busy with an earlier attempt")),
            Self::Forgotten | Self::NotConnected | Self::TimedOut => LinkError::Unheard { what: what.to_owned() },
            Self::NotPaired => says(format!("{what} wants to be paired; do it once with `bluetoothctl pair {what}`")),
            Self::Refused(code) => says(format!("{what} refused what was written, with its error {code}")),
            Self::Other(text) => LinkError::Gone(format!("{what}: {text}")),
        }
    }

    /// As whoever looks for a device is told where this came from an adapter, and not from a device.
    #[must_use]
    pub fn adapter_error(self) -> LinkError {
        match self {
            Self::Busy | Self::Forgotten | Self::NotConnected | Self::TimedOut => LinkError::NoRadio(
                "the Bluetooth adapter does not answer; plug it in again, or restart this machine".to_owned(),
            ),
            Self::Other(text) => LinkError::NoRadio(format!("the Bluetooth adapter fails: {text}; plug it in again")),
            other => other.link_error("the adapter"),
        }
    }
}

impl From<btleplug::Error> for Trouble {
    fn from(error: btleplug::Error) -> Self {
        match error {
            btleplug::Error::DeviceNotFound => Self::Forgotten,
            btleplug::Error::NotConnected => Self::NotConnected,
            btleplug::Error::PermissionDenied => Self::Forbidden,
            btleplug::Error::NoAdapterAvailable => Self::NoAdapter,
            btleplug::Error::TimedOut(_) => Self::TimedOut,
            btleplug::Error::Other(boxed) => match boxed.downcast::<BluetoothError>() {
                Ok(ours) => Self::from(*ours),
                Err(other) => Self::Other(other.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<BluetoothError> for Trouble {
    fn from(error: BluetoothError) -> Self {
        match error {
            BluetoothError::DbusError(error) => Self::from(error),
            BluetoothError::NoBluetoothAdapters => Self::NoAdapter,
            BluetoothError::ServiceDiscoveryTimedOut => Self::TimedOut,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<dbus::Error> for Trouble {
    fn from(error: dbus::Error) -> Self {
        Self::of_dbus(error.name().unwrap_or_default(), error.message().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name and text that was met on a real stack.
    #[test]
    fn each_error_of_the_stack_is_told_apart() {
        let freedesktop = "org.freedesktop.DBus.Error.";
        let bluez = "org.bluez.Error.";
        let met = [
            (freedesktop, "NoServer", "", Trouble::NoBus),
            (freedesktop, "Disconnected", "Connection is closed", Trouble::NoBus),
            (freedesktop, "FileNotFound", "Failed to connect to socket", Trouble::NoBus),
            (freedesktop, "ServiceUnknown", "The name is not activatable", Trouble::NoDaemon),
            (freedesktop, "Spawn.ExecFailed", "Failed to execute program", Trouble::NoDaemon),
            (freedesktop, "NameHasNoOwner", "", Trouble::NoDaemon),
            (freedesktop, "AccessDenied", "Rejected send message", Trouble::Forbidden),
            (freedesktop, "Timeout", "", Trouble::TimedOut),
            (freedesktop, "NoReply", "", Trouble::TimedOut),
            (freedesktop, "UnknownObject", "Method \"WriteValue\" doesn't exist", Trouble::Forgotten),
            (bluez, "DoesNotExist", "Does Not Exist", Trouble::Forgotten),
            (bluez, "InProgress", "Operation already in progress", Trouble::Busy),
            (bluez, "NotReady", "Resource Not Ready", Trouble::AdapterOff),
            (bluez, "NotConnected", "Not Connected", Trouble::NotConnected),
            (bluez, "NotPermitted", "Read not permitted", Trouble::NotPaired),
            (bluez, "AuthenticationFailed", "", Trouble::NotPaired),
            (bluez, "Failed", "Not connected", Trouble::NotConnected),
            (bluez, "Failed", "Operation already in progress", Trouble::Busy),
            (bluez, "Failed", "Input/output error", Trouble::AdapterOff),
            (bluez, "Failed", "Operation failed with ATT error: 0x80", Trouble::Refused("0x80".to_owned())),
            (bluez, "Failed", "Operation failed with ATT error: 0x0f", Trouble::NotPaired),
            (
                bluez,
                "Failed",
                "le-connection-abort-by-local",
                Trouble::Other("le-connection-abort-by-local".to_owned()),
            ),
            (bluez, "Failed", "Failed to initiate write", Trouble::Other("Failed to initiate write".to_owned())),
            (
                bluez,
                "NotSupported",
                "Operation is not supported",
                Trouble::Other("Operation is not supported".to_owned()),
            ),
        ];
        for (space, name, text, wanted) in met {
            assert_eq!(Trouble::of_dbus(&format!("{space}{name}"), text), wanted, "{name}: {text}");
        }
    }

    /// An opaque box from the library is opened down to the error's name.
    #[test]
    fn the_box_is_opened() {
        let inner = dbus::Error::new_custom("org.bluez.Error.InProgress", "Operation already in progress");
        let boxed = btleplug::Error::Other(Box::new(BluetoothError::DbusError(inner)));
        assert_eq!(Trouble::from(boxed), Trouble::Busy);
    }

    /// An adapter that did not answer was said to be a device that is to be switched on and brought near.
    #[test]
    fn an_adapter_that_does_not_answer_is_no_device_that_is_not_heard() {
        for trouble in [Trouble::TimedOut, Trouble::Busy, Trouble::Forgotten, Trouble::Other("Failed".to_owned())] {
            let told = trouble.clone().adapter_error();
            assert!(
                matches!(&told, LinkError::NoRadio(says) if says.contains("plug it in again")),
                "{trouble:?}: {told}"
            );
        }
        let told = Trouble::NoDaemon.adapter_error().to_string();
        assert!(told.contains("install bluez"), "{told}");
    }

    #[test]
    fn what_fails_here_is_told_from_what_one_device_does() {
        assert!(Trouble::NoDaemon.is_ours() && Trouble::AdapterOff.is_ours());
        assert!(!Trouble::TimedOut.is_ours() && !Trouble::Busy.is_ours() && !Trouble::NotConnected.is_ours());
    }
}
