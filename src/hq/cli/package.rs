//! `skinlink-hq package`: what is rolled out, signed and taken in. `key`, `sign` and `show` need no headquarters.

use super::{Records, ended, failed, there};
use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        config::RolloutSettings,
        office::audit,
        rollout::{self, Sheet, packages},
    },
    sync::package::{PublicKey, SigningKey},
};
use clap::Subcommand;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, Subcommand)]
pub(super) enum PackageCommand {
    /// Make the pair of keys: NAME.key, encrypted, for whoever signs; NAME.pub for headquarters and every gateway
    Key {
        /// Path without ending, such as /media/stick/packages
        name: PathBuf,
        /// File whose first line is the passphrase; without it, it is asked for
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Sign a model's folder, suggestions.toml, treatments.toml or settings.toml
    Sign {
        from: PathBuf,
        /// The package to write; must not be there yet
        #[arg(long, value_name = "FILE")]
        into: PathBuf,
        /// The private key (NAME.key)
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File whose first line is the passphrase; without it, it is asked for
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// The chain it is for
        #[arg(long)]
        chain: String,
        /// Higher than whatever was signed for the same slot before
        #[arg(long)]
        version: u64,
        /// No gateway begins to use it afterwards: 2027-01-31T16:00:00.000Z
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
        /// What is new in it, for whoever looks at the rollout
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Show what a package holds and who signed it
    Show {
        package: PathBuf,
        /// A public key that is trusted (NAME.pub); may be given several times
        #[arg(long = "key", value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Take a package in; its signature must be of one of rollouts.keys
    Add {
        #[command(flatten)]
        from: Box<Records>,
        package: PathBuf,
    },
    /// Show the packages that are here
    List {
        #[command(flatten)]
        from: Box<Records>,
    },
}

impl PackageCommand {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Key { name, passphrase_file } => ended(key(&name, passphrase_file.as_deref())),
            Self::Sign { from, into, key, passphrase_file, chain, version, until, note } => {
                let sheet = Sheet { chain, version, until, note };
                ended(sign(&from, &into, (&key, passphrase_file.as_deref()), sheet))
            }
            Self::Show { package, keys } => ended(show(&package, &keys)),
            Self::Add { from, package } => match from.with_rollouts() {
                Ok((place, settings)) => ended(there(&place).and_then(|()| {
                    let bytes = read(&package)?;
                    add(&mut *place.open()?, &bytes, &settings)
                })),
                Err(wrong) => failed(2, &wrong),
            },
            Self::List { from } => match from.place() {
                Ok(place) => ended(place.read_only().and_then(|mut engine| {
                    for one in packages::list(&mut *engine)? {
                        println!(
                            "{:30} {:>9} bytes  signed by {}  {}",
                            one.name(),
                            one.bytes,
                            one.signer,
                            one.header.note
                        );
                    }
                    Ok(())
                })),
                Err(wrong) => failed(2, &wrong),
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HqError> {
    fs::read(path).map_err(|source| HqError::File { path: path.to_owned(), source })
}

fn key(name: &Path, passphrase_file: Option<&Path>) -> Result<(), HqError> {
    let passphrase = rollout::passphrase(passphrase_file, true)?;
    let (private, public, fingerprint) = rollout::make_keys(name, &passphrase)?;
    println!("{}: the private key, encrypted; keep it away from every server", private.display());
    println!("{}: the public key {fingerprint}, for [rollouts] here and [packages] of every gateway", public.display());
    Ok(())
}

fn sign(from: &Path, into: &Path, (key, file): (&Path, Option<&Path>), sheet: Sheet) -> Result<(), HqError> {
    let pem = read(key)?;
    let passphrase = rollout::passphrase(file, false)?;
    let wrong = |fault: crate::sync::package::PackageError| HqError::Rollout(format!("{}: {fault}", key.display()));
    let key = SigningKey::from_pem(&pem, passphrase.as_bytes()).map_err(wrong)?;
    let header = rollout::pack(from, into, sheet, &key)?;
    println!("{} {} is in {}: {} files", header.slot, header.version, into.display(), header.files.len());
    Ok(())
}

fn show(package: &Path, keys: &[PathBuf]) -> Result<(), HqError> {
    let one = |path: &PathBuf| {
        PublicKey::from_pem(&read(path)?).map_err(|fault| HqError::Rollout(format!("{}: {fault}", path.display())))
    };
    let keys = keys.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    print!("{}", rollout::show(package, &keys)?);
    Ok(())
}

fn add(
    engine: &mut dyn crate::hq::database::engine::Engine,
    bytes: &[u8],
    settings: &RolloutSettings,
) -> Result<(), HqError> {
    let added = packages::add(engine, bytes, settings, (&audit::command_line(), clock::now().wall))?;
    println!(
        "{} is here, signed by {}; skinlink-hq rollout start {} {}",
        added.name(),
        added.signer,
        added.slot,
        added.version
    );
    Ok(())
}
