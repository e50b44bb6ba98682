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
            let places = faults.complaints.iter().filter_map(|complaint| complaint.place.as_ref());
            assert!(places.into_iter().all(|place| (1..=lines).contains(&place.line)), "{faults}");
        }
        Ok(vector) => {
            for device in CATALOGUE.iter() {
                let _ = check_vector(&device.spec, &vector);
            }
        }
    }
});
