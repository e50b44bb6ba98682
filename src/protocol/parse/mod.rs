//! From the text of `protocol.toml` to a [`Spec`], with every complaint at once. Each part of the file has its reader here;
//! [`references`] then checks that every name used is one that is defined.

mod air;
mod codes;
mod fields;
mod flow;
mod framing;
mod references;
mod shape;

use super::{
    air::Ble,
    field::Code,
    framing::Kind,
    reader::{Complaints, Reader, SpecFaults, table_of},
    spec::{ArraySpec, DeclaredMetric, Derived, DeviceError, FlowControl, Formula, Parity, Serial, Sign, Spec, UsbId},
};
use crate::domain::metric::{MetricId, Repeatability};
use codes::Codes;

/// The only format of protocol files so far. A key that older gateways could misread raises it; a new optional key does not.
const SCHEMA: i64 = 1;

/// A verdict needs as many degrees of freedom behind a repeatability; fewer are a mistake in the file.
const LEAST_DEGREES_OF_FREEDOM: i64 = 30;

impl Spec {
    /// Reads the file of the folder `id`.
    ///
    /// # Errors
    /// [`SpecFaults`] with all that is wrong, each naming file, field and remedy.
    pub fn parse(id: &str, text: &str) -> Result<Self, SpecFaults> {
        Self::parse_file(&format!("firmware-protocols/{id}/protocol.toml"), id, text)
    }

    /// Reads a file that lies elsewhere; `file` is its name in complaints.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_file(file: &str, id: &str, text: &str) -> Result<Self, SpecFaults> {
        let table = table_of(file, text)?;
        let complaints = Complaints::default();
        let spec = spec(id, &Reader::new("", &table, &complaints));
        references::check(&spec, &complaints);
        air::check(&spec, &complaints);
        complaints.settle(file, spec).map_err(|faults| faults.located(text))
    }
}

/// Every key that reading `text` asks for, present or not; the schema is held against them. Empty where it is no TOML.
#[must_use]
pub fn keys_asked(id: &str, text: &str) -> std::collections::BTreeSet<String> {
    let complaints = Complaints::default();
    if let Ok(table) = table_of(id, text) {
        spec(id, &Reader::new("", &table, &complaints));
    }
    complaints.asked()
}

fn spec(id: &str, file: &Reader<'_>) -> Spec {
    if file.within("schema", 1, i64::from(u16::MAX)) as i64 != SCHEMA {
        file.complain("schema", format!("this gateway reads schema {SCHEMA}; a newer file needs a newer gateway"));
    }
    let named = file.text("id");
    if named != id {
        file.complain("id", format!("{named:?} differs from its folder {id:?}; give both the same name"));
    }
    let mut framing = framing::read(file, "framing");
    let own = file.has("command_framing");
    let mut command_framing = if own { framing::read(file, "command_framing") } else { framing.clone() };
    let codes = Codes::read(file);
    let messages = shape::read(file, "message", &framing, &codes);
    let commands = shape::read(file, "command", &command_framing, &codes);
    codes.complain_of_unused(file);
    shape::know(&mut framing, &messages, file, "framing");
    shape::know(&mut command_framing, &commands, file, if own { "command_framing" } else { "framing" });
    let (serial, mut ble) = transport(file);
    if let Some(ble) = &mut ble {
        ble.numbered = framing.kind == Kind::Notification;
    }
    Spec {
        id: id.to_owned(),
        version: file.text("version"),
        title: file.label("title"),
        source: file.text("source"),
        serial,
        ble,
        messages,
        commands,
        framing,
        command_framing,
        errors: file.tables("error").iter().map(device_error).collect(),
        arrays: file.tables("array").iter().map(array).collect(),
        derived: file.tables("derived").iter().filter_map(derived).collect(),
        metrics: file.tables("metric").iter().filter_map(declared).collect(),
        flow: flow::read(file),
    }
}

/// The serial line and the air; at least one is there.
fn transport(file: &Reader<'_>) -> (Option<Serial>, Option<Ble>) {
    let Some(transport) = file.table("transport") else {
        file.complain("transport", "is missing; write [transport.serial] with baud = 115200, or [transport.ble]");
        return (None, None);
    };
    let serial = transport.table("serial").map(|table| serial(&table));
    let ble = transport.table("ble").map(|table| air::read(&table));
    if serial.is_none() && ble.is_none() {
        transport.complain("serial", "is missing; write [transport.serial] with baud = 115200, or [transport.ble]");
    }
    (serial, ble)
}

fn serial(serial: &Reader<'_>) -> Serial {
    let usb = serial.texts("usb").into_iter().filter_map(|text| {
        let id = usb_id(&text);
        if id.is_none() {
            serial.complain("usb", format!("{text:?} is no USB id; write vendor:product in hex, as \"1A86:7523\""));
        }
        id
    });
    Serial {
        usb: usb.collect(),
        baud: u32::try_from(serial.within("baud", 50, 4_000_000)).unwrap_or(0),
        data_bits: serial.opt_within("data_bits", 7, 8).map_or(8, |bits| bits as u8),
        parity: serial.opt_word("parity").unwrap_or(Parity::None),
        stop_bits: serial.opt_within("stop_bits", 1, 2).map_or(1, |bits| bits as u8),
        flow: serial.opt_word("flow_control").unwrap_or(FlowControl::None),
    }
}

fn usb_id(text: &str) -> Option<UsbId> {
    let (vendor, product) = text.split_once(':')?;
    let hex = |part: &str| (part.len() == 4).then(|| u16::from_str_radix(part, 16).ok()).flatten();
    Some(UsbId { vendor: hex(vendor)?, product: hex(product)? })
}

fn device_error(table: &Reader<'_>) -> DeviceError {
    let code = table.get("code").map(|value| {
        let code = codes::code(value).filter(|code| !matches!(code, Code::Number(..0)));
        code.unwrap_or_else(|| {
            table.complain("code", format!("{value} must be a whole number, 0 or more, or text in quotes"));
            Code::Number(0)
        })
    });
    let sign = match (code, table.opt_text("message")) {
        (Some(code), None) => Sign::Code(code),
        (None, Some(message)) => Sign::Message(message),
        (code, message) => {
            let both = "write either code, as a field with role = \"error\" has it, or message, the name of the message \
                        that says it";
            table.complain("code", both);
            code.map(Sign::Code).or(message.map(Sign::Message)).unwrap_or(Sign::Code(Code::Number(0)))
        }
    };
    DeviceError { sign, advice: table.label("advice") }
}

fn array(table: &Reader<'_>) -> ArraySpec {
    ArraySpec { name: table.text("name"), length: table.within("length", 1, 4096) }
}

fn metric_id(table: &Reader<'_>, key: &'static str, text: &str) -> Option<MetricId> {
    MetricId::new(text).map_err(|fault| table.complain(key, fault.to_string())).ok()
}

fn derived(table: &Reader<'_>) -> Option<Derived> {
    let formula = table.word::<Formula>("formula");
    let from = table.texts("from");
    let metrics: Vec<_> = table.texts("metrics").iter().filter_map(|text| metric_id(table, "metrics", text)).collect();
    let unit = table.opt_text("unit").unwrap_or_default();
    let decimals = table.within("decimals", 0, 9) as u8;
    // One observer and one illuminant so far; they must be written all the same, since every other pair gives other numbers.
    let (observer, illuminant) = (table.opt_text("observer"), table.opt_text("illuminant"));
    let formula = formula?;
    if formula == Formula::LabFromReflectance {
        let known = [("observer", observer, "cie-1964-10"), ("illuminant", illuminant, "d65")];
        for (key, found, _) in known.iter().filter(|(_, found, known)| found.as_deref() != Some(*known)) {
            let known = if *key == "observer" { "cie-1964-10" } else { "d65" };
            table.complain(key, format!("{found:?} is not known; this formula has {key} = {known:?}"));
        }
    }
    let (inputs, outputs) = formula.arity();
    if from.len() != inputs || metrics.len() != outputs {
        table.complain("from", format!("{formula} takes {inputs} in `from` and gives {outputs} in `metrics`"));
    }
    Some(Derived { formula, from, metrics, unit, decimals })
}

impl Formula {
    /// How many names it takes and how many metrics it gives.
    const fn arity(self) -> (usize, usize) {
        match self {
            Self::LabFromReflectance => (1, 3),
            Self::Ita => (2, 1),
        }
    }
}

fn declared(table: &Reader<'_>) -> Option<DeclaredMetric> {
    let id = metric_id(table, "id", &table.text("id"));
    let repeatability = table.table("repeatability").map(|table| {
        let sd = |key| {
            let sd = table.opt_float(key).filter(|sd| *sd >= 0.0);
            if sd.is_none() {
                table.complain(key, "must be a standard deviation in the metric's unit, 0 or more");
            }
            sd.unwrap_or(0.0)
        };
        Repeatability {
            repeat_sd: sd("repeat_sd"),
            placement_sd: sd("placement_sd"),
            degrees_of_freedom: table.within("degrees_of_freedom", LEAST_DEGREES_OF_FREEDOM, 1_000_000) as u32,
            source: table.text("source"),
        }
    });
    Some(DeclaredMetric { id: id?, repeatability })
}
