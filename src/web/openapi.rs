//! The interface as OpenAPI 3.1. What a call takes is derived from the very types that read it; paths and answers stand in one
//! table, which a test holds against the router. `docs/contracts/api.md` says the same for people, with examples.

use super::api::{
    appointments, captures, cards, customers, devices, mirrors, points, readings, reports, scans, session, sheets,
    staff, step_notes, tablets, tray, visits,
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub method: &'static str,
    /// Below `/api/v1`, with `{…}` for ids.
    pub path: &'static str,
    pub says: &'static str,
    query: Option<Shape>,
    body: Option<Shape>,
    /// Whether `If-Match` is needed.
    versioned: bool,
    success: u16,
    /// What comes back.
    kind: &'static str,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    // Inlined: a call's body is looked up where it is needed, not by a name.
    T::json_schema(generator)
}

const fn get(path: &'static str, says: &'static str) -> Call {
    Call {
        method: "get",
        path,
        says,
        query: None,
        body: None,
        versioned: false,
        success: 200,
        kind: "application/json",
    }
}

const fn post(path: &'static str, says: &'static str, body: Option<Shape>) -> Call {
    Call { method: "post", body, ..get(path, says) }
}

const fn versioned(path: &'static str, says: &'static str, body: Option<Shape>) -> Call {
    Call { versioned: true, ..post(path, says, body) }
}

const fn made(call: Call) -> Call {
    Call { success: 201, ..call }
}

/// Every call of the interface.
pub const CALLS: &[Call] = &[
    get("/people", "whom the PIN pad offers"),
    get("/session", "who is logged in"),
    post("/session", "log in by PIN", Some(of::<session::LogIn>)),
    post("/session/end", "log out, lock the screen", Some(of::<session::End>)),
    get("/staff", "who works here"),
    made(post("/staff", "add a person", Some(of::<staff::Added>))),
    post("/staff/{id}/save", "change a person, set a new PIN; what is left out stays", Some(of::<staff::Changed>)),
    post("/staff/{id}/retire", "a person logs in no more", None),
    get("/tablets", "enrolled tablets"),
    made(post("/tablets", "offer a code to one tablet", Some(of::<tablets::Offer>))),
    post("/tablets/{n}/forget", "let a tablet in no more", None),
    post("/enrolment", "enter the code on the tablet", Some(of::<tablets::Enrolment>)),
    get("/appointments", "twelve hours before and after now"),
    made(post("/appointments", "book, or let a walk-in wait", Some(of::<appointments::New>))),
    post("/appointments/{id}/arrive", "the customer has come", None),
    post("/appointments/{id}/miss", "the customer did not come, or left", None),
    post("/appointments/{id}/undo", "that was a slip of the finger", None),
    post(
        "/expected/{id}/arrive",
        "somebody whom headquarters booked has come: this record, or somebody new",
        Some(of::<appointments::Arrival>),
    ),
    Call { query: Some(of::<customers::Search>), ..get("/customers", "find by name, phone or member number") },
    made(post("/customers", "a new customer", Some(of::<customers::NewCustomer>))),
    get("/customers/{id}", "record and card"),
    versioned("/customers/{id}/save", "change record and card; what is left out stays", Some(of::<cards::Wish>)),
    versioned("/customers/{id}/join", "two entries are one person", Some(of::<cards::Wish>)),
    post("/devices/calibration", "the day of a device's last calibration", Some(of::<devices::Calibration>)),
    post("/devices/remeasuring/stop", "photographs not measured again yet stay as they were measured", None),
    get("/stations", "chairs with devices, visit and scan"),
    get("/status", "the gateway at a glance"),
    Call { query: Some(of::<visits::Which>), ..get("/visits", "the latest visits") },
    made(post("/visits", "open a visit at a chair", Some(of::<visits::Opening>))),
    get("/visits/{id}", "a visit in full"),
    versioned(
        "/visits/{id}/consents",
        "what the customer agrees to, purpose by purpose",
        Some(of::<visits::Agreement>),
    ),
    versioned("/visits/{id}/sheet", "what is asked and said", Some(of::<sheets::Wish>)),
    versioned("/visits/{id}/step", "how a ticked step was done", Some(of::<step_notes::Wish>)),
    versioned("/visits/{id}/steps", "replace the treatment steps", Some(of::<visits::Wish>)),
    versioned("/visits/{id}/comparison", "compare", Some(of::<visits::Wish>)),
    versioned("/visits/{id}/close", "close", Some(of::<visits::Wish>)),
    versioned("/visits/{id}/reassign", "it was another customer's", Some(of::<visits::Wish>)),
    versioned("/visits/{id}/void", "strike out", Some(of::<visits::Wish>)),
    versioned("/visits/{id}/restore", "bring back", Some(of::<visits::Wish>)),
    made(versioned("/visits/{id}/scans", "begin a scan", Some(of::<scans::Beginning>))),
    Call {
        query: Some(of::<captures::About>),
        body: Some(|_| schemars::json_schema!({ "type": "string", "format": "binary" })),
        ..made(versioned("/visits/{id}/captures", "keep a photograph", None))
    },
    versioned("/scans/{id}/measure", "measure what the step lacks", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/pause", "pause", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/resume", "go on", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/cancel", "give up", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/finish", "finish", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/skip", "leave a region out", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/repeat", "measure a region again", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/void", "strike out", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/restore", "bring back", Some(of::<scans::Wish>)),
    versioned("/scans/{id}/reassign", "it was another phase or visit", Some(of::<scans::Wish>)),
    versioned("/readings/{id}/reassign", "it was another region", Some(of::<readings::Place>)),
    Call {
        query: Some(of::<captures::Size>),
        kind: "image/*",
        ..get("/captures/{id}/picture", "a photograph as it was kept, or the small one of reports")
    },
    Call {
        kind: "image/jpeg",
        ..get("/captures/{id}/pair/{role}", "a picture of two photographs laid onto each other")
    },
    get("/captures/{id}/points", "where the points of the face are, and who set them"),
    versioned("/captures/{id}/points", "confirm the points of the face", Some(of::<points::Word>)),
    made(post(
        "/visits/{id}/link",
        "a fresh link to the customer's report, as text and as QR code",
        Some(of::<reports::By>),
    )),
    post("/visits/{id}/unlink", "end all links to the report", Some(of::<reports::By>)),
    get("/reports/due", "closed visits whose customer waits for the report"),
    Call { query: Some(of::<reports::Which>), ..get("/feedback", "what customers said, the longest unsolved first") },
    post("/feedback/{id}/answered", "the customer was answered", Some(of::<reports::By>)),
    post("/feedback/{id}/solved", "it is solved", Some(of::<reports::By>)),
    get("/day/{day}/log", "the service log of a day: its visits, how each step was done, and what they add up to"),
    get("/follow-ups", "whom to write to after a visit, until a week from now"),
    post("/follow-ups/{id}/{kind}/done", "a follow-up of a visit was seen to: care, skin, away", None),
    post("/follow-ups/{id}/{kind}/undo", "it was not, after all", None),
    get("/packages", "what headquarters has rolled out here, and what became of it"),
    get("/models", "the models in use, those that were lost, and how far measuring again by a new one is"),
    post("/models/{id}/activate", "try a model, then use it; refused, the old one goes on", None),
    get("/folder/{station}", "photographs in a station's folder that nobody has claimed"),
    Call { kind: "image/*", ..get("/folder/{station}/{picture}/picture", "one of them") },
    post("/folder/{station}/{picture}/take", "it belongs to the scan at the station", None),
    post("/folder/{station}/{picture}/dismiss", "nobody's photograph", None),
    Call { query: Some(of::<tray::Which>), ..get("/tray", "values that came unasked") },
    versioned("/tray/{repeat}/bind", "say whose a value is", Some(of::<tray::Binding>)),
    post("/tray/{repeat}/dismiss", "nobody's value", None),
    get("/mirrors/{station}", "the station's mirror, and what was given to it"),
    post("/mirrors/{station}/pair", "the screen that shows this code is the station's", Some(of::<mirrors::Wish>)),
    post("/mirrors/{station}/speak", "which language it speaks", Some(of::<mirrors::Wish>)),
    post("/mirrors/{station}/unpair", "it is the station's no more", None),
    post("/mirrors/{station}/show", "show these results of the visit that sits there", Some(of::<mirrors::Wish>)),
    post("/mirrors/{station}/report", "show the code of the visit's report", Some(of::<mirrors::Wish>)),
    post("/mirrors/{station}/hide", "take away what was given", None),
    post("/mirrors/{station}/leave", "rest, until something is done at the station", None),
    Call { query: Some(of::<super::events::Which>), kind: "text/event-stream", ..get("/events", "live news") },
];

/// Refusals that any call may answer with; the words stand in the contract.
const REFUSALS: &[(u16, &str)] = &[
    (400, "cannot be understood"),
    (401, "nobody is logged in, or the PIN or code is wrong"),
    (403, "not from our pages, not this role, or no consent"),
    (404, "no such thing"),
    (405, "that path, another method"),
    (409, "changed meanwhile (with the present state), taken, or in another state"),
    (410, "the customer was erased"),
    (413, "too large"),
    (415, "neither JSON nor a picture"),
    (421, "called by a foreign name"),
    (422, "understood, but refused"),
    (428, "If-Match is missing"),
    (429, "too many wrong PINs"),
    (500, "a fault of the gateway"),
    (503, "stopping, or the device is away"),
    (507, "the disk is full"),
];

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut paths = Map::new();
    for call in CALLS {
        let place = paths.entry(format!("/api/v1{}", call.path)).or_insert_with(|| json!({}));
        place[call.method] = operation(call, &mut generator);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "skinlink station", "version": env!("CARGO_PKG_VERSION"),
            "description": "The calls behind the station's pages. docs/contracts/api.md says the same with examples." },
        "paths": paths,
        "components": { "securitySchemes": { "session": { "type": "apiKey", "in": "cookie", "name": "skinlink-session" } },
            "schemas": { "Refusal": refusal() } },
        "security": [{ "session": [] }],
    })
}

fn refusal() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": { "type": "object", "required": ["what", "where", "now", "zh", "zh_hant", "en"],
            "properties": { "what": text(), "where": text(), "now": text(), "zh": text(), "zh_hant": text(), "en": text() } } },
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    for name in call.path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    if call.method == "post" {
        let own = json!({ "type": "string", "const": "1" });
        parameters.push(json!({ "name": "x-skinlink", "in": "header", "required": true, "schema": own }));
    }
    if call.versioned {
        let tag = json!({ "type": "string", "pattern": "^\"[0-9]+\"$" });
        parameters.push(json!({ "name": "if-match", "in": "header", "required": true, "schema": tag }));
    }
    if let Some(query) = call.query {
        let shape = query(generator).to_value();
        let required: Vec<&str> =
            shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, schema) in shape["properties"].as_object().into_iter().flatten() {
            let must = required.contains(&name.as_str());
            parameters.push(json!({ "name": name, "in": "query", "required": must, "schema": schema }));
        }
    }
    let mut responses = Map::new();
    let told = match call.kind {
        "application/json" => json!({ "type": "object" }),
        _ => json!({ "type": "string" }),
    };
    let content = json!({ call.kind: { "schema": told } });
    responses.insert(call.success.to_string(), json!({ "description": call.says, "content": content }));
    for (status, says) in REFUSALS {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Refusal" } } });
        responses.insert(status.to_string(), json!({ "description": says, "content": content }));
    }
    let mut operation = json!({ "summary": call.says, "parameters": parameters, "responses": responses });
    if let Some(body) = call.body {
        let shape = body(generator).to_value();
        let kind = if shape["format"] == "binary" { "image/jpeg" } else { "application/json" };
        operation["requestBody"] = json!({ "required": true, "content": { kind: { "schema": shape } } });
    }
    operation
}

/// `GET /api/docs/openapi.json`
pub async fn json() -> Response {
    Json(document()).into_response()
}
