//! Vectors: frames with what they mean, which prove a protocol file. They use the words of the decoded output.
//!
//! A vector is one of: `message` (one frame of the device, its items in `expect`), `command` (one frame of the gateway),
//! `measured` (frames of one measurement and the values that come out), `fault` (bytes that must never become a message).

use super::{
    derive::Assembler,
    encode::EncodeError,
    fault::FrameError,
    field::{Field, Shape, any_field},
    flow::Measure,
    framer::Framer,
    framing::{Framing, Kind, Written},
    item::{Decoded, Item},
    reader::{Complaints, Reader, SpecFaults, table_of},
    spec::Spec,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The words of one item or value.
pub type Words = BTreeMap<String, String>;

/// What the bytes of a vector are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    Message {
        name: String,
        items: Vec<Words>,
    },
    Command {
        name: String,
        items: Vec<Words>,
    },
    Measured(Vec<Words>),
    /// A word of [`FrameError::WORDS`].
    Fault(String),
}

/// One file of `vectors/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    pub name: String,
    /// Where it was captured or how it was computed.
    pub source: String,
    pub bytes: Vec<u8>,
    pub meaning: Meaning,
}

/// Why a vector does not hold. The vector is law: the protocol file or the code is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorFault {
    #[error("the bytes are no sound frame: {0}")]
    Frame(FrameError),
    #[error("the bytes hold {0} frames; this kind of vector has one")]
    Frames(usize),
    #[error("expected {expected}, decoded {found}")]
    Differs { expected: String, found: String },
    #[error("encoding what was decoded gives {found}, not the vector's bytes")]
    NotEncodedBack { found: String },
    #[error("these bytes must be refused with the fault {expected:?}; found {found}")]
    NotRefused { expected: String, found: String },
}

impl Vector {
    /// Reads the text of one vector file.
    ///
    /// # Errors
    /// [`SpecFaults`] with all that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, SpecFaults> {
        let table = table_of(name, text)?;
        let complaints = Complaints::default();
        let vector = read(name, &Reader::new("", &table, &complaints));
        complaints.settle(name, vector).map_err(|faults| faults.located(text))
    }

    /// Whether its bytes are broken on purpose.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.meaning, Meaning::Fault(_))
    }
}

fn read(name: &str, file: &Reader<'_>) -> Vector {
    let source = file.text("source");
    let bytes = match (file.opt_text("bytes"), file.opt_text("text")) {
        (Some(hex), None) => hex_bytes(&hex).unwrap_or_else(|problem| {
            file.complain("bytes", problem);
            Vec::new()
        }),
        (None, Some(text)) => text.into_bytes(),
        _ => {
            file.complain("bytes", "write either bytes = \"AA …\" in hex or text = \"…\"");
            Vec::new()
        }
    };
    let items = words(file, "expect");
    let measured = words(file, "measured");
    let named = [file.opt_text("message"), file.opt_text("command"), file.opt_text("fault")];
    let meaning = match named {
        [Some(name), None, None] if measured.is_empty() => Meaning::Message { name, items },
        [None, Some(name), None] if measured.is_empty() => Meaning::Command { name, items },
        [None, None, Some(word)] if measured.is_empty() && items.is_empty() => {
            if !FrameError::WORDS.contains(&word.as_str()) {
                file.complain("fault", format!("{word:?} is no fault; known are {}", FrameError::WORDS.join(", ")));
            }
            Meaning::Fault(word)
        }
        [None, None, None] if !measured.is_empty() && items.is_empty() => Meaning::Measured(measured),
        _ => {
            file.complain("message", "a vector is exactly one of: message or command with expect, measured, fault");
            Meaning::Measured(Vec::new())
        }
    };
    Vector { name: name.to_owned(), source, bytes, meaning }
}

fn words(file: &Reader<'_>, key: &'static str) -> Vec<Words> {
    let tables = file.tables(key).into_iter().map(|table| {
        let words = table.entries().into_iter().map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (key.to_owned(), text)
        });
        let words = words.collect();
        table.keys_are_data();
        words
    });
    tables.collect()
}

/// Checks that the spec makes of the bytes what the vector says, and the bytes of that again.
///
/// # Errors
/// [`VectorFault`] saying what differs.
pub fn check_vector(spec: &Spec, vector: &Vector) -> Result<(), VectorFault> {
    match &vector.meaning {
        Meaning::Message { name, items } => {
            let awaited = [name.as_str()];
            let decode = |bytes: &[u8]| {
                let results = frames(&spec.framing, spec.bare_bytes(&awaited), bytes);
                one(results, |payload| spec.decode_reply(payload, &awaited))
            };
            let decoded = decode(&vector.bytes)?;
            same(name, items, &decoded)?;
            let again = spec.encode_message(&decoded.name, &decoded.items);
            let back = |bytes: &[u8]| decode(bytes).ok();
            encoded_back(spec.message(&decoded.name), &spec.framing, &vector.bytes, again, &decoded, back)
        }
        Meaning::Command { name, items } => {
            let decode =
                |bytes: &[u8]| one(frames(&spec.command_framing, None, bytes), |payload| spec.decode_command(payload));
            let decoded = decode(&vector.bytes)?;
            same(name, items, &decoded)?;
            let again = spec.encode_command(&decoded.name, &decoded.items);
            let back = |bytes: &[u8]| decode(bytes).ok();
            encoded_back(spec.command(&decoded.name), &spec.command_framing, &vector.bytes, again, &decoded, back)
        }
        Meaning::Measured(expected) => measured(spec, &vector.bytes, expected),
        Meaning::Fault(word) => refused(spec, &vector.bytes, word),
    }
}

/// All that is wrong with a protocol's vectors, a sentence each; empty when they prove it.
///
/// A protocol without one sound and one broken frame is not proved, whatever its other vectors say.
#[must_use]
pub fn check_all(spec: &Spec, vectors: &[Vector]) -> Vec<String> {
    let check = |vector: &Vector| check_vector(spec, vector).err().map(|fault| format!("{}: {fault}", vector.name));
    let mut wrong: Vec<String> = vectors.iter().filter_map(check).collect();
    let broken = vectors.iter().filter(|vector| vector.is_broken()).count();
    if broken == 0 {
        wrong.push(format!("{}: no broken frame among the vectors; add one with fault = \"checksum\"", spec.id));
    }
    if broken == vectors.len() {
        wrong.push(format!("{}: no sound frame among the vectors; add one with message = \"…\"", spec.id));
    }
    wrong
}

type Results = Vec<Result<Vec<u8>, FrameError>>;

/// `awaited`: the size of an answer that begins with nothing.
fn frames(framing: &Framing, awaited: Option<usize>, bytes: &[u8]) -> Results {
    let (mut framer, mut results) = (Framer::new(framing.clone()), Results::new());
    framer.expect(awaited);
    let mut keep = |result: Result<&[u8], FrameError>| results.push(result.map(<[u8]>::to_vec));
    framer.feed(bytes, &mut keep);
    framer.give_up(&mut keep);
    results
}

fn one(results: Results, decode: impl Fn(&[u8]) -> Result<Decoded, FrameError>) -> Result<Decoded, VectorFault> {
    let results: Result<Vec<Vec<u8>>, FrameError> = results.into_iter().collect();
    match results.map_err(VectorFault::Frame)?.as_slice() {
        [payload] => decode(payload).map_err(VectorFault::Frame),
        other => Err(VectorFault::Frames(other.len())),
    }
}

fn same(name: &str, expected: &[Words], decoded: &Decoded) -> Result<(), VectorFault> {
    let found: Vec<Words> = decoded.items.iter().map(|item| item.words().into_iter().collect()).collect();
    if name == decoded.name && expected == found {
        return Ok(());
    }
    Err(VectorFault::Differs { expected: shown(name, expected), found: shown(&decoded.name, &found) })
}

/// The bytes must come back; where the device writes the same in several ways, the meaning must.
fn encoded_back(
    shape: Option<&Shape>,
    framing: &Framing,
    bytes: &[u8],
    again: Result<Vec<u8>, EncodeError>,
    decoded: &Decoded,
    back: impl Fn(&[u8]) -> Option<Decoded>,
) -> Result<(), VectorFault> {
    let again = again.map_err(|fault| VectorFault::NotEncodedBack { found: fault.to_string() })?;
    let loose = framing.kind == Kind::FixedLength
        || framing.checksum.is_some_and(|checksum| matches!(checksum.written, Written::Hex { .. }))
        || shape.is_some_and(|shape| any_field(&shape.fields, &is_loose));
    if again == bytes || (loose && back(&again).as_ref() == Some(decoded)) {
        return Ok(());
    }
    Err(VectorFault::NotEncodedBack { found: super::item::hex_words(&again) })
}

/// Whether a field can hold the same in several ways: unexplained bytes, spaces round a number, several codes for one thing.
fn is_loose(field: &Field) -> bool {
    match field {
        Field::Skip(_) | Field::Flags { .. } | Field::Status { .. } => true,
        Field::Value(value) => {
            let several = value.codes.each().any(|(_, codes)| codes.len() > 1);
            several || value.range.is_some() || value.form.width.brings_decimals() || value.form.width.is_text()
        }
        _ => false,
    }
}

fn measured(spec: &Spec, bytes: &[u8], expected: &[Words]) -> Result<(), VectorFault> {
    let mut assembler = Assembler::default();
    let mut found: Vec<Words> = Vec::new();
    let metric = expected.first().and_then(|words| words.get("metric"));
    let of_it =
        |measure: &&Measure| measure.metrics.iter().any(|one| metric.is_some_and(|metric| metric == one.as_str()));
    let steps = spec.flow.measure.iter().filter(of_it).flat_map(|measure| &measure.steps);
    let awaited: Vec<&str> = steps.flat_map(|step| &step.reply).map(String::as_str).collect();
    for result in frames(&spec.framing, spec.bare_bytes(&awaited), bytes) {
        let decoded = result.and_then(|payload| spec.decode_reply(&payload, &awaited)).map_err(VectorFault::Frame)?;
        let values = assembler.take(spec, &decoded, None).values;
        found.extend(values.into_iter().map(|value| {
            let item = Item::Value {
                metric: value.metric,
                unit: value.unit.into(),
                region: value.region,
                value: Ok(value.value),
            };
            item.words().into_iter().collect()
        }));
    }
    if found == expected {
        return Ok(());
    }
    Err(VectorFault::Differs { expected: shown("measured", expected), found: shown("measured", &found) })
}

/// Whatever was asked, the bytes must become no message.
fn refused(spec: &Spec, bytes: &[u8], word: &str) -> Result<(), VectorFault> {
    let bare = spec.messages.iter().filter(|shape| shape.is_bare());
    let mut questions: Vec<Vec<&str>> = bare.map(|shape| vec![shape.name.as_str()]).collect();
    if questions.is_empty() {
        questions.push(Vec::new());
    }
    let results: Vec<_> = questions.iter().flat_map(|awaited| heard(spec, awaited, bytes)).collect();
    let refused = results.iter().any(|result| result.as_ref().is_err_and(|fault| fault.word() == word));
    if refused && results.iter().all(Result::is_err) {
        return Ok(());
    }
    let found: BTreeSet<String> = results
        .iter()
        .map(|result| match result {
            Ok(decoded) => format!("message {}", decoded.name),
            Err(fault) => fault.word().to_owned(),
        })
        .collect();
    let found = found.into_iter().collect::<Vec<_>>().join(", ");
    Err(VectorFault::NotRefused { expected: word.to_owned(), found })
}

fn heard(spec: &Spec, awaited: &[&str], bytes: &[u8]) -> Vec<Result<Decoded, FrameError>> {
    let results = frames(&spec.framing, spec.bare_bytes(awaited), bytes).into_iter();
    results.map(|result| result.and_then(|payload| spec.decode_reply(&payload, awaited))).collect()
}

fn shown(name: &str, items: &[Words]) -> String {
    let mut text = name.to_owned();
    for words in items {
        let pairs: Vec<String> = words.iter().map(|(key, value)| format!("{key} = {value:?}")).collect();
        text.push_str(&format!(" {{ {} }}", pairs.join(", ")));
    }
    text
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes; {})", self.name, self.bytes.len(), self.source)
    }
}

/// Bytes written as `"AA 5A"`, on one line or many; `#` begins a comment that ends with its line.
///
/// # Errors
/// A sentence for anything else.
pub(super) fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let digits: String = digits.split_whitespace().collect();
    hex::decode(&digits).map_err(|fault| format!("{digits:?} is no row of bytes in hex such as \"AA 5A\" ({fault})"))
}
