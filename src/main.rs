//! Parses the command line, calls `app`, turns the outcome into an exit code.

use clap::Parser;
use skinlink::{adapters, app, cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    adapters::roots::ignore_system_roots();
    app::start(&cli::Cli::parse())
}
