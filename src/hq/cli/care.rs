//! `skinlink-hq care`: messages of care for the person at headquarters.

use super::{Records, ended, failed, there};
use crate::hq::care;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum CareCommand {
    /// Show what is dead and why, and what waits; names no person
    List {
        #[command(flatten)]
        from: Box<Records>,
        /// Also what is done, was taken back, or makes no sense any more
        #[arg(long)]
        all: bool,
    },
    /// Let a dead message go again
    Again {
        #[command(flatten)]
        from: Box<Records>,
        /// Its id, or all
        message: String,
    },
}

impl CareCommand {
    pub fn run(self) -> ExitCode {
        let (from, work): (_, Box<dyn FnOnce(&_) -> _>) = match self {
            Self::List { from, all } => {
                (from, Box::new(move |place: &_| care::print(place, all, &mut std::io::stdout())))
            }
            Self::Again { from, message } => {
                (from, Box::new(move |place: &_| care::again(place, &message, &mut std::io::stdout())))
            }
        };
        match from.place() {
            Ok(place) => ended(there(&place).and_then(|()| work(&place))),
            Err(wrong) => failed(2, &wrong),
        }
    }
}
