//! `docs/contracts/asyncapi.json` and `docs/contracts/schemas/` are what the types say, and what the frozen bytes are.

use serde_json::Value;
use skinlink::sync::contract;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/contracts")
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// `SKINLINK_WRITE_CONTRACT=1` writes them anew.
#[test]
fn the_committed_documents_are_current() {
    let mut documents = BTreeMap::from([(contracts().join("asyncapi.json"), pretty(&contract::asyncapi()))]);
    for (name, schema) in contract::schemas() {
        documents.insert(contracts().join(format!("schemas/{name}.json")), pretty(&schema));
    }
    if std::env::var_os("SKINLINK_WRITE_CONTRACT").is_some() {
        fs::create_dir_all(contracts().join("schemas")).expect("a folder");
        documents.iter().for_each(|(path, text)| fs::write(path, text).expect("writable"));
    }
    for (path, text) in &documents {
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == *text, "{} is out of date; write it with SKINLINK_WRITE_CONTRACT=1", path.display());
    }
    let there = fs::read_dir(contracts().join("schemas")).expect("the schemas").count();
    assert_eq!(there, documents.len() - 1, "a schema that no type gives");
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = contract::asyncapi();
    let (mut waiting, mut found) = (vec![&document], 0);
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let place = reference.strip_prefix('#').expect("within the document");
                    assert!(document.pointer(place).is_some(), "{reference}");
                    found += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(found > 40, "the walk found too little to prove anything: {found}");
}

/// What the receiver serves is what is committed.
#[tokio::test]
async fn the_receiver_serves_the_committed_documents() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let stop = tokio_util::sync::CancellationToken::new();
    let served = async {
        let get = async |path: &str| {
            let url = format!("http://{free}{path}");
            for _ in 0..500 {
                match reqwest::get(&url).await {
                    Ok(answer) => return (answer.status().as_u16(), answer.text().await.expect("text")),
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            }
            panic!("{url}: no answer");
        };
        for name in ["asyncapi.json", "schemas/reading.v1.json", "wire.md"] {
            let (status, text) = get(&format!("/contract/{name}")).await;
            let committed = fs::read_to_string(contracts().join(name)).expect("committed");
            assert_eq!(status, 200, "{name}");
            if name.ends_with(".json") {
                let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
                assert_eq!(read(&text), read(&committed), "{name}");
            } else {
                assert_eq!(text, committed, "{name}");
            }
        }
        assert!(get("/").await.1.contains("feedback.v1"));
        assert!(get("/contract/tables.md").await.1.contains("## visits"));
        assert_eq!(get("/contract/schemas/none.json").await.0, 404);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(skinlink::hq::documents::serve(free, stop.clone()), served);
    ended.expect("it ends in peace");
}

/// The frozen bytes are valid by the schemas, and with a field that nobody knows they are not.
#[test]
fn the_frozen_bytes_are_what_the_schemas_allow() {
    let schemas: BTreeMap<String, Value> = contract::schemas().into_iter().collect();
    let holds = |schema: &str, value: &Value| {
        let schema = &schemas[schema];
        jsonschema::validator_for(schema).expect("a sound schema").validate(value).map_err(|fault| fault.to_string())
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wire");
    for entry in fs::read_dir(folder).expect("the vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("plain names").to_owned();
        let value: Value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
        let schema = name.split('-').next().expect("a first word").to_owned();
        assert_eq!(holds(&schema, &value), Ok(()), "{name}");
        let mut strange = value.clone();
        strange["surprise"] = Value::from(1);
        assert!(holds(&schema, &strange).is_err(), "{name} with an unknown field");
        if let Some(kind) = name.strip_prefix("event-").and_then(|name| name.split('-').next()) {
            assert_eq!(holds(kind, &value["data"]), Ok(()), "the data of {name}");
            let mut strange = value["data"].clone();
            strange["surprise"] = Value::from(1);
            assert!(holds(kind, &strange).is_err(), "the data of {name} with an unknown field");
        }
    }
}
