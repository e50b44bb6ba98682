//! `skinlink devices --air`: what advertises, what each would be taken for and why, and the `[[device]]` for it.

use super::look::{Configured, Surroundings};
use crate::{
    adapters::ble::{self, Heard},
    app::print::say,
    cli::{self, exit},
    config::Port,
    protocol::{
        Spec,
        air::{Advertises, shown},
    },
};
use serde::Serialize;
use std::{fmt::Write as _, time::Duration};

/// Analysers advertise several times a second, sensors that save their battery every few seconds.
const LISTEN: Duration = Duration::from_secs(8);

/// A device in the air.
#[derive(Debug, Serialize)]
struct Seen {
    address: String,
    adapter: String,
    name: Option<String>,
    signal_dbm: Option<i16>,
    /// As protocol files write them.
    services: Vec<String>,
    manufacturers: Vec<String>,
    taken_for: Vec<Taken>,
    configured: Option<Configured>,
    /// A `[[device]]` to be copied; none where it is configured, or nobody knows what it is.
    block: Option<String>,
}

#[derive(Debug, Serialize)]
struct Taken {
    protocol: String,
    title_zh: String,
    title_en: String,
    why: String,
}

/// Listens and prints.
pub async fn show(options: &cli::Look) -> anyhow::Result<u8> {
    let surroundings = Surroundings::read(options)?;
    let heard = match ble::survey(LISTEN).await {
        Ok(heard) => heard,
        Err(missing) => {
            let advice = missing.advice();
            say!("{missing}\n{}\n{}", advice.zh, advice.en);
            return Ok(exit::FAULT);
        }
    };
    let seen: Vec<Seen> = heard.into_iter().map(|one| look_at(one, &surroundings)).collect();
    if options.json {
        say!("{}", serde_json::to_string_pretty(&seen)?);
    } else if seen.is_empty() {
        say!("nothing advertises 没有收到任何无线设备的信号");
    } else {
        seen.iter().for_each(|one| say!("{}", told(one)));
    }
    Ok(exit::OK)
}

fn look_at(heard: Heard, surroundings: &Surroundings) -> Seen {
    let Heard { address, adapter, name, signal_dbm, services, companies } = heard;
    let fits = |spec: &Spec| {
        let advertises = &spec.ble.as_ref()?.advertises;
        let fits = advertises.fits(&services, name.as_deref(), companies.iter().copied());
        fits.then(|| Taken {
            protocol: spec.id.clone(),
            title_zh: spec.title.zh.clone(),
            title_en: spec.title.en.clone(),
            why: why(advertises),
        })
    };
    let taken_for: Vec<Taken> = surroundings.protocols.values().filter_map(|spec| fits(spec)).collect();
    let devices = surroundings.config.iter().flat_map(|config| &config.devices);
    let configured = devices
        .filter(|device| device.port == Port::Address(address.clone()))
        .map(|device| Configured {
            station: device.station.clone(),
            protocol: device.protocol.clone(),
            by: format!("address {address}"),
        })
        .next();
    let block = match (&configured, taken_for.as_slice()) {
        (None, [taken, ..]) => {
            let (station, protocol) = (surroundings.station(), &taken.protocol);
            Some(format!("[[device]]\nstation = \"{station}\"\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n"))
        }
        _ => None,
    };
    Seen {
        services: services.into_iter().map(shown).collect(),
        manufacturers: companies.iter().map(|company| format!("{company:04X}")).collect(),
        address,
        adapter,
        name,
        signal_dbm,
        taken_for,
        configured,
        block,
    }
}

/// What of its advertisements the file lists.
fn why(advertises: &Advertises) -> String {
    let Advertises { service, name, manufacturer } = advertises;
    let mut signs = Vec::new();
    signs.extend(service.map(|uuid| format!("service {}", shown(uuid))));
    signs.extend(name.as_ref().map(|name| format!("a name that begins with {name:?}")));
    signs.extend(manufacturer.map(|company| format!("manufacturer {company:04X}")));
    format!("it advertises {}, as its file lists", signs.join(" and "))
}

/// For people: a device with what is known of it, a line each.
fn told(seen: &Seen) -> String {
    let signal = seen.signal_dbm.map_or_else(String::new, |signal| format!(" {signal} dBm"));
    let name = seen.name.as_deref().unwrap_or("no name");
    let mut text = format!("{} {name}{signal} at {}", seen.address, seen.adapter);
    let mut line = |what: String| write!(text, "\n    {what}").expect("a String takes all that is written");
    for taken in &seen.taken_for {
        line(format!("taken for {} ({} {}): {}", taken.protocol, taken.title_zh, taken.title_en, taken.why));
    }
    if seen.taken_for.is_empty() {
        line("taken for nothing 没有对应的协议".to_owned());
        let signs = seen.services.iter().map(|service| format!("service {service}"));
        let signs = signs.chain(seen.manufacturers.iter().map(|company| format!("manufacturer {company}")));
        let signs: Vec<String> = signs.collect();
        if !signs.is_empty() {
            line(format!("it advertises {}", signs.join(", ")));
        }
    }
    if let Some(Configured { station, protocol, by: _ }) = &seen.configured {
        line(format!("configured: {protocol} at {station}"));
    }
    for part in seen.block.iter().flat_map(|block| block.lines()) {
        line(part.to_owned());
    }
    text
}
