//! Vectors of public standards, recomputed elsewhere: Modbus RTU, COBS, SLIP, IEEE 11073 numbers, thermometer commands. They go
//! through protocol files, as a device's own frames would. Needs `../shared/data/protocols/wire_vectors.json` beside the
//! checkout; says so where it is not there.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

#[path = "support/skipped.rs"]
mod skipped;

use serde_json::Value;
use skinlink::protocol::{FrameError, Item, NoValue, Spec, framer::Framer, item::Decoded, stuffing::Stuffing};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn shared() -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/protocols/wire_vectors.json");
    let Ok(text) = fs::read_to_string(&path) else {
        skipped::skipped(format_args!("{} is not there", path.display()));
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn cases<'v>(vectors: &'v Value, group: &str, least: usize) -> &'v [Value] {
    let cases = vectors[group].as_array().unwrap_or_else(|| panic!("no {group}"));
    assert!(cases.len() >= least, "{group}: {} cases", cases.len());
    cases
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(case[key].as_str().unwrap()).unwrap()
}

/// A file with one framing and these messages and commands.
fn spec(framing: &str, shapes: &str) -> Spec {
    let text = format!(
        r#"
        schema = 1
        id = "probe"
        version = "1"
        title = {{ zh = "x", en = "x" }}
        source = "public standards"
        [transport.serial]
        baud = 9600
        [framing]
        {framing}
        {shapes}
        [[metric]]
        id = "moisture"
        "#
    );
    Spec::parse("probe", &text).unwrap_or_else(|faults| panic!("\n{faults}"))
}

/// What comes of the bytes, told as from a device.
fn heard(spec: &Spec, bytes: &[u8]) -> Vec<Result<Decoded, FrameError>> {
    let (mut framer, mut heard) = (Framer::new(spec.framing.clone()), Vec::new());
    framer.feed(bytes, &mut |result| heard.push(result.and_then(|payload| spec.decode_message(payload))));
    framer.give_up(&mut |result| heard.push(result.and_then(|payload| spec.decode_message(payload))));
    heard
}

fn value(spec: &Spec, bytes: &[u8]) -> String {
    match heard(spec, bytes).as_slice() {
        [Ok(decoded)] => match &decoded.items[0] {
            Item::Value { value: Ok(quantity), .. } => quantity.to_string(),
            Item::Value { value: Err(reason), .. } => reason.to_string(),
            other => panic!("no value: {other:?}"),
        },
        other => panic!("{bytes:X?}: {other:?}"),
    }
}

#[test]
fn every_group_of_vectors_is_run_by_a_test() {
    let Some(vectors) = shared() else { return };
    let groups: BTreeSet<&str> = vectors.as_object().unwrap().keys().map(String::as_str).collect();
    // The checksums are held to their check values in protocol_vectors.rs.
    let run = ["crc_check_123456789", "modbus_rtu", "cobs", "slip_rfc1055", "sfloat_le", "float_le", "gy_mcu90614"];
    assert_eq!(groups, BTreeSet::from(run));
}

#[test]
fn modbus_frames_are_known_by_their_first_bytes_and_end_with_their_crc() {
    let Some(vectors) = shared() else { return };
    let framing =
        "kind = \"silence\"\nchecksum = { algorithm = \"CRC-16/MODBUS\", covers = \"payload\", order = \"le\" }";
    let shapes = r#"
        [[message]]
        name = "read"
        match = "01 03 00 00 00 0A"
        [[message]]
        name = "read-three"
        match = "11 03 00 6B 00 03"
        [[message]]
        name = "three"
        match = "11 03 06"
        field = [{ repeat = 3, field = [{ metric = "moisture", width = "u16be" }] }]
        [[message]]
        name = "refused"
        match = "01 83"
        field = [{ role = "error", width = "u8" }]
        [[error]]
        code = 2
        advice = { zh = "x", en = "x" }
        "#;
    let spec = spec(framing, shapes);
    for case in cases(&vectors, "modbus_rtu", 4) {
        let frame = [bytes(case, "pdu"), bytes(case, "expected")].concat();
        let all = heard(&spec, &frame);
        let [Ok(decoded)] = all.as_slice() else { panic!("{case}: {all:?}") };
        assert_eq!(spec.encode_message(&decoded.name, &decoded.items).unwrap(), frame, "{case}");
        if decoded.name == "three" {
            let values: Vec<String> = decoded.items.iter().map(|item| item.words()[1].1.clone()).collect();
            assert_eq!(values, ["44609", "22098", "17216"]);
        }
        let mut spoilt = frame.clone();
        *spoilt.last_mut().unwrap() ^= 1;
        assert!(heard(&spec, &spoilt).iter().all(Result::is_err), "{case}");
    }
}

#[test]
fn cobs_and_slip_are_written_and_read_as_published() {
    let Some(vectors) = shared() else { return };
    for case in cases(&vectors, "cobs", 6) {
        let (raw, between) = (bytes(case, "raw"), bytes(case, "enc"));
        let frame = Stuffing::Cobs.wrap(&raw);
        assert_eq!(frame, [between.as_slice(), &[0]].concat(), "{case}");
        assert_eq!(unwrapped(Stuffing::Cobs, &between), raw, "{case}");
    }
    for case in cases(&vectors, "slip_rfc1055", 4) {
        let (raw, frame) = (bytes(case, "raw"), bytes(case, "enc"));
        assert_eq!(Stuffing::Slip.wrap(&raw), frame, "{case}");
        assert_eq!(unwrapped(Stuffing::Slip, &frame[1..frame.len() - 1]), raw, "{case}");
    }
}

fn unwrapped(stuffing: Stuffing, between: &[u8]) -> Vec<u8> {
    let mut inside = Vec::new();
    assert!(stuffing.unwrap_into(between, &mut inside), "{between:X?}");
    inside
}

/// `20e-1` is 2.0 and `2e0` is 2: the decimals are those of the exponent. What is no number is no value.
#[test]
fn medical_floats_keep_their_precision_and_their_special_values() {
    let Some(vectors) = shared() else { return };
    for (group, width, least) in [("sfloat_le", "medfloat16", 15), ("float_le", "medfloat32", 15)] {
        let framing = format!("kind = \"fixed-length\"\nstart = \"AA\"\nframe_bytes = {}", 1 + width_bytes(width));
        let shapes = format!("[[message]]\nname = \"value\"\nfield = [{{ metric = \"moisture\", width = {width:?} }}]");
        let spec = spec(&framing, &shapes);
        for case in cases(&vectors, group, least) {
            let frame = [&[0xAA], bytes(case, "bytes").as_slice()].concat();
            let decoded = case["decoded"].as_str().unwrap();
            assert_eq!(value(&spec, &frame), written(decoded), "{width} {case}");
            let item = heard(&spec, &frame).remove(0).unwrap();
            let again = spec.encode_message("value", &item.items).unwrap();
            assert_eq!(value(&spec, &again), written(decoded), "{width} {case}");
        }
    }
}

fn width_bytes(width: &str) -> usize {
    if width == "medfloat16" { 2 } else { 4 }
}

/// `"356e-2"` → `"3.56"`, `"2e1"` → `"20"`, `"NaN"` → `"absent"`.
fn written(decoded: &str) -> String {
    match decoded {
        "NaN" | "NRes" | "RFU" => NoValue::Absent.to_string(),
        "+INF" => NoValue::OverRange.to_string(),
        "-INF" => NoValue::UnderRange.to_string(),
        number => {
            let (mantissa, exponent) = number.split_once('e').unwrap();
            let (mantissa, exponent): (i64, i32) = (mantissa.parse().unwrap(), exponent.parse().unwrap());
            if exponent >= 0 {
                return (mantissa * 10_i64.pow(exponent as u32)).to_string();
            }
            let places = exponent.unsigned_abs() as usize;
            let digits = format!("{:0width$}", mantissa.abs(), width = places + 1);
            let (whole, part) = digits.split_at(digits.len() - places);
            format!("{}{whole}.{part}", if mantissa < 0 { "-" } else { "" })
        }
    }
}

#[test]
fn the_thermometer_s_commands_are_those_of_its_file() {
    let Some(vectors) = shared() else { return };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols/gy-mcu90614/protocol.toml");
    let spec =
        Spec::parse("gy-mcu90614", &fs::read_to_string(path).unwrap()).unwrap_or_else(|faults| panic!("\n{faults}"));
    let known: BTreeSet<Vec<u8>> =
        spec.commands.iter().map(|command| spec.encode_command(&command.name, &[]).unwrap()).collect();
    let published: BTreeSet<Vec<u8>> =
        cases(&vectors, "gy_mcu90614", 6).iter().map(|case| bytes(case, "cmd")).collect();
    assert_eq!(known, published);
}
