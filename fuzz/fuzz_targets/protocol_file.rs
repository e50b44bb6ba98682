//! Any text as a protocol file: read or refused with places inside the file; what is read can be shown and played.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::protocol::{Spec, framer::Framer, proof, show};

fuzz_target!(|text: &str| {
    let lines = text.matches('\n').count() + 1;
    // The folder's name must be the file's id for the rules behind that one to be reached.
    let id = text.lines().find_map(|line| line.strip_prefix("id")?.split('"').nth(1)).unwrap_or("device");
    match Spec::parse(id, text) {
        Err(faults) => {
            assert!(!faults.complaints.is_empty());
            for complaint in &faults.complaints {
                let line = complaint.place.as_ref().map_or(1, |place| place.line);
                assert!((1..=lines).contains(&line), "line {line} of {lines}");
                assert!(!complaint.problem.is_empty());
            }
        }
        Ok(spec) => {
            assert!(!show::page(&spec).is_empty());
            assert!(!proof::unproved(&spec, &[]).is_empty());
            let bytes: Vec<u8> = spec.messages.iter().flat_map(|shape| shape.matches.clone()).chain(text.bytes()).collect();
            let mut framer = Framer::new(spec.framing.clone());
            framer.feed(&bytes, &mut |result| {
                let _ = result.map(|payload| spec.decode_message(payload));
            });
            framer.give_up(&mut |_| {});
            for shape in &spec.messages {
                let _ = spec.encode_message(&shape.name, &[]);
            }
        }
    }
});
