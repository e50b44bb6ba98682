//! From a recording to vectors: one file for each message, command and fault that it holds, so that a day in the field
//! becomes a test. What the numbers should be the recording cannot know: whoever harvests compares them with the display.

use super::{
    item::{Item, hex_words},
    listing::{Row, Side},
    recording::{Head, Recording},
    spec::Spec,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

/// So many bytes stand on a line of a vector.
const BYTES_A_LINE: usize = 16;

/// The vectors of `recording`: name and text of each file, by name. Messages that differ only in their numbers are one.
#[must_use]
pub fn harvest(spec: &Arc<Spec>, recording: &Recording) -> BTreeMap<String, String> {
    let mut found = Found { seen: BTreeSet::new(), files: BTreeMap::new(), head: &recording.head };
    // What had begun when the recording ended proves nothing.
    let _unfinished = recording.rows(spec, |_, side, row| found.add(side, &row));
    found.files
}

struct Found<'a> {
    seen: BTreeSet<String>,
    files: BTreeMap<String, String>,
    head: &'a Head,
}

impl Found<'_> {
    fn add(&mut self, side: Side, row: &Row) {
        let (name, kind) = match (&row.meaning, side) {
            (Ok(decoded), _) => {
                let without = decoded.items.iter().filter_map(|item| match item {
                    Item::Value { value: Err(reason), .. } => Some(format!("-{}", reason.as_str().replace('_', "-"))),
                    _ => None,
                });
                (format!("{}{}", decoded.name, without.collect::<BTreeSet<_>>().into_iter().collect::<String>()), side)
            }
            // What the gateway sends is right by construction, or not this protocol's at all.
            (Err(_), Side::Gateway) => return,
            // Its bytes stand in another row already.
            (Err(_), Side::Device) if row.bytes.is_empty() => return,
            (Err(fault), Side::Device) => (format!("broken-{}", fault.word().replace('_', "-")), side),
        };
        if self.seen.insert(format!("{kind:?} {name}")) {
            let name = format!("{name}-recorded");
            let name = if self.files.contains_key(&name) { format!("{name}-asked") } else { name };
            self.files.insert(name, text(self.head, side, row));
        }
    }
}

fn text(head: &Head, side: Side, row: &Row) -> String {
    let mut text = String::new();
    let source = format!("recorded {}; compare the values with the device's display", head.began);
    let lines: Vec<String> = row.bytes.chunks(BYTES_A_LINE).map(hex_words).collect();
    let _ = writeln!(text, "source = {source:?}\nbytes = \"\"\"\n{}\n\"\"\"", lines.join("\n"));
    match &row.meaning {
        Err(fault) => {
            let _ = writeln!(text, "fault = {:?}          # {fault}", fault.word());
        }
        Ok(decoded) => {
            let what = if side == Side::Device { "message" } else { "command" };
            let _ = writeln!(text, "{what} = {:?}", decoded.name);
            if !decoded.items.is_empty() {
                let items = decoded.items.iter().map(|item| format!("  {{ {} }},\n", words(item)));
                let _ = writeln!(text, "expect = [\n{}]", items.collect::<String>());
            }
        }
    }
    text
}

/// `metric = "moisture", value = "35.2", unit = "%"`; numbers that are no values stand without quotes.
fn words(item: &Item) -> String {
    let pairs = item.words().into_iter().map(|(key, value)| match (&item, value.parse::<u64>()) {
        (Item::Number { .. }, Ok(number)) => format!("{key} = {number}"),
        _ => format!("{key} = {value:?}"),
    });
    pairs.collect::<Vec<_>>().join(", ")
}
