//! `suggestions.toml`: the salon's own rules of what to suggest after a scan. Checked as a whole when it is loaded: a rule that
//! can never hold, that always holds, or that another one makes needless is a mistake, and is said to be one.

use super::{
    complaint::Complaints,
    metrics::{Names, label},
    typed::{At, Reader, table},
};
use crate::domain::{
    Region,
    customer::SkinType,
    metric::{Metric, MetricId},
    reach,
    suggestion::{Condition, Kind, Rule},
};
use std::{fmt::Display, str::FromStr};

/// The only layout there is; a file that asks for another was written for a newer gateway.
const SCHEMA: u64 = 1;

/// Rules of one file: a page shows what holds of them, and each is held against each.
const MOST: usize = 200;

table! { File { schema: u64, suggestion: Vec<At<Entry>> } }
table! {
    Entry {
        id: String, kind: String, offer: Names, reason: Names, when: Vec<At<When>>,
        skin_types: Vec<At<String>>, contains: Vec<At<String>>, instead_of: Vec<At<String>>
    }
}
table! { When { metric: String, regions: Vec<At<String>>, above: f64, below: f64 } }

/// Reads `text`; `file_name` stands in complaints, `metrics` are those of the house. The order of the file is kept.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(text: &str, file_name: &str, metrics: &[Metric]) -> Result<Vec<Rule>, Complaints> {
    let (mut reader, typed) = Reader::read::<File>(text);
    let typed: File = typed.unwrap_or_default();
    reader.schema(typed.schema.as_ref(), SCHEMA);
    let entries = typed.suggestion.map_or_else(Vec::new, |at| at.value);
    if entries.len() > MOST {
        reader.complain(
            entries[MOST].line,
            "suggestion",
            format!("there are {}; at most {MOST} are held", entries.len()),
        );
    }
    let mut rules: Vec<At<Rule>> = Vec::new();
    for entry in entries.iter().take(MOST) {
        let Some(value) = rule(entry, metrics, &mut reader) else { continue };
        if rules.iter().any(|known| known.value.id == value.id) {
            reader.complain(entry.line, "suggestion.id", format!("{} stands twice", value.id));
        }
        rules.push(At { value, line: entry.line, key: entry.key.clone() });
    }
    replacements(&rules, &mut reader);
    needless(&rules, &mut reader);
    reader.finish(file_name).map(|()| rules.into_iter().map(|rule| rule.value).collect())
}

/// `None` after a complaint.
fn rule(entry: &At<Entry>, metrics: &[Metric], reader: &mut Reader<'_>) -> Option<Rule> {
    let Entry { id, kind, offer, reason, when, skin_types, contains, instead_of } = &entry.value;
    let id = text(id.as_ref(), entry, "id", reader, |text| {
        MetricId::new(text)
            .map(|_| text.to_owned())
            .map_err(|_| "use a-z, 0-9 and '-', at most 40 characters".to_owned())
    });
    let kind = text(kind.as_ref(), entry, "kind", reader, |text| text.parse::<Kind>().map_err(|e| e.to_string()));
    let both = |at: &Option<At<Names>>, key: &str, reader: &mut Reader<'_>| match at {
        Some(at) => label(at, "{ zh = \"补水面膜\", en = \"Moisturising mask\" }", reader),
        None => missing(entry, key, reader),
    };
    let (offer, reason) = (both(offer, "offer", reader), both(reason, "reason", reader));
    let when = match when {
        Some(at) if at.value.is_empty() => {
            reader.complain_at(at, "is empty: it would always hold; say what must have been measured");
            None
        }
        Some(at) => {
            let read: Vec<_> = at.value.iter().map(|when| condition(when, metrics, reader)).collect();
            read.into_iter().collect::<Option<Vec<Condition>>>()
        }
        None => missing(entry, "when", reader),
    };
    if let Some(when) = &when {
        contradictions(when, entry, reader);
    }
    let skin_types = list::<SkinType>(skin_types.as_ref(), reader);
    let contains = words(contains.as_ref(), reader);
    let instead_of = words(instead_of.as_ref(), reader);
    Some(Rule {
        id: id?,
        kind: kind?,
        offer: offer?,
        reason: reason?,
        when: when?,
        skin_types: skin_types?,
        contains: contains?,
        instead_of: instead_of?,
    })
}

fn missing<T>(entry: &At<Entry>, key: &str, reader: &mut Reader<'_>) -> Option<T> {
    reader.missing(entry.line, &format!("suggestion.{key}"), "every suggestion needs it");
    None
}

fn text<T>(
    at: Option<&At<String>>,
    entry: &At<Entry>,
    key: &str,
    reader: &mut Reader<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    match at {
        Some(at) => parse(&at.value).map_err(|error| reader.complain_at(at, error)).ok(),
        None => missing(entry, key, reader),
    }
}

/// One condition that can hold, and does not always.
fn condition(at: &At<When>, metrics: &[Metric], reader: &mut Reader<'_>) -> Option<Condition> {
    let When { metric, regions, above, below } = &at.value;
    let Some(name) = metric else {
        reader.missing(at.line, "suggestion.when.metric", "every condition needs it");
        return None;
    };
    let Some(metric) = metrics.iter().find(|known| known.id.as_str() == name.value) else {
        let known: Vec<&str> = metrics.iter().map(|metric| metric.id.as_str()).collect();
        reader
            .complain_at(name, format!("{:?} is no metric of this house; known are {}", name.value, known.join(", ")));
        return None;
    };
    let regions = list::<Region>(regions.as_ref(), reader)?;
    let (above, below) = (above.as_ref(), below.as_ref());
    let (least, most) = (*metric.range.start(), *metric.range.end());
    let mut sound = true;
    for (limit, never, always) in [
        (above, above.is_some_and(|at| at.value >= most), above.is_some_and(|at| at.value < least)),
        (below, below.is_some_and(|at| at.value <= least), below.is_some_and(|at| at.value > most)),
    ] {
        let Some(limit) = limit.filter(|_| never || always) else { continue };
        let how = if never { "never holds" } else { "always holds" };
        reader.complain_at(
            limit,
            format!("{} {how}: {name} lies within {least} to {most}", limit.value, name = metric.id),
        );
        sound = false;
    }
    match (above, below) {
        (None, None) => {
            reader.missing(at.line, "suggestion.when.above", "a condition needs above or below");
            sound = false;
        }
        (Some(above), Some(below)) if above.value >= below.value => {
            reader.complain_at(
                below,
                format!("never holds: no value lies above {} and below {}", above.value, below.value),
            );
            sound = false;
        }
        _ => {}
    }
    let limit = |at: Option<&At<f64>>| at.map(|at| at.value);
    sound.then(|| Condition { metric: metric.id.clone(), regions, above: limit(above), below: limit(below) })
}

/// Two conditions on the same single place that no value can meet together.
fn contradictions(when: &[Condition], entry: &At<Entry>, reader: &mut Reader<'_>) {
    for (at, one) in when.iter().enumerate() {
        for other in &when[at + 1..] {
            let same_place = one.metric == other.metric && one.regions.len() == 1 && one.regions == other.regions;
            let least = one.above.into_iter().chain(other.above).fold(f64::NEG_INFINITY, f64::max);
            let most = one.below.into_iter().chain(other.below).fold(f64::INFINITY, f64::min);
            if same_place && least >= most {
                let what = format!("never holds: two conditions on {} contradict each other", one.metric);
                reader.complain(entry.line, "suggestion.when", what);
            }
            if one.follows_from(other) || other.follows_from(one) {
                let what =
                    format!("of two conditions on {} one says all that the other does; leave one out", one.metric);
                reader.complain(entry.line, "suggestion.when", what);
            }
        }
    }
}

/// Rules that stand in for another: it must be there, and not stand in for them.
fn replacements(rules: &[At<Rule>], reader: &mut Reader<'_>) {
    let named = |id: &str| rules.iter().find(|rule| rule.value.id == id);
    for rule in rules {
        for other in &rule.value.instead_of {
            let what = match named(other) {
                None => format!("no suggestion is called {other:?}"),
                Some(other) if leads_to(rules, &other.value, &rule.value.id) => {
                    format!(
                        "{} and {} stand in for each other: neither would ever be seen",
                        rule.value.id, other.value.id
                    )
                }
                Some(other) if rule.value.follows_from(&other.value) => {
                    format!("{} can never be seen: {} holds whenever it does", other.value.id, rule.value.id)
                }
                Some(_) => continue,
            };
            reader.complain(rule.line, "suggestion.instead_of", what);
        }
    }
    unseen(rules, reader);
}

/// Rules that no scan shows, for what only several conditions or rules do together: what one does alone was said before.
fn unseen(rules: &[At<Rule>], reader: &mut Reader<'_>) {
    let all: Vec<Rule> = rules.iter().map(|rule| rule.value.clone()).collect();
    for rule in rules {
        let instead: Vec<&Rule> = all.iter().filter(|other| other.instead_of.contains(&rule.value.id)).collect();
        let by_one = |other: &&Rule| other.follows_from(&rule.value) || leads_to(rules, &rule.value, &other.id);
        let told = if instead.is_empty() { rule.value.when.len() < 3 } else { instead.iter().any(by_one) };
        if told || reach::is_ever_seen(&all, &rule.value) {
            continue;
        }
        let ids: Vec<&str> = instead.iter().map(|other| other.id.as_str()).collect();
        let what = match ids[..] {
            [] => format!("{} never holds: its conditions contradict each other", rule.value.id),
            [one] => format!("{} can never be seen: {one} holds whenever it does", rule.value.id),
            _ => format!("{} can never be seen: together {} hold whenever it does", rule.value.id, ids.join(" and ")),
        };
        reader.complain(rule.line, "suggestion", what);
    }
}

/// Whether `from` stands in for `to`, itself or over others.
fn leads_to(rules: &[At<Rule>], from: &Rule, to: &str) -> bool {
    let (mut seen, mut waiting) = (Vec::new(), vec![from.id.as_str()]);
    while let Some(id) = waiting.pop() {
        if id == to {
            return true;
        }
        if !seen.contains(&id) {
            seen.push(id);
            let next = rules.iter().filter(|rule| rule.value.id == id).flat_map(|rule| &rule.value.instead_of);
            waiting.extend(next.map(String::as_str));
        }
    }
    false
}

/// Two rules that offer the same thing, one of which holds whenever the other does.
fn needless(rules: &[At<Rule>], reader: &mut Reader<'_>) {
    for rule in rules {
        let same = |other: &&At<Rule>| other.line != rule.line && other.value.offer == rule.value.offer;
        for other in rules.iter().filter(same).filter(|other| other.value.follows_from(&rule.value)) {
            // Of two that say the same, the later one is complained about.
            if rule.value.follows_from(&other.value) && rule.line < other.line {
                continue;
            }
            let what = format!("{} adds nothing: {} offers the same whenever it holds", rule.value.id, other.value.id);
            reader.complain(rule.line, "suggestion", what);
        }
    }
}

/// Words of a closed vocabulary; none where the key is left out.
fn list<T: FromStr<Err: Display> + PartialEq>(
    at: Option<&At<Vec<At<String>>>>,
    reader: &mut Reader<'_>,
) -> Option<Vec<T>> {
    let (mut read, mut sound) = (Vec::new(), true);
    for word in at.iter().flat_map(|at| &at.value) {
        match word.value.parse::<T>() {
            Ok(value) if read.contains(&value) => {
                reader.complain_at(word, format!("{:?} stands twice", word.value));
                sound = false;
            }
            Ok(value) => read.push(value),
            Err(error) => {
                reader.complain_at(word, error.to_string());
                sound = false;
            }
        }
    }
    sound.then_some(read)
}

/// Texts that are not empty; none where the key is left out.
fn words(at: Option<&At<Vec<At<String>>>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut read = Vec::new();
    for word in at.iter().flat_map(|at| &at.value) {
        if !word.value.chars().any(char::is_alphanumeric) {
            reader.complain_at(word, "is empty; every entry needs a word");
            return None;
        }
        read.push(word.value.clone());
    }
    Some(read)
}
