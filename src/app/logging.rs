//! Logs go to standard error; under systemd without time stamps, since the journal has its own.

use std::io;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

/// Starts logging for the life of the process.
///
/// # Errors
/// When `level` is no filter such as `info` or `info,skinlink::tasks=debug`.
pub fn start(level: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(level)?;
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // A second start in one process (tests) keeps the first.
    let _ = if in_journal { builder.without_time().try_init() } else { builder.try_init() };
    Ok(())
}
