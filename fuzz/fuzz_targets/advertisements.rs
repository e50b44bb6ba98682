//! Any advertisements, one after the other, from a sensor that encrypts and from one that does not: no panic, nothing opened that
//! the key does not open, nothing taken twice, and each object is one frame or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::{
    CATALOGUE,
    protocol::{
        bthome::{Ear, Key},
        framer::Framer,
    },
};

const ADDRESS: [u8; 6] = [0x54, 0x48, 0xE6, 0x8F, 0x80, 0xA5];

fuzz_target!(|data: &[u8]| {
    let device = CATALOGUE.iter().find(|device| device.spec.id == "bthome-room").expect("in the catalogue");
    let key = Key::parse("231d39c1d7cc1ab1aee224cd096db932").expect("32 digits");
    let (mut plain, mut sealed) = (Ear::new(ADDRESS, None), Ear::new(ADDRESS, Some(key)));
    let mut framer = Framer::new(device.spec.framing.clone());
    let mut rest = data;
    while let Some((length, behind)) = rest.split_first() {
        let (packet, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        for ear in [&mut plain, &mut sealed] {
            let Ok(objects) = ear.hear(packet) else { continue };
            let bytes: usize = objects.iter().map(|object| 1 + object.value.len()).sum();
            assert!(bytes <= packet.len(), "more came out than went in");
            assert!(ear.hear(packet).is_ok_and(|again| again.is_empty()), "the same packet is new again");
            for object in objects {
                let frame = [&[0xFC, 0xD2, object.id], &object.value[..]].concat();
                let mut heard = 0;
                framer.feed(&frame, &mut |result| heard += usize::from(result.and_then(|one| device.spec.decode_message(one)).is_ok()));
                assert!(heard <= 1, "one object, {heard} messages");
                assert_eq!(framer.held(), 0, "a notification leaves nothing behind");
            }
        }
    }
});
