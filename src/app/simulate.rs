//! `skinlink simulate PROTOCOL`: a simulated analyser on a pseudo-terminal, steered by lines on standard input.

use super::{catalogue, signals::Signals};
use crate::{
    cli::{self, exit},
    sim::{
        device::{Setup, SimDevice},
        serve::{Control, SimHandle, Simulated, serve},
        wire::Wire,
    },
};
use anyhow::Context;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Serves until Ctrl-C.
///
/// # Errors
/// When the protocol is not there or no pseudo-terminal can be had.
pub async fn run(options: &cli::Simulate) -> anyhow::Result<u8> {
    let mut protocols = catalogue::protocols(&options.folder.protocols)?;
    if let Some(broken) = protocols.broken.get(&options.protocol) {
        anyhow::bail!("protocol {} is broken:\n{broken}", options.protocol);
    }
    let spec = protocols
        .sound
        .remove(&options.protocol)
        .with_context(|| format!("there is no protocol {:?}; see `skinlink protocol list`", options.protocol))?;
    let device = SimDevice::new(spec, Setup::new(&options.serial, options.seed), Instant::now().into_std());
    let (handle, mut simulated) = Simulated::new(device, Wire::sound(), Wire::sound());
    if let Some(path) = &options.ledger {
        simulated = simulated.with_ledger_file(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("{} {} (seed {}) at {}", options.protocol, options.serial, options.seed, options.port.display());
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
