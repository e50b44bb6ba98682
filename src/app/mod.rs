//! Composition root: the only place that names every other module. Builds the daemon from a configuration and runs it.

mod about;
mod build;
pub mod catalogue;
mod check;
pub mod demo;
mod desk;
mod devices;
pub mod fleet;
mod headquarters;
mod holders;
mod housekeeping;
mod inference;
mod lan;
mod live;
mod logging;
mod look;
mod machine;
mod models;
mod new_protocol;
mod packages;
mod packages_command;
mod print;
mod progress;
mod protocols;
pub use protocols::pages as protocol_pages;
pub mod recognise;
mod replay;
pub mod rows;
pub mod runtime;
pub mod signals;
mod simulate;
mod staff;
mod store;
pub mod supervisor;
mod watch;
mod zone;

use crate::cli::{self, Cli, Command, exit};
use catalogue::CatalogueError;
use signals::Signals;
use std::{future::Future, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

/// After the last task: what was confirmed is on disk already, this only folds the log into the file.
const CLOSING: Duration = Duration::from_secs(5);

/// Does what the command line asks; the last line on standard error says what went wrong, if anything did.
#[must_use]
pub fn start(cli: &Cli) -> ExitCode {
    if matches!(cli.command, Command::Worker) {
        // Before logging: this process has its own ends, and its output is the conversation.
        return crate::worker::main_loop();
    }
    if let Err(error) = logging::start(&cli.log) {
        let log = &cli.log;
        print::complain(&format!("skinlink: --log {log:?}: {error}; use info or info,skinlink::tasks=debug"));
        return ExitCode::from(exit::USAGE);
    }
    let outcome = match &cli.command {
        Command::Run(file) => block_on(run(file)),
        Command::Demo(options) => block_on(demo::run(options)),
        Command::Simulate(options) => block_on_listening(simulate::run(options)),
        Command::Devices(options) => devices::command(options),
        Command::Protocol(command) => protocols::command(command),
        Command::Check(options) => check::command(options),
        Command::Model(command) => block_on(models::command(command)),
        Command::Staff(command) => block_on(staff::command(command)),
        Command::Packages(options) => block_on(packages_command::command(options)),
        Command::Worker => unreachable!("answered above"),
    };
    ExitCode::from(outcome.unwrap_or_else(|error| {
        print::complain(&format!("skinlink: {}", told_once(&error)));
        // A configuration that cannot be understood is the caller's to mend; nothing was changed.
        if error.is::<CatalogueError>() { exit::USAGE } else { exit::FAULT }
    }))
}

/// The chain of causes in one line; a cause that its error's own sentence tells already is left out.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    block_on_any(work)?
}

fn block_on_any<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work))
}

/// For what listens on standard input: a thread that waits there for a line must not hold the end up.
fn block_on_listening(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

async fn run(file: &cli::ConfigFile) -> anyhow::Result<u8> {
    // Read once: somebody may be writing it when the gateway begins anew.
    let source = catalogue::source(&file.config)?;
    let config = source.config().map_err(CatalogueError::from)?;
    let chain = config.packages.chain.as_deref();
    let mut signals = Signals::install()?;
    let mut blamed: Option<String> = None;
    loop {
        let stop = CancellationToken::new();
        let build::App { tasks, store, anew } =
            match build::build((&source, &file.config), &config, blamed.take().as_deref(), &stop).await? {
                build::Built::App(app) => *app,
                build::Built::Again(reason) => {
                    blamed = Some(reason);
                    continue;
                }
            };
        crate::faults::point("packages.anew.built");
        let outcome = tasks.run(&stop, &mut signals).await;
        let again = match &outcome {
            _ if signals.asked() => {
                packages::ended_well(&store, chain).await;
                false
            }
            // What is slow to end then is what was used so far.
            _ if anew.is_cancelled() => true,
            Ok(()) => false,
            Err(fault) => {
                let reason = fault.to_string();
                let suspected = packages::suspects(&store, chain, &reason).await;
                blamed = suspected.then_some(reason);
                suspected
            }
        };
        let closed = store.close(CLOSING).await;
        if !closed {
            tracing::warn!("the store was still in use after {CLOSING:?}; what was confirmed is safe");
        }
        if !again {
            outcome?;
            return Ok(exit::OK);
        }
        // Whoever watches over the process starts it again.
        anyhow::ensure!(closed, "the gateway was to begin anew, and its store is still in use; start it again");
    }
}
