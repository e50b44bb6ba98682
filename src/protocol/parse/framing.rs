//! `[framing]` and `[command_framing]`.

use crate::protocol::{
    checksum::Algorithm,
    framing::{Checksum, Framing, Kind, Order, Part, Written},
    reader::{Reader, meant},
    stuffing::{MOST_OTHERS, Stuffing},
    width::Width,
};
use std::time::Duration;

/// No device of this trade sends longer frames; a larger limit would only let garbage wait longer.
const MOST_PAYLOAD: i64 = 16 * 1024;

/// USB adapters cut frames every 16 ms and Bluetooth bridges every 100 ms; beyond this nothing more comes.
const DEFAULT_GAP: Duration = Duration::from_millis(300);

/// Longest line that needs no `max_payload` of its own.
const DEFAULT_LINE: usize = 120;

/// The number of a characteristic and the longest value it can have (Core 5.4, Vol 3 Part F, 3.2.9).
const LONGEST_NOTIFICATION: usize = 16 + 512;

pub(super) fn read(file: &Reader<'_>, key: &'static str) -> Framing {
    let Some(table) = file.table(key) else {
        file.complain(key, "is missing; write [framing] with kind = \"start-length-end\"");
        return empty(Kind::Delimited);
    };
    let Some(kind) = table.word::<Kind>("kind") else { return empty(Kind::Delimited) };
    let mut framing = empty(kind);
    match kind {
        Kind::Delimited => delimited(&table, &mut framing),
        Kind::StartLengthEnd => start_length_end(&table, &mut framing),
        Kind::FixedLength => {
            marks(&table, &mut framing);
            framing.frame_bytes = table.within("frame_bytes", 2, MOST_PAYLOAD);
        }
        Kind::Cobs => framing.stuffing = Some(Stuffing::Cobs),
        Kind::Slip => framing.stuffing = Some(Stuffing::Slip),
        Kind::Escaped => framing.stuffing = escaped(&table),
        Kind::Notification => framing.max_payload = LONGEST_NOTIFICATION,
        // Its messages say how long it can be, those without a fixed length apart.
        Kind::Silence => framing.max_payload = table.opt_within("max_payload", 1, MOST_PAYLOAD).unwrap_or(0),
    }
    if matches!(kind, Kind::Cobs | Kind::Slip | Kind::Escaped) {
        framing.max_payload = table.within("max_payload", 1, MOST_PAYLOAD);
    }
    if kind == Kind::Notification {
        return framing;
    }
    if kind != Kind::Delimited
        && let Some(gap) = table.opt_within("gap_ms", 10, 10_000)
    {
        framing.gap = Duration::from_millis(gap as u64);
    }
    framing.control = table.texts("control").iter().map(|text| bytes_of(&table, "control", text)).collect();
    framing.checksum = table.table("checksum").and_then(|checksum| read_checksum(&checksum, &framing));
    if kind == Kind::StartLengthEnd {
        framing.length_adds = length_adds(&table, &framing);
    }
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
        type_bytes: 0,
        length: None,
        length_adds: 0,
        frame_bytes: 0,
        separator: None,
        stuffing: None,
        checksum: None,
        max_payload: 1,
        gap: DEFAULT_GAP,
        control: Vec::new(),
        known: Vec::new(),
    }
}

fn marks(table: &Reader<'_>, framing: &mut Framing) {
    framing.start = hex(table, "start");
    framing.end = hex(table, "end");
    if framing.start.is_empty() {
        table.complain("start", "needs at least one byte, such as \"AA\": frames are found again by it");
    }
}

fn start_length_end(table: &Reader<'_>, framing: &mut Framing) {
    marks(table, framing);
    framing.type_bytes = table.opt_within("type_bytes", 1, 8).unwrap_or(0);
    framing.length = table.word("length");
    if !matches!(framing.length, None | Some(Width::U8 | Width::U16Be | Width::U16Le)) {
        table.complain("length", "must be u8, u16be or u16le");
        framing.length = None;
    }
    framing.max_payload = table.within("max_payload", 1, MOST_PAYLOAD);
}

/// What `length_counts = "type..checksum"` counts beside the payload.
fn length_adds(table: &Reader<'_>, framing: &Framing) -> usize {
    let Some(text) = table.opt_text("length_counts") else { return 0 };
    let check = framing.checksum.map_or(0, |checksum| checksum.wire_bytes());
    let length = framing.length.and_then(Width::bytes).unwrap_or(0);
    let mut parts = [
        ("start", framing.start.len()),
        ("type", framing.type_bytes),
        ("length", length),
        ("payload", 0),
        ("checksum", check),
        ("end", framing.end.len()),
    ];
    if framing.checksum.is_some_and(|checksum| checksum.after == Part::End) {
        parts.swap(4, 5);
    }
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let place = |name: &str| parts.iter().position(|(part, _)| *part == name);
    match (place(first), place(last)) {
        (Some(first), Some(last)) if first <= 3 && last >= 3 => parts[first..=last].iter().map(|(_, size)| size).sum(),
        _ => {
            let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
            let problem =
                format!("{text:?} is no range of parts round the payload; parts in wire order: {}", names.join(", "));
            table.complain("length_counts", problem);
            0
        }
    }
}

fn escaped(table: &Reader<'_>) -> Option<Stuffing> {
    let one = |key: &'static str, wanted: &str| match hex(table, key).as_slice() {
        [byte] => Some(*byte),
        _ => {
            table.complain(key, format!("must be one byte in hex; write for example {key} = \"{wanted}\""));
            None
        }
    };
    let (start, end) = (one("start", "7E"), one("end", "7E"));
    let (escape, xor) = (one("escape", "7D"), one("xor", "20"));
    let (start, end, escape, xor) = (start?, end?, escape?, xor?);
    let marks = [start, end, escape];
    if xor == 0 || escape == end || escape == start || marks.iter().any(|mark| marks.contains(&(mark ^ xor))) {
        table.complain(
            "xor",
            "must turn each mark into a byte that is no mark, and escape must differ from start and end",
        );
    }
    let also = if table.has("also_escaped") { hex(table, "also_escaped") } else { Vec::new() };
    let mut others = [None; MOST_OTHERS];
    others.iter_mut().zip(&also).for_each(|(place, byte)| *place = Some(*byte));
    let taken = |byte: &u8| marks.contains(byte) || marks.contains(&(byte ^ xor)) || also.contains(&(byte ^ xor));
    if also.len() > MOST_OTHERS || also.iter().any(taken) {
        let problem = format!("must be up to {MOST_OTHERS} bytes in hex that are no marks, such as \"11 13\"");
        table.complain("also_escaped", problem);
    }
    Some(Stuffing::Escaped { start, end, escape, xor, others })
}

fn delimited(table: &Reader<'_>, framing: &mut Framing) {
    framing.end = table.text("end").into_bytes();
    framing.start = table.opt_text("start").unwrap_or_default().into_bytes();
    framing.separator = table.opt_text("separator").and_then(|text| one_byte(table, "separator", &text));
    framing.max_payload = table.opt_within("max_payload", 1, MOST_PAYLOAD).unwrap_or(DEFAULT_LINE);
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
    table.opt_text(key).map(|text| bytes_of(table, key, &text)).unwrap_or_default()
}

fn bytes_of(table: &Reader<'_>, key: &'static str, text: &str) -> Vec<u8> {
    let bytes = crate::protocol::vector::hex_bytes(text);
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
        let hint = meant(&name, names.iter().map(String::as_str));
        table.complain(
            "algorithm",
            format!("{name:?} is no checksum; write sum8, xor8, lrc or a name of the CRC catalogue such as CRC-16/MODBUS{hint}"),
        );
    }
    let after = table.opt_word::<Part>("after").unwrap_or(Part::Payload);
    if !matches!(after, Part::Payload | Part::End) {
        table.complain("after", "a checksum stands after \"payload\" or after \"end\"");
    }
    let covers = covers(table, after);
    let order = table.opt_word::<Order>("order");
    let written = match table.opt_text("hex_after") {
        None => Written::Bytes,
        Some(mark) if mark.is_empty() => Written::Hex { mark: None },
        Some(mark) => Written::Hex { mark: one_byte(table, "hex_after", &mark) },
    };
    if written == Written::Bytes && framing.is_text() {
        table.complain(
            "hex_after",
            "is missing: a line of text has its checksum in hex; write the character before it, or hex_after = \"\"",
        );
    }
    let algorithm = algorithm?;
    if algorithm.bytes() > 1 && order.is_none() {
        table.complain("order", "is missing; write order = \"be\" (high byte first) or \"le\"");
    }
    Some(Checksum { algorithm, covers: covers?, after, order: order.unwrap_or(Order::Big), written })
}

/// `"length..payload"` or one part alone.
fn covers(table: &Reader<'_>, after: Part) -> Option<(Part, Part)> {
    let text = table.text("covers");
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let (Ok(first), Ok(last)) = (first.parse::<Part>(), last.parse::<Part>()) else {
        let parts = Part::WORDS.join(", ");
        let problem = format!("{text:?} is no range of parts; write for example \"length..payload\" (parts: {parts})");
        table.complain("covers", problem);
        return None;
    };
    if first > last || last > after {
        let after = after.as_str();
        let problem = format!("{text:?} must run forward and end before the checksum (after = {after:?})");
        table.complain("covers", problem);
        return None;
    }
    Some((first, last))
}
