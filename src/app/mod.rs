//! Composition root: the only place that names every other module. Builds the daemon from a configuration and runs it.

mod logging;
pub mod signals;
pub mod supervisor;

use crate::cli::{Cli, Command, exit};
use std::process::ExitCode;

/// Does what the command line asks; the last line on standard error says what went wrong, if anything did.
#[must_use]
pub fn start(cli: Cli) -> ExitCode {
    if matches!(cli.command, Command::Worker) {
        // Before logging: this process has its own ends, and its output is the conversation.
        return crate::worker::main_loop();
    }
    if let Err(error) = logging::start(&cli.log) {
        eprintln!("skinlink: --log {:?}: {error}; use info or info,skinlink::tasks=debug", cli.log);
        return ExitCode::from(exit::USAGE);
    }
    ExitCode::from(exit::OK)
}
