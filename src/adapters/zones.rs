//! The clocks of a place, from the machine's time zone database (RFC 8536): of each zone the rule that stands at the end of its file.

use crate::domain::Zone;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const DATABASE: &str = "/usr/share/zoneinfo";
/// As the machine is set.
const OWN: &str = "/etc/localtime";

/// A zone that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NoZone {
    #[error("no {}; check the name, or install the package tzdata", path.display())]
    Unknown { path: PathBuf },
    #[error("{} holds no rule of clocks; name another zone", path.display())]
    NoRule { path: PathBuf },
    #[error("{} cannot be read: {source}; name a zone", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// The clocks of a zone by its name, such as `Asia/Shanghai`.
///
/// # Errors
/// [`NoZone`].
pub fn named(name: &str) -> Result<Zone, NoZone> {
    let path = Path::new(DATABASE).join(name);
    let Ok(file) = fs::read(&path) else { return Err(NoZone::Unknown { path }) };
    rule(&file).ok_or(NoZone::NoRule { path })
}

/// The machine's own. One that was never set runs on UTC.
///
/// # Errors
/// [`NoZone`].
pub fn own() -> Result<Zone, NoZone> {
    let path = PathBuf::from(OWN);
    match fs::read(&path) {
        Ok(file) => rule(&file).ok_or(NoZone::NoRule { path }),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Zone::UTC),
        Err(source) => Err(NoZone::Unreadable { path, source }),
    }
}

/// The rule between the last two line ends, of files from version 2 on.
fn rule(file: &[u8]) -> Option<Zone> {
    let version = file.strip_prefix(b"TZif")?.first()?;
    let body = file.strip_suffix(b"\n").filter(|_| *version >= b'2')?;
    let start = body.iter().rposition(|byte| *byte == b'\n')? + 1;
    std::str::from_utf8(&body[start..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_stands_at_the_end_of_the_file() {
        let rule_of = |head: &[u8], foot: &str| rule(&[head, &[0; 60], foot.as_bytes()].concat());
        assert_eq!(rule_of(b"TZif2", "\nCST-8\n"), "CST-8".parse().ok());
        assert_eq!(rule_of(b"TZif4", "\nCET-1CEST,M3.5.0,M10.5.0/3\n"), "CET-1CEST,M3.5.0,M10.5.0/3".parse().ok());
        for (head, foot) in [
            (&b"TZif\0"[..], "\nCST-8\n"),
            (b"TZif2", "\n\n"),
            (b"TZif2", "\nCST-8"),
            (b"ELF__", "\nCST-8\n"),
            (b"", ""),
        ] {
            assert_eq!(rule_of(head, foot), None, "{head:?} {foot:?}");
        }
    }

    /// Whatever database this machine has: every zone that an installer may name can be read.
    #[test]
    fn the_machines_own_database_is_understood() {
        for name in ["Asia/Shanghai", "Asia/Taipei", "Europe/Berlin", "America/New_York", "Australia/Sydney", "UTC"] {
            if Path::new(DATABASE).join(name).exists() {
                assert!(named(name).is_ok(), "{name}");
            }
        }
        assert!(named("Nowhere/Atlantis").unwrap_err().to_string().contains("install the package tzdata"));
    }
}
