//! BTHome version 2 against published packets: every one is opened or refused as it must be, and its values come out of the
//! engine, by a file that names all objects. The published ones are `shared/data/protocols/bthome_v2_vectors.json` beside the
//! checkout; where they are not there, it is said aloud how much was not looked at. The examples of the format's own description
//! stand here, and are held in any case.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

#[path = "support/skipped.rs"]
mod skipped;

use serde_json::Value;
use skinlink::protocol::{
    Item, Spec,
    bthome::{Ear, Key, Object, Refused},
    framer::Framer,
};
use std::{fs, path::PathBuf};

/// What is published beside the checkout.
const PUBLISHED: usize = 66;

fn shared() -> Option<Vec<Value>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let near =
        ["../shared", "../../shared"].map(|shared| root.join(shared).join("data/protocols/bthome_v2_vectors.json"));
    let Some(path) = near.into_iter().find(|path| path.exists()) else {
        skipped::skipped(format_args!(
            "the {PUBLISHED} published packets of BTHome: shared/data is not beside the checkout"
        ));
        return None;
    };
    Some(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
}

/// The sensor of the format's own description, its key, and what it said: 25.06 °C and 50.55 %.
const ITS_ADDRESS: [u8; 6] = [0x54, 0x48, 0xE6, 0x8F, 0x80, 0xA5];
const ITS_KEY: &str = "231d39c1d7cc1ab1aee224cd096db932";
const ENCRYPTED: &str = "41a47266c95f730011223378237214";

/// Every object that is a number, from the description: number, width, scale.
const NUMBERS: &[(u8, &str, f64)] = &[
    (0x00, "u8", 1.0),
    (0x01, "u8", 1.0),
    (0x02, "i16le", 0.01),
    (0x03, "u16le", 0.01),
    (0x04, "u24le", 0.01),
    (0x05, "u24le", 0.01),
    (0x06, "u16le", 0.01),
    (0x07, "u16le", 0.01),
    (0x08, "i16le", 0.01),
    (0x09, "u8", 1.0),
    (0x0A, "u24le", 0.001),
    (0x0B, "u24le", 0.01),
    (0x0C, "u16le", 0.001),
    (0x0D, "u16le", 1.0),
    (0x0E, "u16le", 1.0),
    (0x0F, "u8", 1.0),
    (0x10, "u8", 1.0),
    (0x11, "u8", 1.0),
    (0x12, "u16le", 1.0),
    (0x13, "u16le", 1.0),
    (0x14, "u16le", 0.01),
    (0x21, "u8", 1.0),
    (0x2D, "u8", 1.0),
    (0x2E, "u8", 1.0),
    (0x2F, "u8", 1.0),
    (0x3A, "u8", 1.0),
    (0x3D, "u16le", 1.0),
    (0x3E, "u32le", 1.0),
    (0x3F, "i16le", 0.1),
    (0x40, "u16le", 1.0),
    (0x41, "u16le", 0.1),
    (0x42, "u24le", 0.001),
    (0x43, "u16le", 0.001),
    (0x44, "u16le", 0.01),
    (0x45, "i16le", 0.1),
    (0x46, "u8", 0.1),
    (0x47, "u16le", 0.1),
    (0x48, "u16le", 1.0),
    (0x49, "u16le", 0.001),
    (0x4A, "u16le", 0.1),
    (0x4B, "u24le", 0.001),
    (0x4C, "u32le", 0.001),
    (0x4D, "u32le", 0.001),
    (0x4E, "u32le", 0.001),
    (0x4F, "u32le", 0.001),
    (0x50, "u32le", 1.0),
    (0x51, "u16le", 0.001),
    (0x52, "u16le", 0.001),
    (0x55, "u32le", 0.001),
    (0x56, "u16le", 1.0),
    (0x57, "i8", 1.0),
    (0x58, "i8", 0.35),
    (0x59, "i8", 1.0),
    (0x5A, "i16le", 1.0),
    (0x5B, "i32le", 1.0),
    (0x5C, "i32le", 0.01),
    (0x5D, "i16le", 0.001),
    (0x5E, "u16le", 0.01),
    (0x5F, "u16le", 0.1),
    (0x60, "u8", 1.0),
    (0x61, "u16le", 1.0),
    (0x62, "i32le", 0.000_001),
    (0x63, "i32le", 0.000_001),
    (0x64, "u8", 1.0),
];

const TEXT: u8 = 0x53;

/// A file that names them all.
fn spec() -> Spec {
    let mut text = String::from(
        "schema = 1\nid = \"all\"\nversion = \"1\"\ntitle = { zh = \"x\", en = \"x\" }\nsource = \"s\"\n[framing]\nkind = \"notification\"\n\
         [transport.ble]\nadvertises = { service = \"FCD2\" }\nbroadcast = \"bthome-2\"\n[[metric]]\nid = \"value\"\n",
    );
    for (id, width, scale) in NUMBERS {
        text += &format!(
            "[[message]]\nname = \"object-{id:02x}\"\nmatch = \"FC D2 {id:02X}\"\n\
             field = [{{ metric = \"value\", width = \"{width}\", scale = {scale:?} }}]\n"
        );
    }
    Spec::parse("all", &text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn value(spec: &Spec, object: &Object) -> f64 {
    let frame = [&[0xFC, 0xD2, object.id], &object.value[..]].concat();
    let mut heard = Vec::new();
    let mut framer = Framer::new(spec.framing.clone());
    framer.feed(&frame, &mut |result| heard.push(result.and_then(|payload| spec.decode_message(payload))));
    match heard.as_slice() {
        [Ok(decoded)] => match &decoded.items[..] {
            [Item::Value { value: Ok(quantity), .. }] => quantity.to_string().parse().unwrap(),
            other => panic!("{object:?}: {other:?}"),
        },
        other => panic!("{object:?}: {other:?}"),
    }
}

/// Whether an object is what a case expects.
fn is(spec: &Spec, object: &Object, wanted: &Value) -> bool {
    let press = wanted["event_type"].as_str().map(|press| press.trim_matches('\''));
    match (object.id, wanted["native_value"].as_str()) {
        (0x3A, None) => {
            let codes = [("press", 0x01), ("triple_press", 0x03), ("hold_press", 0x80)];
            codes.iter().any(|(word, code)| press == Some(word) && object.value == [*code])
        }
        (_, None) => false,
        (TEXT, Some(text)) => object.value == text.trim_matches('\'').as_bytes(),
        (_, Some("True")) => object.value == [1],
        (_, Some("False")) => object.value == [0],
        // 14 May 2023, 19:41:17 UTC.
        (0x50, Some(_)) => value(spec, object) == 1_684_093_277.0,
        (_, Some(number)) => number.parse().is_ok_and(|number: f64| (value(spec, object) - number).abs() < 1e-9),
    }
}

/// What a packet must come to where the published case only names its parser's own flags.
fn outcome(test: &str) -> Option<Vec<Result<usize, &'static str>>> {
    Some(match test {
        "test_encryption_no_key_needed" | "test_sleepy_device" | "test_no_sleepy_device" => vec![Ok(1)],
        "test_encryption_downgrade_fails" => vec![Err("Downgraded")],
        // No key of the file opens the first packet: its case only asks what becomes of the second.
        "test_downgrade_detected_flag_v2" => vec![Err("WrongKey"), Err("Downgraded")],
        "test_has_incorrect_version" | "test_incorrect_bthome_version" => vec![Err("Version")],
        "test_bindkey_wrong" => vec![Err("WrongKey")],
        "test_bindkey_verified_can_be_unset" => vec![Err("WrongKey"), Err("WrongKey")],
        "test_increasing_encryption_counter" | "test_reset_encryption_counter" => vec![Ok(2), Ok(2)],
        "test_same_encryption_counter" => vec![Ok(2), Ok(0)],
        "test_decreasing_encryption_counter" => vec![Ok(2), Err("Replayed")],
        "test_encrypted_shelly_blu_button_event" => vec![Ok(3)],
        _ => return None,
    })
}

fn word(refused: Refused) -> &'static str {
    match refused {
        Refused::Short => "Short",
        Refused::Version(_) => "Version",
        Refused::OtherAddress => "OtherAddress",
        Refused::NoKey => "NoKey",
        Refused::Downgraded => "Downgraded",
        Refused::WrongKey => "WrongKey",
        Refused::Replayed { .. } => "Replayed",
    }
}

fn address(case: &Value) -> [u8; 6] {
    let groups = case["address"].as_str().unwrap().split(':').map(|group| u8::from_str_radix(group, 16).unwrap());
    groups.collect::<Vec<_>>().try_into().unwrap()
}

fn key(case: &Value) -> Option<Key> {
    let line = case["bindkey"].as_array().unwrap().first()?.as_str().unwrap();
    Some(Key::parse(line.split('\'').nth(1).unwrap()).unwrap())
}

fn packets(case: &Value) -> Vec<Vec<u8>> {
    let all = case["service_data_fcd2"].as_array().unwrap();
    all.iter().map(|one| hex::decode(one[1].as_str().unwrap()).unwrap()).collect()
}

#[test]
fn every_published_packet_comes_to_what_it_must() {
    let Some(cases) = shared() else { return };
    assert_eq!(cases.len(), PUBLISHED);
    let (spec, mut values, mut outcomes) = (spec(), 0, 0);
    for case in &cases {
        let test = case["test"].as_str().unwrap();
        let mut ear = Ear::new(address(case), key(case));
        let heard: Vec<Result<Vec<Object>, Refused>> = packets(case).iter().map(|packet| ear.hear(packet)).collect();
        let wanted = case["expect"].as_array().unwrap();
        if wanted.is_empty() {
            let found: Vec<Result<usize, &str>> =
                heard.iter().map(|one| one.as_ref().map(Vec::len).map_err(|refused| word(*refused))).collect();
            assert_eq!(Some(found), outcome(test), "{test}: {heard:?}");
            outcomes += 1;
            continue;
        }
        // A button that was not pressed is no event.
        let mut all: Vec<Object> =
            heard.into_iter().flat_map(|one| one.unwrap_or_else(|refused| panic!("{test}: {refused}"))).collect();
        all.retain(|object| object.id != 0x3A || object.value != [0]);
        // The cases list values in an order of their own.
        for wanted in wanted {
            let at = all.iter().position(|object| is(&spec, object, wanted));
            let at = at.unwrap_or_else(|| panic!("{test}: {wanted} is not among {all:?}"));
            all.remove(at);
            values += 1;
        }
        assert!(all.is_empty(), "{test}: nobody expects {all:?}");
    }
    assert_eq!((values, outcomes), (64, 14));
}

/// Every length and every flipped bit of a packet: no panic, and with a key nothing else is ever taken. Says how many they were.
fn sweep(what: &str, fresh: impl Fn() -> Ear, keyed: bool, packet: &[u8]) -> usize {
    let original = fresh().hear(packet);
    let cut = (0..packet.len()).map(|length| packet[..length].to_vec());
    let flipped = (0..8 * packet.len()).map(|bit| {
        let mut copy = packet.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    let spoilt = cut.chain(flipped).inspect(|spoilt| {
        let heard = fresh().hear(spoilt);
        assert!(!keyed || original.is_err() || heard.is_err(), "{what}: {spoilt:02x?} passed as {heard:?}");
    });
    spoilt.count()
}

#[test]
fn no_packet_that_was_cut_or_changed_passes_for_the_sensors_own() {
    let Some(cases) = shared() else { return };
    let swept: usize = cases
        .iter()
        .flat_map(|case| packets(case).into_iter().map(move |packet| (case, packet)))
        .map(|(case, packet)| {
            let fresh = || Ear::new(address(case), key(case));
            sweep(&case["test"].to_string(), fresh, key(case).is_some(), &packet)
        })
        .sum();
    assert!(swept > 4_000, "{swept}");
}

/// What holds without the published packets: the description's own examples, plain and encrypted, cut, changed, played again
/// and put in another's place.
#[test]
fn the_examples_of_the_description_come_to_what_they_must() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let (spec, key) = (spec(), || Key::parse(ITS_KEY));
    assert!(key().is_some());
    let mut ear = Ear::new(ITS_ADDRESS, key());
    let objects = ear.hear(&bytes(ENCRYPTED)).unwrap();
    let told: Vec<(u8, f64)> = objects.iter().map(|object| (object.id, value(&spec, object))).collect();
    assert_eq!(told, [(0x02, 25.06), (0x03, 50.55)]);
    assert_eq!(ear.hear(&bytes(ENCRYPTED)).map(|objects| objects.len()), Ok(0), "the same again is nothing new");
    assert_eq!(ear.hear(&bytes("40023f09")), Err(Refused::Downgraded));
    assert_eq!(Ear::new(ITS_ADDRESS, None).hear(&bytes(ENCRYPTED)), Err(Refused::NoKey));
    assert_eq!(Ear::new([0; 6], key()).hear(&bytes(ENCRYPTED)), Err(Refused::WrongKey));
    let other = Key::parse("231d39c1d7cc1ab1aee224cd096db933");
    assert_eq!(Ear::new(ITS_ADDRESS, other).hear(&bytes(ENCRYPTED)), Err(Refused::WrongKey));

    // Battery, temperature, humidity.
    let plain = bytes("40015d025d0903b718");
    let objects = Ear::new(ITS_ADDRESS, None).hear(&plain).unwrap();
    let told: Vec<(u8, f64)> = objects.iter().map(|object| (object.id, value(&spec, object))).collect();
    assert_eq!(told, [(0x01, 93.0), (0x02, 23.97), (0x03, 63.27)]);
    assert!(matches!(Ear::new(ITS_ADDRESS, None).hear(&bytes("20015d")), Err(Refused::Version(_))));

    let swept = sweep("encrypted", || Ear::new(ITS_ADDRESS, key()), true, &bytes(ENCRYPTED))
        + sweep("plain", || Ear::new(ITS_ADDRESS, None), false, &plain);
    assert_eq!(swept, 9 * (15 + 9));
}

#[test]
fn without_a_key_the_encrypted_is_refused_and_another_address_too() {
    let Some(cases) = shared() else { return };
    let named = |name: &str| cases.iter().find(|case| case["test"] == name).unwrap();
    let encrypted = named("test_bindkey_set_late");
    assert_eq!(Ear::new(address(encrypted), None).hear(&packets(encrypted)[0]), Err(Refused::NoKey));
    assert_eq!(Ear::new([0; 6], key(encrypted)).hear(&packets(encrypted)[0]), Err(Refused::WrongKey));
    let named_address = named("test_bthome_with_mac");
    assert_eq!(Ear::new([0; 6], None).hear(&packets(named_address)[0]), Err(Refused::OtherAddress));
}
