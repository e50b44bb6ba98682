//! The vectors of every folder of `firmware-protocols/` hold in both directions, its metrics are the house's, and its page says
//! all there is. What a folder must have beside is in `catalogue.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

#[path = "support/skipped.rs"]
mod skipped;

use skinlink::protocol::{Spec, Vector, check_vector, checksum::Algorithm, field::Field, vector::Meaning};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Id, spec and vectors of every protocol there is.
fn protocols() -> Vec<(Spec, Vec<Vector>)> {
    let folders = sorted(&root().join("firmware-protocols"));
    let protocols: Vec<_> = folders
        .iter()
        .filter(|path| path.is_dir())
        .map(|folder| {
            let id = folder.file_name().unwrap().to_str().unwrap();
            let spec =
                Spec::parse(id, &read(&folder.join("protocol.toml"))).unwrap_or_else(|faults| panic!("\n{faults}"));
            let vectors = sorted(&folder.join("vectors")).into_iter().map(|path| {
                let name = format!("{id}/vectors/{}", path.file_name().unwrap().to_str().unwrap());
                Vector::parse(&name, &read(&path)).unwrap_or_else(|faults| panic!("\n{faults}"))
            });
            (spec, vectors.collect())
        })
        .collect();
    assert!(protocols.len() >= 3, "the walk found too little to prove anything");
    protocols
}

#[test]
fn every_vector_holds() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (spec, vectors) in protocols() {
        for vector in &vectors {
            count += 1;
            if let Err(fault) = check_vector(&spec, vector) {
                wrong.push(format!("{vector}:\n  {fault}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} vectors do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every metric a protocol names must be one of the house's, in the house's unit.
#[test]
fn metrics_are_known_to_the_house_in_its_units() {
    let house: toml::Table = read(&root().join("config/metrics.toml")).parse().unwrap();
    let unit_of = |id: &str| {
        let metric = house["metric"].as_array().unwrap().iter().find(|metric| metric["id"].as_str() == Some(id));
        metric.unwrap_or_else(|| panic!("config/metrics.toml has no {id}"))["unit"].as_str().unwrap().to_owned()
    };
    for (spec, _) in protocols() {
        for metric in &spec.metrics {
            unit_of(metric.id.as_str());
        }
        for field in spec.messages.iter().flat_map(|shape| shape.all_fields()) {
            if let Field::Value(value) = field {
                assert_eq!(&*value.unit, unit_of(value.metric.as_str()), "{}: {}", spec.id, value.metric);
            }
        }
        for derived in &spec.derived {
            for metric in &derived.metrics {
                assert_eq!(derived.unit, unit_of(metric.as_str()), "{}: {metric}", spec.id);
            }
        }
    }
}

/// The device's display is the judge of the colour computed from its own spectrum.
#[test]
fn the_captured_colorimeter_shows_the_same_colour_as_we_compute() {
    let (spec, vectors) = protocols().into_iter().find(|(spec, _)| spec.id == "chnspec-cr30").unwrap();
    let vector = vectors.iter().find(|vector| vector.name.ends_with("measured-lab.toml")).unwrap();
    check_vector(&spec, vector).unwrap();
    let Meaning::Measured(values) = &vector.meaning else { panic!("{vector} has no measured values") };
    for (metric, displayed) in [("lightness", 36.62), ("redness-axis", -20.74), ("yellowness-axis", -2.87)] {
        let words = values.iter().find(|words| words["metric"] == metric).unwrap();
        let computed: f64 = words["value"].parse().unwrap();
        assert!((computed - displayed).abs() <= 0.0201, "{metric}: computed {computed}, displayed {displayed}");
    }
}

/// Check values of public standards, recomputed elsewhere.
#[test]
fn checksums_agree_with_the_published_check_values() {
    let Some(vectors) = shared("wire_vectors.json") else { return };
    let checks = vectors["crc_check_123456789"].as_object().unwrap();
    assert!(checks.len() >= 12);
    for (name, entry) in checks {
        let name = name.split(' ').next().unwrap();
        let algorithm = Algorithm::named(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let check = u64::from_str_radix(entry["check"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        assert_eq!(algorithm.compute(b"123456789"), check, "{name}");
    }
    for case in vectors["modbus_rtu"].as_array().unwrap() {
        let hex = |key: &str| hex::decode(case[key].as_str().unwrap()).unwrap();
        let crc = Algorithm::named("CRC-16/MODBUS").unwrap().compute(&hex("pdu")) as u16;
        assert_eq!(crc.to_le_bytes().to_vec(), hex("expected"));
    }
    for case in vectors["gy_mcu90614"].as_array().unwrap() {
        let command = hex::decode(case["cmd"].as_str().unwrap()).unwrap();
        let (sum, covered) = command.split_last().unwrap();
        assert_eq!(Algorithm::named("sum8").unwrap().compute(covered), u64::from(*sum));
    }
}

/// The vectors of the colorimeter are the capture, byte for byte.
#[test]
fn the_colorimeter_vectors_are_the_capture() {
    let Some(capture) = shared("cr30_capture.json") else { return };
    let (_, vectors) = protocols().into_iter().find(|(spec, _)| spec.id == "chnspec-cr30").unwrap();
    let bytes = |name: &str| &vectors.iter().find(|vector| vector.name.ends_with(name)).unwrap().bytes;
    for (response, name) in [("0x9", "header"), ("0x10", "spectrum-1"), ("0x11", "spectrum-2"), ("0x12", "spectrum-3")]
    {
        let published = capture["responses"][response].as_str().unwrap();
        assert_eq!(&hex::decode(published).unwrap(), bytes(&format!("/{name}.toml")), "{name}");
    }
}

/// Data nobody of this project made lies beside the checkout; without it these tests say so and pass.
fn shared(name: &str) -> Option<serde_json::Value> {
    let path = root().join("../shared/data/protocols").join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        skipped::skipped(format_args!("{} is not there", path.display()));
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// The page for people names everything there is in the file.
#[test]
fn the_page_of_a_protocol_names_every_message_field_and_fault() {
    for (spec, _) in protocols() {
        let page = skinlink::protocol::show::page(&spec);
        for shape in spec.messages.iter().chain(&spec.commands) {
            assert!(page.contains(&format!("### {} · ", shape.name)), "{}: {} is not on its page", spec.id, shape.name);
        }
        for field in spec.messages.iter().flat_map(|shape| shape.all_fields()) {
            let named = field.inner().is_empty() && !matches!(field, Field::Skip(_) | Field::Constant(_));
            let known = !named || page.contains(&field.name());
            assert!(known, "{}: {} is not on its page", spec.id, field.name());
        }
        for error in &spec.errors {
            assert!(
                page.contains(&error.advice.zh) && page.contains(&error.advice.en),
                "{}: {}",
                spec.id,
                error.sign.word()
            );
        }
        println!("{page}");
    }
}
