//! `skinlink devices`: what is plugged in, what each would be taken for and why, and how to configure it; and `record`.

mod air;
mod look;
mod table;

use super::{
    catalogue,
    print::say,
    watch::{ProtocolFile, Recorder, Watch, Way, head},
};
use crate::{
    cli::{self, exit},
    domain::device::bluetooth_address,
    protocol::{
        bthome::Key,
        spec::{FlowControl, Parity, Serial, Spec},
    },
};
use anyhow::{Context, bail};
use look::Surroundings;
use std::{path::Path, sync::Arc, time::Duration};

/// Looks, or records; the answer is an exit code.
///
/// # Errors
/// When the configuration or the protocols cannot be read, or a recording cannot be written.
pub fn command(options: &cli::Devices) -> anyhow::Result<u8> {
    match &options.command {
        Some(cli::DevicesCommand::Record(record)) => super::block_on_listening(self::record(record)),
        None if options.look.air => super::block_on_any(air::show(&options.look))?,
        None => super::block_on_listening(show(&options.look)),
    }
}

async fn show(options: &cli::Look) -> anyhow::Result<u8> {
    let surroundings = Surroundings::read(options)?;
    let seen = surroundings.look(options).await;
    if options.json {
        say!("{}", serde_json::to_string_pretty(&seen)?);
    } else {
        say!("{}", table::table(&seen, &surroundings, super::rows::Layout::of_terminal()).trim_end());
    }
    Ok(if seen.iter().any(look::Seen::needs_someone) { exit::FAULT } else { exit::OK })
}

async fn record(options: &cli::Record) -> anyhow::Result<u8> {
    let spec = match &options.protocol {
        Some(protocol) => Some(ProtocolFile::find(protocol, &options.folder.protocols).read()?),
        None => None,
    };
    let way = way(spec.as_ref(), &options.place, options.baud)?;
    let recorder = Recorder::begin(&options.into, &head(spec.as_deref(), &way));
    let recorder = recorder.with_context(|| format!("cannot begin the recording {}", options.into.display()))?;
    let watch = Watch {
        way,
        spec,
        file: None,
        recorder: Some(recorder),
        limit: limit(options.seconds)?,
        acknowledges: options.acknowledge,
    };
    watch.run().await
}

/// `skinlink protocol try`.
///
/// # Errors
/// When the file is not sound.
pub async fn try_protocol(options: &cli::Try) -> anyhow::Result<u8> {
    let mut file = ProtocolFile::find(&options.file, &options.folder.protocols);
    let spec = file.read()?;
    let way = way(Some(&spec), &options.place, options.baud)?;
    let watch = Watch {
        way,
        spec: Some(spec),
        file: Some(file),
        recorder: None,
        limit: limit(options.seconds)?,
        acknowledges: options.acknowledge,
    };
    watch.run().await
}

/// How the device at `place` is reached by what its protocol says.
fn way(spec: Option<&Arc<Spec>>, place: &cli::DevicePlace, baud: Option<u32>) -> anyhow::Result<Way> {
    let Some(written) = &place.address else {
        let port = place.port.clone().context("name the device: --port or --address")?;
        return Ok(Way::Line { port, serial: line(spec.map(AsRef::as_ref), baud)? });
    };
    let address = bluetooth_address(written)
        .with_context(|| format!("{written:?} is no Bluetooth address; write it as F0:F1:F2:F3:F4:F5"))?;
    let spec = spec.context("a device in the air is reached by its protocol; name it: --protocol ID")?;
    let key = place.key_file.as_deref().map(key).transpose()?;
    match (&spec.ble, key) {
        (Some(ble), key) if ble.broadcast.is_some() => Ok(Way::Heard { address, key, spec: Arc::clone(spec) }),
        (Some(_), Some(_)) => bail!("{} is connected, not overheard, and needs no key; leave --key-file out", spec.id),
        (Some(ble), None) => Ok(Way::Air { address, ble: ble.clone() }),
        (None, _) => bail!("{} has no [transport.ble]; name its --port", spec.id),
    }
}

/// The key of a device that advertises encrypted.
///
/// # Errors
/// Unreadable, or no key.
pub fn key(path: &Path) -> anyhow::Result<Key> {
    let key = Key::parse(&catalogue::read(path)?);
    key.with_context(|| format!("{} holds no key; write its 32 hex digits", path.display()))
}

/// The line of the protocol, else a plain one; a rate is never guessed for a device that is only in the air.
fn line(spec: Option<&Spec>, baud: Option<u32>) -> anyhow::Result<Serial> {
    let mut serial = match spec {
        None => plain(),
        Some(Spec { serial: Some(serial), .. }) => serial.clone(),
        Some(_) if baud.is_some() => plain(),
        Some(spec) => bail!("{} has no [transport.serial]; give the rate of this port with --baud", spec.id),
    };
    serial.baud = baud.unwrap_or(serial.baud);
    Ok(serial)
}

fn limit(seconds: Option<f64>) -> anyhow::Result<Option<Duration>> {
    let limit = seconds.map(Duration::try_from_secs_f64).transpose();
    limit.context("--seconds needs a number of seconds, 0 or more")
}

/// What most devices have; the rate is given.
const fn plain() -> Serial {
    Serial { baud: 9_600, data_bits: 8, parity: Parity::None, stop_bits: 1, flow: FlowControl::None, usb: Vec::new() }
}
