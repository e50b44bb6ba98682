//! What this process may take. It can ask for less, never for more again.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// Address space of the whole process, and no core file.
///
/// # Errors
/// A sentence, where the system does not set a limit.
pub(super) fn set(memory_mib: u32) -> Result<(), String> {
    address_space(u64::from(memory_mib) << 20)?;
    // A crash is told by the parent; a core file would hold a customer's picture.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|e| format!("core files cannot be switched off ({e})"))
}

/// From now on `more_mib` beyond what the process has, unless its limit is nearer than that.
///
/// # Errors
/// A sentence, where the system does not tell what the process has.
pub(super) fn leave(more_mib: u32) -> Result<(), String> {
    let unknown = || "the system does not tell how much memory this process has".to_owned();
    let status = fs::read_to_string("/proc/self/status").map_err(|_| unknown())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).ok_or_else(unknown)?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().map_err(|_| unknown())?;
    let (limit, _) = getrlimit(Resource::RLIMIT_AS).map_err(|e| e.to_string())?;
    address_space(limit.min((kib << 10) + (u64::from(more_mib) << 20)))
}

fn address_space(bytes: u64) -> Result<(), String> {
    setrlimit(Resource::RLIMIT_AS, bytes, bytes).map_err(|e| format!("the memory limit cannot be set ({e})"))
}
