//! `[[message]]` and `[[command]]`.

use super::{
    codes::Codes,
    fields::{self, Context},
    framing,
};
use crate::protocol::{
    field::{Field, Shape, Times},
    framing::{Framing, Kind, Known},
    reader::Reader,
};

pub(super) fn read(file: &Reader<'_>, key: &'static str, framing: &Framing, codes: &Codes) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    let tables = file.tables(key);
    for table in &tables {
        let shape = shape(table, framing, codes, key == "message");
        if let Some(twin) = shapes.iter().find(|other| other.name == shape.name) {
            table.complain("name", format!("{:?} stands twice; every {key} needs its own name", twin.name));
        }
        if let Some(twin) = shapes.iter().find(|other| confusable(other, &shape, framing)) {
            let problem = format!("cannot be told from {:?}, which begins alike and may be as long", twin.name);
            table.complain("match", problem);
        }
        // In bytes any value may look like the beginning of another message; a line of text shows what it is.
        let one_sided = |other: &&Shape| other.is_bare() != shape.is_bare() && !framing.is_text();
        if let Some(other) = shapes.iter().find(one_sided) {
            let problem =
                format!("either all messages have one or none: the bytes of one may begin like {:?}", other.name);
            table.complain("match", problem);
        }
        shapes.push(shape);
    }
    shapes
}

fn shape(table: &Reader<'_>, framing: &Framing, codes: &Codes, may_be_bare: bool) -> Shape {
    let name = table.text("name");
    let matches = begins(table, framing, may_be_bare);
    let control = framing.control.contains(&matches);
    let context = Context::of(framing, codes);
    let fields: Vec<Field> = fields::read(table, "field", &context);
    if control && !fields.is_empty() {
        table.complain("field", "a control frame has no fields: nothing guards them");
    }
    let least = matches.len() + least_bytes(&fields);
    let limited = !matches!(framing.kind, Kind::Delimited | Kind::Silence);
    if limited && !control && least > framing.max_payload {
        table.complain("field", format!("takes {least} bytes, the framing allows {}", framing.max_payload));
    }
    let shape = Shape::new(name, matches, fields, framing.separator.is_some() && !control);
    if shape.is_bare() && framing.kind == Kind::Silence && shape.extent.is_none_or(|bytes| bytes == 0) {
        table.complain("field", "without `match` it needs fields of a fixed length: nothing else says where it ends");
    }
    if shape.is_bare() && !framing.is_text() && !framing.control.is_empty() {
        table.complain("match", "is missing: the bytes of a number may begin like one of the control frames");
    }
    shape
}

fn begins(table: &Reader<'_>, framing: &Framing, may_be_bare: bool) -> Vec<u8> {
    let bytes = if framing.is_text() {
        table.opt_text("match").unwrap_or_default().into_bytes()
    } else {
        framing::hex(table, "match")
    };
    if bytes.is_empty() && !may_be_bare {
        table.complain("match", "is missing: only what a device says can be known by its question");
    }
    bytes
}

/// Two that begin alike are told apart by their length, where that is fixed.
fn confusable(one: &Shape, other: &Shape, framing: &Framing) -> bool {
    if one.is_bare() || other.is_bare() {
        return false;
    }
    let alike = if framing.separator.is_some() {
        one.matches == other.matches
    } else {
        one.matches.starts_with(&other.matches) || other.matches.starts_with(&one.matches)
    };
    let whole = |shape: &Shape| shape.extent.map(|extent| extent + shape.matches.len());
    let lengths_tell = framing.kind != Kind::Silence
        && framing.kind != Kind::FixedLength
        && matches!((whole(one), whole(other)), (Some(one), Some(other)) if one != other);
    alike && !lengths_tell
}

fn least_bytes(fields: &[Field]) -> usize {
    let least = |field: &Field| match field {
        Field::When { .. } | Field::Group { times: Times::Counted | Times::Rest, .. } => 0,
        other => other.bytes().unwrap_or(0),
    };
    fields.iter().map(least).sum()
}

/// For `silence`: what the messages say about their own extent.
pub(super) fn know(framing: &mut Framing, shapes: &[Shape], file: &Reader<'_>, key: &'static str) {
    if framing.kind != Kind::Silence {
        return;
    }
    let known = |shape: &Shape| {
        let bytes = shape.extent.map(|extent| extent + shape.matches.len());
        Known { begins: shape.matches.clone(), bytes }
    };
    let shapes = || shapes.iter().filter(|shape| !framing.control.contains(&shape.matches));
    let bare = shapes().filter_map(|shape| shape.extent.filter(|_| shape.is_bare())).max();
    framing.known = shapes().filter(|shape| !shape.is_bare()).map(known).collect();
    if framing.max_payload == 0 && framing.known.iter().any(|known| known.bytes.is_none()) {
        file.complain_at(
            format!("{key}.max_payload"),
            "is missing: a message has no fixed length; how long can it be?",
        );
    }
    let longest = framing.known.iter().filter_map(|known| known.bytes).chain(bare).max();
    framing.max_payload = framing.max_payload.max(longest.unwrap_or(1));
}
