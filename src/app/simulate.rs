//! `skinlink simulate PROTOCOL`: a simulated analyser on a pseudo-terminal, steered by lines on standard input; or a recorded
//! one (`--replay`).

use super::{
    catalogue,
    fleet::{self, Fleet},
    print::complain,
    protocols,
    signals::Signals,
};
use crate::{
    adapters::mqtt,
    cli::{self, exit},
    protocol::{Spec, framing::Kind, recording::Recording},
    sim::{
        Replay,
        device::{Setup, SimDevice},
        serve::{Control, SimHandle, Simulated, serve},
        serve_replay,
    },
    sync::topic::Address,
};
use anyhow::{Context, bail};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const STEERING: &str =
    "steer it by lines: phase before|after, press METRIC REGION, place REGION, lift, touch, unplug, plug-in";

/// How long the stores of a fleet may take for what was left over at its end.
const CATCHING_UP: Duration = Duration::from_secs(600);

/// Serves until Ctrl-C; a fleet until all of it is acknowledged.
///
/// # Errors
/// When the protocol or the recording is not there or no pseudo-terminal can be had; a store of a fleet that failed.
pub async fn run(options: &cli::Simulate) -> anyhow::Result<u8> {
    match (&options.many, &options.replay) {
        (Some(cli::Many::Fleet(options)), _) => many(options).await,
        (None, Some(path)) => replay(options, path).await,
        (None, None) => one(options).await,
    }
}

/// Plays a fleet and prints its ledgers, one JSON line a store.
async fn many(options: &cli::Fleet) -> anyhow::Result<u8> {
    let cli::Fleet { stores, rate, seconds, disturbed_every, seed, host, port, certificates, data } = options;
    let fleet = Fleet {
        stores: *stores,
        rate: *rate,
        lasting: Duration::from_secs(*seconds),
        catching_up: CATCHING_UP,
        disturbed_every: disturbed_every.map(Duration::from_secs),
        seed: *seed,
        folder: data.clone(),
    };
    let connect = |address: &Address| mqtt::connector(fleet::settings(host, *port, certificates, address));
    for ledger in fleet.play(connect).await? {
        println!("{}", serde_json::to_string(&ledger)?);
    }
    Ok(exit::OK)
}

async fn one(options: &cli::Simulate) -> anyhow::Result<u8> {
    let protocol = options.protocol.as_deref().context("name a protocol; see `skinlink protocol list`")?;
    let spec = spec(options, protocol)?;
    if spec.framing.kind == Kind::Notification {
        bail!("{protocol} sends notifications, and a pseudo-terminal does not keep them apart; it has no simulator");
    }
    let device = SimDevice::new(spec, Setup::new(&options.serial, options.seed), Instant::now().into_std());
    let (handle, mut simulated) = Simulated::with_faults(device, options.faults, options.seed);
    if let Some(path) = &options.ledger {
        simulated = simulated.with_ledger_file(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (serial, seed, port) = (&options.serial, options.seed, options.port.display());
    complain(&format!("{protocol} {serial} (seed {seed}) at {port}\n{STEERING}"));
    let (mut signals, stop) = (Signals::install()?, CancellationToken::new());
    tokio::select! {
        served = serve(&options.port, simulated, stop) => served?,
        () = steer(handle) => {}
        () = signals.stop_requested() => {}
    }
    Ok(exit::OK)
}

fn spec(options: &cli::Simulate, protocol: &str) -> anyhow::Result<Arc<Spec>> {
    let found = catalogue::protocols(&options.folder.protocols)?;
    protocols::sound(&found, protocol).cloned()
}

async fn replay(options: &cli::Simulate, path: &Path) -> anyhow::Result<u8> {
    let recording = Recording::parse(&catalogue::read(path)?).with_context(|| path.display().to_string())?;
    let protocol = options.protocol.as_deref().or_else(|| recording.head.protocol_id());
    let spec = protocol.map(|protocol| spec(options, protocol)).transpose()?;
    let (pieces, port) = (recording.pieces.len(), options.port.display());
    let by = protocol.map_or_else(|| "commands are not told apart".to_owned(), |id| format!("commands of {id}"));
    complain(&format!("{pieces} pieces of {} at {port}; {by}", path.display()));
    let (mut signals, stop) = (Signals::install()?, CancellationToken::new());
    tokio::select! {
        served = serve_replay(&options.port, Replay::new(&recording, spec, Instant::now().into_std()), stop) => served?,
        () = signals.stop_requested() => {}
    }
    Ok(exit::OK)
}

/// Takes lines until there are none; then the device goes on by itself.
async fn steer(handle: SimHandle) {
    let Ok(input) = File::open("/dev/stdin").await else { return std::future::pending().await };
    let mut lines = BufReader::new(input).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.trim().parse::<Control>() {
            Ok(control) if handle.control(control.clone()).await.is_err() => break,
            Ok(_) => {}
            Err(not_understood) => complain(&not_understood.to_string()),
        }
    }
    std::future::pending().await
}
