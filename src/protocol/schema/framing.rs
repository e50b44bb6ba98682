//! `[framing]` and `[command_framing]`.

use super::{hex_byte, list, one_of, table, text, whole};
use crate::protocol::{
    checksum::Algorithm,
    framing::{Kind, Order, Part},
};
use serde_json::{Value, json};

pub(super) fn framing() -> Value {
    // As in `parse::framing::length_adds`: the checksum can be counted, but not covered.
    let counted = ["start", "type", "length", "payload", "checksum", "end"];
    table(
        &["kind"],
        &[
            ("kind", "How a frame's extent is known.", one_of(Kind::WORDS)),
            ("start", "First bytes in hex, or characters of a line; one byte for escaped.", text()),
            ("type_bytes", "So many bytes between start and length say what the message is (0).", whole(1, 8)),
            ("length", "Width of the length, for start-length-end.", one_of(&["u8", "u16be", "u16le"])),
            (
                "length_counts",
                "What the length counts, where that is not the payload alone: type..checksum.",
                range_of(&counted),
            ),
            ("end", "Last bytes in hex, or the end of a line; one byte for escaped.", text()),
            ("escape", "For escaped: the byte before one that would be a mark, such as 7D.", hex_byte()),
            (
                "also_escaped",
                "For escaped: up to four bytes that are no marks and are escaped too, such as 11 13.",
                text(),
            ),
            ("xor", "For escaped: what an escaped byte is changed by, such as 20.", hex_byte()),
            ("separator", "Between the columns of a line: one character.", text()),
            ("max_payload", "Longest payload in bytes (120 for delimited).", whole(1, 16_384)),
            ("frame_bytes", "The whole frame, for fixed-length.", whole(2, 16_384)),
            ("gap_ms", "A frame that pauses longer in the middle is given up (300).", whole(10, 10_000)),
            ("control", "Frames in hex that stand as they are, without checksum: ACK, NAK.", list(&text())),
            ("checksum", "What guards the frame.", checksum()),
        ],
    )
}

fn checksum() -> Value {
    table(
        &["algorithm", "covers"],
        &[
            ("algorithm", "A sum, or a name of the CRC catalogue; protocol show prints its check value.", algorithm()),
            ("covers", "A part or a range of parts: length..payload.", range_of(Part::WORDS)),
            ("order", "High byte first (be) or last (le); needed where it has several bytes.", one_of(Order::WORDS)),
            (
                "after",
                "Behind the payload (payload) or behind the end bytes (end).",
                one_of(&[Part::Payload.as_str(), Part::End.as_str()]),
            ),
            (
                "hex_after",
                "Two hex digits a byte behind this character; empty where no character stands before them.",
                text(),
            ),
        ],
    )
}

/// Every name, and the remainders that [`Algorithm::names`] does not list one by one.
pub(super) fn algorithm() -> Value {
    let remainder = "^sum-modulo-([2-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-6])$";
    let names: Vec<String> = Algorithm::names().collect();
    json!({ "type": "string", "anyOf": [{ "enum": names }, { "pattern": remainder }] })
}

/// `payload`, or `length..payload`.
fn range_of(parts: &[&str]) -> Value {
    let part = parts.join("|");
    json!({ "type": "string", "pattern": format!(r"^({part})(\.\.({part}))?$") })
}
