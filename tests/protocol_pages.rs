//! What is made from the protocol files is current: `docs/protocols/` and the JSON Schema for editors. And the schema knows
//! exactly the keys that the parser asks for.
//!
//! After a change: `make pages`.

use serde_json::Value;
use skinlink::{
    app::protocol_pages,
    protocol::{keys_asked, schema::schema},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

#[test]
fn the_pages_are_what_the_protocol_files_say() {
    let folder = root().join("docs/protocols");
    let pages = protocol_pages(&root().join("firmware-protocols")).expect("the protocols are sound");
    for (name, text) in &pages {
        assert!(read(&folder.join(name)) == *text, "{}: run `make pages`", name.display());
    }
    let written = fs::read_dir(&folder).expect("there are pages").count();
    assert_eq!(written, pages.len(), "a page of a protocol that is gone: run `make pages`");
}

#[test]
fn the_schema_is_what_the_parser_reads() {
    let path = root().join("docs/contracts/protocol-file.schema.json");
    assert!(read(&path) == schema(), "run `make pages`");
}

/// Keys of a schema as the parser names them: `message[].field[].width`.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        found.insert(path.clone());
        keys(value, &path, found);
        keys(&value["items"], &format!("{path}[]"), found);
    }
}

/// Names that are data: regions of a table of codes, flags of a table of bits.
fn is_data(key: &str) -> bool {
    key.contains(".bits.")
}

/// What the language has and no device of the repository needs: the parser is asked to read it all the same.
const NEEDED_BY_NONE: &str = r#"
framing = { kind = "escaped" }
message = [{ field = [{ repeat = 2, field = [
  { array = "levels", width = "u8" },
  { role = "status" },
  { role = "flags", width = "u8", bits = {}, no_value = [{}] },
] }] }]
"#;

#[test]
fn the_schema_knows_every_key_and_no_other() {
    let schema: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    let mut known = BTreeSet::new();
    keys(&schema, "", &mut known);
    let mut asked = keys_asked("needed-by-none", NEEDED_BY_NONE);
    for entry in fs::read_dir(root().join("firmware-protocols")).expect("there are protocols").flatten() {
        let file = entry.path().join("protocol.toml");
        if file.is_file() {
            asked.extend(keys_asked(&entry.file_name().to_string_lossy(), &read(&file)));
        }
    }
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "src/protocol/schema.rs lacks keys that the parser reads: {unknown:?}");
    // Both directions are read alike; no device needs everything in both.
    let alike: BTreeSet<String> = asked
        .iter()
        .flat_map(|key| [key.clone(), key.replacen("message[]", "command[]", 1), format!("command_{key}")])
        .collect();
    let unread: Vec<_> = known.difference(&alike).filter(|key| !is_data(key)).collect();
    assert!(
        unread.is_empty(),
        "src/protocol/schema.rs has keys that no protocol file made the parser read: {unread:?}"
    );
}

/// What an editor would mark is no sound file, and every sound file is none that an editor marks: words of closed lists.
#[test]
fn every_word_of_every_file_is_in_the_schema() {
    let schema: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    let mut count = 0;
    for entry in fs::read_dir(root().join("firmware-protocols")).expect("there are protocols").flatten() {
        let file = entry.path().join("protocol.toml");
        if file.is_file() {
            let table: toml::Table = read(&file).parse().expect("a sound file");
            let value = serde_json::to_value(table).expect("TOML is JSON but for dates");
            let mut wrong = Vec::new();
            hold(&schema, &value, "", &mut wrong, &mut count);
            assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
        }
    }
    assert!(count > 500, "only {count} values were held against the schema");
}

/// The part of JSON Schema that ours uses.
fn hold(schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>, count: &mut usize) {
    *count += 1;
    let fits = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{path}: the schema uses {other:?}, which this test does not know"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| fits(kind)) {
        wrong.push(format!("{path}: {value} is no {kinds:?}"));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        wrong.push(format!("{path}: {value} is none of {} words", words.len()));
    }
    if let (Some(number), Some(least)) = (value.as_f64(), schema["minimum"].as_f64())
        && (number < least || schema["maximum"].as_f64().is_some_and(|most| number > most))
    {
        wrong.push(format!("{path}: {value} is outside its limits"));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none() {
            wrong.push(format!("{path}: lacks {key}"));
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let named = &schema["properties"][key];
        match (named, &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => wrong.push(format!("{path}.{key}: no such key")),
            (Value::Null, others) => hold(others, inner, &format!("{path}.{key}"), wrong, count),
            (named, _) => hold(named, inner, &format!("{path}.{key}"), wrong, count),
        }
    }
    for (at, inner) in value.as_array().into_iter().flatten().enumerate() {
        hold(&schema["items"], inner, &format!("{path}[{at}]"), wrong, count);
    }
}
