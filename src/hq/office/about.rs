//! What a gateway says of itself (`about`), read tolerantly: older gateways say less, newer ones more. What is not said is not
//! known.

use crate::domain::{ClockState, Timestamp};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// Absent where the gateway says nothing of its devices.
    pub devices: Option<Vec<Device>>,
    pub health: Option<Health>,
}

/// One device, as its gateway sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device {
    pub station: String,
    pub protocol: String,
    pub serial: Option<String>,
    pub firmware: Option<String>,
    pub connected: Option<bool>,
    pub battery_percent: Option<i64>,
    pub signal_dbm: Option<i64>,
}

/// A battery that lasts no day of visits any more.
const WEAK_PERCENT: i64 = 20;

impl Device {
    /// Whether its battery is to be charged.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.battery_percent.is_some_and(|percent| percent < WEAK_PERCENT)
    }
}

/// How the gateway itself is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    pub disk_free_mib: Option<i64>,
    pub disk_mib: Option<i64>,
    pub clock: Option<ClockState>,
    /// Events that headquarters has not acknowledged, and since when the oldest of them waits.
    pub waiting: Option<i64>,
    pub oldest_waiting: Option<Timestamp>,
}

impl Health {
    /// Free part of the disk.
    #[must_use]
    pub fn disk_free(&self) -> Option<f64> {
        let (free, all) = self.disk_free_mib.zip(self.disk_mib)?;
        (all > 0).then(|| free as f64 / all as f64)
    }
}

impl About {
    #[must_use]
    pub fn read(text: &str) -> Self {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let devices = said["devices"].as_array().map(|devices| devices.iter().map(device).collect());
        let health = said["health"].as_object().map(|_| health(&said["health"]));
        Self { devices, health }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn device(said: &Value) -> Device {
    Device {
        station: text(&said["station"]).unwrap_or_default(),
        protocol: text(&said["protocol"]).unwrap_or_default(),
        serial: text(&said["serial"]).filter(|serial| !serial.is_empty()),
        firmware: text(&said["firmware"]).filter(|firmware| !firmware.is_empty()),
        connected: said["connected"].as_bool(),
        battery_percent: said["battery_percent"].as_i64(),
        signal_dbm: said["signal_dbm"].as_i64(),
    }
}

fn health(said: &Value) -> Health {
    Health {
        disk_free_mib: said["disk_free_mib"].as_i64(),
        disk_mib: said["disk_mib"].as_i64(),
        clock: said["clock"].as_str().and_then(|word| word.parse().ok()),
        waiting: said["waiting"].as_i64(),
        oldest_waiting: said["oldest_waiting"].as_str().and_then(|time| time.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_known() {
        assert_eq!(About::read("no JSON"), About::default());
        assert_eq!(About::read("{\"simulated\":true}"), About::default());
        let said = About::read(
            r#"{"devices":[{"station":"chair-1","protocol":"cr30","serial":"","connected":true,"battery_percent":71,"new":1}],
                "health":{"disk_free_mib":512,"disk_mib":2048,"clock":"holdover","oldest_waiting":"2026-03-02T09:14:05.120Z"}}"#,
        );
        let device = &said.devices.expect("devices")[0];
        assert_eq!((device.connected, device.battery_percent, &device.serial), (Some(true), Some(71), &None));
        let health = said.health.expect("health");
        assert_eq!((health.disk_free(), health.clock, health.waiting), (Some(0.25), Some(ClockState::Holdover), None));
        assert!(health.oldest_waiting.is_some());
    }
}
