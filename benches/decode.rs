//! How fast bytes become items on one core: framing, checksum, decoding and dropping the result, in slices of 4 KiB as a serial
//! line hands them over. `cargo bench --bench decode`.
//!
//! - `frames`: a binary probe of four values (32 bytes a frame), a line of text (33 bytes), an escaped frame (about 30);
//! - `picture`: chunks of 4 KiB with a CRC-16.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up ends")]

use criterion::{Criterion, Throughput};
use skinlink::protocol::{Spec, Vector, framer::Framer};
use std::{fs, hint::black_box, path::Path, time::Duration};

const FRAMES: usize = 4_096;
const SLICE: usize = 4_096;
const CHUNK: usize = 4_096;

const HEAD: &str = r#"
schema  = 1
version = "1"
title   = { zh = "x", en = "x" }
source  = "this bench"
[transport.serial]
baud = 3000000
"#;

const PROBE: &str = r#"
id = "probe"
[framing]
kind        = "start-length-end"
start       = "A5 5A"
length      = "u8"
max_payload = 64
checksum    = { algorithm = "CRC-16/MODBUS", covers = "length..payload", order = "le" }
[codes.region]
forehead = 1
nose     = 2
[[message]]
name  = "values"
match = "10"
field = [
  { role = "counter", width = "u32be" },
  { role = "device_time_ms", width = "u32be" },
  { role = "region", width = "u8", codes = "region" },
  { role = "flags", width = "u8", bits = { weak_contact = 0 } },
  { metric = "moisture", width = "u16be", scale = 0.1, unit = "%", absent = 0xFFFF },
  { metric = "sebum", width = "u16be", unit = "µg/cm²", absent = 0xFFFF },
  { metric = "temperature", width = "i16be", scale = 0.01, unit = "°C", absent = -32768 },
  { metric = "elasticity", width = "f32be", decimals = 3 },
  { skip = 6 },
]
[[metric]]
id = "moisture"
[[metric]]
id = "sebum"
[[metric]]
id = "temperature"
[[metric]]
id = "elasticity"
"#;

const SCOPE: &str = r#"
id = "scope"
[framing]
kind        = "start-length-end"
start       = "A5 5A"
length      = "u16be"
max_payload = 4200
checksum    = { algorithm = "CRC-16/IBM-3740", covers = "length..payload", order = "be" }
[[message]]
name  = "picture"
match = "30"
field = [{ role = "picture_bytes", width = "u32be" }, { role = "chunk_bytes", width = "u16be" }, { role = "picture_check", width = "u32be" }]
[[message]]
name  = "chunk"
match = "31"
field = [{ role = "chunk", width = "u16be" }, { role = "data" }]
[[message]]
name  = "value"
match = "10"
field = [{ metric = "moisture", width = "u16be" }]
[[metric]]
id = "moisture"
"#;

fn spec(text: &str) -> Spec {
    let id = text.split('"').nth(1).unwrap();
    // The file's own tables stand behind the head's, its id before them.
    let (named, tables) = text.split_once("\n[").unwrap();
    let text = format!("{named}\n{HEAD}\n[{tables}");
    Spec::parse(id, &text).unwrap_or_else(|faults| panic!("\n{faults}"))
}

/// A device of the catalogue and one of its frames.
fn catalogued(id: &str, vector: &str) -> (Spec, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols").join(id);
    let spec = Spec::parse(id, &fs::read_to_string(folder.join("protocol.toml")).unwrap()).unwrap();
    let text = fs::read_to_string(folder.join("vectors").join(vector)).unwrap();
    (spec, Vector::parse(vector, &text).unwrap().bytes)
}

/// Feeds the stream and gives how many messages came out; every one must.
fn decode(spec: &Spec, framer: &mut Framer, stream: &[u8]) -> usize {
    let mut count = 0;
    for slice in stream.chunks(SLICE) {
        framer.feed(slice, &mut |result| {
            let decoded = result.and_then(|payload| spec.decode_message(payload)).unwrap();
            black_box(&decoded);
            count += 1;
        });
    }
    count
}

fn frames(criterion: &mut Criterion) {
    let probe = spec(PROBE);
    let payload = [
        &[0x10][..],
        &[0, 0, 0, 42, 0, 0, 0xEF, 0x32, 1, 0, 0x01, 0x60, 0, 160, 0x0C, 0x78],
        &0.731_f32.to_be_bytes(),
        &[0; 6],
    ]
    .concat();
    let frame = probe.framing.wrap(&payload);
    let mut group = criterion.benchmark_group("frames");
    group.measurement_time(Duration::from_secs(6)).sample_size(40);
    let (line, text) = catalogued("hanna-hi2222", "ph.toml");
    let (small, cobs) = catalogued("sebum-cobs", "sebum-normal.toml");
    for (name, spec, frame) in [
        ("binary, four values", probe, frame),
        ("line of text, two values", line, text),
        ("COBS, two values", small, cobs),
    ] {
        let stream = frame.repeat(FRAMES);
        let mut framer = Framer::new(spec.framing.clone());
        group.throughput(Throughput::Elements(FRAMES as u64));
        group.bench_function(format!("{name} ({} bytes)", frame.len()), |bencher| {
            bencher.iter(|| assert_eq!(decode(&spec, &mut framer, &stream), FRAMES));
        });
    }
    group.finish();
}

fn picture(criterion: &mut Criterion) {
    let scope = spec(SCOPE);
    let data: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(CHUNK).collect();
    let frame = scope.framing.wrap(&[&[0x31, 0, 7][..], &data].concat());
    let stream = frame.repeat(64);
    let mut framer = Framer::new(scope.framing.clone());
    let mut group = criterion.benchmark_group("picture");
    group.throughput(Throughput::Bytes((64 * CHUNK) as u64)).measurement_time(Duration::from_secs(6)).sample_size(40);
    group.bench_function("chunks of 4 KiB", |bencher| {
        bencher.iter(|| assert_eq!(decode(&scope, &mut framer, &stream), 64));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    frames(&mut criterion);
    picture(&mut criterion);
    criterion.final_summary();
}
