//! `[rollouts]`: whose packages are taken in, how large the rings are, what proves one and what halts it.

use crate::{hq::rollout::plan::Limits, sync::package::PublicKey, sync::topic::is_name};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Keys that may sign, as in a gateway: so that a new one can be brought in before the old one goes.
const MOST_KEYS: usize = 4;

/// As written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRollouts {
    pub chain: Option<String>,
    #[serde(default)]
    pub keys: Vec<PathBuf>,
    pub pilot: Option<u32>,
    pub rings: Option<Vec<u32>>,
    pub share_percent: Option<f64>,
    pub soak_hours: Option<f64>,
    pub photographs: Option<u64>,
    pub failed_percent: Option<f64>,
    pub refusals: Option<u64>,
    pub silent_minutes: Option<f64>,
    pub backlog: Option<u64>,
}

/// Resolved.
#[derive(Debug, Clone)]
pub struct RolloutSettings {
    pub chain: String,
    pub keys: Vec<PublicKey>,
    /// Stores of the pilot ring.
    pub pilot: usize,
    /// Percent of all stores that each ring after it reaches.
    pub rings: Vec<u32>,
    pub limits: Limits,
}

impl RawRollouts {
    /// Relative paths are taken from the file's folder.
    pub(super) fn take_paths_from(&mut self, folder: &Path) {
        self.keys.iter_mut().for_each(|file| *file = folder.join(&*file));
    }

    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<RolloutSettings, String> {
        let Self { chain, keys, pilot, rings, .. } = &self;
        let chain = chain.clone().ok_or("missing: rollouts.chain; the same word as in the gateways' [packages]")?;
        if !is_name(&chain) {
            return Err(format!("rollouts.chain is {chain:?}; 1 to 60 of a-z, 0-9 and -"));
        }
        if keys.is_empty() || keys.len() > MOST_KEYS {
            return Err(format!(
                "rollouts.keys names {} files; name 1 to {MOST_KEYS} public keys (skinlink-hq package key makes one)",
                keys.len()
            ));
        }
        let key = |path: &PathBuf| {
            let pem = fs::read(path).map_err(|fault| format!("rollouts.keys: {}: {fault}", path.display()))?;
            PublicKey::from_pem(&pem).map_err(|fault| format!("rollouts.keys: {}: {fault}", path.display()))
        };
        let keys = keys.iter().map(key).collect::<Result<_, String>>()?;
        let pilot = pilot.unwrap_or(10);
        let rings = rings.clone().unwrap_or_else(|| vec![50, 100]);
        let rising = rings.windows(2).all(|two| two[0] < two[1]);
        if pilot == 0 || rings.first() == Some(&0) || !rising || rings.last() != Some(&100) {
            return Err(format!(
                "rollouts.pilot is {pilot} and rollouts.rings {rings:?}; one store or more, then percentages that rise and end with 100"
            ));
        }
        Ok(RolloutSettings { limits: self.limits()?, chain, keys, pilot: pilot as usize, rings })
    }

    fn limits(&self) -> Result<Limits, String> {
        let within = |name: &str, value: f64, from: f64, to: f64| {
            if value.is_finite() && (from..=to).contains(&value) {
                return Ok(value);
            }
            Err(format!("rollouts.{name} is {value}; {from} to {to}"))
        };
        let share = within("share_percent", self.share_percent.unwrap_or(80.0), 1.0, 100.0)? / 100.0;
        let failed = within("failed_percent", self.failed_percent.unwrap_or(5.0), 0.0, 99.0)? / 100.0;
        let soak = within("soak_hours", self.soak_hours.unwrap_or(24.0), 0.0, 24.0 * 60.0)?;
        let silent = within("silent_minutes", self.silent_minutes.unwrap_or(15.0), 0.01, 24.0 * 60.0)?;
        Ok(Limits {
            share,
            soak_ms: (soak * 3_600_000.0) as i64,
            photographs: self.photographs.unwrap_or(200),
            failed,
            refusals: self.refusals.unwrap_or(2).max(1),
            silent_ms: (silent * 60_000.0) as i64,
            backlog: self.backlog.unwrap_or(500),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::package::SigningKey;

    #[test]
    fn rings_rise_to_all_and_every_key_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("packages.pub");
        fs::write(&file, SigningKey::generate().unwrap().public_pem().unwrap()).unwrap();
        let read = |lines: &str| {
            let text = format!("chain = \"qinghe\"\nkeys = [\"packages.pub\"]\n{lines}");
            let mut raw = toml::from_str::<RawRollouts>(&text).map_err(|fault| fault.to_string())?;
            raw.take_paths_from(folder.path());
            raw.resolve()
        };
        let usual = read("").unwrap();
        assert_eq!((usual.pilot, usual.rings, usual.limits.soak_ms), (10, vec![50, 100], 86_400_000));
        assert_eq!(read("soak_hours = 0.001").unwrap().limits.soak_ms, 3_600);
        for wrong in ["rings = [50]", "rings = [100, 50]", "rings = []", "rings = [0, 100]", "pilot = 0"] {
            assert!(read(wrong).unwrap_err().contains("rise and end with 100"), "{wrong}");
        }
        assert!(read("share_percent = 0").unwrap_err().contains("share_percent"));
        assert!(read("failed_percent = nan").unwrap_err().contains("failed_percent"));
        assert!(read("ring = [100]").unwrap_err().contains("unknown field"));
        fs::write(&file, "no key").unwrap();
        assert!(read("").unwrap_err().contains("packages.pub"));
    }
}
