//! The salon's clocks, from the machine's time zone database (RFC 8536): of each zone the rule that stands at the end of its file.

use crate::{
    config,
    domain::{Zone, follow_up::Calendar},
};
use anyhow::{Context as _, bail};
use std::{fs, io, path::Path};

const DATABASE: &str = "/usr/share/zoneinfo";
/// As the machine is set.
const OWN: &str = "/etc/localtime";

/// The salon's days as the configuration means them.
///
/// # Errors
/// Where a zone is named that the machine does not know.
pub fn calendar(config: &config::Calendar) -> anyhow::Result<Calendar> {
    let zone = match &config.time_zone {
        Some(name) => named(name)?,
        None => own()?,
    };
    Ok(Calendar::new(zone, config.holidays.clone()))
}

fn named(name: &str) -> anyhow::Result<Zone> {
    let path = Path::new(DATABASE).join(name);
    let file = fs::read(&path).with_context(|| {
        format!("calendar.time_zone: no {}; check the name, or install the package tzdata", path.display())
    })?;
    rule(&file)
        .with_context(|| format!("calendar.time_zone: {} holds no rule of clocks; name another zone", path.display()))
}

/// A machine that was never set runs on UTC.
fn own() -> anyhow::Result<Zone> {
    match fs::read(OWN) {
        Ok(file) => rule(&file).with_context(|| format!("{OWN} holds no rule of clocks; set calendar.time_zone")),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Zone::UTC),
        Err(fault) => bail!("cannot read {OWN}: {fault}; set calendar.time_zone"),
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
