//! `skinlink-hq keys`: keys by which programs of the CRM come in.

use super::{Records, ended, failed, there};
use crate::{
    clock,
    hq::{
        HqError,
        crm::keys::{self, Key, Scope, Stores},
        database::Place,
    },
};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make one; it is shown this once and never again
    Add {
        #[command(flatten)]
        from: Box<Records>,
        /// What people call the program, such as crm
        #[arg(long)]
        name: String,
        /// What it is for: visits:read, consents:read, appointments:write, messages:take, staff, customers, orders, erase; may be given several times
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// A store it is for, or all; may be given several times
        #[arg(long = "store", required = true)]
        stores: Vec<String>,
    },
    /// Show all, with their scopes, their stores and when they were used last
    List {
        #[command(flatten)]
        from: Box<Records>,
    },
    /// End one at once
    Withdraw {
        #[command(flatten)]
        from: Box<Records>,
        name: String,
    },
}

/// Letters of a name; it is shown in answers.
const LONGEST: usize = 40;

impl KeysCommand {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Add { from, name, scopes, stores } => {
                let sound = (1..=LONGEST).contains(&name.chars().count()) && !name.chars().any(char::is_control);
                if !sound {
                    return failed(2, &format!("--name: 1 to {LONGEST} characters"));
                }
                match Stores::of(&stores) {
                    Ok(stores) => at(*from, |place| add(place, &Key { name, scopes, stores })),
                    Err(wrong) => failed(2, &format!("--store: {wrong}")),
                }
            }
            Self::List { from } => at(*from, |place| keys::print(place, &mut std::io::stdout())),
            Self::Withdraw { from, name } => at(*from, |place| {
                keys::withdraw(&mut *place.open()?, &name, clock::now().wall)?;
                println!("{name} is withdrawn; whoever comes with it is refused from now on");
                Ok(())
            }),
        }
    }
}

fn at(from: Records, work: impl FnOnce(&Place) -> Result<(), HqError>) -> ExitCode {
    match from.place() {
        Ok(place) => ended(there(&place).and_then(|()| work(&place))),
        Err(wrong) => failed(2, &wrong),
    }
}

fn add(place: &Place, key: &Key) -> Result<(), HqError> {
    let secret = keys::add(&mut *place.open()?, key, clock::now().wall)?;
    eprintln!("the key of {}, shown this once; give it to the program as Authorization: Bearer", key.name);
    println!("{secret}");
    Ok(())
}
