//! `skinlink-hq stores`: every store at a glance, and gateways that are not in use any more.

use super::{Records, ended, failed, there};
use crate::{
    clock,
    hq::{
        HqError,
        database::Place,
        office::audit,
        retirement::{self, Retired},
        stores,
    },
};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum StoresCommand {
    /// Take a gateway out of use whose machine was replaced, or went elsewhere under another name: nobody waits for it any more
    Retire {
        #[command(flatten)]
        from: Box<Records>,
        /// As in the second column of `stores`
        gateway: String,
    },
    /// Take a gateway into use again; its next hello does so, too
    Back {
        #[command(flatten)]
        from: Box<Records>,
        gateway: String,
    },
}

/// `from`: what was named before the command; what is named behind it wins.
pub(super) fn run(from: Records, json: bool, what: Option<StoresCommand>) -> ExitCode {
    match what {
        None => match from.place() {
            Ok(place) => ended(stores::print(&place, json, &mut std::io::stdout())),
            Err(wrong) => failed(2, &wrong),
        },
        Some(StoresCommand::Retire { from: own, gateway }) => at(own.or(from), |place| retire(place, &gateway)),
        Some(StoresCommand::Back { from: own, gateway }) => at(own.or(from), |place| {
            let who = audit::command_line();
            let by = (who.as_str(), clock::now().wall);
            let store = retirement::back(&mut *place.open()?, &gateway, by)?;
            println!("{gateway} of store {store} is in use again");
            Ok(())
        }),
    }
}

fn at(from: Records, work: impl FnOnce(&Place) -> Result<(), HqError>) -> ExitCode {
    match from.place() {
        Ok(place) => ended(there(&place).and_then(|()| work(&place))),
        Err(wrong) => failed(2, &wrong),
    }
}

fn retire(place: &Place, gateway: &str) -> Result<(), HqError> {
    let who = audit::command_line();
    let by = (who.as_str(), clock::now().wall);
    let Retired { store, behind, others, words, erasures } = retirement::retire(&mut *place.open()?, gateway, by)?;
    println!(
        "{gateway} of store {store} is retired; skinlink-hq stores back {gateway}, or its next hello, takes it back"
    );
    if behind > 0 {
        println!(
            "{behind} events that it spoke of never came: they are on its disk alone; it brings them when it is switched on"
        );
    }
    if words > 0 {
        println!(
            "{words} words of customers wait for it: skinlink-hq words shows them; somebody must see to them, or take it back"
        );
    }
    if erasures > 0 {
        println!(
            "{erasures} erasures ordered of store {store} can be done by no gateway any more: do each with skinlink-hq erase; the page of the \
             erasures names the customers"
        );
    }
    if others == 0 {
        println!(
            "store {store} has no gateway in use now: it is not on the pages and in no figure until one says hello"
        );
    }
    Ok(())
}
