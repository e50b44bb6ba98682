//! BlueZ as the gateway sees it, on a private D-Bus: adapters, devices and their characteristics, as far as btleplug looks,
//! and every fault of the real one that was met. No radio, no kernel, no root.
//!
//! A test holds the three parts that fail apart in a salon, too: the [`Bus`] (a real `dbus-daemon` of its own), the
//! [`Bluetoothd`] on it, and the [`World`] of adapters and devices, which goes on while bluetoothd is dead. What the gateway
//! calls is written down in order; what a device is sent comes out of its inbox, and the test answers as the device.
//!
//! What it cannot show: the radio, the kernel, pairing, timing of the real stack. No test of the project shows those.

#![expect(clippy::disallowed_methods, reason = "a fake has no supervisor to start its tasks")]

mod bluetoothd;
mod bus;
mod fault;
mod objects;
mod systemd;
mod world;

pub use bluetoothd::Bluetoothd;
pub use bus::Bus;
pub use fault::Fault;
pub use systemd::Systemd;
pub use world::{Gatt, Sensor, World, Written};
