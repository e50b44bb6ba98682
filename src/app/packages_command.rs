//! `skinlink packages`: what headquarters has rolled out here. The running gateway is asked; without one its database says how it
//! was when it ran.

use super::{
    catalogue,
    machine::{self, Heard},
    print::{complain, say},
    staff,
};
use crate::{
    cli::{self, exit},
    sync::package::{Holding, Slot, Stand},
    tasks::packages::{Running, State},
};
use anyhow::bail;
use serde_json::json;
use std::time::Duration;

/// A question about a few rows.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints the list; the answer is an exit code.
///
/// # Errors
/// When neither the gateway nor its database can be reached.
pub async fn command(options: &cli::Packages) -> anyhow::Result<u8> {
    let config = catalogue::config(&options.file.config)?;
    let Some(chain) = config.packages.chain.clone() else {
        if options.json {
            say!("{}", json!({ "chain": null, "packages": [] }));
        } else {
            say!("no packages are taken: packages.chain is empty (docs/packages.md)");
        }
        return Ok(exit::OK);
    };
    for fault in catalogue::keys(&config.packages, &options.file.config.display().to_string()) {
        if let Err(fault) = fault {
            complain(&format!("no packages are taken as long as a key cannot be read: {fault}"));
        }
    }
    let packages: Vec<Holding> = match machine::get(&config, "/packages", PATIENCE).await? {
        Heard::Said(status, body) if status.is_success() => serde_json::from_value(body["packages"].clone())?,
        Heard::Said(status, _) => bail!("the gateway answers {status}; it may be of another version than this program"),
        Heard::Closed(why) => bail!("the gateway runs and does not answer: {why}"),
        Heard::Nobody => {
            let store = staff::open(&config)?;
            let state = State::kept(store.packages().await?.as_deref(), &chain);
            let running: Running =
                state.holdings.all_in_use().map(|(slot, used)| (slot.clone(), used.clone())).collect();
            state.downlink(&running).packages
        }
    };
    if options.json {
        say!("{}", json!({ "chain": chain, "packages": packages }));
    } else if packages.is_empty() {
        say!("nothing has been rolled out here; what the gateway was installed with is in use");
    }
    for one in packages.iter().filter(|_| !options.json) {
        say!("{}", line(one));
    }
    Ok(exit::OK)
}

fn line(one: &Holding) -> String {
    let Holding { slot, version, stand, reason, measured, failed } = one;
    let stand = match stand {
        Stand::Used => "in use",
        Stand::Held => "held",
        Stand::Refused => "REFUSED",
        Stand::Left => "withdrawn",
    };
    let health = match (slot, measured, failed) {
        (Slot::Model(_), Some(measured), Some(failed)) => format!("  {measured} photographs, {failed} failed"),
        _ => String::new(),
    };
    let reason = if reason.is_empty() { String::new() } else { format!("  {}", reason.replace('\n', "; ")) };
    format!("{:28} {version:>6}  {stand:9}{health}{reason}", slot.to_string())
}
