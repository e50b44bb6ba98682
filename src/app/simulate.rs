//! `skinlink simulate PROTOCOL`: a simulated analyser on a pseudo-terminal, steered by lines on standard input.

use super::{
    catalogue,
    fleet::{self, Fleet},
    signals::Signals,
};
use crate::{
    adapters::mqtt,
    cli::{self, exit},
    sim::{
        device::{Setup, SimDevice},
        serve::{Control, SimHandle, Simulated, serve},
        wire::Wire,
    },
    sync::topic::Address,
};
use anyhow::Context;
use std::time::Duration;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long the stores of a fleet may take for what was left over at its end.
const CATCHING_UP: Duration = Duration::from_secs(600);

/// Serves until Ctrl-C; a fleet until all of it is acknowledged.
///
/// # Errors
/// When the protocol is not there or no pseudo-terminal can be had; a store of a fleet that failed.
pub async fn run(options: &cli::Simulate) -> anyhow::Result<u8> {
    match (&options.many, &options.protocol) {
        (Some(cli::Many::Fleet(options)), _) => many(options).await,
        (None, Some(protocol)) => one(options, protocol).await,
        (None, None) => Ok(exit::USAGE),
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

async fn one(options: &cli::Simulate, protocol: &str) -> anyhow::Result<u8> {
    let mut protocols = catalogue::protocols(&options.folder.protocols)?;
    if let Some(broken) = protocols.broken.get(protocol) {
        anyhow::bail!("protocol {protocol} is broken:\n{broken}");
    }
    let spec = protocols
        .sound
        .remove(protocol)
        .with_context(|| format!("there is no protocol {protocol:?}; see `skinlink protocol list`"))?;
    let device = SimDevice::new(spec, Setup::new(&options.serial, options.seed), Instant::now().into_std());
    let (handle, mut simulated) = Simulated::new(device, Wire::sound(), Wire::sound());
    if let Some(path) = &options.ledger {
        simulated = simulated.with_ledger_file(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("{protocol} {} (seed {}) at {}", options.serial, options.seed, options.port.display());
    eprintln!("steer it by lines: phase before|after, press METRIC REGION, place REGION, lift, touch, unplug, plug-in");
    let (mut signals, stop) = (Signals::install()?, CancellationToken::new());
    tokio::select! {
        served = serve(&options.port, simulated, stop) => served?,
        () = steer(handle) => {}
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
            Err(not_understood) => eprintln!("{not_understood}"),
        }
    }
    std::future::pending().await
}
