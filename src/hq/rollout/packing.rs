//! A folder or file becomes a signed package, and a package a page for people. No database: whoever signs does it elsewhere.

use super::refused;
use crate::{
    analysis::manifest::Manifest,
    clock,
    config::{Source, metrics, suggestions, treatments},
    domain::Timestamp,
    hq::HqError,
    sync::package::{self, Header, LARGEST, PublicKey, SigningKey, Slot},
};
use openssl::sha::sha256;
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// What whoever signs says of a package.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub chain: String,
    pub version: u64,
    pub until: Option<Timestamp>,
    pub note: String,
}

type Files = Vec<(String, Vec<u8>)>;

/// Signs what lies at `from` (a model's folder, `suggestions.toml`, `treatments.toml` or `settings.toml`) into one file at `to`.
///
/// # Errors
/// [`HqError::Rollout`] for what no gateway could use; files that cannot be read or written. Nothing was written then.
pub fn pack(from: &Path, to: &Path, sheet: Sheet, key: &SigningKey) -> Result<Header, HqError> {
    let (slot, files) = gathered(from)?;
    let Sheet { chain, version, until, note } = sheet;
    let header = Header {
        chain,
        slot,
        version,
        made: clock::now().wall.to_string(),
        until: until.map(|until| until.to_string()),
        note,
        files: Vec::new(),
    };
    let bytes = package::sign(header, &files, key).map_err(|fault| refused(fault.to_string()))?;
    let public = key.public_pem().and_then(|pem| PublicKey::from_pem(&pem));
    let public = public.map_err(|fault| refused(fault.to_string()))?;
    // As a gateway reads it.
    let (header, _) = package::read(&bytes, &[public]).map_err(|fault| refused(fault.to_string()))?;
    super::keys::write(to, &bytes, 0o644)?;
    Ok(header)
}

fn gathered(from: &Path) -> Result<(Slot, Files), HqError> {
    if from.is_dir() {
        let mut files = Files::new();
        walk(from, "", &mut files)?;
        files.sort();
        let slot = model(from, &files)?;
        return Ok((slot, files));
    }
    let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let bytes = read(from)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| refused(format!("{}: it is no text; save it as UTF-8", from.display())))?;
    let slot = match name.as_str() {
        "suggestions.toml" => {
            let house = metrics::parse(include_str!("../../../config/metrics.toml"), "metrics.toml");
            let house = house.map_err(|wrong| refused(wrong.to_string()))?;
            suggestions::parse(text, &name, &house).map_err(|wrong| refused(wrong.to_string()))?;
            Slot::Suggestions
        }
        "treatments.toml" => {
            treatments::parse(text, &name).map_err(|wrong| refused(wrong.to_string()))?;
            Slot::Treatments
        }
        "settings.toml" => {
            settings(text, &name)?;
            Slot::Settings
        }
        _ => {
            return Err(refused(format!(
                "{}: neither a model's folder nor suggestions.toml, treatments.toml or settings.toml",
                from.display()
            )));
        }
    };
    Ok((slot, vec![(name, bytes)]))
}

/// What no gateway would take is refused where it is signed: held against the least that a gateway's own file says.
fn settings(text: &str, name: &str) -> Result<(), HqError> {
    const LEAST: &str = "[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n[[station]]\nid = \"c\"\n";
    let least = Source { text: LEAST.to_owned(), file: "gateway.toml".to_owned(), folder: PathBuf::from("/") };
    least.with_settings(text, name).map(drop).map_err(|wrong| refused(wrong.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, HqError> {
    fs::read(path).map_err(|source| HqError::File { path: path.to_owned(), source })
}

fn walk(folder: &Path, under: &str, files: &mut Files) -> Result<(), HqError> {
    let fault = |source: io::Error| HqError::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let path: PathBuf = entry.path();
        let kind = entry.file_type().map_err(fault)?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| refused(format!("{}: a name that is no text; rename it", path.display())))?;
        if kind.is_dir() {
            walk(&path, &format!("{under}{name}/"), files)?;
        } else if kind.is_file() {
            let held: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
            let bytes = read(&path)?;
            if (held + bytes.len()) as u64 > LARGEST {
                return Err(refused(format!("{}: more than {LARGEST} bytes in all", folder.display())));
            }
            files.push((format!("{under}{name}"), bytes));
        } else {
            return Err(refused(format!(
                "{}: neither a file nor a folder; a package holds plain files",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Holds a model's folder against its own manifest, as a gateway does before it tries it.
fn model(folder: &Path, files: &Files) -> Result<Slot, HqError> {
    let wrong = |what: String| refused(format!("{}: {what}", folder.display()));
    let of = |name: &str| files.iter().find(|(path, _)| path == name).map(|(_, bytes)| bytes);
    let text = of("manifest.toml").ok_or_else(|| wrong("no manifest.toml, so it is no model's folder".to_owned()))?;
    let text = std::str::from_utf8(text).map_err(|_| wrong("manifest.toml is no text".to_owned()))?;
    let manifest = Manifest::parse(text).map_err(|fault| wrong(format!("manifest.toml: {fault}")))?;
    let house = metrics::parse(include_str!("../../../config/metrics.toml"), "metrics.toml");
    let house = house.map_err(|fault| wrong(fault.to_string()))?;
    manifest.agrees(&house).map_err(|fault| wrong(format!("manifest.toml: {fault}")))?;
    let file =
        of(&manifest.file).ok_or_else(|| wrong(format!("{} is not there, which the manifest names", manifest.file)))?;
    if hex::encode(sha256(file)) != manifest.sha256 {
        return Err(wrong(format!("{} is not the file whose digest the manifest names", manifest.file)));
    }
    for golden in &manifest.golden {
        for path in [&golden.input, &golden.expect] {
            if of(path).is_none() {
                return Err(wrong(format!("{path} is not there, which the golden picture {} names", golden.name)));
            }
        }
    }
    Slot::try_from(format!("model/{}", manifest.id)).map_err(wrong)
}

/// A package for people: header, who signed it, files. `keys`: those that are trusted; without any, only the shape is shown.
///
/// # Errors
/// [`HqError::Rollout`] for what is no package; a file that cannot be read.
pub fn show(path: &Path, keys: &[PublicKey]) -> Result<String, HqError> {
    let bytes = read(path)?;
    let mut out = String::new();
    let signer = keys.iter().find_map(|key| {
        package::read(&bytes, std::slice::from_ref(key)).ok().map(|(header, _)| (header, key.fingerprint()))
    });
    let (header, signed) = match signer {
        Some((header, signer)) => (header, format!("signed by {signer}, whole")),
        None => {
            let fault = package::read(&bytes, keys).err();
            let header = unsigned(&bytes)
                .ok_or_else(|| refused(fault.map_or_else(|| "no package".to_owned(), |fault| fault.to_string())))?;
            (header, "NOT SIGNED by any of the keys given: nobody should take it".to_owned())
        }
    };
    let Header { chain, slot, version, made, until, note, files } = &header;
    let _ = writeln!(out, "{slot} {version}, for the chain {chain}\n{signed}");
    let _ = writeln!(
        out,
        "made {made}, may be taken {}",
        until.as_deref().map_or("without end".to_owned(), |until| format!("until {until}"))
    );
    if !note.is_empty() {
        let _ = writeln!(out, "{note}");
    }
    let _ = writeln!(out, "sha256 {}, {} bytes", hex::encode(sha256(&bytes)), bytes.len());
    for file in files {
        let _ = writeln!(out, "{:>10}  {}  {}", file.bytes, &file.sha256[..16], file.path);
    }
    Ok(out)
}

/// The header of what nobody vouches for: only to be looked at.
fn unsigned(bytes: &[u8]) -> Option<Header> {
    let header = bytes.split(|byte| *byte == b'\n').nth(1)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    header.files.iter().all(|file| package::is_digest(&file.sha256)).then_some(header)
}
