//! Writes the corpus from the vectors (pictures: `fuzz/pictures.py`): `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use skinlink_fuzz::CATALOGUE;
use std::{fs, path::Path};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder).expect("the corpus can be written");
        fs::write(folder.join(name), bytes).expect("the corpus can be written");
    };
    // Plain with a packet number, plain with its address, encrypted: published packets.
    for (name, packet) in [
        ("plain", "400009015d025d0903b718"),
        ("address", "42b2188d38c1a404138a01"),
        ("encrypted", "41a47266c95f730011223378237214"),
    ] {
        let packet = hex::decode(packet).expect("hex");
        put("advertisements", name, &[&[packet.len() as u8], packet.as_slice()].concat());
    }
    for (at, device) in CATALOGUE.iter().enumerate() {
        let id = &device.spec.id;
        let stream: Vec<u8> = device.vectors.iter().flat_map(|vector| vector.bytes.clone()).collect();
        put("frames", id, &[&[at as u8, 16], stream.as_slice()].concat());
        let steps = device.sound().flat_map(|vector| {
            let length = vector.bytes.len().min(255) as u8;
            [&[length, 20], &vector.bytes[..usize::from(length)]].concat()
        });
        put("session", id, &[vec![at as u8], steps.collect()].concat());
        let folder = root.join("../firmware-protocols").join(id);
        put("protocol_file", id, &fs::read(folder.join("protocol.toml")).expect("it was read before"));
        let vectors = fs::read_dir(folder.join("vectors")).expect("it was read before").map(|entry| entry.expect("an entry"));
        for entry in vectors.take(3) {
            let name = format!("{id}-{}", entry.file_name().to_str().expect("a plain name"));
            put("vector_file", &name, &fs::read(entry.path()).expect("it was read before"));
        }
    }
}
