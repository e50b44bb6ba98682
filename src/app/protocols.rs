//! `skinlink protocol list | show | test | new | try | replay | vectors | docs | schema`.

use super::{catalogue, devices, new_protocol, print::say, replay};
use crate::{
    cli::{Protocol, ProtocolFolder, Vectors, exit},
    domain::metric::MetricId,
    protocol::{
        Spec, Vector, check_vector, harvest::harvest, proof::unproved, recording::Recording, schema::schema, show,
    },
};
use anyhow::{Context, bail};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Does one of them; the answer is an exit code.
///
/// # Errors
/// When a folder cannot be read or written or the named protocol is not there.
pub fn command(command: &Protocol) -> anyhow::Result<u8> {
    match command {
        Protocol::List(ProtocolFolder { protocols }) => list(protocols),
        Protocol::Show { id, folder } => {
            let found = catalogue::protocols(&folder.protocols)?;
            say!("{}", show::page(sound(&found, id)?));
            Ok(exit::OK)
        }
        Protocol::Test { id, folder } => test(&folder.protocols, id.as_deref()),
        Protocol::New(answers) => new_protocol::command(answers),
        Protocol::Try(options) => super::block_on_listening(devices::try_protocol(options)),
        Protocol::Replay(options) => replay::command(options),
        Protocol::Vectors(options) => vectors(options),
        Protocol::Docs { into, folder } => docs(&folder.protocols, into),
        Protocol::Schema { into: None } => {
            say!("{}", schema().trim_end());
            Ok(exit::OK)
        }
        Protocol::Schema { into: Some(path) } => {
            fs::write(path, schema()).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(exit::OK)
        }
    }
}

fn list(folder: &Path) -> anyhow::Result<u8> {
    let found = catalogue::protocols(folder)?;
    for (id, spec) in &found.sound {
        let metrics: Vec<&str> = spec.metrics.iter().map(|metric| metric.id.as_str()).collect();
        say!("{id:20} {:8} {} · {}  [{}]", spec.version, spec.title.zh, spec.title.en, metrics.join(", "));
    }
    for (id, broken) in &found.broken {
        say!("{id:20} BROKEN\n{}", broken.with_lines());
    }
    Ok(if found.broken.is_empty() { exit::OK } else { exit::FAULT })
}

/// The protocol of this name.
///
/// # Errors
/// When it is broken, with what is wrong; when there is none, with those there are.
pub fn sound<'a>(found: &'a catalogue::Protocols, id: &str) -> anyhow::Result<&'a Arc<Spec>> {
    match (found.sound.get(id), found.broken.get(id)) {
        (Some(spec), _) => Ok(spec),
        (None, Some(broken)) => bail!("protocol {id} is broken:\n{}", broken.with_lines()),
        (None, None) => {
            let known: Vec<&str> = found.sound.keys().map(String::as_str).collect();
            bail!("there is no protocol {id:?}; there are {}", known.join(", "))
        }
    }
}

/// Where the metrics of an installation stand, from its folder.
const METRICS: &str = "config/metrics.toml";

fn test(folder: &Path, only: Option<&str>) -> anyhow::Result<u8> {
    let found = catalogue::protocols(folder)?;
    let beside = folder.parent().unwrap_or(Path::new("")).join(METRICS);
    let metrics: Vec<MetricId> =
        catalogue::metrics_file(&beside).map_or_else(|_| Vec::new(), |all| all.into_iter().map(|one| one.id).collect());
    let chosen: Vec<(&str, &Spec)> = match only {
        Some(id) => vec![(id, sound(&found, id)?)],
        None => found.sound.iter().map(|(id, spec)| (id.as_str(), spec.as_ref())).collect(),
    };
    let mut faults = if only.is_none() { found.broken.len() } else { 0 };
    for (id, broken) in found.broken.iter().filter(|_| only.is_none()) {
        say!("{id}: BROKEN\n{}", broken.with_lines());
    }
    for (id, spec) in chosen {
        let vectors = catalogue::vectors(folder, id)?;
        if vectors.is_empty() {
            say!(
                "{id}: the file is sound, but it has no vectors; nothing is proved. Write frames and what they mean into {}",
                folder.join(id).join("vectors").display()
            );
            faults += 1;
        }
        let mut read = Vec::new();
        for (name, text) in vectors {
            let verdict = match Vector::parse(&name, &text) {
                Ok(vector) => {
                    let verdict = check_vector(spec, &vector).map_err(|fault| fault.to_string());
                    read.push(vector);
                    verdict
                }
                Err(faults) => Err(faults.with_lines()),
            };
            match verdict {
                Ok(()) => say!("{id}: {name} holds"),
                Err(why) => {
                    say!("{id}: {name} FAILS: {why}");
                    faults += 1;
                }
            }
        }
        remarks(id, spec, &read, &metrics);
    }
    Ok(if faults == 0 { exit::OK } else { exit::FAULT })
}

/// What is no fault and should not stay so: what no vector proves, and metrics that the house does not know.
fn remarks(id: &str, spec: &Spec, vectors: &[Vector], metrics: &[MetricId]) {
    for open in if vectors.is_empty() { Vec::new() } else { unproved(spec, vectors) } {
        say!("{id}: not proved yet: {open}");
    }
    let known = |id: &MetricId| metrics.is_empty() || metrics.contains(id);
    for metric in spec.metrics.iter().map(|metric| &metric.id).filter(|id| !known(id)) {
        say!("{id}: {metric} is no metric of {METRICS}; if the word is right, add a [[metric]] there");
    }
}

fn vectors(options: &Vectors) -> anyhow::Result<u8> {
    let path = options.recording.display();
    let recording = Recording::parse(&catalogue::read(&options.recording)?).with_context(|| path.to_string())?;
    let named = options.protocol.as_deref().or_else(|| recording.head.protocol_id());
    let id = named.with_context(|| format!("{path} names no protocol; add --protocol ID"))?;
    let found = catalogue::protocols(&options.folder.protocols)?;
    let made = harvest(sound(&found, id)?, &recording);
    let folder = options.into.clone().unwrap_or_else(|| options.folder.protocols.join(id).join("vectors"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in &made {
        let file = folder.join(format!("{name}.toml"));
        if file.exists() {
            say!("{} is there already; left as it is", file.display());
        } else {
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            say!("{}", file.display());
        }
    }
    if made.is_empty() {
        bail!("{path} holds no frame of {id}; is it the right protocol, and was the device asked?");
    }
    say!("compare their values with what the device showed, then: skinlink protocol test {id}");
    Ok(exit::OK)
}

/// The pages of all sound protocols, and the list of them: name and text of each file.
///
/// # Errors
/// When a folder or a vector cannot be read.
pub fn pages(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let found = catalogue::protocols(folder)?;
    let mut list = String::from(LIST_HEAD);
    let mut pages = Vec::new();
    for (id, spec) in &found.sound {
        let vectors = catalogue::vectors(folder, id)?;
        let vectors = vectors.iter().map(|(name, text)| Ok(Vector::parse(name, text)?));
        let vectors = vectors.collect::<anyhow::Result<Vec<_>>>()?;
        let metrics: Vec<&str> = spec.metrics.iter().map(|metric| metric.id.as_str()).collect();
        let (zh, en) = (&spec.title.zh, &spec.title.en);
        writeln!(list, "| [{id}]({id}.md) | {zh} | {en} | {} | {} |", spec.version, metrics.join(", "))?;
        let head = "<!-- Made by `skinlink protocol docs` from the protocol file and its vectors; change those. -->";
        pages.push((format!("{id}.md").into(), format!("{head}\n\n{}{}", show::page(spec), show::examples(&vectors))));
    }
    pages.push(("README.md".into(), list));
    Ok(pages)
}

const LIST_HEAD: &str = "\
<!-- Made by `skinlink protocol docs` from firmware-protocols/. -->

# Analysers this gateway speaks with

One page per device, made from its protocol file and vectors: frames, fields with their offsets, conversations, examples.
How such a file is written: [the protocol file](../contracts/protocol-file.md).

| protocol | 设备 | device | version | metrics |
| --- | --- | --- | --- | --- |
";

fn docs(folder: &Path, into: &Path) -> anyhow::Result<u8> {
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let pages = pages(folder)?;
    for old in fs::read_dir(into)?.flatten().map(|entry| entry.path()) {
        let gone =
            old.extension().is_some_and(|end| end == "md") && !pages.iter().any(|(name, _)| into.join(name) == old);
        if gone {
            fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    for (name, text) in pages {
        let path = into.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(exit::OK)
}
