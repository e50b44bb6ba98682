//! The wire as documents for others: JSON Schemas of everything that travels, and an AsyncAPI 3 document around them. Made
//! from the types themselves; `docs/contracts/` holds what this writes, and a test fails where it differs.

use super::{
    MAX_PUBLISH, agenda, downlink,
    envelope::{Batch, Event, TYPE_PREFIX},
    image_lane::Offer,
    package,
    payload::{self, kind},
    reply::{Hello, Reply},
    sheet::Report,
    topic::ROOT,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Grows with the wire: the second number with a new kind or field, the first with a new topic root.
pub const VERSION: &str = "1.5.0";

/// Schemas by name: `event`, `batch`, `hello`, `reply`, `offer`, `agenda` (the file that a CRM hands over), `staff` (the same of who works in a store), `package` (its header), and the data of each event type (`reading.v1`).
#[must_use]
pub fn schemas() -> Vec<(String, Value)> {
    let mut all = vec![
        ("event".to_owned(), schema::<Event>()),
        ("batch".to_owned(), schema::<Batch>()),
        ("hello".to_owned(), schema::<Hello>()),
        ("reply".to_owned(), schema::<Reply>()),
        ("offer".to_owned(), schema::<Offer>()),
        ("agenda".to_owned(), schema::<agenda::File>()),
        ("staff".to_owned(), schema::<downlink::Staff>()),
        ("package".to_owned(), schema::<package::Header>()),
    ];
    all.extend(kind::ALL.iter().map(|kind| ((*kind).to_owned(), data(kind))));
    all
}

/// Schema of the data of one kind.
fn data(kind: &str) -> Value {
    match kind {
        kind::VISIT => schema::<payload::Visit>(),
        kind::CONSENT => schema::<payload::Consent>(),
        kind::SCAN => schema::<payload::Scan>(),
        kind::READING => schema::<payload::Reading>(),
        kind::MEASUREMENT => schema::<payload::Measurement<'_>>(),
        kind::CAPTURE => schema::<payload::Capture>(),
        kind::SCORE => schema::<payload::Score>(),
        kind::COMPARISON => schema::<payload::Comparison>(),
        kind::VOIDED => schema::<payload::Voided>(),
        kind::REASSIGNED => schema::<payload::Reassigned>(),
        kind::ALIAS => schema::<payload::Alias>(),
        kind::FEEDBACK => schema::<payload::Feedback>(),
        kind::SHEET => schema::<payload::ServiceSheet>(),
        kind::REPORT => schema::<Report>(),
        kind::CLOCK => schema::<payload::Clock>(),
        kind::REDACTED => schema::<payload::Redacted>(),
        kind::ERASED => schema::<payload::Erased>(),
        kind::ANSWER => schema::<payload::Answer>(),
        // A kind without a type of its own may say anything.
        _ => json!(true),
    }
}

/// A whole schema in one piece: readers need not look elsewhere.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    schema
}

/// Takes the links of the program's own documentation out of the descriptions.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name == "description" => *text = text.replace("[`", "`").replace("`]", "`"),
            value => plain(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// The AsyncAPI 3 document, seen from headquarters: it receives what goes up and sends what goes down.
#[must_use]
pub fn asyncapi() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "skinlink: the wire between a store's gateway and headquarters",
            "version": VERSION,
            "description": format!(
                "MQTT 5, QoS 1, TLS with client certificates; at most {MAX_PUBLISH} bytes a publish. The words around these \
                 messages are in wire.md."
            ),
        },
        "defaultContentType": "application/json",
        "channels": channels(),
        "operations": operations(),
        "components": { "messages": messages(), "schemas": components() },
    })
}

/// Name, rest of the address, retained, direction, what it is for.
const CHANNELS: &[(&str, &str, bool, &str, &str)] = &[
    ("events", "events", false, "receive", "Batches of events, in any order, any number of times."),
    ("hello", "hello", false, "receive", "How far this database goes; on every connection, and in doubt."),
    ("status", "status", true, "receive", "`online` or `offline`; the last will says `offline`."),
    ("about", "about", true, "receive", "The gateway's own description; nothing personal."),
    ("offer", "blobs/{capture}/offer", false, "receive", "Announces a picture."),
    ("slice", "blobs/{capture}/{index}", false, "receive", "One slice of a picture, bytes as they are."),
    ("ack", "ack", false, "send", "Everything headquarters says."),
];

fn channels() -> Value {
    let channel = |(name, address, retained, _, about): &(&str, &str, bool, &str, &str)| {
        let mut parameters = json!({
            "store": { "description": "1 to 60 of a-z 0-9 -" },
            "gateway": { "description": "common name of its certificate, unique in the world; 1 to 60 of a-z 0-9 -" },
        });
        for (parameter, meaning) in [("capture", "id of the photograph"), ("index", "number of the slice, from 0")] {
            if address.contains(&format!("{{{parameter}}}")) {
                parameters[parameter] = json!({ "description": meaning });
            }
        }
        let channel = json!({
            "address": format!("{ROOT}/{{store}}/{{gateway}}/{address}"),
            "description": about,
            "parameters": parameters,
            "messages": { *name: { "$ref": format!("#/components/messages/{name}") } },
            "bindings": { "mqtt": { "bindingVersion": "0.2.0" } },
            "x-retained": retained,
        });
        ((*name).to_owned(), channel)
    };
    Value::Object(CHANNELS.iter().map(channel).collect())
}

fn operations() -> Value {
    let operation = |(name, _, retained, action, about): &(&str, &str, bool, &str, &str)| {
        let operation = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{name}") },
            "summary": about,
            "bindings": { "mqtt": { "qos": 1, "retain": retained, "bindingVersion": "0.2.0" } },
        });
        (format!("{action}_{name}"), operation)
    };
    Value::Object(CHANNELS.iter().map(operation).collect())
}

fn messages() -> Value {
    let json = |schema: &str| json!({ "payload": { "$ref": format!("#/components/schemas/{schema}") } });
    json!({
        "events": json("batch"),
        "hello": json("hello"),
        "status": { "contentType": "text/plain", "payload": { "enum": ["online", "offline"] } },
        "about": { "payload": { "type": "object" } },
        "offer": json("offer"),
        "slice": { "contentType": "application/octet-stream", "payload": {} },
        "ack": json("reply"),
    })
}

/// All schemas, and for each kind the whole event.
fn components() -> Value {
    let mut all: Map<String, Value> = schemas().into_iter().collect();
    for kind in kind::ALL {
        let whole = json!({
            "allOf": [
                { "$ref": "#/components/schemas/event" },
                { "properties": {
                    "type": { "const": format!("{TYPE_PREFIX}{kind}") },
                    "data": { "$ref": format!("#/components/schemas/{kind}") },
                } },
            ],
        });
        all.insert(format!("event-{kind}"), whole);
    }
    if let Some(items) = all.get_mut("batch").and_then(|batch| batch.pointer_mut("/properties/events/items")) {
        let kinds = kind::ALL.iter().map(|kind| json!({ "$ref": format!("#/components/schemas/event-{kind}") }));
        // The last: a kind that is newer than this document.
        let any = json!({ "$ref": "#/components/schemas/event" });
        *items = json!({ "anyOf": kinds.chain([any]).collect::<Vec<_>>() });
    }
    Value::Object(all)
}
