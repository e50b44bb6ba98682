//! A protocol file that has been checked: past this door nothing is checked again.
//!
//! [`Spec::parse`] is the door. Everything is looked up by the names the file uses.

use super::{
    air::Ble,
    field::{Code, Shape},
    flow::{Flow, Measure},
    framing::{Framing, Kind},
};
use crate::domain::{
    metric::{Label, MetricId, Repeatability},
    word::words,
};

words! {
    /// Parity of a serial line.
    pub enum Parity as "parity" { None = "none", Even = "even", Odd = "odd" }
}

words! {
    /// Flow control of a serial line.
    pub enum FlowControl as "flow control" { None = "none", Hardware = "hardware", Software = "software" }
}

words! {
    /// How quantities are derived from others.
    pub enum Formula as "formula" {
        /// L*, a*, b* from 31 reflectances in percent, 400 to 700 nm at 10 nm.
        LabFromReflectance = "lab-from-reflectance",
        /// Individual typology angle `atan2(L* − 50, b*)` in degrees, from L* and b*.
        Ita = "ita",
    }
}

/// USB vendor and product by which a device is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbId {
    pub vendor: u16,
    pub product: u16,
}

/// `[transport.serial]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    pub baud: u32,
    pub data_bits: u8,
    pub parity: Parity,
    pub stop_bits: u8,
    pub flow: FlowControl,
    /// Empty where the device brings no USB id of its own.
    pub usb: Vec<UsbId>,
}

/// How a device says that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// A code in the field with the role `error`.
    Code(Code),
    /// A message that says nothing else.
    Message(String),
}

impl Sign {
    /// As it is named in logs and vectors.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Code(Code::Number(code)) => code.to_string(),
            Self::Code(Code::Text(word)) | Self::Message(word) => word.clone(),
        }
    }
}

/// A fault the device reports, with what the beautician is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    pub sign: Sign,
    pub advice: Label,
}

/// Numbers of one measurement that come in several frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySpec {
    pub name: String,
    pub length: usize,
}

/// Quantities computed by a named formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    pub formula: Formula,
    /// An array, or metrics derived or measured before.
    pub from: Vec<String>,
    /// What comes out, in the formula's order.
    pub metrics: Vec<MetricId>,
    pub unit: String,
    pub decimals: u8,
}

/// A metric this device measures.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredMetric {
    pub id: MetricId,
    /// `None`: nobody has said how far the device repeats itself; no verdict can be drawn from it.
    pub repeatability: Option<Repeatability>,
}

/// How one device model talks.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name of its folder.
    pub id: String,
    /// Grows with every change of meaning; readings of two versions are not compared.
    pub version: String,
    pub title: Label,
    /// Where this was learnt.
    pub source: String,
    /// Over a serial line; `None`: never. At least one of the two is there.
    pub serial: Option<Serial>,
    /// Through the air; `None`: never.
    pub ble: Option<Ble>,
    /// Device to gateway.
    pub framing: Framing,
    /// Gateway to device.
    pub command_framing: Framing,
    pub messages: Vec<Shape>,
    pub commands: Vec<Shape>,
    pub errors: Vec<DeviceError>,
    pub arrays: Vec<ArraySpec>,
    pub derived: Vec<Derived>,
    pub metrics: Vec<DeclaredMetric>,
    pub flow: Flow,
}

impl Spec {
    /// USB ids by which it is recognised; empty without a serial line of its own.
    #[must_use]
    pub fn usb(&self) -> &[UsbId] {
        self.serial.as_ref().map_or(&[], |serial| &serial.usb)
    }
    #[must_use]
    pub fn message(&self, name: &str) -> Option<&Shape> {
        self.messages.iter().find(|shape| shape.name == name)
    }
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Shape> {
        self.commands.iter().find(|shape| shape.name == name)
    }
    #[must_use]
    pub fn repeatability(&self, metric: &MetricId) -> Option<&Repeatability> {
        self.metrics.iter().find(|declared| declared.id == *metric)?.repeatability.as_ref()
    }
    /// The conversation that measures `metric`.
    #[must_use]
    pub fn measure(&self, metric: &MetricId) -> Option<&Measure> {
        self.flow.measure.iter().find(|measure| measure.metrics.contains(metric))
    }
    /// What to tell the beautician about the device's error `code`.
    #[must_use]
    pub fn advice(&self, code: &str) -> Option<&Label> {
        self.errors.iter().find(|error| error.sign.word() == code).map(|error| &error.advice)
    }

    /// The error that a message of this name is as a whole.
    #[must_use]
    pub fn error_said_by(&self, message: &str) -> Option<&DeviceError> {
        self.errors.iter().find(|error| matches!(&error.sign, Sign::Message(name) if name == message))
    }

    /// Nothing in the message itself says what it is, and no other rule does.
    #[must_use]
    pub fn is_known_by_its_question(&self, message: &str) -> bool {
        let mut bare = self.messages.iter().filter(|shape| shape.is_bare());
        let several = self.framing.kind == Kind::Silence || bare.clone().nth(1).is_some();
        several && bare.any(|shape| shape.name == message)
    }

    /// Bytes of the first of these messages that begins with nothing.
    #[must_use]
    pub fn bare_bytes(&self, awaited: &[&str]) -> Option<usize> {
        let bare = self.messages.iter().filter(|shape| shape.is_bare());
        bare.filter(|shape| awaited.contains(&shape.name.as_str())).find_map(|shape| shape.extent)
    }
}
