//! Parses the command line, calls `app`, turns the outcome into an exit code.

use clap::Parser;
use skinlink::{app, cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    app::start(&cli::Cli::parse())
}
