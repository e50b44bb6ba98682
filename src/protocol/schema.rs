//! The JSON Schema of `protocol.toml`, for editors: they complete keys, explain them and mark what is wrong while it is typed.
//!
//! Made from the same vocabularies that the parser reads (widths, roles, checksums, framings), so that a new word is in it by
//! itself. A new *key* has to be added here; a test compares the keys with those the parser asks for.

use super::{
    checksum::Algorithm,
    framing::{Kind, Order, Part},
    item::Role,
    spec::{FlowControl, Formula, Parity},
    width::Width,
};
use crate::domain::{Region, reading::QualityFlag};
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
            ("transport", "How it is connected.", table(&[], &[("serial", "A serial line.", serial())])),
            ("framing", "How frames of the device lie on the wire.", framing()),
            ("command_framing", "The same for the gateway's frames, where they differ.", framing()),
            ("codes", "Tables of region codes: [codes.region] forehead = 1.", codes()),
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

fn framing() -> Value {
    table(
        &["kind"],
        &[
            ("kind", "How a frame's extent is known.", one_of(Kind::WORDS)),
            ("start", "First bytes in hex, or characters of a line.", text()),
            ("length", "Counts the payload bytes.", one_of(&["u8", "u16be", "u16le"])),
            ("end", "Last bytes in hex, or the end of a line.", text()),
            ("separator", "Between the columns of a line: one character.", text()),
            ("max_payload", "Longest payload in bytes.", whole(1, 16_384)),
            ("frame_bytes", "The whole frame, for fixed-length.", whole(2, 16_384)),
            ("gap_ms", "A frame that pauses longer in the middle is given up (300).", whole(10, 10_000)),
            ("checksum", "What guards the frame.", checksum()),
        ],
    )
}

fn checksum() -> Value {
    table(
        &["algorithm", "covers"],
        &[
            ("algorithm", "sum8, xor8, lrc or a name of the CRC catalogue.", algorithm()),
            ("covers", "A part or a range of parts: length..payload.", text()),
            ("order", "High byte first (be) or last (le).", one_of(Order::WORDS)),
            (
                "after",
                "Behind the payload (payload) or behind the end bytes (end).",
                one_of(&[Part::Payload.as_str(), Part::End.as_str()]),
            ),
            ("hex_after", "In lines of text: the character before two hex digits a byte.", text()),
        ],
    )
}

fn algorithm() -> Value {
    json!({ "type": "string", "enum": Algorithm::names().collect::<Vec<_>>() })
}

fn codes() -> Value {
    let regions = Region::WORDS.iter().map(|word| (*word, "Code of this region on the wire.", whole(0, i64::MAX)));
    json!({ "type": "object", "additionalProperties": table(&[], &regions.collect::<Vec<_>>()) })
}

fn shape() -> Value {
    table(
        &["name", "match"],
        &[
            ("name", "Its name in this file and in vectors.", text()),
            ("match", "How the payload begins, in hex; in lines the first column.", text()),
            ("field", "Fields in wire order, behind the match.", list(&field())),
        ],
    )
}

fn field() -> Value {
    let bits = QualityFlag::WORDS.iter().map(|word| (*word, "Number of its bit, 0 the lowest.", whole(0, 63)));
    let code = json!({ "type": ["integer", "string"] });
    let mut field = table(
        &[],
        &[
            ("metric", "A measured value of this metric.", text()),
            ("role", "What the field is, where it is no measured value.", one_of(Role::WORDS)),
            ("array", "A part of this [[array]].", text()),
            ("skip", "Bytes that mean nothing.", whole(1, 4_096)),
            ("constant", "Must stand there.", text()),
            ("width", "How the number or text stands on the wire.", one_of(Width::WORDS)),
            ("length", "Characters or bytes, where the width does not say it.", whole(1, 4_096)),
            ("scale", "Raw number times this (1).", number()),
            ("offset", "Plus this (0).", number()),
            ("unit", "As printed beside the number.", text()),
            ("decimals", "How finely the device measures, where the scale does not imply it.", whole(0, 9)),
            ("region", "Where the field itself says where it was measured.", one_of(Region::WORDS)),
            ("absent", "Raw value, or text, that means: no value.", code.clone()),
            ("under_range", "Raw value, or text, that means: below the scale.", code.clone()),
            ("over_range", "Raw value, or text, that means: above the scale.", code),
            ("codes", "Name of a [codes] table, for role = \"region\".", text()),
            ("bits", "Flags by bit, for role = \"flags\".", table(&[], &bits.collect::<Vec<_>>())),
            ("first", "First place of the array, counted from 0.", whole(0, 4_095)),
            ("count", "Numbers of the array in this field.", whole(1, 4_096)),
        ],
    );
    field["oneOf"] = ["metric", "role", "array", "skip", "constant"].map(|key| json!({ "required": [key] })).into();
    field
}

fn flow() -> Value {
    let keep_alive = table(
        &["every_ms", "steps"],
        &[
            ("every_ms", "So long without a byte from the device.", whole(100, 600_000)),
            ("steps", "What is asked then.", list(&step())),
        ],
    );
    let measure = table(
        &["metrics", "steps"],
        &[
            ("metrics", "What comes out.", json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })),
            ("steps", "The conversation.", list(&step())),
        ],
    );
    table(
        &[],
        &[
            ("identify", "Asked at every connection; the reply says who it is.", list(&step())),
            ("measure", "How values are asked for.", list(&measure)),
            ("acknowledge", "Command sent once a value is durable.", text()),
            ("keep_alive", "Asked while nothing else goes on.", keep_alive),
            ("set_clock", "Sets the device's clock.", list(&step())),
            ("picture", "How the device sends a picture.", picture()),
        ],
    )
}

fn step() -> Value {
    table(
        &["reply", "timeout_ms"],
        &[
            ("send", "Command to send; without it the step only waits.", text()),
            ("reply", "Message that ends the step.", text()),
            ("timeout_ms", "How long the reply may take.", whole(10, 120_000)),
            ("retries", "How often the command is sent again (0).", whole(0, 20)),
        ],
    )
}

fn picture() -> Value {
    table(
        &["announce", "chunk", "request", "done", "check", "max_bytes", "window", "timeout_ms", "retries"],
        &[
            ("announce", "Message that says how big it is.", text()),
            ("chunk", "Message that brings a chunk.", text()),
            ("request", "Command that asks for chunks.", text()),
            ("done", "Command that ends it, once it is durable.", text()),
            ("check", "Checksum over the whole picture.", algorithm()),
            ("max_bytes", "Largest picture.", whole(1, 8 * 1_024 * 1_024)),
            ("window", "Chunks asked for at once.", whole(1, 256)),
            ("timeout_ms", "Without a chunk for so long, what is missing is asked for again.", whole(10, 60_000)),
            ("retries", "How often in a row without any chunk.", whole(0, 100)),
        ],
    )
}

fn error() -> Value {
    table(
        &["code", "advice"],
        &[
            ("code", "As the device reports it.", whole(0, i64::from(u32::MAX))),
            ("advice", "What the beautician is to do, not what the device feels.", label()),
        ],
    )
}

fn array() -> Value {
    table(&["name", "length"], &[("name", "Its name.", text()), ("length", "How many numbers.", whole(1, 4_096))])
}

fn derived() -> Value {
    let names = || json!({ "type": "array", "items": { "type": "string" } });
    table(
        &["formula", "from", "metrics", "decimals"],
        &[
            ("formula", "A named formula.", one_of(Formula::WORDS)),
            ("from", "An array, or metrics.", names()),
            ("metrics", "What comes out, in the formula's order.", names()),
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
            ("id", "Its id in config/metrics.toml.", text()),
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

fn number() -> Value {
    json!({ "type": "number" })
}

fn whole(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}
