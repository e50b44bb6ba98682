//! The calls as OpenAPI 3.1. What a call takes and answers is derived from the very types that read and write it; paths stand in
//! one table, which a test holds against the router. `docs/hq-crm.md` says the same for people, with examples.

use super::{Problem, ROOT, appointments, birthday, consents, messages, orders, staff, visit, visits};
use crate::sync::{agenda, downlink};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub method: &'static str,
    /// Below [`ROOT`], with `{…}` for names.
    pub path: &'static str,
    pub says: &'static str,
    /// The scope of the key.
    pub scope: &'static str,
    query: Option<Shape>,
    body: Option<Shape>,
    answer: Shape,
    /// Refusals beside the common ones.
    refusals: &'static [u16],
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    // Inlined: what a call takes is looked up where it is needed, not by a name.
    T::json_schema(generator)
}

/// Every call.
pub const CALLS: &[Call] = &[
    Call {
        method: "get",
        path: "/visits",
        says: "visits that changed since a cursor, each at its last change; nothing is lost while new ones arrive",
        scope: "visits:read",
        query: Some(of::<visits::Which>),
        body: None,
        answer: of::<visits::Changed>,
        refusals: &[404, 410],
    },
    Call {
        method: "get",
        path: "/stores/{store}/visits/{visit}",
        says: "a visit with its readings, and its comparisons with verdicts and error bars",
        scope: "visits:read",
        query: None,
        body: None,
        answer: of::<visit::Whole>,
        refusals: &[404],
    },
    Call {
        method: "get",
        path: "/stores/{store}/customers/{customer}/consents",
        says: "what a customer agreed to, and whether it stands now",
        scope: "consents:read",
        query: None,
        body: None,
        answer: of::<consents::Consents>,
        refusals: &[404],
    },
    Call {
        method: "put",
        path: "/stores/{store}/appointments",
        says: "appointments of a store that are new or changed, or the whole list; all of it or nothing",
        scope: "appointments:write",
        query: Some(of::<appointments::How>),
        body: Some(of::<agenda::File>),
        answer: of::<appointments::Answer>,
        refusals: &[404, 413, 415, 422],
    },
    Call {
        method: "put",
        path: "/stores/{store}/staff",
        says: "who works in a store, whole: whoever was named before and is not any more works there no more; PINs are the store's own",
        scope: "staff",
        query: None,
        body: Some(of::<downlink::Staff>),
        answer: of::<staff::Wanted>,
        refusals: &[404, 413, 415, 422],
    },
    Call {
        method: "get",
        path: "/stores/{store}/staff",
        says: "who is to work in a store, and how far each of its gateways holds it",
        scope: "staff",
        query: None,
        body: None,
        answer: of::<staff::Wanted>,
        refusals: &[404],
    },
    Call {
        method: "put",
        path: "/stores/{store}/customers/{customer}/birthday",
        says: "month and day of a customer's birthday, never the year, for messages of care; written again it is the new one",
        scope: "customers",
        query: None,
        body: Some(of::<birthday::Wish>),
        answer: of::<birthday::One>,
        refusals: &[404, 409, 413, 415, 422],
    },
    Call {
        method: "get",
        path: "/stores/{store}/customers/{customer}/birthday",
        says: "a customer's birthday, under whichever of their ids it was told",
        scope: "customers",
        query: None,
        body: None,
        answer: of::<birthday::One>,
        refusals: &[404],
    },
    Call {
        method: "delete",
        path: "/stores/{store}/customers/{customer}/birthday",
        says: "a customer's birthday is known no more, whether it was or not",
        scope: "customers",
        query: None,
        body: None,
        answer: of::<birthday::Removed>,
        refusals: &[404],
    },
    Call {
        method: "post",
        path: "/stores/{store}/orders",
        says: "something that a store is to do once: erase or merge customers, check its machine; given again with the same key it is one",
        scope: "orders`, to erase `erase",
        query: None,
        body: Some(of::<orders::Wish>),
        answer: of::<orders::One>,
        refusals: &[404, 409, 413, 415, 422],
    },
    Call {
        method: "get",
        path: "/stores/{store}/orders",
        says: "orders of a store with what became of them, the newest first",
        scope: "orders`, for erasures `erase",
        query: Some(of::<orders::Asked>),
        body: None,
        answer: of::<orders::Listed>,
        refusals: &[404],
    },
    Call {
        method: "get",
        path: "/orders/{order}",
        says: "an order, and what became of it",
        scope: "orders`, for an erasure `erase",
        query: None,
        body: None,
        answer: of::<orders::One>,
        refusals: &[404],
    },
    Call {
        method: "post",
        path: "/messages/take",
        says: "messages of care that are due, for whoever sends them; each is yours until its lease runs out",
        scope: "messages:take",
        query: None,
        body: Some(of::<messages::Wish>),
        answer: of::<messages::Taken>,
        refusals: &[404, 409, 413, 415],
    },
    Call {
        method: "get",
        path: "/messages/{message}",
        says: "a message, and whether it may be sent at this moment",
        scope: "messages:take",
        query: None,
        body: None,
        answer: of::<messages::One>,
        refusals: &[404],
    },
    Call {
        method: "post",
        path: "/messages/{message}/done",
        says: "it was sent",
        scope: "messages:take",
        query: None,
        body: Some(of::<messages::Done>),
        answer: of::<messages::Noted>,
        refusals: &[404, 409, 413, 415],
    },
    Call {
        method: "post",
        path: "/messages/{message}/failed",
        says: "it was not sent: it comes again after a pause, or is given to a person",
        scope: "messages:take",
        query: None,
        body: Some(of::<messages::Failed>),
        answer: of::<messages::Noted>,
        refusals: &[404, 409, 413, 415],
    },
];

/// Refusals that any call may answer with.
const COMMON: &[u16] = &[400, 401, 403, 405, 429, 500, 503];

const fn says(status: u16) -> &'static str {
    match status {
        400 => "the address or the body cannot be understood",
        401 => "no key, or none in force",
        403 => "the key is not for this scope or this store",
        404 => "no such path, store or thing",
        405 => "that path, another method",
        409 => "not in that state any more",
        410 => "the cursor is of another time of this headquarters; read anew",
        413 => "the body is too long",
        415 => "the body is not JSON",
        422 => "understood, but refused; nothing was written",
        429 => "too many keys that are not in force came from this address",
        503 => "away for the moment; ask again",
        _ => "a fault of headquarters",
    }
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut paths = Map::new();
    for call in CALLS {
        let place = paths.entry(format!("{ROOT}{}", call.path)).or_insert_with(|| json!({}));
        place[call.method] = operation(call, &mut generator);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "skinlink headquarters, for the CRM", "version": env!("CARGO_PKG_VERSION"),
            "description": "Visits, consents, appointments, staff, orders, birthdays and messages of care. docs/hq-crm.md says the same with examples. Fields \
                            may be added to answers: pass over those that you do not know." },
        "paths": paths,
        "components": { "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": of::<Problem>(&mut generator) } },
        "security": [{ "key": [] }],
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator) -> Value {
    let named = call.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let mut parameters: Vec<Value> = named
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(query) = call.query {
        let shape = query(generator).to_value();
        for (name, schema) in shape["properties"].as_object().into_iter().flatten() {
            parameters.push(json!({ "name": name, "in": "query", "required": false, "schema": schema }));
        }
    }
    let answer = (call.answer)(generator);
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({ "description": call.says, "content": { "application/json": { "schema": answer } } }),
    );
    for status in COMMON.iter().chain(call.refusals) {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        responses.insert(status.to_string(), json!({ "description": says(*status), "content": content }));
    }
    let mut operation = json!({
        "summary": call.says,
        "description": format!("The key needs the scope `{}`.", call.scope),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = call.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body(generator) } } });
    }
    operation
}
