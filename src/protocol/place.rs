//! Where in a file's text a complaint belongs: from the dotted path of a key to its line and column.
//!
//! The parsers work on plain tables and name places by path, as `message "sebum".field[2].width`; only when something is
//! wrong is the text read a second time, with positions. Where a key is missing, the nearest table above it is shown.

use std::{fmt, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A stretch of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters; at least 1, never beyond the line.
    pub length: usize,
    /// The whole line as it stands in the file.
    pub text: String,
}

/// What of a key is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

/// `None` where the text is no TOML or nothing of the path is there.
pub(super) fn find(text: &str, path: &str, part: Part) -> Option<Place> {
    let file = DeTable::parse(text).ok()?;
    let (mut table, mut best) = (file.get_ref(), None);
    for Step { key, which } in steps(path) {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref().as_ref() == key) else { break };
        let mut value = value;
        best = Some(if part == Part::Key { name.span() } else { shown(name, value) });
        if let (Some(which), DeValue::Array(all)) = (&which, value.get_ref()) {
            let Some(chosen) = all.iter().enumerate().find(|(at, item)| which.is(*at, item)) else { break };
            value = chosen.1;
            best = Some(value.span());
        }
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    best.map(|span| Place::of(text, span))
}

/// A value that goes over several lines is shown by its key.
fn shown(name: &Spanned<impl Sized>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => name.span(),
        _ => value.span(),
    }
}

impl Place {
    /// The line in which `span` begins.
    pub(super) fn of(text: &str, span: Range<usize>) -> Self {
        let from = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let begins = text[..from].rfind('\n').map_or(0, |at| at + 1);
        let line = text[begins..].lines().next().unwrap_or_default();
        let ends = span.end.clamp(from, begins + line.len().max(from - begins));
        let length = text.get(from..ends).map_or(1, |part| part.chars().count());
        Self {
            line: 1 + text[..from].matches('\n').count(),
            column: 1 + text[begins..from].chars().count(),
            length: length.max(1),
            text: line.to_owned(),
        }
    }
}

/// The line with its number, and a mark under the stretch.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, length, text } = self;
        // Tabs stay tabs, so that the mark stands below whatever width the terminal gives them.
        let blank: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "{line:5} | {text}\n      | {blank}{}", "^".repeat(*length))
    }
}

struct Step<'p> {
    key: &'p str,
    which: Option<Which<'p>>,
}

/// One table of a list.
enum Which<'p> {
    Named(&'p str),
    At(usize),
}

impl Which<'_> {
    fn is(&self, at: usize, item: &Spanned<DeValue<'_>>) -> bool {
        match (self, item.get_ref()) {
            (Self::At(wanted), _) => *wanted == at,
            (Self::Named(wanted), DeValue::Table(table)) => ["name", "id"].iter().any(|key| {
                let value = table.iter().find(|(name, _)| name.get_ref().as_ref() == *key).map(|(_, value)| value);
                matches!(value.map(Spanned::get_ref), Some(DeValue::String(text)) if format!("{text:?}") == format!("\"{wanted}\""))
            }),
            _ => false,
        }
    }
}

/// `message "sebum".field[2].width` → message named sebum · field at 2 · width.
fn steps(path: &str) -> Vec<Step<'_>> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        let end = rest.find(['.', '[', ' ']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let (which, behind) = which(behind);
        if !key.is_empty() {
            steps.push(Step { key, which });
        }
        rest = behind.strip_prefix('.').unwrap_or(behind);
        if rest.len() == behind.len() && !behind.is_empty() {
            break;
        }
    }
    steps
}

fn which(rest: &str) -> (Option<Which<'_>>, &str) {
    if let Some(quoted) = rest.strip_prefix(" \"") {
        return match quoted.split_once('"') {
            Some((name, behind)) => (Some(Which::Named(name)), behind),
            None => (None, ""),
        };
    }
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((at, behind)) => (at.parse().ok().map(Which::At), behind),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
id = \"pen\"
[framing]
kind = \"delimited\"
[[message]]
name = \"first\"
[[message]]
name = \"水分\"
field = [
  { metric = \"moisture\", width = \"u8\" },
  { metric = \"sebum\", width = \"u9\" },
]
";

    fn at(path: &str, part: Part) -> (usize, usize, usize) {
        let place = find(FILE, path, part).unwrap();
        (place.line, place.column, place.length)
    }

    #[test]
    fn a_path_leads_to_its_value_or_to_its_key() {
        assert_eq!(at("message \"水分\".field[1].width", Part::Value), (10, 31, 4));
        assert_eq!(at("message \"水分\".field[1].width", Part::Key), (10, 23, 5));
        assert_eq!(at("framing.kind", Part::Value), (3, 8, 11));
        assert_eq!(at("id", Part::Value), (1, 6, 5));
    }

    #[test]
    fn what_is_missing_is_shown_at_the_table_that_lacks_it() {
        assert_eq!(at("framing.end", Part::Value).0, 2);
        assert_eq!(at("message \"first\".match", Part::Value).0, 4);
        assert_eq!(at("message \"水分\".field[0].scale", Part::Value).0, 9);
        assert_eq!(find(FILE, "flow.identify", Part::Value), None);
        assert_eq!(find("no toml", "id", Part::Value), None);
    }

    #[test]
    fn odd_paths_lead_nowhere_and_harm_nothing() {
        for path in [
            "",
            ".",
            "..",
            "[",
            "message[",
            "message[9].x",
            "message \"",
            "message \"x",
            "message \"first\".",
            "id.x.y",
        ] {
            let _ = find(FILE, path, Part::Value);
        }
        assert_eq!(at("message \"first\".", Part::Value).0, 4);
    }
}
