//! The JSON Schema of `protocol.toml`, for editors: they complete keys, explain them and mark what is wrong while it is typed.
//!
//! Made from the same vocabularies that the parser reads (widths, roles, checksums, framings), so that a new word is in it by
//! itself. A new *key* has to be added here; a test compares the keys with those the parser asks for.

mod air;
mod field;
mod flow;
mod framing;

use super::spec::{FlowControl, Formula, Parity};
use air::ble;
use field::{codes, field};
use flow::flow;
use framing::framing;
use serde_json::{Map, Value, json};

/// The whole schema, pretty and with a line end: the text of the committed file.
#[must_use]
pub fn schema() -> String {
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "skinlink protocol file",
        "description": "How one model of skin analyser talks: firmware-protocols/<id>/protocol.toml",
    });
    let mut whole = head.as_object().cloned().unwrap_or_default();
    whole.extend(file().as_object().cloned().unwrap_or_default());
    let text = serde_json::to_string_pretty(&Value::Object(whole)).expect("a schema is plain JSON");
    text + "\n"
}

fn file() -> Value {
    table(
        &["schema", "id", "version", "title", "source", "transport", "framing", "message", "metric"],
        &[
            ("schema", "Format of this file: 1.", json!({ "const": 1 })),
            ("id", "Same as the folder.", text()),
            ("version", "Grows when a value would come out differently.", text()),
            ("title", "What the device is called.", label()),
            ("source", "Where this was learnt: manual, revision, page, capture.", text()),
            ("transport", "How it is connected: one of these or both.", transport()),
            ("framing", "How frames of the device lie on the wire.", framing()),
            ("command_framing", "The same for the gateway's frames, where they differ.", framing()),
            ("codes", "The house's words and the device's codes: [codes.region] forehead = 1.", codes()),
            ("message", "What the device says.", list(&shape())),
            ("command", "What the gateway says.", list(&shape())),
            ("flow", "Conversations.", flow()),
            ("error", "Faults the device reports.", list(&error())),
            ("array", "Numbers that come in several frames.", list(&array())),
            ("derived", "Quantities by a named formula.", list(&derived())),
            ("metric", "Every metric the device gives.", list(&metric())),
        ],
    )
}

fn transport() -> Value {
    let mut transport = table(&[], &[("serial", "A serial line.", serial()), ("ble", "Bluetooth Low Energy.", ble())]);
    transport["minProperties"] = 1.into();
    transport
}

fn serial() -> Value {
    let usb = json!({ "type": "array", "items": { "type": "string", "pattern": "^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$" } });
    table(
        &["baud"],
        &[
            ("baud", "Bits per second.", whole(50, 4_000_000)),
            ("data_bits", "7 or 8 (8).", whole(7, 8)),
            ("parity", "none, even or odd (none).", one_of(Parity::WORDS)),
            ("stop_bits", "1 or 2 (1).", whole(1, 2)),
            ("flow_control", "none, hardware or software (none).", one_of(FlowControl::WORDS)),
            ("usb", "USB vendor:product by which the device is recognised.", usb),
        ],
    )
}

fn shape() -> Value {
    table(
        &["name"],
        &[
            ("name", "Its name in this file and in vectors.", text()),
            (
                "match",
                "How the payload begins: hex, in delimited framing text; with a separator the first column.",
                text(),
            ),
            ("field", "Fields in wire order, behind the match.", list(&field())),
        ],
    )
}

fn error() -> Value {
    table(
        &["advice"],
        &[
            ("code", "As the device reports it in a field with role = \"error\".", field::code()),
            ("message", "Or the message that says it as a whole.", text()),
            ("advice", "What the beautician is to do, not what the device feels.", label()),
        ],
    )
}

fn array() -> Value {
    table(&["name", "length"], &[("name", "Its name.", text()), ("length", "How many numbers.", whole(1, 4_096))])
}

fn derived() -> Value {
    table(
        &["formula", "from", "metrics", "decimals"],
        &[
            ("formula", "A named formula.", one_of(Formula::WORDS)),
            ("from", "An array, or metrics.", list(&text())),
            ("metrics", "What comes out, in the formula's order.", list(&metric_id())),
            ("unit", "As printed beside the number.", text()),
            ("decimals", "Of the result.", whole(0, 9)),
            ("observer", "cie-1964-10, for colour.", text()),
            ("illuminant", "d65, for colour.", text()),
        ],
    )
}

fn metric() -> Value {
    let repeatability = table(
        &["repeat_sd", "placement_sd", "degrees_of_freedom", "source"],
        &[
            ("repeat_sd", "Standard deviation without lifting the probe, in the metric's unit.", number()),
            ("placement_sd", "Standard deviation from placing the probe anew.", number()),
            ("degrees_of_freedom", "Behind both; 30 or more.", whole(30, 1_000_000)),
            ("source", "Where these come from.", text()),
        ],
    );
    table(
        &["id"],
        &[
            ("id", "Its id in config/metrics.toml.", metric_id()),
            ("repeatability", "How far the device repeats itself. Unknown: leave it out.", repeatability),
        ],
    )
}

fn label() -> Value {
    table(&["zh", "en"], &[("zh", "Chinese.", text()), ("en", "English.", text())])
}

/// A table of these keys and no others.
fn table(required: &[&str], keys: &[(&str, &str, Value)]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|(key, description, value)| {
            let mut value = value.clone();
            value["description"] = (*description).into();
            ((*key).to_owned(), value)
        })
        .collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// As [`crate::domain::metric::MetricId::new`] takes it.
fn metric_id() -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9-]{1,40}$" })
}

fn hex_byte() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{2}$" })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn whole(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}
