//! Malformed input, swept and not sampled: every length and every changed byte of every vector, garbage of every length before a
//! frame, noise by seed, and protocol files with mistakes. Nothing panics, nothing is accepted that a checksum covers, and
//! every sound frame behind garbage is found.
//!
//! What one changed byte can do: a CRC, an xor and a sum each find every change of one byte among those they cover. Bytes they
//! do not cover (start, end, and the length in that it moves the frame's edge) can only lose the frame.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use skinlink::protocol::{
    Complaint, Event, FrameError, Input, Item, Output, Session, Spec, Vector,
    checksum::Algorithm,
    framer::Framer,
    framing::{Framing, Kind, Part},
    item::Decoded,
    vector::Meaning,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn protocols() -> Vec<(Spec, Vec<Vector>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols");
    let folders = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let protocols: Vec<_> = folders
        .map(|folder| {
            let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let spec = Spec::parse(&id, &read(&folder.join("protocol.toml"))).unwrap();
            let files = fs::read_dir(folder.join("vectors")).unwrap().map(|entry| entry.unwrap().path());
            let vectors = files.map(|path| Vector::parse(path.to_str().unwrap(), &read(&path)).unwrap()).collect();
            (spec, vectors)
        })
        .collect();
    assert!(protocols.len() >= 3, "the walk found too little to prove anything");
    protocols
}

/// A direction of a protocol: its framing and what a payload means there.
struct Side<'s> {
    spec: &'s Spec,
    to_device: bool,
    /// The message that the vector is; one that begins with nothing of its own is known by its question.
    awaited: &'s str,
}

impl Side<'_> {
    fn framing(&self) -> &Framing {
        if self.to_device { &self.spec.command_framing } else { &self.spec.framing }
    }

    fn decode(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        if self.to_device {
            self.spec.decode_command(payload)
        } else {
            self.spec.decode_reply(payload, &[self.awaited])
        }
    }

    fn framer(&self) -> Framer {
        let mut framer = Framer::new(self.framing().clone());
        framer.expect(if self.to_device { None } else { self.spec.bare_bytes(&[self.awaited]) });
        framer
    }

    /// What these bytes hold, one behind the other; where only a question tells what an answer is, a question and the pause
    /// before it lie between them.
    fn all(&self, parts: &[&[u8]]) -> Vec<Result<Decoded, FrameError>> {
        let (mut framer, mut results) = (self.framer(), Vec::new());
        let mut sink =
            |result: Result<&[u8], FrameError>| results.push(result.and_then(|payload| self.decode(payload)));
        for part in parts {
            framer.feed(part, &mut sink);
            if self.is_bare() || self.keeps_edges() {
                framer.give_up(&mut sink);
            }
        }
        framer.give_up(&mut sink);
        results
    }

    fn is_bare(&self) -> bool {
        !self.to_device && self.framing().kind == Kind::Silence && self.spec.bare_bytes(&[self.awaited]).is_some()
    }

    /// Whether frames come as the radio delivers them, each by itself.
    fn keeps_edges(&self) -> bool {
        self.framing().kind == Kind::Notification
    }

    /// Whether a checksum guards the frame: control frames stand as they are.
    fn guards(&self, vector: &Vector) -> bool {
        self.framing().checksum.is_some() && !self.framing().control.contains(&vector.bytes)
    }

    /// Whether a reading is the one that was sent. A type that the checksum leaves out may be another's: the values count.
    fn same(&self, found: &Decoded, original: &Decoded) -> bool {
        let framing = self.framing();
        let open = framing.type_bytes > 0 && framing.checksum.is_some_and(|checksum| checksum.covers.0 > Part::Type);
        found == original || (open && found.items == original.items)
    }

    /// A sum does not see a zero byte vanish, and where marks are bytes like others one changed byte can make a mark of it:
    /// a command may become another then. It is the device's own weakness; a value must not come of it even so.
    fn counts(&self, found: &Decoded) -> bool {
        let sum = self.framing().checksum.is_some_and(|checksum| !matches!(checksum.algorithm, Algorithm::Crc(_)));
        let has_value = || found.items.iter().any(|item| matches!(item, Item::Value { .. } | Item::Text { .. }));
        !(sum && self.framing().stuffing.is_some()) || has_value()
    }

    /// Text that ends where the radio's own delivery ends is shorter where that is, and a name all the same. Nobody cuts it
    /// there; a value must not come of it even so.
    fn is_shorter_text(&self, found: &[Decoded]) -> bool {
        let text = |one: &Decoded| matches!(one.items[..], [Item::Text { .. }]);
        self.keeps_edges() && found.iter().all(text)
    }

    fn sound(&self, bytes: &[u8]) -> Vec<Decoded> {
        self.in_turn(&[bytes])
    }

    fn in_turn(&self, parts: &[&[u8]]) -> Vec<Decoded> {
        self.all(parts).into_iter().flatten().collect()
    }
}

/// Every vector that is one sound frame, with its side.
fn sound_frames(mut check: impl FnMut(&Side<'_>, &Vector, &Decoded)) {
    let mut count = 0;
    for (spec, vectors) in protocols() {
        for vector in &vectors {
            let (to_device, awaited) = match &vector.meaning {
                Meaning::Command { name, .. } => (true, name),
                Meaning::Message { name, .. } => (false, name),
                _ => continue,
            };
            let side = Side { spec: &spec, to_device, awaited };
            let decoded = side.sound(&vector.bytes);
            assert_eq!(decoded.len(), 1, "{vector}");
            check(&side, vector, &decoded[0]);
            count += 1;
        }
    }
    assert!(count > 30, "the sweep found too little to prove anything");
}

#[test]
fn every_length_of_every_frame_is_incomplete_and_nothing_else() {
    sound_frames(|side, vector, _| {
        for length in 0..vector.bytes.len() {
            let found = side.sound(&vector.bytes[..length]);
            let incomplete = found.is_empty() || side.is_shorter_text(&found);
            assert!(incomplete, "{vector}: the first {length} bytes were taken for {found:?}");
        }
    });
}

/// Every byte takes every other value: with a checksum none of them makes a reading that the device did not send.
#[test]
fn every_changed_byte_loses_the_frame_and_never_changes_it() {
    sound_frames(|side, vector, original| {
        if !side.guards(vector) {
            return;
        }
        for at in 0..vector.bytes.len() {
            for change in 1..=u8::MAX {
                let mut bytes = vector.bytes.clone();
                bytes[at] ^= change;
                for found in side.sound(&bytes).iter().filter(|found| side.counts(found)) {
                    assert!(side.same(found, original), "{vector}: byte {at} ^ {change:#x} made {found:?}");
                }
            }
        }
    });
}

/// Behind a frame that was cut off or changed, the next sound one is found: at once after a pause, else the one after it at the
/// latest. What a checksum guards is never taken for another reading on the way.
#[test]
fn behind_every_spoilt_frame_the_gateway_is_in_step_again() {
    sound_frames(|side, vector, original| {
        let cut = (0..vector.bytes.len()).map(|length| vector.bytes[..length].to_vec());
        let changes = [0x01, 0x80, 0xFF];
        let changed = (0..vector.bytes.len()).flat_map(|at| {
            changes.map(|change| {
                let mut bytes = vector.bytes.clone();
                bytes[at] ^= change;
                bytes
            })
        });
        let guarded = side.guards(vector);
        for spoilt in cut.chain(changed) {
            let after_a_pause = [side.sound(&spoilt), side.sound(&vector.bytes)].concat();
            assert_eq!(after_a_pause.last(), Some(original), "{vector} behind {spoilt:02X?} and a pause");
            let at_once = side.in_turn(&[&spoilt, &vector.bytes, &vector.bytes]);
            assert_eq!(at_once.last(), Some(original), "{vector} behind {spoilt:02X?}");
            if guarded {
                let other = at_once.iter().find(|found| !side.same(found, original));
                assert_eq!(other, None, "{vector} behind {spoilt:02X?}");
            }
        }
    });
}

#[test]
fn every_frame_is_found_in_slices_of_every_size() {
    sound_frames(|side, vector, original| {
        // Nobody cuts a notification: half a value is another message, and is refused as such.
        if side.keeps_edges() {
            return;
        }
        let twice = [vector.bytes.as_slice(), vector.bytes.as_slice()].concat();
        for size in 1..=twice.len() {
            let (mut framer, mut found) = (side.framer(), Vec::new());
            for slice in twice.chunks(size) {
                framer.feed(slice, &mut |result| found.push(result.and_then(|payload| side.decode(payload))));
            }
            assert_eq!(found, [Ok(original.clone()), Ok(original.clone())], "{vector}: slices of {size}");
        }
    });
}

/// Behind garbage of every length: a binary frame is found at once or when the line has been quiet; a line of text without a
/// start mark is lost together with the garbage in front of it, the next one is found.
#[test]
fn behind_garbage_of_every_length_the_next_frames_are_found() {
    sound_frames(|side, vector, original| {
        let mut rng = fastrand::Rng::with_seed(0x5EED);
        for length in 0..200 {
            let garbage: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
            let found = side.in_turn(&[&garbage, &vector.bytes, &vector.bytes, &vector.bytes]);
            let same = found.iter().filter(|found| *found == original).count();
            assert!(same >= 2, "{vector}: {same} of 3 found behind {length} bytes (seed 0x5EED, found {found:?})");
        }
    });
}

/// Every prefix of a frame is the worst garbage: it looks like the beginning of one.
#[test]
fn behind_every_piece_of_a_frame_the_next_frames_are_found() {
    sound_frames(|side, vector, original| {
        for length in 0..vector.bytes.len() {
            let piece = &vector.bytes[..length];
            let found = side.in_turn(&[piece, &vector.bytes, &vector.bytes, &vector.bytes]);
            let same = found.iter().filter(|found| *found == original).count();
            assert!(same >= 2, "{vector}: {same} of 3 found behind its own first {length} bytes");
        }
    });
}

#[test]
fn what_is_decoded_encodes_back_to_what_is_decoded() {
    sound_frames(|side, vector, original| {
        let again = if side.to_device {
            side.spec.encode_command(&original.name, &original.items)
        } else {
            side.spec.encode_message(&original.name, &original.items)
        };
        let again = again.unwrap_or_else(|fault| panic!("{vector}: {fault}"));
        assert_eq!(side.sound(&again), std::slice::from_ref(original), "{vector}");
    });
}

/// Noise and broken pieces of real frames, for a long time: no panic, no value that no frame holds, and the session always
/// comes to rest and says how long to wait.
#[test]
fn a_session_survives_noise_of_any_kind() {
    for (spec, vectors) in protocols() {
        let sound: Vec<&Vector> =
            vectors.iter().filter(|vector| matches!(vector.meaning, Meaning::Message { .. })).collect();
        let spec = Arc::new(spec);
        for seed in 0..20_u64 {
            let mut rng = fastrand::Rng::with_seed(seed);
            #[expect(clippy::disallowed_methods, reason = "an instant to count from; nothing waits for it")]
            let mut now = Instant::now();
            let mut session = Session::new(spec.clone(), now);
            for _ in 0..2_000 {
                now += Duration::from_millis(rng.u64(0..700));
                let mut bytes: Vec<u8> = match rng.u8(..3) {
                    0 => (0..rng.usize(..80)).map(|_| rng.u8(..)).collect(),
                    1 => spec.framing.start.iter().copied().chain((0..rng.usize(..8)).map(|_| 0xFF)).collect(),
                    _ => sound[rng.usize(..sound.len())].bytes.clone(),
                };
                if rng.bool() && !bytes.is_empty() {
                    let at = rng.usize(..bytes.len());
                    bytes.truncate(at);
                }
                session.handle_input(now, Input::Bytes(&bytes));
                let mut outputs = 0;
                loop {
                    match session.poll_output() {
                        Output::WaitUntil(wake) => {
                            assert!(wake > now, "{} seed {seed}: would spin", spec.id);
                            break;
                        }
                        Output::Event(Event::Measured(measurement)) => {
                            assert!(
                                !measurement.values.is_empty(),
                                "{} seed {seed}: a measurement of nothing",
                                spec.id
                            );
                        }
                        Output::Event(_) | Output::Transmit(_) => {}
                    }
                    outputs += 1;
                    assert!(outputs < 2_000, "{} seed {seed}: never comes to rest", spec.id);
                }
            }
        }
    }
}

/// A device that claims a picture larger than allowed, or sends frames without end, takes no more memory than one of each.
#[test]
fn a_framer_holds_at_most_two_frames_of_whatever_is_fed() {
    for (spec, _) in protocols() {
        for filler in [0x00, 0xFF, spec.framing.start.first().copied().unwrap_or(b'M')] {
            let mut framer = Framer::new(spec.framing.clone());
            let noise = vec![filler; 50_000];
            for slice in noise.chunks(10_000) {
                framer.feed(slice, &mut |_| {});
                assert!(framer.held() <= 2 * spec.framing.max_frame(), "{}: {} bytes held", spec.id, framer.held());
            }
        }
    }
}

/// Found by the fuzzer: what was dropped for being too long went on being dropped after a silence, and the next frame with it.
#[test]
fn behind_bytes_without_end_and_a_pause_the_next_frame_is_found() {
    sound_frames(|side, vector, original| {
        for filler in [0x01, 0x02, 0x3F, 0xA5, 0xFF] {
            let (mut framer, mut found) = (side.framer(), Vec::new());
            let mut sink =
                |result: Result<&[u8], FrameError>| found.extend(result.and_then(|payload| side.decode(payload)));
            framer.feed(&[filler; 40_000], &mut sink);
            framer.give_up(&mut sink);
            framer.feed(&vector.bytes, &mut sink);
            assert_eq!(found.last(), Some(original), "{vector} behind {filler:02X}");
        }
    });
}

/// A file with many mistakes tells them all at once, each with its place and what to write instead.
#[test]
fn a_mistaken_file_is_told_all_its_mistakes_at_once() {
    let text = r#"
        schema = 1
        id = "other"
        version = "1"
        title = { zh = "x" }
        source = "s"
        [transport.serial]
        baud = 9600
        pairty = "even"
        [framing]
        kind = "start-length-end"
        start = "A5 5"
        length = "u16eb"
        max_payload = 100
        checksum = { algorithm = "CRC-16/MODBUSS", covers = "payload..start" }
        [[message]]
        name = "moisture"
        match = "01"
        field = [{ metric = "moisture", width = "u16be", scale = 0.1, unti = "%" }]
        [[command]]
        name = "ask"
        match = "02"
        [[flow.measure]]
        metrics = ["moisture"]
        steps = [{ send = "aks", reply = "moistrue", timeout_ms = 400 }]
        [[metric]]
        id = "moisture"
        repeatability = { repeat_sd = 1.0, placement_sd = 1.0, degrees_of_freedom = 5, source = "guess" }
    "#;
    let faults = Spec::parse("broken", text).unwrap_err().to_string();
    for wanted in [
        "firmware-protocols/broken/protocol.toml:3: id: \"other\" differs from its folder",
        ":5: title.en: is missing",
        ":9: transport.serial.pairty: is no key of this table; did you mean \"parity\"?",
        ":12: framing.start: \"A55\" is no row of bytes",
        "framing.length: \"u16eb\" is no width",
        "did you mean \"u16be\"?",
        "framing.checksum.algorithm: \"CRC-16/MODBUSS\" is no checksum",
        "did you mean \"CRC-16/MODBUS\"?",
        "framing.checksum.covers: \"payload..start\" must run forward",
        "message \"moisture\".field[0].unti: is no key of this table; did you mean \"unit\"?",
        ":23: flow.measure[0]: \"aks\" is no [[command]] of this file; did you mean \"ask\"?",
        "flow.measure[0]: \"moistrue\" is no [[message]] of this file; did you mean \"moisture\"?",
        "metric \"moisture\".repeatability.degrees_of_freedom: 5 is outside 30 to",
    ] {
        assert!(faults.contains(wanted), "{wanted:?} is missing in:\n{faults}");
    }
}

/// Every line of every protocol file, left out or cut short: either the file is still sound or it is refused with a place.
#[test]
fn every_line_left_out_of_a_file_gives_a_clear_refusal_or_a_sound_file() {
    for (spec, _) in protocols() {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("firmware-protocols").join(&spec.id).join("protocol.toml");
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for left_out in 0..lines.len() {
            let rest: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line).collect();
            if let Err(faults) = Spec::parse(&spec.id, &rest.join("\n")) {
                let placed = |c: &Complaint| !c.field.is_empty() || c.place.is_some();
                assert!(faults.complaints.iter().all(|c| placed(c) && !c.problem.is_empty()), "{faults}");
            }
        }
        for length in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let _ = Spec::parse(&spec.id, &text[..length]);
        }
    }
}
