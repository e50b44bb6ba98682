//! Who holds a port open: so that "busy" names whom to close. Reads `/proc`; another user's programs show only to root.

use crate::cli::Cli;
use clap::CommandFactory;
use serde::Serialize;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// A program that has the port open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    pub name: String,
    pub pid: u32,
    /// The command where the program is ours: `run`, `protocol`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pid, command } = self;
        let command = command.as_ref().map_or_else(String::new, |command| format!(" {command}"));
        write!(f, "{name}{command} (process {pid})")
    }
}

impl Holder {
    /// A gateway that runs: its ports are in good hands. Our tools that look at a line take its bytes away like anyone else.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        matches!(self.command.as_deref(), Some("run" | "demo"))
    }
}

/// Everyone but ourselves who has `node` (or what it links to) open. Blocks for some milliseconds.
#[must_use]
pub fn of(node: &Path) -> Vec<Holder> {
    let node = fs::canonicalize(node).unwrap_or_else(|_| node.to_owned());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|pid| *pid != std::process::id());
    let mut holders: Vec<Holder> = others.filter(|pid| has_open(*pid, &node)).map(named).collect();
    holders.sort();
    holders
}

/// Whether this very program has `node` open.
#[must_use]
pub fn is_ours(node: &Path) -> bool {
    fs::canonicalize(node).is_ok_and(|node| has_open(std::process::id(), &node))
}

fn has_open(pid: u32, node: &Path) -> bool {
    let entries = fs::read_dir(PathBuf::from(format!("/proc/{pid}/fd"))).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == node))
}

fn named(pid: u32) -> Holder {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = name.trim().to_owned();
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = words.split(|byte| *byte == 0).skip(1).map(String::from_utf8_lossy);
    let commands = Cli::command();
    let is_command = |word: &str| commands.get_subcommands().any(|command| command.get_name() == word);
    let command = words.into_iter().find(|word| is_command(word)).filter(|_| name == "skinlink");
    Holder { name, pid, command: command.map(Into::into) }
}
