//! Any text as a vector: read or refused with places inside the file; what is read is held against every protocol.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::{
    CATALOGUE,
    protocol::{Vector, check_vector},
};

fuzz_target!(|text: &str| {
    let lines = text.matches('\n').count() + 1;
    match Vector::parse("vector", text) {
        Err(faults) => {
            assert!(faults.complaints.iter().all(|complaint| (1..=lines).contains(&complaint.line)), "{faults}");
        }
        Ok(vector) => {
            for device in CATALOGUE.iter() {
                let _ = check_vector(&device.spec, &vector);
            }
        }
    }
});
