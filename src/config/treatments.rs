//! `treatments.toml`: the salon's own treatments and their steps. Checked as a whole when it is loaded: what could not be told
//! apart on the service sheet, or would never be offered, is a mistake, and is said to be one.

use super::{
    complaint::Complaints,
    metrics::{Names, label},
    typed::{At, Reader, table},
};
use crate::domain::{
    metric::{Label, MetricId},
    treatment::{Step, Treatment},
};

/// The only layout there is; a file that asks for another was written for a newer gateway.
const SCHEMA: u64 = 1;
/// As many as a tablet shows to choose from.
const TREATMENTS: usize = 24;
/// As many as a visit keeps.
const STEPS: usize = 40;
/// Of products or remarks, to choose from by a tap.
const CHOICES: usize = 24;
/// Letters of a name: it stands on a key.
const LETTERS: usize = 60;
const LEVELS: u64 = 20;

table! { File { schema: u64, treatment: Vec<At<Entry>> } }
table! { Entry { id: String, name: Names, services: Vec<At<String>>, step: Vec<At<StepEntry>> } }
table! {
    StepEntry {
        id: String, name: Names, device: Names, levels: u64, products: Vec<At<Names>>, remarks: Vec<At<Names>>
    }
}

/// Reads `text`; `file_name` stands in complaints. The order of the file is kept.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(text: &str, file_name: &str) -> Result<Vec<Treatment>, Complaints> {
    let (mut reader, typed) = Reader::read::<File>(text);
    let typed: File = typed.unwrap_or_default();
    reader.schema(typed.schema.as_ref(), SCHEMA);
    let entries = typed.treatment.map_or_else(Vec::new, |at| at.value);
    if entries.is_empty() {
        reader.complain(
            1,
            "treatment",
            "there is none; add [[treatment]] with id, name and steps, or take the file away",
        );
    }
    if entries.len() > TREATMENTS {
        let what = format!("there are {}; at most {TREATMENTS} are held", entries.len());
        reader.complain(entries[TREATMENTS].line, "treatment", what);
    }
    let mut treatments: Vec<Treatment> = Vec::new();
    for entry in entries.iter().take(TREATMENTS) {
        let Some(value) = treatment(entry, &mut reader) else { continue };
        for (same, key) in [
            (treatments.iter().any(|known| known.id == value.id), "treatment.id"),
            (treatments.iter().any(|known| alike(&known.name, &value.name)), "treatment.name"),
        ] {
            if same {
                reader.complain(
                    entry.line,
                    key,
                    format!("{} stands twice", if key.ends_with("id") { &value.id } else { &value.name.zh }),
                );
            }
        }
        for word in entry.value.services.iter().flat_map(|at| &at.value) {
            let taken = |known: &&Treatment| known.services.iter().any(|other| covers(other, &word.value));
            if let Some(known) = treatments.iter().find(taken) {
                let what = format!("{:?} never leads here: {} has it already", word.value, known.id);
                reader.complain_at(word, what);
            }
        }
        treatments.push(value);
    }
    reader.finish(file_name).map(|()| treatments)
}

/// Whether every service that holds `word` holds `other` too.
fn covers(other: &str, word: &str) -> bool {
    word.to_lowercase().contains(&other.to_lowercase())
}

/// Whether a person could take one for the other, in one language or the other.
fn alike(one: &Label, other: &Label) -> bool {
    one.zh == other.zh || one.en.eq_ignore_ascii_case(&other.en)
}

/// `None` after a complaint.
fn treatment(entry: &At<Entry>, reader: &mut Reader<'_>) -> Option<Treatment> {
    let Entry { id, name, services, step } = &entry.value;
    let id = id_of(id.as_ref(), entry.line, "treatment.id", reader);
    let name = name_of(name.as_ref(), entry.line, "treatment.name", reader);
    let mut words = Vec::new();
    for word in services.iter().flat_map(|at| &at.value) {
        if word.value.trim().is_empty() {
            reader.complain_at(word, "is empty: it would stand in every service; every entry needs a word");
        }
        words.push(word.value.trim().to_owned());
    }
    let entries = step.as_ref().map_or(&[][..], |at| at.value.as_slice());
    if entries.is_empty() {
        reader.missing(entry.line, "treatment.step", "a treatment needs at least one [[treatment.step]]");
    }
    if entries.len() > STEPS {
        reader.complain(
            entries[STEPS].line,
            "treatment.step",
            format!("there are {}; at most {STEPS} are kept of a visit", entries.len()),
        );
    }
    let mut steps: Vec<Step> = Vec::new();
    for entry in entries.iter().take(STEPS) {
        let Some(step) = step_of(entry, reader) else { continue };
        if steps.iter().any(|known| known.id == step.id) {
            reader.complain(entry.line, "treatment.step.id", format!("{} stands twice", step.id));
        }
        if steps.iter().any(|known| alike(&known.name, &step.name)) {
            let what = format!(
                "{} / {} stands twice: nobody could tell on the sheet which one was done",
                step.name.zh, step.name.en
            );
            reader.complain(entry.line, "treatment.step.name", what);
        }
        steps.push(step);
    }
    Some(Treatment { id: id?, name: name?, services: words, steps })
}

fn step_of(entry: &At<StepEntry>, reader: &mut Reader<'_>) -> Option<Step> {
    let StepEntry { id, name, device, levels, products, remarks } = &entry.value;
    let id = id_of(id.as_ref(), entry.line, "treatment.step.id", reader);
    let name = name_of(name.as_ref(), entry.line, "treatment.step.name", reader);
    let named = device.as_ref().map(|at| label(at, "{ zh = \"导入仪\", en = \"infuser\" }", reader));
    let most = levels.as_ref().map_or(0, |at| at.value);
    if let Some(at) = levels {
        if !(1..=LEVELS).contains(&at.value) {
            reader.complain_at(
                at,
                format!("{} is outside 1 to {LEVELS}; leave it out where the device has no levels", at.value),
            );
        }
        if device.is_none() {
            reader.complain_at(at, "are levels of no device; name the device too");
        }
    }
    let products = choices(products.as_ref(), "{ zh = \"补水精华\", en = \"Hydrating serum\" }", reader);
    let remarks = choices(remarks.as_ref(), "{ zh = \"略有泛红\", en = \"slightly red\" }", reader);
    Some(Step {
        id: id?,
        name: name?,
        device: named.flatten(),
        levels: u8::try_from(most).unwrap_or(0),
        products: products?,
        remarks: remarks?,
    })
}

fn id_of(at: Option<&At<String>>, line: usize, key: &str, reader: &mut Reader<'_>) -> Option<String> {
    let Some(at) = at else {
        reader.missing(line, key, "use a-z, 0-9 and '-'");
        return None;
    };
    // The same letters as a metric's name.
    let sound = MetricId::new(&at.value).is_ok();
    if !sound {
        reader.complain_at(at, "use a-z, 0-9 and '-', at most 40 characters");
    }
    sound.then(|| at.value.clone())
}

fn name_of(at: Option<&At<Names>>, line: usize, key: &str, reader: &mut Reader<'_>) -> Option<Label> {
    let Some(at) = at else {
        reader.missing(line, key, "as customers may hear it: { zh = \"清洁\", en = \"Cleansing\" }");
        return None;
    };
    short(at, label(at, "{ zh = \"清洁\", en = \"Cleansing\" }", reader)?, reader)
}

/// A name that fits on a key.
fn short(at: &At<Names>, name: Label, reader: &mut Reader<'_>) -> Option<Label> {
    let longest = name.zh.chars().count().max(name.en.chars().count());
    if longest > LETTERS {
        reader.complain_at(at, format!("has {longest} letters; at most {LETTERS} stand on a key"));
        return None;
    }
    Some(name)
}

/// What is offered to a tap; nothing where the key is left out.
fn choices(at: Option<&At<Vec<At<Names>>>>, example: &str, reader: &mut Reader<'_>) -> Option<Vec<Label>> {
    let mut read: Vec<Label> = Vec::new();
    let entries = at.map_or(&[][..], |at| at.value.as_slice());
    if let Some(first) = entries.get(CHOICES) {
        reader.complain_at(first, format!("there are {}; at most {CHOICES} are offered", entries.len()));
    }
    let mut sound = true;
    for entry in entries {
        let name = label(entry, example, reader).and_then(|name| short(entry, name, reader));
        match name {
            Some(name) if read.iter().any(|known| alike(known, &name)) => {
                reader.complain_at(entry, format!("{} stands twice", name.zh));
            }
            Some(name) => read.push(name),
            None => sound = false,
        }
    }
    sound.then_some(read)
}
