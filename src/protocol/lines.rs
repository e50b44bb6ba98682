//! Where in a file a complaint's place is: `message "sebum".field[2].width` → its line.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The lines of one file.
pub(super) struct Lines<'t> {
    text: &'t str,
    root: Option<DeTable<'t>>,
}

/// What a step of a path picks from a list.
enum Pick<'p> {
    Whole,
    At(usize),
    Named(&'p str),
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, root: DeTable::parse(text).ok().map(Spanned::into_inner) }
    }

    /// Line of the place, or of what should hold it, from 1.
    pub(super) fn of_path(&self, path: &str) -> usize {
        let Some(mut table) = self.root.as_ref() else { return 1 };
        let mut line = 1;
        for (key, pick) in steps(path) {
            let Some((found, value)) = table.iter().find(|(known, _)| known.get_ref() == key) else { break };
            line = self.line_at(found.span().start);
            let Some(value) = picked(value, &pick) else { break };
            if !matches!(pick, Pick::Whole) {
                line = self.line_at(value.span().start);
            }
            match value.get_ref().as_table() {
                Some(inner) => table = inner,
                None => break,
            }
        }
        line
    }

    fn line_at(&self, byte: usize) -> usize {
        1 + self.text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
    }
}

fn picked<'v, 't>(value: &'v Spanned<DeValue<'t>>, pick: &Pick<'_>) -> Option<&'v Spanned<DeValue<'t>>> {
    let named = |one: &&Spanned<DeValue<'t>>, wanted: &str| {
        let name = |key: &str| one.get_ref().get(key).and_then(|name| name.get_ref().as_str());
        name("name").or_else(|| name("id")) == Some(wanted)
    };
    match pick {
        Pick::Whole => Some(value),
        Pick::At(at) => value.get_ref().as_array()?.get(*at),
        Pick::Named(wanted) => value.get_ref().as_array()?.iter().find(|one| named(one, wanted)),
    }
}

/// `message "a.b".field[2]` → `message` named `a.b`, `field` at 2.
fn steps(path: &str) -> Vec<(&str, Pick<'_>)> {
    let mut quoted = false;
    let outside = |mark: char| {
        quoted ^= mark == '"';
        mark == '.' && !quoted
    };
    let step = |step| match str::split_once(step, ['[', ' ']) {
        None => (step, Pick::Whole),
        Some((key, pick)) => match pick.strip_suffix(']').and_then(|number| number.parse().ok()) {
            Some(at) => (key, Pick::At(at)),
            None => (key, Pick::Named(pick.trim_matches('"'))),
        },
    };
    path.split(outside).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"schema = 1

[framing]
kind = "slip"

[[message]]
name = "a.b"
field = [
  { skip = 1 },
  { metric = "moisture",
    width = "u8" },
]

[[message]]
name = "other"
match = "01"

[[flow.measure]]
metrics = ["moisture"]
"#;

    #[test]
    fn places_are_found_and_missing_ones_are_where_they_should_stand() {
        let lines = Lines::of(FILE);
        for (path, line) in [
            ("schema", 1),
            ("title", 1),
            ("framing.kind", 4),
            ("framing.checksum.covers", 3),
            ("message \"a.b\".name", 7),
            ("message \"a.b\".field[1].width", 11),
            ("message \"a.b\".field[1].scale", 10),
            ("message \"other\".match", 16),
            ("message \"other\".field", 14),
            ("flow.measure[0].metrics", 19),
            ("flow.measure[0]", 18),
        ] {
            assert_eq!(lines.of_path(path), line, "{path}");
        }
    }
}
