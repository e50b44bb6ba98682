//! `skinlink protocol list | show | test`.

use super::{catalogue, print::say};
use crate::{
    cli::{Protocol, ProtocolFolder, exit},
    protocol::{Spec, Vector, check_vector, show},
};
use anyhow::bail;
use std::path::Path;

/// Does one of the three; the answer is an exit code.
///
/// # Errors
/// When the folder cannot be read or the named protocol is not there.
pub fn command(command: &Protocol) -> anyhow::Result<u8> {
    match command {
        Protocol::List(ProtocolFolder { protocols }) => list(protocols),
        Protocol::Show { id, folder } => {
            let found = catalogue::protocols(&folder.protocols)?;
            say!("{}", show::page(sound(&found, id)?));
            Ok(exit::OK)
        }
        Protocol::Test { id, folder } => test(&folder.protocols, id.as_deref()),
    }
}

fn list(folder: &Path) -> anyhow::Result<u8> {
    let found = catalogue::protocols(folder)?;
    for (id, spec) in &found.sound {
        let metrics: Vec<&str> = spec.metrics.iter().map(|metric| metric.id.as_str()).collect();
        say!("{id:20} {:8} {} · {}  [{}]", spec.version, spec.title.zh, spec.title.en, metrics.join(", "));
    }
    for (id, broken) in &found.broken {
        say!("{id:20} BROKEN\n{broken}");
    }
    Ok(if found.broken.is_empty() { exit::OK } else { exit::FAULT })
}

fn sound<'a>(found: &'a catalogue::Protocols, id: &str) -> anyhow::Result<&'a Spec> {
    match (found.sound.get(id), found.broken.get(id)) {
        (Some(spec), _) => Ok(spec),
        (None, Some(broken)) => bail!("protocol {id} is broken:\n{broken}"),
        (None, None) => {
            let known: Vec<&str> = found.sound.keys().map(String::as_str).collect();
            bail!("there is no protocol {id:?}; there are {}", known.join(", "))
        }
    }
}

fn test(folder: &Path, only: Option<&str>) -> anyhow::Result<u8> {
    let found = catalogue::protocols(folder)?;
    let chosen: Vec<(&str, &Spec)> = match only {
        Some(id) => vec![(id, sound(&found, id)?)],
        None => found.sound.iter().map(|(id, spec)| (id.as_str(), spec.as_ref())).collect(),
    };
    let mut faults = if only.is_none() { found.broken.len() } else { 0 };
    for (id, broken) in found.broken.iter().filter(|_| only.is_none()) {
        say!("{id}: BROKEN\n{broken}");
    }
    for (id, spec) in chosen {
        let vectors = catalogue::vectors(folder, id)?;
        if vectors.is_empty() {
            say!("{id}: has no vectors; nothing is proved");
            faults += 1;
        }
        for (name, text) in vectors {
            let verdict = match Vector::parse(&name, &text) {
                Ok(vector) => check_vector(spec, &vector).map_err(|fault| fault.to_string()),
                Err(faults) => Err(faults.to_string()),
            };
            match verdict {
                Ok(()) => say!("{id}: {name} holds"),
                Err(why) => {
                    say!("{id}: {name} FAILS: {why}");
                    faults += 1;
                }
            }
        }
    }
    Ok(if faults == 0 { exit::OK } else { exit::FAULT })
}
