//! `field = [ … ]` of a message or command, and the tables of codes that fields name.

use super::{list, metric_id, number, one_of, table, text, whole};
use crate::domain::{Region, reading::QualityFlag};
use crate::protocol::{
    field::Status,
    item::Role,
    width::{Sort, Width},
};
use serde_json::{Value, json};

/// Where the schema explains a field inside a field. They nest as deep as one likes, so that explanation refers to itself.
const INNER: &str = "#/properties/message/items/properties/field/items/properties/field/items";

/// A field of a message.
pub(super) fn field() -> Value {
    // Two levels are written out: `tests/protocol_pages.rs` compares what it can read there with the parser's keys.
    with_inner(&with_inner(&json!({ "$ref": INNER })))
}

/// A field; `inner` are the fields it may be made of.
fn with_inner(inner: &Value) -> Value {
    let mut field = table(
        &[],
        &[
            ("metric", "A measured value of this metric.", metric_id()),
            ("role", "What the field is, where it is no measured value.", one_of(Role::WORDS)),
            ("array", "A part of this [[array]].", text()),
            ("skip", "Bytes, bits or one column that mean nothing.", whole(1, 4_096)),
            ("constant", "Must stand there: bytes in hex, or text in lines.", text()),
            ("packed", "Fields share the bits of one number of this width, from the highest down.", packed()),
            ("repeat", "The group stands so often: a number, count (as role = \"count\" says) or rest.", repeat()),
            ("field", "What packed or repeat is made of; alone: fields that share one column.", list(inner)),
            ("width", "How the number or text stands on the wire.", one_of(Width::WORDS)),
            ("length", "Characters, bytes or bits, where the width does not say it.", whole(1, 4_096)),
            ("scale", "Raw number times this (1).", number()),
            ("offset", "Plus this (0).", number()),
            ("unit", "As printed beside the number.", text()),
            ("decimals", "How finely the device measures, where the scale does not imply it.", whole(0, 9)),
            ("region", "Where the field itself says where it was measured.", one_of(Region::WORDS)),
            ("range", "Least and greatest value in unit; what lies outside is none.", range()),
            ("absent", "Raw value, or text, that means: no value; or a list of them.", code_or_list()),
            ("under_range", "Raw value, or text, that means: below the scale; or a list of them.", code_or_list()),
            ("over_range", "Raw value, or text, that means: above the scale; or a list of them.", code_or_list()),
            ("always", "This message says that the metric has no value; takes no bytes.", one_of(&reasons())),
            ("codes", "Name of a [codes] table, for role = \"region\" or \"status\".", text()),
            ("of", "The one metric of which role = \"status\" says it; without it all.", metric_id()),
            ("bits", "Flags by bit, for role = \"flags\".", bits()),
            ("no_value", "Bits of role = \"flags\" that say: no value.", list(&no_value())),
            ("first", "First place of the array, counted from 0.", whole(0, 4_095)),
            ("count", "Numbers of the array in this field.", whole(1, 4_096)),
            ("if_bit", "There only if this bit of the last role = \"presence\" is set; 0 the lowest.", whole(0, 63)),
            ("unless_bit", "There only if this bit of the last role = \"presence\" is not set.", whole(0, 63)),
        ],
    );
    let mut kinds = ["metric", "role", "array", "skip", "constant"].map(|key| json!({ "required": [key] })).to_vec();
    kinds.extend(["packed", "repeat"].map(|key| json!({ "required": [key, "field"] })));
    let around = ["packed", "repeat"].map(|key| json!({ "required": [key] }));
    kinds.push(json!({ "required": ["field"], "not": { "anyOf": around } }));
    field["oneOf"] = kinds.into();
    field["not"] = json!({ "required": ["if_bit", "unless_bit"] });
    field
}

/// Widths whose bits can be shared out.
fn packed() -> Value {
    let whole = Width::ALL.iter().filter(|width| width.sort() == Sort::Unsigned && !width.is_bits());
    one_of(&whole.map(|width| width.as_str()).collect::<Vec<_>>())
}

fn repeat() -> Value {
    let times = [whole(1, 1_024), one_of(&["count", "rest"])];
    json!({ "type": ["integer", "string"], "anyOf": times })
}

fn range() -> Value {
    json!({ "type": "array", "items": number(), "minItems": 2, "maxItems": 2 })
}

/// Words for why there is no value.
fn reasons() -> Vec<&'static str> {
    Status::ALL.iter().filter(|status| status.reason().is_some()).map(|status| status.as_str()).collect()
}

fn bits() -> Value {
    let bits = QualityFlag::WORDS.iter().map(|word| (*word, "Number of its bit, 0 the lowest.", whole(0, 63)));
    table(&[], &bits.collect::<Vec<_>>())
}

fn no_value() -> Value {
    let mut no_value = table(
        &["reason"],
        &[
            ("metric", "The metric that has none; without it every metric of the message.", metric_id()),
            ("reason", "Why there is none.", one_of(&reasons())),
            ("if_bit", "Number of the bit that says so when it is set; 0 the lowest.", whole(0, 63)),
            ("unless_bit", "Number of the bit that says so when it is not set.", whole(0, 63)),
        ],
    );
    no_value["oneOf"] = ["if_bit", "unless_bit"].map(|key| json!({ "required": [key] })).into();
    no_value
}

/// `[codes]`: one table for each set of codes, of regions or of what a status says.
pub(super) fn codes() -> Value {
    let regions = Region::WORDS.iter().map(|word| (*word, "What stands on the wire for this region.", code()));
    let states = Status::WORDS.iter().map(|word| (*word, "What stands on the wire where this holds.", code()));
    let words = regions.chain(states).collect::<Vec<_>>();
    json!({ "type": "object", "additionalProperties": table(&[], &words) })
}

/// A raw number or text.
pub(super) fn code() -> Value {
    json!({ "type": ["integer", "string"] })
}

fn code_or_list() -> Value {
    json!({ "type": ["integer", "string", "array"], "items": code() })
}
