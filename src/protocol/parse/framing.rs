//! `[framing]` and `[command_framing]`.

use crate::protocol::{
    checksum::Algorithm,
    field::Width,
    framing::{Checksum, Framing, Kind, Order, Part},
    reader::{Reader, nearest},
};
use std::time::Duration;

/// No device of this trade sends longer frames; a larger limit would only let garbage wait longer.
const MOST_PAYLOAD: i64 = 16 * 1024;

/// USB adapters cut frames every 16 ms and Bluetooth bridges every 100 ms; beyond this nothing more comes.
const DEFAULT_GAP: Duration = Duration::from_millis(300);

pub(super) fn read(file: &Reader<'_>, key: &'static str) -> Framing {
    let Some(table) = file.table(key) else {
        file.complain(key, "is missing; write [framing] with kind = \"start-length-end\"");
        return empty(Kind::Delimited);
    };
    let Some(kind) = table.word::<Kind>("kind") else { return empty(Kind::Delimited) };
    let mut framing = empty(kind);
    match kind {
        Kind::Delimited => delimited(&table, &mut framing),
        Kind::StartLengthEnd => {
            binary(&table, &mut framing);
            framing.length = table.word("length");
            if !matches!(framing.length, None | Some(Width::U8 | Width::U16Be | Width::U16Le)) {
                table.complain("length", "must be u8, u16be or u16le");
                framing.length = None;
            }
            framing.max_payload = table.within("max_payload", 1, MOST_PAYLOAD);
        }
        Kind::FixedLength => {
            binary(&table, &mut framing);
            framing.frame_bytes = table.within("frame_bytes", 2, MOST_PAYLOAD);
        }
    }
    framing.checksum = table.table("checksum").and_then(|checksum| read_checksum(&checksum, &framing));
    if kind == Kind::FixedLength {
        let around = framing.head() + framing.tail();
        framing.max_payload = framing.frame_bytes.saturating_sub(around);
        if framing.max_payload == 0 {
            table.complain("frame_bytes", format!("leaves no payload: start, checksum and end take {around} bytes"));
        }
    }
    framing
}

fn empty(kind: Kind) -> Framing {
    Framing {
        kind,
        start: Vec::new(),
        end: Vec::new(),
        length: None,
        frame_bytes: 0,
        separator: None,
        checksum: None,
        max_payload: 1,
        gap: DEFAULT_GAP,
    }
}

fn binary(table: &Reader<'_>, framing: &mut Framing) {
    framing.start = hex(table, "start");
    framing.end = hex(table, "end");
    if framing.start.is_empty() {
        table.complain("start", "needs at least one byte, such as \"AA\": frames are found again by it");
    }
    if let Some(gap) = table.opt_within("gap_ms", 10, 10_000) {
        framing.gap = Duration::from_millis(gap as u64);
    }
}

fn delimited(table: &Reader<'_>, framing: &mut Framing) {
    framing.end = table.text("end").into_bytes();
    framing.start = table.opt_text("start").unwrap_or_default().into_bytes();
    framing.separator = table.opt_text("separator").and_then(|text| one_byte(table, "separator", &text));
    framing.max_payload = table.opt_within("max_payload", 1, MOST_PAYLOAD).unwrap_or(120);
    if framing.end.is_empty() {
        table.complain("end", "needs at least one character, such as \"\\r\\n\"");
    }
}

fn one_byte(table: &Reader<'_>, key: &'static str, text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => {
            table.complain(key, format!("{text:?} must be one ASCII character"));
            None
        }
    }
}

/// Bytes written as `"AA 5A"`; an absent key is no bytes.
pub(super) fn hex(table: &Reader<'_>, key: &'static str) -> Vec<u8> {
    let Some(text) = table.opt_text(key) else { return Vec::new() };
    let bytes = crate::protocol::vector::hex_bytes(&text);
    bytes.unwrap_or_else(|problem| {
        table.complain(key, problem);
        Vec::new()
    })
}

fn read_checksum(table: &Reader<'_>, framing: &Framing) -> Option<Checksum> {
    let name = table.text("algorithm");
    let algorithm = Algorithm::named(&name);
    if algorithm.is_none() {
        let names: Vec<String> = Algorithm::names().collect();
        let hint = nearest(&name, names.iter().map(String::as_str));
        table.complain("algorithm", format!("{name:?} is no checksum; write sum8, xor8, lrc or a name of the CRC catalogue such as CRC-16/MODBUS{hint}"));
    }
    let after = table.opt_word::<Part>("after").unwrap_or(Part::Payload);
    if !matches!(after, Part::Payload | Part::End) {
        table.complain("after", "a checksum stands after \"payload\" or after \"end\"");
    }
    let covers = covers(table, after);
    let order = table.opt_word::<Order>("order");
    let hex_after = table.opt_text("hex_after").and_then(|text| one_byte(table, "hex_after", &text));
    if hex_after.is_some() != (framing.kind == Kind::Delimited) {
        table.complain(
            "hex_after",
            "names the character before a checksum written in hex; lines of text need it, binary frames have none",
        );
    }
    let algorithm = algorithm?;
    if algorithm.bytes() > 1 && order.is_none() {
        table.complain("order", "is missing; write order = \"be\" (high byte first) or \"le\"");
    }
    Some(Checksum { algorithm, covers: covers?, after, order: order.unwrap_or(Order::Big), hex_after })
}

/// `"length..payload"` or one part alone.
fn covers(table: &Reader<'_>, after: Part) -> Option<(Part, Part)> {
    let text = table.text("covers");
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let (Ok(first), Ok(last)) = (first.parse::<Part>(), last.parse::<Part>()) else {
        table.complain(
            "covers",
            format!(
                "{text:?} is no range of parts; write for example \"length..payload\" (parts: {})",
                Part::WORDS.join(", ")
            ),
        );
        return None;
    };
    if first > last || last > after {
        table.complain(
            "covers",
            format!("{text:?} must run forward and end before the checksum (after = {:?})", after.as_str()),
        );
        return None;
    }
    Some((first, last))
}
